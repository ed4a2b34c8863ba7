"""Use cases of deferrals: asked for, decided by the head, due by the clock, ended (C5.3)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID, uuid4

from chassis.clock import Clock
from chassis.crash import crash_here
from chassis.database import DISTRICT, Connection, Database
from chassis.logging import log
from chassis.timers import DueLoop
from services.gradebook import domain as journal
from services.gradebook import metrics, policy_queries, roster_queries
from services.gradebook import queries as journal_queries
from services.gradebook.closing import deferral_queries as queries
from services.gradebook.closing.deferrals import Deferral, DeferralState, extend, move
from services.gradebook.closing.desk import Desk
from services.gradebook.closing.domain import NotAllowed
from services.gradebook.closing.handlers import tell
from services.gradebook.closing.queries import closed_for
from services.gradebook.closing.refusals import Refusal, Refused
from services.gradebook.domain import FinalGrade, Identity
from services.gradebook.taking.results import watch

ROUND = 500
"""How many deferrals become due in one transaction."""


@dataclass(frozen=True)
class Request:
    """What a deferral is asked for."""

    student_id: UUID
    subject_id: UUID
    period_id: UUID
    reason: str
    """One of those that the school's settings list."""
    document_number: str
    document_date: date
    due_on: date
    """The last day, in the school's time zone."""


async def request(desk: Desk, source: str, asked: Request) -> Deferral:
    """Asks the head to defer a final grade.

    Args:
        desk: whose student it is, and who asks.
        source: the namespace in which the result gets its id.
        asked: what is asked for.

    Raises:
        Refused: something is unknown, set, closed or deferred already; or reason or date do not fit.
    """
    async with desk.transaction() as conn:
        await journal_queries.lock(conn, f"final_grades/{desk.school_id}")
        now = await desk.clock.now(conn)
        due_at, today = await _end_of_day(conn, desk.school_id, asked.due_on, now)
        await _check_request(conn, desk.school_id, asked, today)
        name = f"deferral/{asked.student_id}/{asked.subject_id}/{asked.period_id}"
        identity = Identity(await journal_queries.identity_key(conn), source)
        deferral = Deferral(
            deferral_id=uuid4(),
            school_id=desk.school_id,
            student_id=asked.student_id,
            subject_id=asked.subject_id,
            period_id=asked.period_id,
            result_id=identity.of("final_grade", name),
            state=str(DeferralState.REQUESTED),
            reason=asked.reason,
            document_number=asked.document_number,
            document_date=asked.document_date,
            due_on=asked.due_on,
            due_at=due_at,
            note="",
            fulfilled_as=None,
            changed_by=desk.by,
            changed_at=now,
            revision=1,
        )
        if not await queries.insert(conn, deferral):
            raise Refused(Refusal.ALREADY_DEFERRED)
    metrics.DEFERRALS.labels(deferral.state).inc()
    return deferral


async def _check_request(conn: Connection, school_id: UUID, asked: Request, today: date) -> None:
    if asked.student_id not in await roster_queries.students_at(conn, [asked.student_id], school_id):
        raise Refused(Refusal.UNKNOWN_STUDENT)
    if asked.subject_id not in await journal_queries.subjects(conn, [asked.subject_id]):
        raise Refused(Refusal.UNKNOWN_SUBJECT)
    period = (await journal_queries.periods(conn, [asked.period_id])).get(asked.period_id)
    if period is None or period[0] != school_id:
        raise Refused(Refusal.UNKNOWN_PERIOD)
    policy = await policy_queries.policy_on(conn, school_id, period[1].ends_on)
    if asked.reason not in policy.deferral_reasons:
        raise Refused(Refusal.BAD_REASON)
    if asked.due_on <= today or asked.due_on < asked.document_date:
        raise Refused(Refusal.BAD_DUE_DATE)
    if await queries.is_graded(conn, asked.period_id, (asked.student_id, asked.subject_id)):
        raise Refused(Refusal.ALREADY_GRADED)
    if await closed_for(conn, school_id, [(asked.student_id, asked.period_id)]):
        raise Refused(Refusal.PERIOD_CLOSED)


async def approve(desk: Desk, deferral_id: UUID) -> Deferral:
    """The head approves; in the same transaction the family is told that the grade is deferred, and until when.

    Raises:
        Refused: there is no such deferral, it was decided already, its last day is over, or the grade has come.
    """
    async with desk.transaction() as conn:
        current, now = await _locked(conn, desk, deferral_id)
        _, today = await _end_of_day(conn, desk.school_id, current.due_on, now)
        if current.state != DeferralState.REQUESTED:
            # What is due gets a later day by `put_off`, never by a second approval.
            raise Refused(Refusal.WRONG_STATE)
        if current.due_on <= today:
            raise Refused(Refusal.BAD_DUE_DATE)
        if await queries.is_graded(conn, current.period_id, (current.student_id, current.subject_id)):
            raise Refused(Refusal.ALREADY_GRADED)
        approved = _moved(current, DeferralState.APPROVED, desk.by, now)
        await queries.update(conn, [approved])
        await _tell_deferred(conn, approved, now)
    return _counted(approved)


async def put_off(desk: Desk, deferral_id: UUID, due_on: date) -> Deferral:
    """The head gives a deferral that is due a later last day; the family is told.

    Raises:
        Refused: there is no such deferral, it is not due, or the day is not a later one.
    """
    async with desk.transaction() as conn:
        current, now = await _locked(conn, desk, deferral_id)
        due_at, today = await _end_of_day(conn, desk.school_id, due_on, now)
        if due_on <= today:
            raise Refused(Refusal.BAD_DUE_DATE)
        if current.state != DeferralState.DUE:
            # A request is approved with the day that it asks for.
            raise Refused(Refusal.WRONG_STATE)
        if await queries.is_graded(conn, current.period_id, (current.student_id, current.subject_id)):
            raise Refused(Refusal.ALREADY_GRADED)
        following = extend(current, due_on, due_at, by=desk.by, now=now)
        await queries.update(conn, [following])
        await _tell_deferred(conn, following, now)
    return _counted(following)


async def refuse(desk: Desk, deferral_id: UUID, *, note: str) -> Deferral:
    """The head refuses and says why; nothing was told and nothing is.

    Raises:
        Refused: there is no such deferral, it was decided already, or no reason is given.
    """
    return await _end(desk, deferral_id, DeferralState.REFUSED, note)


async def cancel(desk: Desk, deferral_id: UUID, *, note: str) -> Deferral:
    """The head ends a deferral and says why; what the family was told is withdrawn, and the grade is missing again.

    Raises:
        Refused: there is no such deferral, it ended already, or no reason is given.
    """
    return await _end(desk, deferral_id, DeferralState.CANCELLED, note)


async def _end(desk: Desk, deferral_id: UUID, state: DeferralState, note: str) -> Deferral:
    if not note.strip():
        raise Refused(Refusal.REASON_NEEDED)
    async with desk.transaction() as conn:
        current, now = await _locked(conn, desk, deferral_id)
        ended = _moved(current, state, desk.by, now, note.strip())
        await queries.update(conn, [ended])
        if current.state != DeferralState.REQUESTED:
            await _withdraw_deferred(conn, current, now)
    return _counted(ended)


async def listed(desk: Desk, period_id: UUID | None, states: Sequence[str] | None) -> list[dict[str, Any]]:
    """A school's deferrals."""
    async with desk.transaction() as conn:
        rows = [dict(row) for row in await queries.listed(conn, desk.school_id, period_id, states)]
    for row in rows:
        name = row["name"] or {}
        row["name"] = " ".join(filter(None, (name.get("family"), name.get("given"), name.get("patronymic"))))
    return rows


async def history(desk: Desk, deferral_id: UUID) -> list[Deferral]:
    """Every revision of a deferral."""
    async with desk.transaction() as conn:
        return await queries.history(conn, desk.school_id, deferral_id)


# --- the clock ------------------------------------------------------------------------------------------------------

CLOCK = "clock"
"""Who makes a deferral due."""


async def let_come_due(database: Database, clock: Clock) -> int:
    """Makes those due whose last day is over: their grades are missing again, and each is escalated.

    Returns:
        How many.
    """
    async with database.transaction(DISTRICT) as conn:
        now = await clock.now(conn)
        due = await queries.due(conn, now, ROUND)
        await queries.update(conn, [move(one, DeferralState.DUE, by=CLOCK, now=now) for one in due])
        crash_here("gradebook.after_deferrals_due_before_commit")
        waiting = await queries.overdue_count(conn)
    metrics.DEFERRALS_DUE.set(waiting)
    for one in due:
        metrics.DEFERRALS.labels(DeferralState.DUE.value).inc()
        log.warning("deferral_due", deferral_id=str(one.deferral_id), school_id=str(one.school_id))
    return len(due)


def timer(database: Database, clock: Clock) -> DueLoop:
    """The loop that lets deferrals come due."""

    async def work() -> int:
        return await let_come_due(database, clock)

    async def next_due_seconds() -> float | None:
        async with database.transaction(DISTRICT) as conn:
            return await queries.next_due_seconds(conn, await clock.now(conn))

    return DueLoop("gradebook.deferrals", work, next_due_seconds, idle_seconds=60)


# --- the result -----------------------------------------------------------------------------------------------------


async def _tell_deferred(conn: Connection, deferral: Deferral, now: datetime) -> None:
    """The result says that it is deferred, at its next revision."""
    current = (await journal_queries.final_grades(conn, [deferral.result_id])).get(deferral.result_id)
    first = FinalGrade(
        result_id=deferral.result_id,
        school_id=deferral.school_id,
        student_id=deferral.student_id,
        subject_id=deferral.subject_id,
        period_id=deferral.period_id,
        source="sutki",
        external_id=f"deferral/{deferral.deferral_id}",
        state="deferred",
        value=None,
        held=False,
        obtained_at=now,
        stated_obtained_at=now,
        recorded_at=now,
        changed_at=now,
        revision=1,
        value_revision=1,
        deferred_until=deferral.due_on,
        reason=deferral.reason,
    )
    following = journal.defer_final_grade(current, first, now)
    if current is None:
        await queries.insert_deferred(conn, following)
    else:
        await journal_queries.update_final_grades(conn, [following])
    await watch(conn, "final_grade", [following])
    crash_here("gradebook.after_facts_before_outbox")
    await tell(conn, [following])
    crash_here("gradebook.after_outbox_before_commit")


async def _withdraw_deferred(conn: Connection, deferral: Deferral, now: datetime) -> None:
    current = (await journal_queries.final_grades(conn, [deferral.result_id])).get(deferral.result_id)
    # Only what was told as deferred is withdrawn, never a grade.
    deferred = current is not None and current.state == "deferred"
    following = journal.withdraw_final_grade(current, now) if current is not None and deferred else None
    if following is None:
        return
    await journal_queries.update_final_grades(conn, [following])
    await watch(conn, "final_grade", [following])
    crash_here("gradebook.after_facts_before_outbox")
    await tell(conn, [following])
    crash_here("gradebook.after_outbox_before_commit")


async def _locked(conn: Connection, desk: Desk, deferral_id: UUID) -> tuple[Deferral, datetime]:
    await journal_queries.lock(conn, f"final_grades/{desk.school_id}")
    current = await queries.one(conn, desk.school_id, deferral_id)
    if current is None:
        raise Refused(Refusal.UNKNOWN_DEFERRAL)
    return current, await desk.clock.now(conn)


async def _end_of_day(conn: Connection, school_id: UUID, day: date, now: datetime) -> tuple[datetime, date]:
    found = await queries.end_of_day(conn, school_id, day, now)
    if found is None:
        raise Refused(Refusal.UNKNOWN_SCHOOL)
    return found


def _moved(current: Deferral, state: DeferralState, by: str, now: datetime, note: str = "") -> Deferral:
    try:
        return move(current, state, by=by, now=now, note=note)
    except NotAllowed as error:
        raise Refused(Refusal.WRONG_STATE) from error


def _counted(deferral: Deferral) -> Deferral:
    crash_here("gradebook.after_commit")
    metrics.DEFERRALS.labels(deferral.state).inc()
    return deferral
