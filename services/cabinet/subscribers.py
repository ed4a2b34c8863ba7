"""What the cabinet hears and writes down: one consumer, batches, each in one transaction with its inbox rows."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from chassis import dead_letters
from chassis.clock import Clock
from chassis.consuming import Consumer
from chassis.crash import crash_here
from chassis.database import Connection, Database
from contracts.consent_changed import ConsentChanged
from contracts.consent_heartbeat import ConsentHeartbeat
from contracts.erasure_requested import ErasureRequested
from contracts.exam_result_recorded import ExamResultRecorded
from contracts.final_grade_set import FinalGradeSet
from contracts.invitation_issued import InvitationIssued
from contracts.mark_recorded import MarkRecorded
from contracts.person_changed import PersonChanged
from contracts.school_changed import SchoolChanged
from contracts.values import due_at
from services.cabinet import canaries, erasing, handlers, metrics
from services.cabinet.queries import acknowledging, projection
from services.cabinet.queries.projection import ResultRow

PROJECTION = "cabinet.projection"


def projection_consumer(database: Database, clock: Clock) -> Consumer:
    """The consumer of everything that the cabinet shows. Within a batch consents come before what they open."""
    consumer = Consumer(PROJECTION, database, clock)
    consumer.on(SchoolChanged, take_schools)
    consumer.on(PersonChanged, take_persons, erase=erase_persons)
    consumer.on(ConsentChanged, take_consents)
    consumer.on(ConsentHeartbeat, take_heartbeats)
    consumer.on(InvitationIssued, handlers.take_invitations)
    consumer.on(MarkRecorded, take_marks)
    # By version: a held correction must not swallow the value before it, which stays shown meanwhile.
    consumer.on(FinalGradeSet, take_final_grades, latest_of=FinalGradeSet.version)
    consumer.on(ExamResultRecorded, take_exam_results, latest_of=ExamResultRecorded.version)
    consumer.on(ErasureRequested, erasing.carry_out)
    return consumer


async def take_schools(conn: Connection, events: Sequence[SchoolChanged], now: datetime) -> None:  # noqa: ARG001
    """Schools' names and time zones."""
    await projection.upsert_schools(conn, events)


async def take_persons(conn: Connection, events: Sequence[PersonChanged], now: datetime) -> None:
    """Names, enrolments and authority; lost authority closes at once, new authority is looked at by the loop."""
    new = await projection.upsert_persons(conn, events)
    await canaries.open_accounts(conn, events, now)
    students = [event for event in events if event.person_id in new and event.enrolment is not None]
    if students:
        await projection.replace_representations(conn, students, now)
        await acknowledging.look_at_students(conn, [event.person_id for event in students], now)


async def erase_persons(conn: Connection, person_ids: Sequence[UUID], now: datetime) -> None:
    """A person is forgotten: name, marks, results, authority, login. Acknowledgements stay, with opaque ids only."""
    await projection.forget_persons(conn, person_ids)
    await handlers.erase_accounts(conn, person_ids, now)


async def take_consents(conn: Connection, events: Sequence[ConsentChanged], now: datetime) -> None:
    """Decisions: a withdrawal closes with this transaction's commit, a new consent is looked at by the loop."""
    students = await projection.upsert_consents(conn, events, now)
    await acknowledging.look_at_students(conn, sorted(students), now)


async def take_heartbeats(conn: Connection, events: Sequence[ConsentHeartbeat], now: datetime) -> None:
    """How fresh the view of consents is. Where a consent could not be applied, it is not fresh whatever comes later."""
    gaps = await dead_letters.partitions_with_gaps(conn, PROJECTION, ConsentHeartbeat.CARRIER)
    await projection.hear_heartbeats(conn, [event for event in events if event.partition not in gaps], now)


async def take_marks(conn: Connection, events: Sequence[MarkRecorded], now: datetime) -> None:
    """Marks, current and withdrawn."""
    await projection.upsert_marks(conn, events)
    for event in events:
        metrics.MARK_VISIBLE_SECONDS.observe(max(0.0, (now - event.recorded_at).total_seconds()))


async def take_final_grades(conn: Connection, events: Sequence[FinalGradeSet], now: datetime) -> None:
    """Final grades, with the acknowledgement of what can be seen of them at once."""
    await _take_results(conn, [_grade_row(event) for event in events], now)


async def take_exam_results(conn: Connection, events: Sequence[ExamResultRecorded], now: datetime) -> None:
    """Results of exams and competitions, with the same acknowledgement."""
    await _take_results(conn, [_exam_row(event) for event in events], now)


async def _take_results(conn: Connection, rows: Sequence[ResultRow], now: datetime) -> None:
    await acknowledging.lock_while_projecting(conn)
    await projection.upsert_results(conn, rows, now)
    crash_here("cabinet.projected")
    later = [(row.student_id, row.due_at) for row in rows if row.held and row.due_at > now]
    if await acknowledging.view_is_stale(conn, now):
        later += [(row.student_id, now) for row in rows]
    await acknowledging.look_at(conn, later)
    result_ids = sorted({row.result_id for row in rows})
    await handlers.tell_visible(conn, await acknowledging.acknowledge_results(conn, result_ids, now), now)


def _grade_row(event: FinalGradeSet) -> ResultRow:
    return ResultRow(
        result_id=event.result_id,
        value_revision=event.value_revision,
        revision=event.revision,
        school_id=event.school_id,
        student_id=event.student_id,
        kind="final_grade",
        subject_id=event.subject.id,
        subject_title=event.subject.title,
        title=None,
        period_kind=event.period.kind.value,
        period_number=event.period.number,
        school_year=event.period.school_year,
        period_starts_on=event.period.starts_on,
        period_ends_on=event.period.ends_on,
        state=event.state,
        grade=event.value,
        score=None,
        max_score=None,
        deferred_until=event.deferred_until,
        held=event.held,
        obtained_at=event.obtained_at,
        due_at=due_at(event.obtained_at),
        recorded_at=event.recorded_at,
    )


def _exam_row(event: ExamResultRecorded) -> ResultRow:
    return ResultRow(
        result_id=event.result_id,
        value_revision=event.value_revision,
        revision=event.revision,
        school_id=event.school_id,
        student_id=event.student_id,
        kind=event.kind,
        subject_id=event.subject.id,
        subject_title=event.subject.title,
        title=event.title,
        period_kind=None,
        period_number=None,
        school_year=None,
        period_starts_on=None,
        period_ends_on=None,
        state=event.state,
        grade=event.grade,
        score=event.score,
        max_score=event.max_score,
        deferred_until=None,
        held=False,
        obtained_at=event.obtained_at,
        due_at=due_at(event.obtained_at),
        recorded_at=event.recorded_at,
    )
