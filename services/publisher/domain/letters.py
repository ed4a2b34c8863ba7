"""A mail to one recipient about one child, before it is written and after it was sent."""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from services.publisher.domain.states import NotificationState


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a mail."""

    result_id: UUID
    value_revision: int
    kind: str
    state: str
    subject_title: str
    title: str | None
    period_kind: str | None
    period_number: int | None
    value: str | None
    score: Decimal | None
    max_score: Decimal | None
    deferred_until: date | None


@dataclass(frozen=True, slots=True)
class Letter:
    """A claimed mail with everything that is needed to write it."""

    notification_id: UUID
    school_id: UUID
    student_id: UUID
    recipient_id: UUID
    attempts: int
    """With this one."""
    email: str | None
    """None when the consent was withdrawn while the mail was being claimed."""
    language: str
    given_name: str
    school_name: str
    consent_id: UUID
    consent_revision: int
    claimed_at: datetime
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a claimed mail."""

    letter: Letter
    state: NotificationState
    reason: str | None = None
    delay_seconds: float = 0.0
    """For a retry: how long to wait."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before a mail is tried again."""

    base_seconds: float
    max_seconds: float

    def delay_seconds(self, attempts: int, chance: float) -> float:
        """Exponential, with jitter so that what failed together does not come back together.

        Args:
            attempts: How many there were, from 1.
            chance: A random number from 0 to 1.
        """
        longest: float = min(self.max_seconds, self.base_seconds * 2 ** min(attempts - 1, 30))
        return longest * (0.5 + chance / 2)
