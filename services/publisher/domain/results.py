"""A final grade or an exam result as the publisher keeps it: enough to count the 24 hours and to write a mail."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Literal
from uuid import UUID

from contracts.exam_result_recorded import ExamResultRecorded
from contracts.final_grade_set import FinalGradeSet
from contracts.values import due_at

ResultKind = Literal["final_grade", "oge", "ege", "school_exam", "competition"]


@dataclass(frozen=True, slots=True)
class Result:
    """The whole state of one result at one revision."""

    result_id: UUID
    revision: int
    value_revision: int
    school_id: UUID
    student_id: UUID
    kind: ResultKind
    state: Literal["set", "deferred", "withdrawn"]
    subject_title: str
    obtained_at: datetime
    recorded_at: datetime
    held: bool = False
    title: str | None = None
    period_kind: str | None = None
    period_number: int | None = None
    value: str | None = None
    score: Decimal | None = None
    max_score: Decimal | None = None
    deferred_until: date | None = None

    def held_at(self, now: datetime) -> bool:
        """Whether this version is held back; by the clock it becomes visible when it is due."""
        return self.held and self.state != "withdrawn" and now < due_at(self.obtained_at)


def in_rounds(recorded: Iterable[Result]) -> list[list[Result]]:
    """Sorts states of results into rounds: each result at most once in a round, its lower revisions in earlier ones."""
    rounds: list[list[Result]] = []
    seen: Counter[UUID] = Counter()
    for one in sorted(recorded, key=lambda item: item.revision):
        if seen[one.result_id] == len(rounds):
            rounds.append([])
        rounds[seen[one.result_id]].append(one)
        seen[one.result_id] += 1
    return rounds


def from_final_grade(event: FinalGradeSet) -> Result:
    """A final grade, set or deferred."""
    return Result(
        result_id=event.result_id,
        revision=event.revision,
        value_revision=event.value_revision,
        school_id=event.school_id,
        student_id=event.student_id,
        kind="final_grade",
        state=event.state,
        subject_title=event.subject.title,
        obtained_at=event.obtained_at,
        recorded_at=event.recorded_at,
        held=event.held,
        period_kind=event.period.kind.value,
        period_number=event.period.number,
        value=event.value,
        deferred_until=event.deferred_until,
    )


def from_exam_result(event: ExamResultRecorded) -> Result:
    """The result of an exam or a competition; it is never held."""
    return Result(
        result_id=event.result_id,
        revision=event.revision,
        value_revision=event.value_revision,
        school_id=event.school_id,
        student_id=event.student_id,
        kind=event.kind,
        state=event.state,
        subject_title=event.subject.title,
        obtained_at=event.obtained_at,
        recorded_at=event.recorded_at,
        title=event.title,
        value=event.grade,
        score=event.score,
        max_score=event.max_score,
    )
