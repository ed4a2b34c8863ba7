"""SQL that reads the journal back: lists by day, a group's week, teachers, calendar, marks."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Generic, TypeVar
from uuid import UUID

import asyncpg

from chassis.database import Connection
from services.gradebook.fact_tables import CAMPUSES, CURRICULUM, HOLIDAYS, LESSONS, SLOTS, SUBSTITUTIONS, FactTable
from services.gradebook.facts import Campus, Curriculum, Fact
from services.gradebook.timetable import Parts

F = TypeVar("F", bound=Fact)

HOMEWORK_OF_STUDENT = """(
    homework_id IN (SELECT h.homework_id FROM homework_students AS h WHERE h.student_id = {value})
    OR (student_ids = '[]' AND group_id IN (
        SELECT m.group_id FROM group_members AS m WHERE m.person_id = {value} AND m.active
    ))
)"""
ADVICE_FOR_STUDENT = """(
    student_id = {value}
    OR (student_id IS NULL AND group_id IN (
        SELECT m.group_id FROM group_members AS m WHERE m.person_id = {value} AND m.active
    ))
)"""

GROUPS_OF_STUDENT = "group_id IN (SELECT m.group_id FROM group_members AS m WHERE m.person_id = {value} AND m.active)"

_START = "(SELECT p.starts_on FROM periods AS p WHERE p.period_id = {value} AND p.school_id = $1)"
_END = "(SELECT p.ends_on FROM periods AS p WHERE p.period_id = {value} AND p.school_id = $1)"


@dataclass(frozen=True)
class Listing(Generic[F]):
    """How one kind of fact is listed."""

    table: FactTable[F]
    day: str
    """The column of its day."""
    by_student: str = GROUPS_OF_STUDENT
    """Which facts concern a student."""

    def day_of(self, fact: F) -> date:
        """The day of a fact."""
        day: date = getattr(fact, self.day)
        return day


@dataclass(frozen=True)
class Wanted:
    """What is asked for; None: any."""

    school_id: UUID
    first: date | None = None
    last: date | None = None
    group_id: UUID | None = None
    subject_id: UUID | None = None
    student_id: UUID | None = None
    period_id: UUID | None = None
    with_withdrawn: bool = False
    after: tuple[date, UUID] | None = None
    """Day and id of the last item that was read."""


async def facts(conn: Connection, listing: Listing[F], wanted: Wanted, limit: int) -> list[F]:
    """The next facts of a school, in the order of their days.

    The statement is put together from constant parts, so that each filter can use its index.
    """
    day, key = listing.day, listing.table.key
    after_day, after_id = wanted.after or (None, None)
    filters: list[tuple[str, object]] = [
        (f"{day} >= {{value}}", wanted.first),
        (f"{day} <= {{value}}", wanted.last),
        ("group_id = {value}", wanted.group_id),
        ("subject_id = {value}", wanted.subject_id),
        (listing.by_student, wanted.student_id),
        (f"{day} BETWEEN {_START} AND {_END}", wanted.period_id),
        (f"{day} >= {{value}}", after_day),
        (f"({day} > (${{before}}) OR {key} > {{value}})", after_id),
    ]
    arguments: list[object] = [wanted.school_id]
    parts = ["school_id = $1"]
    for part, value in filters:
        if value is not None:
            arguments.append(value)
            parts.append(part.format(value=f"${len(arguments)}", before=len(arguments) - 1))
    if not wanted.with_withdrawn:
        parts.append("state NOT IN ('withdrawn', 'revoked')")
    condition = " AND ".join(parts)
    order = f"ORDER BY {day}, {key} LIMIT {int(limit)}"
    return await listing.table.where(conn, f"{condition} {order}", *arguments)


async def curriculum_of_group(
    conn: Connection, school_id: UUID, group_id: UUID, period_id: UUID | None
) -> list[Curriculum]:
    """The hours that a group is to have, in a period or in all."""
    return await CURRICULUM.where(
        conn,
        "school_id = $1 AND group_id = $2 AND ($3::uuid IS NULL OR period_id = $3) AND state = 'active'"
        " ORDER BY period_id, subject_id, lesson_type, curriculum_id",
        school_id,
        group_id,
        period_id,
    )


async def week_of_group(conn: Connection, school_id: UUID, group_id: UUID, monday: date) -> Parts:
    """What a group's week is made of. Slots of other weeks are among them, for lessons that are moved from there."""
    sunday = monday + timedelta(days=6)
    of_group = "school_id = $1 AND group_id = $2"
    return Parts(
        slots=await SLOTS.where(
            conn, f"{of_group} AND state = 'active' ORDER BY valid_from, weekday, number, slot_id", school_id, group_id
        ),
        lessons=await LESSONS.where(
            conn,
            f"{of_group} AND lesson_on BETWEEN $3 AND $4 AND state <> 'withdrawn' ORDER BY lesson_on, lesson_id",
            school_id,
            group_id,
            monday,
            sunday,
        ),
        substitutions=await SUBSTITUTIONS.where(
            conn,
            f"{of_group} AND state = 'announced' AND (lesson_on BETWEEN $3 AND $4 OR moved_to_on BETWEEN $3 AND $4)"
            " ORDER BY changed_at, substitution_id",
            school_id,
            group_id,
            monday,
            sunday,
        ),
        holidays=await HOLIDAYS.where(
            conn,
            "school_id = $1 AND state = 'active' AND starts_on <= $3 AND ends_on >= $2 ORDER BY starts_on, holiday_id",
            school_id,
            monday,
            sunday,
        ),
    )


async def campuses(conn: Connection, school_id: UUID) -> list[Campus]:
    """The buildings of a school."""
    return await CAMPUSES.where(conn, "school_id = $1 AND state = 'active' ORDER BY title, campus_id", school_id)


_TEACHERS = """
SELECT t.teaching_id, t.teacher_id, t.role, t.subject_id, u.title AS subject, t.starts_on, t.ends_on
FROM teaching AS t LEFT JOIN subjects AS u USING (subject_id)
WHERE t.school_id = $1 AND t.group_id = $2 AND t.state = 'active'
ORDER BY t.role, u.title, t.starts_on NULLS FIRST, t.teaching_id
"""


async def teachers_of_group(conn: Connection, school_id: UUID, group_id: UUID) -> list[asyncpg.Record]:
    """Who teaches a group, or taught it."""
    return await conn.fetch(_TEACHERS, school_id, group_id)


_CALENDAR = "SELECT state, revision FROM calendars WHERE school_id = $1 AND school_year = $2"


async def calendar(conn: Connection, school_id: UUID, school_year: str) -> asyncpg.Record | None:
    """A school's calendar of a year."""
    return await conn.fetchrow(_CALENDAR, school_id, school_year)


_STUDENTS_BETWEEN = """
SELECT DISTINCT person_id FROM (
    SELECT person_id, joined_on, left_on FROM group_members
    WHERE group_id = $2 AND school_id = $1 AND (active OR left_on IS NOT NULL)
    UNION ALL
    SELECT person_id, joined_on, left_on FROM former_memberships WHERE group_id = $2 AND school_id = $1
) AS s
WHERE (joined_on IS NULL OR joined_on <= $4) AND (left_on IS NULL OR left_on >= $3)
ORDER BY person_id
"""


async def students_between(conn: Connection, school_id: UUID, group_id: UUID, first: date, last: date) -> list[UUID]:
    """Who was in a group on any of these days."""
    return [row["person_id"] for row in await conn.fetch(_STUDENTS_BETWEEN, school_id, group_id, first, last)]


_MARKS_OF_STUDENTS = """
SELECT mark_id, external_id, student_id, subject_id, group_id, lesson_id, lesson_on, work_type, weight, value, comment,
       author_id, revision
FROM marks
WHERE school_id = $1 AND student_id = ANY($2::uuid[]) AND ($3::uuid IS NULL OR subject_id = $3)
  AND lesson_on BETWEEN $4 AND $5 AND state = 'recorded'
ORDER BY lesson_on, mark_id
"""


async def marks_of_students(
    conn: Connection,
    school_id: UUID,
    student_ids: Sequence[UUID],
    subject_id: UUID | None,
    days: tuple[date, date],
) -> list[dict[str, Any]]:
    """The marks of students in a subject (or all), whatever group they were in: they belong to the student."""
    rows = await conn.fetch(_MARKS_OF_STUDENTS, school_id, student_ids, subject_id, *days)
    return [dict(row) for row in rows]


_ATTENDANCE_OF_STUDENTS = """
SELECT attendance_id, student_id, lesson_id, lesson_on, number, code, revision
FROM attendance
WHERE school_id = $1 AND student_id = ANY($2::uuid[]) AND (subject_id IS NULL OR subject_id = $3)
  AND lesson_on BETWEEN $4 AND $5 AND state = 'recorded'
ORDER BY lesson_on, attendance_id
"""


async def attendance_of_students(
    conn: Connection, school_id: UUID, student_ids: Sequence[UUID], subject_id: UUID, days: tuple[date, date]
) -> list[dict[str, Any]]:
    """Absences of students from a subject's lessons, and those that name no subject."""
    rows = await conn.fetch(_ATTENDANCE_OF_STUDENTS, school_id, student_ids, subject_id, *days)
    return [dict(row) for row in rows]
