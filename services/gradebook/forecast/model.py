"""The forecaster from earlier periods: a Bayesian ordinal model, averaged over how strongly its parts may matter.

From each grade k to the next there is a step whose odds are, on the logarithmic scale,

    log P(k+1) / P(k) = step k + weight of the newest grade · (newest − half-way) + weight of the change · change + …

The weights have normal priors: before any data the outcome is most probably the newest grade. How far the data may
move them (the priors' widths) is not chosen but averaged over, each choice by how well it explains the outcomes (its
evidence, by Laplace's approximation), taken with caution. docs/forecast.md explains it in plain words.
"""

from collections.abc import Sequence
from itertools import product
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from services.gradebook.forecast.history import Case
from services.gradebook.forecast.scale import Probabilities, nearest_grade, shares
from services.gradebook.grading import GRADES

Array = NDArray[np.float64]

STEPS = len(GRADES) - 1
BORDERS = (2.5, 3.5, 4.5)
"""Half-way between the grades of each step."""
CARRY_OVER = 2.0
"""What a point of the newest grade adds to the log odds of each step before any data: a 4 follows a 4 in 57 %."""
SURPRISE = 0.002
"""The share of every forecast that is spread evenly: an illness can bring any grade, and no past shows it all."""
OTHERS_STEP = 0.25
"""The other subjects' difference is rounded to this, so that equal cases are counted instead of repeated."""


class Widths(NamedTuple):
    """Standard deviations of the priors, in log odds per point of the scale."""

    change: float
    """Of what earlier periods and other subjects add to the newest grade."""
    level: float
    """Of what is peculiar to each newest grade, and to each subject."""
    variety: float
    """Of how the newest grade's weight differs by step, and the change's by newest grade."""


CHOICES = tuple(Widths(*widths) for widths in product((0.1, 0.3, 0.7, 1.5), (0.3, 1.0), (0.2, 0.7)))
CAUTION = 0.2
"""The power to which evidence is raised before it weighs, so that outcomes count there like a fifth as many.

No choice is the truth. Unraised, 300 outcomes often settle on one and drop those that trust the newest grade most,
which costs where it alone decides. Thousands settle it all the same.
"""
STEP_WIDTH, NEWEST_WIDTH = 1.0, 2.0
"""Prior standard deviations of the steps and of the newest grade's weight."""


class Layout(NamedTuple):
    """Which features there are; fixed when learning, so that a new subject adds none."""

    subjects: tuple[str, ...]
    """Empty when there is only one."""
    longest: int
    """The largest number of earlier grades, at most 3 that are told apart."""
    with_others: bool

    @classmethod
    def of(cls, cases: Sequence[Case]) -> Self:
        """The features that these cases can teach."""
        subjects = tuple(dict.fromkeys(case.subject for case in cases))
        return cls(
            subjects if len(subjects) > 1 else (),
            min(3, max((len(case.earlier) for case in cases), default=1)),
            any(case.others is not None for case in cases),
        )

    def features(self, case: Case) -> tuple[float, ...]:
        """The newest grade; each subject; the changes and the other subjects; which newest grade; its own change."""
        last, earlier = case.last, case.earlier
        found = [last, *(float(case.subject == subject) for subject in self.subjects)]
        newest = [float(nearest_grade(last) == grade) for grade in GRADES]
        change = earlier[-2] - last if len(earlier) > 1 else 0.0
        if self.longest > 1:
            found.append(change)
        if self.longest > 2:
            older = earlier[:-2]
            found.append(sum(older) / len(older) - last if older else 0.0)
        if self.with_others:
            found.append(round((case.others or 0.0) / OTHERS_STEP) * OTHERS_STEP)
        found += newest
        if self.longest > 1:
            found += [change * own for own in newest]
        return tuple(found)

    @property
    def _varying(self) -> int:
        """How many features, the first ones, have a weight that differs from step to step."""
        return 1 + len(self.subjects)

    def prior(self, widths: Widths) -> tuple[Array, Array]:
        """Mean and standard deviation of every parameter, in the order of `design`."""
        shared = [
            NEWEST_WIDTH,
            *[widths.level] * len(self.subjects),
            *[widths.change] * (self.longest - 1 + self.with_others),
            *[widths.level] * len(GRADES),
            *[widths.variety * min(widths.change, 1.0)] * (len(GRADES) if self.longest > 1 else 0),
        ]
        varying = [widths.variety, *[widths.variety * widths.level] * len(self.subjects)]
        mean = np.zeros(STEPS + len(shared) + STEPS * self._varying)
        mean[STEPS] = CARRY_OVER
        return mean, np.array([STEP_WIDTH] * STEPS + shared + varying * STEPS)

    def design(self, features: Array) -> Array:
        """What each parameter adds to the score of each grade: cases × grades × parameters."""
        cases = len(features)
        per_step = [np.zeros((cases, STEPS + features.shape[1] + STEPS * self._varying))]
        for step, border in enumerate(BORDERS):
            # A step is even where the newest grade is half-way, however much it weighs: so little data do not tilt it.
            seen = features.copy()
            seen[:, 0] -= border
            itself = np.zeros((cases, STEPS))
            itself[:, step] = 1.0
            own = np.zeros((cases, STEPS, self._varying))
            own[:, step, :] = seen[:, : self._varying]
            per_step.append(np.hstack([itself, seen, own.reshape(cases, -1)]))
        return np.cumsum(np.stack(per_step, axis=1), axis=1)


class Fit(NamedTuple):
    """The most probable parameters under one choice of widths, and how well that choice explains the outcomes."""

    parameters: Array
    log_evidence: float


def probabilities(design: Array, parameters: Array) -> Array:
    """Each case's probabilities of the grades."""
    scores = design @ parameters
    scores -= scores.max(axis=1, keepdims=True)
    odds = np.exp(scores)
    chances: Array = odds / odds.sum(axis=1, keepdims=True)
    return chances


def _log_posterior(design: Array, counts: Array, mean: Array, precision: Array, parameters: Array) -> float:
    chances = probabilities(design, parameters)
    likelihood = float((counts * np.log(np.maximum(chances, 1e-300))).sum())
    return likelihood - 0.5 * float((precision * (parameters - mean) ** 2).sum())


def _gradient_and_curvature(
    design: Array, counts: Array, mean: Array, precision: Array, parameters: Array
) -> tuple[Array, Array]:
    chances = probabilities(design, parameters)
    cases = counts.sum(axis=1, keepdims=True)
    gradient = np.tensordot(cases * chances - counts, design, 2) + precision * (parameters - mean)
    weighted = design * (cases * chances)[:, :, None]
    expected = (design * chances[:, :, None]).sum(axis=1)
    curvature = np.tensordot(weighted, design, ((0, 1), (0, 1))) - (expected * cases).T @ expected
    curvature[np.diag_indices_from(curvature)] += precision
    return gradient, curvature


def fit(design: Array, counts: Array, mean: Array, width: Array, start: Array) -> Fit:
    """Newton's method with halved steps; the posterior has one summit, so the start only saves time.

    Args:
        design: what each parameter adds, distinct cases × grades × parameters.
        counts: how often each distinct case ended with each grade.
        mean: the parameters' prior means.
        width: the parameters' prior standard deviations.
        start: where to begin.
    """
    precision = width**-2
    parameters, reached = start, _log_posterior(design, counts, mean, precision, start)
    gain = np.inf
    while gain > 1e-8 * (1.0 + abs(reached)):
        gradient, curvature = _gradient_and_curvature(design, counts, mean, precision, parameters)
        move = np.linalg.solve(curvature, gradient)
        share, best = 1.0, -np.inf
        while best < reached and share > 1e-6:
            candidate = parameters - share * move
            best = _log_posterior(design, counts, mean, precision, candidate)
            share /= 2
        gain = best - reached
        if gain > 0:
            parameters, reached = candidate, best
    _, curvature = _gradient_and_curvature(design, counts, mean, precision, parameters)
    log_volume = float(np.linalg.slogdet(curvature)[1])
    return Fit(parameters, reached + 0.5 * float(np.log(precision).sum()) - 0.5 * log_volume)


class HistoryForecaster:
    """Forecasts a period's final grades from the earlier ones. Deterministic."""

    def __init__(self, layout: Layout, fits: Sequence[Fit]) -> None:
        self._layout = layout
        self._fits = fits
        evidence = np.array([fitted.log_evidence for fitted in fits])
        trust = np.exp(CAUTION * (evidence - evidence.max()))
        self._trust: Array = trust / trust.sum()

    @classmethod
    def learn(cls, cases: Sequence[Case], choices: Sequence[Widths] = CHOICES) -> Self:
        """Learns from the cases that have an outcome; without any it forecasts by the prior alone.

        Args:
            cases: any cases; those without an outcome teach nothing.
            choices: the widths to average over.
        """
        taught = [(case, case.outcome) for case in cases if case.outcome is not None]
        layout = Layout.of([case for case, _ in taught])
        counted: dict[tuple[float, ...], Array] = {}
        for case, outcome in taught:
            counted.setdefault(layout.features(case), np.zeros(len(GRADES)))[outcome - 2] += 1.0
        rows = list(counted)
        width = len(layout.prior(choices[0])[1])
        design = layout.design(np.array(rows)) if rows else np.zeros((0, len(GRADES), width))
        outcomes = np.array(list(counted.values())) if rows else np.zeros((0, len(GRADES)))
        fits: list[Fit] = []
        for widths in choices:
            mean, deviation = layout.prior(widths)
            fits.append(fit(design, outcomes, mean, deviation, fits[-1].parameters if fits else mean))
        return cls(layout, fits)

    def predict(self, cases: Sequence[Case]) -> list[Probabilities]:
        """The probabilities of the grades, case by case."""
        rows = [self._layout.features(case) for case in cases]
        distinct = list(dict.fromkeys(rows))
        if not distinct:
            return []
        design = self._layout.design(np.array(distinct))
        mixed = sum(
            (
                trust * probabilities(design, fitted.parameters)
                for trust, fitted in zip(self._trust, self._fits, strict=True)
            ),
            np.zeros((len(distinct), len(GRADES))),
        )
        spread = (1 - SURPRISE) * mixed + SURPRISE / len(GRADES)
        by_row = {row: shares(chances.tolist()) for row, chances in zip(distinct, spread, strict=True)}
        return [by_row[row] for row in rows]
