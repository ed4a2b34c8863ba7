"""Use cases of closing a period: look, close, open again, say why, correct; one transaction each (C5.1)."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid4

from chassis import outbox
from chassis.crash import crash_here
from chassis.database import Connection
from contracts.values import GradeValue
from services.gradebook import domain as journal
from services.gradebook import metrics
from services.gradebook import queries as journal_queries
from services.gradebook.closing import queries
from services.gradebook.closing.desk import Desk
from services.gradebook.closing.domain import ClosingState, check_closing, wholly_closed
from services.gradebook.closing.gathering import gather
from services.gradebook.closing.queries import ClosingRow
from services.gradebook.closing.refusals import Refusal, Refused
from services.gradebook.closing.report import ClassReport, ClosingReport
from services.gradebook.domain import FinalGrade
from services.gradebook.events import final_grade_event
from services.gradebook.taking.results import watch


async def look(desk: Desk, period_id: UUID, class_id: UUID | None = None) -> ClosingReport:
    """What a period still lacks, and how the grades compare with the proposed ones. Changes nothing.

    Raises:
        Refused: there is no such school, period or class, or the period concerns none of its classes.
    """
    async with desk.transaction() as conn:
        return await gather(conn, desk.school_id, period_id, class_id, await desk.clock.now(conn))


async def close(desk: Desk, period_id: UUID, class_id: UUID | None = None) -> ClosingReport:
    """Closes a period for a school or a class, if nobody is missing; what is closed already stays closed.

    Returns:
        The report: `closed`, or with what is missing and nothing changed.

    Raises:
        Refused: as `look`; or the period has not begun.
    """
    async with desk.transaction() as conn:
        now = await _lock(conn, desk)
        report = await gather(conn, desk.school_id, period_id, class_id, now)
        if not report.period.begun:
            raise Refused(Refusal.NOT_BEGUN)
        if report.missing:
            return report
        waiting = [part for part in report.classes if part.state is not ClosingState.CLOSED]
        await _move(conn, desk, report, waiting, ClosingState.CLOSED, reason="", now=now)
        after = await gather(conn, desk.school_id, period_id, class_id, now)
    crash_here("gradebook.after_commit")
    metrics.CLOSINGS.labels("closed").inc(len(waiting))
    return after


async def reopen(
    desk: Desk,
    period_id: UUID,
    class_id: UUID | None = None,
    *,
    reason: str,
) -> ClosingReport:
    """Opens a closed period again, for a school or one class; who, when and why stays in the history.

    Raises:
        Refused: as `look`; or no reason is given, or nothing is closed.
    """
    if not reason.strip():
        raise Refused(Refusal.REASON_NEEDED)
    async with desk.transaction() as conn:
        now = await _lock(conn, desk)
        report = await gather(conn, desk.school_id, period_id, class_id, now)
        closed = [part for part in report.classes if part.state is ClosingState.CLOSED]
        if not closed:
            raise Refused(Refusal.NOT_CLOSED)
        await _move(conn, desk, report, closed, ClosingState.REOPENED, reason=reason.strip(), now=now)
        after = await gather(conn, desk.school_id, period_id, class_id, now)
    crash_here("gradebook.after_commit")
    metrics.CLOSINGS.labels("reopened").inc(len(closed))
    return after


async def history(desk: Desk, period_id: UUID) -> list[ClosingRow]:
    """Every closing and reopening of a period."""
    async with desk.transaction() as conn:
        return await queries.closing_history(conn, desk.school_id, period_id)


async def state_reason(desk: Desk, result_id: UUID, *, reason: str) -> None:
    """Keeps why a grade departs from the proposed one, or why somebody is not assessed.

    Raises:
        Refused: there is no such grade, or no reason is given.
    """
    if not reason.strip():
        raise Refused(Refusal.REASON_NEEDED)
    async with desk.transaction() as conn:
        now = await desk.clock.now(conn)
        grade = await _grade(conn, desk.school_id, result_id)
        row = queries.GradeReason(grade.result_id, grade.value_revision, desk.school_id, reason.strip(), desk.by, now)
        await queries.state_reason(conn, row)


async def correct(
    desk: Desk,
    result_id: UUID,
    value: GradeValue,
    *,
    reason: str,
) -> FinalGrade:
    """The head corrects a final grade and says why, also in a closed period; the family is told (C6).

    Returns:
        The grade as it is now.

    Raises:
        Refused: there is no such grade, or no reason is given.
    """
    if not reason.strip():
        raise Refused(Refusal.REASON_NEEDED)
    async with desk.transaction() as conn:
        now = await _lock(conn, desk)
        current = await _grade(conn, desk.school_id, result_id)
        stated = current._replace(value=value, recorded_at=now, changed_at=now, revision=1, value_revision=1)
        following = journal.state_final_grade(current, stated, now)
        if following is None:
            return current
        await journal_queries.update_final_grades(conn, [following])
        row = queries.GradeReason(result_id, following.value_revision, desk.school_id, reason.strip(), desk.by, now)
        await queries.state_reason(conn, row)
        await watch(conn, "final_grade", [following])
        crash_here("gradebook.after_facts_before_outbox")
        await tell(conn, [following])
        crash_here("gradebook.after_outbox_before_commit")
    crash_here("gradebook.after_commit")
    return following


async def tell(conn: Connection, grades: Sequence[FinalGrade]) -> None:
    """Publishes the present state of final grades."""
    titles = await journal_queries.subjects(conn, list({grade.subject_id for grade in grades}))
    periods = await journal_queries.periods(conn, list({grade.period_id for grade in grades}))
    events = [final_grade_event(grade, titles[grade.subject_id], periods[grade.period_id][1]) for grade in grades]
    await outbox.publish(conn, events)


async def _lock(conn: Connection, desk: Desk) -> datetime:
    """Lets no mark or grade of the school in until the transaction ends; the present instant."""
    await journal_queries.lock(conn, f"marks/{desk.school_id}")
    await journal_queries.lock(conn, f"final_grades/{desk.school_id}")
    return await desk.clock.now(conn)


async def _grade(conn: Connection, school_id: UUID, result_id: UUID) -> FinalGrade:
    grade = (await journal_queries.final_grades(conn, [result_id])).get(result_id)
    if grade is None or grade.school_id != school_id or grade.state != "set":
        raise Refused(Refusal.UNKNOWN_RESULT)
    return grade


async def _move(
    conn: Connection,
    desk: Desk,
    report: ClosingReport,
    parts: Sequence[ClassReport],
    state: ClosingState,
    *,
    reason: str,
    now: datetime,
) -> None:
    """Writes the next state of these classes, and whether the period is closed as a whole."""
    period_id = report.period.period_id
    before = await queries.closings(conn, report.school_id, period_id)
    rows = []
    for part in parts:
        check_closing(part.state, state)
        known = before.get(part.class_id)
        rows.append(
            ClosingRow(
                closing_id=uuid4() if known is None else known.closing_id,
                school_id=report.school_id,
                period_id=period_id,
                class_id=part.class_id,
                state=state.value,
                reason=reason,
                changed_by=desk.by,
                changed_at=now,
                revision=1 if known is None else known.revision + 1,
            )
        )
    if rows:
        await queries.move_closings(conn, rows)
    whole = await gather(conn, report.school_id, period_id, None, now)
    shut = wholly_closed([part.state for part in whole.classes])
    if shut != (report.period.closed_at is not None):
        await queries.note_closed(conn, report.school_id, period_id, now if shut else None)
