"""The forecast from earlier periods: what it learns, what it does with little, and that it beats frequency tables."""

import random
import statistics
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.gradebook.forecast.evaluation import (
    SMOOTHINGS,
    Learn,
    Outcome,
    Scores,
    by_last,
    by_mean,
    frequency_table,
    learn_ours,
    scored,
)
from services.gradebook.forecast.history import Case, History, NoHistory, Row, earlier_periods
from services.gradebook.forecast.model import CHOICES, HistoryForecaster, Widths
from services.gradebook.forecast.scale import nearest_grade, shares
from tests.support.past_grades import WORLDS, Maker

TAUGHT, HELD_BACK = 300, 500
SEEDS = (1, 2, 3)


def a_case(*earlier: float, outcome: int | None = None, student: str = "у", subject: str = "алгебра") -> Case:
    return Case(student, subject, earlier, None, None if outcome is None else nearest_grade(outcome))


def divided(maker: Maker, seed: int) -> tuple[list[Case], list[Case]]:
    """The cases of 300 students to learn from, and those of others."""
    history = History.of(maker(random.Random(seed), TAUGHT + HELD_BACK))
    period = history.periods[-1]
    cases = history.cases(period, earlier_periods(history.periods, period))
    taught = {f"у{number}" for number in range(TAUGHT)}
    return [case for case in cases if case.student in taught], [case for case in cases if case.student not in taught]


def held_back_scores(learn: Learn, taught: list[Case], held_back: list[Case]) -> Scores:
    pairs = zip(learn(taught)(held_back), held_back, strict=True)
    return scored([Outcome(forecast, case.outcome) for forecast, case in pairs if case.outcome is not None])


def gains(maker: Maker, seed: int) -> tuple[float, float]:
    """By which share ours is better than the better table, each with its luckiest smoothing: Brier and log loss."""
    taught, held_back = divided(maker, seed)
    ours = held_back_scores(learn_ours, taught, held_back)
    tables = [
        held_back_scores(frequency_table(key, smoothing), taught, held_back)
        for key in (by_last, by_mean)
        for smoothing in SMOOTHINGS
    ]
    return (
        1 - ours.brier / min(table.brier for table in tables),
        1 - ours.log_loss / min(table.log_loss for table in tables),
    )


@pytest.fixture(scope="module")
def gains_by_world() -> dict[str, tuple[float, float]]:
    found = {}
    for name, maker in WORLDS.items():
        of_seeds = [gains(maker, seed) for seed in SEEDS]
        found[name] = statistics.fmean(g[0] for g in of_seeds), statistics.fmean(g[1] for g in of_seeds)
    return found


@pytest.mark.parametrize("world", WORLDS)
def test_with_300_students_it_is_in_no_school_worse_than_the_better_frequency_table(world: str, gains_by_world):
    brier, log_loss = gains_by_world[world]
    # Where the last grade says all there is, the table is the truth, and ours can only come as near as luck allows.
    assert brier > -0.01
    assert log_loss > -0.01


def test_over_the_schools_it_is_3_per_cent_better_on_brier_and_5_on_log_loss(gains_by_world):
    assert statistics.fmean(brier for brier, _ in gains_by_world.values()) > 0.03
    assert statistics.fmean(log_loss for _, log_loss in gains_by_world.values()) > 0.05


@pytest.mark.parametrize("world", ["ability_and_strictness", "fine_10_14_17", "falling_out"])
def test_its_probabilities_come_true(world: str):
    assert held_back_scores(learn_ours, *divided(WORLDS[world], 4)).calibration_error < 0.04


def test_other_subjects_tell_of_a_student():
    taught, held_back = divided(WORLDS["ability_and_strictness"], 5)
    alone = [[case._replace(others=None) for case in cases] for cases in (taught, held_back)]
    assert (
        held_back_scores(learn_ours, taught, held_back).log_loss < 0.99 * held_back_scores(learn_ours, *alone).log_loss
    )


def test_without_any_past_the_last_grade_is_the_most_probable_and_neighbours_come_next():
    four, two = HistoryForecaster.learn([]).predict([a_case(3, 4), a_case(2)])
    assert four.leading == 4
    assert min(four.three, four.five) > four.two
    assert two.leading == 2
    assert two.two > two.three > two.four > two.five


def test_a_few_pupils_move_the_forecast_but_do_not_settle_it():
    cases = [a_case(4, outcome=5, student=str(number)) for number in range(3)]
    before = HistoryForecaster.learn([]).predict([a_case(4)])[0]
    after = HistoryForecaster.learn(cases).predict([a_case(4)])[0]
    assert before.five < after.five < 0.95


def test_a_grade_never_seen_keeps_a_probability():
    cases = [a_case(4, grade, outcome=grade, student=f"{number}{grade}") for number in range(40) for grade in (4, 5)]
    forecast = HistoryForecaster.learn(cases).predict([a_case(3, 3)])[0]
    assert all(chance > 0 for chance in forecast)
    assert forecast.leading in {3, 4}


def test_no_forecast_rules_a_grade_out():
    cases = [a_case(5, 5, 5, outcome=5, student=str(number)) for number in range(600)]
    assert min(HistoryForecaster.learn(cases).predict([a_case(5, 5, 5)])[0]) >= 0.0005


def test_a_subject_never_seen_is_forecast_like_the_others():
    cases = [
        a_case(grade, outcome=grade, student=f"{number}{subject}{grade}", subject=subject)
        for number in range(20)
        for subject in ("алгебра", "физика")
        for grade in (3, 4, 5)
    ]
    assert HistoryForecaster.learn(cases).predict([a_case(4, subject="астрономия")])[0].leading == 4


def test_the_trend_counts():
    taught, _ = divided(WORLDS["back_to_the_mean"], 1)
    rising, falling = HistoryForecaster.learn(taught).predict([a_case(3, 3, 4), a_case(5, 5, 4)])
    assert falling.five > rising.five


def weight_of_the_trend(taught: list[Case], choices: Sequence[Widths]) -> float:
    """By how much a five is more probable after 5, 4 than after 3, 4."""
    rising, falling = HistoryForecaster.learn(taught, choices).predict([a_case(3, 4), a_case(5, 4)])
    return falling.five - rising.five


@pytest.mark.parametrize("seed", SEEDS)
def test_300_students_do_not_settle_how_much_the_trend_may_matter_but_3000_do(seed: int):
    """The evidence is for much in this school. 0: as the choices say that allow little, 1: as those that allow most."""

    def place(students: int) -> float:
        history = History.of(WORLDS["fine_8_12_16"](random.Random(seed), students))
        taught = history.cases("3", ("1", "2"))
        little, much = (
            weight_of_the_trend(taught, [widths for widths in CHOICES if widths.change == edge.change])
            for edge in (min(CHOICES), max(CHOICES))
        )
        return (weight_of_the_trend(taught, CHOICES) - little) / (much - little)

    assert 0.7 < place(300) < 0.9
    assert place(3000) > 0.95


def test_the_same_past_gives_the_same_forecast_in_any_order_of_pupils():
    taught, held_back = divided(WORLDS["yearly"], 2)
    straight = HistoryForecaster.learn(taught).predict(held_back)
    assert HistoryForecaster.learn(taught).predict(held_back) == straight
    for one, other in zip(HistoryForecaster.learn(taught[::-1]).predict(held_back), straight, strict=True):
        assert one == pytest.approx(other, abs=1e-6)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.lists(st.floats(2, 5), min_size=1, max_size=5),
            st.sampled_from([None, 2, 3, 4, 5]),
            st.sampled_from("ab"),
        ),
        max_size=30,
    )
)
def test_whatever_the_past_the_probabilities_are_probabilities(past):
    cases = [
        Case(str(number), subject, tuple(earlier), number / 7 - 1 if number % 2 else None, outcome)
        for number, (earlier, outcome, subject) in enumerate(past)
    ]
    for forecast in HistoryForecaster.learn(cases).predict(cases):
        assert sum(forecast) == pytest.approx(1)
        assert min(forecast) >= 0


@pytest.mark.parametrize(
    ("periods", "target", "earlier"),
    [
        (["G3", "G1", "G2"], "G3", ("G1", "G2")),
        (
            ["2 четверть", "10 четверть", "1 четверть", "3 четверть"],
            "10 четверть",
            ("1 четверть", "2 четверть", "3 четверть"),
        ),
        (["IV четверть", "I четверть", "III четверть"], "III четверть", ("I четверть",)),
        (["год", "1 полугодие", "2 полугодие"], "год", ("1 полугодие", "2 полугодие")),
        (["Q1 2025", "Q2 2024", "Q1 2024"], "Q1 2025", ("Q1 2024", "Q2 2024")),
        (["2025-03", "2024-12"], "2025-03", ("2024-12",)),
        (["экзамен", "год", "4"], "экзамен", ("4", "год")),
        (["spring", "autumn", "winter"], "winter", ("spring", "autumn")),
        (["winter", "autumn", "spring"], "winter", ("autumn", "spring")),
    ],
)
def test_the_order_of_periods_is_read_from_their_names_and_else_from_their_appearance(periods, target, earlier):
    assert earlier_periods(periods, target) == earlier


def test_a_stated_order_goes_before_everything():
    assert earlier_periods(["1", "2", "3"], "2", ["3", "1", "2"]) == ("3", "1")


@pytest.mark.parametrize(("target", "reason"), [("5", "unknown_period"), ("1", "no_earlier_period")])
def test_a_period_that_cannot_be_forecast_is_named(target: str, reason: str):
    with pytest.raises(NoHistory, match=reason):
        earlier_periods(["1", "2"], target)


def test_cases_are_the_pairs_with_earlier_grades_in_the_order_of_the_file():
    history = History.of(
        [
            Row("б", "физика", "1", 4),
            Row("а", "физика", "2", 5),
            Row("а", "физика", "1", 3),
            Row("в", "физика", "2", 3),
            Row("г", "физика", "1", None),
            Row("б", "химия", "1", 2.5),
        ]
    )
    cases = history.cases("2", ("1",))
    assert [(case.student, case.subject, case.earlier, case.outcome) for case in cases] == [
        ("б", "физика", (4,), None),
        ("а", "физика", (3,), 5),
        ("б", "химия", (2.5,), None),
    ]


def test_strict_and_mild_subjects_are_compared_by_their_averages():
    history = History.of(
        [
            Row("а", "строгий", "1", 3),
            Row("б", "строгий", "1", 2),
            Row("а", "мягкий", "1", 5),
            Row("б", "мягкий", "1", 5),
        ]
    )
    others = {(case.student, case.subject): case.others for case in history.cases("2", ("1",))}
    assert others == {("а", "строгий"): -0.5, ("б", "строгий"): 0.5, ("а", "мягкий"): 0.5, ("б", "мягкий"): -0.5}


def test_nobody_with_an_earlier_grade_is_told():
    with pytest.raises(NoHistory, match="no_pairs"):
        History.of([Row("а", "физика", "2", 4)]).cases("2", ("1",))


@pytest.mark.parametrize(("value", "grade"), [(1, 2), (2.49, 2), (2.5, 3), (3.5, 4), (4.49, 4), (4.5, 5), (5, 5)])
def test_fine_grades_round_half_up(value: float, grade: int):
    assert nearest_grade(value) == grade


def test_weights_that_are_no_probabilities_are_refused():
    for weights in ([0, 0, 0, 0], [1, -1, 1, 1], [1, 1, 1], [float("inf"), 0, 0, 0]):
        with pytest.raises(ValueError, match="no_probabilities"):
            shares(weights)
