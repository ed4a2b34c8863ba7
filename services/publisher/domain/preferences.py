"""Which news reach a recipient by which channel and when: defaults, what may be chosen, quiet hours, digests.

Rules: clause C6 and docs/notifications.md. Critical kinds are told at once and can be switched off on one channel,
never on every channel that consent allows.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

DEFAULT_ZONE: Final = "Europe/Moscow"


class Channel(StrEnum):
    """An electronic way to tell somebody."""

    PUSH = "push"
    EMAIL = "email"


class Kind(StrEnum):
    """What is told."""

    FINAL_GRADE = "final_grade"
    EXAM_RESULT = "exam_result"
    DEFERRAL = "deferral"
    CORRECTION = "correction"
    MARK = "mark"
    TIMETABLE_CHANGE = "timetable_change"
    HOMEWORK = "homework"
    RECOMMENDATION = "recommendation"
    FORECAST = "forecast"


class Mode(StrEnum):
    """When it is told."""

    OFF = "off"
    INSTANT = "instant"
    DAILY = "daily"
    WEEKLY = "weekly"


CRITICAL: Final = frozenset({Kind.FINAL_GRADE, Kind.EXAM_RESULT, Kind.DEFERRAL, Kind.CORRECTION})
"""What the family has to learn (C6): at once or not at all on a channel, and on one channel at least."""

DEFAULTS: Final[Mapping[Kind, Mapping[Channel, Mode]]] = {
    Kind.FINAL_GRADE: {Channel.EMAIL: Mode.INSTANT, Channel.PUSH: Mode.INSTANT},
    Kind.EXAM_RESULT: {Channel.EMAIL: Mode.INSTANT, Channel.PUSH: Mode.INSTANT},
    Kind.DEFERRAL: {Channel.EMAIL: Mode.INSTANT, Channel.PUSH: Mode.INSTANT},
    Kind.CORRECTION: {Channel.EMAIL: Mode.INSTANT, Channel.PUSH: Mode.INSTANT},
    Kind.MARK: {Channel.EMAIL: Mode.DAILY, Channel.PUSH: Mode.OFF},
    Kind.TIMETABLE_CHANGE: {Channel.EMAIL: Mode.INSTANT, Channel.PUSH: Mode.INSTANT},
    Kind.HOMEWORK: {Channel.EMAIL: Mode.DAILY, Channel.PUSH: Mode.OFF},
    Kind.RECOMMENDATION: {Channel.EMAIL: Mode.DAILY, Channel.PUSH: Mode.OFF},
    Kind.FORECAST: {Channel.EMAIL: Mode.WEEKLY, Channel.PUSH: Mode.OFF},
}
"""What holds where nothing was chosen. A digest by push is a bare pointer to the diary, so none is sent unasked."""

FALLING_ORDER: Final = (Channel.PUSH, Channel.EMAIL)
"""What fails on a channel falls to the next one behind it, and what was critical in the end to paper."""


@dataclass(frozen=True, slots=True)
class QuietHours:
    """The hours of a local day in which nobody is disturbed, from one time to another, usually over midnight."""

    starts: time = time(21)
    ends: time = time(7)

    def end_after(self, at: datetime, zone: str) -> datetime | None:
        """When the quiet hours in which an instant lies are over; None when it lies in none.

        Where a clock change makes the end ambiguous, the earlier one counts; one that is skipped ends with the change.
        """
        if self.starts == self.ends:
            return None
        place = zone_of(zone)
        local = at.astimezone(place)
        clock = local.time().replace(tzinfo=None)
        over_midnight = self.ends < self.starts
        inside = clock >= self.starts or clock < self.ends if over_midnight else self.starts <= clock < self.ends
        if not inside:
            return None
        day = local.date() + timedelta(days=1 if over_midnight and clock >= self.starts else 0)
        end = _instant(day, self.ends, place)
        # In the night in which clocks go back, the end may have been already when they show an earlier time again.
        return end if end > at else None


NO_QUIET: Final = QuietHours(time(0), time(0))


@dataclass(frozen=True, slots=True)
class Preferences:
    """What a recipient chose about one child; empty parts follow the defaults."""

    modes: Mapping[tuple[Kind, Channel], Mode] = field(default_factory=dict)
    quiet: QuietHours | None = None
    digest_hour: int | None = None
    """0–23, in the school's time zone."""
    digest_weekday: int | None = None
    """ISO: 1 is Monday."""
    changed_at: datetime | None = None
    revision: int = 0

    def mode(self, kind: Kind, channel: Channel) -> Mode:
        """When a kind is told on a channel, whatever consent says."""
        return self.modes.get((kind, channel), DEFAULTS[kind][channel])

    def in_mode(self, channel: Channel, *modes: Mode) -> frozenset[Kind]:
        """The kinds that are told on a channel in one of these ways."""
        return frozenset(kind for kind in Kind if self.mode(kind, channel) in modes)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a choice cannot be taken."""

    kind: Kind
    channel: Channel | None
    code: str


def refusals(chosen: Preferences, allowed: Collection[Channel]) -> list[Refusal]:
    """What is wrong with a choice; an empty list when it may be taken.

    Args:
        chosen: The whole choice.
        allowed: The channels that consent allows now. Where it allows none, there is nothing to insist on.
    """
    found = [
        Refusal(kind, channel, "critical_is_not_for_digests")
        for (kind, channel), mode in sorted(chosen.modes.items())
        if kind in CRITICAL and mode not in (Mode.OFF, Mode.INSTANT)
    ]
    if allowed:
        found += [
            Refusal(kind, None, "critical_off_everywhere")
            for kind in sorted(CRITICAL)
            if all(chosen.mode(kind, channel) is Mode.OFF for channel in allowed)
        ]
    return found


def channels_at_once(kind: Kind, chosen: Preferences, allowed: Collection[Channel]) -> tuple[Channel, ...]:
    """The channels by which something is told at once.

    Where consent for the only chosen channel of something critical has ended, the first that remains takes its place.
    """
    remaining = [channel for channel in FALLING_ORDER if channel in allowed]
    wanted = tuple(channel for channel in remaining if chosen.mode(kind, channel) is Mode.INSTANT)
    if not wanted and kind in CRITICAL:
        return tuple(remaining[:1])
    return wanted


def next_channel(allowed: Collection[Channel], failed: Collection[Channel]) -> Channel | None:
    """The channel to which something critical falls; None when only paper is left.

    Args:
        allowed: The channels that consent allows now.
        failed: Where it failed already.
    """
    return next((one for one in FALLING_ORDER if one in allowed and one not in failed), None)


def send_at(
    wanted: datetime,
    *,
    zone: str,
    quiet: QuietHours,
    deadline: datetime | None = None,
    deadline_lead: timedelta = timedelta(0),
) -> datetime:
    """When something is sent that could be at an instant: not in quiet hours, unless its deadline comes earlier.

    Args:
        wanted: The earliest instant.
        zone: The school's time zone.
        quiet: The recipient's quiet hours.
        deadline: By when it has to be told, if it has to.
        deadline_lead: So long before the deadline the quiet hours end for it.
    """
    end = quiet.end_after(wanted, zone)
    if end is None:
        return wanted
    return end if deadline is None else min(end, max(wanted, deadline - deadline_lead))


def next_digest(after: datetime, *, zone: str, hour: int) -> datetime:
    """The first daily digest behind an instant."""
    place = zone_of(zone)
    day = after.astimezone(place).date() - timedelta(days=1)
    while (found := _instant(day, time(hour), place)) <= after:
        day += timedelta(days=1)
    return found


def last_digest(until: datetime, *, zone: str, hour: int) -> datetime:
    """The last daily digest up to an instant, with that itself."""
    place = zone_of(zone)
    day = until.astimezone(place).date() + timedelta(days=1)
    while (found := _instant(day, time(hour), place)) > until:
        day -= timedelta(days=1)
    return found


def last_weekly_digest(until: datetime, *, zone: str, hour: int, weekday: int) -> datetime:
    """The last weekly digest up to an instant, with that itself; `weekday` as ISO has it."""
    place = zone_of(zone)
    day = until.astimezone(place).date() + timedelta(days=1)
    while day.isoweekday() != weekday or (found := _instant(day, time(hour), place)) > until:
        day -= timedelta(days=1)
    return found


def local_day(at: datetime, zone: str) -> date:
    """Which day it is at the school."""
    return at.astimezone(zone_of(zone)).date()


def start_of_day(day: date, zone: str, clock: time = time(0)) -> datetime:
    """The instant at which the school's clocks show a time on a day."""
    return _instant(day, clock, zone_of(zone))


def zone_of(name: str | None) -> ZoneInfo:
    """The time zone of this name; one that is not known here would stop every message of its school."""
    try:
        return ZoneInfo(name or DEFAULT_ZONE)
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo(DEFAULT_ZONE)


def _instant(day: date, clock: time, place: ZoneInfo) -> datetime:
    return datetime.combine(day, clock, place).astimezone(ZoneInfo("UTC"))
