"""The process entry: `python -m services.consent run|migrate`."""

from chassis.service import main
from services.consent.app import build
from services.consent.settings import Settings

if __name__ == "__main__":
    main(Settings, build)
