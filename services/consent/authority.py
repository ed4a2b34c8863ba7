"""The rules of a representative's authority as the registry knows it: documents, terms, ends. No I/O, no clock."""

from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Literal

from contracts.base import PersonId, StudentId
from services.consent.faults import Refused, fault
from services.consent.model import AuthorityState, Pair, Policy, day_after, local_day

Kind = Literal["parent", "guardian", "other"]


class Ended(StrEnum):
    """Why an authority ended."""

    COURT = "court"
    REVOKED = "revoked"
    EXPIRED = "expired"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class AuthorityDocument:
    """What proves an authority, and until when."""

    kind: Kind
    document: str
    """Such as «свидетельство о рождении» or «акт об опеке»."""
    document_number: str
    issued_on: date | None = None
    valid_until: date | None = None
    """The last day; None: until it is ended."""


@dataclass(frozen=True, slots=True)
class Authority:
    """The present state of one representative's authority for one student."""

    representative_id: PersonId
    student_id: StudentId
    revision: int
    state: AuthorityState
    proof: AuthorityDocument
    expires_at: datetime | None
    end_reason: Ended | None
    changed_at: datetime


def registered(
    representative_id: PersonId,
    student_id: StudentId,
    proof: AuthorityDocument,
    *,
    pair: Pair | None,
    before: Authority | None,
    policy: Policy,
    now: datetime,
) -> Authority | None:
    """The authority after a document was registered: made, renewed or restored; None when it is known already.

    Raises:
        Refused: the journal knows no such representation in force, or the document has expired.
    """
    if pair is None or not pair.represented or representative_id == student_id:
        raise Refused(fault("unknown_representation"))
    if proof.valid_until is not None and proof.valid_until < local_day(now, policy):
        raise Refused(fault("authority_expired"))
    if before is not None and before.state == "in_force" and before.proof == proof:
        return None
    return Authority(
        representative_id=representative_id,
        student_id=student_id,
        revision=before.revision + 1 if before else 1,
        state="in_force",
        proof=proof,
        expires_at=day_after(proof.valid_until, policy) if proof.valid_until else None,
        end_reason=None,
        changed_at=now,
    )


def ended(
    representative_id: PersonId,
    student_id: StudentId,
    reason: Ended,
    proof: AuthorityDocument,
    *,
    pair: Pair | None,
    before: Authority | None,
    now: datetime,
) -> Authority | None:
    """The authority after its end; None when it has ended already.

    Args:
        representative_id: whose.
        student_id: for whom.
        reason: why.
        proof: the document by which it ended, such as a court's decision.
        pair: what is known of the two.
        before: the authority as it stood.
        now: the instant of registration; an end holds at once.

    Raises:
        Refused: neither the journal nor the registry ever knew an authority.
    """
    if pair is None or representative_id == student_id:
        raise Refused(fault("authority_not_known"))
    if before is not None and before.state == "ended":
        return None
    return Authority(
        representative_id=representative_id,
        student_id=student_id,
        revision=before.revision + 1 if before else 1,
        state="ended",
        proof=replace(proof, valid_until=None),
        expires_at=None,
        end_reason=reason,
        changed_at=now,
    )


def expired(authority: Authority, now: datetime) -> Authority:
    """The authority after its last day."""
    return replace(
        authority,
        revision=authority.revision + 1,
        state="ended",
        end_reason=Ended.EXPIRED,
        changed_at=now,
    )
