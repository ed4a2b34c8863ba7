"""Where the command line finds the services' databases and the broker: the environment, or a stack's file."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from chassis.database import Database
from chassis.settings import ServiceSettings, load
from services.cabinet.settings import Settings as CabinetSettings
from services.consent.settings import Settings as ConsentSettings
from services.extracts.settings import Settings as ExtractsSettings
from services.gradebook.settings import Settings as GradebookSettings
from services.publisher.settings import Settings as PublisherSettings

SETTINGS: Final[dict[str, type[ServiceSettings]]] = {
    "consent": ConsentSettings,
    "gradebook": GradebookSettings,
    "publisher": PublisherSettings,
    "extracts": ExtractsSettings,
    "cabinet": CabinetSettings,
}
SERVICES: Final = tuple(SETTINGS)


def read_file(path: Path) -> dict[str, str]:
    """The variables of a stack's file: `NAME=value` a line, `#` starts a comment.

    Raises:
        OSError: the file cannot be read.
        ValueError: a line is neither.
    """
    variables = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        name, equals, value = text.partition("=")
        if not equals:
            raise ValueError(f"{path}:{number}: expected NAME=value")
        variables[name] = value
    return variables


def use_file(path: Path) -> None:
    """Takes the variables of a stack's file; what the environment already says stays."""
    for name, value in read_file(path).items():
        os.environ.setdefault(name, value)


@asynccontextmanager
async def database(service: str) -> AsyncIterator[Database]:
    """A service's database, as its application role."""
    settings = load(SETTINGS[service])
    opened = await Database.connect(settings.database_url, pool_size=4, application_name=f"sutki-{service}")
    try:
        yield opened
    finally:
        await opened.close()
