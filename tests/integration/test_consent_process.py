"""The consent service as a process: it hears of people, registers over HTTP, tells, beats, and ends when asked."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from aiokafka import AIOKafkaConsumer

from chassis.auth import create_client
from chassis.clock import DatabaseClock
from chassis.crash import CRASHED
from chassis.database import DISTRICT, Database
from chassis.messages import headers_for, read_headers
from chassis.relay import make_producer
from chassis.topics import ensure_topics
from contracts.base import PersonId
from contracts.catalogue import TOPICS
from contracts.consent_changed import ConsentChanged
from contracts.consent_heartbeat import ConsentHeartbeat
from contracts.person_changed import PersonChanged
from services.consent import handlers
from services.consent.settings import Settings
from sutki.stack.ports import free_port
from tests.integration.test_consent_api import a_body
from tests.integration.test_consent_registry import a_student
from tests.support.databases import ServiceDatabases
from tests.support.waiting import eventually

pytestmark = pytest.mark.kafka

ROOT = Path(__file__).resolve().parents[2]


class Process:
    """`python -m services.consent run` on a database, a port and a topic prefix of the test's own."""

    def __init__(self, settings: Settings, database: Database) -> None:
        self.settings = settings
        self.database = database
        self.process: asyncio.subprocess.Process | None = None

    async def start(self, *, crash_at: str = "") -> None:
        settings = self.settings
        environment = {
            **os.environ,
            "SUTKI_CONSENT_DATABASE_URL": settings.database_url,
            "SUTKI_KAFKA_BOOTSTRAP": settings.kafka_bootstrap,
            "SUTKI_KAFKA_TOPIC_PREFIX": settings.kafka_topic_prefix,
            "SUTKI_CONSENT_HTTP_PORT": str(settings.http_port),
            "SUTKI_CONSENT_HEARTBEAT_SECONDS": "0.2",
            "SUTKI_CRASH_AT": crash_at,
        }
        self.process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.consent", "run", cwd=ROOT, env=environment,
            stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        await eventually(self._ready, what="readiness")

    async def _ready(self) -> bool:
        assert self.process is not None
        assert self.process.returncode is None
        try:
            return (await self.get("/health/ready")).status_code == 200
        except httpx.TransportError:
            return False

    async def end(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return await self.ended()

    async def ended(self) -> int:
        """Waits for it to die by itself; signalling a process that just died would lose its exit code."""
        assert self.process is not None
        return await asyncio.wait_for(self.process.wait(), 60)

    async def get(self, path: str) -> httpx.Response:
        async with httpx.AsyncClient(base_url=self.url) as http:
            return await http.get(path)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.settings.http_port}"


@pytest.fixture
async def service(service_database: ServiceDatabases, kafka: str) -> AsyncIterator[Process]:
    prefix = f"t{uuid4().hex[:8]}."
    await ensure_topics(kafka, TOPICS, partitions=2, replication_factor=1, prefix=prefix)
    settings = Settings(
        database_url=(await service_database.urls("consent")).app,
        kafka_bootstrap=kafka,
        kafka_topic_prefix=prefix,
        http_port=free_port(),
    )
    made = Process(settings, await service_database("consent"))
    yield made
    if made.process is not None and made.process.returncode is None:
        made.process.kill()
        await made.process.wait()


async def _tell(settings: Settings, event: PersonChanged) -> None:
    producer = make_producer(settings, "test")
    await producer.start()
    try:
        key = str(event.key())
        headers = headers_for(
            event_id=event.event_id(),
            event_type=event.TOPIC,
            subject=key,
            time=event.occurred_at(),
            traceparent=None,
        )
        topic = settings.kafka_topic_prefix + event.TOPIC
        await producer.send_and_wait(topic, event.to_json(), key=key.encode(), headers=headers)
    finally:
        await producer.stop()


async def _heard(settings: Settings, consents: int) -> tuple[list[ConsentChanged], set[int]]:
    """The first consents of the topic, and the partitions that had a heartbeat by then or soon after."""
    consumer = AIOKafkaConsumer(
        settings.kafka_topic_prefix + ConsentChanged.TOPIC,
        bootstrap_servers=settings.kafka_bootstrap,
        auto_offset_reset="earliest",
    )
    found: list[ConsentChanged] = []
    beaten: set[int] = set()
    await consumer.start()
    try:
        async with asyncio.timeout(30):
            while len(found) < consents or len(beaten) < 2:
                record = await consumer.getone()
                kind = read_headers(record.headers)["ce_type"]
                if kind == ConsentHeartbeat.TOPIC:
                    beaten.add(record.partition)
                else:
                    found.append(ConsentChanged.from_json(record.value or b""))
    finally:
        await consumer.stop()
    return found, beaten


async def _a_client(database: Database) -> dict[str, str]:
    async with database.transaction(DISTRICT) as conn:
        return {"Authorization": f"Bearer {await create_client(conn, school_id=None, label='test')}"}


async def test_a_consent_goes_from_the_door_to_the_topic(service):
    parent = PersonId(uuid4())
    student = a_student(parent)
    headers = await _a_client(service.database)
    await service.start()
    await _tell(service.settings, student)

    async with httpx.AsyncClient(base_url=service.url, headers=headers) as http:
        answers: list[httpx.Response] = []

        async def registered() -> bool:
            answers.append(await http.post("/v1/decisions", json=a_body(parent, student.person_id)))
            return answers[-1].status_code == 200

        await eventually(registered, within=30, what="the person being known")
        consent_id = answers[-1].json()["consent"]["consent_id"]
        withdrawn = await http.post(f"/v1/consents/{consent_id}/withdraw", json={})
    found, beaten = await _heard(service.settings, 2)
    metrics = (await service.get("/metrics")).text

    assert withdrawn.status_code == 200
    assert [event.revision for event in found] == [1, 2]
    assert found[1].contact is None
    assert beaten == {0, 1}
    assert 'sutki_consent_registrations_total{outcome="registered"} 2.0' in metrics
    assert str(parent) not in metrics
    assert await service.end() == 0


@pytest.mark.parametrize(
    ("point", "kept"),
    [("consent.after_facts", 0), ("consent.after_outbox", 0), ("consent.after_commit", 1)],
)
async def test_a_process_that_dies_leaves_all_or_nothing_and_the_same_request_completes_it(service, point, kept):
    parent = PersonId(uuid4())
    student = a_student(parent)
    headers = await _a_client(service.database)
    async with service.database.transaction(DISTRICT) as conn:
        await handlers.take_people(conn, [student], DatabaseClock())

    await service.start(crash_at=point)
    with pytest.raises(httpx.TransportError):
        async with httpx.AsyncClient(base_url=service.url, headers=headers) as http:
            await http.post("/v1/decisions", json=a_body(parent, student.person_id))
    assert await service.ended() == CRASHED
    async with service.database.transaction(DISTRICT) as conn:
        counts = [
            await conn.fetchval(f"SELECT count(*) FROM {table}")
            for table in ("consents", "consent_decisions", "consent_documents", "outbox")
        ]
    assert counts == [kept] * 4

    await service.start()
    async with httpx.AsyncClient(base_url=service.url, headers=headers) as http:
        answer = await http.post("/v1/decisions", json=a_body(parent, student.person_id))
    assert answer.json()["status"] == ("unchanged" if kept else "registered")
    found, _ = await _heard(service.settings, 1)
    assert found[0].revision == 1
    assert await service.end() == 0


async def test_a_wrong_setting_is_named_at_the_start():
    environment = {name: value for name, value in os.environ.items() if not name.startswith("SUTKI_")}
    environment |= {
        "SUTKI_DATABASE_URL": "postgresql://nowhere",
        "SUTKI_KAFKA_BOOTSTRAP": "nowhere:1",
        "SUTKI_CONSENT_BIRTHDAY_TIME_ZONE": "Moscow",
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services.consent", "run", cwd=ROOT, env=environment, stderr=asyncio.subprocess.PIPE
    )
    _, complaint = await asyncio.wait_for(process.communicate(), 30)

    assert process.returncode == 78
    assert b"SUTKI_CONSENT_BIRTHDAY_TIME_ZONE" in complaint
