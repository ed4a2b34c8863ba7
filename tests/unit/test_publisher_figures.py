"""The public figure's rules: spans, per cents that are never flattering, and what is not told of few."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.publisher.domain.escalation import LadderOutOfOrder, Leads
from services.publisher.domain.figures import FEW, Counts, Span, hidden, span_around


@pytest.mark.parametrize(
    ("span", "on", "first", "after"),
    [
        (Span.DAY, date(2026, 12, 31), date(2026, 12, 31), date(2027, 1, 1)),
        (Span.MONTH, date(2026, 12, 5), date(2026, 12, 1), date(2027, 1, 1)),
        (Span.MONTH, date(2026, 11, 30), date(2026, 11, 1), date(2026, 12, 1)),
        (Span.QUARTER, date(2026, 10, 1), date(2026, 10, 1), date(2027, 1, 1)),
        (Span.QUARTER, date(2026, 5, 1), date(2026, 4, 1), date(2026, 7, 1)),
        (Span.SCHOOL_YEAR, date(2026, 8, 31), date(2025, 9, 1), date(2026, 9, 1)),
        (Span.SCHOOL_YEAR, date(2026, 9, 1), date(2026, 9, 1), date(2027, 9, 1)),
    ],
)
def test_spans_begin_and_end_where_the_calendar_says(span, on, first, after):
    assert span_around(span, on) == (first, after)


@given(st.sampled_from(Span), st.dates(date(2001, 1, 1), date(2099, 12, 31)))
def test_every_day_lies_in_its_span_and_the_next_span_begins_where_it_ends(span, on):
    first, after = span_around(span, on)
    assert first <= on < after
    assert span_around(span, after)[0] == after
    assert span_around(span, after - timedelta(days=1)) == (first, after)


def test_one_hundred_per_cent_is_said_only_when_nothing_was_late():
    assert Counts(in_time=1_000_000).percent() == 100
    assert Counts(in_time=1_000_000, late_by_us=1).percent() == 99.99
    assert Counts(in_time=1, unmet_by_us=3).percent() == 25


def test_late_at_source_and_what_still_has_time_do_not_count_against_anybody():
    assert Counts(in_time=5, late_at_source=4, unmet_at_source=3, still_open=2).percent() == 100
    assert Counts(late_at_source=4, still_open=2).percent() is None


def test_closed_days_stand_apart_only_where_the_district_says_so():
    counts = Counts(in_time=9, late_by_us=1, closed_days=1)
    assert counts.percent() == 90
    assert counts.percent(closed_days_apart=True) == 100


@given(st.lists(st.integers(0, 200), max_size=12))
def test_no_hidden_count_follows_from_the_sum_of_all(totals):
    schools = list(enumerate(totals))
    not_told = hidden(schools)
    few = {name for name, total in schools if 0 < total < FEW}
    assert few <= not_told
    if few:
        hidden_in_all = sum(total for name, total in schools if name in not_told)
        everything = {name for name, total in schools if total}
        assert not_told == everything or (len(not_told) >= 2 and hidden_in_all >= FEW)
    else:
        assert not not_told


def test_a_ladder_whose_rungs_are_in_the_wrong_order_is_refused():
    Leads(timedelta(hours=6), timedelta(hours=6), timedelta(hours=6))
    for hours in ((4, 12, 1), (12, 1, 4), (24, 4, 1), (12, 4, 0)):
        with pytest.raises(LadderOutOfOrder):
            Leads(*(timedelta(hours=one) for one in hours))
