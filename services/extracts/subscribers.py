"""What the service hears: names, results, and what the publisher wants on paper. Every handler takes whole batches."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from chassis.clock import Clock
from chassis.consuming import Consumer
from chassis.database import Connection, Database
from contracts.exam_result_recorded import ExamResultRecorded
from contracts.extract_requested import ExtractRequested
from contracts.final_grade_set import FinalGradeSet
from contracts.person_changed import PersonChanged
from contracts.school_changed import SchoolChanged
from contracts.values import DISCLOSURE_TERM
from services.extracts.domain import UNPRINTED, ExtractState, after_request, extract_id_of
from services.extracts.queries import read_model, requests

CONSUMER = "extracts.paper"


def paper_consumer(database: Database, clock: Clock) -> Consumer:
    """The service's consumer group. Names and results come before requests, so that a batch sees its own."""
    consumer = Consumer(CONSUMER, database, clock)
    consumer.on(SchoolChanged, schools_changed)
    consumer.on(PersonChanged, persons_changed, erase=persons_erased)
    consumer.on(FinalGradeSet, final_grades_set)
    consumer.on(ExamResultRecorded, exam_results_recorded)
    consumer.on(ExtractRequested, extracts_requested)
    return consumer


async def schools_changed(conn: Connection, events: Sequence[SchoolChanged], now: datetime) -> None:  # noqa: ARG001
    """Keeps names, addresses and time zones of schools."""
    await read_model.upsert_schools(conn, events)


async def persons_changed(conn: Connection, events: Sequence[PersonChanged], now: datetime) -> None:  # noqa: ARG001
    """Keeps names as they are printed."""
    await read_model.upsert_persons(conn, events)


async def persons_erased(conn: Connection, person_ids: Sequence[UUID], now: datetime) -> None:
    """Deletes all that names these persons; only opaque ids, numbers and hashes stay in the register."""
    await read_model.erase_persons(conn, person_ids)
    await requests.cancel_of_persons(conn, person_ids, now)


async def final_grades_set(conn: Connection, events: Sequence[FinalGradeSet], now: datetime) -> None:
    """Keeps every version; a corrected one is rendered anew where its sheet is not printed yet."""
    await read_model.upsert_final_grades(conn, events)
    changed = [event.result_id for event in events if event.revision > 1]
    if changed:
        await requests.render_again(conn, changed, now - DISCLOSURE_TERM)


async def exam_results_recorded(conn: Connection, events: Sequence[ExamResultRecorded], now: datetime) -> None:
    """Keeps every version; a corrected one is rendered anew where its sheet is not printed yet."""
    await read_model.upsert_exam_results(conn, events)
    changed = [event.result_id for event in events if event.revision > 1]
    if changed:
        await requests.render_again(conn, changed, now - DISCLOSURE_TERM)


async def extracts_requested(conn: Connection, events: Sequence[ExtractRequested], now: datetime) -> None:
    """Takes new requests, follows changed ones, and cancels what nobody needs any more and nobody has printed."""
    known = await requests.lock_known(conn, events)
    changing: list[ExtractRequested] = []
    states: list[ExtractState] = []
    settled: list[ExtractRequested] = []
    annulled: list[UUID] = []
    for event in events:
        extract_id = extract_id_of(event.request_id)
        revision, state, number = known.get(extract_id, (0, None, None))
        if event.revision <= revision:
            continue
        following = after_request(state, event.state)
        if state is not None and following is state and state not in UNPRINTED | {ExtractState.CANCELLED}:
            settled.append(event)
            continue
        changing.append(event)
        states.append(following)
        if following is ExtractState.CANCELLED and number is not None:
            annulled.append(extract_id)
    if annulled:
        await requests.annul(conn, annulled, now)
    if changing:
        await requests.upsert(conn, changing, states, now)
    if settled:
        await requests.note_revisions(conn, settled)
