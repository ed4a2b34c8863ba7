"""The forecast while the period runs: honest early, exact late, better calibrated than the plain mean."""

import math
import random
from collections.abc import Sequence
from decimal import Decimal
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gradebook.forecast.evaluation import Outcome, Scores, scored
from services.gradebook.forecast.needed import Expected
from services.gradebook.forecast.running import DEFAULT_RULES, Band, Rules, predict
from services.gradebook.forecast.scale import EVEN, Probabilities, nearest_grade, shares
from services.gradebook.grading import GRADES, Borders, WeightedMark, proposed_grade, weighted_mean

GOOD_PAST = Probabilities(0.01, 0.04, 0.25, 0.70)
KINDS = (("answer", "1"), ("homework", "0.5"), ("self_study", "1.5"), ("control_work", "2"))
LENIENT_IN = {"answer": 0.1, "homework": 0.5, "self_study": -0.1, "control_work": -0.35}


def marks(*values: int, weight: str = "1") -> list[WeightedMark]:
    return [WeightedMark(value, Decimal(weight)) for value in values]


def more(count: int, weight: str = "1") -> list[Expected]:
    return [Expected(Decimal(weight))] * count


def told(*values: int, prior: Probabilities = EVEN, still: int = 0, rules: Rules = DEFAULT_RULES):
    found = predict(prior, marks(*values), more(still), rules)
    assert found is not None
    return found


def test_below_two_marks_nothing_is_shown():
    assert predict(GOOD_PAST, []) is None
    assert predict(GOOD_PAST, marks(5)) is None
    assert predict(GOOD_PAST, marks(5, 5)) is not None


def test_early_the_past_speaks_and_later_the_marks():
    after_two = told(3, 3, prior=GOOD_PAST, still=10)
    after_ten = told(*[3] * 10, prior=GOOD_PAST, still=2)
    assert after_two.probabilities.five + after_two.probabilities.four > 0.4
    assert after_ten.probabilities.three > 0.95


def test_two_marks_leave_it_open_and_many_make_it_certain():
    assert told(4, 5, still=12).band is Band.OPEN
    assert told(4, 4, 4, 5, 5, still=8).band is Band.LIKELY
    assert told(*[4] * 12).headline == (4, Band.CERTAIN)


def test_fewer_marks_than_the_minimum_are_never_certain():
    found = told(5, 5, prior=Probabilities(0, 0, 0, 1))
    assert not found.enough
    assert found.probabilities.five > DEFAULT_RULES.certain_from
    assert found.band is Band.LIKELY


def test_at_the_period_s_end_the_rule_decides_and_on_the_border_the_teacher():
    assert told(4, 4, 4, 5).probabilities.four > 0.95
    border = told(3, 4, 3, 4, 3, 4, 3, 4).probabilities
    assert 0.5 < border.four < 0.95
    assert border.three > 0.05


def test_the_rest_of_a_period_may_differ_from_its_start():
    steady = told(*[4] * 12, still=24, rules=Rules(drift=0.0)).probabilities.four
    changing = told(*[4] * 12, still=24, rules=Rules(drift=0.5)).probabilities.four
    assert changing < steady - 0.1


def test_a_school_s_borders_move_the_forecast():
    strict = Rules(borders=Borders(Decimal("2.7"), Decimal("3.7"), Decimal("4.7")))
    values = [4, 4, 4, 3, 4, 3, 4, 3, 4, 3]
    assert told(*values).leading == 4
    assert told(*values, rules=strict).leading == 3


def test_no_past_makes_a_grade_impossible():
    assert told(*[3] * 9, prior=Probabilities(0, 0, 0, 1)).leading == 3


def test_a_heavy_mark_weighs():
    light = predict(EVEN, [*marks(5, 5, 5), *marks(2)], more(1))
    heavy = predict(EVEN, [*marks(5, 5, 5), *marks(2, weight="3")], more(1))
    assert light is not None
    assert heavy is not None
    assert heavy.mean == weighted_mean([*marks(5, 5, 5), *marks(2, 2, 2)])
    assert heavy.probabilities.five < light.probabilities.five


def exact(values: Sequence[int], chances: Sequence[float], still: int) -> list[float]:
    """The final grades' probabilities by going through everything that can still come."""
    found = [0.0] * 4
    for rest in product(range(4), repeat=still):
        grade = proposed_grade(marks(*values, *(place + 2 for place in rest)))
        assert grade is not None
        found[grade - 2] += math.prod(chances[place] for place in rest)
    return found


@pytest.mark.parametrize("still", [1, 3, 6])
@pytest.mark.parametrize("values", [(4, 4, 3, 5, 4), (3, 3, 4, 4, 5, 2, 3)])
def test_the_normal_curve_is_near_the_exact_count_of_all_outcomes(values: tuple[int, ...], still: int):
    # One known level instead of a belief about levels; no drift and an exact teacher, as the exact count has it.
    from services.gradebook.forecast.running import LEVELS, _levels, _Outcome  # noqa: PLC0415

    rules = Rules(drift=0.0, teacher_spread=0.02)
    level = _levels(rules.mark_spread)[LEVELS.index(min(LEVELS, key=lambda at: abs(at - 3.8)))]
    mean = weighted_mean(marks(*values))
    assert mean is not None
    near = _Outcome.of(marks(*values), mean, more(still), rules).grades(level)
    assert near == pytest.approx(exact(values, level.chances, still), abs=0.03)


@given(
    st.lists(st.floats(0, 1), min_size=4, max_size=4).filter(lambda parts: sum(parts) > 0.01),
    st.lists(st.tuples(st.integers(1, 5), st.integers(1, 500)), max_size=25),
    st.lists(st.integers(1, 500), max_size=15),
)
def test_whatever_the_marks_the_probabilities_are_probabilities(parts, drawn, weights):
    found = predict(
        shares(parts),
        [WeightedMark(value, Decimal(weight) / 100) for value, weight in drawn],
        [Expected(Decimal(weight) / 100) for weight in weights],
    )
    assert (found is None) == (len(drawn) < 2)
    if found is not None:
        assert sum(found.probabilities) == pytest.approx(1)
        assert min(found.probabilities) > 0


@given(st.lists(st.integers(2, 5), min_size=2, max_size=12), st.integers(0, 8), st.integers(2, 4))
def test_a_better_mark_never_makes_a_higher_grade_less_probable(values, still, low):
    worse = told(*values, low, still=still).probabilities
    better = told(*values, low + 1, still=still).probabilities
    for border in (3, 4, 5):
        assert sum(better[border - 2 :]) >= sum(worse[border - 2 :]) - 1e-9


Period = tuple[int, list[WeightedMark], int]


def invented_periods(dice: random.Random, count: int) -> list[Period]:
    """Grade of the period before, all marks, final grade. Kinds of work differ in how lenient they are."""
    found: list[Period] = []
    for _ in range(count):
        level = dice.gauss(3.9, 0.6)
        kinds = dice.choices(KINDS, k=dice.choice((8, 12, 16)))
        given_marks = [
            WeightedMark(nearest_grade(min(5, level + LENIENT_IN[kind] + dice.gauss(0, 0.65))), Decimal(weight), kind)
            for kind, weight in kinds
        ]
        mean = weighted_mean(given_marks)
        assert mean is not None
        found.append(
            (
                nearest_grade(min(5, level + dice.gauss(0, 0.35))),
                given_marks,
                nearest_grade(float(mean) + dice.gauss(0, 0.08)),
            )
        )
    return [(before, given_marks, min(final, 5)) for before, given_marks, final in found]


def compared(part: float) -> tuple[Scores, Scores]:
    """Ours with the past as the prior, and the rounded mean so far with its own hit rate, after a part of the marks."""
    counts = {grade: [1.0] * 4 for grade in GRADES}
    for before, _, final in invented_periods(random.Random(1), 600):
        counts[nearest_grade(before)][final - 2] += 1
    ours: list[Outcome] = []
    plain: list[tuple[int, int]] = []
    for before, given_marks, final in invented_periods(random.Random(2), 600):
        known = max(2, round(part * len(given_marks)))
        still = [Expected(mark.weight, mark.work_type) for mark in given_marks[known:]]
        forecast = predict(shares(counts[nearest_grade(before)]), given_marks[:known], still)
        assert forecast is not None
        ours.append(Outcome(forecast.probabilities, nearest_grade(final)))
        plain.append((forecast.proposed, final))
    hits = sum(proposed == final for proposed, final in plain) / len(plain)
    spread = [
        Outcome(shares([hits if grade == proposed else (1 - hits) / 3 for grade in GRADES]), nearest_grade(final))
        for proposed, final in plain
    ]
    return scored(ours), scored(spread)


@pytest.mark.parametrize("part", [0.2, 0.5, 0.85])
def test_it_beats_the_plain_mean_early_and_late_though_that_knows_its_own_hit_rate(part: float):
    ours, plain = compared(part)
    assert ours.log_loss < 0.8 * plain.log_loss
    assert ours.brier < 0.9 * plain.brier
    assert ours.calibration_error < 0.03
