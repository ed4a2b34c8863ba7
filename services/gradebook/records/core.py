"""Schools, people, groups and results, as a journal sends them."""

from decimal import Decimal
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from contracts.person_changed import Role
from contracts.study_group_changed import GroupKind
from contracts.values import GradeValue, MarkValue, PeriodKind, WorkType
from services.gradebook.records.base import (
    Day,
    ExternalId,
    Line,
    Moment,
    OptionalLine,
    Record,
    RecordKind,
    SchoolYear,
    Score,
    Truth,
    Weight,
    consecutive,
    plain,
    refuse,
    time_zones,
)
from services.gradebook.rejections import Code

_PERIODS_OF = {PeriodKind.QUARTER: 4, PeriodKind.HALF_YEAR: 2}


class SchoolRecord(Record):
    """A school."""

    KIND: ClassVar[RecordKind] = RecordKind.SCHOOLS
    KEY: ClassVar[tuple[str, ...]] = ("school_id",)

    school_id: ExternalId
    name: Line
    address: OptionalLine = ""
    time_zone: str = "Europe/Moscow"
    """IANA name."""
    state: Literal["active"] = "active"

    @model_validator(mode="after")
    def _known_time_zone(self) -> Self:
        if self.time_zone not in time_zones():
            raise refuse(Code.BAD_VALUE, "time_zone")
        return self


class SubjectRecord(Record):
    """A school subject."""

    KIND: ClassVar[RecordKind] = RecordKind.SUBJECTS
    KEY: ClassVar[tuple[str, ...]] = ("subject_id",)

    subject_id: ExternalId
    title: Line
    state: Literal["active"] = "active"


class PeriodRecord(Record):
    """A reporting period of one school."""

    KIND: ClassVar[RecordKind] = RecordKind.PERIODS
    KEY: ClassVar[tuple[str, ...]] = ("period_id",)

    period_id: ExternalId
    school_id: ExternalId
    kind: PeriodKind
    number: int = Field(default=1, ge=1, le=4)
    school_year: SchoolYear
    starts_on: Day
    ends_on: Day
    state: Literal["active"] = "active"

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.ends_on < self.starts_on:
            raise refuse(Code.BAD_DATE, "ends_on")
        if self.number > _PERIODS_OF.get(self.kind, 1):
            raise refuse(Code.BAD_VALUE, "number")
        consecutive(self.school_year)
        return self


class PersonRecord(Record):
    """What one school states about one person in one role."""

    KIND: ClassVar[RecordKind] = RecordKind.PEOPLE
    KEY: ClassVar[tuple[str, ...]] = ("person_id", "role", "school_id")

    person_id: ExternalId
    role: Role
    family: Line
    given: Line
    patronymic: OptionalLine = ""
    birth_date: Day | None = None
    school_id: ExternalId


class GroupRecord(Record):
    """A class, study group, study stream or individual plan. Withdrawn means closed."""

    KIND: ClassVar[RecordKind] = RecordKind.GROUPS
    KEY: ClassVar[tuple[str, ...]] = ("group_id",)

    group_id: ExternalId
    school_id: ExternalId
    kind: GroupKind
    name: Line
    grade_level: int = Field(ge=1, le=11)
    subject_id: ExternalId | None = None
    campus_id: ExternalId | None = None
    """The building where it is."""

    @model_validator(mode="after")
    def _class_name_fits(self) -> Self:
        if self.kind is GroupKind.CLASS and len(self.name) > 50:
            raise refuse(Code.BAD_VALUE, "name")
        return self


class MemberRecord(Record):
    """A student is in a group."""

    KIND: ClassVar[RecordKind] = RecordKind.MEMBERS
    KEY: ClassVar[tuple[str, ...]] = ("group_id", "person_id")

    group_id: ExternalId
    person_id: ExternalId
    joined_on: Day | None = None
    """The first day in the group; empty: it is not known, or since ever."""
    left_on: Day | None = None
    """The last day in the group."""

    @model_validator(mode="after")
    def _days_in_order(self) -> Self:
        if self.joined_on is not None and self.left_on is not None and self.left_on < self.joined_on:
            raise refuse(Code.BAD_DATE, "left_on")
        return self


class RepresentativeRecord(Record):
    """Who represents a student. Withdrawn means that the authority is no longer in force."""

    KIND: ClassVar[RecordKind] = RecordKind.REPRESENTATIVES
    KEY: ClassVar[tuple[str, ...]] = ("representative_id", "student_id")
    NEEDED: ClassVar[frozenset[str]] = frozenset({"in_force"})

    representative_id: ExternalId
    student_id: ExternalId
    kind: Literal["parent", "guardian", "other"]
    in_force: Truth = True

    @model_validator(mode="after")
    def _two_people(self) -> Self:
        if self.representative_id == self.student_id:
            raise refuse(Code.BAD_VALUE, "representative_id")
        return self


class MarkRecord(Record):
    """A mark. Absence codes are attendance and are no marks."""

    KIND: ClassVar[RecordKind] = RecordKind.MARKS
    KEY: ClassVar[tuple[str, ...]] = ("mark_id",)

    mark_id: ExternalId
    student_id: ExternalId
    subject_id: ExternalId
    group_id: ExternalId | None = None
    lesson_on: Day
    work_type: WorkType
    weight: Weight = Decimal("1.00")
    value: MarkValue
    lesson_id: ExternalId | None = None
    """The lesson at which it was given, where the journal keeps lessons here."""
    author_id: ExternalId | None = None
    """The teacher who gave it."""
    comment: OptionalLine = ""
    """For the family."""
    reason: OptionalLine = ""
    """Why it was corrected; for the history, not for the family."""

    def exact_weight(self) -> Decimal:
        """The weight with two decimals, as it is stored and sent."""
        return self.weight.quantize(Decimal("0.01"))


class FinalGradeRecord(Record):
    """A final grade. A withdrawn one needs no value."""

    KIND: ClassVar[RecordKind] = RecordKind.FINAL_GRADES
    KEY: ClassVar[tuple[str, ...]] = ("result_id",)
    NEEDED: ClassVar[frozenset[str]] = frozenset({"value", "held"})

    result_id: ExternalId
    student_id: ExternalId
    subject_id: ExternalId
    period_id: ExternalId
    value: GradeValue | None = None
    obtained_at: Moment
    held: Truth = False
    """Waits for the pedagogical council; the head releases it, or the clock 24 hours after `obtained_at`."""
    reason: OptionalLine = ""
    """Why it departs from the proposed grade or is `н/а`; a period closes only with it (C5.1)."""

    @model_validator(mode="after")
    def _value_follows_state(self) -> Self:
        if self.value is None and self.state == "active":
            raise refuse(Code.MISSING_VALUE, "value")
        return self


class ExamResultRecord(Record):
    """The result of an exam or a competition: a score, a grade, or both."""

    KIND: ClassVar[RecordKind] = RecordKind.EXAM_RESULTS
    KEY: ClassVar[tuple[str, ...]] = ("result_id",)
    NEEDED: ClassVar[frozenset[str]] = frozenset({"score", "grade"})

    result_id: ExternalId
    student_id: ExternalId
    subject_id: ExternalId
    kind: Literal["oge", "ege", "school_exam", "competition"]
    title: Line
    score: Score | None = None
    max_score: Score | None = None
    grade: GradeValue | None = None
    obtained_at: Moment

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.score is None and self.grade is None and self.state == "active":
            raise refuse(Code.MISSING_VALUE, "score")
        if self.max_score is not None and self.max_score <= 0:
            raise refuse(Code.BAD_VALUE, "max_score")
        if self.score is not None and self.max_score is not None and self.score > self.max_score:
            raise refuse(Code.OUTSIDE_SCALE, "score")
        return self

    def exact_score(self) -> tuple[Decimal | None, Decimal | None]:
        """Score and maximum as they are stored and sent."""
        return (
            None if self.score is None else plain(self.score),
            None if self.max_score is None else plain(self.max_score),
        )
