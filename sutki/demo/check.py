"""The demo's table: what the system did, held against what the sample's files say."""

import asyncio
import json
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import httpx
from rich.table import Table

from chassis.database import DISTRICT, Database
from services.cabinet.handlers import visible_results
from services.publisher import proving
from sutki import environment
from sutki.commands.taking import resolve_people
from sutki.console import table
from sutki.demo import state
from sutki.demo.day import STAFF_DOMAIN
from sutki.demo.journal_check import Check, examine_journal
from sutki.demo.truth import Truth
from sutki.stack.stack import Stack
from sutki.texts import tr

READERS_AT_ONCE = 4
MAILS_LIMIT = 100_000


@dataclass(frozen=True)
class Report:
    """All lines."""

    checks: list[Check]
    seconds: float

    @property
    def holds(self) -> bool:
        """Whether every line does."""
        return all(check.holds for check in self.checks)

    def to_json(self) -> str:
        """For programs."""
        figures: dict[str, object] = {
            check.key: float(check.actual) if isinstance(check.actual, Decimal) else check.actual
            for check in self.checks
        }
        figures["seconds"] = round(self.seconds, 1)
        figures["holds"] = self.holds
        return json.dumps(figures, indent=2) + "\n"

    def table(self) -> Table:
        """For people."""
        made = table(
            tr("Что раскрыто, как и когда", "What was disclosed, how and when"),
            "",
            tr("есть", "is"),
            tr("должно быть", "must be"),
            "",
        )
        for check in self.checks:
            wanted = "> 0" if check.expected is None else f"{check.expected:,}"
            made.add_row(check.name, f"{check.actual:,}", wanted, "✓" if check.holds else "✗")
        made.add_row(tr("секунд", "seconds"), f"{self.seconds:.0f}", "", "")
        return made


async def examine(stack: Stack, truth: Truth, folder: Path, day: Sequence[Check], *, started: float) -> Report:
    """Looks at everything and compares.

    Args:
        stack: as it runs.
        truth: of the sample.
        folder: of the demo.
        day: the lines of the day that the clock was moved through.
        started: when the demo began, by `time.monotonic`.
    """
    async with environment.database("publisher") as publisher, environment.database("extracts") as extracts:
        obligations = await state.obligations(publisher)
        printed, _ = await state.printed(extracts)
        chain = await proving.verify_database(publisher)
        mails = await state.mails(publisher)
    shown = await _what_is_shown(truth)
    addressed = await _mail_addresses(stack)
    lost, unsent, letters = await _what_is_lost(truth)
    async with environment.database("gradebook") as gradebook, environment.database("cabinet") as cabinet:
        journal = await examine_journal(gradebook, cabinet, truth, folder)
    checks = [
        Check(
            "results", tr("итоговых отметок и экзаменов", "final grades and exam results"), shown.results, truth.results
        ),
        Check(
            "obligations",
            tr("обязательств: результат × получатель", "obligations: result × recipient"),
            obligations.total,
            truth.obligations,
        ),
        Check("available_by_screen", tr("доступно на экране", "available by screen"), obligations.screen),
        Check("available_by_paper", tr("доступно на бумаге", "available by paper"), obligations.paper),
        Check(
            "available_with_representative",
            tr("ученику вместе с родителем", "to the student with a parent"),
            obligations.with_representative,
        ),
        Check("open", tr("ещё не доступно", "not yet available"), obligations.open, 0),
        Check("late_by_us", tr("поздно по нашей вине", "late by us"), obligations.late_by_us + obligations.overdue, 0),
        Check("late_at_source", tr("поздно у источника", "late at source"), obligations.late_at_source, 0),
        Check("emails_accepted", tr("писем принято", "e-mails accepted"), len(addressed), mails.get("sent", 0)),
        Check(
            "emails_without_consent",
            tr("писем без согласия", "e-mails without consent"),
            sum(one not in truth.mail_addresses for one in addressed),
            0,
        ),
        Check(
            "emails_undecided",
            tr("писем с неизвестной судьбой", "e-mails of unknown fate"),
            mails.get("undecided", 0) + mails.get("failed", 0),
            0,
        ),
        Check("extracts_printed", tr("выписок напечатано", "extracts printed"), printed),
        Check(
            "shown_as_promised",
            tr("видят всё, что должны (человек × результат)", "see all they should (person × result)"),
            shown.allowed,
            shown.promised,
        ),
        Check("shown_without_consent", tr("видно без согласия", "shown without consent"), shown.forbidden, 0),
        Check(
            "withdrawn_see",
            tr("после отзыва видно при входе", "seen at sign-in after withdrawal"),
            await _seen_after_withdrawal(stack, truth),
            0,
        ),
        Check("lost", tr("потеряно", "lost"), lost, 0),
        Check("events_unsent", tr("событий в пути", "events still on their way"), unsent, 0),
        Check("dead_letters", tr("событий отвергнуто", "dead letters"), letters, 0),
        Check(
            "ledger_faults",
            tr("нарушений цепочки журнала раскрытия", "faults of the ledger's chain"),
            chain.faults_in_all,
            0,
        ),
        Check("ledger_entries", tr("записей журнала раскрытия", "entries of the ledger"), chain.entries),
    ]
    return Report([*checks, *day, *journal], time.monotonic() - started)


@dataclass
class _Shown:
    results: int = 0
    """Different results that somebody or nobody sees: those of the journal."""
    promised: int = 0
    allowed: int = 0
    forbidden: int = 0


async def _what_is_shown(truth: Truth) -> _Shown:
    """Reads the cabinet as every representative and every student of the district."""
    readers = set(truth.representatives) | {one for some in truth.representatives.values() for one in some}
    ids = await resolve_people(truth.manifest["source"], sorted(readers))
    per_student = await _results_per_student()
    shown = _Shown(results=sum(per_student.values()))
    queue = iter(sorted(readers))
    async with environment.database("cabinet") as cabinet:
        await asyncio.gather(
            *(_read_some(cabinet, truth, ids, queue, per_student, shown) for _ in range(READERS_AT_ONCE))
        )
    return shown


async def _read_some(
    cabinet: Database,
    truth: Truth,
    ids: Mapping[str, UUID],
    queue: Iterator[str],
    per_student: dict[UUID, int],
    shown: _Shown,
) -> None:
    for reader in queue:
        allowed = {ids[student] for student in truth.may_see(reader)}
        shown.promised += sum(per_student.get(student, 0) for student in allowed)
        for result in await visible_results(cabinet, ids[reader]):
            if result.student_id in allowed:
                shown.allowed += 1
            else:
                shown.forbidden += 1


async def _results_per_student() -> dict[UUID, int]:
    counts: dict[UUID, int] = {}
    async with environment.database("gradebook") as database, database.transaction(DISTRICT) as conn:
        rows = await conn.fetch("SELECT student_id FROM final_grades UNION ALL SELECT student_id FROM exam_results")
    for row in rows:
        counts[row["student_id"]] = counts.get(row["student_id"], 0) + 1
    return counts


async def _mail_addresses(stack: Stack) -> list[str]:
    """Of families; what staff is told goes to offices."""
    return [
        address
        for mail in await stack.mail.messages(limit=MAILS_LIMIT)
        for address in mail["to"]
        if not address.endswith(f"@{STAFF_DOMAIN}")
    ]


async def _what_is_lost(truth: Truth) -> tuple[int, int, int]:
    """Facts that do not agree between the services; events not sent; dead letters."""
    results: dict[str, state.Versions] = {}
    marks: dict[str, state.Versions] = {}
    unsent = letters = 0
    for service in environment.SERVICES:
        async with environment.database(service) as database:
            if service in state.RESULTS:
                results[service] = await state.versions(database, state.RESULTS[service])
            if service in state.MARKS:
                marks[service] = await state.versions(database, state.MARKS[service])
            waiting, dead = await state.unsent(database)
            unsent, letters = unsent + waiting, letters + dead
    owned = results.pop("gradebook"), marks.pop("gradebook")
    lost = abs(truth.results - len(owned[0])) + abs(truth.marks - len(owned[1]))
    lost += state.missing(owned[0], results.values()) + state.missing(owned[1], marks.values())
    return lost, unsent, letters


async def _seen_after_withdrawal(stack: Stack, truth: Truth) -> int:
    """Signs in, as a browser does, with the account of somebody who withdrew everything, and counts what is listed."""
    gone = [one for one in sorted(truth.accounts) if one not in truth.representatives and not truth.may_see(one)]
    seen = 0
    for person in gone[:3]:
        login, password = truth.accounts[person]
        async with httpx.AsyncClient(
            base_url=stack.address("cabinet"), follow_redirects=True, trust_env=False
        ) as client:
            form = await client.get("/sign-in")
            token = re.search(r'name="form_token" value="([^"]+)"', form.text)
            if token is None:
                raise RuntimeError("the sign-in page has no form token")
            fields = {"form_token": token[1], "login": login, "password": password}
            (await client.post("/sign-in", data=fields)).raise_for_status()
            for child in (await client.get("/v1/me/children")).raise_for_status().json():
                page = await client.get(f"/v1/me/children/{child['student_id']}/results")
                seen += len(page.json()) if page.status_code == 200 else 0
    return seen
