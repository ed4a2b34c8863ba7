"""How good forecasts are: the measures, what they are compared with, and cross-validation by student."""

import math
import random
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from services.gradebook.forecast.history import Case, NoHistory
from services.gradebook.forecast.model import HistoryForecaster
from services.gradebook.forecast.scale import Probabilities, nearest_grade, shares
from services.gradebook.grading import GRADES, Grade

Predict = Callable[[Sequence[Case]], list[Probabilities]]
Learn = Callable[[Sequence[Case]], Predict]

BINS = 10
SMOOTHINGS = (0.01, 0.1, 0.25, 0.5, 1.0)
"""What is added to each count of a frequency table."""
SURE, UNSURE = 0.97, 0.01
"""What the plain mean is given on its grade and on each other, since a certainty that fails costs without limit."""
LEAST = 1e-9


class Bin(NamedTuple):
    """Forecast probabilities between two bounds against how often it then was so."""

    lower: float
    upper: float
    chances: int
    forecast: float
    observed: float


class Scores(NamedTuple):
    """The measures of one forecaster. All but accuracy are better when lower."""

    accuracy: float
    """Share of cases whose leading grade came."""
    mean_absolute_error: float
    """Of the leading grade, in points of the scale."""
    brier: float
    """Mean over cases of the squared differences summed over the four grades: 0 to 2."""
    log_loss: float
    """Mean of −ln of the probability of what came."""
    calibration_error: float
    """Mean difference between the forecast and the observed share over ten bins of all four probabilities."""
    reliability: tuple[Bin, ...]


class Outcome(NamedTuple):
    """A forecast and what came."""

    forecast: Probabilities
    came: Grade


def scored(outcomes: Sequence[Outcome]) -> Scores:
    """The measures.

    Args:
        outcomes: at least one.
    """
    count = len(outcomes)
    reliability = reliability_of(outcomes)
    return Scores(
        sum(forecast.leading == came for forecast, came in outcomes) / count,
        sum(abs(forecast.leading - came) for forecast, came in outcomes) / count,
        math.fsum((forecast.of(grade) - (grade == came)) ** 2 for forecast, came in outcomes for grade in GRADES)
        / count,
        math.fsum(-math.log(max(forecast.of(came), LEAST)) for forecast, came in outcomes) / count,
        math.fsum(each.chances * abs(each.forecast - each.observed) for each in reliability) / (count * len(GRADES)),
        reliability,
    )


def reliability_of(outcomes: Sequence[Outcome]) -> tuple[Bin, ...]:
    """The reliability table over the probabilities of all four grades; empty bins are left out."""
    bins: list[list[tuple[float, bool]]] = [[] for _ in range(BINS)]
    for forecast, came in outcomes:
        for grade in GRADES:
            chance = forecast.of(grade)
            bins[min(int(chance * BINS), BINS - 1)].append((chance, grade == came))
    return tuple(
        Bin(
            place / BINS,
            (place + 1) / BINS,
            len(held),
            math.fsum(chance for chance, _ in held) / len(held),
            sum(came for _, came in held) / len(held),
        )
        for place, held in enumerate(bins)
        if held
    )


def frequency_table(key: Callable[[Case], Grade], smoothing: float) -> Learn:
    """How often each grade followed each key. A key never seen gives the grades' overall frequencies."""

    def learn(cases: Sequence[Case]) -> Predict:
        overall = [smoothing] * len(GRADES)
        counts: dict[Grade, list[float]] = {}
        for case in cases:
            if case.outcome is not None:
                counts.setdefault(key(case), [smoothing] * len(GRADES))[case.outcome - 2] += 1
                overall[case.outcome - 2] += 1
        return lambda asked: [shares(counts.get(key(case), overall)) for case in asked]

    return learn


def by_last(case: Case) -> Grade:
    """The newest earlier grade."""
    return nearest_grade(case.last)


def by_mean(case: Case) -> Grade:
    """The rounded mean of the earlier grades."""
    return nearest_grade(case.mean)


def learn_plain_mean(_cases: Sequence[Case]) -> Predict:
    """The plain mean, rounded, taken for nearly certain; it learns nothing."""
    return lambda asked: [shares([SURE if grade == by_mean(case) else UNSURE for grade in GRADES]) for case in asked]


def learn_ours(cases: Sequence[Case]) -> Predict:
    """Our forecaster."""
    return HistoryForecaster.learn(cases).predict


def folds(cases: Iterable[Case], count: int, seed: int) -> list[list[Case]]:
    """The cases in so many parts of about as many students; a student's cases stay together.

    Raises:
        NoHistory: there are not two students.
    """
    students = list(dict.fromkeys(case.student for case in cases))
    if len(students) < 2:
        raise NoHistory("too_few_students")
    random.Random(seed).shuffle(students)  # noqa: S311 - it divides, it guards nothing
    part_of = {student: place % min(count, len(students)) for place, student in enumerate(students)}
    parts: list[list[Case]] = [[] for _ in range(min(count, len(students)))]
    for case in cases:
        parts[part_of[case.student]].append(case)
    return parts


def cross_validated(parts: Sequence[Sequence[Case]], learn: Learn) -> Scores:
    """The measures over all cases, each forecast by what was learned from the other parts' students."""
    outcomes: list[Outcome] = []
    for place, held_back in enumerate(parts):
        predict = learn([case for other, part in enumerate(parts) if other != place for case in part])
        pairs = zip(predict(held_back), held_back, strict=True)
        outcomes.extend(Outcome(forecast, case.outcome) for forecast, case in pairs if case.outcome is not None)
    return scored(outcomes)


class Evaluation(NamedTuple):
    """Ours beside what it is compared with, on the same folds."""

    students: int
    cases: int
    folds: int
    scores: dict[str, Scores]
    """`sutki`, `table_last`, `table_mean`, `plain_mean`."""

    def gain(self, measure: str) -> float:
        """By which share ours is better than the better of the two tables; negative where it is worse."""
        better = min(getattr(self.scores["table_last"], measure), getattr(self.scores["table_mean"], measure))
        ours = getattr(self.scores["sutki"], measure)
        return 0.0 if ours == better else (better - ours) / max(better, LEAST)


def evaluate(cases: Sequence[Case], *, fold_count: int = 5, seed: int = 0) -> Evaluation:
    """Compares ours with the frequency tables and the plain mean.

    Each table has the smoothing that turns out best on the very cases it is judged by, which favours it over ours.

    Raises:
        NoHistory: `no_outcomes` without any, `too_few_students` for cross-validation.
    """
    taught = [case for case in cases if case.outcome is not None]
    if not taught:
        raise NoHistory("no_outcomes")
    parts = folds(taught, fold_count, seed)

    def best_table(key: Callable[[Case], Grade]) -> Scores:
        tables = (cross_validated(parts, frequency_table(key, smoothing)) for smoothing in SMOOTHINGS)
        return min(tables, key=lambda scores: scores.log_loss)

    scores = {
        "sutki": cross_validated(parts, learn_ours),
        "table_last": best_table(by_last),
        "table_mean": best_table(by_mean),
        "plain_mean": cross_validated(parts, learn_plain_mean),
    }
    return Evaluation(len({case.student for case in taught}), len(taught), len(parts), scores)
