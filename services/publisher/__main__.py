"""The publisher's process: `python -m services.publisher run|migrate`."""

from chassis.service import main
from services.publisher.app import build
from services.publisher.settings import Settings

main(Settings, build)
