"""The process entry: `python -m services.gradebook run|migrate`."""

from chassis.service import main
from services.gradebook.app import build
from services.gradebook.settings import Settings

if __name__ == "__main__":
    main(Settings, build)
