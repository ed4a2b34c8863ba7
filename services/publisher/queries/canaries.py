"""Canaries as the publisher sees them: a table of their own, so that nothing that counts obligations can count them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.database import Connection
from contracts.final_grade_set import FinalGradeSet

_TAKE = """
INSERT INTO canaries AS c (school_id, result_id, value_revision, student_id, obtained_at, recorded_at, received_at)
SELECT *, $7 FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::uuid[], $5::timestamptz[], $6::timestamptz[])
ON CONFLICT (school_id, value_revision) DO NOTHING
"""
_ARRIVE = """
UPDATE canaries c SET available_at = v.available_at, arrived_at = $4
FROM unnest($1::uuid[], $2::bigint[], $3::timestamptz[]) AS v (school_id, value_revision, available_at)
WHERE c.school_id = v.school_id AND c.value_revision = v.value_revision AND c.arrived_at IS NULL
RETURNING c.school_id, c.value_revision, c.obtained_at, c.available_at
"""
_LAST = """
SELECT school_id, max(obtained_at) FILTER (WHERE arrived_at IS NOT NULL) AS arrived, min(received_at) AS first_received
FROM canaries GROUP BY school_id
"""
_FORGET = """
DELETE FROM canaries c WHERE c.obtained_at < $1 AND EXISTS (
    SELECT FROM canaries n WHERE n.school_id = c.school_id AND n.value_revision > c.value_revision
        AND n.arrived_at IS NOT NULL
)
"""
_SCHOOLS = "SELECT school_id FROM schools"


@dataclass(frozen=True, slots=True)
class Arrived:
    """A canary that could be seen."""

    school_id: UUID
    value_revision: int
    obtained_at: datetime
    available_at: datetime


async def take(conn: Connection, events: Sequence[FinalGradeSet], now: datetime) -> None:
    """Notes that canaries fly."""
    ordered = sorted(events, key=lambda one: (one.school_id, one.value_revision))
    await conn.execute(
        _TAKE,
        [one.school_id for one in ordered],
        [one.result_id for one in ordered],
        [one.value_revision for one in ordered],
        [one.student_id for one in ordered],
        [one.obtained_at for one in ordered],
        [one.recorded_at for one in ordered],
        now,
    )


async def arrive(conn: Connection, seen: Sequence[tuple[UUID, int, datetime]], now: datetime) -> list[Arrived]:
    """Notes since when canaries could be seen; returns those that were not known to have arrived."""
    ordered = sorted(seen)
    rows: Sequence[Any] = await conn.fetch(
        _ARRIVE, [one[0] for one in ordered], [one[1] for one in ordered], [one[2] for one in ordered], now
    )
    return [Arrived(**dict(row)) for row in rows]


async def last(conn: Connection) -> dict[UUID, tuple[datetime | None, datetime]]:
    """By synthetic school: when the last canary that arrived was sent, and since when any are known."""
    return {row["school_id"]: (row["arrived"], row["first_received"]) for row in await conn.fetch(_LAST)}


async def forget(conn: Connection, before: datetime) -> int:
    """Forgets old ones, but none without a later one that arrived; returns how many."""
    return int((await conn.execute(_FORGET, before)).split()[-1])


async def schools(conn: Connection) -> list[UUID]:
    """The real schools."""
    return [row["school_id"] for row in await conn.fetch(_SCHOOLS)]
