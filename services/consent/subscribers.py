"""What the registry hears: who represents whom."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from chassis.clock import Clock
from chassis.consuming import Consumer
from chassis.database import Connection, Database
from contracts.person_changed import PersonChanged
from services.consent import handlers, metrics
from services.consent.model import EndReason


def people(database: Database, clock: Clock) -> Consumer:
    """The consumer group `consent.people`."""

    async def take(conn: Connection, events: Sequence[PersonChanged], _now: datetime) -> None:
        # The instant of registration is taken under the registration's lock, not at the batch's beginning.
        metrics.ENDED.labels(EndReason.AUTHORITY_ENDED).inc(await handlers.take_people(conn, events, clock))

    async def erase(conn: Connection, person_ids: Sequence[UUID], _now: datetime) -> None:
        metrics.ENDED.labels(EndReason.PERSON_ERASED).inc(await handlers.erase_people(conn, person_ids, clock))

    consumer = Consumer("consent.people", database, clock)
    consumer.on(PersonChanged, take, erase=erase)
    return consumer
