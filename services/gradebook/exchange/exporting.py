"""The export of the journal: from one snapshot of the database, by cursors, into CSV files, a folder or an archive."""

import csv
import io
import zipfile
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import IO, Any, Protocol
from uuid import UUID

import asyncpg

from chassis.database import DISTRICT, Database
from services.gradebook import roster_queries
from services.gradebook.exchange.exporting_queries import RECORDS
from services.gradebook.exchange.guarding import guard
from services.gradebook.exchange.plain import file_of
from services.gradebook.exchange.private import open_private
from services.gradebook.records import MODELS, RecordKind

_ROWS_AT_ONCE = 2000
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
"""The earliest that the format knows: the hour of writing must not change the bytes."""

Progress = Callable[[str, int], None]
"""Told which file is being written and how many rows it has."""


@dataclass(frozen=True)
class Wanted:
    """What is exported."""

    source: str = "district"
    """The namespace of the ids: what another source has stated is not in it."""
    school_id: UUID | None = None
    """Only this school; None: the district."""
    since: datetime | None = None
    """Only what has changed since, withdrawals too; None: all that holds."""


@dataclass
class Exported:
    """What was written: rows by file."""

    rows: dict[str, int] = field(default_factory=dict)


class Snapshot:
    """The journal at one moment, read without being kept in memory."""

    def __init__(self, conn: "asyncpg.Connection[asyncpg.Record]", wanted: Wanted) -> None:
        self._conn = conn
        self.wanted = wanted

    def with_wanted(self, wanted: Wanted) -> "Snapshot":
        """The same moment, asked for something else."""
        return Snapshot(self._conn, wanted)

    async def rows(self, sql: str, *arguments: object) -> AsyncIterator[asyncpg.Record]:
        """The rows of a query, by a cursor of the server. $1 is the source, $2 the instant."""
        given = (self.wanted.source, self.wanted.since, *arguments)
        async for row in self._conn.cursor(sql, *given, prefetch=_ROWS_AT_ONCE):
            yield row

    def records(self, kind: RecordKind) -> AsyncIterator[asyncpg.Record]:
        """The rows of a kind of record."""
        return self.rows(RECORDS[kind])


@asynccontextmanager
async def snapshot(database: Database, wanted: Wanted) -> AsyncIterator[Snapshot]:
    """A snapshot on a connection of its own: all files of an export show the same moment, however long it takes."""
    conn = await database.dedicated()
    try:
        async with conn.transaction(isolation="repeatable_read", readonly=True):
            if wanted.school_id is None:
                await roster_queries.see_whole_district(conn)
            else:
                await roster_queries.see_own_school(conn, wanted.school_id)
            yield Snapshot(conn, wanted)
    finally:
        await conn.close()


_SCHOOL = "SELECT school_id FROM schools WHERE source = $1 AND external_id = $2 OR school_id::text = $2"


async def resolve_school(database: Database, source: str, name: str) -> UUID | None:
    """A school by the source's id, or by ours; None when there is none."""
    async with database.transaction(DISTRICT) as conn:
        found: UUID | None = await conn.fetchval(_SCHOOL, source, name)
        return found


class Target(Protocol):
    """Where files are written."""

    def open(self, name: str) -> IO[bytes]:
        """A new file, to be closed before the next is opened."""
        ...


class Folder:
    """Files in a folder."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.mkdir(parents=True, exist_ok=True)

    def open(self, name: str) -> IO[bytes]:
        """A new file that nobody but its owner may read."""
        return open_private(self._path / name)


class Archive:
    """Files in a ZIP archive."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    def open(self, name: str) -> IO[bytes]:
        """A new file."""
        info = zipfile.ZipInfo(name, _ZIP_TIME)
        info.compress_type = zipfile.ZIP_DEFLATED
        info.external_attr = 0o600 << 16
        return self._archive.open(info, "w", force_zip64=True)


@asynccontextmanager
async def target_at(path: Path) -> AsyncIterator[Target]:
    """A target: an archive for a name that ends in .zip, otherwise a folder.

    An archive takes its name only when it is whole, and nobody but its owner may read it: it is full of personal data.
    """
    if path.suffix.lower() != ".zip":
        yield Folder(path)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.part")
    try:
        with (
            open_private(unfinished) as file,
            zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive,
        ):
            yield Archive(archive)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


class Sheet:
    """A CSV file that is being written: UTF-8, commas, CRLF."""

    def __init__(self, file: IO[bytes], columns: Sequence[str]) -> None:
        self._file = file
        self._text = io.StringIO(newline="")
        self._writer = csv.writer(self._text, lineterminator="\r\n")
        self._waiting = 0
        self.rows = 0
        self._writer.writerow(columns)

    def add(self, values: Iterable[object]) -> None:
        """Writes a row."""
        self._writer.writerow([cell(value) for value in values])
        self.rows += 1
        self._waiting += 1
        if self._waiting >= _ROWS_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Hands on what was written."""
        self._file.write(self._text.getvalue().encode())
        self._text.seek(0)
        self._text.truncate()
        self._waiting = 0


_WRITTEN: tuple[tuple[type, Callable[[Any], str]], ...] = (
    (str, str),
    (bool, lambda value: "true" if value else "false"),
    (datetime, lambda value: value.astimezone(UTC).isoformat().replace("+00:00", "Z")),
    (date, date.isoformat),
    (time, lambda value: value.strftime("%H:%M")),
    (Decimal, lambda value: format(value.normalize(), "f")),
)
"""In this order: a truth is a number too, and an instant a date."""


def cell(value: Any) -> str:
    """A value as files have it; nothing for None, instants in UTC, numbers without needless zeros."""
    if value is None:
        return ""
    for kind, write in _WRITTEN:
        if isinstance(value, kind):
            return write(value)
    return str(value)


async def export_plain(database: Database, path: Path, wanted: Wanted, progress: Progress | None = None) -> Exported:
    """Writes plain CSV: one file for each kind of record, in the columns that the import reads.

    Args:
        database: the gradebook's.
        path: a folder, or an archive when it ends in .zip.
        wanted: what to write.
        progress: told after each file and now and then within.
    """
    exported = Exported()
    async with snapshot(database, wanted) as journal, target_at(path) as target:
        for kind, model in MODELS.items():
            columns = [name for name in model.model_fields if name != "state"] + ["state"]
            with target.open(file_of(kind)) as file:
                sheet = Sheet(file, columns)
                async for row in journal.records(kind):
                    sheet.add(_guarded(row[column]) for column in columns)
                    tell(progress, file_of(kind), sheet.rows)
                sheet.flush()
            exported.rows[file_of(kind)] = sheet.rows
            if progress is not None:
                progress(file_of(kind), sheet.rows)
    return exported


def _guarded(value: Any) -> Any:
    """The value so that no text of it runs as a formula where the file is opened; `PlainCsv` takes the guard away."""
    return guard(value) if isinstance(value, str) else value


def tell(progress: Progress | None, name: str, rows: int) -> None:
    """Tells about progress now and then."""
    if progress is not None and not rows % _ROWS_AT_ONCE:
        progress(name, rows)
