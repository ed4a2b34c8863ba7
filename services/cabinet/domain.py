"""Who may see what, and what a page computes from it. Pure: no I/O, no clock of its own.

The database decides again by row-level security (migrations/0001_cabinet.sql); a test holds both against each other.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from typing import Protocol
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

from contracts.values import Decision

DEFAULT_TIME_ZONE = "Europe/Moscow"
SCHOOL_YEAR_STARTS_MONTH = 9
_NUMBERS = frozenset({"1", "2", "3", "4", "5"})


@dataclass(frozen=True)
class Rules:
    """What a district sets."""

    consent_stale_after: timedelta = timedelta(seconds=60)
    majority_age_years: int = 18


@dataclass(frozen=True)
class Heartbeat:
    """Up to which instant one partition of the consents' topic has been read."""

    partition: int
    as_of: datetime
    partitions: int


@dataclass(frozen=True)
class Consent:
    """What a representative decided about the cabinet for a student; from majority on, the student for themself."""

    representative_id: UUID
    student_id: UUID
    cabinet: Decision
    effective_from: datetime

    def in_force(self, now: datetime) -> bool:
        """Whether consent is given and already holds."""
        return self.cabinet is Decision.GIVEN and self.effective_from <= now


@dataclass(frozen=True)
class Student:
    """What decides who may read about a student."""

    student_id: UUID
    birth_date: date | None
    time_zone: str
    representatives: frozenset[UUID]
    """Those whose authority is in force."""


@dataclass(frozen=True)
class ResultVersion:
    """One value of one result, as far as the decision whether to show it needs it."""

    result_id: UUID
    value_revision: int
    student_id: UUID
    held: bool
    due_at: datetime
    withdrawn: bool = False


class Access(StrEnum):
    """Why a page about a student is open or closed. Told to the reader in words."""

    OPEN = "open"
    STALE = "stale"
    """The cabinet has not heard from the registry of consents for too long."""
    UNANSWERED = "unanswered"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    NOT_YET = "not_yet"
    """Consent is given and begins later."""
    OF_AGE = "of_age"
    """The student is of age and decides alone; the reader is a representative."""
    OWN_CONSENT_MISSING = "own_consent_missing"
    """The student is of age and has not consented."""
    REPRESENTATIVES_CONSENT_MISSING = "representatives_consent_missing"
    """The student reads, and no representative's consent is in force."""
    FOREIGN = "foreign"
    """Neither the student nor a representative with authority: answered as if there were no such page."""


def time_zone_or_default(name: str) -> str:
    """The name of a time zone, or the default if there is no such: a school's typing error must close no page."""
    return name if name in available_timezones() else DEFAULT_TIME_ZONE


def majority_at(birth_date: date | None, time_zone: str, years: int) -> datetime | None:
    """The instant at which a person comes of age: midnight of the birthday where the school is.

    Whoever is born on 29 February comes of age on 1 March where the year has no 29th. None if the birthday is unknown.
    """
    if birth_date is None:
        return None
    year = birth_date.year + years
    try:
        birthday = birth_date.replace(year=year)
    except ValueError:
        birthday = date(year, 3, 1)
    return datetime.combine(birthday, time(), ZoneInfo(time_zone)).astimezone(UTC)


def of_age(student: Student, now: datetime, rules: Rules) -> bool:
    """Whether the student decides alone. A student without a known birthday does not."""
    majority = majority_at(student.birth_date, student.time_zone, rules.majority_age_years)
    return majority is not None and now >= majority


def consents_fresh(heartbeats: Collection[Heartbeat], now: datetime, rules: Rules) -> bool:
    """Whether the view of consents may be trusted: every partition was heard from a short time ago (I2)."""
    heard = {beat.partition: beat for beat in heartbeats if beat.partition < beat.partitions}
    if not heard or len(heard) < max(beat.partitions for beat in heard.values()):
        return False
    return min(beat.as_of for beat in heard.values()) >= now - rules.consent_stale_after


def access(
    reader: UUID, student: Student, consents: Sequence[Consent], *, fresh: bool, now: datetime, rules: Rules
) -> Access:
    """Whether `reader` may read about `student` now, and if not, why not.

    Args:
        reader: who asks.
        student: about whom.
        consents: all that are known about this student.
        fresh: whether the view of consents is fresh.
        now: the present instant.
        rules: the district's settings.
    """
    grown = of_age(student, now, rules)
    if reader == student.student_id:
        deciders = frozenset({reader}) if grown else student.representatives - {reader}
        missing = Access.OWN_CONSENT_MISSING if grown else Access.REPRESENTATIVES_CONSENT_MISSING
    elif reader in student.representatives:
        if grown:
            return Access.OF_AGE
        deciders, missing = frozenset({reader}), None
    else:
        return Access.FOREIGN
    answers = [
        item for item in consents if item.student_id == student.student_id and item.representative_id in deciders
    ]
    if any(item.in_force(now) for item in answers):
        return Access.OPEN if fresh else Access.STALE
    return missing or _why_not(answers)


def _why_not(answers: Sequence[Consent]) -> Access:
    decisions = {item.cabinet for item in answers}
    if Decision.GIVEN in decisions:
        return Access.NOT_YET
    if Decision.WITHDRAWN in decisions:
        return Access.WITHDRAWN
    return Access.REFUSED if Decision.REFUSED in decisions else Access.UNANSWERED


def released(version: ResultVersion, now: datetime) -> bool:
    """Whether the version is no longer kept back: not held, or its 24 hours are over (C6, I3)."""
    return version.withdrawn or not version.held or now >= version.due_at


def shown(versions: Sequence[ResultVersion], now: datetime) -> list[ResultVersion]:
    """Of each result the newest version that is not kept back; a withdrawn one takes its result away."""
    newest: dict[UUID, ResultVersion] = {}
    for version in sorted(versions, key=lambda item: item.value_revision):
        if released(version, now):
            newest[version.result_id] = version
    return [version for version in newest.values() if not version.withdrawn]


class Weighted(Protocol):
    """A mark as far as its average needs it."""

    @property
    def value(self) -> str:
        """As in `contracts.values.MarkValue`."""
        ...

    @property
    def weight(self) -> Decimal:
        """How much it counts."""
        ...


def weighted_mean(marks: Sequence[Weighted]) -> Decimal | None:
    """The weighted mean to two digits, rounded half up; None if there is no number (passed and failed are none)."""
    counted = [(Decimal(mark.value), mark.weight) for mark in marks if mark.value in _NUMBERS]
    total = sum((weight for _, weight in counted), Decimal(0))
    if not total:
        return None
    return (sum((value * weight for value, weight in counted), Decimal(0)) / total).quantize(
        Decimal("0.01"), ROUND_HALF_UP
    )


def school_year_of(day: date) -> str:
    """The school year of a date, such as `2026/2027`."""
    first = day.year if day.month >= SCHOOL_YEAR_STARTS_MONTH else day.year - 1
    return f"{first}/{first + 1}"


@dataclass(frozen=True)
class Span:
    """A stretch of days, both ends included."""

    first: date
    last: date


def school_year_span(school_year: str) -> Span:
    """From 1 September to 31 August."""
    first = int(school_year[:4])
    return Span(
        date(first, SCHOOL_YEAR_STARTS_MONTH, 1), date(first + 1, SCHOOL_YEAR_STARTS_MONTH, 1) - timedelta(days=1)
    )


def current_span(today: date, closed: Collection[Span]) -> Span:
    """The reporting period that runs: from the day after the last one that has ended, within this school year.

    Args:
        today: where the school is.
        closed: periods of which a final grade is known.
    """
    year = school_year_span(school_year_of(today))
    ended = [period.last for period in closed if year.first <= period.last < today]
    return Span(max(ended) + timedelta(days=1) if ended else year.first, year.last)
