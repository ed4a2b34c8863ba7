"""SQL of the forecast: what is due, what it rests on, what is stored."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

import asyncpg

from chassis.database import Connection
from contracts.values import PeriodKind
from services.gradebook.forecasting.domain import Holiday, Pair, Stored, Term
from services.gradebook.queries import columns

# --- what is due ----------------------------------------------------------------------------------------------------

# One step of the index for each school, however many rows wait.
_SCHOOLS = """
WITH RECURSIVE waiting (school_id) AS (
    (SELECT school_id FROM forecast_due ORDER BY school_id LIMIT 1)
    UNION ALL
    SELECT (SELECT d.school_id FROM forecast_due AS d WHERE d.school_id > w.school_id ORDER BY d.school_id LIMIT 1)
    FROM waiting AS w WHERE w.school_id IS NOT NULL
)
SELECT school_id FROM waiting WHERE school_id IS NOT NULL
"""


async def schools_waiting(conn: Connection) -> list[UUID]:
    """The schools of which something is due, by id."""
    return [row["school_id"] for row in await conn.fetch(_SCHOOLS)]


_TRY_LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended('gradebook/forecasts/' || $1::text, 0))"


async def try_lock(conn: Connection, school_id: UUID) -> bool:
    """Whether no other process works on the school's forecasts; then none does until the end of the transaction."""
    return bool(await conn.fetchval(_TRY_LOCK, str(school_id)))


class Due(NamedTuple):
    """A row that asks for a computation."""

    due_id: int
    student_id: UUID
    subject_id: UUID
    period_id: UUID


# An import asks for the same forecast with each of its transactions: all that ask for it now are answered by one
# computation, since the marks behind every row that is seen here are seen by what is read after it.
_DUE = """
WITH oldest AS (
    SELECT student_id, subject_id, period_id FROM forecast_due WHERE school_id = $1 ORDER BY due_id LIMIT $2
)
SELECT d.due_id, d.student_id, d.subject_id, d.period_id
FROM (SELECT DISTINCT student_id, subject_id, period_id FROM oldest) AS o
JOIN forecast_due AS d USING (student_id, subject_id, period_id)
WHERE d.school_id = $1
FOR UPDATE OF d SKIP LOCKED
"""


async def due(conn: Connection, school_id: UUID, limit: int) -> list[Due]:
    """What has been due longest, of a school, and all else that asks for the same; locked.

    Args:
        conn: the transaction.
        school_id: the school.
        limit: how many of the oldest rows decide what is computed.
    """
    return [Due(*row) for row in await conn.fetch(_DUE, school_id, limit)]


_DONE = "DELETE FROM forecast_due WHERE due_id = ANY($1::bigint[])"


async def done(conn: Connection, due_ids: Sequence[int]) -> None:
    """These rows were worked off; one that came meanwhile for the same forecast stays."""
    await conn.execute(_DONE, due_ids)


_WAITING = "SELECT count(*) FROM forecast_due"


async def waiting(conn: Connection) -> int:
    """How many rows wait."""
    return int(await conn.fetchval(_WAITING))


# --- what it rests on -----------------------------------------------------------------------------------------------

_TERMS = """
SELECT period_id, kind, number, school_year, starts_on, ends_on FROM periods WHERE school_id = $1 ORDER BY starts_on
"""


async def terms(conn: Connection, school_id: UUID) -> dict[UUID, Term]:
    """The school's periods, by the day on which they begin."""
    rows = await conn.fetch(_TERMS, school_id)
    return {row["period_id"]: Term(row["period_id"], PeriodKind(row["kind"]), *row[2:]) for row in rows}


_HOLIDAYS = """
SELECT starts_on, ends_on FROM holidays WHERE school_id = $1 AND state = 'active' AND starts_on <= $3 AND ends_on >= $2
"""


async def holidays(conn: Connection, school_id: UUID, first: date, last: date) -> list[Holiday]:
    """The school's holidays of some days."""
    return [Holiday(*row) for row in await conn.fetch(_HOLIDAYS, school_id, first, last)]


# Whoever is in no class is taken to be in the grade of the groups they are in.
_LEVELS = """
SELECT p.person_id, coalesce((p.state -> 'enrolment' ->> 'grade_level')::bigint, (
    SELECT max(g.grade_level) FROM group_members AS m JOIN study_groups AS g USING (group_id)
    WHERE m.person_id = p.person_id AND m.active AND g.school_id = $2 AND g.open
)) AS grade_level
FROM persons AS p
WHERE p.person_id = ANY($1::uuid[]) AND (p.state -> 'enrolment' ->> 'school_id')::uuid = $2
"""


async def grade_levels(conn: Connection, students: Sequence[UUID], school_id: UUID) -> dict[UUID, int | None]:
    """The grade of each of these students who is at this school now."""
    rows = await conn.fetch(_LEVELS, students, school_id)
    return {row["person_id"]: row["grade_level"] for row in rows}


class MarkRow(NamedTuple):
    """A mark that enters the mean."""

    student_id: UUID
    subject_id: UUID
    lesson_on: date
    value: int
    weight: Decimal
    work_type: str


_MARKS = """
SELECT m.student_id, m.subject_id, m.lesson_on, m.value::int, m.weight, m.work_type
FROM unnest($1::uuid[], $2::uuid[]) AS k (student_id, subject_id)
JOIN marks AS m ON m.student_id = k.student_id AND m.subject_id = k.subject_id
WHERE m.school_id = $3 AND m.lesson_on BETWEEN $4 AND $5 AND m.state = 'recorded'
  AND m.value IN ('1', '2', '3', '4', '5')
ORDER BY m.lesson_on, m.mark_id
"""


async def marks(conn: Connection, pairs: Sequence[Pair], school_id: UUID, first: date, last: date) -> list[MarkRow]:
    """The marks of these students in these subjects that are averaged, the oldest first."""
    return [MarkRow(*row) for row in await conn.fetch(_MARKS, *columns(pairs), school_id, first, last)]


class FinalRow(NamedTuple):
    """A final grade, numeric or not, and its period."""

    student_id: UUID
    subject_id: UUID
    period_id: UUID
    kind: PeriodKind
    starts_on: date
    value: str


_FINALS = """
SELECT f.student_id, f.subject_id, f.period_id, p.kind, p.starts_on, f.value
FROM final_grades AS f JOIN periods AS p USING (period_id)
WHERE f.student_id = ANY($1::uuid[]) AND f.state = 'set'
ORDER BY p.starts_on, f.changed_at
"""


async def final_grades(conn: Connection, students: Sequence[UUID]) -> list[FinalRow]:
    """All final grades of these students, at whatever school, by the day on which their periods begin."""
    rows = await conn.fetch(_FINALS, students)
    return [FinalRow(row[0], row[1], row[2], PeriodKind(row[3]), *row[4:]) for row in rows]


class PlannedRow(NamedTuple):
    """A control work that a student's group is to write."""

    student_id: UUID
    subject_id: UUID
    planned_on: date
    kind: str


_PLANNED = """
SELECT DISTINCT m.person_id, c.subject_id, c.planned_on, c.kind, c.control_work_id
FROM group_members AS m JOIN control_works AS c USING (group_id)
WHERE m.person_id = ANY($1::uuid[]) AND m.active
  AND c.school_id = $2 AND c.state = 'planned' AND c.planned_on > $3 AND c.planned_on <= $4
ORDER BY c.planned_on
"""


async def planned(
    conn: Connection, students: Sequence[UUID], school_id: UUID, after: date, last: date
) -> list[PlannedRow]:
    """The control works of these students' groups after a day, in their order."""
    return [PlannedRow(*row[:4]) for row in await conn.fetch(_PLANNED, students, school_id, after, last)]


# Three school years are past enough: teachers and classes change.
_PAST = """
FROM final_grades AS f JOIN periods AS p USING (period_id)
WHERE f.school_id = $1 AND f.state = 'set' AND f.value IN ('1', '2', '3', '4', '5')
  AND p.kind IN ('quarter', 'half_year') AND p.starts_on > (
      SELECT max(n.starts_on) - 1100 FROM periods AS n WHERE n.school_id = $1
  )
"""
_PAST_GRADES = (
    f"SELECT f.student_id, f.subject_id, f.period_id, f.value::int {_PAST} ORDER BY f.changed_at, f.result_id"
)
_COUNT_PAST = f"SELECT count(*) {_PAST}"


async def past_grades(conn: Connection, school_id: UUID) -> list[asyncpg.Record]:
    """Student, subject, period and value of a school's numeric final grades of the last three years."""
    return await conn.fetch(_PAST_GRADES, school_id)


async def count_past_grades(conn: Connection, school_id: UUID) -> int:
    """How many there are."""
    return int(await conn.fetchval(_COUNT_PAST, school_id))


# --- what is stored -------------------------------------------------------------------------------------------------

_COLUMNS = ", ".join(Stored._fields)
_STORED = f"SELECT {_COLUMNS} FROM forecasts WHERE forecast_id = ANY($1::uuid[]) FOR UPDATE"


async def stored(conn: Connection, forecast_ids: Sequence[UUID]) -> dict[UUID, Stored]:
    """The forecasts that are stored, locked until the end of the transaction."""
    return {row["forecast_id"]: Stored(*row) for row in await conn.fetch(_STORED, forecast_ids)}


# Arrays of arrays do not come apart by unnest: each forecast's probabilities travel as four columns.
_STORE = f"""
INSERT INTO forecasts AS f ({_COLUMNS})
SELECT forecast_id, school_id, student_id, subject_id, period_id, state, ARRAY[p2, p3, p4, p5], leading_grade, band,
       needed, marks_counted, computed_at, revision, changed_at, told
FROM unnest(
    $1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::float8[], $8::float8[], $9::float8[],
    $10::float8[], $11::text[], $12::text[], $13::jsonb[], $14::bigint[], $15::timestamptz[], $16::bigint[],
    $17::timestamptz[], $18::jsonb[]
) AS g (
    forecast_id, school_id, student_id, subject_id, period_id, state, p2, p3, p4, p5, leading_grade, band, needed,
    marks_counted, computed_at, revision, changed_at, told
)
ON CONFLICT (forecast_id) DO UPDATE
SET school_id = excluded.school_id, period_id = excluded.period_id, state = excluded.state,
    probabilities = excluded.probabilities, leading_grade = excluded.leading_grade, band = excluded.band,
    needed = excluded.needed, marks_counted = excluded.marks_counted, computed_at = excluded.computed_at,
    revision = excluded.revision, changed_at = excluded.changed_at, told = excluded.told
"""


async def store(conn: Connection, rows: Sequence[Stored]) -> None:
    """Adds forecasts, or puts them in the place of those that are there."""
    flat = [(*row[:6], *row.probabilities, *row[7:]) for row in rows]
    await conn.execute(_STORE, *columns(flat))


_PAGE = f"""
SELECT {_COLUMNS} FROM forecasts AS t
WHERE forecast_id > $1 AND NOT EXISTS (
    SELECT FROM persons AS p WHERE p.person_id = t.student_id AND p.erased_at IS NOT NULL
)
ORDER BY forecast_id LIMIT $2 FOR SHARE OF t
"""


async def forecasts_after(conn: Connection, forecast_id: UUID, limit: int) -> list[Stored]:
    """The next forecasts by id, for replay; locked, so that no newer revision gets ahead of a replayed one."""
    return [Stored(*row) for row in await conn.fetch(_PAGE, forecast_id, limit)]


class Shown(NamedTuple):
    """A forecast that is shown, with what its subject and period are called."""

    stored: Stored
    subject: str
    kind: str
    number: int
    school_year: str


_SHOWN = f"""
SELECT {", ".join(f"f.{name}" for name in Stored._fields)}, s.title, p.kind, p.number, p.school_year
FROM forecasts AS f JOIN subjects AS s USING (subject_id) JOIN periods AS p USING (period_id)
WHERE f.state = 'current' AND f.school_id = $1
"""
_ORDER = " ORDER BY s.title, f.subject_id, p.starts_on, p.ends_on, f.student_id"
_OF_STUDENT = f"{_SHOWN} AND f.student_id = $2 {_ORDER}"
_OF_GROUP = f"""{_SHOWN} AND f.student_id IN (
    SELECT m.person_id FROM group_members AS m WHERE m.group_id = $2 AND m.school_id = $1 AND m.active
) AND ($3::uuid IS NULL OR f.subject_id = $3) {_ORDER}"""


async def of_student(conn: Connection, school_id: UUID, student_id: UUID) -> list[Shown]:
    """The forecasts of a student that are shown."""
    return _shown(await conn.fetch(_OF_STUDENT, school_id, student_id))


async def of_group(conn: Connection, school_id: UUID, group_id: UUID, subject_id: UUID | None) -> list[Shown]:
    """The forecasts that are shown of the students who are in a group now; in one subject, or in all."""
    return _shown(await conn.fetch(_OF_GROUP, school_id, group_id, subject_id))


def _shown(rows: Sequence[asyncpg.Record]) -> list[Shown]:
    width = len(Stored._fields)
    return [Shown(Stored(*row[:width]), *row[width:]) for row in rows]
