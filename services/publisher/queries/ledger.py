"""The ledger's rows and the heads of its chains."""

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

from chassis.database import Connection
from services.publisher.domain.ledger import Head, LedgerLine

_START = "INSERT INTO ledger_heads (school_id, seq, hash) SELECT unnest($1::uuid[]), 0, $2 ON CONFLICT DO NOTHING"
_LOCK = "SELECT school_id, seq, hash FROM ledger_heads WHERE school_id = ANY ($1::uuid[]) ORDER BY school_id FOR UPDATE"
_INSERT = """
INSERT INTO ledger (school_id, seq, result_id, prev_hash, hash, entry)
SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::bytea[], $5::bytea[], $6::text[])
"""
_MOVE = """
UPDATE ledger_heads h SET seq = v.seq, hash = v.hash
FROM unnest($1::uuid[], $2::bigint[], $3::bytea[]) AS v (school_id, seq, hash)
WHERE h.school_id = v.school_id
"""
_HEADS = "SELECT school_id, seq, hash FROM ledger_heads WHERE $1::uuid IS NULL OR school_id = $1 ORDER BY school_id"
# One statement sees one state: a head and the last entry fit together whatever is appended at the same time.
_ENDS = """
SELECT s.school_id, h.seq, h.hash, (SELECT max(l.seq) FROM ledger l WHERE l.school_id = s.school_id) AS last_seq
FROM (SELECT school_id FROM ledger_heads UNION SELECT DISTINCT school_id FROM ledger) s
LEFT JOIN ledger_heads h ON h.school_id = s.school_id
WHERE $1::uuid IS NULL OR s.school_id = $1
ORDER BY s.school_id
"""
_LINES = """
SELECT school_id, seq, prev_hash, hash, entry FROM ledger WHERE school_id = $1 AND seq > $2 ORDER BY seq LIMIT $3
"""
_OF_RESULT = """
SELECT school_id, seq, prev_hash, hash, entry FROM ledger WHERE result_id = $1 ORDER BY school_id, seq
"""
# Of the whole chain: an operator's question, asked seldom. What is about a student and no result is few.
_CLOSINGS = """
SELECT school_id, seq, prev_hash, hash, entry FROM ledger
WHERE school_id = $1 AND result_id IS NULL AND entry::jsonb ->> 'student_id' = $2 ORDER BY seq
"""

PAGE = 2000


async def lock_heads(conn: Connection, school_ids: Sequence[UUID], genesis: bytes) -> dict[UUID, Head]:
    """Locks the heads of schools, in one order everywhere; a school without one gets its first."""
    wanted = sorted(set(school_ids))
    rows = await conn.fetch(_LOCK, wanted)
    if len(rows) < len(wanted):
        await conn.execute(_START, wanted, genesis)
        rows = await conn.fetch(_LOCK, wanted)
    return {row["school_id"]: _head(row) for row in rows}


async def insert(conn: Connection, lines: Sequence[LedgerLine], result_ids: Sequence[UUID | None]) -> None:
    """Appends lines, each with the result that it is about."""
    await conn.execute(
        _INSERT,
        [one.school_id for one in lines],
        [one.seq for one in lines],
        result_ids,
        [one.prev_hash for one in lines],
        [one.hash for one in lines],
        [one.entry for one in lines],
    )


async def move_heads(conn: Connection, heads: Sequence[Head]) -> None:
    """Makes these the heads."""
    await conn.execute(_MOVE, [one.school_id for one in heads], [one.seq for one in heads], [one.hash for one in heads])


async def heads(conn: Connection, school_id: UUID | None) -> list[Head]:
    """The heads of all schools or of one."""
    return [_head(row) for row in await conn.fetch(_HEADS, school_id)]


async def ends(conn: Connection, school_id: UUID | None) -> list[tuple[UUID, Head | None, int]]:
    """Every school that has a head or an entry: its head, and the number of its last entry (0: none)."""
    return [
        (row["school_id"], None if row["seq"] is None else _head(row), row["last_seq"] or 0)
        for row in await conn.fetch(_ENDS, school_id)
    ]


async def lines(conn: Connection, school_id: UUID, *, after: int = 0) -> AsyncIterator[LedgerLine]:
    """A school's entries in order, read page by page."""
    while rows := await conn.fetch(_LINES, school_id, after, PAGE):
        for row in rows:
            yield _line(row)
        after = rows[-1]["seq"]


async def page(conn: Connection, school_id: UUID, *, after: int = 0) -> list[LedgerLine]:
    """One page of a school's entries."""
    return [_line(row) for row in await conn.fetch(_LINES, school_id, after, PAGE)]


async def of_result(conn: Connection, result_id: UUID) -> list[LedgerLine]:
    """Everything that the ledger says about a result."""
    return [_line(row) for row in await conn.fetch(_OF_RESULT, result_id)]


async def closings_of_student(conn: Connection, school_id: UUID, student_id: UUID) -> list[LedgerLine]:
    """The entries about a student that are about no single result: ends of consents."""
    return [_line(row) for row in await conn.fetch(_CLOSINGS, school_id, str(student_id))]


def _head(row: Any) -> Head:
    return Head(row["school_id"], row["seq"], row["hash"])


def _line(row: Any) -> LedgerLine:
    return LedgerLine(row["school_id"], row["seq"], row["prev_hash"], row["hash"], row["entry"])
