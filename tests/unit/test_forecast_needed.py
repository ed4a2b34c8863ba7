"""What lifts the grade by one: the fewest marks, never more than are still expected, and honest when it is too late."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.values import Language
from services.gradebook.forecast.needed import Expected, Needed, Step, next_grade_up
from services.gradebook.forecast.running import Band
from services.gradebook.forecast.words import BANDS, headline, needed_sentence
from services.gradebook.grading import Borders, WeightedMark, proposed_grade

ONE, TWO = Decimal(1), Decimal(2)
CONTROL = Expected(TWO, "control_work")
ANSWER = Expected(ONE, "answer")


def marks(*values: int) -> list[WeightedMark]:
    return [WeightedMark(value, ONE, "answer") for value in values]


def needed(values: tuple[int, ...], *expected: Expected) -> Needed:
    found = next_grade_up(marks(*values), expected)
    assert found is not None
    return found


def test_a_5_on_the_next_control_work_makes_it_a_5():
    found = needed((4, 4), CONTROL)
    assert found.grade == 5
    assert found.alternatives == (Step("control_work", TWO, 5, 1),)
    assert needed_sentence(found, Language.RU) == "До 5 не хватает: «5» за контрольную работу."
    assert needed_sentence(found, Language.EN) == "For a 5: a 5 on a control work."


def test_the_lowest_mark_that_does_is_named():
    assert needed((3, 3, 4), ANSWER).alternatives == (Step("answer", ONE, 4, 1),)


def test_several_marks_are_counted_and_the_fewest_come_first():
    found = needed((4, 4, 4, 4), *[ANSWER] * 6, *[CONTROL] * 2)
    assert found.alternatives == (Step("control_work", TWO, 5, 2), Step("answer", ONE, 5, 4))
    assert needed_sentence(found, Language.RU) == (
        "До 5 не хватает: 2 отметки «5» за контрольную работу или 4 отметки «5» за ответ на уроке."
    )


def test_it_never_asks_for_more_work_than_is_expected():
    found = needed((4, 4, 4, 4), *[ANSWER] * 3, CONTROL)
    assert found.alternatives == ()
    assert found.together == (Step("control_work", TWO, 5, 1), Step("answer", ONE, 5, 2))
    assert (
        needed_sentence(found, Language.EN) == "For a 5: a 5 on a control work and 2 marks of 5 for an answer in class."
    )


def test_when_it_is_too_late_it_says_so():
    found = needed((3, 3, 3, 3), ANSWER)
    assert not found.reachable
    assert found.best_mean == Fraction(17, 5)
    assert needed_sentence(found, Language.RU) == (
        "Оценка 4 в этом периоде уже не выйдет: лучшее возможное среднее — 3.40."
    )
    assert "3.40" in needed_sentence(found, Language.EN)


def test_nothing_is_above_a_5_and_nothing_is_said_without_marks():
    assert next_grade_up(marks(5, 5), [ANSWER]) is None
    assert next_grade_up([], [ANSWER]) is None


def test_a_border_of_5_asks_for_nothing_but_fives():
    borders = Borders(Decimal("2.5"), Decimal("3.5"), Decimal(5))
    found = next_grade_up(marks(4, 5), [ANSWER] * 9, borders)
    assert found is not None
    assert not found.reachable


grades = st.lists(st.integers(1, 5), min_size=1, max_size=10)
kinds = st.lists(st.sampled_from([ANSWER, CONTROL, Expected(Decimal("0.7"), "lab")]), max_size=6)


@given(grades, kinds)
def test_the_way_leads_there_and_one_mark_less_does_not(values: list[int], expected: list[Expected]):
    found = next_grade_up(marks(*values), expected)
    if found is None:
        assert proposed_grade(marks(*values)) == 5
        return
    for step in found.alternatives:
        assert step.marks <= sum(each == Expected(step.weight, step.work_type) for each in expected)
        enough = [*marks(*values), *[WeightedMark(step.value, step.weight)] * step.marks]
        lower = [*marks(*values), *[WeightedMark(step.value - 1, step.weight)] * step.marks]
        fewer = [*marks(*values), *[WeightedMark(5, step.weight)] * (step.marks - 1)]
        assert (proposed_grade(enough) or 0) >= found.grade
        assert (proposed_grade(lower) or 0) < found.grade
        assert (proposed_grade(fewer) or 0) < found.grade
    everything = [*marks(*values), *(WeightedMark(5, each.weight) for each in expected)]
    assert found.reachable or (proposed_grade(everything) or 0) < found.grade
    together = [*marks(*values), *(WeightedMark(5, step.weight) for step in found.together for _ in range(step.marks))]
    assert not found.together or (proposed_grade(together) or 0) >= found.grade


@pytest.mark.parametrize(
    ("count", "word"),
    [(2, "отметки"), (5, "отметок"), (11, "отметок"), (12, "отметок"), (21, "отметка"), (22, "отметки")],
)
def test_russian_numbers_take_their_form(count: int, word: str):
    sentence = needed_sentence(Needed(4, (Step("", ONE, 5, count),), (), Fraction(4)), Language.RU)
    assert sentence == f"До 4 не хватает: {count} {word} «5» с весом 1."


def test_a_school_s_own_kind_of_work_keeps_its_name():
    step = Step("Зачётная неделя", ONE, 4, 1)
    assert "за работу «Зачётная неделя»" in needed_sentence(Needed(4, (step,), (), Fraction(4)), Language.RU)
    assert "for “Зачётная неделя”" in needed_sentence(Needed(4, (step,), (), Fraction(4)), Language.EN)


def test_every_band_has_words_in_both_languages():
    assert all(BANDS[band][language] for band in Band for language in Language)
    assert headline(4, Band.LIKELY, Language.RU) == "скорее всего 4"
