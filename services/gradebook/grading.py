"""The weighted mean of a period's marks and the final grade that it proposes (the domain's "Marks and grades").

Exact: weights are decimals and means are fractions, so that 3.5 is on the border and never a hair below it.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Literal, NamedTuple, Self

from services.gradebook.domain import Mark

Grade = Literal[2, 3, 4, 5]
"""A final grade of the scale. A 1 is allowed among marks; no final grade is proposed below 2."""

GRADES: tuple[Grade, ...] = (2, 3, 4, 5)


class WeightedMark(NamedTuple):
    """A mark as it enters the mean."""

    value: int
    """1 to 5."""
    weight: Decimal
    """Above nothing; the work type's, unless the teacher set another."""
    work_type: str = ""

    @classmethod
    def of(cls, mark: Mark) -> Self | None:
        """What a recorded mark brings into the mean: nothing if withdrawn, or passed/failed, or without weight."""
        if mark.state == "withdrawn" or not mark.value.isdecimal() or mark.weight <= 0:
            return None
        return cls(int(mark.value), mark.weight, mark.work_type)


class Borders(NamedTuple):
    """The least weighted mean for each grade: a school's setting, and rounding half up by default."""

    three: Decimal = Decimal("2.5")
    four: Decimal = Decimal("3.5")
    five: Decimal = Decimal("4.5")

    def checked(self) -> Self:
        """Itself.

        Raises:
            ValueError: the borders do not rise between 1 and 5.
        """
        if not 1 < self.three < self.four < self.five <= 5:
            raise ValueError("borders_do_not_rise")
        return self

    def lowest_for(self, grade: Grade) -> Fraction:
        """The least mean that gives this grade; 1, the least of all means, for a 2."""
        return Fraction(1) if grade == 2 else Fraction(self[grade - 3])

    def grade_of(self, mean: Fraction) -> Grade:
        """The grade of a mean; on the border, the higher one."""
        return next((grade for grade in reversed(GRADES) if mean >= self.lowest_for(grade)), 2)


HALF_UP = Borders()
"""Borders of plain rounding half up."""


def averaged(marks: Iterable[Mark]) -> list[WeightedMark]:
    """Those of the journal's marks that enter the mean."""
    return [weighted for mark in marks if (weighted := WeightedMark.of(mark)) is not None]


def weighted_mean(marks: Sequence[WeightedMark]) -> Fraction | None:
    """The exact weighted mean, or None where there is no mark to average."""
    total = sum((Fraction(mark.weight) for mark in marks), Fraction(0))
    if not total:
        return None
    return sum((Fraction(mark.weight) * mark.value for mark in marks), Fraction(0)) / total


def proposed_grade(marks: Sequence[WeightedMark], borders: Borders = HALF_UP) -> Grade | None:
    """The final grade that the marks propose; the teacher sets the grade. None where there is no mark to average."""
    mean = weighted_mean(marks)
    return None if mean is None else borders.grade_of(mean)
