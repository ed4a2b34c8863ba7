"""What the service hears: names, results, and what the publisher wants on paper. Every handler takes whole batches."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from chassis.clock import Clock
from chassis.consuming import Consumer
from chassis.database import Connection, Database
from contracts.erasure_requested import ErasureRequested
from contracts.exam_result_recorded import ExamResultRecorded
from contracts.extract_requested import ExtractRequested
from contracts.final_grade_set import FinalGradeSet
from contracts.person_changed import PersonChanged
from contracts.school_changed import SchoolChanged
from contracts.values import DISCLOSURE_TERM
from services.extracts import erasing
from services.extracts.domain import SETTLED, ExtractState, after_request, extract_id_of
from services.extracts.queries import read_model, requests
from services.extracts.queries.requests import Asked

CONSUMER = "extracts.paper"


def paper_consumer(database: Database, clock: Clock) -> Consumer:
    """The service's consumer group. Names and results come before requests, so that a batch sees its own."""
    consumer = Consumer(CONSUMER, database, clock)
    consumer.on(SchoolChanged, schools_changed)
    consumer.on(PersonChanged, persons_changed, erase=persons_erased)
    # By version: a correction must not swallow the value before it, for which paper may have been asked.
    consumer.on(FinalGradeSet, final_grades_set, latest_of=FinalGradeSet.version)
    consumer.on(ExamResultRecorded, exam_results_recorded, latest_of=ExamResultRecorded.version)
    consumer.on(ExtractRequested, extracts_requested)
    consumer.on(ErasureRequested, erasing.carry_out)
    return consumer


async def schools_changed(conn: Connection, events: Sequence[SchoolChanged], now: datetime) -> None:  # noqa: ARG001
    """Keeps names, addresses and time zones of schools."""
    await read_model.upsert_schools(conn, events)


async def persons_changed(conn: Connection, events: Sequence[PersonChanged], now: datetime) -> None:  # noqa: ARG001
    """Keeps names as they are printed; no canary is ever printed."""
    await read_model.upsert_persons(conn, [event for event in events if not event.synthetic])


async def persons_erased(conn: Connection, person_ids: Sequence[UUID], now: datetime) -> None:
    """Deletes all that names these persons; only opaque ids, numbers and hashes stay in the register."""
    await read_model.erase_persons(conn, person_ids)
    await requests.cancel_of_persons(conn, person_ids, now)


async def final_grades_set(conn: Connection, events: Sequence[FinalGradeSet], now: datetime) -> None:
    """Keeps every version; a corrected one is rendered anew where its sheet is not printed yet. Canaries fly past."""
    events = [event for event in events if not event.synthetic]
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
    new: list[Asked] = []
    moving: list[Asked] = []
    settled: list[ExtractRequested] = []
    annulled: list[UUID] = []
    for event in events:
        extract = known.get(extract_id_of(event.request_id))
        if extract is None:
            new.append(Asked(event, after_request(None, event.state)))
        elif event.revision > extract.request_revision:
            asked = Asked(event, after_request(extract.state, event.state))
            if extract.state in SETTLED:
                settled.append(event)
                continue
            moving.append(asked)
            if asked.following is ExtractState.CANCELLED and extract.number is not None:
                annulled.append(asked.extract_id)
    await requests.annul(conn, annulled, now)
    await requests.insert(conn, new, now)
    await requests.change(conn, moving, now)
    await requests.note_revisions(conn, settled)
