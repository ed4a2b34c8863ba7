"""The heartbeat's promise: behind it in its partition there is no consent that was registered before its instant."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID, uuid4

import asyncpg
import pytest
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from prometheus_client import REGISTRY

from chassis.clock import DatabaseClock
from chassis.database import DISTRICT, Database
from chassis.messages import read_headers
from chassis.relay import Relay
from chassis.topics import ensure_topics
from contracts.base import PersonId, StudentId
from contracts.catalogue import TOPICS
from contracts.consent_changed import ConsentChanged
from contracts.consent_heartbeat import ConsentHeartbeat
from services.consent import handlers
from services.consent.heartbeat import Heartbeat, boundary
from services.consent.model import Policy, Withdrawal
from services.consent.replay import replay
from services.consent.settings import Settings
from tests.integration.test_consent_registry import a_student, an_answer
from tests.support.databases import ServiceDatabases
from tests.support.waiting import eventually

pytestmark = pytest.mark.kafka

POLICY = Policy()
PARTITIONS = 3


@dataclass
class Bench:
    """The service's parts around the heartbeat, on a real broker, under a topic prefix of the test's own."""

    database: Database
    databases: ServiceDatabases
    settings: Settings
    heartbeat: Heartbeat
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    tasks: "list[asyncio.Task[None]]" = field(default_factory=list)

    async def a_pair(self) -> tuple[PersonId, StudentId]:
        parent = PersonId(uuid4())
        student = a_student(parent)
        async with self.database.transaction(DISTRICT) as conn:
            await handlers.take_people(conn, [student], DatabaseClock())
        return parent, StudentId(student.person_id)

    async def registers(self, request: handlers.Request) -> handlers.Outcome:
        async with self.database.transaction(DISTRICT) as conn:
            return await handlers.register_decision(conn, request, clock=DatabaseClock(), policy=POLICY)

    def starts(self, work: Callable[[asyncio.Event], Awaitable[None]]) -> None:
        async def run() -> None:
            await work(self.stop)

        self.tasks.append(asyncio.create_task(run()))

    def relays(self) -> None:
        self.starts(Relay(self.database, self.settings).run)

    async def topic(self) -> "dict[int, list[ConsumerRecord[bytes, bytes]]]":
        """Everything that stands in the topic now, by partition."""
        name = self.settings.kafka_topic_prefix + ConsentChanged.TOPIC
        consumer = AIOKafkaConsumer(bootstrap_servers=self.settings.kafka_bootstrap, auto_offset_reset="earliest")
        await consumer.start()
        try:
            partitions = [TopicPartition(name, number) for number in range(PARTITIONS)]
            consumer.assign(partitions)
            ends = await consumer.end_offsets(partitions)
            found: dict[int, list[ConsumerRecord[bytes, bytes]]] = {number: [] for number in range(PARTITIONS)}
            while sum(map(len, found.values())) < sum(ends.values()):
                for partition, records in (await consumer.getmany(timeout_ms=200)).items():
                    found[partition.partition] += records
            return found
        finally:
            await consumer.stop()


@pytest.fixture
async def bench(service_database: ServiceDatabases, kafka: str) -> AsyncIterator[Bench]:
    database = await service_database("consent")
    prefix = f"t{uuid4().hex[:8]}."
    await ensure_topics(
        kafka,
        {name: compacted for name, compacted in TOPICS.items() if name == ConsentChanged.TOPIC},
        partitions=PARTITIONS,
        replication_factor=1,
        prefix=prefix,
    )
    settings = Settings(
        database_url=(await service_database.urls("consent")).app,
        kafka_bootstrap=kafka,
        kafka_topic_prefix=prefix,
        heartbeat_seconds=0.05,
        heartbeat_lock_seconds=30,
    )
    made = Bench(database, service_database, settings, Heartbeat(database, settings))
    try:
        yield made
    finally:
        made.stop.set()
        await asyncio.gather(*made.tasks)
        await made.heartbeat._forget_producer()


def _beats(records: "list[ConsumerRecord[bytes, bytes]]") -> list[tuple[int, ConsentHeartbeat]]:
    return [
        (record.offset, ConsentHeartbeat.from_json(record.value or b""))
        for record in records
        if read_headers(record.headers)["ce_type"] == ConsentHeartbeat.TOPIC
    ]


def _consents(records: "list[ConsumerRecord[bytes, bytes]]") -> list[tuple[int, ConsentChanged]]:
    return [
        (record.offset, ConsentChanged.from_json(record.value or b""))
        for record in records
        if read_headers(record.headers)["ce_type"] == ConsentChanged.TOPIC
    ]


async def test_every_partition_gets_one_with_the_headers_of_an_event(bench):
    as_of = await bench.heartbeat.beat(bench.stop)

    for number, records in (await bench.topic()).items():
        ((_, beat),) = _beats(records)
        assert beat == ConsentHeartbeat(as_of=as_of, partition=number, partitions=PARTITIONS)
        headers = read_headers(records[0].headers)
        assert headers["ce_id"] == str(beat.event_id())
        assert headers["ce_source"] == "/sutki/consent"
        assert headers["ce_subject"] == str(beat.key()) == (records[0].key or b"").decode()
        assert datetime.fromisoformat(headers["ce_time"]) == as_of


async def test_a_registration_in_flight_is_waited_for_and_stands_before_the_heartbeat(bench):
    parent, student = await bench.a_pair()
    bench.relays()

    async with bench.database.transaction(DISTRICT) as conn:
        outcome = await handlers.register_decision(
            conn, an_answer(parent, student), clock=DatabaseClock(), policy=POLICY
        )
        beat = asyncio.create_task(bench.heartbeat.beat(bench.stop))
        await eventually(lambda: _waits_for_lock(bench), what="the heartbeat waiting for the registration")
        assert not beat.done()
        assert all(not records for records in (await bench.topic()).values())
    as_of = await asyncio.wait_for(beat, 30)

    assert outcome.consent is not None
    assert as_of > outcome.consent.decided_at
    _the_promise_holds(await bench.topic(), consents=1)


async def _waits_for_lock(bench: Bench) -> bool:
    async with bench.databases.as_superuser("consent") as conn:
        waiting: bool = await conn.fetchval(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))"
        )
    return waiting


async def test_nothing_is_said_before_the_broker_has_what_was_registered(bench):
    parent, student = await bench.a_pair()
    await bench.registers(an_answer(parent, student))

    beat = asyncio.create_task(bench.heartbeat.beat(bench.stop))
    finished, _ = await asyncio.wait([beat], timeout=1)
    assert not finished, "no relay has run"
    assert all(not records for records in (await bench.topic()).values())

    bench.relays()
    await asyncio.wait_for(beat, 30)
    _the_promise_holds(await bench.topic(), consents=1)


async def test_what_the_broker_refused_for_good_silences_the_heartbeat(bench):
    parent, student = await bench.a_pair()
    await bench.registers(an_answer(parent, student))
    async with bench.databases.as_superuser("consent") as conn:
        await conn.execute("UPDATE outbox SET failure = 'too large'")

    beat = asyncio.create_task(bench.heartbeat.beat(bench.stop))
    finished, _ = await asyncio.wait([beat], timeout=1)

    assert not finished
    bench.stop.set()
    assert await asyncio.wait_for(beat, 10) is None


async def test_a_replay_counts_as_registrations(bench):
    parent, student = await bench.a_pair()
    await bench.registers(an_answer(parent, student))
    async with bench.databases.as_superuser("consent") as conn:
        await conn.execute("DELETE FROM outbox")
    await replay(bench.database)

    beat = asyncio.create_task(bench.heartbeat.beat(bench.stop))
    finished, _ = await asyncio.wait([beat], timeout=0.5)
    assert not finished
    bench.relays()
    await asyncio.wait_for(beat, 30)

    _the_promise_holds(await bench.topic(), consents=1)


async def test_a_registration_that_begins_later_has_a_later_instant(bench):
    parent, student = await bench.a_pair()
    begun = asyncio.Event()

    async def a_late_one() -> datetime:
        # Its transaction is open before the heartbeat's moment; it registers after that.
        async with bench.database.transaction(DISTRICT) as conn:
            await conn.fetchval("SELECT now()")
            begun.set()
            await spoken.wait()
            outcome = await handlers.register_decision(
                conn, an_answer(parent, student), clock=DatabaseClock(), policy=POLICY
            )
        assert outcome.consent is not None
        return outcome.consent.decided_at

    spoken = asyncio.Event()
    late = asyncio.create_task(a_late_one())
    await begun.wait()
    async with bench.database.transaction(DISTRICT) as conn:
        as_of, _ = await boundary(conn, 5)
    spoken.set()

    assert await late >= as_of


async def test_under_load_the_promise_holds_at_every_heartbeat(bench):
    pairs = [await bench.a_pair() for _ in range(12)]
    bench.relays()
    bench.starts(bench.heartbeat.run)

    async def decides(parent: PersonId, student: StudentId) -> None:
        for number in range(12):
            await bench.registers(an_answer(parent, student, f"С-{number}"))
            await bench.registers(Withdrawal(parent, student, document_number=f"О-{number}"))

    await asyncio.gather(*(decides(*pair) for pair in pairs))
    after = datetime.now(UTC)

    async def spoken() -> bool:
        found = await bench.topic()
        return all(beats and beats[-1][1].as_of > after for beats in map(_beats, found.values()))

    await eventually(spoken, what="a heartbeat after the last registration")
    bench.stop.set()
    await asyncio.gather(*bench.tasks)
    found = await bench.topic()
    _the_promise_holds(found, consents=12 * 24)
    assert max(len(_beats(records)) for records in found.values()) >= 3, "there were heartbeats in between"


def _the_promise_holds(found: "dict[int, list[ConsumerRecord[bytes, bytes]]]", *, consents: int) -> None:
    seen = 0
    revisions: dict[UUID, list[int]] = defaultdict(list)
    for records in found.values():
        latest = datetime.min.replace(tzinfo=UTC)
        beats, events = dict(_beats(records)), dict(_consents(records))
        for offset in sorted({*beats, *events}):
            if offset in beats:
                latest = max(latest, beats[offset].as_of)
                continue
            seen += 1
            revisions[events[offset].consent_id].append(events[offset].revision)
            assert events[offset].decided_at >= latest, "registered before a heartbeat, and stands behind it"
        assert beats, "every partition was told"
    assert seen == consents
    assert all(told == sorted(told) for told in revisions.values())


async def test_a_registration_that_takes_too_long_only_puts_the_heartbeat_off(bench):
    settings = bench.settings.model_copy(update={"heartbeat_lock_seconds": 0.1})
    heartbeat = Heartbeat(bench.database, settings)
    parent, student = await bench.a_pair()
    failures = _counted("sutki_consent_heartbeat_failures_total")
    bench.relays()

    async with bench.database.transaction(DISTRICT) as conn:
        await handlers.register_decision(conn, an_answer(parent, student), clock=DatabaseClock(), policy=POLICY)
        with pytest.raises(asyncpg.LockNotAvailableError):
            await heartbeat.beat(bench.stop)
        bench.starts(heartbeat.run)
        await eventually(lambda: _counted("sutki_consent_heartbeat_failures_total") > failures)

    async def spoken() -> bool:
        return all(_beats(records) for records in (await bench.topic()).values())

    await eventually(spoken, what="the heartbeat after the registration")


async def test_without_a_broker_it_stays_silent_and_lives(bench):
    settings = bench.settings.model_copy(update={"kafka_bootstrap": "127.0.0.1:1"})
    failures = _counted("sutki_consent_heartbeat_failures_total")
    bench.starts(Heartbeat(bench.database, settings).run)

    await eventually(lambda: _counted("sutki_consent_heartbeat_failures_total") > failures, what="a counted failure")

    assert not bench.tasks[0].done()
    bench.stop.set()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.shield(bench.tasks[0]), 20)
    assert bench.tasks[0].done()
    assert bench.tasks[0].exception() is None


def _counted(name: str) -> float:
    return REGISTRY.get_sample_value(name) or 0.0
