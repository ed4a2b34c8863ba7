"""The life of an extract: which state follows on what."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from contracts.base import RequestId, ResultId
from contracts.values import ResultVersion
from services.extracts.domain import (
    TRANSITIONS,
    ExtractState,
    HandOverFault,
    after_request,
    extract_id_of,
    full_name,
    hand_over_fault,
    local_date,
    newest_of_each,
    number_text,
    retry_after,
)

S = ExtractState
PRINTED_AT = datetime(2026, 10, 23, 12, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("state", "asked", "following"),
    [
        (None, "requested", S.REQUESTED),
        (None, "cancelled", S.CANCELLED),
        (S.REQUESTED, "requested", S.REQUESTED),
        (S.NUMBERED, "requested", S.NUMBERED),
        (S.RENDERED, "requested", S.NUMBERED),
        (S.REQUESTED, "cancelled", S.CANCELLED),
        (S.NUMBERED, "cancelled", S.CANCELLED),
        (S.RENDERED, "cancelled", S.CANCELLED),
        (S.PRINTED, "cancelled", S.PRINTED),
        (S.PRINTED, "requested", S.PRINTED),
        (S.HANDED_OVER, "cancelled", S.HANDED_OVER),
        (S.HANDED_OVER, "requested", S.HANDED_OVER),
        (S.CANCELLED, "cancelled", S.CANCELLED),
        (S.CANCELLED, "requested", S.REQUESTED),
    ],
)
def test_a_request_moves_only_what_is_not_printed(state, asked, following):
    assert after_request(state, asked) is following
    assert state in (None, following) or following in TRANSITIONS[state]


def test_nothing_follows_on_a_hand_over():
    assert TRANSITIONS[S.HANDED_OVER] == frozenset()
    assert set(TRANSITIONS) == set(S)


def test_a_request_has_one_extract_whenever_it_is_told():
    request = RequestId(UUID("a0000000-0000-4000-8000-000000000001"))
    assert extract_id_of(request) == extract_id_of(request)
    assert extract_id_of(request) != extract_id_of(RequestId(uuid4()))


def test_of_two_versions_of_a_result_the_newer_is_wanted():
    one, other = ResultId(uuid4()), ResultId(uuid4())
    items = [
        ResultVersion(result_id=one, value_revision=3),
        ResultVersion(result_id=other, value_revision=1),
        ResultVersion(result_id=one, value_revision=2),
    ]
    assert newest_of_each(items) == items[:2]


def test_a_name_is_written_without_missing_parts():
    assert full_name("Примерова", "Анна", "Образцовна") == "Примерова Анна Образцовна"
    assert full_name("Примерова", "Анна", "") == "Примерова Анна"


def test_a_number_has_the_year_and_six_digits():
    assert number_text(2026, 42) == "2026/000042"
    assert number_text(2026, 1_234_567) == "2026/1234567"


def test_the_year_turns_at_the_schools_midnight():
    new_years_eve = datetime(2026, 12, 31, 21, 30, tzinfo=UTC)
    assert local_date(new_years_eve, "Europe/Moscow").year == 2027
    assert local_date(new_years_eve, "Europe/Kaliningrad").year == 2026
    assert local_date(new_years_eve, "no such zone").year == 2027


@pytest.mark.parametrize(
    ("state", "printed_at", "at", "fault"),
    [
        (S.PRINTED, PRINTED_AT, PRINTED_AT + HOUR, None),
        (S.PRINTED, PRINTED_AT, PRINTED_AT - timedelta(minutes=4), None),
        (S.PRINTED, PRINTED_AT, PRINTED_AT - HOUR, HandOverFault.BEFORE_PRINTING),
        (S.PRINTED, PRINTED_AT, PRINTED_AT + 3 * HOUR, HandOverFault.IN_THE_FUTURE),
        (S.RENDERED, None, PRINTED_AT, HandOverFault.NOT_PRINTED),
        (S.CANCELLED, None, PRINTED_AT, HandOverFault.NOT_PRINTED),
        (S.HANDED_OVER, PRINTED_AT, PRINTED_AT + HOUR, HandOverFault.ALREADY_HANDED_OVER),
    ],
)
def test_a_hand_over_must_be_possible(state, printed_at, at, fault):
    assert hand_over_fault(state, printed_at, at, PRINTED_AT + 2 * HOUR) is fault


def test_a_failing_sheet_is_tried_later_each_time_up_to_a_limit():
    pauses = [retry_after(failures, base_seconds=5, most_seconds=60).total_seconds() for failures in range(1, 7)]
    assert pauses == [5, 10, 20, 40, 60, 60]
