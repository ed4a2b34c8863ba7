"""Importing files: read, sort by school, and take each school's rows of a kind in one transaction with their events."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import UUID

from chassis.clock import Clock
from chassis.crash import crash_here
from chassis.database import DISTRICT, Connection, Database, school
from services.gradebook import journal_queries, metrics, queries, roster_queries
from services.gradebook.domain import Identity
from services.gradebook.exchange import ExchangeError, Limits, Piece, Read, Rejection, Report, Source, Step, open_source
from services.gradebook.placing import place
from services.gradebook.records import MarkRecord, Record, RecordKind, TeachingRecord
from services.gradebook.rejections import Code
from services.gradebook.spool import Spool
from services.gradebook.taking import BATCH, Outcome, Placed, Taking, take
from services.gradebook.trial import Trial

Progress = Callable[[str, int, int | None], None]
"""Told what is under way, how many rows of it are done, and of how many (None: not known).

A file's name while it is read, then the kind of record while its rows are taken: each goes from none to all.
"""

READ_AT_ONCE = 2000


async def import_files(
    database: Database,
    clock: Clock,
    path: Path,
    *,
    source: str = "district",
    dry_run: bool = False,
    school_id: UUID | None = None,
    limits: Limits | None = None,
    progress: Progress | None = None,
) -> Report:
    """Imports a folder, a ZIP archive or a CSV file.

    One transaction for each school and kind of record, so that a failure half way leaves whole schools; importing again
    takes the rest and changes nothing of what is there.

    Args:
        database: the gradebook's.
        clock: tells when the rows were taken.
        path: what to import.
        source: the namespace of the journal's ids.
        dry_run: find out what would happen, and change nothing.
        school_id: the school on whose behalf it is imported, which may state only what is its own; None: the district.
        limits: what may be unpacked.
        progress: told after each batch.

    Returns:
        What was taken, and exactly what was not.

    Raises:
        FileNotFoundError: there is no such path.
    """
    report = Report(dry_run=dry_run)
    try:
        async with AsyncExitStack() as stack:
            # Unpacking and looking through the files is all computation: beside the event loop.
            opened = open_source(path, limits)
            files, faults = await asyncio.to_thread(opened.__enter__)
            stack.push(opened.__exit__)
            for fault in faults:
                report.reject(fault)
            report.ignored_files = await asyncio.to_thread(files.ignored)
            steps = await asyncio.to_thread(list, files.steps())
            run = _Import(database, clock, source, school_id, report, progress)
            async with run.begun():
                for step in steps:
                    await run.take_step(step)
    except ExchangeError as error:
        report.reject(Rejection(error.file, None, "", error.code))
    if not dry_run:
        metrics.count_report(report)
    return report


async def import_prepared(
    database: Database,
    clock: Clock,
    prepared: Source,
    report: Report,
    *,
    source: str = "district",
    school_id: UUID | None = None,
    progress: Progress | None = None,
) -> None:
    """Imports records that were read elsewhere, in the same way as files.

    Args:
        database: the gradebook's.
        clock: tells when the rows were taken.
        prepared: gives the steps.
        report: takes what was done; its `dry_run` says whether anything may change.
        source: the namespace of the journal's ids.
        school_id: see `import_files`.
        progress: told after each batch.
    """
    run = _Import(database, clock, source, school_id, report, progress)
    async with run.begun():
        for step in prepared.steps():
            await run.take_step(step)
    if not report.dry_run:
        metrics.count_report(report)


@dataclass
class _Import:
    """One import under way."""

    database: Database
    clock: Clock
    source: str
    school_id: UUID | None
    report: Report
    progress: Progress | None
    trial: Trial | None = None
    """Set in a dry run."""

    @asynccontextmanager
    async def begun(self) -> AsyncIterator[None]:
        """Around all steps: what a dry run does is taken back at the end."""
        if not self.report.dry_run:
            yield
            return
        self.trial = Trial(self._new_transaction, self._take_rows)
        try:
            yield
        finally:
            await self.trial.end()

    @asynccontextmanager
    async def _new_transaction(self) -> AsyncIterator[Connection]:
        scope = DISTRICT if self.school_id is None else school(self.school_id)
        async with self.database.transaction(scope) as conn:
            yield conn

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Connection]:
        async with AsyncExitStack() as stack:
            if self.trial is None:
                yield await stack.enter_async_context(self._new_transaction())
            else:
                await self.trial.rest()
                conn = await self.trial.connection()
                await stack.enter_async_context(conn.transaction())
                if self.school_id is not None:
                    # What a step before has seen of the whole district is not seen by the next.
                    await roster_queries.see_own_school(conn, self.school_id)
                yield conn

    async def _taking(self, conn: Connection, school_id: UUID | None) -> Taking:
        return Taking(
            identity=Identity(await queries.identity_key(conn), self.source),
            source=self.source,
            school_id=school_id,
            client_school_id=self.school_id,
            now=await self.clock.now(conn),
            changed_by=f"import:{self.source}",
        )

    async def take_step(self, step: Step) -> None:
        """Reads a file and takes its rows."""
        spool = await self._read(step)
        self._tell(step, 0, total := spool.rows)
        for kind in step.kinds:
            for school_id in spool.parts(kind):
                outcome = await self._take_school(
                    step, kind, school_id, spool, lambda: self._tell(step, total - spool.rows, total)
                )
                self._include(step, kind, outcome)

    async def _read(self, step: Step) -> Spool:
        """The rows of a file that can be taken, by kind and school."""
        spool = Spool()
        pieces = step.pieces()
        seen: set[bytes] = set()
        rows, expected = 0, max(0, step.lines - 1)
        self._tell_reading(step, 0, expected)
        # Reading is all computation: beside the event loop, so that the service goes on answering.
        while piece := await asyncio.to_thread(_next, pieces):
            rows += len(piece)
            await self._sort(step, self._readable(step, piece, seen), spool)
            # Line breaks in quotes make fewer rows than lines, several roles of a user more.
            self._tell_reading(step, rows, max(rows, expected))
        self._tell_reading(step, rows, rows)
        return spool

    def _readable(self, step: Step, pieces: Sequence[Piece], seen: set[bytes]) -> list[Read]:
        """The records among the pieces; the rest is reported."""
        only_kind = step.kinds[0] if len(step.kinds) == 1 else None
        records = []
        for piece in pieces:
            if isinstance(piece, Rejection):
                self.report.reject(piece, only_kind)
                continue
            digest = blake2b("\x1f".join(piece.record.key()).encode(), digest_size=16, key=piece.record.KIND.encode())
            if digest.digest() in seen:
                self._reject(step, piece.record, piece.line, Code.DUPLICATE_ID, piece.record.KEY[0])
            else:
                seen.add(digest.digest())
                records.append(piece)
        return records

    async def _sort(self, step: Step, records: Sequence[Read], spool: Spool) -> None:
        """Finds the school of each record; those without one are reported."""
        if not records:
            return
        async with self._transaction() as conn:
            taking = await self._taking(conn, self.school_id)
            records = await _as_in_journal(conn, taking, records)
            placed = await place(conn, taking, [read.record for read in records])
        for read, school_or_fault in zip(records, placed, strict=True):
            if isinstance(school_or_fault, UUID | None):
                spool.add(school_or_fault, read.line, read.record)
            else:
                self._reject(step, read.record, read.line, school_or_fault.code, school_or_fault.field)

    async def _take_school(
        self, step: Step, kind: RecordKind, school_id: UUID | None, spool: Spool, tell: Callable[[], None]
    ) -> Outcome:
        outcome = Outcome()
        take_rows = self._take_marks_apart if step.lessons_apart and kind is RecordKind.MARKS else self._take_rows
        batches = spool.batches(kind, school_id, BATCH)
        if self.trial is not None:
            for batch in batches:
                outcome.include(await self.trial.attempt(kind, school_id, batch, take_rows))
                tell()
            return outcome
        async with self._transaction() as conn:
            for batch in batches:
                outcome.include(await take_rows(conn, kind, school_id, batch))
                tell()
        crash_here("gradebook.after_commit")
        return outcome

    async def _take_rows(
        self, conn: Connection, kind: RecordKind, school_id: UUID | None, rows: Sequence[Placed[Any]]
    ) -> Outcome:
        return await take(conn, kind, await self._taking(conn, school_id), rows)

    async def _take_marks_apart(
        self, conn: Connection, kind: RecordKind, school_id: UUID | None, rows: Sequence[Placed[Any]]
    ) -> Outcome:
        taking = await self._taking(conn, school_id)
        return await take(conn, kind, taking, await _without_unknown_lessons(conn, taking, rows))

    def _include(self, step: Step, kind: RecordKind, outcome: Outcome) -> None:
        counts = self.report.of(kind)
        counts.added += outcome.added
        counts.changed += outcome.changed
        counts.unchanged += outcome.unchanged
        for line, fault in outcome.rejected:
            column = step.columns.get(fault.field, fault.field)
            self.report.reject(Rejection(step.file, line, column, fault.code), kind)

    def _reject(self, step: Step, record: Record, line: int, code: Code, field: str) -> None:
        self.report.reject(Rejection(step.file, line, step.columns.get(field, field), code), record.KIND)

    def _tell_reading(self, step: Step, rows: int, expected: int) -> None:
        if self.progress is not None and step.kinds:
            self.progress(step.file, rows, expected)

    def _tell(self, step: Step, done: int, total: int) -> None:
        if self.progress is not None and step.kinds:
            of_one = len(step.kinds) == 1 or RecordKind.MEMBERS in step.kinds
            self.progress(str(step.kinds[0]) if of_one else "results", done, total)


async def _without_unknown_lessons(
    conn: Connection, taking: Taking, batch: Sequence[Placed[Record]]
) -> list[Placed[Record]]:
    """The marks; those whose lesson the journal does not know are taken without it, and with it once it is known."""
    named = {row.record.lesson_id for row in batch if isinstance(row.record, MarkRecord)} - {None}
    ids = {name: taking.identity.of("lesson", name) for name in named if name is not None}
    known = await journal_queries.lessons_at(conn, list(ids.values()), taking.home()) if ids else set()
    unknown = {name for name, lesson_id in ids.items() if lesson_id not in known}
    return [
        Placed(row.place, row.record.model_copy(update={"lesson_id": None}))
        if isinstance(row.record, MarkRecord) and row.record.lesson_id in unknown
        else row
        for row in batch
    ]


async def _as_in_journal(conn: Connection, taking: Taking, reads: Sequence[Read]) -> list[Read]:
    """The records; where a file says only who teaches a group, with what the journal knows of the group."""
    alone = [read.record for read in reads if read.as_in_journal and isinstance(read.record, TeachingRecord)]
    if not alone:
        return list(reads)
    ids = taking.identity.of_each("teaching", (record.teaching_id for record in alone))
    groups = taking.identity.of_each("group", (record.group_id for record in alone))
    known = iter(
        await journal_queries.taught(
            conn, [ids[record.teaching_id] for record in alone], [groups[record.group_id] for record in alone]
        )
    )
    return [
        read._replace(record=read.record.model_copy(update=dict(zip(("role", "subject_id"), next(known), strict=True))))
        if read.as_in_journal and isinstance(read.record, TeachingRecord)
        else read
        for read in reads
    ]


def _next(pieces: Iterator[Piece]) -> list[Piece]:
    return list(islice(pieces, READ_AT_ONCE))
