"""The measures of forecasts against sums done by hand, and folds that never part a student's subjects."""

import math
import random
from collections.abc import Sequence

import pytest

from services.gradebook.forecast.evaluation import (
    Outcome,
    Predict,
    by_last,
    by_mean,
    cross_validated,
    evaluate,
    folds,
    frequency_table,
    learn_plain_mean,
    scored,
)
from services.gradebook.forecast.history import Case, History, NoHistory
from services.gradebook.forecast.scale import EVEN, Probabilities
from tests.support.past_grades import ability_and_strictness


def a_case(*earlier: float, outcome: int = 4, student: str = "у") -> Case:
    return Case(student, "физика", earlier, None, outcome)  # type: ignore[arg-type]


def test_the_measures_are_those_of_a_sum_by_hand():
    scores = scored([Outcome(Probabilities(0.0, 0.25, 0.75, 0.0), 4), Outcome(Probabilities(0.5, 0.25, 0.25, 0.0), 4)])
    assert scores.accuracy == 0.5
    assert scores.mean_absolute_error == 1.0
    assert scores.brier == pytest.approx((2 * 0.25**2 + 0.5**2 + 0.25**2 + 0.75**2) / 2)
    assert scores.log_loss == pytest.approx((-math.log(0.75) - math.log(0.25)) / 2)
    # Zeros: 3, none came. Quarters: 3, one came. The half: did not come. Three quarters: came.
    by_bin = {each.lower: (each.chances, each.forecast, each.observed) for each in scores.reliability}
    assert by_bin == {
        0.0: (3, 0.0, 0.0),
        0.2: (3, 0.25, pytest.approx(1 / 3)),
        0.5: (1, 0.5, 0.0),
        0.7: (1, 0.75, 1.0),
    }
    assert scores.calibration_error == pytest.approx((3 * (1 / 3 - 0.25) + 0.5 + 0.25) / 8)


def test_a_frequency_table_counts_and_falls_back_on_all_it_saw():
    cases = [a_case(3, 4, outcome=4), a_case(4, 4, outcome=5), a_case(5, 5, outcome=5)]
    predict = frequency_table(by_last, 0.5)(cases)
    after_four, after_two = predict([a_case(2, 4), a_case(2)])
    assert after_four == pytest.approx((0.5 / 4, 0.5 / 4, 1.5 / 4, 1.5 / 4))
    assert after_two == pytest.approx((0.5 / 5, 0.5 / 5, 1.5 / 5, 2.5 / 5))


def test_the_mean_is_rounded_half_up_and_taken_for_nearly_certain():
    assert by_mean(a_case(3, 4)) == 4
    assert learn_plain_mean([])([a_case(3, 4)]) == [pytest.approx((0.01, 0.01, 0.97, 0.01))]


def test_a_student_is_in_one_fold_with_all_subjects():
    history = History.of(ability_and_strictness(random.Random(1), 23))
    cases = history.cases("4", ("1", "2", "3"))
    parts = folds(cases, 5, seed=3)
    students = [{case.student for case in part} for part in parts]
    assert sum(len(part) for part in parts) == len(cases)
    assert len(set.union(*students)) == sum(len(of_part) for of_part in students) == 23
    assert {len(of_part) for of_part in students} == {4, 5}
    assert folds(cases, 5, seed=3) == parts
    assert folds(cases, 5, seed=4) != parts


def test_nobody_is_forecast_by_what_was_learned_from_them():
    history = History.of(ability_and_strictness(random.Random(1), 30))
    forecast: list[str] = []

    def learn(cases: Sequence[Case]) -> Predict:
        taught = {case.student for case in cases}

        def predict(asked: Sequence[Case]) -> list[Probabilities]:
            assert taught.isdisjoint(case.student for case in asked)
            forecast.extend(case.student for case in asked)
            return [EVEN] * len(asked)

        return predict

    cases = history.cases("4", ("1", "2", "3"))
    cross_validated(folds(cases, 4, seed=1), learn)
    assert sorted(forecast) == sorted(case.student for case in cases)


def test_an_evaluation_puts_ours_beside_the_tables_and_the_mean():
    history = History.of(ability_and_strictness(random.Random(2), 120))
    result = evaluate(history.cases("4", ("1", "2", "3")), fold_count=4, seed=1)
    assert (result.students, result.cases, result.folds) == (120, 480, 4)
    assert set(result.scores) == {"sutki", "table_last", "table_mean", "plain_mean"}
    assert result.gain("brier") > 0
    assert result.gain("log_loss") > 0
    ours, plain = result.scores["sutki"], result.scores["plain_mean"]
    assert ours.calibration_error < plain.calibration_error
    better = min(result.scores["table_last"].brier, result.scores["table_mean"].brier)
    assert result.gain("brier") == pytest.approx(1 - ours.brier / better)


@pytest.mark.parametrize(
    ("cases", "reason"),
    [([a_case(4)._replace(outcome=None)], "no_outcomes"), ([a_case(4), a_case(3)], "too_few_students")],
)
def test_what_cannot_be_evaluated_is_told(cases: list[Case], reason: str):
    with pytest.raises(NoHistory, match=reason):
        evaluate(cases)
