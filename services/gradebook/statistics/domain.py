"""The measures of clause C5.2, exact: whole numbers are counted, fractions are kept as fractions and rounded once.

Rounding is half up, to two decimals, and happens only where a figure is shown. A share of nothing is no figure (None).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

NUMBERS = ("5", "4", "3", "2", "1")
"""Grades that are averaged."""
SPECIAL = ("н/а", "осв", "зач", "незач")
"""Values that are counted and never averaged: not assessed, exempt, passed, failed."""
VALUES = NUMBERS + SPECIAL

_HUNDREDTH = Decimal("0.01")
_DEGREE_OF_LEARNING = {"5": 100, "4": 64, "3": 36, "2": 16, "н/а": 8}
"""СОУ in hundredths; a 1 counts among all and adds nothing."""


def rounded(value: Fraction | None) -> Decimal | None:
    """A figure as it is shown: two decimals, half up."""
    if value is None:
        return None
    # Whole hundredths first, so that no binary or decimal approximation comes between.
    doubled = value * 200
    hundredths = (doubled.numerator // doubled.denominator + 1) // 2
    return (Decimal(hundredths) / 100).quantize(_HUNDREDTH, rounding=ROUND_HALF_UP)


def share(part: int, whole: int) -> Fraction | None:
    """A part in per cent."""
    return Fraction(100 * part, whole) if whole else None


@dataclass(frozen=True, slots=True)
class Results:
    """Final grades of any set of students: how many of each value."""

    counts: Mapping[str, int] = field(default_factory=dict)

    def of(self, value: str) -> int:
        """How many have this value."""
        return self.counts.get(value, 0)

    @property
    def total(self) -> int:
        """Results of every kind."""
        return sum(self.counts.values())

    @property
    def graded(self) -> int:
        """Those with a number."""
        return sum(self.of(value) for value in NUMBERS)

    @property
    def assessed(self) -> int:
        """Over what the shares are taken: those with a number and those who could not be assessed.

        Who is exempt, or passed or failed without a grade, belongs to neither side of a share.
        """
        return self.graded + self.of("н/а")

    @property
    def average(self) -> Fraction | None:
        """Mean of the numbers."""
        return Fraction(sum(int(value) * self.of(value) for value in NUMBERS), self.graded) if self.graded else None

    @property
    def success(self) -> Fraction | None:
        """Успеваемость, in per cent: the share of 3–5."""
        return share(sum(self.of(value) for value in ("3", "4", "5")), self.assessed)

    @property
    def quality(self) -> Fraction | None:
        """Качество знаний, in per cent: the share of 4 and 5."""
        return share(self.of("4") + self.of("5"), self.assessed)

    @property
    def degree(self) -> Fraction | None:
        """СОУ, degree of learning, in per cent: (1.00·n5 + 0.64·n4 + 0.36·n3 + 0.16·n2 + 0.08·n/a) / n."""
        points = sum(weight * self.of(value) for value, weight in _DEGREE_OF_LEARNING.items())
        return Fraction(points, self.assessed) if self.assessed else None


@dataclass(frozen=True, slots=True)
class Marks:
    """Current marks of any set of students."""

    counts: Mapping[str, int] = field(default_factory=dict)
    weights: Mapping[str, Decimal] = field(default_factory=dict)
    """Sum of the weights of the marks of each value."""

    @property
    def total(self) -> int:
        """Marks of every kind."""
        return sum(self.counts.values())

    @property
    def average(self) -> Fraction | None:
        """Plain mean of the numbers."""
        number = sum(self.counts.get(value, 0) for value in NUMBERS)
        return Fraction(sum(int(value) * self.counts.get(value, 0) for value in NUMBERS), number) if number else None

    @property
    def weighted_average(self) -> Fraction | None:
        """Mean of the numbers by the weight of the work."""
        weights = {value: Fraction(self.weights.get(value, Decimal(0))) for value in NUMBERS}
        whole = sum(weights.values())
        return sum((int(value) * weight for value, weight in weights.items()), Fraction(0)) / whole if whole else None


@dataclass(frozen=True, slots=True)
class Lessons:
    """Lessons of one kind, or of all kinds, against the plan."""

    plan: Fraction = Fraction(0)
    """Hours of the curriculum plan; a lesson is an hour."""
    planned: int = 0
    """Lessons that were to take place, whatever became of them."""
    held: int = 0
    moved: int = 0
    """Taken place, or to take place, at another time than the timetable's."""
    substituted: int = 0
    """Given by another teacher or in another subject than the timetable's."""
    lost: int = 0
    """Neither held nor to be held: cancelled and not moved, or in the past without having been held."""

    def plus(self, other: "Lessons") -> "Lessons":
        """Both together."""
        return Lessons(
            self.plan + other.plan,
            self.planned + other.planned,
            self.held + other.held,
            self.moved + other.moved,
            self.substituted + other.substituted,
            self.lost + other.lost,
        )

    @property
    def difference(self) -> Fraction:
        """Lessons held less the plan's hours; negative: behind."""
        return self.held - self.plan

    @property
    def fulfilled(self) -> Fraction | None:
        """Lessons held in per cent of the plan; None when the plan says nothing."""
        return 100 * self.held / self.plan if self.plan else None


def together(parts: Iterable[Lessons]) -> Lessons:
    """The sum of several kinds of lesson."""
    whole = Lessons()
    for part in parts:
        whole = whole.plus(part)
    return whole
