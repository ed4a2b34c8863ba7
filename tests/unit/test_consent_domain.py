"""The rules of consent, with no database."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.base import PersonId, SchoolId, StudentId
from contracts.values import Decision, Language
from services.consent import domain, model
from services.consent.events import consent_changed
from services.consent.faults import Refused
from services.consent.model import (
    Answer,
    Answers,
    Consent,
    EndReason,
    Entry,
    Pair,
    Policy,
    Purpose,
    Registered,
    Withdrawal,
)
from tests.unit.test_consent_document import a_form

GIVEN, REFUSED, WITHDRAWN, UNANSWERED = (
    Decision.GIVEN,
    Decision.REFUSED,
    Decision.WITHDRAWN,
    Decision.UNANSWERED,
)
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
PARENT, STUDENT, SCHOOL = PersonId(uuid4()), StudentId(uuid4()), SchoolId(uuid4())
POLICY = Policy()
CHILD_BORN = date(2016, 5, 5)


def a_pair(**changes: object) -> Pair:
    return replace(Pair(SCHOOL, CHILD_BORN, in_force=True), **changes)  # type: ignore[arg-type]


def an_answer(
    cabinet: Decision = GIVEN, email: Decision = UNANSWERED, push: Decision = UNANSWERED, **changes: object
) -> Answer:
    given = Answer(PARENT, STUDENT, Answers(cabinet, email, push), "paper", a_form())
    return replace(given, **changes)  # type: ignore[arg-type]


def an_electronic_answer(**changes: object) -> Answer:
    signature = {"signed_by": PARENT, "signed_at": NOW - HOUR, "session_reference": "sign-in-1", **changes}
    return an_answer(document_kind="electronic", document=a_form(**signature))


def a_withdrawal(*purposes: Purpose, **changes: object) -> Withdrawal:
    return replace(Withdrawal(PARENT, STUDENT, frozenset(purposes)), **changes)  # type: ignore[arg-type]


def settled(answer: Answer, pair: Pair | None = None, now: datetime = NOW) -> Entry:
    entry = domain.decide(answer, pair or a_pair(), POLICY, now)
    assert entry is not None
    return entry


def after(pair: Pair, entry: Entry | None) -> Pair:
    assert entry is not None
    numbers = dict(pair.numbers)
    if entry.document_number:
        state = entry.consent
        numbers[entry.document_number] = Registered(state.answers, state.no_internet, entry.withdrawal)
    return replace(pair, consent=entry.consent, numbers=numbers)


def a_consented_pair(answer: Answer | None = None, now: datetime = NOW - DAY) -> Pair:
    given = answer or an_answer(GIVEN, GIVEN, GIVEN, email_address="anna@example.org")
    return after(a_pair(), settled(given, now=now))


def present(pair: Pair) -> Consent:
    assert pair.consent is not None
    return pair.consent


def codes(refused: "pytest.ExceptionInfo[Refused]") -> set[str]:
    return {one.code for one in refused.value.faults}


# -- giving and refusing


def test_consent_holds_from_its_registration():
    entry = settled(an_answer(decided_at=NOW - 30 * DAY))

    assert entry.consent.answers == Answers(GIVEN, UNANSWERED, UNANSWERED)
    assert entry.consent.revision == 1
    assert entry.consent.decided_at == NOW - 30 * DAY
    assert entry.consent.effective_from == NOW
    assert entry.decided_by == "representative"


def test_consent_may_be_given_for_a_later_day():
    assert settled(an_answer(effective_from=NOW + DAY)).consent.effective_from == NOW + DAY


def test_consent_is_never_backdated_before_it_was_given():
    with pytest.raises(Refused) as refused:
        settled(an_answer(decided_at=NOW - HOUR, effective_from=NOW - 2 * HOUR))

    assert codes(refused) == {"giving_backdated"}


def test_who_refuses_the_cabinet_refuses_everything_electronic():
    entry = settled(an_answer(REFUSED, GIVEN, GIVEN, email_address="anna@example.org"))

    assert entry.consent.answers == Answers(REFUSED, REFUSED, REFUSED)
    assert entry.consent.email_address is None


def test_there_is_no_email_or_push_without_the_cabinet():
    with pytest.raises(Refused) as refused:
        settled(an_answer(UNANSWERED, GIVEN, UNANSWERED, email_address="anna@example.org"))

    assert codes(refused) == {"cabinet_needed"}


@pytest.mark.parametrize(
    ("address", "code"),
    [(None, "email_address_needed"), ("  ", "email_address_needed"), ("anna", "email_address_invalid"),
     ("a b@example.org", "email_address_invalid"), ("anna@example", "email_address_invalid"),
     ("a" * 320 + "@example.org", "email_address_invalid"), ("a\x00b@example.org", "email_address_invalid")],
)  # fmt: skip
def test_consent_to_email_needs_an_address(address, code):
    with pytest.raises(Refused) as refused:
        settled(an_answer(GIVEN, GIVEN, email_address=address))

    assert codes(refused) == {code}


def test_an_address_is_kept_only_for_email():
    assert settled(an_answer(GIVEN, REFUSED, email_address="anna@example.org")).consent.email_address is None


def test_a_later_answer_about_one_purpose_keeps_the_others():
    pair = a_consented_pair()

    entry = settled(an_answer(UNANSWERED, UNANSWERED, REFUSED), pair)

    assert entry.consent.answers == Answers(GIVEN, GIVEN, WITHDRAWN)
    assert entry.consent.email_address == "anna@example.org"
    assert entry.consent.effective_from == present(pair).effective_from
    assert entry.consent.revision == 2


def test_who_refuses_what_was_given_withdraws_it():
    entry = settled(an_answer(REFUSED), a_consented_pair())

    assert entry.consent.answers == Answers(WITHDRAWN, WITHDRAWN, WITHDRAWN)
    assert entry.consent.effective_from == NOW


def test_a_refusal_cannot_be_put_off():
    with pytest.raises(Refused) as refused:
        settled(an_answer(REFUSED, effective_from=NOW + DAY))

    assert codes(refused) == {"closing_in_future"}


def test_a_decision_of_the_future_is_none():
    with pytest.raises(Refused) as refused:
        settled(an_answer(decided_at=NOW + HOUR, document=a_form(signed_on=date(2026, 11, 25))))

    assert codes(refused) == {"decided_in_future", "signed_in_future"}


def test_a_paper_found_late_does_not_undo_a_withdrawal():
    pair = after(a_consented_pair(), domain.withdraw(a_withdrawal(), a_consented_pair(), NOW))

    with pytest.raises(Refused) as refused:
        settled(an_answer(decided_at=NOW - 40 * DAY), pair, NOW + DAY)

    assert codes(refused) == {"older_than_current"}


def test_consent_can_be_given_again_after_a_withdrawal():
    pair = a_consented_pair()
    pair = after(pair, domain.withdraw(a_withdrawal(), pair, NOW))

    entry = settled(an_answer(GIVEN), pair, NOW + DAY)

    assert entry.consent.answers == Answers(GIVEN, WITHDRAWN, WITHDRAWN)
    assert entry.consent.effective_from == NOW + DAY
    assert entry.consent.revision == 3


def test_all_faults_are_named_at_once():
    with pytest.raises(Refused) as refused:
        settled(an_answer(GIVEN, GIVEN, document=a_form(term="", operator_name="")))

    assert codes(refused) == {"missing_term", "missing_operator_name", "email_address_needed"}


def test_saying_nothing_is_no_decision():
    with pytest.raises(Refused) as refused:
        settled(an_answer(UNANSWERED))

    assert codes(refused) == {"nothing_decided"}


def test_a_withdrawal_does_not_come_in_by_the_door_of_answers():
    with pytest.raises(Refused) as refused:
        settled(an_answer(WITHDRAWN))

    assert "withdrawal_is_apart" in codes(refused)


# -- the same again


def test_the_same_document_again_changes_nothing():
    answer = an_answer(GIVEN, REFUSED, document=a_form(number="С-1"))
    pair = after(a_pair(), settled(answer))

    assert domain.decide(answer, pair, POLICY, NOW + DAY) is None


def test_the_same_document_again_does_not_undo_a_later_withdrawal():
    answer = an_answer(GIVEN, document=a_form(number="С-1"))
    pair = after(a_pair(), settled(answer))
    pair = after(pair, domain.withdraw(a_withdrawal(document_number="О-1"), pair, NOW + HOUR))

    assert domain.decide(answer, pair, POLICY, NOW + DAY) is None
    assert domain.withdraw(a_withdrawal(document_number="О-1"), pair, NOW + DAY) is None


def test_the_same_refusal_of_something_given_changes_nothing_again():
    pair = a_consented_pair()
    refusal = an_answer(REFUSED, document=a_form(number="С-2"))
    pair = after(pair, settled(refusal, pair))

    assert domain.decide(refusal, pair, POLICY, NOW + DAY) is None


@pytest.mark.parametrize("other", [an_answer(REFUSED), an_answer(GIVEN, no_internet=True)])
def test_another_decision_under_the_same_number_is_a_slip(other):
    pair = after(a_pair(), settled(an_answer(GIVEN, document=a_form(number="С-1"))))

    with pytest.raises(Refused) as refused:
        domain.decide(replace(other, document=a_form(number="С-1")), pair, POLICY, NOW + DAY)

    assert codes(refused) == {"document_number_used"}


def test_a_withdrawal_under_the_number_of_a_consent_is_a_slip():
    pair = after(a_pair(), settled(an_answer(GIVEN, document=a_form(number="С-1"))))

    with pytest.raises(Refused) as refused:
        domain.withdraw(a_withdrawal(document_number="С-1"), pair, NOW + DAY)

    assert codes(refused) == {"document_number_used"}


def test_without_a_number_the_same_state_changes_nothing():
    pair = after(a_pair(), settled(an_electronic_answer()))

    assert domain.decide(an_electronic_answer(), pair, POLICY, NOW + DAY) is None
    assert domain.decide(an_answer(GIVEN, no_internet=True), pair, POLICY, NOW + DAY) is not None


# -- withdrawing


def test_a_withdrawal_of_everything_erases_the_contact():
    entry = domain.withdraw(a_withdrawal(), a_consented_pair(), NOW)

    assert entry is not None
    assert entry.consent.answers == Answers(WITHDRAWN, WITHDRAWN, WITHDRAWN)
    assert entry.consent.email_address is None
    assert entry.consent.effective_from == NOW
    assert consent_changed(entry.consent).contact is None


def test_who_withdraws_the_cabinet_withdraws_everything_that_was_given():
    pair = a_consented_pair(an_answer(GIVEN, GIVEN, REFUSED, email_address="anna@example.org"))

    entry = domain.withdraw(a_withdrawal(Purpose.CABINET), pair, NOW)

    assert entry is not None
    assert entry.consent.answers == Answers(WITHDRAWN, WITHDRAWN, REFUSED)


def test_email_alone_can_be_withdrawn():
    pair = a_consented_pair()

    entry = domain.withdraw(a_withdrawal(Purpose.EMAIL, effective_from=NOW - 30 * DAY), pair, NOW)

    assert entry is not None
    assert entry.consent.answers == Answers(GIVEN, WITHDRAWN, GIVEN)
    assert entry.consent.email_address is None
    assert entry.consent.effective_from == present(pair).effective_from, "what stays given begins no earlier"


@pytest.mark.parametrize("purposes", [(Purpose.PUSH,), (Purpose.CABINET, Purpose.PUSH)])
def test_only_what_was_given_can_be_withdrawn(purposes):
    with pytest.raises(Refused) as refused:
        domain.withdraw(a_withdrawal(*purposes), a_consented_pair(an_answer(GIVEN)), NOW)

    assert codes(refused) == {"nothing_to_withdraw"}
    assert {one.field for one in refused.value.faults} == {"push"}


@pytest.mark.parametrize("pair", [None, a_pair(), a_consented_pair(an_answer(REFUSED))])
def test_where_nothing_was_given_nothing_is_withdrawn(pair):
    with pytest.raises(Refused) as refused:
        domain.withdraw(a_withdrawal(), pair, NOW)

    assert codes(refused) == {"nothing_to_withdraw"}


def test_a_withdrawal_cannot_be_put_off_but_may_tell_of_the_past():
    pair = a_consented_pair()

    with pytest.raises(Refused) as refused:
        domain.withdraw(a_withdrawal(effective_from=NOW + HOUR), pair, NOW)
    past = domain.withdraw(a_withdrawal(decided_at=NOW - HOUR), pair, NOW)

    assert codes(refused) == {"closing_in_future"}
    assert past is not None
    assert past.consent.effective_from == NOW - HOUR


def test_a_withdrawal_needs_no_authority_any_more():
    assert domain.withdraw(a_withdrawal(), replace(a_consented_pair(), in_force=False), NOW) is not None


# -- who may decide


@pytest.mark.parametrize("pair", [None, a_pair(in_force=False)])
def test_only_a_representative_with_authority_decides(pair):
    with pytest.raises(Refused) as refused:
        domain.decide(an_answer(), pair, POLICY, NOW)

    assert codes(refused) == {"unknown_representation"}


def test_from_14_the_students_own_agreement_is_registered_too():
    pair = a_pair(birth_date=date(2012, 11, 24))

    with pytest.raises(Refused) as refused:
        settled(an_answer(), pair)

    assert codes(refused) == {"student_agreement_missing"}
    assert settled(an_answer(student_agreed=True), pair).student_agreed is True
    assert settled(an_answer(REFUSED), pair).consent.answers.given() == frozenset()
    assert settled(an_answer(), a_pair(birth_date=date(2012, 11, 25))).student_agreed is None
    assert domain.decide(an_answer(), pair, replace(POLICY, agreement_required=False), NOW) is not None


def test_from_18_the_student_decides():
    adult = a_pair(birth_date=date(2008, 11, 24))
    own = an_answer(representative_id=PersonId(STUDENT), document=a_form(on_behalf_of="", authority_document=""))

    with pytest.raises(Refused) as refused:
        settled(an_answer(student_agreed=True), adult)
    entry = settled(own, replace(adult, in_force=False))

    assert codes(refused) == {"student_is_adult"}
    assert entry.decided_by == "student"
    assert entry.consent.representative_id == STUDENT


@pytest.mark.parametrize("born", [None, date(2008, 11, 25), CHILD_BORN])
def test_before_18_the_student_does_not_decide_alone(born):
    own = an_answer(representative_id=PersonId(STUDENT))

    with pytest.raises(Refused) as refused:
        settled(own, a_pair(birth_date=born))

    assert codes(refused) == {"student_not_adult"}


def test_a_birthday_begins_in_the_districts_time_zone():
    pair = a_pair(birth_date=date(2008, 11, 25))
    evening = datetime(2026, 11, 24, 21, 30, tzinfo=UTC)

    assert model.local_day(evening, POLICY) == date(2026, 11, 25)
    with pytest.raises(Refused) as refused:
        settled(an_answer(student_agreed=True), pair, evening)
    assert codes(refused) == {"student_is_adult"}


def test_the_system_ends_only_what_is_given():
    consent = a_consented_pair().consent
    assert consent is not None

    entry = domain.end(consent, EndReason.AUTHORITY_ENDED, NOW)

    assert entry is not None
    assert (entry.decided_by, entry.reason) == ("system", EndReason.AUTHORITY_ENDED)
    assert entry.consent.answers.given() == frozenset()
    assert entry.consent.email_address is None
    assert domain.end(entry.consent, EndReason.AUTHORITY_ENDED, NOW + DAY) is None


def test_a_transfer_closes_what_was_given_to_the_former_school_until_the_new_one_has_asked():
    consent, elsewhere = a_consented_pair().consent, SchoolId(uuid4())
    assert consent is not None

    entry = domain.transferred(consent, elsewhere, POLICY, NOW + DAY)

    assert isinstance(entry, Entry)
    assert (entry.reason, entry.consent.school_id, entry.consent.revision) == (EndReason.TRANSFERRED, elsewhere, 2)
    assert entry.consent.answers.given() == frozenset()
    assert entry.consent.email_address is None
    assert entry.consent.renewal_needed


def test_a_district_may_keep_consents_through_a_transfer_and_still_asks_anew():
    consent, elsewhere = a_consented_pair().consent, SchoolId(uuid4())
    assert consent is not None

    after = domain.transferred(consent, elsewhere, replace(POLICY, on_transfer="keep"), NOW + DAY)

    assert after == replace(consent, school_id=elsewhere, revision=2, renewal_needed=True)


def test_a_refusal_goes_to_the_new_school_without_being_asked_anew():
    consent, elsewhere = settled(an_answer(REFUSED)).consent, SchoolId(uuid4())

    after = domain.transferred(consent, elsewhere, POLICY, NOW + DAY)

    assert after == replace(consent, school_id=elsewhere, revision=2)


@pytest.mark.parametrize("decision", [GIVEN, REFUSED])
def test_a_decision_at_the_new_school_answers_what_was_asked_anew(decision):
    kept = replace(settled(an_answer()).consent, renewal_needed=True)

    entry = settled(an_answer(decision), a_pair(consent=kept), NOW + DAY)

    assert not entry.consent.renewal_needed


def test_a_withdrawal_leaves_nothing_to_be_asked_anew():
    kept = replace(settled(an_answer()).consent, renewal_needed=True)

    entry = domain.withdraw(a_withdrawal(), a_pair(consent=kept), NOW + DAY)

    assert entry is not None
    assert not entry.consent.renewal_needed


def test_the_end_of_authority_is_told_even_where_nobody_ever_answered():
    told = domain.without_authority(a_pair(), PARENT, STUDENT, NOW)

    assert isinstance(told, Consent)
    assert (told.authority, told.answers, told.revision) == ("ended", Answers(), 1)


def test_the_end_of_authority_ends_what_was_given_and_is_told_once():
    before = settled(an_answer(GIVEN, email=GIVEN, email_address="anna@example.org")).consent

    entry = domain.without_authority(a_pair(consent=before), PARENT, STUDENT, NOW + DAY)

    assert isinstance(entry, Entry)
    assert entry.reason is EndReason.AUTHORITY_ENDED
    assert (entry.consent.authority, entry.consent.answers.given()) == ("ended", frozenset())
    assert domain.without_authority(a_pair(consent=entry.consent), PARENT, STUDENT, NOW + 2 * DAY) is None


def test_a_refusal_keeps_its_answer_when_the_authority_ends():
    before = settled(an_answer(REFUSED)).consent

    told = domain.without_authority(a_pair(consent=before), PARENT, STUDENT, NOW + DAY)

    assert told == replace(before, authority="ended", revision=2)


def test_a_restored_authority_does_not_bring_the_consent_back():
    before = settled(an_answer()).consent
    ended = domain.without_authority(a_pair(consent=before), PARENT, STUDENT, NOW + DAY)
    assert isinstance(ended, Entry)

    restored = domain.with_authority(ended.consent)

    assert restored == replace(ended.consent, authority="in_force", revision=3)
    assert restored.answers.given() == frozenset()
    assert domain.with_authority(restored) is None
    assert domain.with_authority(None) is None


def test_who_signs_electronically_is_who_decides_and_says_when_and_in_which_sign_in():
    complete = settled(an_electronic_answer())
    assert complete.session_reference == "sign-in-1"
    for changes, code in (
        ({"signed_by": STUDENT}, "signed_by_another"),
        ({"signed_by": None}, "missing_signed_by"),
        ({"signed_at": None}, "missing_signed_at"),
        ({"signed_at": NOW + HOUR}, "signed_in_future"),
        ({"session_reference": ""}, "missing_session_reference"),
    ):
        with pytest.raises(Refused) as refused:
            settled(an_electronic_answer(**changes))
        assert [one.code for one in refused.value.faults] == [code]


def test_a_scan_is_named_in_full_or_not_at_all():
    whole = a_form(scan_sha256="0" * 64, scan_reference="s3://scans/1")
    assert settled(an_answer(document=whole)).scan == model.Scan("0" * 64, "s3://scans/1")
    for half in (a_form(scan_sha256="0" * 64), a_form(scan_reference="s3://scans/1")):
        with pytest.raises(Refused) as refused:
            settled(an_answer(document=half))
        assert [one.code for one in refused.value.faults] == ["scan_incomplete"]


TEENAGER = date(2011, 2, 3)


def test_a_paper_older_than_the_agreement_taken_back_does_not_bring_it_again():
    pair = a_pair(birth_date=TEENAGER, agreement="taken_back", agreement_since=NOW - DAY)
    with pytest.raises(Refused) as refused:
        settled(an_answer(student_agreed=True, decided_at=NOW - 2 * DAY), pair)
    assert codes(refused) == {"student_agreement_missing"}
    assert settled(an_answer(student_agreed=True, decided_at=NOW - HOUR), pair).consent.answers.given()
    assert settled(an_answer(student_agreed=True), pair).consent.answers.given()


def test_an_agreement_on_file_serves_every_representatives_consent():
    assert settled(an_answer(), a_pair(birth_date=TEENAGER, agreement="given")).consent.answers.given()
    for agreement in (None, "due", "missing", "taken_back"):
        with pytest.raises(Refused) as refused:
            settled(an_answer(), a_pair(birth_date=TEENAGER, agreement=agreement))
        assert [one.code for one in refused.value.faults] == ["student_agreement_missing"]
    with pytest.raises(Refused):
        settled(an_answer(student_agreed=False), a_pair(birth_date=TEENAGER, agreement="given"))


def test_the_id_of_a_consent_follows_from_its_pair():
    assert model.consent_id_of(PARENT, STUDENT) == settled(an_answer()).consent.consent_id
    assert model.consent_id_of(PARENT, STUDENT) != model.consent_id_of(PersonId(STUDENT), StudentId(PARENT))


# -- whatever happens

decisions = st.sampled_from([GIVEN, REFUSED, UNANSWERED])
moments = st.one_of(st.none(), st.integers(-90 * 24, 48).map(lambda hours: timedelta(hours=hours)))
numbers = st.sampled_from(["", "1", "2", "3"])
addresses = st.sampled_from([None, "anna@example.org", "не адрес"])
steps = st.one_of(
    st.tuples(st.just("answer"), decisions, decisions, decisions, st.booleans(), addresses, moments, moments, numbers),
    st.tuples(st.just("withdraw"), st.sets(st.sampled_from(Purpose)), moments, moments, numbers),
    st.tuples(st.just("end")),
)


def _at(now: datetime, offset: timedelta | None) -> datetime | None:
    return None if offset is None else now + offset


def _play(step: tuple, pair: Pair, now: datetime) -> Entry | None:  # type: ignore[type-arg]
    match step:
        case ("answer", cabinet, email, push, no_internet, address, decided, effective, number):
            return domain.decide(
                an_answer(
                    cabinet,
                    email,
                    push,
                    no_internet=no_internet,
                    email_address=address,
                    decided_at=_at(now, decided),
                    effective_from=_at(now, effective),
                    document=a_form(number=number),
                ),
                pair,
                POLICY,
                now,
            )
        case ("withdraw", purposes, decided, effective, number):
            return domain.withdraw(
                a_withdrawal(
                    *purposes,
                    decided_at=_at(now, decided),
                    effective_from=_at(now, effective),
                    document_number=number,
                ),
                pair,
                now,
            )
        case _:
            return domain.end(pair.consent, EndReason.AUTHORITY_ENDED, now) if pair.consent else None


@given(st.lists(st.tuples(steps, st.integers(0, 72)), max_size=12))
def test_whatever_is_decided_the_rules_hold(story):
    pair, now = a_pair(), NOW
    for step, hours in story:
        now += timedelta(hours=hours)
        try:
            entry = _play(step, pair, now)
        except Refused:
            continue
        if entry is None:
            continue
        _the_rules_hold(pair.consent, entry, now)
        pair = after(pair, entry)
        if entry.document_number:
            assert _play(step, pair, now + DAY) is None, "the same document again changes nothing"


def _the_rules_hold(before: Consent | None, entry: Entry, now: datetime) -> None:
    state = entry.consent
    given_now = state.answers.given()
    given_before = before.answers.given() if before else frozenset()
    assert state.revision == (before.revision + 1 if before else 1)
    assert state.decided_at <= now
    assert before is None or state.decided_at >= before.decided_at
    if Purpose.CABINET not in given_now:
        assert given_now == frozenset()
    assert (Purpose.EMAIL in given_now) == (state.email_address is not None)
    if not given_now:
        assert state.effective_from <= state.decided_at
        assert state.language is Language.RU
        assert consent_changed(state).contact is None
    if given_now - given_before:
        assert state.effective_from >= now, "nothing holds before it is registered"
    if given_now and given_now <= given_before and before:
        assert state.effective_from >= before.effective_from
    for purpose in given_before - given_now:
        assert state.answers.of(purpose) is WITHDRAWN
    assert consent_changed(state).event_id() == consent_changed(state).event_id()


@given(st.dates(date(1990, 1, 1), date(2030, 12, 31)), st.dates(date(2020, 1, 1), date(2060, 12, 31)))
def test_both_rules_of_age_agree(born, day):
    assert (model.age_on(born, day) >= 18) == (born <= model.born_by(day, 18))


def test_who_was_born_on_29_february_is_of_age_on_1_march():
    born = date(2008, 2, 29)

    assert model.age_on(born, date(2026, 2, 28)) == 17
    assert model.age_on(born, date(2026, 3, 1)) == 18
    assert model.born_by(date(2028, 2, 29), 18) == date(2010, 2, 28)


def test_a_state_tells_the_same_event_every_time():
    state = a_consented_pair().consent
    assert state is not None
    event = consent_changed(state)

    assert event.event_id() == consent_changed(state).event_id()
    assert event.contact is not None
    assert event.contact.email == "anna@example.org"
    assert UUID(str(event.key())) == STUDENT
