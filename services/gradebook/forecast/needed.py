"""What lifts the proposed grade by one: "a 5 on the next control work makes it a 5" (C4)."""

from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple

from services.gradebook.grading import HALF_UP, Borders, Grade, WeightedMark, proposed_grade, weighted_mean

BEST = 5


class Expected(NamedTuple):
    """A mark still to come in the period."""

    weight: Decimal
    work_type: str = ""


class Step(NamedTuple):
    """So many marks of one kind of work, each of at least this value."""

    work_type: str
    weight: Decimal
    value: int
    marks: int


class Needed(NamedTuple):
    """The way to the next grade up."""

    grade: Grade
    alternatives: tuple[Step, ...]
    """Each is enough alone, the fewest marks first. Empty when no single kind of the expected work is enough."""
    together: tuple[Step, ...]
    """All of these together, only when there is no alternative. Empty, too, when nothing is enough."""
    best_mean: Fraction
    """The mean that the best marks in all expected work would give."""

    @property
    def reachable(self) -> bool:
        """Whether the expected work can still bring the grade."""
        return bool(self.alternatives or self.together)


def next_grade_up(
    marks: Sequence[WeightedMark], expected: Sequence[Expected], borders: Borders = HALF_UP
) -> Needed | None:
    """What lifts the grade that the marks so far propose by one; None without marks, or when it is a 5.

    Args:
        marks: the marks so far that enter the mean.
        expected: the marks still to come: a way never asks for more of them than there are.
        borders: the least mean of each grade.
    """
    proposed = proposed_grade(marks, borders)
    grade: Grade | None = {2: 3, 3: 4, 4: 5}.get(proposed or 5)  # type: ignore[assignment]
    if grade is None:
        return None
    border = borders.lowest_for(grade)
    kinds: dict[tuple[str, Decimal], int] = {}
    for each in expected:
        kinds[each.work_type, each.weight] = kinds.get((each.work_type, each.weight), 0) + 1
    steps = [_least(marks, kind, border) for kind in kinds]
    alternatives = sorted(
        (step for step in steps if step is not None and step.marks <= kinds[step.work_type, step.weight]),
        key=lambda step: (step.marks, step.value, -step.weight, step.work_type),
    )
    best_mean = _mean_with(marks, [WeightedMark(BEST, each.weight) for each in expected])
    together: tuple[Step, ...] = ()
    if not alternatives and best_mean >= border:
        together = _together(marks, kinds, border)
    return Needed(grade, tuple(alternatives), together, best_mean)


def _mean_with(marks: Sequence[WeightedMark], more: Sequence[WeightedMark]) -> Fraction:
    return weighted_mean([*marks, *more]) or Fraction(0)


def _least(marks: Sequence[WeightedMark], kind: tuple[str, Decimal], border: Fraction) -> Step | None:
    """The fewest marks of one kind that reach the border, and the lowest value that does with so many."""
    if border >= BEST:
        return None
    work_type, weight = kind
    short = sum((Fraction(mark.weight) * (border - mark.value) for mark in marks), Fraction(0))
    # Each 5 of weight w brings w·(5 − border) towards what is short; rounded up, and at least one.
    count = max(1, -(-short // (Fraction(weight) * (BEST - border))))
    values = (value for value in range(2, BEST + 1) if count * Fraction(weight) * (value - border) >= short)
    return Step(work_type, weight, next(values), count)


def _together(
    marks: Sequence[WeightedMark], kinds: dict[tuple[str, Decimal], int], border: Fraction
) -> tuple[Step, ...]:
    """The best marks in the weightiest work first, until they reach the border: the fewest marks that do."""
    taken: list[WeightedMark] = []
    steps: list[Step] = []
    for (work_type, weight), count in sorted(kinds.items(), key=lambda kind: (-kind[0][1], kind[0][0])):
        for number in range(1, count + 1):
            taken.append(WeightedMark(BEST, weight))
            if _mean_with(marks, taken) >= border:
                return (*steps, Step(work_type, weight, BEST, number))
        steps.append(Step(work_type, weight, BEST, count))
    return tuple(steps)
