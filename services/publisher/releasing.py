"""What was held back and nobody released: the clock did, and the ledger says so.

The cabinet's rule of reading opens a held result when its 24 hours are over, whether or not the publisher runs. Here
that is only written down, so it can be done late: the instant is the deadline, not that of the writing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from chassis.clock import Clock
from chassis.crash import crash_here
from chassis.database import DISTRICT, Connection, Database
from chassis.logging import log
from chassis.timers import DueLoop
from services.publisher import ledger, metrics
from services.publisher.domain.ledger import EntryKind
from services.publisher.domain.policy import Policy
from services.publisher.domain.results import Result
from services.publisher.queries import releasing as queries
from services.publisher.queries.planning import prefer_indexes
from services.publisher.queries.releasing import Released

ROUND = 500


@dataclass
class Releases:
    """The loop that writes releases down, of one process."""

    database: Database
    clock: Clock
    policy: Policy

    def loops(self) -> list[DueLoop]:
        """To be run by the service."""
        return [DueLoop("released-by-clock", self.write_down, self._next)]

    async def write_down(self) -> int:
        """Writes down what the clock let go; returns how many results.

        A release by the head that was recorded in time may still be on its way, so this waits as an acknowledgement is
        waited for.
        """
        async with self.database.transaction(DISTRICT) as conn:
            await prefer_indexes(conn)
            now = await self.clock.now(conn)
            released = await queries.release(conn, now - self.policy.acknowledgement_grace, ROUND)
            await _note(conn, released, now)
            crash_here("publisher.after_release_before_commit")
        return len(released)

    async def _next(self) -> float | None:
        async with self.database.transaction(DISTRICT) as conn:
            seconds = await queries.seconds_to_next(conn, await self.clock.now(conn))
        return None if seconds is None else seconds + self.policy.acknowledgement_grace.total_seconds()


async def note_overtaken(conn: Connection, recorded: Sequence[Result], now: datetime) -> None:
    """Before new states of results are taken: those that come after the deadline of what they change came too late."""
    ordered = sorted(recorded, key=lambda one: one.result_id)
    released = await queries.release_known(
        conn, [one.result_id for one in ordered], [one.recorded_at for one in ordered]
    )
    await _note(conn, released, now)


async def _note(conn: Connection, released: Sequence[Released], now: datetime) -> None:
    if not released:
        return
    notes = [
        ledger.Note(
            EntryKind.RELEASED_BY_CLOCK,
            one.school_id,
            one.result_id,
            {
                "value_revision": one.value_revision,
                "student_id": one.student_id,
                "released_at": one.released_at,
            },
        )
        for one in released
    ]
    await ledger.append(conn, notes, now)
    metrics.RELEASED_BY_CLOCK.inc(len(released))
    log.warning("released_by_clock", results=len(released))
