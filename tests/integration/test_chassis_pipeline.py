"""Outbox, relay, broker, inbox: nothing is lost, nothing applied twice, whatever commits in whatever order."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import ClassVar
from uuid import UUID, uuid4

import asyncpg
import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaConnectionError
from pydantic import Field

from chassis import dead_letters, metrics, outbox
from chassis.clock import DatabaseClock
from chassis.consuming import Consumer, Hopeless
from chassis.database import DISTRICT, Connection, Database
from chassis.messages import headers_for
from chassis.relay import make_producer, relay_once
from chassis.service import Service
from chassis.settings import ServiceSettings
from chassis.topics import ensure_topics
from contracts.base import Fact, Instant
from sutki.stack.kafka import KafkaCluster
from sutki.stack.ports import free_port
from tests.support.waiting import eventually

pytestmark = pytest.mark.kafka

AT = datetime(2026, 10, 23, 11, tzinfo=UTC)
HOPELESS = 666_666


class Ping(Fact):
    """An event of nobody's domain."""

    TOPIC: ClassVar[str] = "test.ping.v1"

    ping_id: UUID
    number: int = Field(ge=0)
    at: Instant = AT

    def aggregate(self) -> UUID:
        return self.ping_id

    def key(self) -> UUID:
        return self.ping_id

    def occurred_at(self) -> datetime:
        return self.at


class Settings(ServiceSettings):
    SERVICE: ClassVar[str] = "consent"


@pytest.fixture
def settings(kafka: str) -> Settings:
    return Settings(
        database_url="unused",
        kafka_bootstrap=kafka,
        kafka_topic_prefix=f"t{uuid4().hex[:8]}.",
        kafka_partitions=3,
        http_port=free_port(),
    )


@pytest.fixture
async def database(service_database: Callable[[str], Awaitable[Database]], settings: Settings) -> Database:
    await ensure_topics(
        settings.kafka_bootstrap,
        {Ping.TOPIC: False},
        partitions=3,
        replication_factor=1,
        prefix=settings.kafka_topic_prefix,
    )
    return await service_database("consent")


@pytest.fixture
async def producer(settings: Settings) -> AsyncIterator[AIOKafkaProducer]:
    producer = make_producer(settings, "test")
    await producer.start()
    yield producer
    await producer.stop()


class Applied:
    """A handler that remembers, in the database, what it was given."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.failures: list[BaseException] = []
        self.mended = False

    async def handle(self, conn: Connection, events: Sequence[Ping], now: datetime) -> None:
        if self.failures:
            raise self.failures.pop()
        for event in events:
            if event.number == HOPELESS and not self.mended:
                raise Hopeless("six hundred and sixty-six")
        self.numbers += [event.number for event in events]


@asynccontextmanager
async def running(settings: Settings, database: Database, applied: Applied, *roles: str) -> AsyncIterator[Consumer]:
    consumer = Consumer("consent.test", database, DatabaseClock())
    consumer.on(Ping, applied.handle)
    service = Service(settings=settings, database=database, title="test", consumers=[consumer], roles=roles)
    stop = asyncio.Event()
    task = asyncio.create_task(service.run(stop))
    try:
        yield consumer
    finally:
        stop.set()
        await asyncio.wait_for(task, 30)


async def publish(database: Database, *numbers: int) -> None:
    async with database.transaction(DISTRICT) as conn:
        await outbox.publish(conn, [Ping(revision=1, ping_id=uuid4(), number=number) for number in numbers])


async def publish_and_fail(database: Database, number: int) -> None:
    async with database.transaction(DISTRICT) as conn:
        await outbox.publish(conn, [Ping(revision=1, ping_id=uuid4(), number=number)])
        raise ZeroDivisionError


async def unpublished(database: Database) -> int:
    async with database.transaction(DISTRICT) as conn:
        count: int = await conn.fetchval("SELECT count(*) FROM outbox WHERE published_at IS NULL")
        return count


async def test_what_was_committed_arrives_once_and_what_was_rolled_back_does_not(
    settings: Settings, database: Database
) -> None:
    applied = Applied()
    async with running(settings, database, applied, "relay", "consumers"):
        await publish(database, *range(1200))
        with pytest.raises(ZeroDivisionError):
            await publish_and_fail(database, 5000)
        await publish(database, 1200)
        await eventually(lambda: len(applied.numbers) >= 1201)
    assert sorted(applied.numbers) == list(range(1201))
    assert await unpublished(database) == 0


async def test_ids_that_commit_out_of_order_are_all_relayed(
    settings: Settings, database: Database, producer: AIOKafkaProducer
) -> None:
    relay = await database.dedicated()
    await relay.execute("SELECT set_config('sutki.scope', 'district', false)")
    async with database.transaction(DISTRICT) as slow:
        await outbox.publish(slow, [Ping(revision=1, ping_id=uuid4(), number=1)])
        await publish(database, 2)
        assert await relay_once(relay, producer, settings.kafka_topic_prefix) == 1
        assert await relay_once(relay, producer, settings.kafka_topic_prefix) == 0
    assert await relay_once(relay, producer, settings.kafka_topic_prefix) == 1
    await relay.close()
    assert await unpublished(database) == 0


async def test_an_event_delivered_twice_and_an_older_revision_in_the_batch_change_nothing(
    settings: Settings, database: Database, producer: AIOKafkaProducer
) -> None:
    applied = Applied()
    ping = uuid4()
    async with running(settings, database, applied, "consumers"):
        for number, revision in ((10, 1), (20, 2), (20, 2), (10, 1)):
            await send(producer, settings, Ping(revision=revision, ping_id=ping, number=number))
        await send(producer, settings, Ping(revision=1, ping_id=ping, number=10))
        await eventually(lambda: bool(applied.numbers))
        marker = Ping(revision=1, ping_id=uuid4(), number=99)
        for partition in range(3):
            await send(producer, settings, marker.model_copy(update={"ping_id": uuid4()}), partition=partition)
        await eventually(lambda: applied.numbers.count(99) == 3)
    seen = [number for number in applied.numbers if number != 99]
    assert seen in ([20], [10, 20]), "each revision at most once, the newer one last"


async def test_a_poison_event_becomes_a_dead_letter_while_its_neighbours_pass_and_can_be_replayed(
    settings: Settings, database: Database, producer: AIOKafkaProducer
) -> None:
    applied = Applied()
    async with running(settings, database, applied, "consumers"):
        await send(producer, settings, Ping(revision=1, ping_id=uuid4(), number=1), partition=0)
        await send_raw(producer, settings, b"{not json", event_id=uuid4(), partition=0)
        await send_raw(producer, settings, b'{"revision": 0}', event_id=uuid4(), partition=0)
        await send(producer, settings, Ping(revision=1, ping_id=uuid4(), number=HOPELESS), partition=0)
        await send(producer, settings, Ping(revision=1, ping_id=uuid4(), number=2), partition=0)
        await eventually(lambda: sorted(applied.numbers) == [1, 2])

        letters = await dead_letters.waiting(database)
        assert len(letters) == 3
        reasons = " | ".join(letter.reason for letter in letters)
        assert "Invalid JSON" in reasons
        assert "/revision" in reasons
        assert "six hundred and sixty-six" in reasons

        hopeless = next(letter for letter in letters if "sixty-six" in letter.reason)
        applied.mended = True
        assert await dead_letters.replay(database, hopeless.id) == 1
        await eventually(lambda: has_letters(database, 2))
        assert sorted(applied.numbers) == [1, 2, HOPELESS]


async def has_letters(database: Database, count: int) -> bool:
    return len(await dead_letters.waiting(database)) == count


async def test_a_passing_failure_waits_and_the_batch_is_read_again(
    settings: Settings, database: Database, producer: AIOKafkaProducer
) -> None:
    applied = Applied()
    applied.failures = [asyncpg.DeadlockDetectedError("deadlock"), ConnectionError("gone")]
    async with running(settings, database, applied, "consumers"):
        for number in range(5):
            await send(producer, settings, Ping(revision=1, ping_id=uuid4(), number=number))
        await eventually(lambda: len(applied.numbers) >= 5)
    assert sorted(applied.numbers) == [0, 1, 2, 3, 4]
    assert await dead_letters.waiting(database) == []
    assert not applied.failures


async def test_an_unknown_kind_on_a_known_topic_is_skipped_and_a_missing_type_is_a_dead_letter(
    settings: Settings, database: Database, producer: AIOKafkaProducer
) -> None:
    applied = Applied()
    topic = settings.kafka_topic_prefix + Ping.TOPIC
    async with running(settings, database, applied, "consumers"):
        headers = headers_for(event_id=uuid4(), event_type="test.other.v1", subject="x", time=AT, traceparent=None)
        await producer.send_and_wait(topic, key=b"x", value=b"{}", headers=headers, partition=0)
        await producer.send_and_wait(topic, key=b"x", value=b"{}", partition=0)
        await send(producer, settings, Ping(revision=1, ping_id=uuid4(), number=1), partition=0)
        await eventually(lambda: applied.numbers == [1])
    letters = await dead_letters.waiting(database)
    assert [letter.reason for letter in letters] == ["ValueError: the header ce_type is missing"]


async def test_the_lag_is_measured_and_falls_to_zero(
    settings: Settings, database: Database, producer: AIOKafkaProducer
) -> None:
    applied = Applied()
    applied.failures = [ConnectionError("gone")]
    async with running(settings, database, applied, "consumers") as consumer:
        await send(producer, settings, Ping(revision=1, ping_id=uuid4(), number=1))
        await eventually(lambda: not applied.failures)
        await eventually(lambda: bool(applied.numbers))

        async def settled() -> bool:
            await consumer.observe()
            return consumer.progress.lag == 0

        await eventually(settled)
        assert consumer.progress.stuck_for() == 0


async def send(producer: AIOKafkaProducer, settings: Settings, event: Ping, partition: int | None = None) -> None:
    headers = headers_for(
        event_id=event.event_id(), event_type=event.TOPIC, subject=str(event.key()), time=AT, traceparent=None
    )
    topic = settings.kafka_topic_prefix + Ping.TOPIC
    await producer.send_and_wait(
        topic, key=str(event.key()).encode(), value=event.to_json(), headers=headers, partition=partition
    )


async def send_raw(
    producer: AIOKafkaProducer, settings: Settings, value: bytes, *, event_id: UUID, partition: int
) -> None:
    headers = headers_for(event_id=event_id, event_type=Ping.TOPIC, subject="x", time=AT, traceparent=None)
    topic = settings.kafka_topic_prefix + Ping.TOPIC
    await producer.send_and_wait(topic, key=b"x", value=value, headers=headers, partition=partition)


@pytest.mark.parametrize("zombie", ["fetches no more", "is told an error for ever"])
async def test_a_consumer_that_fell_silent_is_made_anew_and_goes_on_where_it_was(
    settings: Settings, database: Database, zombie: str
) -> None:
    applied = Applied()
    quick = settings.model_copy(update={"consumer_silent_seconds": 3})
    async with running(quick, database, applied, "relay", "consumers") as consumer:
        await publish(database, *range(10))
        await eventually(lambda: len(applied.numbers) == 10)
        _make_zombie(consumer, zombie)
        await publish(database, *range(10, 20))
        await eventually(lambda: len(applied.numbers) >= 20)
        await publish(database, 20)
        await eventually(lambda: len(applied.numbers) >= 21)
    assert sorted(applied.numbers) == list(range(21))


def _make_zombie(consumer: Consumer, how: str) -> None:
    """What a killed broker now and then makes of a client: its tasks are over, and it tells nobody."""
    client = consumer._subscriber.consumer
    if how == "fetches no more":
        client._fetcher._fetch_task.cancel()
    else:

        def check_errors() -> None:
            raise KafkaConnectionError

        client._coordinator.check_errors = check_errors


async def test_brokers_that_are_away_longer_than_the_silence_allowed_are_waited_for(
    settings: Settings, database: Database, kafka3: KafkaCluster
) -> None:
    applied = Applied()
    quick = settings.model_copy(update={"consumer_silent_seconds": 2, "kafka_bootstrap": kafka3.bootstrap})
    await ensure_topics(
        kafka3.bootstrap,
        {Ping.TOPIC: False},
        partitions=3,
        replication_factor=3,
        prefix=settings.kafka_topic_prefix,
    )
    async with running(quick, database, applied, "relay", "consumers") as consumer:
        await publish(database, *range(10))
        await eventually(lambda: len(applied.numbers) == 10)
        before = restarts(consumer)
        kafka3.kill()
        await publish(database, *range(10, 20))
        await eventually(consumer.progress.forgiven)
        assert restarts(consumer) == before, "nobody else would be answered either"
        await kafka3.start()
        await eventually(lambda: len(applied.numbers) >= 20, within=120)
    assert sorted(applied.numbers) == list(range(20))


def restarts(consumer: Consumer) -> float:
    samples = [sample for metric in metrics.CONSUMER_RESTARTS.collect() for sample in metric.samples]
    return sum(one.value for one in samples if one.name.endswith("_total") and one.labels["consumer"] == consumer.name)
