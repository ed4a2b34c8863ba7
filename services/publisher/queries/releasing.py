"""Held results that the clock let go."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.database import Connection
from contracts.values import DISCLOSURE_TERM

_RELEASE = """
WITH found AS (
    SELECT result_id FROM results
    WHERE held AND state <> 'withdrawn' AND released_by_clock IS DISTINCT FROM value_revision AND obtained_at <= $1
    ORDER BY obtained_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE results r SET released_by_clock = r.value_revision
FROM found f WHERE r.result_id = f.result_id
RETURNING r.result_id, r.value_revision, r.school_id, r.student_id, r.obtained_at
"""
_RELEASE_KNOWN = """
UPDATE results r SET released_by_clock = r.value_revision
FROM unnest($1::uuid[], $2::timestamptz[]) AS v (result_id, recorded_at)
WHERE r.result_id = v.result_id AND r.held AND r.state <> 'withdrawn'
  AND r.released_by_clock IS DISTINCT FROM r.value_revision AND r.obtained_at + $3::interval <= v.recorded_at
RETURNING r.result_id, r.value_revision, r.school_id, r.student_id, r.obtained_at
"""
_NEXT = """
SELECT extract(epoch FROM min(obtained_at) + $2::interval - $1)::float8 FROM results
WHERE held AND state <> 'withdrawn' AND released_by_clock IS DISTINCT FROM value_revision
"""


@dataclass(frozen=True, slots=True)
class Released:
    """A version of a result that the clock let go, and when."""

    result_id: UUID
    value_revision: int
    school_id: UUID
    student_id: UUID
    released_at: datetime


async def release(conn: Connection, due_before: datetime, limit: int) -> list[Released]:
    """Marks what was still held when its 24 hours were over; each version once."""
    return _released(await conn.fetch(_RELEASE, due_before - DISCLOSURE_TERM, limit))


async def release_known(
    conn: Connection, result_ids: Sequence[UUID], recorded_at: Sequence[datetime]
) -> list[Released]:
    """The same of results whose next state was recorded after their 24 hours, and is about to be taken here."""
    return _released(await conn.fetch(_RELEASE_KNOWN, result_ids, recorded_at, DISCLOSURE_TERM))


async def seconds_to_next(conn: Connection, now: datetime) -> float | None:
    """How long until the next held result is released by the clock."""
    seconds: float | None = await conn.fetchval(_NEXT, now, DISCLOSURE_TERM)
    return seconds


def _released(rows: Sequence[Any]) -> list[Released]:
    found = [
        Released(
            row["result_id"],
            row["value_revision"],
            row["school_id"],
            row["student_id"],
            row["obtained_at"] + DISCLOSURE_TERM,
        )
        for row in rows
    ]
    return sorted(found, key=lambda one: (one.released_at, one.result_id))
