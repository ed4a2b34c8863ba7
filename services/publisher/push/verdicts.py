"""What the answers of push services mean (RFC 8030, RFC 8292). Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from services.publisher.domain.states import NotificationState

THROTTLED_SECONDS: Final = 60.0
"""How long to wait after a 429 that does not say it."""
_LATER: Final = frozenset({408, 425})
_LONGEST_NUMBER: Final = 9


class Fate(StrEnum):
    """What became of one message at one browser's push service."""

    ACCEPTED = "accepted"
    GONE = "gone"
    """The browser has unsubscribed: 404, 410."""
    THROTTLED = "throttled"
    """Too many at once: 429."""
    REFUSED = "refused"
    """It does not believe that we are who we say: 401, 403."""
    REJECTED = "rejected"
    """It did not understand the message: 400, 413 and whatever else should never happen. A fault of ours."""
    LATER = "later"
    """It could not: 5xx; or it was not reached."""
    UNCLEAR = "unclear"
    """It was reached, and nobody knows whether it took the message."""
    SUSPENDED = "suspended"
    """Nothing was said to it, since it refused our key a while ago."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One of them."""

    fate: Fate
    status: int | None = None
    reason: str = ""
    """A code for a message that ends by it."""
    wait_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of a message at one subscription."""

    subscription_id: UUID
    origin: str
    service: str
    answer: Answer
    contacted: bool = True


def retry_after_seconds(value: str | None, date: str | None, now: datetime) -> float | None:
    """Reads Retry-After (RFC 9110, section 10.2.3): seconds, or an HTTP date by the clock of who sent it.

    Args:
        value: the header.
        date: the answer's Date header: by it the wait is the same whatever our clock says.
        now: what to compare with when there is none.

    Returns:
        None when it is missing or neither; never negative.
    """
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return float(text) if len(text) <= _LONGEST_NUMBER else float(10**_LONGEST_NUMBER)
    instant = _http_date(text)
    if instant is None:
        return None
    return max(0.0, (instant - (_http_date(date or "") or now)).total_seconds())


def _http_date(text: str) -> datetime | None:
    try:
        instant = parsedate_to_datetime(text)
    except (ValueError, IndexError, OverflowError):
        return None
    return instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)


def judge(status: int, retry_after: float | None, longest_wait_seconds: float) -> Answer:
    """What a status means.

    Args:
        status: the answer's.
        retry_after: what it says about when to come again, in seconds.
        longest_wait_seconds: no service may hold us up for longer.
    """
    reason = f"push_{status}"
    if 200 <= status < 300:
        return Answer(Fate.ACCEPTED, status)
    if status in (404, 410):
        return Answer(Fate.GONE, status, "no_subscription")
    if status == 429:
        wait = THROTTLED_SECONDS if retry_after is None else max(1.0, retry_after)
        return Answer(Fate.THROTTLED, status, reason, min(wait, longest_wait_seconds))
    if status in (401, 403):
        return Answer(Fate.REFUSED, status, reason)
    if status >= 500 or status in _LATER:
        return Answer(Fate.LATER, status, reason, min(retry_after or 0.0, longest_wait_seconds))
    return Answer(Fate.REJECTED, status, reason)


_ORDER: Final = (Fate.REJECTED, Fate.REFUSED, Fate.SUSPENDED, Fate.GONE)
"""Which of several reasons for a failure is the one to be told: what somebody has to repair comes first."""


def conclude(answers: Sequence[Answer], *, repeatable: bool) -> tuple[NotificationState, str | None, float]:
    """What follows for the message from what became of it at each of the recipient's browsers.

    Args:
        answers: one for each subscription.
        repeatable: whether a message that may have arrived may be sent again.

    Returns:
        Its state, a reason, and for a retry how long to wait at least, in seconds.
    """
    fates = {one.fate for one in answers}
    if Fate.ACCEPTED in fates:
        return NotificationState.SENT, None, 0.0
    unclear = [one for one in answers if one.fate is Fate.UNCLEAR]
    if unclear and not repeatable:
        return NotificationState.UNDECIDED, unclear[0].reason, 0.0
    waiting = [one for one in answers if one.fate in (Fate.LATER, Fate.THROTTLED, Fate.UNCLEAR)]
    if waiting:
        soonest = min(waiting, key=lambda one: one.wait_seconds)
        return NotificationState.RETRY, soonest.reason, soonest.wait_seconds
    for fate in _ORDER:
        found = [one for one in answers if one.fate is fate]
        if found:
            return NotificationState.FAILED, found[0].reason, 0.0
    return NotificationState.FAILED, "no_subscription", 0.0


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known about a push service under our present key."""

    accepted_at: datetime | None = None
    suspended_until: datetime | None = None


def refusals_are_ours(standing: Standing, now: datetime, trust: timedelta) -> bool:
    """Whether a push service that refused us does not know our key any more, so that all its browsers are out of reach.

    It is not so if it took a message of ours just now: then the browser that was refused belongs to another key. Else
    one such browser, which anybody may bring, would silence the push service for everybody.

    Args:
        standing: of the push service.
        now: the present instant.
        trust: for how long an accepted message proves that the key is good.
    """
    return standing.accepted_at is None or standing.accepted_at < now - trust
