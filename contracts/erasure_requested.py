"""Personal data of a person is to be erased everywhere: the term is over, or somebody entitled asked for it."""

from datetime import UTC, datetime
from enum import StrEnum
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.base import ErasureId, Fact, Instant, PersonId, ReasonCode, StudentId, example_id


class ErasedPart(StrEnum):
    """What belongs to one purpose of a consent, and goes with it."""

    ACCOUNT = "account"
    """Sign-in to the cabinet: login, password, sessions, invitation."""
    EMAIL = "email"
    """The address, its language, and what keeps it from being written to."""
    PUSH = "push"
    """Subscriptions of browsers."""


class ErasureRequested(Fact):
    """Every service that holds data of the person erases it and answers with `data-erased`.

    A service looks at what is in force in its own view at that moment: what a consent still covers is not erased.
    """

    TOPIC: ClassVar[str] = "consent.erasure-requested.v1"

    erasure_id: ErasureId
    person_id: PersonId
    """Whose data goes."""
    student_id: StudentId | None = None
    """For `electronic_contact`: the child for whom the consent was."""
    scope: Literal["electronic_contact", "person"]
    """Contact data and sign-in only, or everything that the law does not order to be kept."""
    parts: list[ErasedPart] = Field(default_factory=list)
    """For `electronic_contact`: which purposes ended."""
    ground: ReasonCode
    requested_at: Instant
    consent_revision: int | None = Field(default=None, ge=1)
    """For `electronic_contact`: the last revision of the pair's consent that was decided by then. A service that knows
    an earlier one is behind: what that one says covers nothing."""

    def aggregate(self) -> UUID:
        """The erasure."""
        return self.erasure_id

    def key(self) -> UUID:
        """The student where there is one, else the person."""
        return self.student_id or self.person_id

    def occurred_at(self) -> AwareDatetime:
        """When it became due, or was carried out before that."""
        return self.requested_at


EXAMPLE = ErasureRequested(
    revision=1,
    erasure_id=ErasureId(example_id("erasure")),
    person_id=PersonId(example_id("representative")),
    student_id=StudentId(example_id("student")),
    scope="electronic_contact",
    parts=[ErasedPart.ACCOUNT, ErasedPart.EMAIL],
    ground="consent_withdrawn",
    requested_at=datetime(2026, 10, 2, 8, 0, tzinfo=UTC),
    consent_revision=2,
)
