"""The publisher's rules: routes, deadlines, lateness, and what a change does to what is owed."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.values import Route
from services.publisher.domain.deadlines import Late, due_after_correction, lateness, timers
from services.publisher.domain.letters import Backoff
from services.publisher.domain.obligations import (
    Availability,
    Due,
    Obligation,
    changes,
    openings,
    served_students,
    sheets,
    told_electronically,
)
from services.publisher.domain.policy import Policy, majority_on
from services.publisher.domain.preferences import Channel
from services.publisher.domain.routes import (
    Ground,
    Household,
    Recipient,
    ground_of,
    recipients_in_law,
    route_for,
    screen_open_since,
)

NOW = datetime(2026, 10, 23, 11, tzinfo=UTC)
HOUR = timedelta(hours=1)
STUDENT, MOTHER, FATHER, SCHOOL = (UUID(int=number) for number in range(1, 5))
POLICY = Policy()


def a_recipient(person: UUID = MOTHER, *, student: bool = False, reads: bool = False, **different: Any) -> Recipient:
    """Somebody without consent and account; one who reads has both."""
    recipient = Recipient(person, student)
    if reads:
        recipient = replace(
            recipient, has_account=True, cabinet_in_force=True, consent=Ground(person, 1), effective_from=NOW
        )
    return replace(recipient, **different)


def a_household(*recipients: Recipient, adult: bool = False) -> Household:
    return Household(STUDENT, SCHOOL, adult, recipients)


def an_obligation(person: UUID = MOTHER, route: Route = Route.SCREEN, **different: Any) -> Obligation:
    obligation = Obligation(
        result_id=UUID(int=9),
        value_revision=1,
        recipient_id=person,
        obligation_id=uuid4(),
        student_id=STUDENT,
        school_id=SCHOOL,
        obtained_at=NOW,
        recorded_at=NOW,
        due_at=NOW + 24 * HOUR,
        route=route,
        moved_reason=None,
        state="open",
        request_id=None,
        held=False,
    )
    return replace(obligation, **different)


@pytest.mark.parametrize(
    ("consent", "account", "no_internet", "route"),
    [
        (True, True, False, Route.SCREEN),
        (True, True, True, Route.PAPER),
        (True, False, False, Route.PAPER),
        (False, True, False, Route.PAPER),
        (False, False, False, Route.PAPER),
    ],
)
def test_a_representative_reads_on_the_screen_only_with_consent_account_and_internet(
    consent, account, no_internet, route
):
    mother = a_recipient(cabinet_in_force=consent, has_account=account, no_internet=no_internet)
    assert route_for(mother, a_household(mother)) is route


@pytest.mark.parametrize(
    ("account", "consents", "route"),
    [
        (True, (True, False), Route.SCREEN),
        (True, (False, True), Route.SCREEN),
        (True, (False, False), Route.WITH_REPRESENTATIVE),
        (False, (True, True), Route.WITH_REPRESENTATIVE),
        (True, (), Route.PAPER),
        (False, (), Route.PAPER),
    ],
)
def test_a_minors_route_follows_the_representatives(account, consents, route):
    student = a_recipient(STUDENT, student=True, has_account=account)
    others = [a_recipient(UUID(int=50 + n), cabinet_in_force=given) for n, given in enumerate(consents)]
    assert route_for(student, a_household(*others, student)) is route


def test_from_18_only_the_students_own_consent_counts():
    mother = a_recipient(reads=True)
    student = a_recipient(STUDENT, student=True, has_account=True)
    assert route_for(student, a_household(mother, student, adult=True)) is Route.PAPER
    reading = a_recipient(STUDENT, student=True, reads=True)
    assert route_for(reading, a_household(mother, reading, adult=True)) is Route.SCREEN


def test_representatives_of_an_adult_are_told_nothing_unless_the_district_says_otherwise():
    people = [a_recipient(MOTHER), a_recipient(STUDENT, student=True)]
    assert len(recipients_in_law(people, adult=False, representation_ends_at_majority=True)) == 2
    assert len(recipients_in_law(people, adult=True, representation_ends_at_majority=False)) == 2
    assert [
        one.recipient_id for one in recipients_in_law(people, adult=True, representation_ends_at_majority=True)
    ] == [STUDENT]


def test_a_minor_reads_on_the_ground_of_a_representatives_consent():
    mother, father = a_recipient(reads=True), a_recipient(FATHER)
    student = a_recipient(STUDENT, student=True, has_account=True)
    household = a_household(mother, father, student)
    assert ground_of(student, household) == mother.consent
    assert ground_of(mother, household) == mother.consent
    assert ground_of(father, household) is None


def test_the_screen_is_open_since_the_later_of_account_and_consent():
    mother = a_recipient(reads=True, account_since=NOW + HOUR)
    student = a_recipient(STUDENT, student=True, has_account=True, account_since=NOW - HOUR)
    household = a_household(mother, student)
    assert screen_open_since(mother, household) == NOW + HOUR
    assert screen_open_since(student, household) == NOW


@pytest.mark.parametrize(
    ("born", "adult"),
    [(date(2008, 10, 24), date(2026, 10, 24)), (date(2008, 2, 29), date(2026, 3, 1))],
)
def test_majority_begins_on_the_18th_birthday(born, adult):
    assert majority_on(born) == adult


def test_available_exactly_when_due_is_in_time():
    due = NOW + 24 * HOUR
    assert lateness(obtained_at=NOW, recorded_at=NOW, due=due, available_at=due) is Late.NO
    moment = timedelta(microseconds=1)
    assert lateness(obtained_at=NOW, recorded_at=NOW, due=due, available_at=due + moment) is Late.BY_US


def test_what_was_recorded_after_its_24_hours_is_late_at_source():
    due = NOW + 24 * HOUR
    late = lateness(obtained_at=NOW, recorded_at=due + HOUR, due=due, available_at=due + 2 * HOUR)
    assert late is Late.AT_SOURCE
    assert lateness(obtained_at=NOW, recorded_at=due, due=due, available_at=due + HOUR) is Late.BY_US


@given(new=st.timedeltas(min_value=timedelta(0), max_value=timedelta(days=30)), old=st.none() | st.timedeltas())
def test_a_correction_never_buys_time_where_something_was_owed(new, old):
    new_due = NOW + new
    if old is not None and not timedelta(-400) < old < timedelta(400):
        old = None
    open_due = None if old is None else NOW + old
    due = due_after_correction(new_due, open_due)
    assert due <= new_due
    assert open_due is None or due <= open_due


def test_held_results_wait_until_the_last_call_and_fall_back_once_the_clock_should_have_shown_them():
    due = NOW + 24 * HOUR
    when = timers(due=due, held=True, now=NOW, policy=POLICY)
    assert (when.ask_paper_at, when.fall_back_at) == (NOW + 20 * HOUR, due + POLICY.acknowledgement_grace)


@given(left=st.timedeltas(min_value=timedelta(hours=-48), max_value=timedelta(hours=24)), held=st.booleans())
def test_paper_is_always_asked_for_before_the_last_call(left, held):
    when = timers(due=NOW + left, held=held, now=NOW, policy=POLICY)
    assert when.ask_paper_at <= NOW + left - POLICY.paper_lead
    assert when.fall_back_at >= NOW + POLICY.acknowledgement_grace
    assert held or when.ask_paper_at <= NOW + POLICY.paper_grouping


def test_a_result_is_owed_to_each_recipient_who_has_not_got_it_yet():
    household = a_household(a_recipient(reads=True), a_recipient(FATHER), a_recipient(STUDENT, student=True))
    due = Due(UUID(int=9), 2, STUDENT, NOW, held=False)
    opened = openings(due, household, NOW, POLICY, open_before={FATHER: NOW + HOUR}, told=[STUDENT])
    assert [(one.recipient_id, one.route, one.due_at) for one in opened] == [
        (MOTHER, Route.SCREEN, NOW + 24 * HOUR),
        (FATHER, Route.PAPER, NOW + HOUR),
    ]


def test_changes_reroute_what_goes_another_way_and_cancel_what_is_owed_to_nobody():
    household = a_household(a_recipient(reads=True), a_recipient(STUDENT, student=True))
    change = changes(
        {STUDENT: household},
        [an_obligation(MOTHER, Route.PAPER), an_obligation(FATHER), an_obligation(STUDENT, Route.WITH_REPRESENTATIVE)],
        NOW,
        POLICY,
    )
    assert [(one.obligation.recipient_id, one.route) for one in change.rerouted] == [(MOTHER, Route.SCREEN)]
    assert [one.recipient_id for one in change.cancelled] == [FATHER]


def test_what_the_clock_moved_to_paper_does_not_go_back_by_itself():
    household = a_household(a_recipient(reads=True))
    moved = an_obligation(MOTHER, Route.PAPER, moved_reason="consents_stale")
    assert changes({STUDENT: household}, [moved], NOW, POLICY).rerouted == []


def test_an_erased_students_obligations_are_cancelled():
    assert changes({}, [an_obligation()], NOW, POLICY).cancelled != []


def test_a_student_is_served_with_the_first_representative():
    first = Availability(an_obligation(FATHER), Route.PAPER, NOW, None, "2026/1")
    second = Availability(an_obligation(MOTHER), Route.SCREEN, NOW + HOUR, Ground(MOTHER, 1))
    other_version = an_obligation(STUDENT, Route.WITH_REPRESENTATIVE, value_revision=2)
    student = an_obligation(STUDENT, Route.WITH_REPRESENTATIVE)
    served = served_students([second, first], [student, other_version])
    assert [(one.obligation, one.available_at, one.extract_number, one.served_with) for one in served] == [
        (student, NOW, "2026/1", FATHER)
    ]


def test_messages_go_only_to_who_reads_on_the_screen_and_consented_to_their_channel():
    household = a_household(
        a_recipient(reads=True, email_in_force=True, push_in_force=True), a_recipient(FATHER, reads=True)
    )
    met = [
        Availability(an_obligation(MOTHER), Route.SCREEN, NOW),
        Availability(an_obligation(MOTHER, value_revision=2), Route.PAPER, NOW),
        Availability(an_obligation(FATHER), Route.SCREEN, NOW),
    ]
    assert told_electronically(met, {STUDENT: household}) == [
        (met[0].obligation, frozenset({Channel.EMAIL, Channel.PUSH}))
    ]


def test_one_sheet_for_each_school_child_and_recipient_begins_with_what_is_due_first():
    urgent = an_obligation(due_at=NOW, result_id=UUID(int=8))
    grouped = sheets([an_obligation(), an_obligation(FATHER), urgent])
    assert {key[2]: [one.result_id for one in items] for key, items in grouped.items()} == {
        MOTHER: [UUID(int=8), UUID(int=9)],
        FATHER: [UUID(int=9)],
    }


@given(attempts=st.integers(1, 200), chance=st.floats(0, 1))
def test_the_wait_before_a_retry_grows_and_stays_within_its_bounds(attempts, chance):
    backoff = Backoff(base_seconds=30, max_seconds=3600)
    assert 15 <= backoff.delay_seconds(attempts, chance) <= 3600
    assert backoff.delay_seconds(attempts, chance) <= backoff.delay_seconds(attempts + 1, chance)
