"""Marks, final grades and exam results."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, Self
from uuid import uuid4

from contracts.base import MarkId, ResultId
from contracts.exam_result_recorded import ExamResultRecorded
from contracts.final_grade_set import FinalGradeSet
from contracts.mark_recorded import MarkRecorded
from contracts.values import GradeValue, MarkValue, Period, Subject, WorkType
from tests.support.builders.ground import FIRST_QUARTER, OBTAINED_AT, subject
from tests.support.builders.people import OfStudent

ALGEBRA = subject("Алгебра")
MATHEMATICS = subject("Математика")


@dataclass(frozen=True)
class MarkBuilder(OfStudent):
    """A mark."""

    id: MarkId = field(default_factory=lambda: MarkId(uuid4()))
    subject: Subject = ALGEBRA
    mark: MarkValue = "5"
    lesson_on: date = date(2026, 10, 12)
    work_type: WorkType = WorkType.ANSWER
    weight: Decimal = Decimal("1.00")
    state: Literal["recorded", "withdrawn"] = "recorded"
    recorded_at: datetime = datetime(2026, 10, 12, 9, 40, tzinfo=UTC)

    def value(self, value: MarkValue) -> Self:
        """With this value."""
        return self.but(mark=value)

    def in_subject(self, title: str) -> Self:
        """In a subject."""
        return self.but(subject=subject(title))

    def on(self, day: date) -> Self:
        """For a lesson of that day."""
        return self.but(lesson_on=day)

    def for_work(self, work_type: WorkType, weight: str = "1.00") -> Self:
        """For a kind of work with a weight."""
        return self.but(work_type=work_type, weight=Decimal(weight))

    def recorded(self, at: datetime) -> Self:
        """Taken by the journal at this instant."""
        return self.but(recorded_at=at)

    def corrected_to(self, value: MarkValue) -> Self:
        """The next revision with another value."""
        return self.but(mark=value, revision=self.revision + 1)

    def withdrawn(self) -> Self:
        """The next revision: it was a mistake."""
        return self.but(state="withdrawn", revision=self.revision + 1)

    def event(self) -> MarkRecorded:
        """What the gradebook says of it."""
        return MarkRecorded(
            revision=self.revision,
            mark_id=self.id,
            school_id=self.school_id,
            student_id=self.student_id,
            subject=self.subject,
            lesson_on=self.lesson_on,
            work_type=self.work_type,
            weight=self.weight,
            value=self.mark,
            state=self.state,
            recorded_at=self.recorded_at,
        )


@dataclass(frozen=True)
class _Result(OfStudent):
    id: ResultId = field(default_factory=lambda: ResultId(uuid4()))
    value_revision: int = 1
    obtained_at: datetime = OBTAINED_AT
    recorded_at: datetime | None = None
    """Five seconds after it came to be, unless said."""

    def obtained(self, at: datetime) -> Self:
        """Came to be at this instant: the 24 hours start here."""
        return self.but(obtained_at=at)

    def recorded(self, at: datetime) -> Self:
        """The journal took it at this instant."""
        return self.but(recorded_at=at)

    @property
    def due_at(self) -> datetime:
        """When it must be available at the latest."""
        return self.obtained_at + timedelta(hours=24)

    def _recorded_at(self) -> datetime:
        return self.recorded_at or self.obtained_at + timedelta(seconds=5)

    def _new_value(self, at: datetime, **changes: Any) -> Self:
        revision = self.revision + 1
        return self.but(revision=revision, value_revision=revision, obtained_at=at, recorded_at=None, **changes)


@dataclass(frozen=True)
class FinalGradeBuilder(_Result):
    """A final grade."""

    subject: Subject = ALGEBRA
    period: Period = FIRST_QUARTER
    grade: GradeValue | None = "4"
    state: Literal["set", "deferred", "withdrawn"] = "set"
    is_held: bool = False
    until: date | None = None

    def value(self, value: GradeValue) -> Self:
        """With this value."""
        return self.but(grade=value)

    def in_subject(self, title: str) -> Self:
        """In a subject."""
        return self.but(subject=subject(title))

    def for_period(self, period: Period) -> Self:
        """For another period."""
        return self.but(period=period)

    def held(self) -> Self:
        """Waits for the council."""
        return self.but(is_held=True)

    def released(self, at: datetime | None = None) -> Self:
        """The next revision, released by the head; the value's revision stays."""
        return self.but(is_held=False, revision=self.revision + 1, recorded_at=at)

    def corrected_to(self, value: GradeValue, at: datetime) -> Self:
        """The next revision: another value after disclosure, whose own 24 hours start at this instant."""
        return self._new_value(at, grade=value, state="set", is_held=False, until=None)

    def deferred(self, until: date, at: datetime | None = None) -> Self:
        """The next revision: put off because of illness."""
        return self._new_value(at or self.obtained_at, grade=None, state="deferred", until=until)

    def withdrawn(self, at: datetime | None = None) -> Self:
        """The next revision: it was a mistake."""
        return self._new_value(at or self.obtained_at, grade=None, state="withdrawn")

    def event(self) -> FinalGradeSet:
        """What the gradebook says of it."""
        return FinalGradeSet(
            revision=self.revision,
            result_id=self.id,
            value_revision=self.value_revision,
            school_id=self.school_id,
            student_id=self.student_id,
            subject=self.subject,
            period=self.period,
            state=self.state,
            value=self.grade,
            held=self.is_held,
            deferred_until=self.until,
            obtained_at=self.obtained_at,
            recorded_at=self._recorded_at(),
        )


@dataclass(frozen=True)
class ExamResultBuilder(_Result):
    """An exam's result."""

    subject: Subject = MATHEMATICS
    kind: Literal["oge", "ege", "school_exam", "competition"] = "oge"
    title: str = "ОГЭ по математике"
    score: Decimal | None = Decimal(22)
    max_score: Decimal | None = Decimal(31)
    grade: GradeValue | None = "5"
    state: Literal["set", "withdrawn"] = "set"

    def scored(self, score: str, of: str, grade: GradeValue | None = None) -> Self:
        """With a score, its maximum and the grade that it makes."""
        return self.but(score=Decimal(score), max_score=Decimal(of), grade=grade)

    def corrected_to(self, score: str, at: datetime, grade: GradeValue | None = None) -> Self:
        """The next revision: another score, whose own 24 hours start at this instant."""
        return self._new_value(at, score=Decimal(score), grade=grade)

    def event(self) -> ExamResultRecorded:
        """What the gradebook says of it."""
        return ExamResultRecorded(
            revision=self.revision,
            result_id=self.id,
            value_revision=self.value_revision,
            school_id=self.school_id,
            student_id=self.student_id,
            subject=self.subject,
            kind=self.kind,
            title=self.title,
            state=self.state,
            score=self.score,
            max_score=self.max_score,
            grade=self.grade,
            obtained_at=self.obtained_at,
            recorded_at=self._recorded_at(),
        )


def a_mark() -> MarkBuilder:
    """A 5 for an answer in algebra."""
    return MarkBuilder()


def a_final_grade() -> FinalGradeBuilder:
    """A 4 in algebra for the first quarter."""
    return FinalGradeBuilder()


def an_exam_result() -> ExamResultBuilder:
    """22 of 31 in mathematics."""
    return ExamResultBuilder()
