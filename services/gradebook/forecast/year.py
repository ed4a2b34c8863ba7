"""The forecast of a year's grade: from the final grades of its quarters or half-years and what the next one may be."""

from collections.abc import Sequence
from statistics import NormalDist

from services.gradebook.forecast.running import DEFAULT_RULES, Rules
from services.gradebook.forecast.scale import EVEN, Probabilities, shares
from services.gradebook.grading import GRADES, Grade

_NORMAL = NormalDist()
STAYS = 0.6
"""How probable it is that each later part ends as the running one does; otherwise it is drawn like the running one."""
SURPRISE = 0.01
"""The share that is spread evenly: no year is decided before its end."""


def year_probabilities(
    known: Sequence[Grade], running: Probabilities, left: int, rules: Rules = DEFAULT_RULES
) -> Probabilities:
    """The probabilities of the year's grade, which is the mean of its parts' grades by the school's borders.

    Args:
        known: the final grades of the parts that have one.
        running: what the first part without a grade may be.
        left: how many parts have no grade yet, the running one included.
        rules: the school's borders, and how teachers stray from them.

    Raises:
        ValueError: there is no part at all.
    """
    parts = len(known) + left
    if not parts:
        raise ValueError("no_parts")
    chances = [0.0] * len(GRADES)
    for total, weight in _totals(sum(known), running, left).items():
        for place, chance in enumerate(_grades_of(total / parts, rules)):
            chances[place] += weight * chance
    return shares([(1 - SURPRISE) * chance + SURPRISE * even for chance, even in zip(chances, EVEN, strict=True)])


def _totals(known: int, running: Probabilities, left: int) -> dict[int, float]:
    """The sums of all parts' grades, each with its probability."""
    if not left:
        return {known: 1.0}
    found: dict[int, float] = {}
    for first in GRADES:
        sums = {known + first: running.of(first)}
        for _ in range(left - 1):
            further: dict[int, float] = {}
            for total, weight in sums.items():
                for grade in GRADES:
                    chance = (1 - STAYS) * running.of(grade) + STAYS * (grade == first)
                    further[total + grade] = further.get(total + grade, 0.0) + weight * chance
            sums = further
        for total, weight in sums.items():
            found[total] = found.get(total, 0.0) + weight
    return found


def _grades_of(mean: float, rules: Rules) -> list[float]:
    """What teachers make of a mean of final grades: they stray from the borders, and lean upwards by as much."""
    reached = [
        1.0,
        *(_NORMAL.cdf((mean - float(border)) / rules.teacher_spread + 1) for border in rules.borders),
        0.0,
    ]
    return [max(0.0, reached[place] - reached[place + 1]) for place in range(len(GRADES))]
