"""A stored forecast as its event, and in words."""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any, cast
from uuid import UUID

from contracts.base import SchoolId, StudentId, wire
from contracts.forecast_updated import Band as ToldBand
from contracts.forecast_updated import ForecastUpdated, Hint, Probabilities
from contracts.values import Language, Period, Subject, WorkType
from services.gradebook.forecast.needed import Needed, Step
from services.gradebook.forecast.running import Band
from services.gradebook.forecast.words import headline, needed_sentence
from services.gradebook.forecasting.domain import Stored
from services.gradebook.grading import Grade

BANDS = {ToldBand.FIRM: Band.CERTAIN, ToldBand.LIKELY: Band.LIKELY, ToldBand.OPEN: Band.OPEN, ToldBand.EARLY: Band.OPEN}
WAYS = 2
"""How many ways to the next grade up are told."""


def needed_json(needed: Needed | None) -> dict[str, Any] | None:
    """What is needed for the next grade up, as it is stored."""
    if needed is None:
        return None
    return {
        "grade": needed.grade,
        "alternatives": [_step_json(step) for step in needed.alternatives[:WAYS]],
        "together": [_step_json(step) for step in needed.together],
        "best_mean": [needed.best_mean.numerator, needed.best_mean.denominator],
    }


def _step_json(step: Step) -> dict[str, Any]:
    return step._asdict() | {"weight": str(step.weight)}


def needed_of(stored: Mapping[str, Any]) -> Needed:
    """The same, read back."""
    return Needed(
        stored["grade"],
        tuple(_step(step) for step in stored["alternatives"]),
        tuple(_step(step) for step in stored["together"]),
        Fraction(*stored["best_mean"]),
    )


def _step(stored: Mapping[str, Any]) -> Step:
    return Step(**{**stored, "weight": Decimal(stored["weight"])})


def _hints(needed: Mapping[str, Any] | None) -> list[Hint]:
    """Each of the `marks_needed` is enough alone; of the `marks_needed_together` all are; `out_of_reach`: none is."""
    if needed is None:
        return []
    found = needed_of(needed)
    grade: Any = str(found.grade)
    if not found.reachable:
        return [Hint(code="out_of_reach", grade=grade)]
    code = "marks_needed" if found.alternatives else "marks_needed_together"
    return [
        Hint(
            code=code,
            grade=grade,
            mark=cast("Any", str(step.value)),
            count=min(step.marks, 100),
            work_type=WorkType(step.work_type) if step.work_type in set(WorkType) else None,
        )
        for step in found.alternatives or found.together
    ]


def forecast_event(stored: Stored, subject: Subject, period: Period) -> ForecastUpdated:
    """The event of a forecast's revision."""
    return ForecastUpdated(
        revision=stored.revision,
        school_id=SchoolId(stored.school_id),
        student_id=StudentId(stored.student_id),
        subject=subject,
        period=period,
        probabilities=Probabilities(**dict(zip(("p2", "p3", "p4", "p5"), stored.probabilities, strict=True))),
        leading=cast("Any", stored.leading_grade),
        band=ToldBand(stored.band),
        needed=_hints(stored.needed),
        marks_counted=stored.marks_counted,
        state=stored.state,
        computed_at=stored.computed_at,
    )


def told(
    rows: list[Stored], subjects: Mapping[UUID, Subject], periods: Mapping[UUID, tuple[UUID, Period]]
) -> tuple[list[Stored], list[ForecastUpdated]]:
    """The rows with the events that tell of them, and these events.

    A row keeps its event: a replay then sends the same under the same id, though the row itself has moved on.
    """
    events = [forecast_event(row, subjects[row.subject_id], periods[row.period_id][1]) for row in rows]
    return [row._replace(told=wire(event)) for row, event in zip(rows, events, strict=True)], events


def in_words(stored: Stored, language: Language) -> tuple[str, str | None]:
    """The leading grade with its uncertainty, and what is needed for the next one up; None where nothing is."""
    grade = cast("Grade", int(stored.leading_grade))
    needed = None if stored.needed is None else needed_sentence(needed_of(stored.needed), language)
    return headline(grade, BANDS[ToldBand(stored.band)], language), needed
