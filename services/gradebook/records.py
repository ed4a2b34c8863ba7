"""What a journal sends: one model for each kind of record, the same for CSV, OneRoster and HTTP.

All ids are the journal's own. `state` is optional everywhere: `withdrawn` takes a record back.
"""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import Annotated, Any, ClassVar, Literal, Self, TypeAlias
from zoneinfo import available_timezones

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator
from pydantic_core import PydanticCustomError

from contracts.person_changed import Role
from contracts.study_group_changed import GroupKind
from contracts.values import GradeValue, MarkValue, PeriodKind, WorkType
from services.gradebook.rejections import Code

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_YEARS = range(1900, 2200)
_PERIODS_OF = {PeriodKind.QUARTER: 4, PeriodKind.HALF_YEAR: 2}


class RecordKind(StrEnum):
    """The kinds of record, in the order in which they depend on each other."""

    SCHOOLS = "schools"
    SUBJECTS = "subjects"
    PERIODS = "periods"
    PEOPLE = "people"
    GROUPS = "groups"
    MEMBERS = "members"
    REPRESENTATIVES = "representatives"
    MARKS = "marks"
    FINAL_GRADES = "final_grades"
    EXAM_RESULTS = "exam_results"


def _refuse(code: Code, field: str = "") -> PydanticCustomError:
    return PydanticCustomError(f"{field}:{code}" if field else str(code), "refused")


def _day(value: object) -> object:
    if type(value) is date:
        return value
    if isinstance(value, str) and _DAY.fullmatch(value.strip()):
        try:
            day = date.fromisoformat(value.strip())
        except ValueError:
            raise _refuse(Code.BAD_DATE) from None
        if day.year in _YEARS:
            return day
    raise _refuse(Code.BAD_DATE)


def _instant(value: object) -> object:
    instant = value
    if isinstance(value, str) and "T" in value:
        try:
            instant = datetime.fromisoformat(value.strip())
        except ValueError:
            raise _refuse(Code.BAD_INSTANT) from None
    if not isinstance(instant, datetime) or instant.tzinfo is None or instant.year not in _YEARS:
        raise _refuse(Code.BAD_INSTANT)
    return instant.astimezone(UTC)


def _plain(value: Decimal) -> Decimal:
    """The same number without an exponent or needless zeros, so that equal numbers are written alike."""
    whole = value.to_integral_value()
    return whole.quantize(Decimal(1)) if value == whole else value.normalize()


def _number(value: object) -> object:
    return value.strip().replace(",", ".") if isinstance(value, str) else value


def _truth(value: object) -> object:
    if isinstance(value, str):
        return {"да": True, "нет": False}.get(value.strip().casefold(), value.strip())
    return value


def _school_year(value: object) -> object:
    return re.sub(r"\s*[-–/]\s*", "/", value) if isinstance(value, str) else value


@cache
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())


ExternalId = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]
Line: TypeAlias = Annotated[str, StringConstraints(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")]
OptionalLine: TypeAlias = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00-\x1f\x7f]*$")]
Day = Annotated[date, BeforeValidator(_day)]
Moment = Annotated[datetime, BeforeValidator(_instant)]
Truth = Annotated[bool, BeforeValidator(_truth)]
Weight = Annotated[Decimal, BeforeValidator(_number), Field(gt=0, le=10, decimal_places=2)]
Score = Annotated[Decimal, BeforeValidator(_number), Field(ge=0, le=100_000, decimal_places=3)]
State = Literal["active", "withdrawn"]


class Record(BaseModel):
    """One record of a journal."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", str_strip_whitespace=True, use_attribute_docstrings=True, allow_inf_nan=False
    )

    KIND: ClassVar[RecordKind]
    KEY: ClassVar[tuple[str, ...]]
    """The fields that identify it within its source."""
    NEEDED: ClassVar[frozenset[str]] = frozenset()
    """Columns that must be there although a cell may be blank, since leaving one out would change the meaning."""

    state: State = "active"

    def key(self) -> tuple[str, ...]:
        """What identifies the record within its source."""
        return tuple(str(getattr(self, name)) for name in self.KEY)

    @property
    def active(self) -> bool:
        """Whether it holds; false takes it back."""
        return self.state == "active"


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
        if self.time_zone not in _time_zones():
            raise _refuse(Code.BAD_VALUE, "time_zone")
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
    school_year: Annotated[str, BeforeValidator(_school_year), StringConstraints(pattern=r"^[0-9]{4}/[0-9]{4}$")]
    starts_on: Day
    ends_on: Day
    state: Literal["active"] = "active"

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.ends_on < self.starts_on:
            raise _refuse(Code.BAD_DATE, "ends_on")
        if self.number > _PERIODS_OF.get(self.kind, 1):
            raise _refuse(Code.BAD_VALUE, "number")
        first, second = self.school_year.split("/")
        if int(second) != int(first) + 1:
            raise _refuse(Code.BAD_VALUE, "school_year")
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

    @model_validator(mode="after")
    def _class_name_fits(self) -> Self:
        if self.kind is GroupKind.CLASS and len(self.name) > 50:
            raise _refuse(Code.BAD_VALUE, "name")
        return self


class MemberRecord(Record):
    """A student is in a group."""

    KIND: ClassVar[RecordKind] = RecordKind.MEMBERS
    KEY: ClassVar[tuple[str, ...]] = ("group_id", "person_id")

    group_id: ExternalId
    person_id: ExternalId


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
            raise _refuse(Code.BAD_VALUE, "representative_id")
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

    @model_validator(mode="after")
    def _value_follows_state(self) -> Self:
        if self.value is None and self.state == "active":
            raise _refuse(Code.MISSING_VALUE, "value")
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
            raise _refuse(Code.MISSING_VALUE, "score")
        if self.max_score is not None and self.max_score <= 0:
            raise _refuse(Code.BAD_VALUE, "max_score")
        if self.score is not None and self.max_score is not None and self.score > self.max_score:
            raise _refuse(Code.OUTSIDE_SCALE, "score")
        return self

    def exact_score(self) -> tuple[Decimal | None, Decimal | None]:
        """Score and maximum as they are stored and sent."""
        return (
            None if self.score is None else _plain(self.score),
            None if self.max_score is None else _plain(self.max_score),
        )


MODELS: dict[RecordKind, type[Record]] = {
    model.KIND: model
    for model in (
        SchoolRecord,
        SubjectRecord,
        PeriodRecord,
        PersonRecord,
        GroupRecord,
        MemberRecord,
        RepresentativeRecord,
        MarkRecord,
        FinalGradeRecord,
        ExamResultRecord,
    )
}
"""The model of each kind, in the order of dependence."""


def required_fields(model: type[Record]) -> frozenset[str]:
    """The columns that a file of this kind must have."""
    return model.NEEDED | {name for name, field in model.model_fields.items() if field.is_required()}


def from_text(model: type[Record], fields: dict[str, Any]) -> Record:
    """A record from a row of text; a blank field counts as absent.

    Raises:
        pydantic.ValidationError: the row does not fit.
    """
    return model.model_validate({name: value for name, value in fields.items() if value})
