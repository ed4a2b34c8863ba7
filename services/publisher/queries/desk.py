"""What the desks look at: what is open and how long it has, what was owed about a result or a student, who waits."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from chassis.database import Connection
from services.publisher.queries.board import BoardRow

_COLUMNS = """o.obligation_id, o.result_id, o.value_revision, o.student_id, o.recipient_id, o.route, o.moved_reason,
       o.state, o.obtained_at, o.due_at, o.available_at, o.late, o.overdue_at, o.request_id"""

# Of the whole district it reads an index only; of one school, the board's.
_CELLS = """
SELECT route, CASE WHEN due_at <= $2::timestamptz THEN 'overdue'
                   WHEN due_at <= $2::timestamptz + interval '1 hour' THEN 'within_1_hour'
                   WHEN due_at <= $2::timestamptz + interval '4 hours' THEN 'within_4_hours'
                   WHEN due_at <= $2::timestamptz + interval '12 hours' THEN 'within_12_hours'
                   ELSE 'later' END AS time_left,
       count(*) AS obligations, min(due_at) AS first_due_at
FROM obligations WHERE {where} state = 'open' GROUP BY 1, 2 ORDER BY 1, 4
"""
_CELLS_OF_SCHOOL = _CELLS.format(where="school_id = $1 AND")
_CELLS_OF_DISTRICT = _CELLS.format(where="$1::uuid IS NULL AND")

_OLDEST = f"""
SELECT {_COLUMNS} FROM obligations o
WHERE o.school_id = $1 AND o.state = 'open' ORDER BY o.due_at, o.obligation_id LIMIT 1
"""
# Each route's first is the first entry of its part of an index.
_OLDEST_OF_DISTRICT = f"""
SELECT o.* FROM (VALUES ('screen'), ('paper'), ('with_representative')) AS r (route)
CROSS JOIN LATERAL (
    SELECT {_COLUMNS} FROM obligations o
    WHERE $1::uuid IS NULL AND o.state = 'open' AND o.route = r.route ORDER BY o.due_at LIMIT 1
) o
ORDER BY o.due_at, o.obligation_id LIMIT 1
"""

# What can have been printed within two hours was due after them; what is longer overdue does not change a pace much.
_PAPER = """
SELECT s.school_id, s.waiting,
       (SELECT count(*) FROM obligations o
        WHERE o.school_id = s.school_id AND o.state = 'available' AND o.route = 'paper' AND o.available_at > $2
          AND o.due_at > $2 AND o.due_at <= $3) AS met_lately
FROM (
    SELECT school_id, count(*) AS waiting FROM obligations
    WHERE state = 'open' AND route = 'paper' AND ($1::uuid IS NULL OR school_id = $1) GROUP BY school_id
) s
ORDER BY s.school_id
"""

_DUE_ON = """
SELECT coalesce(sum(in_time), 0)::bigint AS in_time, coalesce(sum(late_by_us), 0)::bigint AS late_by_us,
       coalesce(sum(late_at_source), 0)::bigint AS late_at_source,
       coalesce(sum(unmet_by_us), 0)::bigint AS unmet_by_us,
       coalesce(sum(unmet_at_source), 0)::bigint AS unmet_at_source,
       coalesce(sum(still_open), 0)::bigint AS still_open
FROM figure_days WHERE due_on = $2 AND ($1::uuid IS NULL OR school_id = $1)
"""

_OF_RESULT = f"""
SELECT {_COLUMNS} FROM obligations o
WHERE o.result_id = $1 AND ($2::text IS NULL OR o.state = $2)
  AND ($3::timestamptz IS NULL OR (o.due_at, o.obligation_id) > ($3, $4))
ORDER BY o.due_at, o.obligation_id LIMIT $5
"""
_OF_STUDENT = f"""
SELECT {_COLUMNS} FROM results r JOIN obligations o ON o.result_id = r.result_id
WHERE r.student_id = $1 AND ($2::text IS NULL OR o.state = $2)
  AND ($3::timestamptz IS NULL OR (o.due_at, o.obligation_id) > ($3, $4))
ORDER BY o.due_at, o.obligation_id LIMIT $5
"""
_RESULTS_OF_STUDENT = "SELECT EXISTS (SELECT FROM results WHERE student_id = $1)"


@dataclass(frozen=True, slots=True)
class Cell:
    """What is open by one route with so much time left."""

    route: str
    time_left: str
    obligations: int
    first_due_at: datetime


@dataclass(frozen=True, slots=True)
class PaperPace:
    """What waits for paper at a school, and what was met on paper lately."""

    school_id: UUID
    waiting: int
    met_lately: int


@dataclass(frozen=True, slots=True)
class DueOn:
    """What became of what was due on a day, as counted for the public figure."""

    in_time: int
    late_by_us: int
    late_at_source: int
    unmet_by_us: int
    unmet_at_source: int
    still_open: int


async def cells(conn: Connection, school_id: UUID | None, now: datetime) -> list[Cell]:
    """What is open at a school or in the district, by route and time left."""
    query = _CELLS_OF_SCHOOL if school_id else _CELLS_OF_DISTRICT
    return [Cell(**dict(row)) for row in await conn.fetch(query, school_id, now)]


async def oldest(conn: Connection, school_id: UUID | None) -> BoardRow | None:
    """The most urgent obligation that is open."""
    row = await conn.fetchrow(_OLDEST if school_id else _OLDEST_OF_DISTRICT, school_id)
    return BoardRow(*row) if row else None


async def paper(conn: Connection, school_id: UUID | None, met_since: datetime, due_until: datetime) -> list[PaperPace]:
    """The schools where something waits for paper, and their pace."""
    return [PaperPace(**dict(row)) for row in await conn.fetch(_PAPER, school_id, met_since, due_until)]


async def due_on(conn: Connection, school_id: UUID | None, day: date) -> DueOn:
    """What became of what is due on a day."""
    row = await conn.fetchrow(_DUE_ON, school_id, day)
    if row is None:
        raise LookupError("a sum without groups always has a row")
    return DueOn(**dict(row))


async def of_result(
    conn: Connection, result_id: UUID, state: str | None, *, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[BoardRow]:
    """What is or was owed about a result: every version, every recipient."""
    return [BoardRow(*row) for row in await conn.fetch(_OF_RESULT, result_id, state, *(after or (None, None)), limit)]


async def of_student(
    conn: Connection, student_id: UUID, state: str | None, *, after: tuple[datetime, UUID] | None, limit: int
) -> Sequence[BoardRow]:
    """What is or was owed about a student's results."""
    return [BoardRow(*row) for row in await conn.fetch(_OF_STUDENT, student_id, state, *(after or (None, None)), limit)]


async def has_results(conn: Connection, student_id: UUID) -> bool:
    """Whether any result of a student is visible in the transaction's scope."""
    return bool(await conn.fetchval(_RESULTS_OF_STUDENT, student_id))
