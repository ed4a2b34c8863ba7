"""SQL of the print queue, the print runs and the hand-over register."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from chassis.database import Connection
from services.extracts.domain import ExtractState
from services.extracts.facts import Way

_COLUMNS = """
e.extract_id, e.request_id, e.school_id, e.student_id, e.recipient_id, e.state, e.number, e.year, e.ordinal, e.due_at,
e.content_sha256, e.taken_sha256, e.taken_until, e.print_revision, e.printed_at, e.handed_over_at, e.way
"""

_QUEUE = f"""
SELECT {_COLUMNS}, s.sheet ->> 'student' AS student, s.sheet ->> 'class' AS class, s.sheet ->> 'recipient' AS recipient
FROM extracts e LEFT JOIN sheets s USING (extract_id)
WHERE e.state = 'rendered' AND e.school_id = $1 AND ($2::timestamptz IS NULL OR e.due_at <= $2)
ORDER BY e.due_at, e.year, e.ordinal LIMIT $3
"""

# MATERIALIZED: as a plain subquery the planner may run it anew for every row, and then it takes more than its limit.
_TAKE = """
WITH free AS MATERIALIZED (
    SELECT extract_id FROM extracts
    WHERE state = 'rendered' AND school_id = $3 AND ($4::timestamptz IS NULL OR due_at <= $4)
        AND (taken_until IS NULL OR taken_until <= $5)
    ORDER BY due_at, year, ordinal LIMIT $6 FOR UPDATE SKIP LOCKED
)
UPDATE extracts SET print_run_id = $1, taken_until = $2, taken_sha256 = content_sha256
FROM free WHERE extracts.extract_id = free.extract_id
"""

_GIVE_BACK = """
UPDATE extracts SET taken_until = NULL WHERE print_run_id = $1 AND state = 'rendered'
"""

_OF_RUN = f"SELECT {_COLUMNS} FROM extracts e WHERE e.print_run_id = $1 ORDER BY e.due_at, e.year, e.ordinal"
_FIND = f"SELECT {_COLUMNS} FROM extracts e WHERE e.extract_id = $1"
_LOCK = f"SELECT {_COLUMNS} FROM extracts e WHERE e.extract_id = ANY ($1::uuid[]) ORDER BY e.extract_id FOR UPDATE"

_SHEETS = """
SELECT s.extract_id, s.sheet, s.pdf FROM sheets s JOIN extracts e USING (extract_id)
WHERE s.extract_id = ANY ($1::uuid[]) ORDER BY e.due_at, e.year, e.ordinal
"""

_ITEMS = """
SELECT extract_id, result_id, coalesce(carried_revision, value_revision) AS value_revision FROM extract_items
WHERE extract_id = ANY ($1::uuid[]) ORDER BY extract_id, result_id
"""

_MARK_PRINTED = """
UPDATE extracts SET state = 'printed', printed_at = $2, print_revision = print_revision + 1, taken_until = NULL
WHERE extract_id = ANY ($1::uuid[])
"""

_BACK_TO_QUEUE = """
UPDATE extracts SET state = 'numbered', taken_until = NULL, taken_sha256 = NULL WHERE extract_id = ANY ($1::uuid[])
"""

_MARK_HANDED_OVER = """
UPDATE extracts SET state = 'handed_over', handed_over_at = $2, way = $3 WHERE extract_id = $1
"""

_ENTER = """
INSERT INTO hand_over_register (
    school_id, year, ordinal, number, extract_id, kind, print_revision, content_sha256, items, way, made_by, at
)
SELECT school_id, year, ordinal, number, extract_id, kind, print_revision, content_sha256, items::jsonb, way, $10, $11
FROM unnest(
    $1::uuid[], $2::integer[], $3::integer[], $4::text[], $5::uuid[], $6::integer[], $7::text[], $8::text[], $9::text[]
) AS e (school_id, year, ordinal, number, extract_id, print_revision, content_sha256, items, way),
    (VALUES ($12::text)) AS k (kind)
ORDER BY school_id, year, ordinal
"""

_REGISTER = """
SELECT entry_id, number, extract_id, kind, at, way, made_by, content_sha256 FROM hand_over_register
WHERE school_id = $1 AND at >= $2 AND at < $3 AND entry_id > $4
ORDER BY entry_id LIMIT $5
"""

_TOLD = """
SELECT r.entry_id, r.kind, r.print_revision, r.content_sha256, r.items, r.way, r.at, r.number,
    e.extract_id, e.request_id, e.school_id, e.student_id, e.recipient_id
FROM hand_over_register r JOIN extracts e USING (extract_id)
WHERE r.entry_id > $1 AND r.kind IN ('printed', 'handed_over')
ORDER BY r.entry_id LIMIT $2
"""

_SCHOOLS_WITH_QUEUE = "SELECT DISTINCT school_id FROM extracts WHERE state = 'rendered' ORDER BY school_id"

_DELETE_OLD_SHEETS = """
DELETE FROM sheets WHERE extract_id IN (
    SELECT e.extract_id FROM extracts e JOIN sheets USING (extract_id)
    WHERE e.state = 'handed_over' AND e.handed_over_at < $1 OR e.state = 'printed' AND e.printed_at < $1
    LIMIT $2
)
"""


@dataclass(frozen=True)
class Extract:
    """An extract as the print queue and the register see it."""

    extract_id: UUID
    request_id: UUID
    school_id: UUID
    student_id: UUID
    recipient_id: UUID
    state: ExtractState
    number: str | None
    year: int | None
    ordinal: int | None
    due_at: datetime
    content_sha256: str | None
    taken_sha256: str | None
    taken_until: datetime | None
    print_revision: int
    printed_at: datetime | None
    handed_over_at: datetime | None
    way: str | None


@dataclass(frozen=True)
class Queued:
    """A sheet in the print queue, with the names that stand on it."""

    extract: Extract
    student: str
    class_name: str
    recipient: str


@dataclass(frozen=True)
class Entry:
    """One line of the hand-over register."""

    entry_id: int
    number: str
    extract_id: UUID
    kind: str
    at: datetime
    way: str | None
    made_by: str
    content_sha256: str | None


@dataclass(frozen=True)
class Told:
    """A register entry from which an event follows."""

    entry_id: int
    kind: str
    print_revision: int
    content_sha256: str
    items: list[tuple[UUID, int]]
    way: Way
    at: datetime
    number: str
    extract_id: UUID
    request_id: UUID
    school_id: UUID
    student_id: UUID
    recipient_id: UUID


def _extract(row: Any) -> Extract:
    fields = {name: row[name] for name in Extract.__dataclass_fields__}
    return Extract(**{**fields, "state": ExtractState(row["state"])})


async def queue_of(conn: Connection, school_id: UUID, *, due_before: datetime | None, limit: int) -> list[Queued]:
    """A school's print queue, the most urgent first."""
    rows = await conn.fetch(_QUEUE, school_id, due_before, limit)
    return [Queued(_extract(row), row["student"] or "", row["class"] or "", row["recipient"] or "") for row in rows]


async def take(
    conn: Connection,
    run_id: UUID,
    school_id: UUID,
    *,
    due_before: datetime | None,
    now: datetime,
    until: datetime,
    limit: int,
) -> None:
    """Takes sheets of the queue for a print run; others leave them alone until then."""
    await conn.execute(_TAKE, run_id, until, school_id, due_before, now, limit)


async def give_back(conn: Connection, run_id: UUID) -> None:
    """Lets other runs have what this one did not print."""
    await conn.execute(_GIVE_BACK, run_id)


async def of_run(conn: Connection, run_id: UUID) -> list[Extract]:
    """The extracts that a run took and no later one did, in the order of printing."""
    return [_extract(row) for row in await conn.fetch(_OF_RUN, run_id)]


async def find(conn: Connection, extract_id: UUID) -> Extract | None:
    """One extract."""
    row = await conn.fetchrow(_FIND, extract_id)
    return None if row is None else _extract(row)


async def lock(conn: Connection, extract_ids: Sequence[UUID]) -> dict[UUID, Extract]:
    """Locks extracts, in the order of their ids."""
    return {row["extract_id"]: _extract(row) for row in await conn.fetch(_LOCK, extract_ids)}


async def sheets_of(conn: Connection, extract_ids: Sequence[UUID]) -> list[tuple[UUID, dict[str, Any], bytes]]:
    """Texts and PDFs of the sheets, in the order of printing; without those that were erased."""
    rows = await conn.fetch(_SHEETS, extract_ids)
    return [(row["extract_id"], row["sheet"], row["pdf"]) for row in rows]


async def items_of(conn: Connection, extract_ids: Sequence[UUID]) -> dict[UUID, list[tuple[UUID, int]]]:
    """Which version of which result each sheet carries."""
    items: dict[UUID, list[tuple[UUID, int]]] = {}
    for row in await conn.fetch(_ITEMS, extract_ids):
        items.setdefault(row["extract_id"], []).append((row["result_id"], row["value_revision"]))
    return items


async def mark_printed(conn: Connection, extract_ids: Sequence[UUID], now: datetime) -> None:
    """Notes that sheets are on paper."""
    await conn.execute(_MARK_PRINTED, extract_ids, now)


async def back_to_queue(conn: Connection, extract_ids: Sequence[UUID]) -> None:
    """Lets sheets be rendered and printed again."""
    await conn.execute(_BACK_TO_QUEUE, extract_ids)


async def mark_handed_over(conn: Connection, extract_id: UUID, at: datetime, way: str) -> None:
    """Notes that a sheet left the school."""
    await conn.execute(_MARK_HANDED_OVER, extract_id, at, way)


async def enter(
    conn: Connection,
    kind: str,
    extracts: Sequence[Extract],
    *,
    items: dict[UUID, list[tuple[UUID, int]]] | None = None,
    way: str | None = None,
    by: str,
    at: datetime,
) -> None:
    """Appends to the register.

    Args:
        conn: the transaction that makes the fact.
        kind: `printed`, `jammed` or `handed_over`.
        extracts: as they are after the fact; each has a number.
        items: what each sheet carries, kept as proof of what was printed.
        way: how it was handed over.
        by: label of the desk or program, never a person's name.
        at: when it happened.
    """
    await conn.execute(
        _ENTER,
        [extract.school_id for extract in extracts],
        [extract.year for extract in extracts],
        [extract.ordinal for extract in extracts],
        [extract.number for extract in extracts],
        [extract.extract_id for extract in extracts],
        [extract.print_revision for extract in extracts],
        [extract.content_sha256 for extract in extracts],
        [None if items is None else _as_json(items[extract.extract_id]) for extract in extracts],
        [way for _ in extracts],
        by,
        at,
        kind,
    )


def _as_json(items: Sequence[tuple[UUID, int]]) -> str:
    return orjson.dumps([[str(result_id), revision] for result_id, revision in items]).decode()


async def register_of(
    conn: Connection, school_id: UUID, *, since: datetime, before: datetime, after_entry: int, limit: int
) -> list[Entry]:
    """A part of a school's register, in the order of entry."""
    rows = await conn.fetch(_REGISTER, school_id, since, before, after_entry, limit)
    return [Entry(**row) for row in rows]


async def told(conn: Connection, *, after_entry: int, limit: int) -> list[Told]:
    """Register entries that were told to others, with the ids that their events carry."""
    rows = await conn.fetch(_TOLD, after_entry, limit)
    return [Told(**{**row, "items": [(UUID(result), revision) for result, revision in row["items"]]}) for row in rows]


async def schools_with_queue(conn: Connection) -> list[UUID]:
    """Schools where something lies in the print queue."""
    return [row["school_id"] for row in await conn.fetch(_SCHOOLS_WITH_QUEUE)]


async def delete_old_sheets(conn: Connection, *, before: datetime, limit: int) -> int:
    """Deletes sheets that were printed or handed over before then; the register stays.

    Returns:
        How many went.
    """
    status = await conn.execute(_DELETE_OLD_SHEETS, before, limit)
    return int(status.split()[-1])
