"""The facts of the journal beside marks and results: each at one revision, and what a statement makes of it.

Pure. The fields follow the tables' columns, in their order. `author_id` is the person whom the journal names as the
author; `changed_by` is who sent it.
"""

from collections.abc import Iterable
from datetime import date, datetime, time
from decimal import Decimal
from typing import NamedTuple, TypeAlias, TypeVar, cast
from uuid import UUID


class Campus(NamedTuple):
    """A building of a school."""

    campus_id: UUID
    school_id: UUID
    source: str
    external_id: str
    title: str
    address: str
    author_id: UUID | None
    state: str
    changed_by: str
    changed_at: datetime
    revision: int


class SchoolYear(NamedTuple):
    """When a school's year begins and ends."""

    school_year_id: UUID
    school_id: UUID
    source: str
    external_id: str
    school_year: str
    starts_on: date
    ends_on: date
    author_id: UUID | None
    state: str
    changed_by: str
    changed_at: datetime
    revision: int


class Holiday(NamedTuple):
    """Days without lessons; both count."""

    holiday_id: UUID
    school_id: UUID
    source: str
    external_id: str
    school_year: str
    title: str
    starts_on: date
    ends_on: date
    author_id: UUID | None
    state: str
    changed_by: str
    changed_at: datetime
    revision: int


class Teaching(NamedTuple):
    """Who teaches a group a subject, or is its class teacher (then without a subject)."""

    teaching_id: UUID
    school_id: UUID
    source: str
    external_id: str
    teacher_id: UUID
    group_id: UUID
    subject_id: UUID | None
    role: str
    starts_on: date | None
    ends_on: date | None
    author_id: UUID | None
    state: str
    changed_by: str
    changed_at: datetime
    revision: int


class Curriculum(NamedTuple):
    """Hours of a subject that a group is to have in a period, of one type of lesson."""

    curriculum_id: UUID
    school_id: UUID
    source: str
    external_id: str
    group_id: UUID
    subject_id: UUID
    period_id: UUID
    lesson_type: str
    hours: Decimal
    author_id: UUID | None
    state: str
    changed_by: str
    changed_at: datetime
    revision: int


class Slot(NamedTuple):
    """A weekly lesson of a timetable, from a day to a day. Times are the school's."""

    slot_id: UUID
    school_id: UUID
    source: str
    external_id: str
    group_id: UUID
    subject_id: UUID
    teacher_id: UUID | None
    room: str
    weekday: int
    number: int
    starts_at: time | None
    ends_at: time | None
    valid_from: date
    valid_to: date | None
    author_id: UUID | None
    state: str
    changed_by: str
    changed_at: datetime
    revision: int


class Lesson(NamedTuple):
    """A dated lesson: `planned`, `held`, `cancelled`, or `withdrawn` when it never was."""

    lesson_id: UUID
    school_id: UUID
    source: str
    external_id: str
    group_id: UUID
    subject_id: UUID
    teacher_id: UUID | None
    lesson_on: date
    number: int
    starts_at: time | None
    ends_at: time | None
    room: str
    lesson_type: str
    topic: str
    author_id: UUID | None
    state: str
    changed_by: str
    changed_at: datetime
    revision: int


class Substitution(NamedTuple):
    """A lesson of the timetable that is given otherwise, moved, or not given: `announced` or `revoked`."""

    substitution_id: UUID
    school_id: UUID
    source: str
    external_id: str
    group_id: UUID
    lesson_id: UUID | None
    lesson_on: date
    number: int
    subject_id: UUID | None
    kind: str
    new_teacher_id: UUID | None
    new_subject_id: UUID | None
    new_room: str
    moved_to_on: date | None
    moved_to_number: int | None
    reason: str | None
    author_id: UUID | None
    state: str
    changed_by: str
    changed_at: datetime
    revision: int


class ControlWork(NamedTuple):
    """A control work of the schedule: `planned` or `cancelled`."""

    control_work_id: UUID
    school_id: UUID
    source: str
    external_id: str
    group_id: UUID
    subject_id: UUID
    planned_on: date
    number: int | None
    kind: str
    title: str
    author_id: UUID | None
    state: str
    changed_by: str
    changed_at: datetime
    revision: int


class Homework(NamedTuple):
    """Homework: `assigned` or `withdrawn`."""

    homework_id: UUID
    school_id: UUID
    source: str
    external_id: str
    group_id: UUID
    subject_id: UUID
    lesson_id: UUID | None
    assigned_on: date
    due_on: date | None
    content: str
    attachments: list[dict[str, str]]
    """Title and url of each."""
    student_ids: list[str]
    """Only for these, sorted; empty: for the whole group. Text, as JSON has it."""
    author_id: UUID | None
    state: str
    changed_by: str
    changed_at: datetime
    revision: int


class Recommendation(NamedTuple):
    """What a teacher advises or observed: `given` or `withdrawn`. Without a student it is for the whole group."""

    recommendation_id: UUID
    school_id: UUID
    source: str
    external_id: str
    student_id: UUID | None
    group_id: UUID | None
    subject_id: UUID | None
    given_on: date
    kind: str
    content: str
    author_id: UUID | None
    state: str
    changed_by: str
    changed_at: datetime
    revision: int


class Attendance(NamedTuple):
    """Absence from, or lateness for, a lesson or a day: `recorded` or `withdrawn`."""

    attendance_id: UUID
    school_id: UUID
    source: str
    external_id: str
    student_id: UUID
    group_id: UUID | None
    subject_id: UUID | None
    lesson_id: UUID | None
    lesson_on: date
    number: int | None
    code: str
    author_id: UUID | None
    state: str
    changed_by: str
    changed_at: datetime
    revision: int


GONE = frozenset({"withdrawn", "revoked"})
"""States in which only one thing can still be said: that it holds again."""


Fact: TypeAlias = (
    Campus
    | SchoolYear
    | Holiday
    | Teaching
    | Curriculum
    | Slot
    | Lesson
    | Substitution
    | ControlWork
    | Homework
    | Recommendation
    | Attendance
)
"""Any of them. The first field is the id."""

F = TypeVar("F", bound=Fact)


def next_revision(current: F, stated: F) -> F | None:
    """The fact after the source's statement (which carries revision 1), or None when nothing changed.

    Who sent it and when makes no difference by itself.
    """
    same = current._replace(revision=stated.revision, changed_at=stated.changed_at, changed_by=stated.changed_by)
    if same == stated or (current.state == stated.state and stated.state in GONE):
        return None
    return cast("F", stated._replace(revision=current.revision + 1))


def identity_kept(current: Fact, stated: Fact, names: Iterable[str]) -> bool:
    """Whether a statement is about the same student or group, from which follows in what order it is told."""
    return all(getattr(current, name) == getattr(stated, name) for name in names)
