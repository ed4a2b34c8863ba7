"""Importing files: read, sort by school, and take each school's rows of a kind in one transaction with their events."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from uuid import UUID

from chassis.clock import Clock
from chassis.crash import crash_here
from chassis.database import DISTRICT, Connection, Database, school
from services.gradebook import metrics, queries, roster_queries
from services.gradebook.domain import Identity
from services.gradebook.exchange import ExchangeError, Limits, Piece, Read, Rejection, Report, Source, Step, open_source
from services.gradebook.placing import place
from services.gradebook.records import Record, RecordKind
from services.gradebook.rejections import Code
from services.gradebook.spool import Spool
from services.gradebook.taking import BATCH, Outcome, Taking, take

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
    trial: Connection | None = None
    """A dry run's only transaction."""

    @asynccontextmanager
    async def begun(self) -> AsyncIterator[None]:
        """Around all steps: a dry run is one transaction that is taken back at the end."""
        if not self.report.dry_run:
            yield
            return
        async with self._new_transaction() as conn:
            trial = conn.transaction()
            await trial.start()
            self.trial = conn
            try:
                yield
            finally:
                await trial.rollback()

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
                await stack.enter_async_context(self.trial.transaction())
                if self.school_id is not None:
                    # What a step before has seen of the whole district is not seen by the next.
                    await roster_queries.see_own_school(self.trial, self.school_id)
                yield self.trial

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
                    kind, school_id, spool, lambda: self._tell(step, total - spool.rows, total)
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
            placed = await place(conn, taking, [read.record for read in records])
        for read, school_or_fault in zip(records, placed, strict=True):
            if isinstance(school_or_fault, UUID | None):
                spool.add(school_or_fault, read.line, read.record)
            else:
                self._reject(step, read.record, read.line, school_or_fault.code, school_or_fault.field)

    async def _take_school(
        self, kind: RecordKind, school_id: UUID | None, spool: Spool, tell: Callable[[], None]
    ) -> Outcome:
        outcome = Outcome()
        async with self._transaction() as conn:
            taking = await self._taking(conn, school_id)
            for batch in spool.batches(kind, school_id, BATCH):
                outcome.include(await take(conn, kind, taking, batch))
                tell()
        crash_here("gradebook.after_commit")
        return outcome

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
            self.progress(str(step.kinds[0]) if len(step.kinds) == 1 else "results", done, total)


def _next(pieces: Iterator[Piece]) -> list[Piece]:
    return list(islice(pieces, READ_AT_ONCE))
