"""A consent that could not be applied keeps the view stale, however many heartbeats follow (I2)."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from aiokafka import ConsumerRecord

from chassis import dead_letters
from chassis.clock import Clock, FixedClock
from chassis.consuming import Consumer
from chassis.database import DISTRICT, Database
from chassis.messages import headers_for
from contracts.consent_changed import EXAMPLE, ConsentChanged
from contracts.consent_heartbeat import ConsentHeartbeat
from services.cabinet.subscribers import projection_consumer
from services.publisher.settings import Settings as PublisherSettings
from services.publisher.subscribers import make_consumer

NOW = datetime(2026, 10, 23, 12, 0, tzinfo=UTC)
TOPIC = ConsentChanged.TOPIC


def publisher_consumer(database: Database, clock: Clock) -> Consumer:
    settings = PublisherSettings(database_url="unused", kafka_bootstrap="unused")
    return make_consumer(database, clock, settings.policy())


CONSUMERS: dict[str, Callable[[Database, Clock], Consumer]] = {
    "cabinet": projection_consumer,
    "publisher": publisher_consumer,
}


def record(event: ConsentChanged | ConsentHeartbeat, offset: int, value: bytes | None = None) -> Any:
    headers = headers_for(
        event_id=event.event_id(), event_type=event.TOPIC, subject=str(event.key()), time=NOW, traceparent=None
    )
    key = str(event.key()).encode()
    text = value or event.to_json()
    return ConsumerRecord(TOPIC, 0, offset, 0, 0, key, text, None, len(key), len(text), tuple(headers))


def beat() -> ConsentHeartbeat:
    return ConsentHeartbeat(as_of=NOW, partition=0, partitions=1)


async def heard(database: Database) -> list[int]:
    async with database.transaction(DISTRICT) as conn:
        return [row["partition"] for row in await conn.fetch("SELECT partition FROM consent_freshness")]


@pytest.mark.parametrize("service", CONSUMERS)
async def test_a_consent_that_became_a_dead_letter_keeps_its_partition_stale_until_it_is_replayed(
    service: str, service_database: Callable[[str], Awaitable[Database]]
):
    database = await service_database(service)
    consumer = CONSUMERS[service](database, FixedClock(NOW))
    withdrawal = EXAMPLE.model_copy(update={"revision": 2, "consent_id": uuid4()})

    await consumer.process([record(withdrawal, 0, b'{"revision": 2'), record(beat(), 1)])
    assert await heard(database) == [], "in the same batch"
    await consumer.process([record(ConsentHeartbeat(as_of=NOW, partition=0, partitions=1), 2)])
    assert await heard(database) == [], "and later"

    assert await dead_letters.replay(database) == 1
    assert await consumer.apply_asked() == 1
    await consumer.process([record(ConsentHeartbeat(as_of=NOW.replace(second=30), partition=0, partitions=1), 3)])
    assert await heard(database) == [], "tried again, in vain"
    mended = ConsentHeartbeat(as_of=NOW.replace(minute=1), partition=0, partitions=1)
    await consumer.process([record(withdrawal, 4), record(mended, 5)])
    assert await heard(database) == [0]


async def test_a_letter_that_an_operator_gave_up_keeps_nothing_stale(
    service_database: Callable[[str], Awaitable[Database]],
):
    database = await service_database("cabinet")
    consumer = projection_consumer(database, FixedClock(NOW))
    await consumer.process([record(EXAMPLE, 0, b"rubbish")])
    (letter,) = await dead_letters.waiting(database)
    assert await dead_letters.discard(database, letter.id, "no consent, a test of the network")
    assert not await dead_letters.discard(database, letter.id, "again")
    assert await dead_letters.waiting(database) == []
    await consumer.process([record(beat(), 1)])
    assert await heard(database) == [0]


async def test_another_letter_at_the_same_place_of_a_new_broker_is_kept_beside_the_old_one(
    service_database: Callable[[str], Awaitable[Database]],
):
    database = await service_database("cabinet")
    consumer = projection_consumer(database, FixedClock(NOW))
    for value in (b"rubbish", b"other rubbish", b"other rubbish"):
        await consumer.process([record(EXAMPLE, 0, value)])
    assert len(await dead_letters.waiting(database)) == 2


async def test_a_poison_record_with_a_nul_in_its_headers_is_kept_and_does_not_stop_the_consumer(
    service_database: Callable[[str], Awaitable[Database]],
):
    database = await service_database("cabinet")
    consumer = projection_consumer(database, FixedClock(NOW))
    poison = ConsumerRecord(TOPIC, 0, 0, 0, 0, b"k", b"{}", None, 1, 2, (("ce_type", b"a\0b"), ("ce_id", b"\0")))
    missing = ConsumerRecord(TOPIC, 0, 1, 0, 0, b"k", b"{}", None, 1, 2, (("x\0", b"\0"),))
    await consumer.process([poison, missing])
    assert len(await dead_letters.waiting(database)) == 1
