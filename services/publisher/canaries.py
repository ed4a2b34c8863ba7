"""Canaries: synthetic results that came the whole way are noted, and missing ones are noticed.

They are taken by the same consumer and judged by the same rule of routes, by what is known here of their synthetic
people, consent and account; but nothing is owed about them, and no obligation, ledger entry, notification, request or
figure can be of one, since they have a table of their own.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from chassis.clock import Clock
from chassis.database import DISTRICT, Connection, Database
from chassis.logging import log
from chassis.timers import DueLoop
from contracts.final_grade_set import FinalGradeSet
from contracts.results_visible import ResultsVisible
from contracts.synthetic import is_synthetic, synthetic_id
from contracts.values import Route
from services.publisher import metrics
from services.publisher.domain.policy import Policy
from services.publisher.domain.routes import route_for
from services.publisher.queries import canaries as queries
from services.publisher.queries import people

PERIODS = 2
"""Of so many periods none may be without an arrival."""


async def take(conn: Connection, events: Sequence[FinalGradeSet], now: datetime) -> None:
    """Notes synthetic results."""
    if events:
        await queries.take(conn, events, now)


async def see(conn: Connection, events: Sequence[ResultsVisible], now: datetime, policy: Policy) -> None:
    """The cabinet says that canaries could be seen: they have arrived, if the screen is their reader's route."""
    if not events:
        return
    households = await people.households(conn, [event.student_id for event in events], now, policy)
    arrived: list[tuple[UUID, int, datetime]] = []
    for event in events:
        household = households.get(event.student_id)
        for seen in event.visible:
            recipient = household.find(seen.recipient_id) if household else None
            if household is None or recipient is None or recipient.is_student:
                continue
            if route_for(recipient, household) is Route.SCREEN:
                arrived.append((event.school_id, event.value_revision, seen.visible_at))
    for one in await queries.arrive(conn, arrived, now) if arrived else []:
        metrics.CANARY_SECONDS.observe(max(0.0, (one.available_at - one.obtained_at).total_seconds()))


Real = Callable[..., Awaitable[None]]


def apart(handler: Real) -> Real:
    """A handler of results that gets the real ones, while the synthetic ones go to their table."""

    async def take_both(conn: Connection, events: Sequence[FinalGradeSet], now: datetime, *, policy: Policy) -> None:
        await take(conn, [event for event in events if event.synthetic], now)
        if real := [event for event in events if not event.synthetic]:
            await handler(conn, real, now, policy=policy)

    return take_both


def seen_apart(handler: Real) -> Real:
    """The same for what the cabinet says of them."""

    async def take_both(conn: Connection, events: Sequence[ResultsVisible], now: datetime, *, policy: Policy) -> None:
        await see(conn, [event for event in events if is_synthetic(event.student_id)], now, policy)
        if real := [event for event in events if not is_synthetic(event.student_id)]:
            await handler(conn, real, now, policy=policy)

    return take_both


@dataclass
class Canaries:
    """The watch over them, of one process."""

    database: Database
    clock: Clock
    every: timedelta
    keep: timedelta = timedelta(days=7)
    missing: set[UUID] = field(default_factory=set)
    """Schools whose canaries are missing at present."""
    _watched_since: datetime | None = None

    def loops(self) -> list[DueLoop]:
        """To be run by the service; none where no canary flies."""
        return [DueLoop("canaries", self.watch, _never, idle_seconds=30)] if self.every else []

    async def watch(self) -> int:
        """Sets the gauges and forgets old canaries; returns 0, since nothing is left to do at once."""
        async with self.database.transaction(DISTRICT) as conn:
            now = await self.clock.now(conn)
            schools = await queries.schools(conn)
            last = await queries.last(conn)
            await queries.forget(conn, now - self.keep)
        self._watched_since = self._watched_since or now
        ages: list[float] = []
        missing: set[UUID] = set()
        for school_id in schools:
            arrived, first_received = last.get(synthetic_id("school", school_id), (None, self._watched_since))
            if arrived is not None:
                ages.append((now - arrived).total_seconds())
            if now - (arrived or first_received) > PERIODS * self.every:
                missing.add(school_id)
        for school_id in sorted(missing - self.missing):
            log.error("canary_missing", school_id=str(school_id))
        self.missing = missing
        metrics.CANARIES_MISSING.set(len(missing))
        metrics.CANARY_AGE_SECONDS.set(max(ages, default=-1))
        return 0


async def _never() -> float | None:
    return None
