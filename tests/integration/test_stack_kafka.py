"""Apache Kafka from its jars: what three brokers acknowledged survives the death of any one of them."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import UnknownTopicOrPartitionError

from chassis.topics import ensure_topics
from sutki.stack.errors import StackError
from sutki.stack.kafka import KafkaCluster, version
from tests.support import folders
from tests.support.waiting import eventually

pytestmark = pytest.mark.kafka


@pytest.fixture
def folder() -> Iterator[Path]:
    made = folders.make("kafka")
    yield made
    folders.remove(made)


async def _topic(bootstrap: str, copies: int) -> str:
    name = f"test-{uuid4().hex}"
    await ensure_topics(bootstrap, {name: False}, partitions=1, replication_factor=copies)
    return name


async def _send(bootstrap: str, topic: str, *values: bytes, patience_ms: int = 40_000) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", enable_idempotence=True, request_timeout_ms=patience_ms
    )
    await producer.start()
    try:
        for value in values:
            await asyncio.wait_for(producer.send_and_wait(topic, value), 60)
    finally:
        await producer.stop()


async def _read(bootstrap: str, topic: str) -> list[bytes]:
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", enable_auto_commit=False)
    await consumer.start()
    try:
        partition = TopicPartition(topic, 0)
        consumer.assign([partition])
        (end,) = (await consumer.end_offsets([partition])).values()
        values: list[bytes] = []
        while await consumer.position(partition) < end:
            for records in (await consumer.getmany(timeout_ms=1000)).values():
                values += [record.value for record in records]
        return values
    finally:
        await consumer.stop()


async def test_the_pinned_version_takes_idempotent_producers_and_makes_no_topic_by_itself(kafka: str) -> None:
    assert version() == "4.1.1"
    topic = await _topic(kafka, 1)
    await _send(kafka, topic, b"1", b"2")
    assert await _read(kafka, topic) == [b"1", b"2"]
    never_made = f"never-made-{uuid4().hex}"
    with pytest.raises(UnknownTopicOrPartitionError):
        await _send(kafka, never_made, b"1", patience_ms=2_000)
    admin = AIOKafkaAdminClient(bootstrap_servers=kafka)
    await admin.start()
    assert topic in await admin.list_topics()
    assert never_made not in await admin.list_topics()
    await admin.close()


async def test_a_group_joins_quickly(kafka: str) -> None:
    topic = await _topic(kafka, 1)
    await _send(kafka, topic, b"hello")
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=kafka, group_id=f"test.{uuid4().hex}", auto_offset_reset="earliest"
    )
    await consumer.start()
    record = await asyncio.wait_for(consumer.getone(), 10)
    await consumer.stop()
    assert record.value == b"hello"


async def test_what_was_acknowledged_survives_the_death_of_each_broker_in_turn(kafka3: KafkaCluster) -> None:
    topic = await _topic(kafka3.bootstrap, 3)
    sent: list[bytes] = []
    for broker in range(3):
        before, during = f"before {broker}".encode(), f"during {broker}".encode()
        await _send(kafka3.bootstrap, topic, before)
        kafka3.kill(broker=broker)
        assert not kafka3.broker(broker).alive
        await _send(kafka3.bootstrap, topic, during)
        await kafka3.restart(broker=broker)
        sent += [before, during]
    assert await _read(kafka3.bootstrap, topic) == sent


async def test_a_frozen_broker_does_not_stop_the_others(kafka3: KafkaCluster) -> None:
    topic = await _topic(kafka3.bootstrap, 3)
    kafka3.broker(1).freeze()
    try:
        await _send(kafka3.bootstrap, topic, b"while one sleeps", patience_ms=5_000)
    finally:
        kafka3.broker(1).thaw()
    await kafka3.restart(broker=1)
    assert await _read(kafka3.bootstrap, topic) == [b"while one sleeps"]


async def test_a_second_start_on_the_folder_finds_the_data(folder: Path) -> None:
    async with KafkaCluster(folder, quick=True) as first:
        topic = await _topic(first.bootstrap, 1)
        await _send(first.bootstrap, topic, b"kept")
        first.kill()
    async with KafkaCluster(folder, quick=True) as second:
        assert await _read(second.bootstrap, topic) == [b"kept"]


async def test_a_broker_that_cannot_start_says_why(folder: Path) -> None:
    cluster = KafkaCluster(folder, quick=True)
    await cluster.start()
    cluster.kill()
    meta = folder / "broker-1" / "data" / "meta.properties"
    meta.write_text(meta.read_text(encoding="utf-8").replace("node.id=1", "node.id=7"), encoding="utf-8")
    with pytest.raises(StackError, match=r"ended with [^0](?s:.)*7"):
        await cluster.start()
    await eventually(lambda: not cluster.alive, within=5)
