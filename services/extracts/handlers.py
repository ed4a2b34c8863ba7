"""Use cases of the school's office: print queue, print runs, what was printed, jammed and handed over.

Each is one transaction, except printing itself: a person at a printer stands between taking sheets and confirming them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID, uuid4

from chassis import access_log, outbox
from chassis.access_log import OPERATOR, Actor
from chassis.clock import Clock
from chassis.crash import crash_here
from chassis.database import DISTRICT, Connection, Database, Scope
from contracts.values import DISCLOSURE_TERM
from services.extracts import metrics
from services.extracts.domain import ExtractState, HandOverFault, Lack, hand_over_fault
from services.extracts.facts import Way, handed_over_event, printed_event
from services.extracts.queries import printing as queries
from services.extracts.queries.printing import Entry, Extract, Queued
from services.extracts.queries.rendering import lacks_of
from services.extracts.rendering import Sheet

QUEUE_LIMIT = 1000
Refusal = Literal["not_found", "not_in_queue", "changed_since_taken", "not_printed"]


@dataclass(frozen=True)
class PrintRun:
    """Sheets that one printer has taken; they count as printed only when that is confirmed."""

    run_id: UUID
    school_id: UUID
    extract_ids: list[UUID]
    """In the order of printing."""
    taken_until: datetime
    """From then on other runs may take what was not confirmed."""


@dataclass
class Outcome:
    """What became of each extract that was named."""

    done: list[UUID] = field(default_factory=list)
    already: list[UUID] = field(default_factory=list)
    """Was so before; nothing changed."""
    refused: dict[UUID, Refusal] = field(default_factory=dict)


class HandOverRefused(Exception):  # noqa: N818 - reads as a verdict
    """The hand-over cannot be registered; `fault` says why."""

    def __init__(self, fault: HandOverFault) -> None:
        super().__init__(fault.value)
        self.fault = fault


async def print_queue(
    database: Database, clock: Clock, scope: Scope, school_id: UUID, *, due_within: timedelta | None = None
) -> list[Queued]:
    """Sheets that wait for the school's printer, the most urgent first.

    Args:
        database: the service's database.
        clock: tells the time.
        scope: for whom; another school's queue is empty.
        school_id: the school.
        due_within: only what is due until then; all when None.
    """
    async with database.transaction(scope) as conn:
        before = None if due_within is None else await clock.now(conn) + due_within
        return await queries.queue_of(conn, school_id, due_before=before, limit=QUEUE_LIMIT)


async def schools_with_queue(database: Database) -> list[UUID]:
    """Schools where something waits for the printer."""
    async with database.transaction(DISTRICT) as conn:
        return await queries.schools_with_queue(conn)


async def open_print_run(
    database: Database,
    clock: Clock,
    scope: Scope,
    school_id: UUID,
    *,
    due_within: timedelta | None = None,
    keep: timedelta = timedelta(minutes=30),
    limit: int = 200,
) -> PrintRun:
    """Takes sheets from the queue for one print job, so that two printers do not print the same.

    Args:
        database: the service's database.
        clock: tells the time.
        scope: for whom.
        school_id: the school.
        due_within: only what is due until then; all when None.
        keep: after this the sheets go back to the queue by themselves.
        limit: sheets at the most.
    """
    run_id = uuid4()
    async with database.transaction(scope) as conn:
        now = await clock.now(conn)
        before = None if due_within is None else now + due_within
        until = now + keep
        await queries.take(conn, run_id, school_id, due_before=before, now=now, until=until, limit=limit)
        taken = await queries.of_run(conn, run_id)
    return PrintRun(run_id, school_id, [extract.extract_id for extract in taken], until)


async def give_back(database: Database, scope: Scope, run_id: UUID) -> None:
    """Lets other runs have what this one did not print."""
    async with database.transaction(scope) as conn:
        await queries.give_back(conn, run_id)


async def sheets_of_run(database: Database, scope: Scope, run_id: UUID, *, actor: Actor = OPERATOR) -> list[Sheet]:
    """The texts of a run's sheets, from which one PDF is made; empty for an unknown run."""
    async with database.transaction(scope) as conn:
        extracts = await queries.of_run(conn, run_id)
        await _looked(conn, actor, "print_run", extracts)
        return [sheet for _, sheet, _ in await queries.sheets_of(conn, [one.extract_id for one in extracts])]


async def _looked(conn: Connection, actor: Actor, action: str, extracts: Sequence[Extract]) -> None:
    people = [person for one in extracts for person in (one.student_id, one.recipient_id)]
    await access_log.looked(conn, actor, action, people, school_id=extracts[0].school_id if extracts else None)


async def find(database: Database, clock: Clock, scope: Scope, extract_id: UUID) -> tuple[Extract, list[Lack]] | None:
    """One extract, and what it waits for when it is not rendered yet; None when it is not known."""
    async with database.transaction(scope) as conn:
        extract = await queries.find(conn, extract_id)
        if extract is None:
            return None
        if extract.state not in (ExtractState.REQUESTED, ExtractState.NUMBERED):
            return extract, []
        held_until = await clock.now(conn) - DISCLOSURE_TERM
        return extract, await lacks_of(conn, extract_id, held_until=held_until)


async def register(
    database: Database,
    scope: Scope,
    school_id: UUID,
    *,
    since: datetime,
    before: datetime,
    after_entry: int = 0,
    limit: int = 1000,
) -> list[Entry]:
    """A part of a school's hand-over register, in the order of entry.

    Args:
        database: the service's database.
        scope: for whom.
        school_id: the school.
        since: facts from then on.
        before: facts until just before then.
        after_entry: entries after this one.
        limit: entries at the most.
    """
    async with database.transaction(scope) as conn:
        return await queries.register_of(
            conn, school_id, since=since, before=before, after_entry=after_entry, limit=limit
        )


async def pdf_of(database: Database, scope: Scope, extract_id: UUID, *, actor: Actor = OPERATOR) -> bytes | None:
    """One sheet's PDF; None when it is not rendered, or was deleted after its time."""
    async with database.transaction(scope) as conn:
        sheets = await queries.sheets_of(conn, [extract_id])
        extract = await queries.find(conn, extract_id)
        await _looked(conn, actor, "extract_pdf", [extract] if extract and sheets else [])
    return sheets[0][2] if sheets else None


async def mark_printed(
    database: Database, clock: Clock, scope: Scope, extract_ids: Sequence[UUID], *, by: str
) -> Outcome:
    """Registers that sheets were printed: from here on their results are available by paper.

    Register entry and event are one transaction. Saying it twice changes nothing.

    Args:
        database: the service's database.
        clock: tells the time.
        scope: for whom; another school's extracts are not found.
        extract_ids: which.
        by: label of the desk or program, never a person's name.

    Returns:
        What became of each. A sheet that was cancelled, or rendered anew since the run took it, is refused: the paper
        in hand is not what the register would say, and must be destroyed.
    """
    outcome = Outcome()
    async with database.transaction(scope) as conn:
        found = await queries.lock(conn, extract_ids)
        now = await clock.now(conn)
        for extract_id in dict.fromkeys(extract_ids):
            _sort_printed(outcome, extract_id, found.get(extract_id))
        if outcome.done:
            await queries.mark_printed(conn, outcome.done, now)
            await _tell_printed(conn, outcome.done, now, by)
        crash_here("extracts.after_printed_before_commit")
    crash_here("extracts.after_printed_commit")
    for extract_id in outcome.done:
        metrics.PRINTED.labels("yes" if now <= found[extract_id].due_at else "no").inc()
    return outcome


def _sort_printed(outcome: Outcome, extract_id: UUID, extract: Extract | None) -> None:
    if extract is None:
        outcome.refused[extract_id] = "not_found"
    elif extract.state in (ExtractState.PRINTED, ExtractState.HANDED_OVER):
        outcome.already.append(extract_id)
    elif extract.state is not ExtractState.RENDERED:
        changed = extract.state is ExtractState.NUMBERED and extract.taken_sha256 is not None
        outcome.refused[extract_id] = "changed_since_taken" if changed else "not_in_queue"
    elif extract.taken_sha256 not in (None, extract.content_sha256):
        outcome.refused[extract_id] = "changed_since_taken"
    else:
        outcome.done.append(extract_id)


async def _tell_printed(conn: Connection, extract_ids: Sequence[UUID], now: datetime, by: str) -> None:
    printed = list((await queries.lock(conn, extract_ids)).values())
    items = await queries.items_of(conn, extract_ids)
    await queries.enter(conn, "printed", printed, items=items, by=by, at=now)
    await outbox.publish(
        conn,
        [
            printed_event(
                extract,
                number=str(extract.number),
                revision=extract.print_revision,
                items=items[extract.extract_id],
                content_sha256=str(extract.content_sha256),
                at=now,
            )
            for extract in printed
        ],
    )


async def report_jam(
    database: Database, clock: Clock, scope: Scope, extract_ids: Sequence[UUID], *, by: str
) -> Outcome:
    """Puts printed sheets back into the queue because the paper was spoilt; what was handed over stays.

    They are rendered once more under the same number, since a result may have been corrected in the meantime.

    Args:
        database: the service's database.
        clock: tells the time.
        scope: for whom.
        extract_ids: which.
        by: label of the desk or program.
    """
    outcome = Outcome()
    async with database.transaction(scope) as conn:
        found = await queries.lock(conn, extract_ids)
        for extract_id in dict.fromkeys(extract_ids):
            extract = found.get(extract_id)
            if extract is None:
                outcome.refused[extract_id] = "not_found"
            elif extract.state in (ExtractState.NUMBERED, ExtractState.RENDERED):
                outcome.already.append(extract_id)
            elif extract.state is ExtractState.PRINTED:
                outcome.done.append(extract_id)
            else:
                outcome.refused[extract_id] = "not_printed"
        if outcome.done:
            await queries.back_to_queue(conn, outcome.done)
            now = await clock.now(conn)
            await queries.enter(conn, "jammed", [found[one] for one in outcome.done], by=by, at=now)
    metrics.JAMMED.inc(len(outcome.done))
    return outcome


async def mark_handed_over(
    database: Database,
    clock: Clock,
    scope: Scope,
    extract_id: UUID,
    *,
    way: Way,
    by: str,
    at: datetime | None = None,
) -> Extract | None:
    """Registers that a sheet left the school. Saying the same twice changes nothing.

    Args:
        database: the service's database.
        clock: tells the time.
        scope: for whom.
        extract_id: which.
        way: how.
        by: label of the desk or program.
        at: when; now when None.

    Returns:
        The extract; None when it is not known.

    Raises:
        HandOverRefused: it is not printed, was handed over in another way, or the instant cannot be right.
    """
    async with database.transaction(scope) as conn:
        extract = (await queries.lock(conn, [extract_id])).get(extract_id)
        if extract is None:
            return None
        now = await clock.now(conn)
        at = at or now
        fault = hand_over_fault(extract.state, extract.printed_at, at, now)
        if fault is HandOverFault.ALREADY_HANDED_OVER and extract.way == way:
            return extract
        if fault is not None:
            raise HandOverRefused(fault)
        await queries.mark_handed_over(conn, extract_id, at, way)
        items = await queries.items_of(conn, [extract_id])
        await queries.enter(conn, "handed_over", [extract], items=items, way=way, by=by, at=at)
        await outbox.publish(conn, [handed_over_event(extract, items=items[extract_id], way=way, at=at)])
        handed_over = await queries.find(conn, extract_id)
        crash_here("extracts.after_handed_over_before_commit")
    metrics.HANDED_OVER.labels(way).inc()
    return handed_over
