"""What the registry speaks of: answers, consents, those who decide, and the rules of age."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Literal
from uuid import uuid5
from zoneinfo import ZoneInfo

from contracts.base import EVENT_NAMESPACE, ConsentId, PersonId, SchoolId, StudentId
from contracts.values import Decision, Language
from services.consent.document import ConsentDocument

DocumentKind = Literal["paper", "electronic"]
AuthorityState = Literal["in_force", "ended"]
AgreementState = Literal["due", "missing", "given", "taken_back"]
"""Of a student between the two ages: asked for, not given within its term, given, taken back."""


class Purpose(StrEnum):
    """What the data may be used for. Each is decided for itself, but nothing electronic goes without the cabinet."""

    CABINET = "cabinet"
    EMAIL = "email"
    PUSH = "push"


class EndReason(StrEnum):
    """Why the system ended a consent that nobody withdrew."""

    AUTHORITY_ENDED = "authority_ended"
    STUDENT_ADULT = "student_adult"
    PERSON_ERASED = "person_erased"
    TRANSFERRED = "transferred"
    AGREEMENT_MISSING = "agreement_missing"
    AGREEMENT_TAKEN_BACK = "agreement_taken_back"


@dataclass(frozen=True, slots=True)
class Answers:
    """What was decided for each purpose."""

    cabinet: Decision = Decision.UNANSWERED
    email: Decision = Decision.UNANSWERED
    push: Decision = Decision.UNANSWERED

    def of(self, purpose: Purpose) -> Decision:
        """The decision about one purpose."""
        return {Purpose.CABINET: self.cabinet, Purpose.EMAIL: self.email, Purpose.PUSH: self.push}[purpose]

    def given(self) -> frozenset[Purpose]:
        """The purposes that are consented to."""
        return frozenset(purpose for purpose in Purpose if self.of(purpose) is Decision.GIVEN)

    def closing(self, purposes: frozenset[Purpose]) -> "Answers":
        """The same with these purposes withdrawn."""
        return Answers(*(Decision.WITHDRAWN if purpose in purposes else self.of(purpose) for purpose in Purpose))


@dataclass(frozen=True, slots=True)
class Consent:
    """The present state of the consent of one representative for one student (from 18, of the student themself)."""

    consent_id: ConsentId
    representative_id: PersonId
    student_id: StudentId
    school_id: SchoolId
    revision: int
    answers: Answers
    no_internet: bool
    document: DocumentKind
    email_address: str | None
    language: Language
    decided_at: datetime
    effective_from: datetime
    authority: AuthorityState = "in_force"
    """What the registry knows of the authority by document and term; the journal's own word is not in it."""
    renewal_needed: bool = False
    """The student came to another school, and its consent was not asked yet."""


@dataclass(frozen=True, slots=True)
class Registered:
    """A document number that the pair's history already holds, and what was decided by it."""

    answers: Answers
    no_internet: bool
    withdrawal: bool


@dataclass(frozen=True, slots=True)
class Pair:
    """Everything known about a representative and a student when a decision arrives."""

    school_id: SchoolId
    birth_date: date | None
    in_force: bool
    """Whether the authority is, by the journal and by the registry; meaningless where the student decides alone."""
    consent: Consent | None = None
    represented: bool = True
    """What the journal alone says."""
    agreement: AgreementState | None = None
    """Of the student; None: never asked."""
    agreement_since: datetime | None = None
    """When it was decided or first asked for."""
    numbers: Mapping[str, Registered] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Scan:
    """The picture of a paper, which is kept elsewhere."""

    sha256: str
    """Hexadecimal."""
    reference: str
    """Where it is kept: opaque here."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Consent or refusal as it arrives, purpose by purpose. An unanswered purpose keeps its former answer."""

    representative_id: PersonId
    student_id: StudentId
    answers: Answers
    document_kind: DocumentKind
    document: ConsentDocument
    no_internet: bool = False
    email_address: str | None = None
    language: Language = Language.RU
    student_agreed: bool | None = None
    decided_at: datetime | None = None
    """When the person decided; the moment of registration if nothing is said."""
    effective_from: datetime | None = None


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """Consent taken back, for some purposes or (none named) for all that were given."""

    representative_id: PersonId
    student_id: StudentId
    purposes: frozenset[Purpose] = frozenset()
    document_kind: DocumentKind = "paper"
    document_number: str = ""
    scan: Scan | None = None
    decided_at: datetime | None = None
    effective_from: datetime | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """Rules of age and of transfer. The law leaves them open, so a district sets them."""

    adult_from_years: int = 18
    agreement_from_years: int = 14
    agreement_required: bool = True
    """Whether consent for a student between the two ages needs the student's own agreement."""
    time_zone: str = "Europe/Moscow"
    """Where a birthday begins, and where a day ends on which an authority was valid to the last."""
    agreement_missing: Literal["keep", "close"] = "keep"
    """What becomes of the representatives' consents when the agreement is still missing after its term."""
    agreement_term_days: int = 30
    """How long the agreement may be missing after it was first asked for."""
    on_transfer: Literal["keep", "close"] = "close"
    """What becomes of consents when the student comes to another school, until that one has asked anew."""


DEFAULT_POLICY = Policy()


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the history, and the state that it led to."""

    consent: Consent
    decided_by: Literal["representative", "student", "system"]
    document_number: str = ""
    withdrawal: bool = False
    reason: EndReason | None = None
    student_agreed: bool | None = None
    contents: ConsentDocument | None = None
    scan: Scan | None = None
    session_reference: str = ""
    """Of a decision made electronically: in which sign-in."""


def consent_id_of(representative_id: PersonId, student_id: StudentId) -> ConsentId:
    """The id of a pair's consent: it follows from the pair, so that a rebuilt registry has the same."""
    return ConsentId(uuid5(EVENT_NAMESPACE, f"consent/{representative_id}/{student_id}"))


def age_on(birth_date: date, day: date) -> int:
    """Full years; who was born on 29 February turns a year older on 1 March of a common year."""
    return day.year - birth_date.year - ((day.month, day.day) < (birth_date.month, birth_date.day))


def born_by(day: date, years: int) -> date:
    """The latest birth date of those who are `years` old on that day: the same rule as `age_on`, for a query."""
    try:
        return day.replace(year=day.year - years)
    except ValueError:  # 29 February in a year that has none
        return date(day.year - years, 2, 28)


def day_after(day: date, policy: Policy) -> datetime:
    """The instant at which a day has passed, where the registry is."""
    return datetime.combine(day + timedelta(days=1), time(), ZoneInfo(policy.time_zone))


def local_day(now: datetime, policy: Policy) -> date:
    """The date on which a birthday is judged."""
    return now.astimezone(ZoneInfo(policy.time_zone)).date()
