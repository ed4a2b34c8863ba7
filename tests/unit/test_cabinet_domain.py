"""The rule of what may be shown, as a pure function."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.values import Decision
from services.cabinet.domain import (
    Access,
    Consent,
    Heartbeat,
    ResultVersion,
    Rules,
    Span,
    Student,
    access,
    consents_fresh,
    current_span,
    majority_at,
    of_age,
    released,
    school_year_of,
    school_year_span,
    shown,
    time_zone_or_default,
    weighted_mean,
)

NOW = datetime(2026, 10, 23, 9, tzinfo=UTC)
RULES = Rules()
MOTHER, FATHER, CHILD = uuid4(), uuid4(), uuid4()


def _student(**changes: object) -> Student:
    values = {
        "student_id": CHILD,
        "birth_date": date(2013, 2, 3),
        "time_zone": "Europe/Moscow",
        "representatives": frozenset({MOTHER, FATHER}),
        **changes,
    }
    return Student(**values)  # type: ignore[arg-type]


def _consent(who: UUID, cabinet: Decision = Decision.GIVEN, since: datetime = NOW) -> Consent:
    return Consent(who, CHILD, cabinet, since)


def _access(reader: UUID, *consents: Consent, student: Student | None = None, fresh: bool = True) -> Access:
    return access(reader, student or _student(), consents, fresh=fresh, now=NOW, rules=RULES)


@pytest.mark.parametrize(
    ("consents", "expected"),
    [
        ([], Access.UNANSWERED),
        ([_consent(MOTHER, Decision.UNANSWERED)], Access.UNANSWERED),
        ([_consent(MOTHER, Decision.REFUSED)], Access.REFUSED),
        ([_consent(MOTHER, Decision.WITHDRAWN)], Access.WITHDRAWN),
        ([_consent(MOTHER, since=NOW + timedelta(microseconds=1))], Access.NOT_YET),
        ([_consent(MOTHER)], Access.OPEN),
        ([_consent(FATHER)], Access.UNANSWERED),
        ([_consent(FATHER, Decision.REFUSED), _consent(MOTHER)], Access.OPEN),
    ],
)
def test_a_representative_reads_by_their_own_consent_and_is_told_why_not(
    consents: list[Consent], expected: Access
) -> None:
    assert _access(MOTHER, *consents) is expected


def test_a_stale_view_closes_what_consent_opened_and_says_nothing_else() -> None:
    assert _access(MOTHER, _consent(MOTHER), fresh=False) is Access.STALE
    assert _access(MOTHER, _consent(MOTHER, Decision.REFUSED), fresh=False) is Access.REFUSED


def test_without_authority_consent_opens_nothing() -> None:
    assert _access(MOTHER, _consent(MOTHER), student=_student(representatives=frozenset({FATHER}))) is Access.FOREIGN
    assert _access(uuid4(), _consent(MOTHER)) is Access.FOREIGN


def test_a_student_reads_by_any_representatives_consent() -> None:
    assert _access(CHILD, _consent(FATHER)) is Access.OPEN
    assert _access(CHILD, _consent(FATHER, Decision.REFUSED)) is Access.REPRESENTATIVES_CONSENT_MISSING
    assert _access(CHILD, _consent(CHILD)) is Access.REPRESENTATIVES_CONSENT_MISSING
    gone = _student(representatives=frozenset({MOTHER}))
    assert _access(CHILD, _consent(FATHER), student=gone) is Access.REPRESENTATIVES_CONSENT_MISSING


def test_a_student_of_age_decides_alone() -> None:
    grown = _student(birth_date=date(2008, 10, 23))
    assert _access(MOTHER, _consent(MOTHER), student=grown) is Access.OF_AGE
    assert _access(CHILD, _consent(MOTHER), student=grown) is Access.OWN_CONSENT_MISSING
    assert _access(CHILD, _consent(CHILD), student=grown) is Access.OPEN


@pytest.mark.parametrize(
    ("birth_date", "time_zone", "expected"),
    [
        (date(2008, 10, 24), "Europe/Moscow", datetime(2026, 10, 23, 21, tzinfo=UTC)),
        (date(2008, 10, 24), "Asia/Vladivostok", datetime(2026, 10, 23, 14, tzinfo=UTC)),
        (date(2008, 2, 29), "Europe/Moscow", datetime(2026, 2, 28, 21, tzinfo=UTC)),
        (None, "Europe/Moscow", None),
    ],
)
def test_majority_begins_at_midnight_of_the_birthday_where_the_school_is(
    birth_date: date | None, time_zone: str, expected: datetime | None
) -> None:
    assert majority_at(birth_date, time_zone, 18) == expected


def test_whose_birthday_is_unknown_is_not_of_age() -> None:
    assert not of_age(_student(birth_date=None), NOW, RULES)


def _beats(*ages: float, partitions: int = 3) -> list[Heartbeat]:
    return [Heartbeat(number, NOW - timedelta(seconds=age), partitions) for number, age in enumerate(ages)]


@pytest.mark.parametrize(
    ("beats", "fresh"),
    [
        ([], False),
        (_beats(1, 2, 60), True),
        (_beats(1, 2, 60.001), False),
        (_beats(1, 2), False),
        (_beats(1, 2, 3, 500), True),
    ],
    ids=["nothing heard", "all within", "one too old", "one never heard", "a partition that no longer is"],
)
def test_the_view_is_as_fresh_as_its_oldest_partition(beats: list[Heartbeat], fresh: bool) -> None:
    assert consents_fresh(beats, NOW, RULES) is fresh


def _version(revision: int, *, held: bool = False, due: datetime = NOW, withdrawn: bool = False) -> ResultVersion:
    return ResultVersion(UUID(int=5), revision, CHILD, held, due, withdrawn)


def test_held_until_due_and_not_a_moment_longer() -> None:
    assert released(_version(1), NOW)
    assert released(_version(1, held=True, due=NOW), NOW)
    assert not released(_version(1, held=True, due=NOW + timedelta(microseconds=1)), NOW)


def test_the_value_before_is_shown_while_a_held_correction_waits() -> None:
    later = NOW + timedelta(hours=1)
    versions = [_version(3, held=True, due=later), _version(1), _version(2)]
    assert [item.value_revision for item in shown(versions, NOW)] == [2]
    assert [item.value_revision for item in shown(versions, later)] == [3]


def test_a_withdrawal_takes_the_result_away_at_once() -> None:
    later = NOW + timedelta(hours=1)
    assert shown([_version(1), _version(2, withdrawn=True, held=True, due=later)], NOW) == []


@dataclass(frozen=True)
class _Mark:
    value: str
    weight: Decimal


@pytest.mark.parametrize(
    ("marks", "mean"),
    [
        ([], None),
        ([("зач", "1")], None),
        ([("5", "1"), ("4", "1")], "4.50"),
        ([("5", "2"), ("2", "1")], "4.00"),
        ([("5", "1"), ("4", "1"), ("4", "1")], "4.33"),
        ([("5", "1"), ("5", "1"), ("4", "1")], "4.67"),
        ([("4", "1.99"), ("5", "0.01")], "4.01"),
        ([("2", "1"), ("незач", "9"), ("5", "1")], "3.50"),
    ],
)
def test_the_average_is_weighted_rounded_half_up_and_counts_numbers_only(
    marks: list[tuple[str, str]], mean: str | None
) -> None:
    found = weighted_mean([_Mark(value, Decimal(weight)) for value, weight in marks])
    assert found == (None if mean is None else Decimal(mean))


@given(st.lists(st.tuples(st.sampled_from("12345"), st.decimals("0.01", 10, places=2)), min_size=1))
def test_the_average_lies_between_the_lowest_and_the_highest_mark(marks: list[tuple[str, Decimal]]) -> None:
    mean = weighted_mean([_Mark(value, weight) for value, weight in marks])
    values = [Decimal(value) for value, _ in marks]
    assert mean is not None
    assert min(values) <= mean <= max(values)


def test_a_school_year_begins_on_the_first_of_september() -> None:
    assert school_year_of(date(2026, 8, 31)) == "2025/2026"
    assert school_year_of(date(2026, 9, 1)) == "2026/2027"
    assert school_year_span("2026/2027") == Span(date(2026, 9, 1), date(2027, 8, 31))


def test_the_running_period_begins_after_the_last_one_that_has_ended() -> None:
    quarter = Span(date(2026, 9, 1), date(2026, 10, 25))
    assert current_span(date(2026, 10, 25), [quarter]).first == date(2026, 9, 1)
    assert current_span(date(2026, 10, 26), [quarter]).first == date(2026, 10, 26)
    assert current_span(date(2027, 9, 2), [quarter]).first == date(2027, 9, 1)


def test_an_unknown_time_zone_becomes_the_default() -> None:
    assert time_zone_or_default("Asia/Omsk") == "Asia/Omsk"
    assert time_zone_or_default("Europe/Atlantis") == "Europe/Moscow"
