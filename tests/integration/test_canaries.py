"""Canaries fly the whole path, from the gradebook over consent and cabinet to the publisher, and count nowhere."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest
from aiokafka.structs import ConsumerRecord

from chassis.clock import FixedClock
from chassis.consuming import Consumer
from chassis.database import DISTRICT, Database
from chassis.messages import headers_for
from contracts.base import Event
from contracts.catalogue import EVENTS
from contracts.consent_heartbeat import ConsentHeartbeat
from contracts.school_changed import SchoolChanged
from contracts.synthetic import is_synthetic, synthetic_id
from services.cabinet import canaries as cabinet_canaries
from services.cabinet.handlers import acknowledge_due
from services.cabinet.queries import accounts
from services.cabinet.subscribers import projection_consumer
from services.consent import replay as consent_replay
from services.consent.subscribers import people
from services.extracts.subscribers import paper_consumer
from services.gradebook import replay as gradebook_replay
from services.gradebook.canaries import canaries
from services.publisher import metrics
from services.publisher.canaries import Canaries
from services.publisher.domain.policy import Policy
from services.publisher.subscribers import make_consumer
from tests.support.databases import ServiceDatabases

HOUR = timedelta(hours=1)


class Path:
    """All five services over their databases, without a broker: what one tells is handed to the others in order."""

    def __init__(self, databases: dict[str, Database], now: datetime) -> None:
        self.databases = databases
        self.clock = FixedClock(now)
        self.school_id = uuid4()
        self.consumers: dict[str, Consumer] = {
            "consent": people(databases["consent"], self.clock),
            "cabinet": projection_consumer(databases["cabinet"], self.clock),
            "publisher": make_consumer(databases["publisher"], self.clock, Policy()),
            "extracts": paper_consumer(databases["extracts"], self.clock),
        }
        self.loop = canaries(databases["gradebook"], self.clock, HOUR.total_seconds())
        self.watch = Canaries(databases["publisher"], self.clock, HOUR)
        self.deaf: set[str] = set()
        self._told: dict[str, int] = dict.fromkeys(databases, 0)
        self._offsets = count()

    async def query(self, service: str, statement: str, *values: Any) -> list[Any]:
        async with self.databases[service].transaction(DISTRICT) as conn:
            return await conn.fetch(statement, *values)

    async def begin(self) -> None:
        """A school, known to the gradebook and told to all, and fresh consents."""
        await self.query(
            "gradebook",
            "INSERT INTO schools (school_id, source, external_id, name, address, time_zone, revision, changed_at)"
            " VALUES ($1, 'district', '1', 'Школа № 1', '', 'Europe/Moscow', 1, $2)",
            self.school_id,
            self.clock.at,
        )
        school = SchoolChanged(revision=1, school_id=self.school_id, name="Школа № 1", changed_at=self.clock.at)
        await self._hand("publisher", [school])

    async def fly(self) -> None:
        """Lets canaries start that are due, and carries everything to its readers until nothing is under way."""
        await self.loop.work()
        await self.carry()

    async def carry(self) -> None:
        fresh = [ConsentHeartbeat(as_of=self.clock.at, partition=0, partitions=1)]
        for service in ("cabinet", "publisher"):
            await self._hand(service, fresh)
        while moved := [item for name in self.databases for item in await self._new(name)]:
            for service in self.consumers:
                await self._hand(service, moved)
            while "cabinet" not in self.deaf and await acknowledge_due(self.databases["cabinet"], self.clock, 100):
                pass

    async def _new(self, service: str) -> list[Event]:
        rows = await self.query(
            service, "SELECT id, type, payload FROM outbox WHERE id > $1 ORDER BY id", self._told[service]
        )
        self._told[service] = max([self._told[service], *(row["id"] for row in rows)])
        return [EVENTS[row["type"]].from_json(row["payload"]) for row in rows if row["payload"] is not None]

    async def _hand(self, service: str, events: Sequence[Event]) -> None:
        if service not in self.deaf:
            await self.consumers[service].process([self._record(event) for event in events])

    def _record(self, event: Event) -> "ConsumerRecord[Any, Any]":
        headers = headers_for(
            event_id=event.event_id(),
            event_type=event.TOPIC,
            subject=str(event.key()),
            time=event.occurred_at(),
            traceparent=None,
        )
        value = event.to_json()
        offset = next(self._offsets)
        return ConsumerRecord(
            event.TOPIC, 0, offset, 0, 0, str(event.key()).encode(), value, None, 0, len(value), headers
        )

    async def flights(self) -> list[Any]:
        return await self.query("publisher", "SELECT * FROM canaries ORDER BY value_revision")


@pytest.fixture
async def path(service_database: ServiceDatabases) -> Path:
    names = ("gradebook", "consent", "cabinet", "publisher", "extracts")
    # Policies of the cabinet read the database's own clock.
    made = Path({name: await service_database(name) for name in names}, datetime.now(UTC))
    await made.begin()
    return made


async def test_a_canary_comes_the_whole_way_each_hour(path):
    await path.fly()
    await path.fly()
    assert [(row["value_revision"], row["arrived_at"] is not None) for row in await path.flights()] == [(1, True)]
    path.clock.advance(HOUR)
    await path.fly()
    assert [(row["value_revision"], row["arrived_at"] is not None) for row in await path.flights()] == [
        (1, True),
        (2, True),
    ]
    for service in path.databases:
        assert await path.query(service, "SELECT 1 FROM dead_letters") == []


async def test_canaries_are_counted_listed_owed_and_printed_nowhere(path):
    await path.fly()
    nowhere = {
        "gradebook": ["persons", "person_records", "final_grades", "representations"],
        "consent": ["students", "consents", "decisions", "representations"],
        "publisher": [
            *("results", "obligations", "early_availability", "extract_requests", "disclosure_versions"),
            *("notifications", "ledger", "ledger_heads", "figure_days", "figure_marks", "escalated_obligations"),
        ],
        "extracts": ["persons", "extracts"],
    }
    for service, tables in nowhere.items():
        known = {row["tablename"] for row in await path.query(service, "SELECT tablename FROM pg_tables")}
        for table in tables:
            if table in known:
                assert await path.query(service, f"SELECT 1 FROM {table}") == [], (service, table)
    results = await path.query("cabinet", "SELECT school_id, student_id, result_id FROM results")
    assert results
    assert all(is_synthetic(one) for row in results for one in row)
    consents = await path.query("cabinet", "SELECT consent_id FROM consents")
    assert [row["consent_id"] for row in consents] == [synthetic_id("consent", synthetic_id("student", path.school_id))]


async def test_nobody_can_sign_in_as_a_canary(path):
    await path.fly()
    async with path.databases["cabinet"].transaction(DISTRICT) as conn:
        login = f"canary {synthetic_id('representative', path.school_id)}"
        account = await accounts.account_of_login(conn, login)
    assert account is not None
    assert account.password_hash == cabinet_canaries.NO_PASSWORD


async def test_a_canary_that_does_not_arrive_is_missed_after_two_periods(path):
    await path.fly()
    await path.watch.watch()
    assert path.watch.missing == set()
    path.deaf = {"cabinet"}
    for _ in range(3):
        path.clock.advance(HOUR)
        await path.fly()
        await path.watch.watch()
    assert path.watch.missing == {path.school_id}
    assert metrics.CANARIES_MISSING._value.get() == 1
    path.deaf = set()
    path.clock.advance(HOUR)
    await path.fly()
    await path.watch.watch()
    assert path.watch.missing == set()


async def test_without_consent_no_canary_arrives(path):
    """The canary's consent goes the way of consents: while that is closed, nothing is seen."""
    path.deaf = {"consent"}
    await path.fly()
    assert [row["arrived_at"] for row in await path.flights()] == [None]


async def test_a_replay_tells_of_canaries_under_the_same_ids(path):
    await path.fly()
    before = {service: await _canary_events(path, service) for service in ("gradebook", "consent")}
    assert await gradebook_replay.replay(path.databases["gradebook"]) >= 3
    assert await consent_replay.replay(path.databases["consent"]) == 1
    for service, ids in before.items():
        assert await _canary_events(path, service) == ids * 2


async def _canary_events(path: Path, service: str) -> list[UUID]:
    rows = await path.query(service, "SELECT type, payload FROM outbox ORDER BY id")
    events = [EVENTS[row["type"]].from_json(row["payload"]) for row in rows]
    return [event.event_id() for event in events if is_synthetic(event.key())]


async def test_what_has_flown_is_forgotten_and_no_other_acknowledgement_can_be(path):
    await path.fly()
    path.clock.advance(HOUR)
    await path.fly()
    async with path.databases["cabinet"].transaction(DISTRICT) as conn:
        await cabinet_canaries.forget(conn, datetime.now(UTC) + timedelta(days=3))
    assert len(await path.query("cabinet", "SELECT 1 FROM results")) == 1
    assert {row["value_revision"] for row in await path.query("cabinet", "SELECT * FROM acknowledgements")} == {2}
    await path.query(
        "cabinet",
        "INSERT INTO acknowledgements VALUES ($1, 1, $1, now(), $1, 1)",
        uuid4(),
    )
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await path.query("cabinet", "DELETE FROM acknowledgements")
    path.clock.advance(timedelta(days=8))
    await path.watch.watch()
    assert [row["value_revision"] for row in await path.flights()] == [2]


async def test_none_fly_where_the_setting_is_off(path):
    loop = canaries(path.databases["gradebook"], path.clock, 0)
    assert await loop.work() == 0
    assert await path.query("gradebook", "SELECT 1 FROM outbox") == []
