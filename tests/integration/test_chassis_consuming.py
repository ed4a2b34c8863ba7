"""What a consumer does with a batch, without a broker: what counts as the latest, what is kept of what fails."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar
from uuid import UUID, uuid4

import pytest
from aiokafka import ConsumerRecord
from pydantic import Field

from chassis import dead_letters
from chassis.clock import DatabaseClock
from chassis.consuming import Consumer, Hopeless
from chassis.database import DISTRICT, Connection, Database
from chassis.messages import headers_for
from contracts.base import Fact, Instant
from tests.support.databases import ServiceDatabases

HOPELESS = 666_666
AT = datetime(2026, 10, 23, 11, tzinfo=UTC)


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


class Taken:
    """A handler that remembers what it was given, and fails for one number until it is mended."""

    def __init__(self, *, complaint: str = "no such number") -> None:
        self.events: list[Ping] = []
        self.erased: list[UUID] = []
        self.complaint: str | None = complaint

    async def handle(self, conn: Connection, events: Sequence[Ping], now: datetime) -> None:
        for event in events:
            if event.number == HOPELESS and self.complaint is not None:
                raise Hopeless(self.complaint)
        self.events += events

    async def erase(self, conn: Connection, ids: Sequence[UUID], now: datetime) -> None:
        self.erased += ids

    def consumer(self, database: Database) -> Consumer:
        consumer = Consumer("consent.test", database, DatabaseClock())
        consumer.on(Ping, self.handle, erase=self.erase)
        return consumer


@pytest.fixture
async def database(service_database: Callable[[str], Awaitable[Database]]) -> Database:
    return await service_database("consent")


def a_ping(number: int, *, revision: int = 1, ping_id: UUID | None = None) -> Ping:
    return Ping(revision=revision, ping_id=ping_id or uuid4(), number=number)


def record(event: Ping, *, offset: int, value: bytes | None = None) -> "ConsumerRecord[Any, Any]":
    return raw(event.key(), event.to_json() if value is None else value, offset=offset, event_id=event.event_id())


def tombstone(ping_id: UUID, *, offset: int) -> "ConsumerRecord[Any, Any]":
    return raw(ping_id, None, offset=offset, event_id=uuid4())


def raw(key: UUID, value: bytes | None, *, offset: int, event_id: UUID) -> "ConsumerRecord[Any, Any]":
    headers = headers_for(event_id=event_id, event_type=Ping.TOPIC, subject=str(key), time=AT, traceparent=None)
    return ConsumerRecord(Ping.TOPIC, 0, offset, 0, 0, str(key).encode(), value, None, 0, 0, tuple(headers))


def numbers(taken: Taken) -> list[int]:
    return [event.number for event in taken.events]


async def test_of_events_about_the_same_only_the_latest_is_handled_and_a_route_says_what_the_same_is(
    database: Database,
) -> None:
    by_aggregate, by_number = Taken(), Taken()
    ping = uuid4()
    events = [a_ping(number, revision=revision, ping_id=ping) for revision, number in ((1, 7), (2, 7), (3, 8))]
    records = [record(event, offset=offset) for offset, event in enumerate(events)]
    one = Consumer("consent.one", database, DatabaseClock())
    one.on(Ping, by_aggregate.handle)
    await one.process(records)
    other = Consumer("consent.other", database, DatabaseClock())
    other.on(Ping, by_number.handle, latest_of=lambda event: (event.ping_id, event.number))
    await other.process(records)
    assert [event.revision for event in by_aggregate.events] == [3]
    assert [event.revision for event in by_number.events] == [2, 3]


async def test_a_letter_that_the_database_refuses_is_kept_without_content_and_stops_nothing_behind_it(
    database: Database, service_database: ServiceDatabases
) -> None:
    async with service_database.as_superuser("consent") as owner:
        await owner.execute("ALTER TABLE dead_letters ADD CHECK (octet_length(value) < 20)")
    taken = Taken()
    refused, usual = a_ping(1), a_ping(2)
    await taken.consumer(database).process(
        [
            record(refused, offset=0, value=b"longer than what can be kept"),
            record(usual, offset=1, value=b"rubbish"),
            record(a_ping(3), offset=2),
        ]
    )
    assert numbers(taken) == [3]
    async with database.transaction(DISTRICT) as conn:
        rows = await conn.fetch('SELECT topic, partition, "offset", value, reason, whole FROM dead_letters ORDER BY id')
    assert [tuple(row)[:4] for row in rows] == [(Ping.TOPIC, 0, 0, None), (Ping.TOPIC, 0, 1, b"rubbish")]
    assert [row["whole"] for row in rows] == [False, True]
    assert "Invalid JSON" in rows[0]["reason"]
    assert "kept without its content: CheckViolationError" in rows[0]["reason"]
    assert await dead_letters.replay(database) == 1, "what has no content is not applied: it would be a tombstone"


async def test_a_reason_that_is_no_text_for_the_database_keeps_no_letter_from_being_kept(database: Database) -> None:
    taken = Taken(complaint="half a pair \ud83d and a \0, from the pool of a connection")
    await taken.consumer(database).process([record(a_ping(HOPELESS), offset=0), record(a_ping(3), offset=1)])
    (letter,) = await dead_letters.waiting(database)
    assert letter.whole
    assert letter.reason == "Hopeless: half a pair ? and a \N{REPLACEMENT CHARACTER}, from the pool of a connection"
    assert numbers(taken) == [3]


async def test_a_letter_is_applied_by_the_consumer_that_failed_once_an_operator_asks_for_it(database: Database) -> None:
    taken = Taken()
    consumer = taken.consumer(database)
    await consumer.process([record(a_ping(HOPELESS), offset=0)])
    (letter,) = await dead_letters.waiting(database)
    assert await consumer.apply_asked() == 0, "nobody has asked"

    taken.complaint = "still not"
    assert await dead_letters.replay(database, letter.id) == 1
    assert [one.asked_at is not None for one in await dead_letters.waiting(database)] == [True]
    assert await consumer.apply_asked() == 1
    assert [(one.reason, one.asked_at) for one in await dead_letters.waiting(database)] == [
        ("Hopeless: still not", None)
    ]
    assert await consumer.apply_asked() == 0, "it is not tried for ever"

    taken.complaint = None
    assert await dead_letters.replay(database) == 1
    assert await consumer.apply_asked() == 1
    assert numbers(taken) == [HOPELESS]
    assert await dead_letters.waiting(database) == []
    assert await dead_letters.replay(database) == 0


async def test_a_letter_waits_no_longer_once_its_event_was_applied_by_another_way(database: Database) -> None:
    taken = Taken()
    consumer = taken.consumer(database)
    event = a_ping(7)
    await consumer.process([record(event, offset=0, value=b"garbled on the way")])
    assert len(await dead_letters.waiting(database)) == 1
    await consumer.process([record(event, offset=1)])
    assert numbers(taken) == [7]
    assert await dead_letters.waiting(database) == []


async def test_a_tombstone_erases_what_letters_say_and_what_comes_after_it_stays(database: Database) -> None:
    taken = Taken()
    consumer = taken.consumer(database)
    person, other = uuid4(), uuid4()
    await consumer.process([record(a_ping(HOPELESS, ping_id=one), offset=n) for n, one in enumerate((person, other))])
    await consumer.process(
        [
            record(a_ping(1, ping_id=person), offset=2, value=b"before"),
            tombstone(person, offset=3),
            record(a_ping(2, ping_id=person), offset=4, value=b"came back"),
        ]
    )
    assert taken.erased == [person]
    async with database.transaction(DISTRICT) as conn:
        rows = await conn.fetch('SELECT value, discarded_because FROM dead_letters ORDER BY "offset"')
    erased = (None, "the person was erased")
    assert [tuple(rows[n]) for n in (0, 2, 3)] == [erased, erased, (b"came back", None)]
    assert rows[1]["value"] is not None, "another person's"
    assert len(await dead_letters.waiting(database)) == 2
    taken.complaint = None
    await dead_letters.replay(database)
    while await consumer.apply_asked():
        pass
    assert person not in {event.ping_id for event in taken.events}, "an erased person does not come back"


async def test_letters_that_are_settled_go_after_their_time_and_those_that_wait_never_do(database: Database) -> None:
    taken = Taken()
    consumer = taken.consumer(database)
    events = [a_ping(HOPELESS) for _ in range(5)]
    await consumer.process([record(event, offset=offset) for offset, event in enumerate(events)])
    applied, given_up, just_given_up, *_ = [letter.id for letter in await dead_letters.waiting(database)]
    taken.complaint = None
    await dead_letters.replay(database, applied)
    await consumer.apply_asked()
    await dead_letters.discard(database, given_up, "a test")
    async with database.transaction(DISTRICT) as conn:
        await conn.execute(
            "UPDATE dead_letters SET created_at = created_at - interval '91 days', "
            "replayed_at = replayed_at - interval '91 days', discarded_at = discarded_at - interval '91 days'"
        )
    await dead_letters.discard(database, just_given_up, "a test")
    async with database.transaction(DISTRICT) as conn:
        assert await dead_letters.prune(conn, keep_days=90) == 2
        left = [row["id"] for row in await conn.fetch("SELECT id FROM dead_letters ORDER BY id")]
    assert left == [just_given_up, *(letter.id for letter in await dead_letters.waiting(database))]
    assert len(left) == 3
