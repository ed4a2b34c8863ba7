"""Makes a student's obligations fit people, consents and accounts again, whatever of them has changed.

It is the same for every cause, so that the order in which events arrive does not matter.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from chassis.crash import crash_here
from chassis.database import Connection
from contracts.values import Route
from services.publisher import metrics
from services.publisher.disclosing import disclose
from services.publisher.domain.obligations import (
    Availability,
    Changes,
    Obligation,
    Opening,
    changes,
    openings,
    served_students,
)
from services.publisher.domain.policy import Policy
from services.publisher.domain.routes import Household, latest, route_for, screen_open_since
from services.publisher.domain.states import ObligationState
from services.publisher.queries import availability, notifications, obligations, people, results
from services.publisher.queries.availability import Early
from services.publisher.requesting import withdraw_requests

Pair = tuple[UUID, UUID]
"""A student and a recipient."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What was changed, by student and recipient."""

    left_screen: Counter[Pair] = field(default_factory=Counter)
    mails_cancelled: Counter[Pair] = field(default_factory=Counter)


async def reconcile(conn: Connection, student_ids: Sequence[UUID], now: datetime, policy: Policy) -> Reconciled:
    """Re-routes, cancels and opens obligations of students so that they fit what is known now.

    Args:
        conn: the transaction; the students are locked in it (`people.lock_students`).
        student_ids: any number.
        now: the present instant.
        policy: the district's settings.
    """
    if not student_ids:
        return Reconciled()
    households = await people.households(conn, student_ids, now, policy)
    open_now = await obligations.lock_open_of_students(conn, student_ids)
    change = changes(households, open_now, now, policy)
    await _apply(conn, change, now, policy)
    await _open_untold(conn, households, now, policy)
    await settle_early(conn, households, now, policy)
    await disclose(conn, await obligations.lock_served_students(conn, student_ids), households, now, policy)
    cancelled = await notifications.cancel_without_consent(conn, student_ids, now, policy)
    metrics.MAILS.labels("cancelled").inc(len(cancelled))
    crash_here("publisher.after_obligations_before_commit")
    left = [one.obligation for one in change.rerouted if one.obligation.route is Route.SCREEN] + [
        one for one in change.cancelled if one.route is Route.SCREEN
    ]
    return Reconciled(Counter(one.pair for one in left), Counter(cancelled))


async def _apply(conn: Connection, change: Changes, now: datetime, policy: Policy) -> None:
    await obligations.change_routes(conn, change.rerouted)
    await obligations.close(conn, change.cancelled, ObligationState.CANCELLED, now)
    left = [one.obligation for one in change.rerouted] + change.cancelled
    await withdraw_requests(conn, {one.request_id for one in left if one.request_id}, now, policy)


async def _open_untold(conn: Connection, households: Mapping[UUID, Household], now: datetime, policy: Policy) -> None:
    """Opens what waited for the student, and what is owed to new recipients while a result's 24 hours run.

    Who becomes a representative after the 24 hours reads older results in the cabinet; nothing about them was owed
    then.
    """
    if not households:
        return
    untold = await results.untold(conn, list(households), now)
    found: list[Opening] = []
    for one in untold:
        household = households[one.due.student_id]
        found += openings(one.due, household, now, policy, told=one.told)
    await open_all(conn, found, now)
    waited = [one.due.result_id for one in untold if one.waiting]
    if waited:
        await results.mark_opened(conn, waited)


async def open_all(conn: Connection, found: Sequence[Opening], now: datetime) -> None:
    """Opens obligations and counts them."""
    await obligations.open_all(conn, found, now)
    for route, count in Counter(one.route for one in found).items():
        metrics.OPENED.labels(route.value).inc(count)


async def settle_early(conn: Connection, households: Mapping[UUID, Household], now: datetime, policy: Policy) -> None:
    """Lets count what cabinet or print desk said before, as far as obligations and routes allow it now."""
    early = await availability.early_of_students(conn, list(households))
    if not early:
        return
    open_now = await obligations.lock_open_of_versions(conn, list({one.key[:2] for one in early}))
    by_key = {one.key: one for one in open_now}
    met: dict[tuple[UUID, int, UUID], Availability] = {}
    for one in early:
        obligation, household = by_key.get(one.key), households[one.student_id]
        if obligation is not None and one.key not in met and (found := _counts(one, obligation, household)):
            met[one.key] = found
    direct = list(met.values())
    students = [one for one in served_students(direct, open_now) if one.obligation.key not in met]
    await disclose(conn, direct + students, households, now, policy)
    if direct:
        await availability.forget_early(conn, list(met))


def _counts(early: Early, obligation: Obligation, household: Household) -> Availability | None:
    if early.route is Route.PAPER:
        return Availability(obligation, Route.PAPER, early.available_at, None, early.extract_number)
    recipient = household.find(obligation.recipient_id)
    if recipient is None or route_for(recipient, household) is not Route.SCREEN:
        return None
    # The cabinet spoke of the result and the consent; an account or a later consent may have opened the screen since.
    since = latest([early.available_at, screen_open_since(recipient, household)])
    return Availability(obligation, Route.SCREEN, since or early.available_at, early.ground)
