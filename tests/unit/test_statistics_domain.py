"""The measures of C5.2: worked examples, rounding half up, and what is never averaged."""

from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gradebook.statistics.domain import NUMBERS, SPECIAL, VALUES, Lessons, Marks, Results, rounded, together

COUNTS = st.dictionaries(st.sampled_from(VALUES), st.integers(min_value=0, max_value=10**7), max_size=9)


def test_a_class_worked_out_by_hand() -> None:
    results = Results({"5": 6, "4": 10, "3": 7, "2": 1, "н/а": 1, "осв": 2, "зач": 3, "незач": 1})
    assert (results.total, results.graded, results.assessed) == (31, 24, 25)
    assert rounded(results.average) == Decimal("3.88")  # 93 / 24 = 3.875
    assert rounded(results.success) == Decimal("92.00")  # 23 of 25
    assert rounded(results.quality) == Decimal("64.00")  # 16 of 25
    # (6·1.00 + 10·0.64 + 7·0.36 + 1·0.16 + 1·0.08) / 25 = 15.16 / 25
    assert rounded(results.degree) == Decimal("60.64")


def test_a_one_counts_among_all_and_adds_nothing_to_the_degree_of_learning() -> None:
    both = Results({"1": 1, "5": 1})
    assert (rounded(both.degree), rounded(both.success)) == (Decimal("50.00"), Decimal("50.00"))


def test_of_nothing_there_is_no_figure() -> None:
    for results in (Results({}), Results({"осв": 3, "зач": 2})):
        assert (results.average, results.success, results.quality, results.degree) == (None, None, None, None)
    assert (Marks({}).average, Marks({}).weighted_average, Lessons().fulfilled) == (None, None, None)
    assert rounded(None) is None


@given(COUNTS, st.dictionaries(st.sampled_from(SPECIAL), st.integers(min_value=0, max_value=10**7)))
def test_special_values_are_counted_and_never_averaged(counts: dict[str, int], special: dict[str, int]) -> None:
    with_more = Results(counts | special)
    assert with_more.average == Results({value: counts.get(value, 0) for value in NUMBERS}).average
    assert with_more.total == sum((counts | special).values())


@given(COUNTS)
def test_shares_lie_between_nothing_and_all_and_quality_is_part_of_success(counts: dict[str, int]) -> None:
    results = Results(counts)
    if results.assessed:
        assert results.quality is not None
        assert results.success is not None
        assert results.degree is not None
        assert 0 <= results.quality <= results.success <= 100
        assert 0 <= results.degree <= 100


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (Fraction(7, 2), "3.50"),
        (Fraction(1, 200), "0.01"),
        (Fraction(4, 1000), "0.00"),
        (Fraction(1005, 1000), "1.01"),
        (Fraction(2675, 1000), "2.68"),
        (Fraction(-5, 1000), "0.00"),
        (Fraction(-15, 1000), "-0.01"),
        (Fraction(-24), "-24.00"),
    ],
)
def test_figures_are_rounded_half_up_once(value: Fraction, shown: str) -> None:
    assert str(rounded(value)) == shown


@given(st.fractions(min_value=0, max_value=10**6))
def test_rounding_is_that_of_exact_decimals(value: Fraction) -> None:
    exact = Decimal(value.numerator * 10**40 // value.denominator).scaleb(-40)
    assert rounded(value) == exact.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP)


def test_marks_have_a_plain_and_a_weighted_mean() -> None:
    marks = Marks({"5": 1, "2": 2, "зач": 9}, {"5": Decimal("3.00"), "2": Decimal("1.50"), "зач": Decimal("9.00")})
    assert (marks.total, rounded(marks.average)) == (12, Decimal("3.00"))
    assert rounded(marks.weighted_average) == Decimal("4.00")


def test_lessons_are_compared_with_the_plan() -> None:
    lessons = Lessons(Fraction(68), planned=66, held=61, moved=2, substituted=3, lost=4)
    assert (rounded(lessons.difference), rounded(lessons.fulfilled)) == (Decimal("-7.00"), Decimal("89.71"))
    assert together([lessons, Lessons(held=7)]).difference == 0
