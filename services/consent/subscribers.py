"""What the registry hears: people, who represents whom, and schools."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from chassis.clock import Clock
from chassis.consuming import Consumer
from chassis.database import Connection, Database
from contracts.person_changed import PersonChanged
from contracts.school_changed import SchoolChanged
from services.consent import canaries, handlers, metrics, roster_queries
from services.consent.model import DEFAULT_POLICY, EndReason, Policy


def people(database: Database, clock: Clock, policy: Policy = DEFAULT_POLICY) -> Consumer:
    """The consumer group `consent.people`."""

    async def take(conn: Connection, events: Sequence[PersonChanged], _now: datetime) -> None:
        await canaries.give(conn, [event for event in events if event.synthetic])
        events = [event for event in events if not event.synthetic]
        # The instant of registration is taken under the registration's lock, not at the batch's beginning.
        for reason, count in (await handlers.take_people(conn, events, clock, policy)).items():
            metrics.ENDED.labels(reason).inc(count)

    async def erase(conn: Connection, person_ids: Sequence[UUID], _now: datetime) -> None:
        metrics.ENDED.labels(EndReason.PERSON_ERASED).inc(await handlers.erase_people(conn, person_ids, clock))

    async def take_schools(conn: Connection, events: Sequence[SchoolChanged], _now: datetime) -> None:
        await roster_queries.take_schools(conn, events)

    consumer = Consumer("consent.people", database, clock)
    consumer.on(SchoolChanged, take_schools)
    consumer.on(PersonChanged, take, erase=erase)
    return consumer
