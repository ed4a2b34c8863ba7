"""`make demo`: the sample district from its files to the table of what was disclosed, how and when."""

import asyncio
import json
import os
import shutil
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Literal
from uuid import UUID

from chassis.clock import DatabaseClock
from chassis.database import DISTRICT
from services.gradebook import handlers as gradebook
from services.gradebook.handlers import Sender
from sutki import environment
from sutki.commands.operating import REPLAYS, replay
from sutki.commands.paper import print_queues
from sutki.commands.taking import print_report, take_accounts, take_consents, take_files
from sutki.console import err, out
from sutki.demo import state
from sutki.demo.check import Report, examine
from sutki.demo.clock import DemoClock, NotCalm, next_morning
from sutki.demo.closing import QuarterEnd
from sutki.demo.day import Day
from sutki.demo.forecasts import one_students_forecasts
from sutki.demo.journal_check import Check
from sutki.demo.truth import Truth, read
from sutki.sample import District, generate, write
from sutki.sample.records import FinalGrade
from sutki.stack.errors import StackError
from sutki.stack.stack import Stack
from sutki.texts import tr

SETTLE_SECONDS = 300
POLL_SECONDS = 1.0
STALE_AFTER = timedelta(hours=18)
"""An unfinished demo this old is begun anew: its grades were set too long ago to be in time."""

QUICK = {
    # So that a demo takes minutes: a district groups by ten minutes.
    "SUTKI_PUBLISHER_PAPER_GROUPING_SECONDS": "4",
    "SUTKI_PUBLISHER_NOTIFY_GROUPING_SECONDS": "8",
    # An hour of the moved clock passes in a second or two.
    "SUTKI_CONSENT_HEARTBEAT_SECONDS": "0.5",
    "SUTKI_PUBLISHER_FIGURE_SECONDS": "2",
    # The sink takes what it gets.
    "SUTKI_PUBLISHER_MAIL_RATES": "*=1000/s",
    # Thousands of accounts at once on a laptop; a real installation keeps the default.
    "SUTKI_CABINET_ARGON2_TIME_COST": "1",
    "SUTKI_CABINET_ARGON2_MEMORY_KIB": "8192",
}


class DemoError(Exception):
    """The demo cannot go on; the text says why."""


@dataclass
class Demo:
    """One run in a folder."""

    folder: Path
    broker: Literal["embedded", "kafka"]
    seed: int
    students: int
    fresh: bool

    @property
    def _district_folder(self) -> Path:
        return self.folder / "district"

    @property
    def _report_file(self) -> Path:
        return self.folder / "report.json"

    async def run(self, *, once: bool) -> int:
        """Runs it.

        Args:
            once: stop after the table.

        Returns:
            0 when every line of the table holds, else 1.
        """
        started = time.monotonic()
        try:
            district, truth = await asyncio.to_thread(self._prepare)
            async with self._stack() as stack:
                clock = DemoClock(stack)
                await clock.begin(district.base)
                await self._bring_in(truth)
                day = await self._disclose(district, truth, clock)
                report = await examine(stack, truth, self.folder, day, started=started)
                await asyncio.to_thread(self._report_file.write_text, report.to_json(), encoding="utf-8")
                await self._show_forecast(truth)
                self._show(stack, truth, report)
                if not once:
                    await self._stay(stack)
        except (DemoError, NotCalm, StackError, TimeoutError) as error:
            err.print(str(error), style="red", markup=False)
            return 1
        return 0 if report.holds else 1

    def _prepare(self) -> tuple[District, Truth]:
        """The sample's files: those of the last run, or new ones."""
        manifest = self._district_folder / "manifest.json"
        if self.fresh or self._must_begin_anew(manifest):
            shutil.rmtree(self.folder, ignore_errors=True)
        base = next_morning(datetime.now(UTC))
        if manifest.exists():
            base = datetime.fromisoformat(json.loads(manifest.read_text(encoding="utf-8"))["base"])
        with _step(tr("район из генератора", "generating the district")):
            district = generate(self.seed, base, students=self.students)
            write(district, self._district_folder)
            self._note().write_text(self._terms(), encoding="utf-8")
        return district, read(self._district_folder, district)

    def _note(self) -> Path:
        return self.folder / "terms"

    def _terms(self) -> str:
        return f"{self.seed} {self.students} {self.broker}\n"

    def _must_begin_anew(self, manifest: Path) -> bool:
        if not manifest.exists():
            return self.folder.exists()
        if not self._note().exists() or self._note().read_text(encoding="utf-8") != self._terms():
            err.print(tr("Другие условия, чем в прошлый раз: начинаю заново.", "Other terms than last time: anew."))
            return True
        written = datetime.fromtimestamp(manifest.stat().st_mtime, UTC)
        if not self._report_file.exists() and datetime.now(UTC) - written > STALE_AFTER:
            err.print(tr("Прошлый запуск не закончен и устарел: начинаю заново.", "An old unfinished run: anew."))
            return True
        return False

    @asynccontextmanager
    async def _stack(self) -> AsyncIterator[Stack]:
        async def send_again(_: Stack) -> None:
            for service in REPLAYS:
                await replay(service)

        stack = Stack(self.folder, broker=self.broker, environment=QUICK, replay=send_again)
        # The command line's own parts run in this process and are to find this stack and no other.
        for name in [name for name in os.environ if name.startswith("SUTKI_") and name != "SUTKI_LANG"]:
            del os.environ[name]
        with _step(tr("PostgreSQL, брокер, почта, пять служб", "PostgreSQL, broker, mail, five services")):
            os.environ.update(stack.variables() | QUICK)
            await stack.up()
        try:
            yield stack
        finally:
            with _step(tr("остановка", "stopping")):
                await stack.down()

    async def _bring_in(self, truth: Truth) -> None:
        with _step(tr("школы, люди, классы, расписание", "schools, people, classes, timetable")):
            await self._import(truth, "base")
        with _step(tr("согласия и отказы", "consents and refusals")):
            await self._consents("consents.csv")
        with _step(tr("учётные записи кабинета", "accounts of the cabinet")):
            await take_accounts(self._district_folder / "accounts.csv", source=truth.manifest["source"])
        with _step(tr("журнал: замены, задания, посещаемость", "the journal: substitutions, homework, attendance")):
            await self._import(truth, "journal")
        with _step(tr("отметки за период", "marks of the period")):
            await self._import(truth, "marks")

    async def _disclose(self, district: District, truth: Truth, clock: DemoClock) -> list[Check]:
        """Everything from the grades to the last sheet; returns the lines of the day by the moved clock."""
        schools = [file["school"] for file in self._files(truth, "finals")]
        with _step(tr("итоговые отметки", "final grades")):
            await self._import(truth, "finals", schools[:-1])
        with _step(tr("часть согласий отозвана", "some consents are withdrawn")):
            await self._consents("withdrawals.csv", withdrawals=True)
        with _step(tr("итоговые отметки, экзамены", "final grades, exams")):
            await self._import(truth, "finals", schools[-1:])
        ids, forgotten = await self._schools_and_a_held_one(district, truth)
        with _step(tr("директор отпускает задержанные", "the head releases what was held")):
            await self._release(district, truth, ids, but=forgotten.result_id)
        with _step(tr("закрытие четверти, отсрочка, сводные ведомости", "closing, a deferral, summary sheets")):
            async with environment.database("gradebook") as gradebook:
                await QuarterEnd(gradebook, self.folder, truth, district).run()
        with _step(tr("раскрытие и печать", "disclosure and printing")):
            await self._settle_all_but(list(ids.values())[-1])
        held = await self._id_of(forgotten)
        with _step(tr("сутки по передвинутым часам", "a day by a moved clock")):
            exams = partial(self._import, truth, "exams")
            day = await Day(clock, self.folder, list(ids.values()), held, exams, self._print).run()
        with _step(tr("всё раскрыто", "everything is disclosed")):
            await self._settle(truth)
        return day

    def _files(self, truth: Truth, step: str) -> list[dict[str, str]]:
        return next(one["files"] for one in truth.manifest["steps"] if one["step"] == step)

    async def _import(self, truth: Truth, step: str, schools: Sequence[str] | None = None) -> None:
        for file in self._files(truth, step):
            if schools is not None and file["school"] not in schools:
                continue
            report = await take_files(self._district_folder / file["path"], source=truth.manifest["source"])
            if report.rejected:
                print_report(report)
                raise DemoError(tr("в примере есть отклонённые строки", "the sample has rejected rows"))

    async def _consents(self, name: str, *, withdrawals: bool = False) -> None:
        report = await take_consents(self._district_folder / name, withdrawals=withdrawals)
        if report.rejected:
            reasons = "; ".join(f"{item.line} {item.field} {item.code}" for item in report.rejections[:5])
            raise DemoError(f"{name}: {report.rejected} " + tr("отклонено", "rejected") + f": {reasons}")

    async def _schools_and_a_held_one(self, district: District, truth: Truth) -> tuple[dict[str, UUID], FinalGrade]:
        """The schools in the order of their names, and a held grade that the head will forget: the last one due."""
        async with environment.database("gradebook") as database, database.transaction(DISTRICT) as conn:
            rows = await conn.fetch("SELECT external_id, school_id FROM schools ORDER BY external_id")
        # Where the quarter is closed nothing may wait for the council any more.
        closed = truth.journal.closing_period
        held = [grade for grade in district.final_grades if grade.held and grade.period_id != closed]
        return {row["external_id"]: row["school_id"] for row in rows}, max(held, key=lambda one: one.obtained_at)

    async def _id_of(self, grade: FinalGrade) -> UUID:
        async with environment.database("gradebook") as database, database.transaction(DISTRICT) as conn:
            found: UUID = await conn.fetchval(
                "SELECT result_id FROM final_grades WHERE external_id = $1", grade.result_id
            )
            return found

    async def _release(self, district: District, truth: Truth, ids: Mapping[str, UUID], *, but: str) -> None:
        async with environment.database("gradebook") as database:
            for school in district.schools:
                held = [
                    grade.result_id
                    for grade in district.final_grades
                    if grade.held and grade.period_id.startswith(school.school_id) and grade.result_id != but
                ]
                sender = Sender(truth.manifest["source"], ids[school.school_id], of_district=True)
                await gradebook.release_results(database, DatabaseClock(), sender, held)

    async def _print(self, schools: Sequence[UUID]) -> None:
        for school in schools:
            await print_queues(self.folder / "paper", confirm=_printed, school=school, separate=True)

    async def _settle_all_but(self, slow: UUID) -> None:
        """Prints the queues of all schools but one until what the screen shows and the others' paper is met."""
        query = """
        SELECT count(*) FROM obligations o JOIN results r USING (result_id)
        WHERE o.state = 'open' AND NOT r.held AND o.school_id <> $1
        """
        deadline = time.monotonic() + SETTLE_SECONDS
        async with environment.database("publisher") as publisher, environment.database("gradebook") as gradebook:
            async with gradebook.transaction(DISTRICT) as conn:
                rows = await conn.fetch("SELECT school_id FROM schools WHERE school_id <> $1", slow)
                owned: int = await conn.fetchval("SELECT count(*) FROM final_grades")
            others = [row["school_id"] for row in rows]
            while True:
                await self._print(others)
                async with publisher.transaction(DISTRICT) as conn:
                    left: int = await conn.fetchval(query, slow)
                    known: int = await conn.fetchval("SELECT count(*) FROM results")
                unsent = (await state.unsent(gradebook))[0]
                if known == owned and left == unsent == 0:
                    return
                if time.monotonic() > deadline:
                    raise DemoError(
                        tr("не раскрыто вовремя", "not settled in time") + f": {left}, {known}/{owned}, events {unsent}"
                    )
                await asyncio.sleep(POLL_SECONDS)

    async def _settle(self, truth: Truth) -> None:
        """Prints what the queue holds until nothing is open any more."""
        deadline = time.monotonic() + SETTLE_SECONDS
        paper = self.folder / "paper"
        async with (
            environment.database("publisher") as publisher,
            environment.database("extracts") as extracts,
            environment.database("gradebook") as gradebook,
        ):
            while True:
                await print_queues(paper, confirm=_printed, separate=True)
                now = await state.obligations(publisher)
                waiting = (await state.printed(extracts))[1]
                mails = await state.mails(publisher)
                unsent = sum(mails.get(one, 0) for one in ("queued", "claimed", "retry"))
                behind = await state.forecasts_due(gradebook) + (await state.unsent(gradebook))[0]
                if now.total >= truth.obligations and now.open == waiting == unsent == behind == 0:
                    return
                if time.monotonic() > deadline:
                    raise DemoError(
                        tr("не раскрыто вовремя", "not settled in time")
                        + f": {now.total}/{truth.obligations}, open {now.open}, sheets {waiting}, mails {unsent}, "
                        + f"forecasts and events {behind}; "
                        + tr("журналы", "logs")
                        + f": {self.folder / 'logs'}"
                    )
                await asyncio.sleep(POLL_SECONDS)

    async def _show_forecast(self, truth: Truth) -> None:
        async with environment.database("gradebook") as gradebook:
            made = await one_students_forecasts(gradebook, truth)
        if made is not None:
            out.print()
            out.print(made)

    def _show(self, stack: Stack, truth: Truth, report: Report) -> None:
        out.print()
        out.print(report.table())
        for check in report.checks:
            if not check.holds:
                out.print(_failed(check), style="red", markup=False)
        out.print(self._addresses(stack, truth), markup=False, soft_wrap=True)

    def _addresses(self, stack: Stack, truth: Truth) -> str:
        login, password = _sample_account(truth)
        sheets = sorted((self.folder / "paper").glob("*.pdf"))
        lines = [
            tr("Кабинет", "Cabinet") + f"    {stack.address('cabinet')}   {login} / {password}",
            tr("Письма", "Mails") + f"     {stack.mail.address}",
            tr("Выписка", "Extract") + f"    {sheets[0] if sheets else '—'}",
            "API        " + "  ".join(f"{stack.address(one)}/openapi.json" for one in environment.SERVICES),
            tr("Метрики", "Metrics")
            + "    "
            + "  ".join(f"{stack.address(one)}/metrics" for one in environment.SERVICES),
            tr("Ведомости", "Sheets") + f"  {self.folder / 'summary'}",
            tr("Отчёт", "Report") + f"      {self._report_file}",
        ]
        return "\n".join(lines)

    async def _stay(self, stack: Stack) -> None:
        out.print(tr("\nРаботает до Ctrl-C.", "\nRuns until Ctrl-C."))
        try:
            await stack.supervise(asyncio.Event())
        except asyncio.CancelledError:
            out.print()


def _failed(check: Check) -> str:
    return f"✗ {check.name}: {check.actual}, " + tr("ожидалось", "expected") + f" {check.expected}"


async def _printed(*_: object) -> bool:
    """The sample district's printers never jam."""
    return True


def _sample_account(truth: Truth) -> tuple[str, str]:
    """A parent with several children on the screen."""
    children = {one: truth.may_see(one) for one in truth.accounts if one not in truth.representatives}
    return truth.accounts[max(children, key=lambda one: (len(children[one]), one))]


class _step:  # noqa: N801 - reads as the statement that it is
    """Says what is being done, and how long it took."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._started = time.monotonic()

    def __enter__(self) -> None:
        err.print(f"… {self._what}", style="dim", markup=False)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        mark = "✓" if kind is None else "✗"
        err.print(f"{mark} {self._what}  {time.monotonic() - self._started:.1f} s", markup=False)
