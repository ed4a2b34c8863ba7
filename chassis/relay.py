"""The relay: sends what is in the outbox, waits for the broker's word, and only then marks it as published.

Which rows are unpublished is asked anew each time; never "everything after the last id", since ids commit out of order.
One relay works at a time (a session lock), so that the order per key is that of the ids.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import asyncpg
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, RecordTooLargeError

from chassis import metrics, outbox
from chassis.crash import crash_here
from chassis.database import DISTRICT, Connection, Database
from chassis.errors import is_transient
from chassis.logging import log
from chassis.messages import headers_for
from chassis.settings import ServiceSettings

BATCH = 2000
POLL_SECONDS = 0.5
RETRY_SECONDS = 1.0
MAX_MESSAGE_BYTES = 4 * 1024 * 1024

_LOCK = "SELECT pg_try_advisory_lock(hashtext('sutki.relay'))"
_SCOPE = "SELECT set_config('sutki.scope', 'district', false)"
_CLAIM = """
SELECT id, aggregatetype, aggregateid, type, payload, event_id, occurred_at, traceparent
FROM outbox WHERE published_at IS NULL AND failure IS NULL
ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED
"""
_MARK = "UPDATE outbox SET published_at = clock_timestamp() WHERE id = ANY($1::bigint[])"
_MARK_FAILED = "UPDATE outbox SET failure = $2 WHERE id = $1"
# Two questions, each answered by an index of its own: this is asked every second.
_MEASURE = """
SELECT waiting.pending, refused.failed, waiting.age
FROM (
    SELECT count(*) AS pending,
           coalesce(extract(epoch FROM clock_timestamp() - min(created_at)), 0)::float AS age
    FROM outbox WHERE published_at IS NULL AND failure IS NULL
) AS waiting
CROSS JOIN (SELECT count(*) AS failed FROM outbox WHERE published_at IS NULL AND failure IS NOT NULL) AS refused
"""


def make_producer(settings: ServiceSettings, client_id: str) -> AIOKafkaProducer:
    """A producer that counts a message as sent only when all in-sync replicas have it."""
    return AIOKafkaProducer(
        bootstrap_servers=settings.kafka_bootstrap,
        client_id=client_id,
        acks="all",
        enable_idempotence=settings.kafka_idempotence,
        linger_ms=5,
        max_batch_size=131_072,
        max_request_size=MAX_MESSAGE_BYTES,
    )


class Relay:
    """Sends one database's outbox to the broker."""

    def __init__(self, database: Database, settings: ServiceSettings) -> None:
        self._database = database
        self._settings = settings
        self._wake = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Works until `stop` is set; database or broker being away only makes it wait."""
        while not stop.is_set():
            try:
                await self._work(stop)
            except Exception as error:
                if not is_transient(error) and not isinstance(error, KafkaError):
                    raise
                log.warning("relay_waits", error=type(error).__name__, detail=str(error)[:200])
                await _sleep(stop, RETRY_SECONDS)

    async def _work(self, stop: asyncio.Event) -> None:
        conn = await self._database.dedicated()
        try:
            if not await conn.fetchval(_LOCK):
                await _sleep(stop, RETRY_SECONDS)
                return
            await conn.execute(_SCOPE)
            await conn.add_listener(outbox.CHANNEL, lambda *_: self._wake.set())
            producer = make_producer(self._settings, f"{self._settings.SERVICE}-relay")
            await producer.start()
            try:
                while not stop.is_set():
                    self._wake.clear()
                    if await relay_once(conn, producer, self._settings.kafka_topic_prefix) == 0:
                        await self._idle(stop)
            finally:
                await producer.stop()
        finally:
            await _close(conn)

    async def _idle(self, stop: asyncio.Event) -> None:
        waits = [asyncio.create_task(self._wake.wait()), asyncio.create_task(stop.wait())]
        _, pending = await asyncio.wait(waits, timeout=POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()


async def relay_once(conn: Connection, producer: AIOKafkaProducer, prefix: str = "", batch: int = BATCH) -> int:
    """Sends one batch in a transaction that locks its rows.

    Returns:
        How many rows were settled: acknowledged, or refused by the broker for good.

    Raises:
        KafkaError: the broker did not take them; nothing is marked and they are sent again.
    """
    async with conn.transaction():
        rows = await conn.fetch(_CLAIM, batch)
        if not rows:
            return 0
        crash_here("relay.after_claim")
        refused = await _send(producer, rows, prefix)
        crash_here("relay.after_broker_ack")
        await conn.execute(_MARK, [row["id"] for row in rows if row["id"] not in refused])
        for row_id, reason in refused.items():
            log.error("outbox_event_refused", outbox_id=row_id, reason=reason)
            await conn.execute(_MARK_FAILED, row_id, reason)
        crash_here("relay.before_commit")
    metrics.RELAYED.inc(len(rows) - len(refused))
    return len(rows)


async def _send(producer: AIOKafkaProducer, rows: Sequence[asyncpg.Record], prefix: str) -> dict[int, str]:
    acknowledgements: list[tuple[int, asyncio.Future[Any]]] = []
    refused: dict[int, str] = {}
    try:
        for row in rows:
            try:
                acknowledgements.append((row["id"], await producer.send(prefix + row["aggregatetype"], **_record(row))))
            except MessageSizeTooLargeError as error:
                refused[row["id"]] = str(error)
    finally:
        # Also when a send failed: what is under way must be settled before the rows are unlocked.
        outcomes = await asyncio.gather(*(future for _, future in acknowledgements), return_exceptions=True)
    for (row_id, _), outcome in zip(acknowledgements, outcomes, strict=True):
        if isinstance(outcome, RecordTooLargeError):
            refused[row_id] = str(outcome)
        elif isinstance(outcome, BaseException):
            raise outcome
    return refused


def _record(row: asyncpg.Record) -> dict[str, Any]:
    return {
        "key": row["aggregateid"].encode(),
        "value": None if row["payload"] is None else row["payload"].encode(),
        "headers": headers_for(
            event_id=row["event_id"],
            event_type=row["type"],
            subject=row["aggregateid"],
            time=row["occurred_at"],
            traceparent=row["traceparent"],
        ),
    }


async def measure(database: Database) -> None:
    """Sets the outbox's gauges."""
    async with database.transaction(DISTRICT) as conn:
        row = await conn.fetchrow(_MEASURE)
    if row is not None:
        metrics.OUTBOX_PENDING.set(row["pending"])
        metrics.OUTBOX_FAILED.set(row["failed"])
        metrics.OUTBOX_AGE_SECONDS.set(row["age"])


async def _close(conn: "asyncpg.Connection[asyncpg.Record]") -> None:
    with suppress(OSError, asyncpg.InterfaceError, asyncpg.PostgresError):
        await conn.close(timeout=5)


async def _sleep(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
