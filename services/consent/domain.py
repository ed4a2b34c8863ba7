"""The rules of consent: who may decide, and what a decision changes. No I/O, no clock of its own."""

import re
from dataclasses import replace
from datetime import datetime

from contracts.base import PersonId, SchoolId, StudentId
from contracts.values import Decision, Language
from services.consent.document import ConsentDocument, MissingPart, missing_parts
from services.consent.faults import Fault, Refused, fault
from services.consent.model import (
    Answer,
    Answers,
    Consent,
    DocumentKind,
    EndReason,
    Entry,
    Pair,
    Policy,
    Purpose,
    Registered,
    Scan,
    Withdrawal,
    age_on,
    consent_id_of,
    local_day,
)

_EMAIL = re.compile(r"[^\s@<>(),;:\"\[\]\\\x00-\x1f\x7f]+@[\w-]+(\.[\w-]+)+")
_EMAIL_MAX = 320


def decide(answer: Answer, pair: Pair | None, policy: Policy, now: datetime) -> Entry | None:
    """What a consent or a refusal changes; None when it is registered already.

    Raises:
        Refused: it cannot be registered; every reason is named.
    """
    if pair is None:
        raise Refused(fault("unknown_representation"))
    number = answer.document.number.strip()
    if number and number in pair.numbers:
        _check_repeated(answer, pair.numbers[number])
        return None
    before = pair.consent
    answers = _merge(answer.answers, before.answers if before else Answers())
    decided_at = answer.decided_at or now
    address = _address(answer, answers, before)
    faults = [
        *_faults_of_authority(answer, pair, policy, now),
        *_faults_of_answers(answer.answers, answers),
        *_faults_of_address(answers, address),
        *_faults_of_times(answer, answers, before, now),
        *_faults_of_document(answer, policy, now),
    ]
    if faults:
        raise Refused(*faults)
    after = Consent(
        consent_id=consent_id_of(answer.representative_id, answer.student_id),
        representative_id=answer.representative_id,
        student_id=answer.student_id,
        school_id=pair.school_id,
        revision=before.revision + 1 if before else 1,
        answers=answers,
        no_internet=answer.no_internet,
        document=answer.document_kind,
        email_address=address,
        language=answer.language if answers.given() else Language.RU,
        decided_at=decided_at,
        effective_from=_effective_from(answer.effective_from, answers, before, decided_at, now),
    )
    if not number and before and _same(before, after):
        return None
    return Entry(
        consent=after,
        decided_by="student" if answer.representative_id == answer.student_id else "representative",
        document_number=number,
        student_agreed=answer.student_agreed,
        contents=answer.document,
        scan=_scan(answer.document),
        session_reference=answer.document.session_reference,
    )


def withdraw(withdrawal: Withdrawal, pair: Pair | None, now: datetime) -> Entry | None:
    """What a withdrawal changes; None when the same document was registered already.

    Authority is not asked for: whoever once consented may always take it back.

    Raises:
        Refused: nothing was given, or the times contradict the rules.
    """
    if pair is None or pair.consent is None:
        raise Refused(fault("nothing_to_withdraw"))
    before, number = pair.consent, withdrawal.document_number.strip()
    if number and number in pair.numbers:
        if pair.numbers[number].withdrawal:
            return None
        raise Refused(fault("document_number_used"))
    given = before.answers.given()
    purposes = withdrawal.purposes or given
    faults = [fault("nothing_to_withdraw", purpose.value) for purpose in Purpose if purpose in purposes - given]
    if not given:
        faults = [fault("nothing_to_withdraw")]
    decided_at = withdrawal.decided_at or now
    effective_from = withdrawal.effective_from or decided_at
    faults += _faults_of_decided_at(withdrawal.decided_at, before, now)
    if effective_from > decided_at:
        faults.append(fault("closing_in_future"))
    if faults:
        raise Refused(*faults)
    answers = before.answers.closing(given if Purpose.CABINET in purposes else purposes)
    return Entry(
        consent=_closed(before, answers, withdrawal.document_kind, decided_at, effective_from),
        decided_by="student" if withdrawal.representative_id == withdrawal.student_id else "representative",
        document_number=number,
        withdrawal=True,
        scan=withdrawal.scan,
    )


def end(consent: Consent, reason: EndReason, now: datetime) -> Entry | None:
    """Ends what is given because its ground is gone; None when nothing is given and nothing is left to erase."""
    if not consent.answers.given():
        return None
    answers = consent.answers.closing(consent.answers.given())
    # The instant of a decision only grows, whatever a clock did: consumers and later decisions compare it.
    decided_at = max(now, consent.decided_at)
    after = _closed(consent, answers, consent.document, decided_at, decided_at)
    return Entry(consent=after, decided_by="system", withdrawal=True, reason=reason)


def transferred(consent: Consent, school_id: SchoolId, policy: Policy, now: datetime) -> Entry | Consent:
    """What a transfer to another school makes of a consent, which named the former school as the operator.

    Returns:
        The end of what was given, or the same answers at the new school. Both await a new decision where something had
        been given; a refusal or a withdrawal needs none to stay.
    """
    here = replace(consent, school_id=school_id)
    if policy.on_transfer == "close" and (entry := end(here, EndReason.TRANSFERRED, now)) is not None:
        return replace(entry, consent=replace(entry.consent, renewal_needed=True))
    asked_anew = consent.renewal_needed or bool(consent.answers.given())
    return replace(here, revision=consent.revision + 1, renewal_needed=asked_anew)


def without_authority(
    pair: Pair, representative_id: PersonId, student_id: StudentId, now: datetime
) -> Entry | Consent | None:
    """The consent after the authority ended, also where nobody ever answered; None when that is known already.

    Returns:
        The end of what was given; or, where nothing was, the state that tells of the end.
    """
    before = pair.consent
    if before is None:
        return Consent(
            consent_id=consent_id_of(representative_id, student_id),
            representative_id=representative_id,
            student_id=student_id,
            school_id=pair.school_id,
            revision=1,
            answers=Answers(),
            no_internet=False,
            document="paper",
            email_address=None,
            language=Language.RU,
            decided_at=now,
            effective_from=now,
            authority="ended",
        )
    if before.authority == "ended":
        return None
    entry = end(before, EndReason.AUTHORITY_ENDED, now)
    if entry is not None:
        return replace(entry, consent=replace(entry.consent, authority="ended", renewal_needed=False))
    return replace(before, revision=before.revision + 1, authority="ended", renewal_needed=False)


def with_authority(consent: Consent | None) -> Consent | None:
    """The consent after the authority was restored: what had ended stays ended. None when nothing changes."""
    if consent is None or consent.authority == "in_force":
        return None
    return replace(consent, revision=consent.revision + 1, authority="in_force")


def _check_repeated(answer: Answer, known: Registered) -> None:
    """The same paper again changes nothing; the same number on another paper is somebody's slip."""
    stated = _refuse_all(answer.answers)
    same = not known.withdrawal and answer.no_internet == known.no_internet
    for purpose in Purpose:
        said, kept = stated.of(purpose), known.answers.of(purpose)
        # A refusal of something given is kept as a withdrawal; what was not said kept its former answer.
        same &= said in {kept, Decision.UNANSWERED} or (said is Decision.REFUSED and kept is Decision.WITHDRAWN)
    if not same:
        raise Refused(fault("document_number_used"))


def _refuse_all(stated: Answers) -> Answers:
    """Whoever refuses the cabinet refuses the electronic form, whatever else is ticked."""
    return Answers(*(Decision.REFUSED for _ in Purpose)) if stated.cabinet is Decision.REFUSED else stated


def _merge(stated: Answers, before: Answers) -> Answers:
    """The answers after the decision: who refuses what was given before withdraws it."""
    stated = _refuse_all(stated)

    def answer(purpose: Purpose) -> Decision:
        said, kept = stated.of(purpose), before.of(purpose)
        if said is Decision.UNANSWERED:
            return kept
        if said is Decision.REFUSED and kept in {Decision.GIVEN, Decision.WITHDRAWN}:
            return Decision.WITHDRAWN
        return said

    return Answers(*(answer(purpose) for purpose in Purpose))


def _address(answer: Answer, answers: Answers, before: Consent | None) -> str | None:
    """The e-mail address is kept only for as long as e-mail is consented to."""
    if answers.email is not Decision.GIVEN:
        return None
    return (answer.email_address or "").strip() or (before.email_address if before else None)


def _closed(
    before: Consent, answers: Answers, document: DocumentKind, decided_at: datetime, effective_from: datetime
) -> Consent:
    """The state after something was closed."""
    if answers.given():
        # One instant serves all purposes: what stays given must not begin to hold earlier than it did.
        effective_from = max(effective_from, before.effective_from)
    return replace(
        before,
        revision=before.revision + 1,
        renewal_needed=False,
        answers=answers,
        document=document,
        email_address=before.email_address if answers.email is Decision.GIVEN else None,
        language=before.language if answers.given() else Language.RU,
        decided_at=decided_at,
        effective_from=effective_from,
    )


def _effective_from(
    stated: datetime | None, answers: Answers, before: Consent | None, decided_at: datetime, now: datetime
) -> datetime:
    """Since when the answers hold.

    Consent on paper holds from its registration at the earliest: before that no screen could rely on it, and nobody may
    be said to have seen a result by it. A refusal holds from when it was decided.
    """
    if not answers.given():
        return stated or decided_at
    newly = answers.given() - (before.answers.given() if before else frozenset())
    if before and not newly:
        return max(before.effective_from, stated or before.effective_from)
    return max(stated or now, now)


def _same(before: Consent, after: Consent) -> bool:
    """Whether a decision without a number says what is registered already."""
    return replace(before, revision=0, decided_at=after.decided_at, effective_from=after.effective_from) == replace(
        after, revision=0
    )


def _faults_of_authority(answer: Answer, pair: Pair, policy: Policy, now: datetime) -> list[Fault]:
    age = age_on(pair.birth_date, local_day(now, policy)) if pair.birth_date else None
    adult = age is not None and age >= policy.adult_from_years
    if answer.representative_id == answer.student_id:
        return [] if adult else [fault("student_not_adult")]
    if not pair.in_force:
        return [fault("unknown_representation")]
    if adult:
        return [fault("student_is_adult")]
    asked = policy.agreement_required and age is not None and age >= policy.agreement_from_years
    agreed = pair.agreement == "given" if answer.student_agreed is None else answer.student_agreed
    if pair.agreement == "taken_back" and pair.agreement_since is not None:
        # A paper found late must not undo what the student said after it.
        agreed = agreed and (answer.decided_at or now) >= pair.agreement_since
    if asked and answer.answers.given() and not agreed:
        return [fault("student_agreement_missing")]
    return []


def _faults_of_answers(stated: Answers, after: Answers) -> list[Fault]:
    faults = [
        fault("withdrawal_is_apart", f"decisions.{purpose.value}")
        for purpose in Purpose
        if stated.of(purpose) is Decision.WITHDRAWN
    ]
    if all(stated.of(purpose) is Decision.UNANSWERED for purpose in Purpose):
        faults.append(fault("nothing_decided"))
    if after.given() and after.cabinet is not Decision.GIVEN:
        faults.append(fault("cabinet_needed"))
    return faults


def _faults_of_address(answers: Answers, address: str | None) -> list[Fault]:
    if answers.email is not Decision.GIVEN:
        return []
    if address is None:
        return [fault("email_address_needed")]
    if len(address) > _EMAIL_MAX or not _EMAIL.fullmatch(address):
        return [fault("email_address_invalid")]
    return []


def _faults_of_decided_at(decided_at: datetime | None, before: Consent | None, now: datetime) -> list[Fault]:
    if decided_at is None:
        return []
    if decided_at > now:
        return [fault("decided_in_future")]
    if before and decided_at < before.decided_at:
        # A paper found late must not undo what was decided after it.
        return [fault("older_than_current")]
    return []


def _faults_of_times(answer: Answer, answers: Answers, before: Consent | None, now: datetime) -> list[Fault]:
    faults = _faults_of_decided_at(answer.decided_at, before, now)
    decided_at, stated = answer.decided_at or now, answer.effective_from
    if stated is not None and answers.given() and stated < decided_at:
        faults.append(fault("giving_backdated"))
    if stated is not None and not answers.given() and stated > decided_at:
        faults.append(fault("closing_in_future"))
    return faults


def _faults_of_document(answer: Answer, policy: Policy, now: datetime) -> list[Fault]:
    missing: list[MissingPart] = missing_parts(
        answer.document,
        giving=bool(answer.answers.given()),
        for_oneself=answer.representative_id == answer.student_id,
        electronic=answer.document_kind == "electronic",
    )
    document, faults = answer.document, list[Fault](missing)
    if document.signed_on and document.signed_on > local_day(now, policy):
        faults.append(fault("signed_in_future"))
    if document.signed_at and document.signed_at > now:
        faults.append(fault("signed_in_future", "document.signed_at"))
    if document.signed_by is not None and document.signed_by != answer.representative_id:
        faults.append(fault("signed_by_another"))
    if bool(document.scan_sha256) != bool(document.scan_reference):
        faults.append(fault("scan_incomplete"))
    return faults


def _scan(document: ConsentDocument) -> Scan | None:
    return Scan(document.scan_sha256, document.scan_reference) if document.scan_sha256 else None
