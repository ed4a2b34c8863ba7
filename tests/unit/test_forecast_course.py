"""What a forecast rests on besides marks: school days, marks still to come, the past, and the year from its parts."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest

from contracts.values import PeriodKind
from services.gradebook.forecast.needed import Expected
from services.gradebook.forecast.scale import EVEN, Probabilities
from services.gradebook.forecast.year import year_probabilities
from services.gradebook.forecasting.domain import (
    MOST_EXPECTED,
    Computed,
    Course,
    DatedMark,
    Holiday,
    Planned,
    Term,
    expected_marks,
    following,
    is_forecast,
    rounded,
    school_days,
)
from services.gradebook.forecasting.past import Graded, Past
from services.gradebook.grading import WeightedMark

NOW = datetime(2026, 10, 14, 12, tzinfo=UTC)
WORK = "control_work"


def marks(count: int, work_type: str = "answer", weight: str = "1") -> list[DatedMark]:
    return [DatedMark(date(2026, 10, 1 + day), WeightedMark(4, Decimal(weight), work_type)) for day in range(count)]


def a_term(number: int, kind: PeriodKind = PeriodKind.QUARTER) -> Term:
    starts_on = date(2026, 1, 1) + timedelta(days=60 * number)
    return Term(UUID(int=number), kind, number, "2025/2026", starts_on, starts_on + timedelta(days=50))


def test_neither_sundays_nor_holidays_are_school_days() -> None:
    first, last = date(2026, 10, 19), date(2026, 11, 1)
    assert school_days(first, last, ()) == 12
    assert school_days(first, last, [Holiday(date(2026, 10, 26), date(2026, 11, 3))]) == 6
    assert school_days(last, first, ()) == 0


def test_a_course_counts_today_as_passed_and_nothing_after_the_end() -> None:
    term = Term(uuid4(), PeriodKind.QUARTER, 1, "2026/2027", date(2026, 10, 5), date(2026, 10, 17))
    assert Course.of(term, date(2026, 10, 10), ()) == (6, 6)
    assert Course.of(term, date(2026, 10, 17), ()) == (12, 0)
    assert Course.of(term, date(2026, 12, 1), ()) == (12, 0)


def test_marks_go_on_at_the_pace_so_far_and_none_after_the_end() -> None:
    assert len(expected_marks(marks(11), Course(24, 12), (), {})) == 4
    assert expected_marks(marks(11), Course(24, 0), (), {}) == []
    assert len(expected_marks(marks(30), Course(2, 40), (), {})) == MOST_EXPECTED
    assert len(expected_marks(marks(1), Course(40, 1), (), {})) == 1


def test_planned_control_works_are_expected_with_the_weight_of_the_last_one_and_not_twice() -> None:
    planned = [Planned(date(2026, 10, 20), WORK)]
    given = [*marks(4), *marks(2, WORK, "2")]
    expected = expected_marks(given, Course(20, 16), planned, {WORK: Decimal(3)})
    assert expected[0] == Expected(Decimal(3), WORK)
    assert {each.work_type for each in expected[1:]} == {"answer"}
    only = expected_marks(marks(3, WORK), Course(8, 16), planned, {})
    assert [each.work_type for each in only] == [WORK, "answer"]


def test_quarters_are_for_grades_two_to_nine_and_half_years_for_ten_and_eleven() -> None:
    for kind, levels in (
        (PeriodKind.QUARTER, range(2, 10)),
        (PeriodKind.HALF_YEAR, range(10, 12)),
        (PeriodKind.YEAR, range(2, 12)),
    ):
        assert [level for level in range(1, 12) if is_forecast(kind, level)] == list(levels)
    assert not is_forecast(PeriodKind.YEAR, None)
    assert not is_forecast(PeriodKind.EXAM, 9)


def computed(leading: int, band: str, state: str = "current", chance: float = 0.7) -> Computed:
    rest = (1 - chance) / 3
    chances = Probabilities(*(chance if grade == leading else rest for grade in (2, 3, 4, 5)))
    key = (UUID(int=1), UUID(int=2), UUID(int=3))
    return Computed(key, state, chances, chances.leading, band, None, 3)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("before", "after", "revision"),
    [
        (computed(4, "likely"), computed(4, "likely", chance=0.75), 4),
        (computed(4, "likely"), computed(4, "firm"), 5),
        (computed(4, "likely"), computed(5, "likely"), 5),
        (computed(4, "likely"), computed(4, "likely", "closed"), 5),
        (computed(4, "likely", "closed"), computed(3, "early", "closed"), 4),
        (computed(4, "likely", "closed"), computed(4, "likely"), 5),
    ],
)
def test_a_revision_is_another_headline(before: Computed, after: Computed, revision: int) -> None:
    home = UUID(int=9)
    stored = following(None, before, UUID(int=8), home, NOW)._replace(revision=4, told={"revision": 4})
    then = following(stored, after, UUID(int=8), home, NOW + timedelta(days=1))
    assert then.revision == revision
    assert bool(then.told) == (revision == 4)
    assert then.changed_at == (NOW if revision == 4 else NOW + timedelta(days=1))


def test_rounded_probabilities_still_sum_to_one() -> None:
    assert rounded(Probabilities(1 / 3, 1 / 3, 1 / 6, 1 / 6)) == [0.3333, 0.3333, 0.1667, 0.1667]
    assert sum(rounded(Probabilities(0.00004, 0.00004, 0.99984, 0.00008))) == pytest.approx(1, abs=1e-12)


def test_a_year_leans_on_its_known_parts() -> None:
    running = Probabilities(0.05, 0.15, 0.6, 0.2)
    after_fives = year_probabilities([5, 5, 5], running, 1)
    after_threes = year_probabilities([3, 3, 3], running, 1)
    assert (after_fives.leading, after_threes.leading) == (5, 3)
    assert after_fives.five > 0.9
    assert year_probabilities([], running, 4).leading == 4
    assert year_probabilities([4, 4], running, 0).four > 0.95
    assert sum(year_probabilities([4], EVEN, 3)) == pytest.approx(1)
    # 4, 5: on the border, where five teachers of six give the higher grade.
    assert year_probabilities([4, 5], running, 0).five == pytest.approx(0.84, abs=0.01)
    with pytest.raises(ValueError, match="no_parts"):
        year_probabilities([], running, 0)


def test_a_school_without_a_past_knows_only_that_grades_mostly_stay() -> None:
    past = Past.learn(PeriodKind.QUARTER, [a_term(1)], [])
    pairs = [(UUID(int=1), UUID(int=2)), (UUID(int=3), UUID(int=2))]
    found = past.priors(pairs, {pairs[0]: [4.0]})
    assert found[pairs[0]].leading == 4
    assert found[pairs[1]] == EVEN


def test_a_past_teaches_what_followed_and_how_often_each_grade_was_given() -> None:
    terms = [a_term(number) for number in (1, 2, 3)]
    strict, mild = UUID(int=101), UUID(int=102)
    grades = []
    for number in range(120):
        student = UUID(int=1000 + number)
        for place, term in enumerate(terms):
            grades += [
                Graded(student, strict, term.period_id, max(2, 4 - place)),
                Graded(student, mild, term.period_id, 5),
            ]
    past = Past.learn(PeriodKind.QUARTER, terms, grades)
    new = UUID(int=5)
    earlier = {(new, strict): [4.0], (new, mild): [5.0]}
    found = past.priors([(new, strict), (new, mild), (UUID(int=6), mild)], earlier)
    assert found[new, strict].three > 0.6
    assert found[new, mild].five > 0.9
    assert found[UUID(int=6), mild].five > 0.9
