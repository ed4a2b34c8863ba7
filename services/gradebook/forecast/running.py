"""The forecast while the period runs: what is known from before, updated by the weighted marks so far (C4).

A student stands in a subject on a level, a point on a fine scale around 2 to 5. Marks scatter around it. Before any
mark the level is as probable as the prior says of the grades; each mark makes some levels more probable (Bayes' rule).
From every level follows how the marks still expected would move the weighted mean, and so the grade. docs/forecast.md
explains it in plain words; numpy is not needed, and a forecast takes about a millisecond.
"""

import math
from collections.abc import Sequence
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from statistics import NormalDist
from typing import NamedTuple

from services.gradebook.forecast.needed import Expected, Needed, next_grade_up
from services.gradebook.forecast.scale import EVEN, Probabilities, shares
from services.gradebook.grading import GRADES, HALF_UP, Borders, Grade, WeightedMark, weighted_mean

_NORMAL = NormalDist()
LEVELS = tuple(1.0 + 0.1 * place for place in range(56))
"""1.0 to 6.5: above 5 nearly every mark is a 5."""
WEIGHT_UNITS = 10_000
"""Weights have two decimals; finer ones than this count as without steps."""
CENTRE, CENTRE_SPREAD = 3.8, 0.9
"""Where levels lie at large; it only shapes the prior within each grade."""
DOUBT = 0.05
"""How much of the prior is spread evenly: no past makes a grade impossible."""


class Band(StrEnum):
    """How sure the leading grade is, for a person."""

    CERTAIN = "certain"
    LIKELY = "likely"
    OPEN = "open"


class Rules(NamedTuple):
    """A school's settings for the forecast of a running period."""

    borders: Borders = HALF_UP
    minimum: int = 3
    """Marks that a period should have; below it no forecast counts as certain."""
    shown_from: int = 2
    """Below so many marks nothing is shown."""
    mark_spread: float = 0.75
    """Standard deviation of marks around the level, in points."""
    drift: float = 0.15
    """By how much the rest of the period may be better or worse than the part so far, in points."""
    teacher_spread: float = 0.08
    """By how much teachers stray from the borders when they set the grade, in points of the mean. They lean upwards by
    as much: of means that lie on a border, five in six get the higher grade."""
    certain_from: float = 0.9
    likely_from: float = 0.6


DEFAULT_RULES = Rules()


class Forecast(NamedTuple):
    """What is told of one student, subject and period."""

    probabilities: Probabilities
    leading: Grade
    band: Band
    marks: int
    mean: Fraction
    """The weighted mean of the marks so far."""
    proposed: Grade
    """The grade that the marks so far propose."""
    enough: bool
    """Whether there are as many marks as the period should have."""
    needed: Needed | None
    """What lifts the proposed grade by one; None when it is a 5."""

    @property
    def headline(self) -> tuple[Grade, Band]:
        """What must change for the forecast to be told again."""
        return self.leading, self.band


class _Level(NamedTuple):
    """What one level makes of marks."""

    chances: tuple[float, float, float, float]
    """Of a mark of 2, 3, 4, 5."""
    mean: float
    variance: float


@lru_cache(maxsize=32)
def _levels(mark_spread: float) -> tuple[_Level, ...]:
    found = []
    for level in LEVELS:
        below = [0.0, *(_NORMAL.cdf((grade + 0.5 - level) / mark_spread) for grade in GRADES[:-1]), 1.0]
        chances = tuple(upper - lower for lower, upper in pairwise(below))
        mean = math.fsum(chance * grade for chance, grade in zip(chances, GRADES, strict=True))
        square = math.fsum(chance * grade * grade for chance, grade in zip(chances, GRADES, strict=True))
        two, three, four, five = chances
        found.append(_Level((two, three, four, five), mean, max(square - mean * mean, 0.0)))
    return tuple(found)


@lru_cache(maxsize=32)
def _levels_of_grade(mark_spread: float, borders: Borders) -> tuple[tuple[float, ...], ...]:
    """For each grade how its probability is spread over the levels whose marks would average to it."""
    weights: list[list[float]] = [[0.0] * len(LEVELS) for _ in GRADES]
    for place, level in enumerate(_levels(mark_spread)):
        grade = borders.grade_of(Fraction(level.mean))
        weights[grade - 2][place] = math.exp(-0.5 * ((LEVELS[place] - CENTRE) / CENTRE_SPREAD) ** 2)
    totals = [math.fsum(of_grade) or 1.0 for of_grade in weights]
    return tuple(tuple(each / total for each in of) for of, total in zip(weights, totals, strict=True))


def predict(
    prior: Probabilities,
    marks: Sequence[WeightedMark],
    expected: Sequence[Expected] = (),
    rules: Rules = DEFAULT_RULES,
) -> Forecast | None:
    """The forecast of the period's final grade.

    Args:
        prior: the grades' probabilities before the period: from earlier periods, the school's frequencies, or `EVEN`.
        marks: the marks so far that enter the mean.
        expected: the marks still to come; none when the period is over.
        rules: the school's settings.

    Returns:
        None below `rules.shown_from` marks.
    """
    mean = weighted_mean(marks)
    if mean is None or len(marks) < rules.shown_from:
        return None
    levels = _levels(rules.mark_spread)
    believed = _posterior(_prior_of_levels(prior, rules), marks, levels)
    chances = [0.0] * len(GRADES)
    outcome = _Outcome.of(marks, mean, expected, rules)
    for belief, level in zip(believed, levels, strict=True):
        if belief > 1e-9:
            for place, chance in enumerate(outcome.grades(level)):
                chances[place] += belief * chance
    probabilities = shares([0.99 * chance + 0.01 * own for chance, own in zip(chances, _doubted(prior), strict=True)])
    return Forecast(
        probabilities,
        probabilities.leading,
        _band(probabilities, len(marks), rules),
        len(marks),
        mean,
        rules.borders.grade_of(mean),
        len(marks) >= rules.minimum,
        next_grade_up(marks, expected, rules.borders),
    )


def _doubted(prior: Probabilities) -> list[float]:
    return [(1 - DOUBT) * own + DOUBT * even for own, even in zip(prior, EVEN, strict=True)]


def _prior_of_levels(prior: Probabilities, rules: Rules) -> list[float]:
    of_grade = _levels_of_grade(rules.mark_spread, rules.borders)
    doubted = _doubted(prior)
    return [
        math.fsum(chance * of[place] for chance, of in zip(doubted, of_grade, strict=True))
        for place in range(len(LEVELS))
    ]


def _posterior(prior: Sequence[float], marks: Sequence[WeightedMark], levels: Sequence[_Level]) -> list[float]:
    """The levels' probabilities after the marks. Each mark is one observation: weight makes it dearer, not surer."""
    counts = [0] * len(GRADES)
    for mark in marks:
        counts[max(mark.value, 2) - 2] += 1
    logs = [
        math.log(belief)
        + math.fsum(count * math.log(max(chance, 1e-12)) for count, chance in zip(counts, level.chances, strict=True))
        if belief > 0
        else -math.inf
        for belief, level in zip(prior, levels, strict=True)
    ]
    highest = max(logs)
    raw = [math.exp(each - highest) for each in logs]
    total = math.fsum(raw)
    return [each / total for each in raw]


class _Outcome(NamedTuple):
    """How the final weighted mean follows from a level."""

    settled: float
    """What the marks so far give to the final mean, in points."""
    open_share: float
    """The share of the weights that is still to come."""
    scatter: float
    """Sum of squared weights to come over the squared total: how little their scatter evens out."""
    borders: tuple[float, ...]
    """Where the continuous mean passes from grade to grade."""
    rules: Rules

    @classmethod
    def of(
        cls, marks: Sequence[WeightedMark], mean: Fraction, expected: Sequence[Expected], rules: Rules
    ) -> "_Outcome":
        so_far = sum((mark.weight for mark in marks), Decimal(0))
        to_come = sum((each.weight for each in expected), Decimal(0))
        total = Fraction(so_far + to_come)
        weights = [Fraction(weight) for weight in [mark.weight for mark in marks] + [each.weight for each in expected]]
        return cls(
            float(mean * Fraction(so_far) / total),
            float(Fraction(to_come) / total),
            math.fsum(float(each.weight) ** 2 for each in expected) / float(total) ** 2,
            tuple(_passed_at(Fraction(border), weights, total) for border in rules.borders)
            if expected
            else tuple(float(border) - rules.teacher_spread for border in rules.borders),
            rules,
        )

    def grades(self, level: _Level) -> list[float]:
        """The grades' probabilities if this were the level: the final mean is normal, which sums of marks soon are."""
        mean = self.settled + self.open_share * level.mean
        variance = (
            self.scatter * level.variance + (self.open_share * self.rules.drift) ** 2 + self.rules.teacher_spread**2
        )
        deviation = math.sqrt(max(variance, 1e-12))
        reached = [1.0, *(_NORMAL.cdf((mean - border) / deviation) for border in self.borders), 0.0]
        return [lower - upper for lower, upper in pairwise(reached)]


def _passed_at(border: Fraction, weights: Sequence[Fraction], total: Fraction) -> float:
    """Half-way between the two possible means below and not below a border: sums of marks only come in steps."""
    step = Fraction(math.gcd(*(int(weight * WEIGHT_UNITS) for weight in weights)), WEIGHT_UNITS)
    reached = -(-border * total // step) * step if step else border * total
    return float((reached - step / 2) / total)


def _band(probabilities: Probabilities, marks: int, rules: Rules) -> Band:
    leading = probabilities.of(probabilities.leading)
    if leading >= rules.certain_from and marks >= rules.minimum:
        return Band.CERTAIN
    return Band.LIKELY if leading >= rules.likely_from else Band.OPEN
