"""SQL of the summary sheet: a class's students in a school year, its periods, and every final grade of theirs."""

from collections.abc import Sequence
from datetime import date
from typing import NamedTuple
from uuid import UUID

from chassis.database import Connection
from contracts.values import PeriodKind


class ClassOfYear(NamedTuple):
    """Which class of which school, and from when to when the school year lasts."""

    school: str
    name: str
    grade_level: int
    starts_on: date
    ends_on: date


class YearPeriod(NamedTuple):
    """A reporting period of the school year."""

    period_id: UUID
    kind: PeriodKind
    number: int
    starts_on: date
    ends_on: date


class SheetStudent(NamedTuple):
    """A student who was in the class at any time of the year."""

    student_id: UUID
    external_id: str
    name: str
    left: bool
    """Not in the class any more on its last day of the year."""


class SheetGrade(NamedTuple):
    """A final grade, or the deferral of one."""

    result_id: UUID
    student_id: UUID
    subject_id: UUID
    period_id: UUID
    state: str
    value: str | None
    held: bool
    deferred_until: date | None


_CLASS = """
SELECT s.name AS school, g.name, g.grade_level, min(p.starts_on) AS starts_on, max(p.ends_on) AS ends_on
FROM study_groups AS g JOIN schools AS s USING (school_id) JOIN periods AS p USING (school_id)
WHERE g.school_id = $1 AND g.group_id = $2 AND g.kind = 'class' AND p.school_year = $3
GROUP BY s.name, g.name, g.grade_level
"""
_PERIODS = """
SELECT period_id, kind, number, starts_on, ends_on FROM periods WHERE school_id = $1 AND school_year = $2
"""
_STUDENTS = """
SELECT m.person_id, p.external_id, p.state -> 'name' AS name, bool_and(m.gone) AS gone
FROM (
    SELECT person_id, joined_on, left_on, NOT active OR coalesce(left_on < $3, false) AS gone FROM group_members
    WHERE group_id = $1 AND (active OR left_on IS NOT NULL)
    UNION ALL
    SELECT person_id, joined_on, left_on, true FROM former_memberships WHERE group_id = $1
) AS m
JOIN persons AS p USING (person_id)
WHERE (m.joined_on IS NULL OR m.joined_on <= $3) AND (m.left_on IS NULL OR m.left_on >= $2)
GROUP BY m.person_id, p.external_id, p.state
"""
_GRADES = """
SELECT f.result_id, f.student_id, f.subject_id, f.period_id, f.state, f.value, f.held, f.deferred_until
FROM final_grades AS f
WHERE f.student_id = ANY($2::uuid[]) AND f.period_id = ANY($3::uuid[]) AND f.school_id = $1 AND f.state <> 'withdrawn'
ORDER BY f.changed_at, f.result_id
"""


_LAST_YEAR = "SELECT max(school_year) FROM periods WHERE school_id = $1"


async def last_year(conn: Connection, school_id: UUID) -> str:
    """The last school year of which the school has periods; empty when there is none."""
    return await conn.fetchval(_LAST_YEAR, school_id) or ""


async def class_of_year(conn: Connection, school_id: UUID, class_id: UUID, school_year: str) -> ClassOfYear | None:
    """The class, if the school has it and has periods of that year."""
    row = await conn.fetchrow(_CLASS, school_id, class_id, school_year)
    return None if row is None else ClassOfYear(*row)


async def periods(conn: Connection, school_id: UUID, school_year: str) -> list[YearPeriod]:
    """The periods of the school year, in no order."""
    rows = await conn.fetch(_PERIODS, school_id, school_year)
    return [YearPeriod(row[0], PeriodKind(row[1]), *row[2:]) for row in rows]


async def students(conn: Connection, class_id: UUID, starts_on: date, ends_on: date) -> list[SheetStudent]:
    """Everybody who was in the class between two days."""
    found = []
    for row in await conn.fetch(_STUDENTS, class_id, starts_on, ends_on):
        name = row["name"] or {}
        parts = (name.get("family"), name.get("given"), name.get("patronymic"))
        found.append(SheetStudent(row["person_id"], row["external_id"], " ".join(filter(None, parts)), row["gone"]))
    return found


async def grades(
    conn: Connection, school_id: UUID, student_ids: Sequence[UUID], period_ids: Sequence[UUID]
) -> list[SheetGrade]:
    """Every final grade and deferral of these students in these periods."""
    return [SheetGrade(*row) for row in await conn.fetch(_GRADES, school_id, student_ids, period_ids)]
