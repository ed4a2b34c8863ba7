"""What a group's journal shows: its week, its teachers, its marks; the marks of a student; a school's calendar."""

from datetime import date, timedelta
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from chassis.clock import Clock
from chassis.database import Database
from chassis.problems import Problem
from contracts.values import MarkValue
from services.gradebook import journal_reading, roster_queries
from services.gradebook.api.common import Caller, From, To
from services.gradebook.timetable import Day, week

SchoolYear = Annotated[str, Query(pattern=r"^[0-9]{4}/[0-9]{4}$", description="Such as 2026/2027.")]


class Week(BaseModel):
    """A group's week: timetable, dated lessons and substitutions in one."""

    group_id: UUID
    days: list[Day]


class GroupTeacher(BaseModel):
    """Who teaches a group."""

    teaching_id: UUID
    teacher_id: UUID
    role: str
    subject_id: UUID | None
    subject: str | None
    starts_on: date | None
    ends_on: date | None


class GivenMark(BaseModel):
    """A mark as it stands in the journal."""

    mark_id: UUID
    external_id: str
    student_id: UUID
    subject_id: UUID
    group_id: UUID | None
    lesson_id: UUID | None
    lesson_on: date
    work_type: str
    weight: str
    value: MarkValue
    comment: str
    author_id: UUID | None
    revision: int


class Row(BaseModel):
    """One student's line of the journal's page."""

    student_id: UUID
    marks: list[GivenMark]
    attendance: list[dict[str, Any]]


class Grid(BaseModel):
    """A page of the journal: the students of a group, their marks and absences in a subject."""

    group_id: UUID
    subject_id: UUID
    students: list[Row]


class CampusAnswer(BaseModel):
    """A building of a school."""

    campus_id: UUID
    external_id: str
    title: str
    address: str
    revision: int


class CalendarAnswer(BaseModel):
    """A school's year."""

    school_year: str
    starts_on: date | None
    ends_on: date | None
    holidays: list[dict[str, Any]]
    revision: int


LONGEST = timedelta(days=400)


def add_groups(router: APIRouter, database: Database, clock: Clock, caller: Caller) -> None:
    """All of them."""
    _add_week(router, database, clock, caller)
    _add_marks(router, database, caller)

    @router.get("/schools/{school_id}/groups/{group_id}/teachers", summary="Who teaches a group")
    async def teachers(client: caller, school_id: UUID, group_id: UUID) -> list[GroupTeacher]:
        async with database.transaction(client.require_school(school_id)) as conn:
            rows = await journal_reading.teachers_of_group(conn, school_id, group_id)
        return [GroupTeacher(**row) for row in rows]

    @router.get("/schools/{school_id}/campuses", summary="A school's buildings")
    async def campuses(client: caller, school_id: UUID) -> list[CampusAnswer]:
        async with database.transaction(client.require_school(school_id)) as conn:
            found = await journal_reading.campuses(conn, school_id)
        return [CampusAnswer(**campus._asdict()) for campus in found]

    @router.get("/schools/{school_id}/calendar", summary="A school's year and its holidays")
    async def calendar(client: caller, school_id: UUID, school_year: SchoolYear) -> CalendarAnswer:
        async with database.transaction(client.require_school(school_id)) as conn:
            row = await journal_reading.calendar(conn, school_id, school_year)
        if row is None:
            raise Problem(404, "unknown_school_year", "The journal has sent nothing about this school year.")
        return CalendarAnswer(school_year=school_year, revision=row["revision"], **row["state"])


def _add_week(router: APIRouter, database: Database, clock: Clock, caller: Caller) -> None:
    @router.get("/schools/{school_id}/groups/{group_id}/timetable", summary="A group's week")
    async def timetable(
        client: caller,
        school_id: UUID,
        group_id: UUID,
        on: Annotated[date | None, Query(description="Any day of the week; today's week if there is none.")] = None,
    ) -> Week:
        async with database.transaction(client.require_school(school_id)) as conn:
            day = on or await roster_queries.today_at(conn, school_id, await clock.now(conn))
            if not date(1900, 1, 8) <= day <= date(2199, 12, 24):
                raise Problem(422, "bad_date", "There are no lessons on that day.")
            monday = day - timedelta(days=day.weekday())
            parts = await journal_reading.week_of_group(conn, school_id, group_id, monday)
        return Week(group_id=group_id, days=week(monday, parts))


def _add_marks(router: APIRouter, database: Database, caller: Caller) -> None:
    @router.get("/schools/{school_id}/groups/{group_id}/marks", summary="A page of the journal")
    async def grid(  # noqa: PLR0917 - each is a filter of the query
        client: caller, school_id: UUID, group_id: UUID, subject_id: UUID, first: From = None, to: To = None
    ) -> Grid:
        days = _span(first, to)
        async with database.transaction(client.require_school(school_id)) as conn:
            students = await journal_reading.students_between(conn, school_id, group_id, *days)
            marks = await journal_reading.marks_of_students(conn, school_id, students, subject_id, days)
            absences = await journal_reading.attendance_of_students(conn, school_id, students, subject_id, days)
        return Grid(
            group_id=group_id,
            subject_id=subject_id,
            students=[
                Row(
                    student_id=student_id,
                    marks=[_mark(row) for row in marks if row["student_id"] == student_id],
                    attendance=[row for row in absences if row["student_id"] == student_id],
                )
                for student_id in students
            ],
        )

    @router.get(
        "/schools/{school_id}/students/{student_id}/marks",
        summary="Marks of a student",
        description="In whatever group they were given: a transfer in the middle of a period carries the marks along.",
    )
    async def marks(  # noqa: PLR0917 - each is a filter of the query
        client: caller,
        school_id: UUID,
        student_id: UUID,
        subject_id: UUID | None = None,
        first: From = None,
        to: To = None,
    ) -> list[GivenMark]:
        days = _span(first, to)
        async with database.transaction(client.require_school(school_id)) as conn:
            rows = await journal_reading.marks_of_students(conn, school_id, [student_id], subject_id, days)
        return [_mark(row) for row in rows]


def _span(first: date | None, to: date | None) -> tuple[date, date]:
    """The days asked for, at most `LONGEST`; a missing end follows from the other.

    Raises:
        Problem: 422, neither is given, or they are too far apart.
    """
    if first is None and to is None:
        raise Problem(422, "bad_date", "Say `from`, `to` or both.")
    try:
        start = first or (to or date.max) - LONGEST
        end = to or start + LONGEST
    except OverflowError:
        raise Problem(422, "bad_date", "There are no lessons on these days.") from None
    if end - start > LONGEST:
        raise Problem(422, "bad_date", f"At most {LONGEST.days} days at once.")
    return start, end


def _mark(row: dict[str, Any]) -> GivenMark:
    return GivenMark(**row | {"weight": format(row["weight"], "f"), "comment": row["comment"] or ""})
