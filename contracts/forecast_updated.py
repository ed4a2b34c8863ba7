"""The forecast of a final grade changed so much that families should know: its leading grade, or how sure it is."""

from datetime import UTC, date, datetime
from enum import StrEnum
from typing import ClassVar, Literal
from uuid import UUID, uuid5

from pydantic import AwareDatetime, Field

from contracts.base import EVENT_NAMESPACE, Fact, Instant, Model, ReasonCode, SchoolId, StudentId, SubjectId, example_id
from contracts.values import Period, PeriodKind, Subject, WorkType

ForecastGrade = Literal["2", "3", "4", "5"]


class Band(StrEnum):
    """How sure the forecast is, in steps that have words."""

    EARLY = "early"
    """Too little is known to say more than the student's past does."""
    OPEN = "open"
    LIKELY = "likely"
    FIRM = "firm"


class Probabilities(Model):
    """How probable each final grade is; together 1."""

    p2: float = Field(ge=0, le=1)
    p3: float = Field(ge=0, le=1)
    p4: float = Field(ge=0, le=1)
    p5: float = Field(ge=0, le=1)


class Hint(Model):
    """What would make another grade the most likely one, as numbers that each reader words."""

    code: ReasonCode
    """Such as `marks_needed`: so many marks of this kind; `keep`: what keeps the present one."""
    grade: ForecastGrade
    """The grade that it would lead to."""
    mark: ForecastGrade | None = None
    count: int | None = Field(default=None, ge=0, le=100)
    work_type: WorkType | None = None
    probability: float | None = Field(default=None, ge=0, le=1)
    """Of that grade, if it is done."""


class ForecastUpdated(Fact):
    """The whole forecast for one student, subject and period."""

    TOPIC: ClassVar[str] = "gradebook.forecast-updated.v1"

    school_id: SchoolId
    student_id: StudentId
    subject: Subject
    period: Period
    probabilities: Probabilities
    leading: ForecastGrade
    band: Band
    needed: list[Hint] = Field(default=[])
    marks_counted: int = Field(ge=0)
    """From how many marks of the period it was computed."""
    state: Literal["current", "closed"] = "current"
    """`closed`: it is no longer shown, since the period has its final grade, or corrections left too few marks."""
    computed_at: Instant

    def aggregate(self) -> UUID:
        """Student, subject and period."""
        return forecast_id(self.student_id, self.subject.id, self.period)

    def key(self) -> UUID:
        """The student."""
        return self.student_id

    def occurred_at(self) -> AwareDatetime:
        """When it was computed."""
        return self.computed_at


def forecast_id(student_id: UUID, subject_id: UUID, period: Period) -> UUID:
    """The id of the forecast for a student, subject and period."""
    name = f"forecast/{student_id}/{subject_id}/{period.school_year}/{period.kind}/{period.number}"
    return uuid5(EVENT_NAMESPACE, name)


EXAMPLE = ForecastUpdated(
    revision=3,
    school_id=SchoolId(example_id("school")),
    student_id=StudentId(example_id("student")),
    subject=Subject(id=SubjectId(example_id("algebra")), title="Алгебра"),
    period=Period(
        kind=PeriodKind.QUARTER,
        number=2,
        school_year="2026/2027",
        starts_on=date(2026, 11, 4),
        ends_on=date(2026, 12, 29),
    ),
    probabilities=Probabilities(p2=0.01, p3=0.14, p4=0.65, p5=0.2),
    leading="4",
    band=Band.LIKELY,
    needed=[
        Hint(code="marks_needed", grade="5", mark="5", count=2, work_type=WorkType.CONTROL_WORK, probability=0.55),
    ],
    marks_counted=5,
    computed_at=datetime(2026, 11, 20, 12, 0, tzinfo=UTC),
)
