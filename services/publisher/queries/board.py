"""What staff and dashboards look at."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.database import Connection

_BOARD = """
SELECT obligation_id, result_id, value_revision, student_id, recipient_id, route, moved_reason, state, obtained_at,
       due_at, available_at, late, overdue_at, request_id
FROM obligations
WHERE school_id = $1 AND state = $2
  AND ($3::text IS NULL OR route = $3)
  AND ($4::timestamptz IS NULL OR due_at <= $4)
  AND ($5::timestamptz IS NULL OR (due_at, obligation_id) > ($5, $6))
ORDER BY due_at, obligation_id LIMIT $7
"""
_SUMMARY = """
SELECT route, count(*) AS open, count(*) FILTER (WHERE overdue_at IS NOT NULL) AS overdue,
       count(*) FILTER (WHERE due_at <= $2::timestamptz + interval '4 hours') AS due_within_4_hours,
       count(*) FILTER (WHERE request_id IS NOT NULL) AS in_print, min(due_at) AS next_due_at
FROM obligations WHERE school_id = $1 AND state = 'open' GROUP BY route ORDER BY route
"""
_OPEN_BY_ROUTE = """
SELECT route, count(*) AS open, min(due_at) AS next_due_at FROM obligations WHERE state = 'open' GROUP BY route
"""
_OVERDUE_OPEN = "SELECT count(*) FROM obligations WHERE state = 'open' AND due_at < $1 AND overdue_at IS NOT NULL"
# Every branch has a partial index of its own: read every few seconds, it must not read what was sent long ago.
_MESSAGES = """
SELECT channel, state, count(*) AS messages FROM notifications
WHERE state IN ('queued', 'retry') GROUP BY channel, state
UNION ALL
SELECT channel, state, count(*) FROM notifications WHERE state = 'claimed' GROUP BY channel, state
UNION ALL
SELECT channel, state, count(*) FROM notifications WHERE state IN ('undecided', 'failed') GROUP BY channel, state
"""
_RESULT = "SELECT school_id, student_id, value_revision, state FROM results WHERE result_id = $1"


@dataclass(frozen=True, slots=True)
class BoardRow:
    """One obligation as the deadline board shows it."""

    obligation_id: UUID
    result_id: UUID
    value_revision: int
    student_id: UUID
    recipient_id: UUID
    route: str
    moved_reason: str | None
    state: str
    obtained_at: datetime
    due_at: datetime
    available_at: datetime | None
    late: str | None
    overdue_at: datetime | None
    request_id: UUID | None


@dataclass(frozen=True, slots=True)
class RouteSummary:
    """What is open at a school by one route."""

    route: str
    open: int
    overdue: int
    due_within_4_hours: int
    in_print: int
    next_due_at: datetime


async def board(
    conn: Connection,
    school_id: UUID,
    *,
    state: str,
    route: str | None,
    due_before: datetime | None,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> Sequence[BoardRow]:
    """A page of a school's obligations, the most urgent first."""
    instant, obligation_id = after or (None, None)
    rows = await conn.fetch(_BOARD, school_id, state, route, due_before, instant, obligation_id, limit)
    return [BoardRow(*row) for row in rows]


async def summary(conn: Connection, school_id: UUID, now: datetime) -> list[RouteSummary]:
    """What is open at a school, by route."""
    return [RouteSummary(*row) for row in await conn.fetch(_SUMMARY, school_id, now)]


async def open_by_route(conn: Connection) -> dict[str, tuple[int, datetime]]:
    """Open obligations of the whole district and their first deadline, by route; reads an index only."""
    return {row["route"]: (row["open"], row["next_due_at"]) for row in await conn.fetch(_OPEN_BY_ROUTE)}


async def overdue_open(conn: Connection, now: datetime) -> int:
    """Open obligations whose 24 hours have passed."""
    return int(await conn.fetchval(_OVERDUE_OPEN, now))


async def messages_by_state(conn: Connection) -> dict[tuple[str, str], int]:
    """Messages that are not settled for good, by channel and state."""
    return {(row["channel"], row["state"]): row["messages"] for row in await conn.fetch(_MESSAGES)}


@dataclass(frozen=True, slots=True)
class ResultRow:
    """Whose a result is."""

    school_id: UUID
    student_id: UUID
    value_revision: int
    state: str


async def result(conn: Connection, result_id: UUID) -> ResultRow | None:
    """A result, if it is known and visible in the transaction's scope."""
    row = await conn.fetchrow(_RESULT, result_id)
    return ResultRow(*row) if row else None
