"""`python -m services.extracts run|migrate`."""

from chassis.service import main
from services.extracts.app import build
from services.extracts.settings import Settings

main(Settings, build)
