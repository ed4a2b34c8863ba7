"""What a new state of a result does to the obligations about it: corrections, withdrawals, holds and releases."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from services.publisher.domain.deadlines import due_after_correction, timers
from services.publisher.domain.obligations import Obligation, RouteChange, Version
from services.publisher.domain.policy import Policy
from services.publisher.domain.results import Result
from services.publisher.domain.states import ObligationState

OpenBefore: TypeAlias = dict[UUID, dict[UUID, datetime]]
"""By result and recipient: the deadline of an older version that was still owed."""


@dataclass(frozen=True, slots=True)
class Retiming:
    """An open obligation of the present version whose result was held, released or told of once more."""

    change: RouteChange
    due: datetime
    held: bool
    leaves_request: bool
    """Held again: a sheet that is not printed yet has to wait, too."""


@dataclass(frozen=True, slots=True)
class Corrections:
    """What has to happen to the obligations."""

    superseded: list[Obligation] = field(default_factory=list)
    cancelled: list[Obligation] = field(default_factory=list)
    retimed: list[Retiming] = field(default_factory=list)
    open_before: OpenBefore = field(default_factory=dict)
    told: set[Version] = field(default_factory=set)
    """Versions about which somebody has an obligation that was not cancelled."""


def corrections(
    known: Iterable[Obligation],
    changed: Mapping[UUID, Result],
    held_back: Collection[Version],
    now: datetime,
    policy: Policy,
) -> Corrections:
    """What new states of results do to the obligations about them.

    A correction supersedes what is still open of the older version. While the correction is held, what was released
    before it stays owed beside it; what was held itself gives way.

    Args:
        known: All obligations about the results, of every version and in every state, older versions first.
        changed: The new states by result.
        held_back: Versions that were held until now.
        now: The present instant.
        policy: The district's settings.
    """
    found = Corrections()
    for obligation in known:
        result = changed[obligation.result_id]
        if obligation.state != ObligationState.CANCELLED:
            found.told.add(obligation.version)
        if obligation.state != ObligationState.OPEN:
            continue
        if result.state == "withdrawn":
            found.cancelled.append(obligation)
        elif obligation.value_revision == result.value_revision:
            # What was owed beside a held correction hands its deadline over when that is released.
            before = found.open_before.get(obligation.result_id, {}).get(obligation.recipient_id)
            found.retimed.append(_retimed(obligation, result, before, now, policy))
        elif not result.held_at(now) or obligation.version in held_back:
            found.superseded.append(obligation)
            found.open_before.setdefault(obligation.result_id, {})[obligation.recipient_id] = obligation.due_at
    return found


def _retimed(
    obligation: Obligation, result: Result, before: datetime | None, now: datetime, policy: Policy
) -> Retiming:
    due = due_after_correction(obligation.due_at, before)
    when = timers(due=due, held=result.held, now=now, policy=policy)
    return Retiming(
        RouteChange(obligation, obligation.route, when.ask_paper_at, when.fall_back_at),
        due,
        when.held,
        obligation.request_id is not None and when.ask_paper_at > now + policy.paper_grouping,
    )
