"""Taking many records of one request: all of them or none, unless the client wants those that fit by themselves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from chassis.clock import Clock
from chassis.crash import crash_here
from chassis.database import Connection, Database
from services.gradebook import idempotency, metrics
from services.gradebook.handlers import Sender, taking_for
from services.gradebook.idempotency import Once
from services.gradebook.records import Record, RecordKind
from services.gradebook.rejections import Fault
from services.gradebook.taking import Outcome, Placed, take

Faults = list[tuple[int, Fault]]
Answer = Callable[[Outcome, Faults], dict[str, Any]]


@dataclass(frozen=True)
class Batch:
    """The records of one request."""

    kind: RecordKind
    rows: Sequence[Placed[Record]]
    faults: Faults
    """What is wrong with those that are no records."""
    partial: bool = False
    """Whether the others are wanted when some do not fit."""


@dataclass(frozen=True)
class Done:
    """What became of it."""

    answer: dict[str, Any]
    """As `bodies.Taken`."""
    replayed: bool = False
    """It is the answer of an earlier request with the same key."""


class NothingTaken(Exception):  # noqa: N818 - what it is
    """Some records do not fit, and nothing was changed."""

    def __init__(self, faults: Faults) -> None:
        super().__init__(f"{len(faults)} faults")
        self.faults = faults


async def take_batch(
    database: Database, clock: Clock, sender: Sender, batch: Batch, answer: Answer, *, once: Once | None = None
) -> Done:
    """Takes the records of a request in one transaction, together with their events and the answer.

    Args:
        database: the gradebook's.
        clock: tells when.
        sender: for whom.
        batch: the records.
        answer: makes the answer of an outcome and all faults.
        once: set when the request may come again.

    Raises:
        NothingTaken: some do not fit and the others are not wanted alone, or none fits.
        idempotency.StillRunning: the same request is being worked on.
        idempotency.KeyReused: its key stands for another request.
    """
    outcome = Outcome()
    try:
        async with database.transaction(sender.scope()) as conn:
            kept = await idempotency.begin(conn, once) if once is not None else None
            if kept is not None:
                return Done(kept, replayed=True)
            outcome = await _take(conn, clock, sender, batch)
            made = answer(outcome, _accepted(batch, outcome))
            if once is not None:
                await idempotency.keep(conn, once, sender.school_id, made, await clock.now(conn))
    except NothingTaken:
        outcome.added = outcome.changed = outcome.unchanged = 0
        metrics.count_outcome(batch.kind, outcome)
        raise
    crash_here("gradebook.after_commit")
    metrics.count_outcome(batch.kind, outcome)
    return Done(made)


def _accepted(batch: Batch, outcome: Outcome) -> Faults:
    """All faults, with which the client takes the outcome.

    Raises:
        NothingTaken: it does not.
    """
    faults = batch.faults + outcome.rejected
    if faults and not (batch.partial and outcome.taken):
        raise NothingTaken(faults)
    return faults


async def _take(conn: Connection, clock: Clock, sender: Sender, batch: Batch) -> Outcome:
    if not batch.rows:
        return Outcome()
    return await take(conn, batch.kind, await taking_for(conn, clock, sender), batch.rows)
