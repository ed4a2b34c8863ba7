"""Calendar, timetable, lessons and what belongs to them, as a journal sends them."""

from datetime import time
from decimal import Decimal
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from contracts.values import AttendanceCode, LessonType, WorkType
from services.gradebook.records.base import (
    Day,
    ExternalId,
    Line,
    OptionalLine,
    Record,
    RecordKind,
    SchoolYear,
    Truth,
    consecutive,
    number,
    refuse,
)
from services.gradebook.rejections import Code

_ATTENDANCE = {"н": "absent", "б": "ill", "у": "valid_reason", "оп": "late"}


def _code(value: object) -> object:
    return _ATTENDANCE.get(value.strip().casefold(), value.strip()) if isinstance(value, str) else value


def _parts(value: object) -> object:
    """A list in one cell: its parts between vertical bars."""
    return [part.strip() for part in value.split("|") if part.strip()] if isinstance(value, str) else value


def _clock(value: object) -> object:
    """A time of day with hours and minutes; seconds and offsets have no place in a timetable."""
    if isinstance(value, str):
        hours, colon, minutes = value.strip().partition(":")
        if colon and hours.isascii() and hours.isdigit() and minutes[:2].isdigit() and minutes[2:] in ("", ":00"):
            return f"{hours.zfill(2)}:{minutes[:2]}:00"
        raise refuse(Code.BAD_TIME)
    return value


LessonNumber = Annotated[int, Field(ge=0, le=15)]
LocalTime = Annotated[time, BeforeValidator(_clock)]
Content = Annotated[str, StringConstraints(min_length=1, max_length=5000, pattern=r"^[^\x00]+$")]
Link = Annotated[str, StringConstraints(max_length=2000, pattern=r"^https?://[^\s\x00-\x1f\x7f]+$")]
Reason = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]{0,49}$")]
Hours = Annotated[Decimal, BeforeValidator(number), Field(ge=0, le=2000, decimal_places=2)]


class JournalRecord(Record):
    """A record that somebody wrote into the journal."""

    author_id: ExternalId | None = None
    """The teacher who wrote it, where the journal says so."""


class CampusRecord(JournalRecord):
    """A building of a school."""

    KIND: ClassVar[RecordKind] = RecordKind.CAMPUSES
    KEY: ClassVar[tuple[str, ...]] = ("campus_id",)

    campus_id: ExternalId
    school_id: ExternalId
    title: Line
    address: OptionalLine = ""


class SchoolYearRecord(JournalRecord):
    """When a school's year begins and ends."""

    KIND: ClassVar[RecordKind] = RecordKind.SCHOOL_YEARS
    KEY: ClassVar[tuple[str, ...]] = ("school_year_id",)

    school_year_id: ExternalId
    school_id: ExternalId
    school_year: SchoolYear
    starts_on: Day
    ends_on: Day

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        consecutive(self.school_year)
        if self.ends_on < self.starts_on:
            raise refuse(Code.BAD_DATE, "ends_on")
        return self


class HolidayRecord(JournalRecord):
    """Days without lessons."""

    KIND: ClassVar[RecordKind] = RecordKind.HOLIDAYS
    KEY: ClassVar[tuple[str, ...]] = ("holiday_id",)

    holiday_id: ExternalId
    school_id: ExternalId
    school_year: SchoolYear
    title: Line
    starts_on: Day
    ends_on: Day

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        consecutive(self.school_year)
        if self.ends_on < self.starts_on:
            raise refuse(Code.BAD_DATE, "ends_on")
        return self


class TeachingRecord(JournalRecord):
    """Who teaches a group a subject, or is its class teacher."""

    KIND: ClassVar[RecordKind] = RecordKind.TEACHING
    KEY: ClassVar[tuple[str, ...]] = ("teaching_id",)

    teaching_id: ExternalId
    teacher_id: ExternalId
    group_id: ExternalId
    subject_id: ExternalId | None = None
    role: Literal["subject_teacher", "class_teacher"] = "subject_teacher"
    starts_on: Day | None = None
    ends_on: Day | None = None
    """The last day."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if (self.role == "subject_teacher") != (self.subject_id is not None):
            raise refuse(Code.MISSING_VALUE if self.subject_id is None else Code.BAD_VALUE, "subject_id")
        if self.starts_on is not None and self.ends_on is not None and self.ends_on < self.starts_on:
            raise refuse(Code.BAD_DATE, "ends_on")
        return self


class CurriculumRecord(JournalRecord):
    """How many hours of a subject a group is to have in a period, by the type of lesson."""

    KIND: ClassVar[RecordKind] = RecordKind.CURRICULUM
    KEY: ClassVar[tuple[str, ...]] = ("curriculum_id",)

    curriculum_id: ExternalId
    group_id: ExternalId
    subject_id: ExternalId
    period_id: ExternalId
    lesson_type: LessonType
    hours: Hours

    def exact_hours(self) -> Decimal:
        """The hours with two decimals, as they are stored."""
        return self.hours.quantize(Decimal("0.01"))


class SlotRecord(JournalRecord):
    """A lesson that takes place every week while it is valid. A new version has its own id, and the old one ends."""

    KIND: ClassVar[RecordKind] = RecordKind.TIMETABLE
    KEY: ClassVar[tuple[str, ...]] = ("slot_id",)

    slot_id: ExternalId
    group_id: ExternalId
    subject_id: ExternalId
    teacher_id: ExternalId | None = None
    room: OptionalLine = Field(default="", max_length=100)
    weekday: int = Field(ge=1, le=7)
    """1 is Monday."""
    number: LessonNumber
    starts_at: LocalTime | None = None
    ends_at: LocalTime | None = None
    valid_from: Day
    valid_to: Day | None = None
    """The last day."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.valid_to is not None and self.valid_to < self.valid_from:
            raise refuse(Code.BAD_DATE, "valid_to")
        in_order(self.starts_at, self.ends_at)
        return self


def in_order(starts_at: time | None, ends_at: time | None) -> None:
    """A lesson ends after it began.

    Raises:
        PydanticCustomError: it does not.
    """
    if starts_at is not None and ends_at is not None and ends_at <= starts_at:
        raise refuse(Code.BAD_TIME, "ends_at")


class LessonRecord(JournalRecord):
    """A lesson on a date: planned, held or cancelled."""

    KIND: ClassVar[RecordKind] = RecordKind.LESSONS
    KEY: ClassVar[tuple[str, ...]] = ("lesson_id",)

    lesson_id: ExternalId
    group_id: ExternalId
    subject_id: ExternalId
    teacher_id: ExternalId | None = None
    lesson_on: Day
    number: LessonNumber
    starts_at: LocalTime | None = None
    ends_at: LocalTime | None = None
    room: OptionalLine = Field(default="", max_length=100)
    lesson_type: LessonType = LessonType.NEW_MATERIAL
    topic: OptionalLine = ""
    status: Literal["planned", "held", "cancelled"] = "planned"

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        in_order(self.starts_at, self.ends_at)
        return self


class SubstitutionRecord(JournalRecord):
    """A lesson of the timetable that is given otherwise, at another time, or not at all. Withdrawn means revoked."""

    KIND: ClassVar[RecordKind] = RecordKind.SUBSTITUTIONS
    KEY: ClassVar[tuple[str, ...]] = ("substitution_id",)

    substitution_id: ExternalId
    group_id: ExternalId
    lesson_id: ExternalId | None = None
    lesson_on: Day
    number: LessonNumber
    """Date and number of the lesson as the timetable has it."""
    subject_id: ExternalId | None = None
    kind: Literal["replaced", "moved", "cancelled"]
    new_teacher_id: ExternalId | None = None
    new_subject_id: ExternalId | None = None
    new_room: OptionalLine = Field(default="", max_length=100)
    moved_to_on: Day | None = None
    moved_to_number: LessonNumber | None = None
    reason: Reason | None = None

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.kind == "replaced" and not (self.new_teacher_id or self.new_subject_id or self.new_room):
            raise refuse(Code.MISSING_VALUE, "new_teacher_id")
        if (self.kind == "moved") != (self.moved_to_on is not None):
            raise refuse(Code.MISSING_VALUE if self.kind == "moved" else Code.BAD_VALUE, "moved_to_on")
        return self


class ControlWorkRecord(JournalRecord):
    """A planned control work. Withdrawn means cancelled."""

    KIND: ClassVar[RecordKind] = RecordKind.CONTROL_WORKS
    KEY: ClassVar[tuple[str, ...]] = ("control_work_id",)

    control_work_id: ExternalId
    group_id: ExternalId
    subject_id: ExternalId
    planned_on: Day
    number: LessonNumber | None = None
    kind: WorkType = WorkType.CONTROL_WORK
    title: Line
    force: Truth = False
    """Take it although it clashes with another one; the head answers for it."""


class LinkedFile(BaseModel):
    """A link to a file or page; as text its title, if it has one, stands before it."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    title: Line
    url: Link

    @model_validator(mode="before")
    @classmethod
    def _of_text(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        title, _, url = value.strip().rpartition(" ")
        return {"title": title.strip() or url, "url": url}


class HomeworkRecord(JournalRecord):
    """Homework for a group, or for single students of it."""

    KIND: ClassVar[RecordKind] = RecordKind.HOMEWORK
    KEY: ClassVar[tuple[str, ...]] = ("homework_id",)

    homework_id: ExternalId
    group_id: ExternalId
    subject_id: ExternalId
    lesson_id: ExternalId | None = None
    assigned_on: Day
    due_on: Day | None = None
    content: Content
    attachments: Annotated[list[LinkedFile], BeforeValidator(_parts), Field(max_length=20)] = Field(default=[])
    """Links, each with a title before it or without; in a CSV cell between vertical bars."""
    student_ids: Annotated[list[ExternalId], BeforeValidator(_parts), Field(max_length=500)] = Field(default=[])
    """Only for these; in a CSV cell between vertical bars. Empty: for the whole group."""

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.due_on is not None and self.due_on < self.assigned_on:
            raise refuse(Code.BAD_DATE, "due_on")
        return self


class RecommendationRecord(JournalRecord):
    """What a teacher advises, or observed (grade 1), about a student or a group."""

    KIND: ClassVar[RecordKind] = RecordKind.RECOMMENDATIONS
    KEY: ClassVar[tuple[str, ...]] = ("recommendation_id",)

    recommendation_id: ExternalId
    student_id: ExternalId | None = None
    group_id: ExternalId | None = None
    subject_id: ExternalId | None = None
    given_on: Day
    kind: Literal["recommendation", "observation"] = "recommendation"
    content: Content

    @model_validator(mode="after")
    def _about_somebody(self) -> Self:
        if self.student_id is None and self.group_id is None:
            raise refuse(Code.MISSING_VALUE, "student_id")
        return self


class AttendanceRecord(JournalRecord):
    """A student was not at a lesson, or came late. Never a mark."""

    KIND: ClassVar[RecordKind] = RecordKind.ATTENDANCE
    KEY: ClassVar[tuple[str, ...]] = ("attendance_id",)

    attendance_id: ExternalId
    student_id: ExternalId
    group_id: ExternalId | None = None
    subject_id: ExternalId | None = None
    lesson_id: ExternalId | None = None
    lesson_on: Day
    number: LessonNumber | None = None
    """Empty, and no lesson: the whole day."""
    code: Annotated[AttendanceCode, BeforeValidator(_code)]
    """`absent`, `ill`, `valid_reason`, `late`, or as the journal writes them: н, б, у, оп."""
