"""The whole system under test: real processes, PostgreSQL, Apache Kafka, mail, and a small sample district in it."""

import asyncio
import itertools
import logging
import os
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self
from uuid import UUID

import httpx

from chassis import auth
from chassis.database import DISTRICT, Database
from services.cabinet.handlers import visible_results
from services.publisher import proving
from sutki import environment
from sutki.commands.paper import print_queues
from sutki.commands.taking import resolve_people, take_accounts, take_consents, take_files
from sutki.demo import state
from sutki.demo.truth import Truth, read
from sutki.sample import District, generate, write
from sutki.stack.clock import shift
from sutki.stack.ports import free_port
from sutki.stack.postgres import SERVICES
from sutki.stack.stack import DEFAULT_PORTS, Stack
from tests.support.waiting import eventually

log = logging.getLogger(__name__)

SETTINGS = {
    "SUTKI_PUBLISHER_PAPER_GROUPING_SECONDS": "1",
    "SUTKI_PUBLISHER_NOTIFY_GROUPING_SECONDS": "2",
    # Tests run at night, too: the same instant twice means no quiet hours.
    "SUTKI_PUBLISHER_QUIET_FROM": "00:00",
    "SUTKI_PUBLISHER_QUIET_UNTIL": "00:00",
    "SUTKI_CABINET_ARGON2_TIME_COST": "1",
    "SUTKI_CABINET_ARGON2_MEMORY_KIB": "8192",
    "SUTKI_CONSENT_HEARTBEAT_SECONDS": "1",
    "SUTKI_CONSENT_STALE_AFTER_SECONDS": "20",
    "SUTKI_PUBLISHER_CLAIM_TIMEOUT_SECONDS": "5",
}
DRAIN_SECONDS = 120
RETRY_SECONDS = 0.3
REQUEST_SECONDS = 20


@dataclass
class Sent:
    """What the API acknowledged."""

    result_ids: list[str] = field(default_factory=list)
    attempts: int = 0


class System:
    """A running system and those who use it."""

    def __init__(self, stack: Stack, district: District, folder: Path) -> None:
        self.stack = stack
        self.district = district
        self.folder = folder
        self.truth: Truth = read(folder / "district", district)
        self.ids: dict[str, UUID] = {}
        self.schools: dict[str, UUID] = {}
        self.expected: set[str] = set()
        """The journal's ids of the results that were acknowledged."""
        self.ahead = timedelta(0)
        """How far the system's clock was moved."""
        self._token = ""
        self._numbers = itertools.count(1)

    @classmethod
    @asynccontextmanager
    async def running(
        cls,
        folder: Path,
        *,
        students: int = 60,
        schools: int = 1,
        brokers: int = 1,
        settings: dict[str, str] | None = None,
        fast: bool = True,
        withdrawals: bool = True,
    ) -> AsyncIterator[Self]:
        """Starts everything on Apache Kafka and brings in people, consents and accounts, but no results yet.

        Without `withdrawals` the test registers those itself, before it asks what may be shown.
        """
        district = generate(7, datetime.now(UTC), students=students, schools=schools)
        write(district, folder / "district")
        ours = SETTINGS | (settings or {})
        # None of the well-known ports: another stack of this machine may take one while a service is down.
        ports = {name: free_port() for name in DEFAULT_PORTS}
        stack = Stack(folder / "stack", broker="kafka", brokers=brokers, ports=ports, environment=ours, fast=fast)
        before = dict(os.environ)
        try:
            async with stack:
                os.environ.update(stack.variables())
                system = cls(stack, district, folder)
                await system._bring_in()
                if withdrawals:
                    await system.register_withdrawals()
                yield system
        finally:
            os.environ.clear()
            os.environ.update(before)

    async def _bring_in(self) -> None:
        folder, source = self.folder / "district", self.truth.manifest["source"]
        for file in self.files("base"):
            report = await take_files(folder / file, source=source)
            assert not report.rejected, report.rejections[:3]
        consents = await take_consents(folder / "consents.csv")
        assert not consents.rejections, consents.rejections[:3]
        await take_accounts(folder / "accounts.csv", source=source)
        self.ids = dict(await resolve_people(source, sorted({person.person_id for person in self.district.people})))
        async with environment.database("gradebook") as database, database.transaction(DISTRICT) as conn:
            rows = await conn.fetch("SELECT external_id, school_id FROM schools")
            self.schools = {row["external_id"]: row["school_id"] for row in rows}
            self._token = await auth.create_client(conn, school_id=None, label="test")

    async def register_withdrawals(self) -> None:
        """What some of those who consented took back."""
        report = await take_consents(self.folder / "district" / "withdrawals.csv", withdrawals=True)
        assert not report.rejections, report.rejections[:3]

    def files(self, step: str) -> list[str]:
        """The files of a step of the sample, to be imported in this order."""
        steps = self.truth.manifest["steps"]
        return [file["path"] for one in steps if one["step"] == step for file in one["files"]]

    def grades(
        self,
        count: int,
        *,
        student: str | None = None,
        obtained_ago: timedelta = timedelta(minutes=5),
        held: bool = False,
    ) -> list[Any]:
        """New final grades, as records for the API: for one student, or those of the first school in turn."""
        template = [
            grade
            for grade in self.district.final_grades
            if grade.period_id.startswith("school-1") and student in (None, grade.student_id)
        ]
        chosen = itertools.islice(itertools.cycle(template), count)
        obtained_at = (datetime.now(UTC) + self.ahead - obtained_ago).isoformat()
        return [
            {
                "result_id": f"extra-{next(self._numbers)}",
                "student_id": grade.student_id,
                "subject_id": grade.subject_id,
                "period_id": grade.period_id,
                "value": "5",
                "obtained_at": obtained_at,
                "held": held,
            }
            for grade in chosen
        ]

    async def send(self, records: Sequence[Any], *, batch: int = 50, kind: str = "final-grades") -> Sent:
        """Sends records as a journal does: a batch that was not acknowledged is sent again until it is."""
        sent = Sent()
        url = f"/v1/schools/{self.schools['school-1']}/{kind}?source={self.truth.manifest['source']}"
        for start in range(0, len(records), batch):
            part = records[start : start + batch]
            await self._send_until_acknowledged(url, part, sent)
            sent.result_ids += [record["result_id"] for record in part]
            self.expected |= set(sent.result_ids)
        return sent

    async def _send_until_acknowledged(self, url: str, part: Sequence[Any], sent: Sent) -> None:
        deadline = asyncio.get_running_loop().time() + DRAIN_SECONDS
        while True:
            sent.attempts += 1
            try:
                async with self.api() as client:
                    answer = await client.post(url, json=part)
                if answer.status_code == 200:
                    assert answer.json()["rejected"] == [], answer.json()["rejected"][:2]
                    return
                assert answer.status_code >= 500, answer.text
            except httpx.TransportError as error:
                if asyncio.get_running_loop().time() > deadline:
                    raise TimeoutError("not acknowledged in time") from error
            await asyncio.sleep(RETRY_SECONDS)

    async def let_pass(self, time: timedelta) -> None:
        """Moves the clock of all services on; the processes' own clocks stay as they are."""
        self.ahead += time
        await shift({name: self.stack.postgres.owner_url(name) for name in SERVICES}, self.ahead)

    def api(self) -> httpx.AsyncClient:
        """The gradebook's API as a district's client."""
        return httpx.AsyncClient(
            base_url=self.stack.address("gradebook"),
            headers={"Authorization": f"Bearer {self._token}"},
            timeout=REQUEST_SECONDS,
            trust_env=False,
        )

    async def drained(self, *, within: float = DRAIN_SECONDS) -> None:
        """Waits, printing what the queue holds, until nothing is on its way; then everything must be in place.

        What ended by itself is started again meanwhile, as in production.
        """
        problems: list[str] = []

        async def settled() -> bool:
            for process in self.stack.failed():
                log.warning("%s ended with %s. %s", process.name, process.exit_code, process.log_tail())
                process.start()
            await print_queues(self.folder / "paper", confirm=_yes)
            problems[:] = await self.unsettled()
            return not problems

        await eventually(settled, within=within, what=lambda: f"settled ({problems})")
        violations = await self.violations()
        assert not violations, violations

    async def unsettled(self) -> list[str]:
        """What is still on its way, or lost."""
        problems = []
        results: dict[str, state.Versions] = {}
        marks: dict[str, state.Versions] = {}
        for service in environment.SERVICES:
            async with environment.database(service) as database:
                if service in state.RESULTS:
                    results[service] = await state.versions(database, state.RESULTS[service])
                if service in state.MARKS:
                    marks[service] = await state.versions(database, state.MARKS[service])
                unsent, letters = await state.unsent(database)
                problems += [f"{service}: {unsent} events unsent"] if unsent else []
                problems += [f"{service}: {letters} dead letters"] if letters else []
        problems += _differences("results", results) + _differences("marks", marks)
        async with environment.database("publisher") as publisher, environment.database("extracts") as extracts:
            obligations = await state.obligations(publisher)
            waiting = (await state.printed(extracts))[1]
            mails = await state.mails(publisher)
        problems += [f"{obligations.open} obligations open"] if obligations.open else []
        problems += [f"{waiting} extracts not printed"] if waiting else []
        unsent_mails = sum(mails.get(one, 0) for one in ("queued", "claimed", "retry"))
        return problems + ([f"{unsent_mails} mails unsent"] if unsent_mails else [])

    async def violations(self) -> list[str]:
        """What must never be, whatever died: lost, twice, late, shown without consent, a broken ledger."""
        found = await self._lost()
        async with environment.database("publisher") as publisher:
            found += [f"ledger: {fault}" for fault in (await proving.verify_database(publisher)).faults]
            obligations = await state.obligations(publisher)
            found += [f"late by us: {obligations.late_by_us}"] if obligations.late_by_us else []
            found += await _rows(publisher, _WRONG_RECIPIENTS, "obligation without or beside its recipients")
            found += await _rows(publisher, _LEDGER_TWICE, "twice or never in the ledger")
        async with environment.database("extracts") as extracts:
            found += await _rows(extracts, _PRINTED_TWICE, "printed on two extracts")
            found += await _rows(extracts, _NUMBER_GAPS, "gap in the register's numbers")
        found += await self.mails_sent_twice()
        return found + await self.shown_without_consent()

    async def _lost(self) -> list[str]:
        async with environment.database("gradebook") as database, database.transaction(DISTRICT) as conn:
            rows = await conn.fetch(
                "SELECT external_id FROM final_grades UNION ALL SELECT external_id FROM exam_results"
            )
        lost = self.expected - {row["external_id"] for row in rows}
        return [f"acknowledged and lost: {sorted(lost)[:3]} of {len(lost)}"] if lost else []

    async def mails_sent_twice(self) -> list[str]:
        """Message-IDs that the mail server accepted more than once."""
        ids = [mail["message_id"] for mail in await self.stack.mail.messages(limit=100_000)]
        return [f"mail sent {ids.count(one)} times: {one}" for one in set(ids) if ids.count(one) > 1]

    async def shown_without_consent(self) -> list[str]:
        """Students shown to a representative, or to themselves, against the sample's own files."""
        found = []
        async with environment.database("cabinet") as cabinet:
            for reader in self.readers():
                allowed = {self.ids[student] for student in self.truth.may_see(reader)}
                shown = {result.student_id for result in await visible_results(cabinet, self.ids[reader])}
                found += [f"{reader} is shown a student without consent"] if shown - allowed else []
        return found

    def readers(self) -> Iterable[str]:
        """Every representative and every student."""
        return sorted(
            set(self.truth.representatives) | {one for some in self.truth.representatives.values() for one in some}
        )

    def a_consenting_pair(self) -> tuple[str, str]:
        """A representative of one student, of the first school, who is told by mail and sees them on the screen."""
        represented = Counter(one for some in self.truth.representatives.values() for one in some)
        mailed = {(row.representative_id, row.student_id) for row in self.district.consents if row.email == "given"}
        graded = {grade.student_id for grade in self.district.final_grades if grade.period_id.startswith("school-1")}
        pairs = (self.truth.consenting & mailed) - self.truth.on_paper
        return min((one, student) for one, student in pairs if student in graded and represented[one] == 1)

    async def shown_to(self, reader: str) -> set[UUID]:
        """The results that a read by this person shows now."""
        async with environment.database("cabinet") as cabinet:
            return {result.result_id for result in await visible_results(cabinet, self.ids[reader])}

    async def obligations_of(self, recipient: str) -> list[dict[str, Any]]:
        """The publisher's obligations to a person, with state, route, lateness and instants."""
        query = "SELECT result_id, state, route, late, available_at, due_at FROM obligations WHERE recipient_id = $1"
        async with environment.database("publisher") as publisher, publisher.transaction(DISTRICT) as conn:
            return [dict(row) for row in await conn.fetch(query, self.ids[recipient])]


_WRONG_RECIPIENTS = """
SELECT r.result_id FROM results AS r JOIN students AS s ON s.student_id = r.student_id
WHERE r.state <> 'withdrawn' AND (
    SELECT count(*) FROM obligations AS o
    WHERE o.result_id = r.result_id AND o.value_revision = r.value_revision AND o.state = 'available'
) <> 1 + CASE
    -- Who has come of age is told alone.
    WHEN s.adult_on <= (now() + clock_shift())::date THEN 0
    ELSE (SELECT count(*) FROM representations AS p WHERE p.student_id = r.student_id)
END
"""
_LEDGER_TWICE = """
WITH entries AS (
    SELECT entry::jsonb ->> 'result_id' AS result_id, entry::jsonb ->> 'value_revision' AS value_revision,
           entry::jsonb ->> 'recipient_id' AS recipient_id, count(*) AS entries
    FROM ledger WHERE entry::jsonb ->> 'kind' = 'available' GROUP BY 1, 2, 3
)
SELECT o.obligation_id FROM obligations AS o LEFT JOIN entries AS e
    ON e.result_id = o.result_id::text AND e.value_revision = o.value_revision::text
    AND e.recipient_id = o.recipient_id::text
WHERE o.state = 'available' AND coalesce(e.entries, 0) <> 1
"""
_PRINTED_TWICE = """
SELECT i.result_id FROM extracts AS e JOIN extract_items AS i USING (extract_id)
WHERE e.state IN ('printed', 'handed_over')
GROUP BY i.result_id, i.value_revision, e.recipient_id HAVING count(*) > 1
"""
_NUMBER_GAPS = """
SELECT school_id FROM extracts WHERE ordinal IS NOT NULL
GROUP BY school_id, year HAVING count(DISTINCT ordinal) <> max(ordinal) OR count(*) <> count(DISTINCT ordinal)
"""


async def _rows(database: Database, query: str, what: str) -> list[str]:
    async with database.transaction(DISTRICT) as conn:
        rows = await conn.fetch(query)
    return [f"{what}: {rows[0][0]} and {len(rows) - 1} more"] if rows else []


def _differences(what: str, held: dict[str, state.Versions]) -> list[str]:
    owned = held["gradebook"]
    return [
        f"{service} lacks or has too many {what}: {len(owned.items() ^ copy.items())}"
        for service, copy in held.items()
        if copy != owned
    ]


async def _yes(*_: object) -> bool:
    return True
