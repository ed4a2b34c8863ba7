"""To which school a record belongs: it says so itself, or what it refers to does."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeAlias
from uuid import UUID

from chassis.database import Connection
from services.gradebook import queries, roster_queries
from services.gradebook.records import (
    AttendanceRecord,
    ControlWorkRecord,
    CurriculumRecord,
    ExamResultRecord,
    FinalGradeRecord,
    HomeworkRecord,
    LessonRecord,
    MarkRecord,
    MemberRecord,
    RecommendationRecord,
    Record,
    RecordKind,
    RepresentativeRecord,
    SlotRecord,
    SubstitutionRecord,
    TeachingRecord,
)
from services.gradebook.rejections import Code, Fault
from services.gradebook.taking import Taking

Place: TypeAlias = UUID | Fault | None
"""The school; None for what belongs to none; or why it cannot be placed."""

Placer = Callable[[Connection, Taking, Sequence[Any]], Awaitable[list[Place]]]


async def place(conn: Connection, taking: Taking, records: Sequence[Record]) -> list[Place]:
    """The place of each record, in the same order. Records may be of several kinds."""
    places: list[Place] = [None] * len(records)
    for kind in {record.KIND for record in records}:
        positions = [position for position, record in enumerate(records) if kind == record.KIND]
        found = await _PLACERS[kind](conn, taking, [records[position] for position in positions])
        for position, where in zip(positions, found, strict=True):
            places[position] = _own(where, taking)
    return places


def _own(where: Place, taking: Taking) -> Place:
    if taking.client_school_id is not None and isinstance(where, UUID) and where != taking.client_school_id:
        return Fault("school_id", Code.FOREIGN_SCHOOL)
    return where


async def _nowhere(_: Connection, __: Taking, records: Sequence[Record]) -> list[Place]:
    return [None] * len(records)


async def _as_stated(_: Connection, taking: Taking, records: Sequence[Any]) -> list[Place]:
    schools = taking.identity.of_each("school", (record.school_id for record in records))
    return [schools[record.school_id] for record in records]


async def _of_group(
    conn: Connection,
    taking: Taking,
    records: Sequence[
        MemberRecord
        | TeachingRecord
        | CurriculumRecord
        | SlotRecord
        | LessonRecord
        | SubstitutionRecord
        | ControlWorkRecord
        | HomeworkRecord
    ],
) -> list[Place]:
    groups = taking.identity.of_each("group", (record.group_id for record in records))
    schools = await roster_queries.schools_of_groups(conn, list(groups.values()))
    orphan = Fault("group_id", Code.ORPHAN_ROW)
    return [schools.get(groups[record.group_id], orphan) for record in records]


async def _of_student(
    conn: Connection,
    taking: Taking,
    records: Sequence[RepresentativeRecord | ExamResultRecord | MarkRecord | AttendanceRecord | RecommendationRecord],
) -> list[Place]:
    students = taking.identity.of_each("person", (record.student_id or "" for record in records))
    schools = await roster_queries.schools_of_students(conn, list(students.values()))
    orphan = Fault("student_id", Code.ORPHAN_ROW)
    return [schools.get(students[record.student_id or ""], orphan) for record in records]


async def _of_group_or_student(
    conn: Connection, taking: Taking, records: Sequence[MarkRecord | AttendanceRecord | RecommendationRecord]
) -> list[Place]:
    groups = taking.identity.of_each("group", (record.group_id for record in records if record.group_id))
    schools = await roster_queries.schools_of_groups(conn, list(groups.values()))
    orphan = Fault("group_id", Code.ORPHAN_ROW)
    alone = iter(await _of_student(conn, taking, [record for record in records if not record.group_id]))
    return [schools.get(groups[record.group_id], orphan) if record.group_id else next(alone) for record in records]


async def _of_period(conn: Connection, taking: Taking, records: Sequence[FinalGradeRecord]) -> list[Place]:
    periods = taking.identity.of_each("period", (record.period_id for record in records))
    known = await queries.periods(conn, list(periods.values()))
    orphan = Fault("period_id", Code.ORPHAN_ROW)
    return [known[periods[record.period_id]][0] if periods[record.period_id] in known else orphan for record in records]


_PLACERS: dict[RecordKind, Placer] = {
    RecordKind.SCHOOLS: _nowhere,
    RecordKind.CAMPUSES: _as_stated,
    RecordKind.SUBJECTS: _nowhere,
    RecordKind.SCHOOL_YEARS: _as_stated,
    RecordKind.PERIODS: _as_stated,
    RecordKind.HOLIDAYS: _as_stated,
    RecordKind.PEOPLE: _as_stated,
    RecordKind.GROUPS: _as_stated,
    RecordKind.MEMBERS: _of_group,
    RecordKind.REPRESENTATIVES: _of_student,
    RecordKind.TEACHING: _of_group,
    RecordKind.CURRICULUM: _of_group,
    RecordKind.TIMETABLE: _of_group,
    RecordKind.LESSONS: _of_group,
    RecordKind.SUBSTITUTIONS: _of_group,
    RecordKind.CONTROL_WORKS: _of_group,
    RecordKind.HOMEWORK: _of_group,
    RecordKind.RECOMMENDATIONS: _of_group_or_student,
    RecordKind.ATTENDANCE: _of_group_or_student,
    RecordKind.MARKS: _of_group_or_student,
    RecordKind.FINAL_GRADES: _of_period,
    RecordKind.EXAM_RESULTS: _of_student,
}
