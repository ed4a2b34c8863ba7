"""What the demo holds the system against: figures by hand, and a truth that follows every row of the sample."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from sutki.demo.check import Report
from sutki.demo.journal_check import Check
from sutki.demo.journal_truth import figures, journal_truth
from sutki.sample import District, generate

BASE = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def district() -> District:
    return generate(1, BASE, students=150)


def test_the_measures_are_those_of_a_sum_by_hand():
    # 25 grades: (5·10 + 4·8 + 3·5 + 2·2) / 25 = 4.04; with one н/а all shares are over 26.
    counts = {"5": 10, "4": 8, "3": 5, "2": 2, "н/а": 1, "осв": 3, "зач": 7}

    assert figures(counts) == (dict(sorted(counts.items())), "4.04", "88.46", "69.23", "66.62")


def test_a_figure_between_two_is_rounded_up():
    assert figures({"5": 1, "4": 199})[1] == "4.01", "4.005 exactly"


def test_a_share_of_nothing_is_no_figure():
    assert figures({"осв": 2}) == ({"осв": 2}, None, None, None, None)


def test_every_fact_of_the_sample_is_in_the_truth(district: District):
    truth = journal_truth(district)

    for name, rows in truth.facts.items():
        stated = {"timetable_slots": "timetable"}.get(name, name)
        assert len(rows) == len(getattr(district, stated)) > 0, name
        assert {row[0] for row in rows} == {row[0] for row in getattr(district, stated)}, name


def test_one_grade_less_makes_another_truth(district: District):
    whole = journal_truth(district)
    fewer = replace(district, final_grades=district.final_grades[:-1])
    spoilt = journal_truth(fewer)

    assert spoilt.sheet_cells == whole.sheet_cells - 1
    assert spoilt.forecasts != whole.forecasts or spoilt.results_by_class != whole.results_by_class


def test_a_lesson_that_was_not_held_is_missed(district: District):
    whole = journal_truth(district)
    lessons = list(district.lessons)
    place = next(number for number, one in enumerate(lessons) if one.status == "held")
    lessons[place] = lessons[place]._replace(status="cancelled")
    spoilt = journal_truth(replace(district, lessons=lessons))

    assert spoilt.lessons_held == whole.lessons_held - 1
    assert len(spoilt.facts["lessons"] & whole.facts["lessons"]) == len(lessons) - 1


def test_who_has_a_grade_or_is_in_the_first_grade_has_no_forecast(district: District):
    truth = journal_truth(district)
    levels = {group.group_id: group.grade_level for group in district.groups if group.kind == "class"}
    level_of = {one.person_id: levels[one.group_id] for one in district.members if one.group_id in levels}
    kinds = Counter((kind, number) for _, _, kind, number in truth.forecasts)
    (deferred,) = district.deferrals

    assert min(level_of[student] for student, _, _, _ in truth.forecasts) == 2
    assert set(kinds) == {("year", "1"), ("quarter", "2"), ("quarter", "1")}
    assert kinds["quarter", "1"] == 1, "only of the student whose grade is deferred"
    assert (deferred.student_id, deferred.subject_id, "quarter", "1") in truth.forecasts


def test_a_line_that_is_not_as_it_must_be_fails_the_report():
    right, wrong = Check("a", "а", 3, 3), Check("b", "б", Decimal("98.53"), Decimal("98.54"))

    assert Report([right], 1.0).holds
    assert not Report([right, wrong], 1.0).holds
    assert not Report([Check("c", "в", 0)], 1.0).holds, "a figure that only informs must not be 0"
    assert '"b": 98.53' in Report([wrong], 1.0).to_json()
