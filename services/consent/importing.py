"""Bulk registration from files: consents.csv and withdrawals.csv with the journal's own ids.

The file is read line by line and registered in batches, each a transaction of its own. Importing the same file again
changes nothing, so an interrupted import is simply started anew.
"""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from time import monotonic
from typing import Any, Literal
from uuid import UUID

from chassis.clock import Clock
from chassis.database import DISTRICT, Database
from services.consent import handlers, metrics, reading, roster_queries
from services.consent.faults import Fault
from services.consent.handlers import Outcome, Request
from services.consent.model import Answer, Policy, Withdrawal
from services.consent.reading import Cells, Row, UnreadableFile

BATCH = 1000
KEPT_REJECTIONS = 10_000
"""So many are listed one by one; beyond it rows are only counted, so that a hostile file cannot fill the memory."""

EXIT_ALL_TAKEN = 0
EXIT_NOTHING_DONE = 1
EXIT_SOME_REJECTED = 2

POLL_SECONDS = 0.2

Ids = Mapping[str, UUID]
Resolve = Callable[[Sequence[str]], Ids | Awaitable[Ids]]
"""The journal's ids to ours; those that are unknown are left out."""
Build = Callable[[Cells, Ids], Answer | None] | Callable[[Cells, Ids], Withdrawal | None]


@dataclass(frozen=True, slots=True)
class Rejection:
    """A row that was not taken. Never holds the value: it may be personal."""

    file: str
    line: int | None
    """Where the row begins, from 1, the header included; None: the file as a whole."""
    field: str
    """The column."""
    code: str
    ru: str
    en: str

    def reason(self, language: Literal["ru", "en"] = "ru") -> str:
        """The reason for a person."""
        return self.ru if language == "ru" else self.en


@dataclass(slots=True)
class ImportReport:
    """What became of a file."""

    file: str
    rows: int = 0
    registered: int = 0
    unchanged: int = 0
    rejected: int = 0
    """Rows that were not taken, and the file as a whole if it could not be read."""
    rejections: list[Rejection] = field(default_factory=list)
    """Every reason of every rejected row, as far as they are kept."""
    dry_run: bool = False

    @property
    def exit_code(self) -> int:
        """0: everything was taken; 2: something was rejected and the rest taken; 1: nothing could be done."""
        if not self.rejected:
            return EXIT_ALL_TAKEN
        return EXIT_SOME_REJECTED if self.registered + self.unchanged else EXIT_NOTHING_DONE

    def as_json(self) -> dict[str, Any]:
        """The report for programs, with the reasons in both languages."""
        return {
            "dry_run": self.dry_run,
            "exit_code": self.exit_code,
            "file": self.file,
            "rows": self.rows,
            "registered": self.registered,
            "unchanged": self.unchanged,
            "rejected": self.rejected,
            "rejections": [
                {
                    "file": one.file,
                    "line": one.line,
                    "field": one.field,
                    "code": one.code,
                    "reason": {"ru": one.ru, "en": one.en},
                }
                for one in self.rejections
            ],
        }


@dataclass(frozen=True, slots=True)
class Registry:
    """Where and by which rules an import registers."""

    database: Database
    resolve: Resolve
    clock: Clock
    policy: Policy
    wait_for_people_seconds: float = 0
    """How long to wait, in all, for people whom the journal knows and whose event is still on its way."""
    dry_run: bool = False
    """Only look what would happen."""


async def import_consents(
    path: Path, registry: Registry, *, progress: Callable[[int], None] | None = None
) -> ImportReport:
    """Registers every row of a consents.csv.

    Args:
        path: the file; its columns are `reading.CONSENT_COLUMNS`.
        registry: where it is registered.
        progress: told after each batch how many rows are done.
    """
    return await _import(path, registry, reading.CONSENT_NEEDED, reading.answer, progress)


async def import_withdrawals(
    path: Path, registry: Registry, *, progress: Callable[[int], None] | None = None
) -> ImportReport:
    """Registers every row of a withdrawals.csv; columns `reading.WITHDRAWAL_COLUMNS`, no purposes meaning all."""
    return await _import(path, registry, reading.WITHDRAWAL_NEEDED, reading.withdrawal, progress)


async def _import(
    path: Path,
    registry: Registry,
    needed: frozenset[str],
    build: Build,
    progress: Callable[[int], None] | None,
) -> ImportReport:
    report = ImportReport(path.name, dry_run=registry.dry_run)
    deadline = monotonic() + registry.wait_for_people_seconds
    source = reading.rows(path, needed)
    try:
        while batch := list(islice(source, BATCH)):
            await _take(report, batch, registry, build, deadline)
            if progress is not None:
                progress(report.rows)
    except UnreadableFile as unreadable:
        _reject(report, None, [unreadable.fault])
    return report


async def _take(report: ImportReport, batch: Sequence[Row], registry: Registry, build: Build, deadline: float) -> None:
    report.rows += len(batch)
    people = await _resolved(registry.resolve, batch)
    requests: list[tuple[Row, Request]] = []
    for row in batch:
        cells = Cells(row.cells)
        request = None if row.fault else build(cells, people)
        if request is None:
            _reject(report, row.line, [row.fault] if row.fault else cells.faults)
        else:
            requests.append((row, request))
    await _wait_for_people(registry, [request for _, request in requests], deadline)
    outcomes = await _register(registry, [request for _, request in requests])
    for (row, _), outcome in zip(requests, outcomes, strict=True):
        report.registered += outcome.status == "registered"
        report.unchanged += outcome.status == "unchanged"
        if outcome.status == "rejected":
            _reject(report, row.line, outcome.faults)


async def _resolved(resolve: Resolve, batch: Sequence[Row]) -> Ids:
    columns = ("representative_id", "student_id")
    ids = sorted({row.cells[name] for row in batch for name in columns if row.cells.get(name)})
    found = resolve(ids)
    return await found if inspect.isawaitable(found) else found


async def _wait_for_people(registry: Registry, requests: Sequence[Request], deadline: float) -> None:
    """People travel by events: an import right behind that of the journal may be quicker than they are."""
    pairs = {(request.representative_id, request.student_id) for request in requests}
    while pairs and monotonic() < deadline:
        async with registry.database.transaction(DISTRICT) as conn:
            pairs -= await roster_queries.known_pairs(conn, sorted(pairs))
        if pairs:
            await asyncio.sleep(POLL_SECONDS)


async def _register(registry: Registry, requests: Sequence[Request]) -> list[Outcome]:
    async with registry.database.transaction(DISTRICT) as conn:
        attempt = conn.transaction()
        await attempt.start()
        outcomes = await handlers.register_decisions(conn, requests, clock=registry.clock, policy=registry.policy)
        await (attempt.rollback() if registry.dry_run else attempt.commit())
    if not registry.dry_run:
        metrics.count(outcomes)
    return outcomes


def _reject(report: ImportReport, line: int | None, faults: Sequence[Fault]) -> None:
    report.rejected += 1
    if len(report.rejections) < KEPT_REJECTIONS:
        report.rejections += [
            Rejection(report.file, line, reading.column_of(one.field), one.code, one.ru, one.en) for one in faults
        ]
