"""Printing from the command line: takes the queue, writes PDFs, asks the operator, registers what was printed."""

import asyncio
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from chassis.clock import Clock
from chassis.database import DISTRICT, Database
from services.extracts.handlers import Outcome, PrintRun, give_back, mark_printed, open_print_run
from services.extracts.queries import printing as queries
from services.extracts.rendering import Renderer

Confirm = Callable[[PrintRun, Sequence[Path]], Awaitable[bool]]
"""Asks the operator whether these files came out of the printer."""


@dataclass(frozen=True)
class Printed:
    """What a print run came to."""

    run: PrintRun
    files: list[Path]
    outcome: Outcome
    confirmed: bool


async def print_due(
    database: Database,
    clock: Clock,
    renderer: Renderer,
    *,
    school_id: UUID,
    into: Path,
    by: str,
    confirm: Confirm,
    due_within: timedelta | None = None,
    combined: bool = True,
    keep: timedelta = timedelta(minutes=30),
    limit: int = 200,
) -> Printed:
    """Writes a school's print queue into files, and registers the sheets as printed once the operator confirms.

    Whoever dies before the confirmation leaves nothing but the files: the sheets return to the queue after `keep`.

    Args:
        database: the service's database.
        clock: tells the time.
        renderer: puts the sheets into one PDF.
        school_id: whose queue.
        into: folder for the files; made when missing, readable by its owner only.
        by: label of the desk, never a person's name.
        confirm: asked once, after the files are written; not asked when the queue is empty.
        due_within: only what is due until then; all when None.
        combined: one PDF for the whole run, or one for each extract.
        keep: how long other runs leave these sheets alone.
        limit: sheets at the most.
    """
    run = await open_print_run(database, clock, DISTRICT, school_id, due_within=due_within, keep=keep, limit=limit)
    if not run.extract_ids:
        return Printed(run, [], Outcome(), confirmed=False)
    try:
        files = await _write(database, renderer, run, into, combined=combined)
        confirmed = await confirm(run, files)
    except BaseException:
        await give_back(database, DISTRICT, run.run_id)
        raise
    if not confirmed:
        await give_back(database, DISTRICT, run.run_id)
        return Printed(run, files, Outcome(), confirmed=False)
    outcome = await mark_printed(database, clock, DISTRICT, run.extract_ids, by=by)
    return Printed(run, files, outcome, confirmed=True)


async def _write(database: Database, renderer: Renderer, run: PrintRun, into: Path, *, combined: bool) -> list[Path]:
    async with database.transaction(DISTRICT) as conn:
        sheets = await queries.sheets_of(conn, run.extract_ids)
    if combined:
        pdf = await renderer.combined([sheet for _, sheet, _ in sheets])
        files = {into / f"print-run-{run.run_id}.pdf": pdf}
    else:
        files = {into / f"{extract_id}.pdf": pdf for extract_id, _, pdf in sheets}
    await asyncio.to_thread(_save, into, files)
    return list(files)


def _save(into: Path, files: dict[Path, bytes]) -> None:
    """Whole files or none, for their owner only: they name children."""
    into.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path, content in files.items():
        part = path.with_suffix(".part")
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
        part.replace(path)
