"""Consuming: batches, one transaction each, the inbox, and what happens when it goes wrong.

A failure that passes by itself (database away, deadlock) puts the batch back after a pause: it is read again. In any
other failure the batch is applied one event at a time, and the events that still fail become dead letters with the
reason, while their neighbours pass. Offsets are committed only after the database has.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any, TypeVar, cast
from uuid import UUID

import asyncpg
from aiokafka import AIOKafkaConsumer, ConsumerRecord
from faststream import AckPolicy, BaseMiddleware
from faststream.exceptions import NackMessage
from faststream.kafka import KafkaBroker
from pydantic import ValidationError

from chassis import dead_letters, inbox, metrics, tracing
from chassis.clock import Clock
from chassis.crash import crash_here
from chassis.database import DISTRICT, Connection, Database
from chassis.errors import is_transient
from chassis.logging import log
from chassis.messages import Consumable, carrier, read_headers
from chassis.progress import Progress

MAX_RECORDS = 500
RETRY_SECONDS = 1.0

E = TypeVar("E", bound=Consumable)
Handler = Callable[[Connection, Sequence[Any], datetime], Awaitable[None]]
Erase = Callable[[Connection, Sequence[UUID], datetime], Awaitable[None]]


class Hopeless(Exception):  # noqa: N818 - reads as a verdict where it is raised
    """The event can never be applied as it is; it becomes a dead letter with this reason."""


@dataclass(frozen=True)
class Decoded:
    """A record that could be read."""

    record: "ConsumerRecord[Any, Any]"
    event_type: str
    event_id: UUID
    event: Consumable | None
    """Absent for a tombstone."""
    traceparent: str | None


@dataclass
class _Route:
    event: type[Consumable]
    handler: Handler
    erase: Erase | None
    latest_of: Callable[[Any], Hashable]


def aggregate(event: Consumable) -> Hashable:
    """What an event tells about, unless a route says that it tells about something smaller."""
    return event.aggregate()


class Consumer:
    """One consumer group of a service: which events it takes and what it does with them."""

    def __init__(self, name: str, database: Database, clock: Clock) -> None:
        """`name` is the consumer group, `<service>.<purpose>`."""
        self.name = name
        self.progress = Progress()
        self._database = database
        self._clock = clock
        self._routes: dict[str, _Route] = {}
        self._subscriber: Any = None
        self._prefix = ""

    def on(
        self,
        event: type[E],
        handler: Callable[[Connection, Sequence[E], datetime], Awaitable[None]],
        *,
        erase: Erase | None = None,
        latest_of: Callable[[E], Hashable] = aggregate,
    ) -> None:
        """Takes events of a kind. Within a batch the kinds are handled in the order of these calls.

        Args:
            event: the contract.
            handler: gets the batch's transaction, the events (the highest revision of each `latest_of`, none of them
                applied before), and the database's clock.
            erase: gets the keys of tombstones.
            latest_of: of events about the same only the highest revision counts. What must not swallow an earlier
                state that is still needed names something smaller than the aggregate.
        """
        self._routes[event.TOPIC] = _Route(event, handler, erase, latest_of)

    def topics(self) -> list[str]:
        """The topics that it reads, without prefix."""
        return sorted({carrier(route.event) for route in self._routes.values()})

    def attach(self, broker: KafkaBroker, *, prefix: str = "") -> None:
        """Makes the broker's subscriber."""
        self._prefix = prefix
        self._subscriber = broker.subscriber(
            *(prefix + topic for topic in self.topics()),
            group_id=prefix + self.name,
            batch=True,
            max_records=MAX_RECORDS,
            ack_policy=AckPolicy.NACK_ON_ERROR,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=20,
            decoder=_keep_raw,
            listener=self.progress,
        )
        self._subscriber(self._take)

    async def _take(self, records: "tuple[ConsumerRecord[Any, Any], ...]") -> None:
        started = time.monotonic()
        with self.progress.working():
            await self.process(records)
        metrics.BATCH_SECONDS.labels(self.name).observe(time.monotonic() - started)

    async def observe(self) -> None:
        """Looks at how it gets on, for liveness and metrics."""
        consumer: AIOKafkaConsumer | None = getattr(self._subscriber, "consumer", None)
        if consumer is None:
            return
        await self.progress.look(consumer)
        metrics.LAG_MESSAGES.labels(self.name).set(self.progress.lag)
        metrics.SILENT_SECONDS.labels(self.name).set(self.progress.silent_for())

    async def stop(self) -> None:
        """Leaves the group."""
        await self._subscriber.stop()

    async def start(self) -> None:
        """Joins the group; again after a stop."""
        self.progress.begin()
        await self._subscriber.start()

    async def process(self, records: "Sequence[ConsumerRecord[Any, Any]]") -> None:
        """Applies records as one transaction, or one by one when that fails.

        Raises:
            Exception: a passing failure; nothing after the last commit was applied and the records come again.
        """
        decoded, poison = self._decode(records)
        with tracing.span(f"consume {self.name}", [item.traceparent for item in decoded]):
            try:
                await self._apply(decoded, poison)
            except Exception as error:
                if is_transient(error):
                    raise
                log.warning("batch_goes_one_by_one", consumer=self.name, size=len(decoded), error=type(error).__name__)
                await self._one_by_one(decoded, poison)

    def _decode(
        self, records: "Sequence[ConsumerRecord[Any, Any]]"
    ) -> "tuple[list[Decoded], list[tuple[ConsumerRecord[Any, Any], str]]]":
        decoded: list[Decoded] = []
        poison: list[tuple[ConsumerRecord[Any, Any], str]] = []
        for record in records:
            try:
                item = self._read(record)
            except (ValidationError, ValueError) as error:
                poison.append((record, _reason(error)))
            else:
                if item is not None:
                    decoded.append(item)
        return decoded, poison

    def _read(self, record: "ConsumerRecord[Any, Any]") -> Decoded | None:
        headers = read_headers(record.headers)
        event_type = headers.get("ce_type")
        if event_type is None:
            raise ValueError("the header ce_type is missing")
        route = self._routes.get(event_type)
        if route is None:
            # A kind that shares the topic and is none of this consumer's business.
            metrics.EVENTS_CONSUMED.labels(self.name, event_type, "skipped").inc()
            return None
        event_id = UUID(headers.get("ce_id", ""))
        event = None if record.value is None else route.event.from_json(record.value)
        if event is None and route.erase is None:
            raise ValueError("a tombstone on a topic that has none")
        return Decoded(record, event_type, event_id, event, headers.get("traceparent"))

    def _read_again(self, record: "ConsumerRecord[Any, Any]") -> Decoded:
        item = self._read(record)
        if item is None:
            raise Hopeless("this consumer takes no events of this kind any more")
        return item

    async def _apply(
        self, decoded: Sequence[Decoded], poison: "Sequence[tuple[ConsumerRecord[Any, Any], str]]" = ()
    ) -> None:
        async with self._database.transaction(DISTRICT) as conn:
            now = await self._clock.now(conn)
            new = await inbox.claim(conn, self.name, [item.event_id for item in decoded])
            crash_here("consumer.after_inbox")
            # First, so that a handler can see that something before its events is missing.
            await dead_letters.keep(conn, self.name, poison)
            await dead_letters.settle(conn, self.name, [item.event_id for item in decoded])
            fresh = _first_of_each(decoded, new)
            for event_type, route in self._routes.items():
                await _handle(conn, route, [item for item in fresh if item.event_type == event_type], now)
            crash_here("consumer.before_commit")
        crash_here("consumer.after_commit")
        self._count(decoded, fresh, poison, now)

    async def _one_by_one(
        self, decoded: Sequence[Decoded], poison: "Sequence[tuple[ConsumerRecord[Any, Any], str]]"
    ) -> None:
        await self._apply([], poison)
        for item in decoded:
            try:
                await self._apply([item])
            except Exception as error:
                if is_transient(error):
                    raise
                log.exception(
                    "event_is_hopeless", consumer=self.name, ce_type=item.event_type, ce_id=str(item.event_id)
                )
                await self._apply([], [(item.record, _reason(error))])

    async def apply_asked(self) -> int:
        """Applies the next dead letter that an operator wants applied again, or notes why it failed once more.

        A newer state that was applied meanwhile stays, since handlers take only a higher revision.

        Returns:
            How many were tried: 0 or 1.
        """
        async with self._database.transaction(DISTRICT) as conn:
            letter = await dead_letters.next_asked(conn, self.name)
        if letter is None:
            return 0
        try:
            await self._apply([self._read_again(letter.record)])
        except Exception as error:
            if is_transient(error):
                raise
            log.exception("dead_letter_failed_again", consumer=self.name, letter_id=letter.id)
            async with self._database.transaction(DISTRICT) as conn:
                await dead_letters.failed_again(conn, letter.id, _reason(error))
        return 1

    def _count(
        self,
        decoded: Sequence[Decoded],
        fresh: Sequence[Decoded],
        poison: "Sequence[tuple[ConsumerRecord[Any, Any], str]]",
        now: datetime,
    ) -> None:
        outcomes: dict[tuple[str, str], int] = defaultdict(int)
        for item in fresh:
            outcomes[item.event_type, "applied"] += 1
            if item.event is not None:
                age = (now - item.event.occurred_at()).total_seconds()
                metrics.EVENT_AGE_SECONDS.labels(self.name, item.event_type).observe(max(0.0, age))
        for item in decoded:
            outcomes[item.event_type, "duplicate"] += 1
        for item in fresh:
            outcomes[item.event_type, "duplicate"] -= 1
        for record, _ in poison:
            outcomes[record.topic.removeprefix(self._prefix), "dead_letter"] += 1
        for (event_type, outcome), count in outcomes.items():
            if count:
                metrics.EVENTS_CONSUMED.labels(self.name, event_type, outcome).inc(count)


class TransientFailuresWait(BaseMiddleware):
    """The broker's one middleware: a failed batch is put back after a pause, and nothing is committed past it."""

    async def consume_scope(self, call_next: Callable[[Any], Awaitable[Any]], msg: Any) -> Any:
        """Runs the handler; FastStream seeks back on the nack."""
        try:
            return await call_next(msg)
        except Exception as error:
            consumer = getattr(getattr(msg, "consumer", None), "_group_id", "") or ""
            metrics.BATCH_RETRIES.labels(consumer).inc()
            report = log.warning if is_transient(error) else log.exception
            report("batch_put_back", consumer=consumer, error=type(error).__name__)
            await asyncio.sleep(RETRY_SECONDS)
            raise NackMessage from error


async def _keep_raw(message: Any) -> Any:
    return message.raw_message


def _first_of_each(decoded: Sequence[Decoded], new: set[UUID]) -> list[Decoded]:
    first: dict[UUID, Decoded] = {}
    for item in decoded:
        if item.event_id in new:
            first.setdefault(item.event_id, item)
    return list(first.values())


async def _handle(conn: Connection, route: _Route, items: Sequence[Decoded], now: datetime) -> None:
    for is_tombstone, run in groupby(items, key=lambda item: item.event is None):
        if not is_tombstone:
            events = [item.event for item in run if item.event is not None]
            await route.handler(conn, _highest_revisions(events, route.latest_of), now)
        elif route.erase is not None:
            tombstones = [item.record for item in run]
            await route.erase(conn, [UUID(record.key.decode()) for record in tombstones], now)
            await dead_letters.forget(conn, tombstones)


def _highest_revisions(
    events: Sequence[Consumable], latest_of: Callable[[Any], Hashable] = aggregate
) -> list[Consumable]:
    """An event carries the whole state, so of several about one thing only the last counts."""
    latest: dict[Hashable, Consumable] = {}
    for event in events:
        subject = latest_of(event)
        known = latest.get(subject)
        if known is None or _order(event) >= _order(known):
            latest[subject] = event
    return list(latest.values())


def _order(event: Consumable) -> tuple[int, datetime]:
    return cast("int", getattr(event, "revision", 0)), event.occurred_at()


def _reason(error: BaseException) -> str:
    if isinstance(error, ValidationError):
        # Without the input: it may be personal.
        return "; ".join(f"/{'/'.join(str(p) for p in fault['loc'])}: {fault['msg']}" for fault in error.errors())
    if isinstance(error, asyncpg.PostgresError):
        # Without DETAIL, which quotes the row.
        return f"{type(error).__name__}: {error.args[0] if error.args else ''}"
    return f"{type(error).__name__}: {error}"
