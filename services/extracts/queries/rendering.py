"""SQL of numbering and rendering: what is ready, what it says, and where the finished sheet goes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from chassis.database import Connection
from services.extracts.domain import Lack, SheetFacts, SheetLine

# What an extract `e` waits for. $1 is the instant until which held results have been obtained whose 24 hours are over.
# A version that was never seen because a later one overtook it counts as known: the sheet carries the later one.
_LACKS = """
array_remove(ARRAY[
    CASE WHEN NOT EXISTS (SELECT FROM schools WHERE schools.school_id = e.school_id) THEN 'school' END,
    CASE WHEN NOT EXISTS (SELECT FROM persons WHERE persons.person_id = e.student_id) THEN 'student' END,
    CASE WHEN NOT EXISTS (SELECT FROM persons WHERE persons.person_id = e.recipient_id) THEN 'recipient' END,
    CASE WHEN EXISTS (
        SELECT FROM extract_items item
        WHERE item.extract_id = e.extract_id AND NOT EXISTS (
            SELECT FROM result_versions version
            WHERE version.student_id = e.student_id AND version.result_id = item.result_id
                AND (
                    version.value_revision = item.value_revision
                    OR version.value_revision > item.value_revision
                    AND (NOT version.held OR version.obtained_at <= $1)
                )
        )
    ) THEN 'results' END,
    CASE WHEN e.failures > 0 THEN 'rendering_failed' END
], NULL)
"""
_READY = f"cardinality(array_remove({_LACKS}, 'rendering_failed')) = 0"

_CLAIM_READY = f"""
SELECT e.extract_id, e.school_id, (SELECT time_zone FROM schools WHERE schools.school_id = e.school_id) AS time_zone
FROM extracts e
WHERE e.state = 'requested' AND {_READY}
ORDER BY e.due_at LIMIT $2 FOR UPDATE SKIP LOCKED
"""

_TAKE_NUMBERS = """
INSERT INTO register_counters AS counter (school_id, year, last_ordinal)
SELECT school_id, year, wanted FROM unnest($1::uuid[], $2::integer[], $3::integer[]) AS w (school_id, year, wanted)
ORDER BY school_id, year
ON CONFLICT (school_id, year) DO UPDATE SET last_ordinal = counter.last_ordinal + excluded.last_ordinal
RETURNING school_id, year, last_ordinal
"""

_NUMBER = """
UPDATE extracts
SET state = 'numbered', year = n.year, ordinal = n.ordinal, number = n.number, numbered_at = $5
FROM unnest($1::uuid[], $2::integer[], $3::integer[], $4::text[]) AS n (extract_id, year, ordinal, number)
WHERE extracts.extract_id = n.extract_id
"""

_REGISTER_NUMBERS = """
INSERT INTO hand_over_register (school_id, year, ordinal, number, extract_id, kind, made_by, at)
SELECT school_id, year, ordinal, number, extract_id, 'numbered', 'system', numbered_at FROM extracts
WHERE extract_id = ANY ($1::uuid[])
ORDER BY school_id, year, ordinal
"""

# MATERIALIZED: the few that are claimed come first, and only their names are looked up.
_CLAIM_NUMBERED = f"""
WITH claimed AS MATERIALIZED (
    SELECT e.* FROM extracts e
    WHERE e.state = 'numbered' AND (e.retry_at IS NULL OR e.retry_at <= $3) AND {_READY}
    ORDER BY e.due_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
SELECT c.extract_id, c.school_id, c.number, c.numbered_at, c.failures,
    school.name AS school_name, school.address AS school_address, school.time_zone,
    student.name AS student_name, student.class_name, recipient.name AS recipient_name
FROM claimed c
JOIN schools school ON school.school_id = c.school_id
JOIN LATERAL (SELECT name, class_name FROM persons WHERE person_id = c.student_id LIMIT 1) student ON true
JOIN LATERAL (SELECT name FROM persons WHERE person_id = c.recipient_id LIMIT 1) recipient ON true
ORDER BY c.due_at
"""

_LINES = """
SELECT item.extract_id, item.result_id, version.value_revision, version.kind, version.subject_title, version.state,
    version.value, version.deferred_until, version.period_kind, version.period_number, version.school_year,
    version.exam_title, version.score, version.max_score, version.obtained_at
FROM extract_items item
JOIN extracts e ON e.extract_id = item.extract_id
CROSS JOIN LATERAL (
    SELECT * FROM result_versions version
    WHERE version.student_id = e.student_id AND version.result_id = item.result_id
        AND (
            version.value_revision = item.value_revision
            OR version.value_revision > item.value_revision AND (NOT version.held OR version.obtained_at <= $2)
        )
    ORDER BY version.value_revision DESC LIMIT 1
) version
WHERE item.extract_id = ANY ($1::uuid[])
"""

_STORE_SHEETS = """
INSERT INTO sheets (extract_id, school_id, sheet, pdf)
SELECT extract_id, school_id, sheet::jsonb, pdf
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::bytea[]) AS s (extract_id, school_id, sheet, pdf)
ON CONFLICT (extract_id) DO UPDATE SET sheet = excluded.sheet, pdf = excluded.pdf
"""

# A sheet that was rendered anew lies in the queue again, whoever had taken the old one.
_MARK_RENDERED = """
UPDATE extracts
SET state = 'rendered', content_sha256 = r.sha256, rendered_at = $3, failures = 0, retry_at = NULL, taken_until = NULL
FROM unnest($1::uuid[], $2::text[]) AS r (extract_id, sha256)
WHERE extracts.extract_id = r.extract_id
"""

_NOTE_CARRIED = """
UPDATE extract_items SET carried_revision = c.value_revision, carried_state = c.state
FROM unnest($1::uuid[], $2::uuid[], $3::integer[], $4::text[]) AS c (extract_id, result_id, value_revision, state)
WHERE extract_items.extract_id = c.extract_id AND extract_items.result_id = c.result_id
"""

_NOTE_FAILURE = "UPDATE extracts SET failures = failures + 1, retry_at = $2 WHERE extract_id = $1"

_NEXT_RETRY_SECONDS = """
SELECT extract(epoch FROM min(retry_at) - (clock_timestamp() + clock_shift()))::float8 FROM extracts
WHERE state = 'numbered' AND retry_at IS NOT NULL
"""

_LACKS_OF = f"SELECT {_LACKS} FROM extracts e WHERE e.extract_id = $2"

_COUNT_LACKS = f"""
SELECT lack, count(*) AS extracts
FROM (
    SELECT * FROM extracts WHERE state = 'requested'
    UNION ALL SELECT * FROM extracts WHERE state = 'numbered'
) e, unnest({_LACKS}) AS lack
GROUP BY lack
"""


@dataclass(frozen=True)
class Ready:
    """An extract that can get its number."""

    extract_id: UUID
    school_id: UUID
    time_zone: str


@dataclass(frozen=True)
class Numbered:
    """A number for an extract."""

    extract_id: UUID
    year: int
    ordinal: int
    number: str


@dataclass(frozen=True)
class Stored:
    """A finished sheet with what it was made from."""

    extract_id: UUID
    school_id: UUID
    sheet: Mapping[str, Any]
    pdf: bytes
    sha256: str
    lines: Sequence[SheetLine]


async def claim_ready(conn: Connection, *, held_until: datetime, limit: int) -> list[Ready]:
    """Locks extracts without a number of which everything is known, the most urgent first."""
    rows = await conn.fetch(_CLAIM_READY, held_until, limit)
    return [Ready(row["extract_id"], row["school_id"], row["time_zone"]) for row in rows]


async def take_numbers(conn: Connection, wanted: Mapping[tuple[UUID, int], int]) -> dict[tuple[UUID, int], int]:
    """Takes numbers of schools and years; others who want some wait until this transaction ends.

    Args:
        conn: the transaction.
        wanted: how many, by school and year.

    Returns:
        The last of the numbers taken, by school and year.
    """
    rows = await conn.fetch(
        _TAKE_NUMBERS, [key[0] for key in wanted], [key[1] for key in wanted], list(wanted.values())
    )
    return {(row["school_id"], row["year"]): row["last_ordinal"] for row in rows}


async def number(conn: Connection, numbers: Sequence[Numbered], now: datetime) -> None:
    """Gives extracts their numbers, and enters them in the register."""
    ids = [item.extract_id for item in numbers]
    await conn.execute(
        _NUMBER,
        ids,
        [item.year for item in numbers],
        [item.ordinal for item in numbers],
        [item.number for item in numbers],
        now,
    )
    await conn.execute(_REGISTER_NUMBERS, ids)


async def claim_numbered(conn: Connection, *, held_until: datetime, limit: int, now: datetime) -> list[SheetFacts]:
    """Locks numbered extracts that can be rendered, the most urgent first, with what their sheets say."""
    rows = await conn.fetch(_CLAIM_NUMBERED, held_until, limit, now)
    return [SheetFacts(**row) for row in rows]


async def lines_of(conn: Connection, extract_ids: Sequence[UUID], *, held_until: datetime) -> list[SheetLine]:
    """The results on these sheets, each in the newest version that may be told."""
    rows = await conn.fetch(_LINES, extract_ids, held_until)
    return [SheetLine(**row) for row in rows]


async def store(conn: Connection, finished: Sequence[Stored], now: datetime) -> None:
    """Puts finished sheets into the print queue."""
    ids = [item.extract_id for item in finished]
    await conn.execute(
        _STORE_SHEETS,
        ids,
        [item.school_id for item in finished],
        [orjson.dumps(item.sheet).decode() for item in finished],
        [item.pdf for item in finished],
    )
    await conn.execute(_MARK_RENDERED, ids, [item.sha256 for item in finished], now)
    lines = [line for item in finished for line in item.lines]
    await conn.execute(
        _NOTE_CARRIED,
        [line.extract_id for line in lines],
        [line.result_id for line in lines],
        [line.value_revision for line in lines],
        [line.state for line in lines],
    )


async def note_failure(conn: Connection, extract_id: UUID, retry_at: datetime) -> None:
    """Lets a sheet rest that could not be rendered."""
    await conn.execute(_NOTE_FAILURE, extract_id, retry_at)


async def next_retry_seconds(conn: Connection) -> float | None:
    """How long until a sheet that failed is tried again; None when there is none."""
    seconds: float | None = await conn.fetchval(_NEXT_RETRY_SECONDS)
    return seconds


async def lacks_of(conn: Connection, extract_id: UUID, *, held_until: datetime) -> list[Lack]:
    """What one extract waits for."""
    return [Lack(lack) for lack in await conn.fetchval(_LACKS_OF, held_until, extract_id) or ()]


async def count_lacks(conn: Connection, *, held_until: datetime) -> dict[Lack, int]:
    """How many extracts wait for what."""
    return {Lack(row["lack"]): row["extracts"] for row in await conn.fetch(_COUNT_LACKS, held_until)}
