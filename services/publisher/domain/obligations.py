"""Obligations: which of them open for a result, and what a change of people, consents or accounts does to open ones."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias
from uuid import UUID

from contracts.values import Route
from services.publisher.domain.deadlines import due_after_correction, due_at, timers
from services.publisher.domain.policy import Policy
from services.publisher.domain.preferences import Channel
from services.publisher.domain.routes import Ground, Household, Recipient, route_for

Version: TypeAlias = tuple[UUID, int]
"""A result and the revision of its value."""
Key: TypeAlias = tuple[UUID, int, UUID]
"""A version of a result and a recipient: what identifies an obligation."""


class MovedReason(StrEnum):
    """Why an obligation left the screen although consent and account are there."""

    NOT_ACKNOWLEDGED = "not_acknowledged"
    CONSENTS_STALE = "consents_stale"


@dataclass(frozen=True, slots=True)
class Obligation:
    """What is owed to one recipient about one version of a result."""

    result_id: UUID
    value_revision: int
    recipient_id: UUID
    obligation_id: UUID
    student_id: UUID
    school_id: UUID
    obtained_at: datetime
    recorded_at: datetime
    due_at: datetime
    route: Route
    moved_reason: str | None
    state: str
    request_id: UUID | None
    held: bool

    @property
    def version(self) -> Version:
        """The version of the result."""
        return self.result_id, self.value_revision

    @property
    def key(self) -> Key:
        """What identifies it."""
        return self.result_id, self.value_revision, self.recipient_id

    @property
    def pair(self) -> tuple[UUID, UUID]:
        """The student and the recipient."""
        return self.student_id, self.recipient_id


@dataclass(frozen=True, slots=True)
class Due:
    """A version of a result that is to be told."""

    result_id: UUID
    value_revision: int
    student_id: UUID
    obtained_at: datetime
    held: bool


@dataclass(frozen=True, slots=True)
class Opening:
    """An obligation that is to be opened."""

    result_id: UUID
    value_revision: int
    recipient_id: UUID
    due_at: datetime
    route: Route
    ask_paper_at: datetime
    fall_back_at: datetime | None


@dataclass(frozen=True, slots=True)
class RouteChange:
    """An open obligation that goes another way from now on."""

    obligation: Obligation
    route: Route
    ask_paper_at: datetime
    fall_back_at: datetime | None


@dataclass(frozen=True, slots=True)
class Changes:
    """What has to happen to open obligations so that they fit people, consents and accounts."""

    rerouted: list[RouteChange]
    cancelled: list[Obligation]


@dataclass(frozen=True, slots=True)
class Availability:
    """An obligation that is met: since when, by which route, on what ground."""

    obligation: Obligation
    route: Route
    available_at: datetime
    ground: Ground | None = None
    extract_number: str | None = None
    served_with: UUID | None = None
    """The representative through whom a student was served."""


def openings(
    result: Due,
    household: Household,
    now: datetime,
    policy: Policy,
    *,
    open_before: Mapping[UUID, datetime] | None = None,
    told: Iterable[UUID] = (),
) -> list[Opening]:
    """The obligations that a version of a result makes.

    Args:
        result: The version.
        household: Its student with all recipients.
        now: The present instant.
        policy: The district's settings.
        open_before: The deadlines of those recipients to whom an older version was still owed.
        told: Recipients who have an obligation for this version already.
    """
    skip = set(told)
    before = open_before or {}
    found = []
    for recipient in household.recipients:
        if recipient.recipient_id in skip:
            continue
        due = due_after_correction(due_at(result.obtained_at), before.get(recipient.recipient_id))
        when = timers(due=due, held=result.held, now=now, policy=policy)
        found.append(
            Opening(
                result.result_id,
                result.value_revision,
                recipient.recipient_id,
                due,
                route_for(recipient, household),
                when.ask_paper_at,
                when.fall_back_at,
            )
        )
    return found


def changes(
    households: Mapping[UUID, Household], open_now: Sequence[Obligation], now: datetime, policy: Policy
) -> Changes:
    """What has to happen to open obligations so that they fit people, consents and accounts.

    An obligation that the clock has moved to paper stays there: the sheet is asked for, and if the cabinet shows the
    result after all, its acknowledgement meets the obligation by itself.
    """
    result = Changes([], [])
    for obligation in open_now:
        household = households.get(obligation.student_id)
        recipient = household.find(obligation.recipient_id) if household else None
        if household is None or recipient is None:
            result.cancelled.append(obligation)
            continue
        route = route_for(recipient, household)
        if route is obligation.route or (route is Route.SCREEN and obligation.moved_reason is not None):
            continue
        when = timers(due=obligation.due_at, held=obligation.held, now=now, policy=policy)
        result.rerouted.append(RouteChange(obligation, route, when.ask_paper_at, when.fall_back_at))
    return result


def served_students(met: Sequence[Availability], open_now: Iterable[Obligation]) -> list[Availability]:
    """The students who are served by what their representatives have just got: since the first of them.

    Args:
        met: What became available now.
        open_now: The open obligations of the same versions.
    """
    first: dict[Version, Availability] = {}
    for one in met:
        if one.obligation.recipient_id == one.obligation.student_id:
            continue
        known = first.get(one.obligation.version)
        if known is None or one.available_at < known.available_at:
            first[one.obligation.version] = one
    return [
        with_representative(obligation, first[obligation.version])
        for obligation in open_now
        if obligation.route is Route.WITH_REPRESENTATIVE and obligation.version in first
    ]


def with_representative(student: Obligation, representative: Availability) -> Availability:
    """A student's obligation as met through a representative's."""
    return Availability(
        student,
        Route.WITH_REPRESENTATIVE,
        representative.available_at,
        representative.ground,
        representative.extract_number,
        representative.obligation.recipient_id,
    )


def told_electronically(
    met: Sequence[Availability], households: Mapping[UUID, Household]
) -> list[tuple[Obligation, frozenset[Channel]]]:
    """What was met by screen and may be told by other channels, too, with those that consent allows."""
    found = []
    for one in met:
        household = households.get(one.obligation.student_id)
        recipient: Recipient | None = household.find(one.obligation.recipient_id) if household else None
        if one.route is Route.SCREEN and recipient is not None and recipient.electronic_channels:
            found.append((one.obligation, recipient.electronic_channels))
    return found


def sheets(waiting: Sequence[Obligation]) -> dict[tuple[UUID, UUID, UUID], list[Obligation]]:
    """Obligations that share one sheet of paper: same school, student and recipient, the first due first."""
    found: dict[tuple[UUID, UUID, UUID], list[Obligation]] = {}
    for one in sorted(waiting, key=lambda item: (item.due_at, item.result_id)):
        found.setdefault((one.school_id, one.student_id, one.recipient_id), []).append(one)
    return found
