"""The life of an extract, its number, and what stands on its sheet. Pure: no I/O, no clock."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Literal
from uuid import UUID, uuid5
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from contracts.base import EVENT_NAMESPACE, ExtractId, RequestId, ResultId
from contracts.values import ResultVersion

DEFAULT_TIME_ZONE = "Europe/Moscow"

Asked = Literal["requested", "cancelled"]
"""What the publisher says about a request."""


class ExtractState(StrEnum):
    """Where an extract stands."""

    REQUESTED = "requested"
    """Asked for; may still wait for a name or a result."""
    NUMBERED = "numbered"
    """Has its number and date in the register and waits to be rendered (anew, when what it says was corrected)."""
    RENDERED = "rendered"
    """Lies in the school's print queue."""
    PRINTED = "printed"
    """Printed and registered: available by paper."""
    HANDED_OVER = "handed_over"
    CANCELLED = "cancelled"
    """Not needed any more before it was printed; a number that it had is annulled and never used again."""


TRANSITIONS: Mapping[ExtractState, frozenset[ExtractState]] = {
    ExtractState.REQUESTED: frozenset({ExtractState.NUMBERED, ExtractState.CANCELLED}),
    ExtractState.NUMBERED: frozenset({ExtractState.RENDERED, ExtractState.CANCELLED}),
    ExtractState.RENDERED: frozenset({ExtractState.NUMBERED, ExtractState.PRINTED, ExtractState.CANCELLED}),
    ExtractState.PRINTED: frozenset({ExtractState.NUMBERED, ExtractState.HANDED_OVER}),
    ExtractState.HANDED_OVER: frozenset(),
    ExtractState.CANCELLED: frozenset({ExtractState.REQUESTED}),
}
"""From a state to those that may follow. Printed goes back to numbered when the printer jammed."""

SETTLED = frozenset({ExtractState.PRINTED, ExtractState.HANDED_OVER})
"""A sheet on paper is a fact that no request undoes."""


class Lack(StrEnum):
    """What an extract waits for."""

    SCHOOL = "school"
    STUDENT = "student"
    RECIPIENT = "recipient"
    RESULTS = "results"
    RENDERING_FAILED = "rendering_failed"


def extract_id_of(request_id: RequestId) -> ExtractId:
    """One request makes one extract, under the same id however often it is told."""
    return ExtractId(uuid5(EVENT_NAMESPACE, f"extract/{request_id}"))


def after_request(state: ExtractState | None, asked: Asked) -> ExtractState:
    """The state in which a newer revision of the request leaves an extract.

    Args:
        state: the present one; None when the extract is not known yet.
        asked: what the newer revision says.

    Returns:
        A printed sheet stays a fact. A wanted one that has its number is rendered again, since its items may have
        changed. A cancelled one that is wanted again starts over and gets a new number.
    """
    if state in SETTLED:
        return state
    if asked == "cancelled":
        return ExtractState.CANCELLED
    if state in (ExtractState.NUMBERED, ExtractState.RENDERED):
        return ExtractState.NUMBERED
    return ExtractState.REQUESTED


def newest_of_each(items: Iterable[ResultVersion]) -> list[ResultVersion]:
    """One version of each result, the newest asked for."""
    newest: dict[ResultId, ResultVersion] = {}
    for item in items:
        known = newest.get(item.result_id)
        if known is None or item.value_revision > known.value_revision:
            newest[item.result_id] = item
    return list(newest.values())


def full_name(family: str, given: str, patronymic: str) -> str:
    """Family name first, as on every official paper."""
    return " ".join(part for part in (family, given, patronymic) if part)


def number_text(year: int, ordinal: int) -> str:
    """The number as it stands in the register and on the sheet, such as «2026/000042»."""
    return f"{year}/{ordinal:06d}"


def local_date(at: datetime, time_zone: str) -> date:
    """The calendar date of an instant where the school is; an unknown zone counts as the district's."""
    try:
        zone = ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError):
        zone = ZoneInfo(DEFAULT_TIME_ZONE)
    return at.astimezone(zone).date()


def retry_after(failures: int, *, base_seconds: float, most_seconds: float) -> timedelta:
    """How long a sheet that could not be rendered rests before the next attempt.

    Args:
        failures: attempts that failed so far, at least one.
        base_seconds: the first pause; each later one is twice as long.
        most_seconds: the longest pause.
    """
    return timedelta(seconds=min(most_seconds, base_seconds * 2 ** min(failures - 1, 20)))


class HandOverFault(StrEnum):
    """Why a hand-over cannot be registered."""

    NOT_PRINTED = "not_printed"
    ALREADY_HANDED_OVER = "already_handed_over"
    BEFORE_PRINTING = "before_printing"
    IN_THE_FUTURE = "in_the_future"


CLOCK_TOLERANCE = timedelta(minutes=5)
"""Watches in an office differ by this much from the server's clock."""


def hand_over_fault(
    state: ExtractState, printed_at: datetime | None, at: datetime, now: datetime
) -> HandOverFault | None:
    """Checks a hand-over that the office wants to register.

    Args:
        state: the extract's present state.
        printed_at: when it was printed.
        at: when it left the school, as the office says.
        now: the present instant.

    Returns:
        None when it may be registered.
    """
    if state is ExtractState.HANDED_OVER:
        return HandOverFault.ALREADY_HANDED_OVER
    if state is not ExtractState.PRINTED or printed_at is None:
        return HandOverFault.NOT_PRINTED
    if at < printed_at - CLOCK_TOLERANCE:
        return HandOverFault.BEFORE_PRINTING
    if at > now + CLOCK_TOLERANCE:
        return HandOverFault.IN_THE_FUTURE
    return None


@dataclass(frozen=True)
class SheetLine:
    """One result in the version that a sheet carries."""

    extract_id: UUID
    result_id: UUID
    value_revision: int
    kind: Literal["final_grade", "exam"]
    subject_title: str
    state: Literal["set", "deferred", "withdrawn"]
    value: str | None
    """The grade; None when there is none (yet)."""
    deferred_until: date | None
    period_kind: str | None
    period_number: int | None
    school_year: str | None
    exam_title: str | None
    score: Decimal | None
    max_score: Decimal | None
    obtained_at: datetime


@dataclass(frozen=True)
class SheetFacts:
    """All that one sheet says beside its lines."""

    extract_id: UUID
    school_id: UUID
    number: str
    numbered_at: datetime
    school_name: str
    school_address: str
    time_zone: str
    student_name: str
    class_name: str
    recipient_name: str
    failures: int
    """How often its rendering failed so far."""
