"""Consents and accounts."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Self
from uuid import uuid4

from contracts.account_changed import AccountChanged
from contracts.base import ConsentId, PersonId
from contracts.consent_changed import ConsentChanged, Contact, Decisions
from contracts.values import Decision
from tests.support.builders.ground import SCHOOL_YEAR_BEGINS
from tests.support.builders.people import OfStudent, PersonBuilder

GIVEN = Decisions(cabinet=Decision.GIVEN, email=Decision.GIVEN, push=Decision.UNANSWERED)
CONTACT = Contact(email="representative@example.org")


@dataclass(frozen=True)
class ConsentBuilder(OfStudent):
    """The consent of one representative for one student."""

    id: ConsentId = field(default_factory=lambda: ConsentId(uuid4()))
    representative_id: PersonId = field(default_factory=lambda: PersonId(uuid4()))
    decisions: Decisions = GIVEN
    contact: Contact | None = CONTACT
    no_internet: bool = False
    decided_at: datetime = datetime(2026, 9, 2, 8, 0, tzinfo=UTC)

    def by(self, person: PersonBuilder) -> Self:
        """Decided by this person."""
        return self.but(representative_id=person.id)

    def for_purposes(self, *, cabinet: bool = True, email: bool = True, push: bool = False) -> Self:
        """Given for these purposes, unanswered for the others."""
        chosen = {"cabinet": cabinet, "email": email, "push": push}
        return self.but(
            decisions=Decisions(**{k: Decision.GIVEN if v else Decision.UNANSWERED for k, v in chosen.items()})
        )

    def with_email(self, address: str) -> Self:
        """To be told at this address."""
        return self.but(contact=Contact(email=address))

    def without_internet(self) -> Self:
        """Stated: no internet at home, so paper."""
        return self.but(no_internet=True)

    def decided(self, at: datetime) -> Self:
        """Registered at this instant."""
        return self.but(decided_at=at)

    def refused(self) -> Self:
        """Refused from the start."""
        return self.but(decisions=_all(Decision.REFUSED), contact=None)

    def withdrawn(self, at: datetime) -> Self:
        """The next revision: taken back for every purpose."""
        return self.but(revision=self.revision + 1, decisions=_all(Decision.WITHDRAWN), contact=None, decided_at=at)

    def given_again(self, at: datetime) -> Self:
        """The next revision: given once more."""
        return self.but(
            revision=self.revision + 1,
            decisions=GIVEN,
            contact=CONTACT,
            decided_at=at,
        )

    def event(self) -> ConsentChanged:
        """What the registry says of it."""
        return ConsentChanged(
            revision=self.revision,
            consent_id=self.id,
            representative_id=self.representative_id,
            student_id=self.student_id,
            school_id=self.school_id,
            decisions=self.decisions,
            no_internet=self.no_internet,
            document="paper",
            contact=self.contact,
            decided_at=self.decided_at,
            effective_from=self.decided_at,
        )


def _all(decision: Decision) -> Decisions:
    return Decisions(cabinet=decision, email=decision, push=decision)


def a_consent() -> ConsentBuilder:
    """Given for the cabinet and e-mail."""
    return ConsentBuilder()


def an_account_of(person: PersonBuilder, *, active: bool = True, revision: int = 1) -> AccountChanged:
    """The person can sign in to the cabinet (or no longer can)."""
    return AccountChanged(
        revision=revision, person_id=person.id, active=active, changed_at=SCHOOL_YEAR_BEGINS + timedelta(days=1)
    )
