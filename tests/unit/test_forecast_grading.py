"""The weighted mean and the proposed grade: exact, half up, with a school's own borders."""

from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gradebook.domain import Mark
from services.gradebook.grading import Borders, WeightedMark, averaged, proposed_grade, weighted_mean


def marks(*values: int, weight: str = "1") -> list[WeightedMark]:
    return [WeightedMark(value, Decimal(weight)) for value in values]


def a_mark(value: str, *, state: str = "recorded", weight: str = "1.00") -> Mark:
    one, now = UUID(int=1), datetime(2026, 10, 1, tzinfo=UTC)
    stated: dict[str, Any] = {"value": value, "state": state, "weight": Decimal(weight)}
    return Mark(
        mark_id=one,
        school_id=one,
        student_id=one,
        subject_id=one,
        group_id=None,
        source="d",
        external_id="m",
        lesson_on=date(2026, 10, 1),
        work_type="answer",
        recorded_at=now,
        revision=1,
        **stated,
    )


@pytest.mark.parametrize(
    ("values", "grade"),
    [((2, 3), 3), ((3, 4), 4), ((4, 5), 5), ((3, 3, 4), 3), ((1, 1), 2), ((2, 2, 3), 2), ((5,), 5), ((4, 4, 5), 4)],
)
def test_the_mean_is_rounded_half_up(values: tuple[int, ...], grade: int):
    assert proposed_grade(marks(*values)) == grade


def test_weights_count():
    mixed = [*marks(5, weight="0.50"), *marks(3, weight="1.50")]
    assert weighted_mean(mixed) == Fraction(7, 2)
    assert proposed_grade(mixed) == 4


def test_a_tenth_is_a_tenth():
    # In binary fractions the mean of these would fall a hair below the border.
    mixed = [*marks(3, weight="0.1"), *marks(3, weight="0.2"), *marks(4, weight="0.3")]
    assert proposed_grade(mixed) == 4


def test_a_school_may_set_its_own_borders():
    strict = Borders(Decimal("2.6"), Decimal("3.6"), Decimal("4.6")).checked()
    assert [proposed_grade(marks(*pair), strict) for pair in ((2, 3), (3, 4), (4, 5))] == [2, 3, 4]
    assert proposed_grade(marks(5, 5, 4, 4, 5), strict) == 5


@pytest.mark.parametrize("borders", [("3.5", "2.5", "4.5"), ("2.5", "3.5", "5.1"), ("1", "3.5", "4.5")])
def test_borders_that_do_not_rise_are_refused(borders: tuple[str, ...]):
    with pytest.raises(ValueError, match="borders_do_not_rise"):
        Borders(*map(Decimal, borders)).checked()


def test_only_recorded_marks_of_the_scale_are_averaged():
    journal = [a_mark("4"), a_mark("зач"), a_mark("2", state="withdrawn"), a_mark("5", weight="0"), a_mark("1")]
    assert averaged(journal) == [
        WeightedMark(4, Decimal("1.00"), "answer"),
        WeightedMark(1, Decimal("1.00"), "answer"),
    ]


def test_without_marks_nothing_is_proposed():
    assert weighted_mean([]) is None
    assert proposed_grade([]) is None


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 500)), min_size=1, max_size=30))
def test_one_more_best_mark_never_lowers_the_proposal(drawn):
    given_marks = [WeightedMark(value, Decimal(weight) / 100) for value, weight in drawn]
    before, after = proposed_grade(given_marks), proposed_grade([*given_marks, *marks(5)])
    assert before is not None
    assert after is not None
    assert before <= after
