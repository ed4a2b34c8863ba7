"""The life of a deferral as pure rules: asked for, approved, due, fulfilled; and its table of transitions (C5.3)."""

from datetime import date, datetime
from enum import StrEnum
from typing import Literal, NamedTuple
from uuid import UUID

from services.gradebook.closing.domain import NotAllowed


class DeferralState(StrEnum):
    """Where a deferral stands."""

    REQUESTED = "requested"
    APPROVED = "approved"
    DUE = "due"
    FULFILLED = "fulfilled"
    REFUSED = "refused"
    CANCELLED = "cancelled"


_S = DeferralState

DEFERRAL_TRANSITIONS: dict[tuple[DeferralState, DeferralState], str] = {
    (_S.REQUESTED, _S.APPROVED): "the head approved it; the family is told",
    (_S.REQUESTED, _S.REFUSED): "the head refused it and said why",
    (_S.REQUESTED, _S.CANCELLED): "it is not needed any more, or the grade was set before the head decided",
    (_S.APPROVED, _S.DUE): "its last day is over in the school's time zone; it is missing again and escalated",
    (_S.APPROVED, _S.FULFILLED): "the grade was set",
    (_S.APPROVED, _S.CANCELLED): "the head ended it and said why; the family is told",
    (_S.DUE, _S.APPROVED): "the head gave it a later last day; the family is told",
    (_S.DUE, _S.FULFILLED): "the grade was set after the last day",
    (_S.DUE, _S.CANCELLED): "the head ended it and said why; the family is told",
}
"""Every allowed change of a deferral, and when it happens."""

RUNNING = frozenset({_S.REQUESTED, _S.APPROVED, _S.DUE})
"""A student has at most one of these for a subject and period."""
GRANTED = frozenset({_S.APPROVED, _S.DUE})
"""The family was told, so that the grade to come is the next revision of what they know."""

Reason = Literal["illness"]
DEFAULT_REASONS: tuple[str, ...] = ("illness",)
"""What a final grade may be deferred for, unless the school's settings say more."""


class Deferral(NamedTuple):
    """A deferral at one revision. The fields follow the table's columns."""

    deferral_id: UUID
    school_id: UUID
    student_id: UUID
    subject_id: UUID
    period_id: UUID
    result_id: UUID
    """The result that the family is told of, first as deferred and then with its value."""
    state: str
    reason: str
    document_number: str
    document_date: date
    due_on: date
    """The last day, in the school's time zone."""
    due_at: datetime
    """The end of that day."""
    note: str
    """Why it was refused or ended."""
    fulfilled_as: UUID | None
    """The id that the journal's own name of the grade makes; it stands for `result_id` from then on."""
    changed_by: str
    changed_at: datetime
    revision: int


def check(before: str, after: str) -> None:
    """Does nothing if a deferral may go from one state to the other.

    Raises:
        NotAllowed: it may not.
    """
    pair = DeferralState(before), DeferralState(after)
    if pair not in DEFERRAL_TRANSITIONS:
        raise NotAllowed(*pair)


def move(current: Deferral, state: DeferralState, *, by: str, now: datetime, note: str = "") -> Deferral:
    """The deferral in its next state.

    Raises:
        NotAllowed: the table of transitions does not know it.
    """
    check(current.state, state)
    return current._replace(
        state=str(state),
        note=note or current.note,
        changed_by=by,
        changed_at=now,
        revision=current.revision + 1,
    )


def extend(current: Deferral, due_on: date, due_at: datetime, *, by: str, now: datetime) -> Deferral:
    """The deferral with a later last day, after it had become due.

    Raises:
        NotAllowed: it is not due.
    """
    return move(current, _S.APPROVED, by=by, now=now)._replace(due_on=due_on, due_at=due_at)


def fulfil(current: Deferral, given_as: UUID, *, by: str, now: datetime) -> Deferral:
    """The deferral after the grade came.

    Args:
        current: approved or due.
        given_as: the id under which the journal's own name of the grade is known.
        by: who recorded it.
        now: the present.

    Raises:
        NotAllowed: it is neither.
    """
    return move(current, _S.FULFILLED, by=by, now=now)._replace(fulfilled_as=given_as)
