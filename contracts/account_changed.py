"""A person got an account in the cabinet, or lost it. Without one, consent alone shows nobody anything."""

from datetime import UTC, datetime
from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime

from contracts.base import Fact, Instant, PersonId, example_id


class AccountChanged(Fact):
    """Whether a person can sign in to the cabinet."""

    TOPIC: ClassVar[str] = "cabinet.account-changed.v1"

    person_id: PersonId
    active: bool
    changed_at: Instant

    def aggregate(self) -> UUID:
        """The person."""
        return self.person_id

    def key(self) -> UUID:
        """The person."""
        return self.person_id

    def occurred_at(self) -> AwareDatetime:
        """When the cabinet made the change."""
        return self.changed_at


EXAMPLE = AccountChanged(
    revision=1,
    person_id=PersonId(example_id("representative")),
    active=True,
    changed_at=datetime(2026, 9, 2, 17, 0, tzinfo=UTC),
)
