"""What the broker refuses for good is listed and can be sent again, but never puts an old state last."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar
from uuid import uuid4

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from typer.testing import CliRunner

from chassis import outbox, relay
from chassis.database import DISTRICT, Database
from chassis.relay import make_producer, relay_once
from chassis.settings import ServiceSettings
from chassis.topics import ensure_topics
from contracts.person_changed import PersonChanged
from contracts.school_changed import EXAMPLE, SchoolChanged
from services.cabinet.queries import accounts
from sutki.cli import app
from sutki.commands.operating import retry_refused
from tests.support.databases import ServiceDatabases

SMALL = 1000
"""Bytes of a message that a broker with narrow limits takes."""


class Settings(ServiceSettings):
    SERVICE: ClassVar[str] = "cabinet"


@pytest.fixture
async def database(service_database: ServiceDatabases, monkeypatch: pytest.MonkeyPatch) -> Database:
    monkeypatch.setenv("SUTKI_CABINET_DATABASE_URL", (await service_database.urls("cabinet")).app)
    monkeypatch.setenv("SUTKI_KAFKA_BOOTSTRAP", "unused")
    return await service_database("cabinet")


async def a_refused(database: Database, topic: str) -> int:
    async with database.transaction(DISTRICT) as conn:
        row_id: int = await conn.fetchval(
            "INSERT INTO outbox (aggregatetype, aggregateid, type, payload, event_id, occurred_at, failure) "
            "VALUES ($1, 'key', $1, 'secret', gen_random_uuid(), now(), 'too large') RETURNING id",
            topic,
        )
    return row_id


async def to_send(database: Database) -> list[tuple[int, str]]:
    query = "SELECT id, type FROM outbox WHERE published_at IS NULL AND failure IS NULL ORDER BY id"
    async with database.transaction(DISTRICT) as conn:
        return [(row["id"], row["type"]) for row in await conn.fetch(query)]


async def test_refused_events_are_listed_and_sent_again_one_or_all(database: Database) -> None:
    first, second, third = [await a_refused(database, SchoolChanged.TOPIC) for _ in range(3)]
    assert [(one.id, one.failure, one.bytes) for one in await outbox.refused(database, limit=2)] == [
        (first, "too large", 6),
        (second, "too large", 6),
    ]
    assert (await retry_refused("cabinet", second)).again == 1
    assert [row for row, _ in await to_send(database)] == [second]
    assert (await retry_refused("cabinet", second)).again == 0, "it waits for the relay already"
    assert (await retry_refused("cabinet")).again == 2
    assert [row for row, _ in await to_send(database)] == [first, second, third]
    assert await outbox.refused(database) == []


async def test_an_old_state_for_a_compacted_topic_is_told_anew_by_its_owner_instead(database: Database) -> None:
    now = datetime.now(UTC)
    async with database.transaction(DISTRICT) as conn:
        await accounts.activate(conn, [accounts.AccountRow(uuid4(), "mother", "hash")], now)
    old = await a_refused(database, PersonChanged.TOPIC)
    resent = await retry_refused("cabinet")
    assert (resent.again, resent.anew) == (0, 1)
    assert [kind for _, kind in await to_send(database)] == ["cabinet.account-changed.v1"], "what the owner has now"
    assert await outbox.refused(database) == []
    async with database.transaction(DISTRICT) as conn:
        assert await conn.fetchval("SELECT failure FROM outbox WHERE id = $1", old) == "too large", "it stays on record"


@pytest.fixture
async def producers(kafka: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[AIOKafkaProducer]]:
    """One that takes little, and one that takes what is usual."""
    settings = Settings(database_url="unused", kafka_bootstrap=kafka, http_port=8100)
    usual = make_producer(settings, "test")
    monkeypatch.setattr(relay, "MAX_MESSAGE_BYTES", SMALL)
    narrow = make_producer(settings, "test")
    for producer in (narrow, usual):
        await producer.start()
    yield [narrow, usual]
    for producer in (narrow, usual):
        await producer.stop()


@pytest.mark.kafka
async def test_what_was_too_large_arrives_once_the_limit_is_raised(
    database: Database, producers: list[AIOKafkaProducer], kafka: str
) -> None:
    prefix = f"t{uuid4().hex[:8]}."
    await ensure_topics(kafka, {SchoolChanged.TOPIC: False}, partitions=1, replication_factor=1, prefix=prefix)
    event = EXAMPLE.model_copy(update={"name": "Школа имени " + "очень " * 70 + "длинным"})
    async with database.transaction(DISTRICT) as conn:
        await outbox.publish(conn, [event])
    conn = await database.dedicated()
    try:
        await conn.execute("SELECT set_config('sutki.scope', 'district', false)")
        await relay_once(conn, producers[0], prefix)
        (refused,) = await outbox.refused(database)
        assert "larger than the maximum" in refused.failure
        assert await relay_once(conn, producers[1], prefix) == 0, "not by itself"
        await retry_refused("cabinet", refused.id)
        assert await relay_once(conn, producers[1], prefix) == 1
    finally:
        await conn.close()
    assert await outbox.refused(database) == []
    assert (await first_of(kafka, prefix + SchoolChanged.TOPIC)).value == event.to_json()


async def first_of(kafka: str, topic: str) -> Any:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=kafka, auto_offset_reset="earliest")
    await consumer.start()
    try:
        return await consumer.getone()
    finally:
        await consumer.stop()


async def test_the_command_line_shows_the_reason_and_no_content_and_sends_again(
    database: Database, tmp_path: Path
) -> None:
    await a_refused(database, SchoolChanged.TOPIC)
    (tmp_path / "stack.env").touch()

    async def sutki(*arguments: str) -> str:
        command = ["--env", str(tmp_path / "stack.env"), "outbox", *arguments]
        result = await asyncio.to_thread(CliRunner().invoke, app, command)
        assert result.exit_code == 0, result.output
        return result.output

    listed = await sutki("list", "cabinet")
    assert "too large" in listed
    assert "secret" not in listed
    assert "будет отправлено: 1" in await sutki("retry", "cabinet")
    assert "пусто" in await sutki("list", "cabinet")
