"""A person who was erased, on a real broker: the tombstone stands last, and a new reader does not bring them back."""

import asyncio
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from chassis.clock import DatabaseClock
from chassis.database import DISTRICT, Database
from chassis.service import Service
from chassis.topics import ensure_topics
from contracts.catalogue import TOPICS
from services.cabinet.subscribers import projection_consumer
from services.gradebook import erasing, replay
from sutki.stack.ports import free_port
from tests.integration.test_dead_letters_compacted import Settings, as_compaction_leaves_it
from tests.integration.test_gradebook_journal import DISTRICT_FILES, Journal
from tests.support.databases import ServiceDatabases
from tests.support.waiting import eventually

pytestmark = pytest.mark.kafka


async def _relayed(settings: Settings, database: Database) -> None:
    """Everything in the outbox is at the broker."""

    async def empty() -> bool:
        async with database.transaction(DISTRICT) as conn:
            return not await conn.fetchval("SELECT EXISTS (SELECT FROM outbox WHERE published_at IS NULL)")

    service = Service(settings=settings, database=database, title="test", roles=("relay",))
    stop = asyncio.Event()
    task = asyncio.create_task(service.run(stop))
    try:
        await eventually(empty, what="an empty outbox")
    finally:
        stop.set()
        await asyncio.wait_for(task, 30)


async def _known(database: Database, person_id: UUID) -> bool:
    async with database.transaction(DISTRICT) as conn:
        return bool(await conn.fetchval("SELECT EXISTS (SELECT FROM persons WHERE person_id = $1)", person_id))


async def test_the_tombstone_stands_last_and_neither_a_rebuild_nor_a_replay_brings_the_person_back(
    service_database: ServiceDatabases, kafka: str, tmp_path: Path
) -> None:
    settings = Settings(
        database_url="unused",
        kafka_bootstrap=kafka,
        kafka_topic_prefix=f"t{uuid4().hex[:8]}.",
        kafka_partitions=2,
        http_port=free_port(),
    )
    await ensure_topics(kafka, TOPICS, partitions=2, replication_factor=1, prefix=settings.kafka_topic_prefix)
    journal = Journal(await service_database("gradebook"), tmp_path)
    await journal.take(DISTRICT_FILES)
    gone, stays = await journal.id_of("person", "s1"), await journal.id_of("person", "s2")
    await _relayed(settings, journal.database)

    async with journal.database.transaction(DISTRICT) as conn:
        await erasing.erase_person(conn, gone, journal.clock.at)
    await _relayed(settings, journal.database)
    await replay.replay(journal.database)
    await _relayed(settings, journal.database)

    last = await as_compaction_leaves_it(settings)
    assert {record.key: record.value is None for record in last}[str(gone).encode()]
    cabinet = await service_database("cabinet")
    await projection_consumer(cabinet, DatabaseClock()).process(last)
    assert [await _known(cabinet, person) for person in (gone, stays)] == [False, True]
