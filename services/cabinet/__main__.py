"""`python -m services.cabinet run|migrate`."""

from chassis.service import main
from services.cabinet.app import build
from services.cabinet.settings import Settings

if __name__ == "__main__":
    main(Settings, build)
