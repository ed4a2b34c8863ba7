"""The escalation ladder: what is not met as its deadline nears is told to named roles, each step once per obligation.

Any number of processes may run it: the timers are rows, a school's message is raised under the lock of its row, and
what was told is a key in the database. What is met meanwhile is not in the next step: each looks at what is open then.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID, uuid4

from chassis.clock import Clock
from chassis.crash import crash_here
from chassis.database import DISTRICT, Connection, Database
from chassis.logging import log
from chassis.timers import DueLoop
from services.publisher import metrics
from services.publisher.domain.escalation import DAILY, LADDER, TOLD_TO, Ladder, Step
from services.publisher.queries import escalation as queries
from services.publisher.queries.escalation import Escalation
from services.publisher.queries.planning import prefer_indexes

LOOK_SECONDS = 5.0
"""How often the ladder is looked at: its shortest lead is an hour."""
MOST = 20_000
"""Obligations of one message; what is beyond that goes into the next."""


@dataclass
class Escalations:
    """The ladder's loop in one process."""

    database: Database
    clock: Clock
    ladder: Ladder

    def loops(self) -> list[DueLoop]:
        """To be run by the service."""
        return [DueLoop("escalations", self.escalate, _never, idle_seconds=LOOK_SECONDS)]

    async def escalate(self) -> int:
        """Raises one message for each step that a school has reached; returns how many obligations were told."""
        told = 0
        for step in (*LADDER, Step.OVERDUE):
            raised = await self._raise_one(step)
            if raised is not None:
                metrics.ESCALATED.labels(step.value).inc(raised.obligations)
                log.warning(
                    "escalated",
                    step=step.value,
                    school_id=str(raised.school_id),
                    escalation_id=str(raised.escalation_id),
                    obligations=raised.obligations,
                    held=raised.held,
                    late_at_source=raised.late_at_source,
                )
                told += raised.obligations
        return told

    async def _raise_one(self, step: Step) -> Escalation | None:
        async with self.database.transaction(DISTRICT) as conn:
            await prefer_indexes(conn)
            now = await self.clock.now(conn)
            turn = await self._turn(conn, step, now)
            if turn is None:
                return None
            school_id, rounds = turn
            escalation_id = uuid4()
            count = await queries.take_step(
                conn,
                escalation_id,
                step,
                (school_id, rounds + 1),
                due_before=await self._due_before(conn, step, school_id, now),
                opened_before=now - self.ladder.grace,
                now=now,
                limit=MOST,
            )
            if count == 0:
                # Whoever holds the rows is just meeting them, or changing their way; the next look will tell.
                return None
            raised = await queries.raise_it(conn, escalation_id, step, (school_id, rounds + 1), now)
            await queries.turn_taken(conn, school_id, step, rounds + 1, now)
            await self._tell(conn, raised, now)
            crash_here("publisher.after_escalation_before_commit")
        return raised

    async def _turn(self, conn: Connection, step: Step, now: datetime) -> tuple[UUID, int] | None:
        opened_before = now - self.ladder.grace
        if step is Step.OVERDUE:
            schools = await queries.overdue_schools(conn, now - self.ladder.overdue_grace, opened_before)
        else:
            lead = self.ladder.leads.of(step)
            schools = await queries.schools_that_reached(conn, step, now, lead, opened_before)
        if not schools:
            return None
        pause = DAILY if step is Step.OVERDUE else self.ladder.grouping
        return await queries.take_turn(conn, step, schools, now - pause)

    async def _due_before(self, conn: Connection, step: Step, school_id: UUID, now: datetime) -> datetime:
        if step is Step.OVERDUE:
            return now - self.ladder.overdue_grace
        lead = (await queries.terms(conn, school_id)).lead(step, self.ladder.leads)
        return now + lead + self.ladder.grouping

    async def _tell(self, conn: Connection, raised: Escalation, now: datetime) -> None:
        step = Step(raised.step)
        queued = await queries.queue_messages(conn, raised.escalation_id, raised.school_id, TOLD_TO[step], now)
        if queued == 0:
            metrics.ESCALATED_TO_NOBODY.labels(step.value).inc()
            log.error("escalation_has_no_address", step=step.value, school_id=str(raised.school_id))


async def _never() -> float | None:
    return None
