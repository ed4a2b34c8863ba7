"""What happens by the clock. Any number of processes may run these loops: rows are locked, and skipped when locked."""

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from chassis import outbox
from chassis.clock import Clock
from chassis.crash import crash_here
from chassis.database import DISTRICT, Connection, Database
from chassis.logging import log
from chassis.timers import DueLoop
from contracts.base import ObligationId, PersonId, ResultId, SchoolId, StudentId
from contracts.disclosure_overdue import DisclosureOverdue
from services.publisher import ledger, metrics
from services.publisher.domain.deadlines import Late, lateness
from services.publisher.domain.ledger import EntryKind
from services.publisher.domain.obligations import MovedReason, Obligation
from services.publisher.domain.policy import Policy
from services.publisher.domain.preferences import Channel
from services.publisher.queries import availability, board, consents, obligations, people
from services.publisher.queries.planning import prefer_indexes
from services.publisher.reconciling import reconcile
from services.publisher.requesting import ask_for_paper

ROUND = 500
"""Rows of one round: a round is one transaction."""

NextDue = Callable[[Connection, datetime], Awaitable[float | None]]


@dataclass
class Deadlines:
    """The loops around obligations."""

    database: Database
    clock: Clock
    policy: Policy
    early_retention: timedelta = timedelta(days=60)
    stale_since: datetime | None = None
    """Since when this process sees a stale view of consents."""

    def loops(self) -> list[DueLoop]:
        """All of them, to be run by the service."""
        return [
            DueLoop("paper-grouping", self.ask_for_paper, self._next(obligations.seconds_to_next_ask)),
            DueLoop("fall-back-to-paper", self.fall_back, self._next(obligations.seconds_to_next_fall_back)),
            DueLoop("overdue", self.notice_overdue, self._next(self._to_next_overdue)),
            DueLoop("consents-take-effect", self.let_consents_take_effect, self._next(consents.seconds_to_next_effect)),
            DueLoop("come-of-age", self.notice_majority, _never, idle_seconds=60),
            DueLoop("early-availability", self.forget_early, _never, idle_seconds=3600),
            DueLoop("gauges", self.measure, _never, idle_seconds=10),
        ]

    @asynccontextmanager
    async def _round(self) -> AsyncIterator[tuple[Connection, datetime]]:
        async with self.database.transaction(DISTRICT) as conn:
            await prefer_indexes(conn)
            yield conn, await self.clock.now(conn)

    def _next(self, query: NextDue) -> Callable[[], Awaitable[float | None]]:
        async def seconds() -> float | None:
            async with self._round() as (conn, now):
                return await query(conn, now)

        return seconds

    async def ask_for_paper(self) -> int:
        """Asks for paper whose grouping time has passed or whose deadline is near; returns how many results."""
        async with self._round() as (conn, now):
            due = await obligations.students_to_ask_paper_for(conn, now, ROUND)
            students = await people.lock_free_students(conn, due) if due else []
            if not students:
                return 0
            # What is not held goes on the same sheet even if its own grouping time still runs.
            waiting = await obligations.lock_to_ask_paper(conn, students, now + self.policy.paper_grouping)
            await ask_for_paper(conn, waiting, now)
            crash_here("publisher.after_request_before_commit")
        return len(waiting)

    async def fall_back(self) -> int:
        """Moves to paper what the screen does not show in time; returns how many obligations.

        With a stale view of consents nobody may look at a screen, so everything due soon goes by paper (I2 before
        I3). A process that has just started gives the first heartbeats the time to arrive.
        """
        async with self._round() as (conn, now):
            stale: list[Obligation] = []
            if await consents.consents_fresh(conn, now, self.policy.consent_stale_after):
                self.stale_since = None
            else:
                self.stale_since = self.stale_since or now
                if now - self.stale_since >= self.policy.consent_stale_after:
                    stale = await obligations.fall_back_stale(conn, now, ROUND, self.policy.fallback_lead)
            moved = await obligations.fall_back_unacknowledged(conn, now, ROUND)
            await ledger.append(conn, [_moved_note(one) for one in (*stale, *moved)], now)
            crash_here("publisher.after_fall_back_before_commit")
        self._report_moved(MovedReason.NOT_ACKNOWLEDGED, len(moved))
        self._report_moved(MovedReason.CONSENTS_STALE, len(stale))
        return len(moved) + len(stale)

    def _report_moved(self, reason: MovedReason, count: int) -> None:
        if count:
            metrics.MOVED_TO_PAPER.labels(reason.value).inc(count)
            log.warning("moved_to_paper", reason=reason.value, obligations=count)

    async def notice_overdue(self) -> int:
        """Flags, tells and writes down what is still owed after its 24 hours; returns how many obligations."""
        async with self._round() as (conn, now):
            missed = await obligations.notice_overdue(conn, now, now - self.policy.acknowledgement_grace, ROUND)
            await outbox.publish(conn, [_overdue(one, now) for one in missed])
            await ledger.append(conn, [_overdue_note(one) for one in missed], now)
            crash_here("publisher.after_overdue_before_commit")
        for (route, late), count in Counter((one.route, _whose(one)) for one in missed).items():
            metrics.OVERDUE_NOTICED.labels(route.value, late.value).inc(count)
            log.error("obligations_overdue", route=route.value, late=late.value, obligations=count)
        return len(missed)

    async def _to_next_overdue(self, conn: Connection, now: datetime) -> float | None:
        seconds = await obligations.seconds_to_next_overdue(conn, now)
        return None if seconds is None else seconds + self.policy.acknowledgement_grace.total_seconds()

    async def let_consents_take_effect(self) -> int:
        """Routes by consents that were given for a later day, when that day has come; returns how many students."""
        async with self._round() as (conn, now):
            due = await consents.consents_to_take_effect(conn, now, ROUND)
            students = await people.lock_free_students(conn, due) if due else []
            await consents.mark_consents_in_effect(conn, students, now)
            await reconcile(conn, students, now, self.policy)
        return len(students)

    async def notice_majority(self) -> int:
        """Routes anew for students who have come of age; returns how many."""
        async with self._round() as (conn, now):
            due = await people.students_come_of_age(conn, now, ROUND)
            students = await people.lock_free_students(conn, due) if due else []
            await people.mark_majority(conn, students)
            await reconcile(conn, students, now, self.policy)
        return len(students)

    async def forget_early(self) -> int:
        """Removes acknowledgements that never came to count; returns how many."""
        async with self._round() as (conn, now):
            return await availability.forget_early_before(conn, now - self.early_retention, ROUND)

    async def measure(self) -> int:
        """Sets the gauges; returns 0, since nothing is ever left to do at once."""
        async with self._round() as (conn, now):
            by_route = await board.open_by_route(conn)
            overdue = await board.overdue_open(conn, now)
            messages = await board.messages_by_state(conn)
            as_of = await consents.consents_as_of(conn)
        first = min((due for _, due in by_route.values()), default=None)
        oldest = 0.0 if first is None else (now - first).total_seconds() + timedelta(hours=24).total_seconds()
        metrics.OLDEST_UNMET_SECONDS.set(max(0.0, oldest))
        metrics.OVERDUE_OBLIGATIONS.set(overdue)
        metrics.CONSENT_VIEW_AGE_SECONDS.set(-1 if as_of is None else (now - as_of).total_seconds())
        for route in ("screen", "paper", "with_representative"):
            count, due = by_route.get(route, (0, None))
            metrics.OPEN_OBLIGATIONS.labels(route).set(count)
            left = float("nan") if due is None else (due - now).total_seconds()
            metrics.SECONDS_TO_NEXT_DEADLINE.labels(route).set(left)
        for channel in Channel:
            for state in ("queued", "retry", "claimed", "undecided", "failed"):
                metrics.MESSAGES_WAITING.labels(channel.value, state).set(messages.get((channel.value, state), 0))
        return 0


async def _never() -> float | None:
    return None


def _whose(missed: Obligation) -> Late:
    return lateness(
        obtained_at=missed.obtained_at,
        recorded_at=missed.recorded_at,
        due=missed.due_at,
        available_at=missed.due_at + timedelta(microseconds=1),
    )


def _overdue(missed: Obligation, now: datetime) -> DisclosureOverdue:
    return DisclosureOverdue(
        revision=1,
        obligation_id=ObligationId(missed.obligation_id),
        result_id=ResultId(missed.result_id),
        value_revision=missed.value_revision,
        school_id=SchoolId(missed.school_id),
        student_id=StudentId(missed.student_id),
        recipient_id=PersonId(missed.recipient_id),
        route=missed.route,
        due_at=missed.due_at,
        noticed_at=now,
    )


def _moved_note(moved: Obligation) -> ledger.Note:
    return ledger.Note(
        EntryKind.MOVED,
        moved.school_id,
        moved.result_id,
        {
            "value_revision": moved.value_revision,
            "student_id": moved.student_id,
            "recipient_id": moved.recipient_id,
            "due_at": moved.due_at,
            "reason": moved.moved_reason,
        },
    )


def _overdue_note(missed: Obligation) -> ledger.Note:
    return ledger.Note(
        EntryKind.OVERDUE,
        missed.school_id,
        missed.result_id,
        {
            "value_revision": missed.value_revision,
            "student_id": missed.student_id,
            "recipient_id": missed.recipient_id,
            "route": missed.route.value,
            "due_at": missed.due_at,
            "late": _whose(missed).value,
        },
    )
