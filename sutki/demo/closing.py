"""The end of a quarter at one school of the sample: who lacks a grade, a deferral, closing, the summary sheets."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from chassis.clock import DatabaseClock
from chassis.database import DISTRICT, Database
from services.gradebook.closing import deferral_queries, deferring
from services.gradebook.closing import handlers as closing
from services.gradebook.closing.deferrals import RUNNING, DeferralState
from services.gradebook.closing.desk import Desk
from services.gradebook.closing.domain import ClosingState
from services.gradebook.closing.report import ClosingReport
from services.gradebook.domain import Identity
from services.gradebook.exchange.private import write_private
from services.gradebook.queries import identity_key
from services.gradebook.summary_sheet import SummarySheet, summary_sheet, workbook
from sutki.commands.closing import print_closing
from sutki.console import out
from sutki.demo.truth import Truth
from sutki.sample import District
from sutki.sample.journal_records import Deferral
from sutki.texts import tr

HEAD = "demo:head"
"""Who closes, in the history."""
FIRST_LOOK = "closing.json"
"""What kept the period open when it was looked at first; a second run finds it closed."""


@dataclass
class QuarterEnd:
    """Closes the quarter of one school."""

    database: Database
    folder: Path
    truth: Truth
    district: District

    async def run(self) -> None:
        """Looks, defers, says why, closes, and writes the sheets; what is done already is not done again."""
        identity = await self._identity()
        desk = self._desk(identity)
        period = identity.of("period", self.truth.journal.closing_period)
        report = await closing.look(desk, period)
        if not report.closed:
            print_closing(report)
            self._note(report)
            await self._defer(desk, identity)
            await self._say_why(desk, identity, report)
            report = await closing.close(desk, period)
            closed = sum(part.state is ClosingState.CLOSED for part in report.classes)
            out.print(tr(f"закрыли четверть: классов {closed}", f"classes that closed the quarter: {closed}"))
        await self._write_sheets(desk, identity)

    async def _identity(self) -> Identity:
        async with self.database.transaction(DISTRICT) as conn:
            return Identity(await identity_key(conn), self.truth.manifest["source"])

    def _desk(self, identity: Identity) -> Desk:
        school = identity.of("school", self.truth.journal.closing_school)
        return Desk(self.database, DatabaseClock(), DISTRICT, school, HEAD)

    def _note(self, report: ClosingReport) -> None:
        """Keeps what the first look showed, by our ids: the table above had the names."""
        file = self.folder / FIRST_LOOK
        if not file.exists():
            pairs = [[str(line.situation.student_id), str(line.situation.subject_id)] for line in report.missing]
            file.write_text(json.dumps({"missing": sorted(pairs)}) + "\n", encoding="utf-8")

    async def _defer(self, desk: Desk, identity: Identity) -> None:
        running = await self._running(desk)
        for one in self.district.deferrals:
            asked = _request(identity, one)
            found = running.get((asked.student_id, asked.subject_id, asked.period_id))
            if found is None:
                made = await deferring.request(desk, self.truth.manifest["source"], asked)
                found = made.deferral_id, str(DeferralState.REQUESTED)
            if found[1] == DeferralState.REQUESTED:
                await deferring.approve(desk, found[0])

    async def _running(self, desk: Desk) -> Mapping[tuple[UUID, UUID, UUID], tuple[UUID, str]]:
        """Student, subject and period to the deferral that was asked for by a run before."""
        async with desk.transaction() as conn:
            rows = await deferral_queries.listed(conn, desk.school_id, None, sorted(RUNNING))
        return {(r["student_id"], r["subject_id"], r["period_id"]): (r["deferral_id"], r["state"]) for r in rows}

    async def _say_why(self, desk: Desk, identity: Identity, report: ClosingReport) -> None:
        """Gives the reason to whoever could not be assessed and has none yet."""
        waiting = {line.situation.given.result_id for line in report.missing if line.situation.given is not None}
        for one in self.district.not_assessed:
            result_id = identity.of("final_grade", one.result_id)
            if result_id in waiting:
                await closing.state_reason(desk, result_id, reason=one.reason)

    async def _write_sheets(self, desk: Desk, identity: Identity) -> None:
        folder = self.folder / "summary"
        folder.mkdir(parents=True, exist_ok=True)
        for sheet in await self.sheets(desk, identity):
            write_private(folder / f"{sheet.about.name}.xlsx", workbook(sheet))

    async def sheets(self, desk: Desk, identity: Identity) -> Sequence[SummarySheet]:
        """The summary sheets of the school's classes; the first grade has no grades to sum up."""
        classes = [
            group.group_id
            for group in self.district.groups
            if group.kind == "class" and group.grade_level > 1 and group.school_id == self.truth.journal.closing_school
        ]
        return [
            await summary_sheet(self.database, DISTRICT, desk.school_id, identity.of("group", one), None)
            for one in classes
        ]


def _request(identity: Identity, one: Deferral) -> deferring.Request:
    return deferring.Request(
        student_id=identity.of("person", one.student_id),
        subject_id=identity.of("subject", one.subject_id),
        period_id=identity.of("period", one.period_id),
        reason=one.reason,
        document_number=one.document_number,
        document_date=one.document_date,
        due_on=one.due_on,
    )
