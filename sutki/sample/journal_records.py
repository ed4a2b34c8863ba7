"""What a complete journal holds beside people and results, in the words and the order of its own plain files."""

from datetime import date
from typing import NamedTuple


class Taught(NamedTuple):
    """Who teaches a group a subject, or is its class teacher."""

    teaching_id: str
    teacher_id: str
    group_id: str
    subject_id: str
    role: str
    starts_on: date


class PlanRow(NamedTuple):
    """Hours of a subject for a group in a period, by the type of lesson."""

    curriculum_id: str
    group_id: str
    subject_id: str
    period_id: str
    lesson_type: str
    hours: int


class Slot(NamedTuple):
    """A lesson of every week while it is valid."""

    slot_id: str
    group_id: str
    subject_id: str
    teacher_id: str
    room: str
    weekday: int
    number: int
    starts_at: str
    ends_at: str
    valid_from: date
    valid_to: date


class DatedLesson(NamedTuple):
    """A lesson on a date."""

    lesson_id: str
    group_id: str
    subject_id: str
    teacher_id: str
    lesson_on: date
    number: int
    starts_at: str
    ends_at: str
    room: str
    lesson_type: str
    topic: str
    status: str
    author_id: str


class Substitution(NamedTuple):
    """A lesson given otherwise, at another time, or not at all; `lesson_on` and `number` are the timetable's."""

    substitution_id: str
    group_id: str
    lesson_id: str
    lesson_on: date
    number: int
    subject_id: str
    kind: str
    new_teacher_id: str
    moved_to_on: date | None
    moved_to_number: int | None
    reason: str


class ControlWork(NamedTuple):
    """A planned control work."""

    control_work_id: str
    group_id: str
    subject_id: str
    planned_on: date
    number: int
    kind: str
    title: str
    author_id: str


class Homework(NamedTuple):
    """Homework for a group, or for single students of it."""

    homework_id: str
    group_id: str
    subject_id: str
    lesson_id: str
    assigned_on: date
    due_on: date | None
    content: str
    attachments: str
    """Links with their titles before them, between vertical bars."""
    student_ids: str
    """Between vertical bars; blank: the whole group."""
    author_id: str


class Recommendation(NamedTuple):
    """What a teacher advises or observed."""

    recommendation_id: str
    student_id: str
    group_id: str
    subject_id: str
    given_on: date
    kind: str
    content: str
    author_id: str


class Attendance(NamedTuple):
    """A student was not at a lesson, or came late; without a lesson: the whole day."""

    attendance_id: str
    student_id: str
    group_id: str
    subject_id: str
    lesson_id: str
    lesson_on: date
    number: int | None
    code: str
    author_id: str


class Deferral(NamedTuple):
    """A final grade that cannot be set for now, and why."""

    student_id: str
    subject_id: str
    period_id: str
    reason: str
    document_number: str
    document_date: date
    due_on: date


class Unassessed(NamedTuple):
    """Why a student could not be assessed: what goes with `н/а`."""

    result_id: str
    reason: str
