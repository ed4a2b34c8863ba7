"""The scale of final grades, and probabilities over it."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from services.gradebook.grading import GRADES, Grade


class Probabilities(NamedTuple):
    """How probable each final grade is. They sum to 1."""

    two: float
    three: float
    four: float
    five: float

    def of(self, grade: Grade) -> float:
        """The probability of one grade."""
        return self[grade - 2]

    @property
    def leading(self) -> Grade:
        """The most probable grade; of equally probable ones the lower, since a family plans better by it."""
        return max(GRADES, key=lambda grade: (self.of(grade), -grade))


EVEN = Probabilities(0.25, 0.25, 0.25, 0.25)
"""Nothing is known."""


def shares(weights: Sequence[float]) -> Probabilities:
    """Four weights as probabilities.

    Raises:
        ValueError: a weight is negative or not finite, or all are nothing.
    """
    total = math.fsum(weights)
    if len(weights) != len(GRADES) or not math.isfinite(total) or total <= 0 or min(weights) < 0:
        raise ValueError("no_probabilities")
    two, three, four, five = (weight / total for weight in weights)
    return Probabilities(two, three, four, five)


def nearest_grade(value: float) -> Grade:
    """A grade or a mean of grades rounded half up into the scale; a 1 counts as a 2."""
    rounded = math.floor(value + 0.5)
    return next((grade for grade in reversed(GRADES) if rounded >= grade), 2)
