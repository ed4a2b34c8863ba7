"""A message by one channel to one recipient about one child, before it is written and after it was sent."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

from services.publisher.domain.preferences import DEFAULT_ZONE, Kind, QuietHours
from services.publisher.domain.states import NotificationState

Occasion = Literal["results", "news", "digest"]
"""What a message is about: results (critical), news at once, or a digest of news."""


@dataclass(frozen=True, slots=True)
class Item:
    """One result that a message tells."""

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
    correction: bool = False
    """The recipient could see an older value before. A grade after a deferral corrects nothing."""

    @property
    def event_kind(self) -> Kind:
        """As which kind of news it is told."""
        return result_kind(self.kind, self.state, correction=self.correction)


@dataclass(frozen=True, slots=True)
class NewsItem:
    """Something beside results that a message tells, in the state in which it was when the message was claimed."""

    news_id: UUID
    revision: int
    kind: Kind
    """MARK, HOMEWORK, RECOMMENDATION, FORECAST or TIMETABLE_CHANGE."""
    on: date | None
    """The lesson's day, the day for which homework is due, the day of the changed lesson."""
    state: Literal["current", "withdrawn"]
    """`withdrawn`: it was told before, and holds no longer."""
    correction: bool
    """The recipient was told something else about the same thing before."""
    content: Mapping[str, Any]
    """What is printed; the keys of each kind are in `services.publisher.domain.news`."""
    changed_at: datetime


@dataclass(frozen=True, slots=True)
class Letter:
    """A claimed message with everything that is needed to write it."""

    notification_id: UUID
    school_id: UUID
    student_id: UUID
    recipient_id: UUID
    attempts: int
    """With this one."""
    email: str | None
    """None when there is no address; a push needs none."""
    language: str
    given_name: str
    school_name: str
    consent_id: UUID
    consent_revision: int
    claimed_at: datetime
    items: tuple[Item, ...]
    channel: str = "email"
    occasion: Occasion = "results"
    news: tuple[NewsItem, ...] = ()
    deadline_at: datetime | None = None
    """The first deadline of what it tells: quiet hours and a push's time to live end with it."""
    zone: str = DEFAULT_ZONE
    quiet: QuietHours = field(default_factory=QuietHours)
    """A retry that would fall into them waits (`settle` sees to it)."""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left to tell: all of it was corrected or withdrawn meanwhile."""
        return not self.items and not self.news


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a claimed message."""

    letter: Letter
    state: NotificationState
    reason: str | None = None
    delay_seconds: float = 0.0
    """For a retry: how long to wait."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before a message is tried again."""

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


def without_repetition(news: Iterable[NewsItem]) -> list[NewsItem]:
    """News without the same change of a lesson told twice: as a substitution, and as the lesson's own state."""
    found: dict[tuple[Any, ...], NewsItem] = {}
    for one in news:
        is_lesson = one.kind is Kind.TIMETABLE_CHANGE and one.content.get("what") == "cancelled"
        key = (
            (one.on, one.content.get("number"), one.content.get("subject"), one.state) if is_lesson else (one.news_id,)
        )
        found.setdefault(key, one)
    return list(found.values())


def result_kind(kind: str, state: str, *, correction: bool) -> Kind:
    """As which kind of news a result is told."""
    if state == "deferred":
        return Kind.DEFERRAL
    if correction:
        return Kind.CORRECTION
    return Kind.FINAL_GRADE if kind == "final_grade" else Kind.EXAM_RESULT
