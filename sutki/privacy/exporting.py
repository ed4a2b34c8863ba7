"""Makes a person's copy: one JSON file for programs and one PDF for the person."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from chassis.access_log import Actor
from chassis.database import DISTRICT, Database
from chassis.holdings import Everything, Holdings
from chassis.paper import Press, printable
from services.cabinet.exporting_person import HOLDINGS as CABINET
from services.consent.exporting_person import HOLDINGS as CONSENT
from services.extracts.exporting_person import HOLDINGS as EXTRACTS
from services.gradebook.exchange.private import write_private
from services.gradebook.exporting_person import HOLDINGS as GRADEBOOK
from services.publisher.exporting_person import HOLDINGS as PUBLISHER
from sutki.privacy import words

HOLDINGS: Mapping[str, Holdings] = {
    "gradebook": GRADEBOOK,
    "consent": CONSENT,
    "cabinet": CABINET,
    "publisher": PUBLISHER,
    "extracts": EXTRACTS,
}
JSON, PDF = "data.json", "data.pdf"

_FOLDER = Path(__file__).parent / "templates"
_PRESS = Press(_FOLDER / "person.typ", _FOLDER)

Copy = Mapping[str, Everything]
"""By service: what it holds."""


async def held_by(database: Database, service: str, person_id: UUID, actor: Actor) -> Everything:
    """Everything that one service holds about a person; that it was read is noted there."""
    async with database.transaction(DISTRICT) as conn:
        return await HOLDINGS[service].about(conn, person_id, actor)


def machine_readable(person_id: UUID, copy: Copy, made_at: datetime) -> bytes:
    """The JSON file."""
    document = {"person_id": str(person_id), "made_at": made_at.astimezone(UTC), "services": copy}
    return orjson.dumps(document, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def human_readable(person_id: UUID, copy: Copy, made_at: datetime) -> bytes:
    """The PDF in Russian, tables by service."""
    sheet = {
        "person_id": str(person_id),
        "made": f"{made_at:%d.%m.%Y %H:%M} UTC",
        "services": [
            {
                "title": words.SERVICES[service],
                "tables": [
                    {"title": words.TABLES.get(table, table), "rows": [_fields(row) for row in rows]}
                    for table, rows in tables.items()
                ],
            }
            for service, tables in copy.items()
        ],
    }
    return _PRESS.pdf({"copy": orjson.dumps(sheet).decode()}, issued_at=made_at)


def _fields(row: Mapping[str, Any]) -> list[tuple[str, str]]:
    return [
        (words.FIELDS.get(name, name), printable(_text(value)))
        for name, value in row.items()
        if value not in (None, "", [], {})
    ]


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "да" if value else "нет"
    if isinstance(value, dict):
        return ", ".join(f"{words.FIELDS.get(name, name)} {_text(one)}" for name, one in value.items() if one)
    if isinstance(value, list):
        return ", ".join(map(_text, value))
    return str(value)


def write(folder: Path, person_id: UUID, copy: Copy, made_at: datetime) -> list[Path]:
    """Writes both files, readable by their owner alone.

    Raises:
        OSError: the folder cannot be written to.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    files = {
        folder / JSON: machine_readable(person_id, copy, made_at),
        folder / PDF: human_readable(person_id, copy, made_at),
    }
    for path, content in files.items():
        write_private(path, content)
    return list(files)
