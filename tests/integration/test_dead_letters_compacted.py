"""A dead letter of the compacted topic of persons: applied again, it puts no old state where a rebuild finds it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, ClassVar
from uuid import UUID, uuid4

import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from chassis import dead_letters, outbox
from chassis.clock import DatabaseClock
from chassis.database import DISTRICT, Database
from chassis.service import Service
from chassis.settings import ServiceSettings
from chassis.topics import ensure_topics
from contracts.catalogue import TOPICS
from contracts.person_changed import EXAMPLE, PersonChanged
from services.cabinet.rebuild import drop_read_model
from services.cabinet.subscribers import projection_consumer
from sutki.stack.ports import free_port
from tests.support.databases import ServiceDatabases
from tests.support.waiting import eventually

pytestmark = pytest.mark.kafka


class Settings(ServiceSettings):
    SERVICE: ClassVar[str] = "cabinet"


@asynccontextmanager
async def running(settings: Settings, database: Database) -> AsyncIterator[None]:
    consumers = [projection_consumer(database, DatabaseClock())]
    service = Service(
        settings=settings, database=database, title="test", consumers=consumers, roles=("relay", "consumers")
    )
    stop = asyncio.Event()
    task = asyncio.create_task(service.run(stop))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, 30)


async def as_compaction_leaves_it(settings: Settings) -> "list[ConsumerRecord[Any, Any]]":
    """The last record of each key of the topic of persons."""
    topic = settings.kafka_topic_prefix + PersonChanged.TOPIC
    consumer = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap, enable_auto_commit=False)
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in range(settings.kafka_partitions)]
        consumer.assign(partitions)
        await consumer.seek_to_beginning(*partitions)
        ends = await consumer.end_offsets(partitions)
        last: dict[bytes | None, ConsumerRecord[Any, Any]] = {}
        while any([await consumer.position(one) < ends[one] for one in partitions]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                last |= {record.key: record for record in records}
        return list(last.values())
    finally:
        await consumer.stop()


async def revision_of(database: Database, person_id: UUID) -> int | None:
    async with database.transaction(DISTRICT) as conn:
        revision: int | None = await conn.fetchval("SELECT revision FROM persons WHERE person_id = $1", person_id)
        return revision


async def test_an_old_state_of_a_person_that_is_applied_again_neither_wins_here_nor_in_a_rebuild_from_the_topic(
    service_database: ServiceDatabases, kafka: str
) -> None:
    settings = Settings(
        database_url="unused",
        kafka_bootstrap=kafka,
        kafka_topic_prefix=f"t{uuid4().hex[:8]}.",
        kafka_partitions=2,
        http_port=free_port(),
    )
    await ensure_topics(kafka, TOPICS, partitions=2, replication_factor=1, prefix=settings.kafka_topic_prefix)
    database = await service_database("cabinet")
    async with service_database.as_superuser("cabinet") as owner:
        await owner.execute("ALTER TABLE persons ADD CONSTRAINT broken CHECK (revision <> 1)")
    person = EXAMPLE.person_id

    async def letters(count: int) -> bool:
        return len(await dead_letters.waiting(database)) == count

    async def newest() -> bool:
        return await revision_of(database, person) == 2

    async with running(settings, database):
        await tell(database, 1)
        await eventually(lambda: letters(1), what="a dead letter")
        await tell(database, 2)
        await eventually(newest, what="the newer state")
        async with service_database.as_superuser("cabinet") as owner:
            await owner.execute("ALTER TABLE persons DROP CONSTRAINT broken")
        assert await dead_letters.replay(database) == 1
        await eventually(lambda: letters(0), what="the letter's end")
        assert await revision_of(database, person) == 2

    await drop_read_model(database)
    assert await revision_of(database, person) is None
    await projection_consumer(database, DatabaseClock()).process(await as_compaction_leaves_it(settings))
    assert await revision_of(database, person) == 2


async def tell(database: Database, revision: int) -> None:
    async with database.transaction(DISTRICT) as conn:
        await outbox.publish(conn, [EXAMPLE.model_copy(update={"revision": revision})])
