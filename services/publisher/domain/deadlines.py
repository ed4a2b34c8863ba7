"""When a result is due, when its timers fire, and whose fault a late one is (clause C6)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from contracts.values import DISCLOSURE_TERM, due_at
from services.publisher.domain.policy import Policy

__all__ = ["DISCLOSURE_TERM", "Late", "Timers", "due_after_correction", "due_at", "lateness", "timers"]


class Late(StrEnum):
    """Whether a result was available in time, and if not, who lost the time."""

    NO = "no"
    BY_US = "by_us"
    AT_SOURCE = "at_source"


def lateness(*, obtained_at: datetime, recorded_at: datetime, due: datetime, available_at: datetime) -> Late:
    """Classifies one disclosure.

    Args:
        obtained_at: When the result came to be.
        recorded_at: When the journal learned of it.
        due: The obligation's deadline (with a correction it may be earlier than `obtained_at` + 24 h).
        available_at: Since when the recipient could have it.
    """
    if available_at <= due:
        return Late.NO
    return Late.AT_SOURCE if recorded_at > due_at(obtained_at) else Late.BY_US


def due_after_correction(new_due: datetime, open_due: datetime | None) -> datetime:
    """The deadline of a corrected version: where the old one was still owed, the correction buys no time."""
    return new_due if open_due is None else min(new_due, open_due)


@dataclass(frozen=True, slots=True)
class Timers:
    """The instants at which an open obligation needs to be looked at."""

    ask_paper_at: datetime
    """Not before this instant is paper asked for (if the route is paper)."""
    fall_back_at: datetime
    """From this instant on an unacknowledged screen obligation moves to paper. What is held becomes visible by the
    clock exactly when it is due, and is then given the time to be acknowledged."""
    held: bool
    """Whether the result is held back at present, so that also a sheet has to wait."""


def timers(*, due: datetime, held: bool, now: datetime, policy: Policy) -> Timers:
    """The timers of an obligation that opens, changes its route, or whose result is held or released, at `now`."""
    last_call = due - policy.paper_lead
    if held and now < due:
        return Timers(ask_paper_at=last_call, fall_back_at=due + policy.acknowledgement_grace, held=True)
    return Timers(
        ask_paper_at=min(now + policy.paper_grouping, last_call),
        # Also what opens close to its deadline, or after it, is first given the time to be acknowledged.
        fall_back_at=max(due - policy.fallback_lead, now + policy.acknowledgement_grace),
        held=False,
    )
