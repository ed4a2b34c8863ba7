"""The heartbeat: tells every consumer up to which instant its view of consents is complete.

A heartbeat with `as_of` may stand in a partition only behind every consent that was registered before `as_of`. It does:

1. Whoever writes a consent takes an advisory lock in shared mode first, takes the instant of registration after that,
   and keeps the lock until its commit is visible (PostgreSQL gives locks back after that).
2. The heartbeat takes the same lock exclusively for a moment. Then no registration is under way: each one has either
   committed, or will begin later and take a later instant. In that moment the heartbeat reads `as_of` and the highest
   unpublished id of the outbox. Registrations get their ids under their lock, so every event registered before `as_of`
   is published or has an id up to that one. (Without the lock a highest id proves nothing: ids commit out of order.)
3. It waits until no row up to that id is unpublished. The relay marks a row only after all in-sync replicas of its
   partition have acknowledged it, so whatever is sent now stands behind it. A row that the broker refused for good
   counts as unpublished.

If anything is away or stuck, no heartbeat is sent. Silence closes the electronic channels, which is the safe state.
"""

import asyncio
from contextlib import suppress
from datetime import datetime
from time import monotonic

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from chassis.crash import crash_here
from chassis.database import DISTRICT, Connection, Database
from chassis.errors import is_transient
from chassis.logging import log
from chassis.messages import headers_for
from chassis.relay import make_producer
from contracts.consent_changed import ConsentChanged
from contracts.consent_heartbeat import ConsentHeartbeat
from services.consent import metrics
from services.consent.settings import Settings

POLL_SECONDS = 0.05
RETRY_SECONDS = 1.0

_LOCK_TIMEOUT = "SELECT set_config('lock_timeout', $1, true)"
_LOCK = "SELECT pg_advisory_xact_lock(hashtext('sutki.consent.registration'))"
_BOUNDARY = """
SELECT clock_timestamp() + clock_shift() AS as_of,
    coalesce((SELECT max(id) FROM outbox WHERE aggregatetype = $1 AND published_at IS NULL), 0) AS last_id
"""
_UNPUBLISHED = """
SELECT EXISTS (SELECT FROM outbox WHERE published_at IS NULL AND id <= $1 AND aggregatetype = $2)
"""


class Heartbeat:
    """Sends heartbeats until it is stopped."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self._database = database
        self._settings = settings
        self._producer: AIOKafkaProducer | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Beats every `heartbeat_seconds`; what is away is waited for."""
        try:
            while not stop.is_set():
                started = monotonic()
                pause = self._settings.heartbeat_seconds
                try:
                    await self.beat(stop)
                except Exception as error:
                    if not is_transient(error) and not isinstance(error, KafkaError):
                        raise
                    metrics.HEARTBEAT_FAILURES.inc()
                    log.warning("heartbeat_not_sent", error=type(error).__name__)
                    await self._forget_producer()
                    pause = min(pause, RETRY_SECONDS)
                await _sleep(stop, max(0.0, pause - (monotonic() - started)))
        finally:
            await self._forget_producer()

    async def beat(self, stop: asyncio.Event) -> datetime | None:
        """Sends one heartbeat to every partition.

        Returns:
            The instant for which it speaks; None when it was stopped while waiting for the relay.

        Raises:
            KafkaError: the broker did not acknowledge it everywhere.
        """
        async with self._database.transaction(DISTRICT) as conn:
            as_of, last_id = await boundary(conn, self._settings.heartbeat_lock_seconds)
        taken = monotonic()
        crash_here("consent.heartbeat_after_boundary")
        while not await self._published(last_id):
            await _sleep(stop, POLL_SECONDS)
            if stop.is_set():
                return None
        await self._send(as_of)
        metrics.HEARTBEATS.inc()
        metrics.HEARTBEAT_AS_OF.set(as_of.timestamp())
        metrics.HEARTBEAT_DELAY.set(monotonic() - taken)
        return as_of

    async def _published(self, last_id: int) -> bool:
        async with self._database.transaction(DISTRICT) as conn:
            return not await conn.fetchval(_UNPUBLISHED, last_id, ConsentChanged.TOPIC)

    async def _send(self, as_of: datetime) -> None:
        producer = await self._started()
        topic = self._settings.kafka_topic_prefix + ConsentHeartbeat.CARRIER
        partitions = sorted(await producer.partitions_for(topic))
        beats = [ConsentHeartbeat(as_of=as_of, partition=number, partitions=len(partitions)) for number in partitions]
        acknowledgements = []
        for beat in beats:
            key = str(beat.key())
            acknowledgements.append(
                await producer.send(
                    topic,
                    beat.to_json(),
                    key=key.encode(),
                    partition=beat.partition,
                    headers=headers_for(
                        event_id=beat.event_id(),
                        event_type=beat.TOPIC,
                        subject=key,
                        time=as_of,
                        traceparent=None,
                    ),
                )
            )
            crash_here("consent.heartbeat_between_partitions")
        outcomes = await asyncio.gather(*acknowledgements, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    async def _started(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = make_producer(self._settings, f"{self._settings.SERVICE}-heartbeat")
            try:
                await producer.start()
            except BaseException:
                await producer.stop()
                raise
            self._producer = producer
        return self._producer

    async def _forget_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            with suppress(KafkaError, OSError):
                await producer.stop()


async def boundary(conn: Connection, lock_seconds: float) -> tuple[datetime, int]:
    """The instant and the outbox id for which the next heartbeat can speak.

    Args:
        conn: a transaction for this alone: the lock lasts as long as it does.
        lock_seconds: how long to wait for registrations under way.

    Raises:
        asyncpg.LockNotAvailableError: they took longer; others must not be held up behind this wait.
    """
    await conn.execute(_LOCK_TIMEOUT, f"{round(lock_seconds * 1000)}ms")
    await conn.execute(_LOCK)
    row = await conn.fetchrow(_BOUNDARY, ConsentChanged.TOPIC)
    if row is None:
        raise RuntimeError("PostgreSQL answered nothing where it always answers a row")
    return row["as_of"], row["last_id"]


async def _sleep(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
