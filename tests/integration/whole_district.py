"""Five services over their databases, whose events are handed from outbox to consumers without a broker between."""

from collections.abc import Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
from aiokafka.structs import ConsumerRecord

from chassis.clock import FixedClock
from chassis.consuming import Consumer
from chassis.database import DISTRICT, Connection, Database
from chassis.messages import headers_for
from contracts.base import PersonId, StudentId
from contracts.data_erased import CONFIRMATIONS
from contracts.values import Decision
from services.cabinet.handlers import NewAccount, create_accounts
from services.cabinet.subscribers import projection_consumer
from services.consent import erasing as consent_erasing
from services.consent import handlers as consent_handlers
from services.consent import subscribers as consent_subscribers
from services.consent.erasure_act import ActMaker, Operator
from services.consent.model import Answer, Answers, Policy, Withdrawal
from services.extracts.subscribers import paper_consumer
from services.gradebook.erasing import erasures
from services.gradebook.importing import import_files
from services.gradebook.subscribers import disclosures
from services.publisher.domain.policy import Policy as PublisherPolicy
from services.publisher.news import make_news_consumer
from services.publisher.subscribers import make_consumer
from tests.browser.cabinet_world import PASSWORD, settings_for
from tests.integration.test_gradebook_journal import DISTRICT_FILES, Journal
from tests.support.databases import ServiceDatabases
from tests.unit.test_consent_document import a_form

SERVICES = ("consent", "gradebook", "publisher", "cabinet", "extracts")
NOW = datetime(2026, 10, 23, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
ADDRESS = "veronika.zarechnova@example.org"
MOTHER_NAMES = ("Заречнова", "Вероника", "Савельевна")
CHILD_NAMES = ("Ручейкова", "Дарина", "Святославовна")
FILES = {
    **DISTRICT_FILES,
    "people": (
        DISTRICT_FILES["people"]
        .replace("s1,student,Примерова,Анна,Образцовна", "s1,student," + ",".join(CHILD_NAMES))
        .replace("p1,representative,Образцова,Мария,Петровна", "p1,representative," + ",".join(MOTHER_NAMES))
    ),
    "recommendations": (
        "recommendation_id,student_id,group_id,subject_id,given_on,kind,content,author_id\n"
        "r1,s1,,rus,2026-10-16,recommendation,Дарина читает вслух,t1\n"
    ),
}


@dataclass
class WholeDistrict:
    """The services, and what the tests do with them."""

    databases: ServiceDatabases
    folder: Path
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOW))
    open: dict[str, Database] = field(default_factory=dict)
    consumers: list[Consumer] = field(default_factory=list)
    mother: UUID = field(init=False)
    child: UUID = field(init=False)
    _offsets: Any = field(default_factory=count)
    _imports: Any = field(default_factory=count)

    async def start(self) -> None:
        """Opens the databases and makes the consumers."""
        for service in SERVICES:
            self.open[service] = await self.databases(service)
        self.consumers = [
            consent_subscribers.people(self.open["consent"], self.clock),
            consent_erasing.confirmations(self.open["consent"], self.clock),
            disclosures(self.open["gradebook"], self.clock),
            erasures(self.open["gradebook"], self.clock),
            make_consumer(self.open["publisher"], self.clock, PublisherPolicy()),
            make_news_consumer(self.open["publisher"], self.clock, PublisherPolicy()),
            projection_consumer(self.open["cabinet"], self.clock),
            paper_consumer(self.open["extracts"], self.clock),
        ]

    async def import_journal(self, **files: str) -> None:
        """The small district's files, or changes of them."""
        folder = self.folder / f"import{next(self._imports)}"
        folder.mkdir()
        for name, content in (files or FILES).items():
            (folder / f"{name}.csv").write_text(content, encoding="utf-8")
        report = await import_files(self.open["gradebook"], self.clock, folder)
        assert report.exit_code == 0, report.rejections
        journal = Journal(self.open["gradebook"], self.folder)
        self.mother, self.child = await journal.id_of("person", "p1"), await journal.id_of("person", "s1")
        await self.deliver()

    async def deliver(self, *, without: Sequence[str] = ()) -> list[str]:
        """Hands every event of every outbox to whoever wants it until none is left; returns their types in order.

        Args:
            without: services that do not hear anything meanwhile.
        """
        told: list[str] = []
        while records := await self._take():
            told += [dict(record.headers)["ce_type"].decode() for record in records]
            for consumer in self.consumers:
                if consumer.name.split(".", 1)[0] in without:
                    continue
                wanted = [record for record in records if record.topic in consumer.topics()]
                if wanted:
                    await consumer.process(wanted)
        for service in SERVICES:
            letters = await self.rows(service, "SELECT consumer, reason FROM dead_letters")
            assert letters == [], letters
        return told

    async def hand(self, *rows: dict[str, Any]) -> None:
        """Hands events to every consumer again, as a broker may."""
        for consumer in self.consumers:
            wanted = [self._record(row) for row in rows if row["aggregatetype"] in consumer.topics()]
            if wanted:
                await consumer.process(wanted)

    async def _take(self) -> list["ConsumerRecord[Any, Any]"]:
        records = []
        for database in self.open.values():
            async with database.transaction(DISTRICT) as conn:
                rows = await conn.fetch(
                    "UPDATE outbox SET published_at = clock_timestamp() WHERE published_at IS NULL RETURNING *"
                )
            records += [self._record(dict(row)) for row in sorted(rows, key=lambda row: row["id"])]
        return records

    def _record(self, row: dict[str, Any]) -> "ConsumerRecord[Any, Any]":
        headers = headers_for(
            event_id=row["event_id"],
            event_type=row["type"],
            subject=row["aggregateid"],
            time=row["occurred_at"],
            traceparent=None,
        )
        return ConsumerRecord(
            topic=row["aggregatetype"],
            partition=0,
            offset=next(self._offsets),
            timestamp=0,
            timestamp_type=0,
            key=row["aggregateid"].encode(),
            value=None if row["payload"] is None else row["payload"].encode(),
            checksum=None,
            serialized_key_size=0,
            serialized_value_size=0,
            headers=headers,
        )

    async def rows(self, service: str, query: str, *values: Any) -> list[asyncpg.Record]:
        """What really lies in a service's tables."""
        async with self.databases.as_superuser(service) as conn:
            return list(await conn.fetch(query, *values))

    @asynccontextmanager
    async def consent(self) -> Any:
        """A transaction of the registry."""
        async with self.open["consent"].transaction(DISTRICT) as conn:
            yield conn

    async def consents(self, number: str = "С-1", **said: Decision) -> None:
        """The mother decides for the child; without words, she gives everything."""
        async with self.consent() as conn:
            await self.registers_consent(conn, number, **said)

    async def registers_consent(self, conn: Connection, number: str, **said: Decision) -> None:
        """The same in a transaction of the caller's."""
        answers = Answers(
            **(said or dict.fromkeys(("cabinet", "email", "push"), Decision.GIVEN)),
        )
        answer = Answer(
            PersonId(self.mother),
            StudentId(self.child),
            answers,
            "paper",
            a_form(number=number, consenter_name=" ".join(MOTHER_NAMES), on_behalf_of=" ".join(CHILD_NAMES)),
            email_address=ADDRESS if answers.email is Decision.GIVEN else None,
        )
        await consent_handlers.register_decision(conn, answer, clock=self.clock, policy=Policy())

    async def withdraws(self, number: str = "О-1") -> None:
        """The mother takes it all back."""
        withdrawal = Withdrawal(PersonId(self.mother), StudentId(self.child), document_number=number)
        async with self.consent() as conn:
            await consent_handlers.withdraw(conn, withdrawal, clock=self.clock, policy=Policy())

    async def settle_in(self) -> None:
        """A family that uses everything: accounts, a browser that is told, settings, a mail that bounced."""
        await self.import_journal()
        await self.consents()
        await self.deliver()
        accounts = [NewAccount(self.mother, "zarechnova", PASSWORD), NewAccount(self.child, "rucheikova", PASSWORD)]
        cabinet = self.open["cabinet"]
        await create_accounts(cabinet, settings_for(cabinet.url), accounts, clock=self.clock)
        await self.deliver()
        async with self.open["publisher"].transaction(DISTRICT) as conn:
            await _publisher_settings(conn, self.mother, self.child)

    async def confirmed(self, erasure_id: UUID) -> set[str]:
        """Who has confirmed."""
        rows = await self.rows("consent", "SELECT service FROM erasure_confirmations WHERE erasure_id = $1", erasure_id)
        return {row["service"] for row in rows}

    async def erasures(self, *states: str) -> list[asyncpg.Record]:
        """The erasures in these states, the oldest first."""
        return await self.rows(
            "consent", "SELECT * FROM erasures WHERE state = ANY ($1::text[]) ORDER BY scheduled_at, erasure_id", states
        )

    async def acts(self) -> int:
        """Makes the acts that are missing; returns how many."""
        operator = Operator("Управление образования района", "ул. Районная, д. 1", "Europe/Moscow")
        maker, made = ActMaker(self.open["consent"], self.clock, operator, timedelta(days=1096)), 0
        while await maker.make_one():
            made += 1
        return made

    async def where_it_still_stands(self, *texts: str) -> dict[str, list[str]]:
        """In which tables of which service a text still stands, in whatever column, bytes included."""
        found: dict[str, list[str]] = {}
        for service in SERVICES:
            tables = await self.rows(
                service, "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
            )
            for (table,) in tables:
                for text in texts:
                    hits = await self.rows(
                        service,
                        f"SELECT count(*) FROM {table} AS t WHERE position(lower($1) IN lower(t::text)) > 0 "
                        "OR position($2 IN t::text) > 0",
                        text,
                        text.encode().hex(),
                    )
                    if hits[0]["count"]:
                        found.setdefault(text, []).append(f"{service}.{table}")
        return found


async def _publisher_settings(conn: Connection, mother: UUID, child: UUID) -> None:
    await conn.execute(
        "INSERT INTO push_subscriptions (subscription_id, person_id, endpoint, endpoint_sha256, origin, p256dh, auth,"
        " created_at, confirmed_at) VALUES (gen_random_uuid(), $1, 'https://push.example/zarechnova',"
        " sha256('push'::bytea), 'https://push.example', decode(repeat('04', 65), 'hex'),"
        " decode(repeat('01', 16), 'hex'), $2, $2)",
        mother,
        NOW,
    )
    await conn.execute(
        "INSERT INTO preferences (recipient_id, student_id, revision, modes, changed_at) VALUES ($1, $2, 1, '{}', $3)",
        mother,
        child,
        NOW,
    )
    told = await conn.fetchval(
        "INSERT INTO notifications (notification_id, school_id, student_id, recipient_id, result_ids, value_revisions,"
        " state, queued_at, send_after, settled_at)"
        " SELECT gen_random_uuid(), school_id, $1, $2, '{}', '{}', 'sent', $3, $3, $3 FROM students"
        " WHERE student_id = $1 RETURNING notification_id",
        child,
        mother,
        NOW,
    )
    await conn.execute(
        "INSERT INTO suppressions (address_sha256, since, reason, status, notification_id)"
        " VALUES (address_sha256($1), $2, 'address', '5.1.1', $3)",
        ADDRESS,
        NOW,
        told,
    )


def everybody() -> set[str]:
    """The services that confirm."""
    return {confirmation.service() for confirmation in CONFIRMATIONS}
