"""Which stretches of time a digest tells, and when the next one is made."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid5

from contracts.base import EVENT_NAMESPACE
from services.publisher.domain.preferences import (
    Channel,
    Kind,
    Mode,
    Preferences,
    last_digest,
    last_weekly_digest,
    next_digest,
)


@dataclass(frozen=True, slots=True)
class Window:
    """News of these kinds that were received since one instant and before another."""

    since: datetime
    until: datetime
    kinds: frozenset[Kind]
    untold_only: bool = False
    """Not what was told at once."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When digests of a recipient are made."""

    zone: str
    hour: int
    weekday: int


@dataclass(frozen=True, slots=True)
class Plan:
    """One digest: what it tells, and from where the next one reads."""

    until: datetime
    """Where it ends; with recipient, child and channel it is what the digest's id follows from."""
    windows: tuple[Window, ...]
    due_at: datetime
    daily_from: datetime
    weekly_from: datetime


def plan(
    *,
    due_at: datetime,
    daily_from: datetime,
    weekly_from: datetime,
    read_until: datetime,
    channel: Channel,
    preferences: Preferences,
    schedule: Schedule,
) -> Plan:
    """What a digest tells that is due.

    It ends at the last appointed instant, whenever that is noticed: so every process makes the same one, and what was
    missed for days comes in one message.

    Args:
        due_at: When it was to be made.
        daily_from: What was received before was in an earlier digest, of what is told daily.
        weekly_from: The same of what is told weekly.
        read_until: Nothing is going to be received any more before this instant; not before `due_at`.
        channel: By which it goes.
        preferences: The recipient's.
        schedule: When the recipient's digests are made.
    """
    until = max(due_at, last_digest(read_until, zone=schedule.zone, hour=schedule.hour))
    weekly_end = last_weekly_digest(until, zone=schedule.zone, hour=schedule.hour, weekday=schedule.weekday)
    windows = [Window(daily_from, until, preferences.in_mode(channel, Mode.DAILY))]
    if weekly_end > weekly_from:
        windows.append(Window(weekly_from, until, preferences.in_mode(channel, Mode.WEEKLY)))
    changed = preferences.changed_at
    if changed is not None and changed > daily_from:
        # What had gathered for a digest when the recipient chose to be told at once.
        at_once = preferences.in_mode(channel, Mode.INSTANT)
        windows.append(Window(daily_from, min(changed, until), at_once, untold_only=True))
    return Plan(
        until,
        tuple(window for window in windows if window.kinds and window.since < window.until),
        next_digest(max(until, read_until), zone=schedule.zone, hour=schedule.hour),
        until,
        until if weekly_end > weekly_from else weekly_from,
    )


def digest_id(recipient_id: UUID, student_id: UUID, channel: Channel, until: datetime) -> UUID:
    """The same for the same digest, however often it is made."""
    return uuid5(EVENT_NAMESPACE, f"digest/{recipient_id}/{student_id}/{channel}/{until.isoformat()}")
