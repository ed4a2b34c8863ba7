"""The publisher's use cases: what each kind of event does. One transaction each, whole batches at a time.

Every handler first locks the students it is about (`people.lock_students`), so that two processes never decide about
the same student at once, and then brings their obligations in line.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from chassis import dead_letters
from chassis.crash import crash_here
from chassis.database import Connection
from contracts.account_changed import AccountChanged
from contracts.consent_changed import ConsentChanged
from contracts.consent_heartbeat import ConsentHeartbeat
from contracts.exam_result_recorded import ExamResultRecorded
from contracts.final_grade_set import FinalGradeSet
from contracts.person_changed import PersonChanged
from contracts.school_changed import SchoolChanged
from services.publisher import ledger, releasing
from services.publisher.domain.corrections import OpenBefore, corrections
from services.publisher.domain.ledger import EntryKind
from services.publisher.domain.obligations import Due, Opening, Version, openings
from services.publisher.domain.policy import Policy, majority_on
from services.publisher.domain.results import Result, from_exam_result, from_final_grade, in_rounds
from services.publisher.domain.states import ObligationState
from services.publisher.falling_back import take_back
from services.publisher.queries import consents, digests, mail, news, obligations, people, preferences, push, results
from services.publisher.queries.consents import KnownConsent
from services.publisher.queries.people import StudentRow
from services.publisher.reconciling import Pair, Reconciled, open_all, reconcile, settle_early
from services.publisher.requesting import withdraw_requests

CONSUMER = "publisher.obligations"


async def schools_changed(conn: Connection, events: Sequence[SchoolChanged], now: datetime) -> None:  # noqa: ARG001
    """A school became known or changed."""
    await people.upsert_schools(conn, events)


async def people_changed(conn: Connection, events: Sequence[PersonChanged], now: datetime, *, policy: Policy) -> None:
    """A student became known, or their representatives changed: routes change, and results that waited are told.

    Of representatives and teachers nothing is kept.
    """
    students = [_student(event) for event in events if event.enrolment is not None]
    if not students:
        return
    ids = [one.student_id for one in students]
    await people.lock_accounts(
        conn, [person for one in students for person in (one.student_id, *one.representative_ids)]
    )
    await people.lock_students(conn, ids)
    changed = await people.update_students(conn, students)
    newer = [one for one in students if one.student_id in changed]
    if newer:
        await people.replace_representations(conn, newer)
        await reconcile(conn, [one.student_id for one in newer], now, policy)


def _student(event: PersonChanged) -> StudentRow:
    if event.enrolment is None:
        raise ValueError("only students are kept")
    in_force = {one.representative_id for one in event.enrolment.representatives if one.in_force}
    return StudentRow(
        event.person_id,
        event.revision,
        event.enrolment.school_id,
        " ".join(event.name.given.split()),
        majority_on(event.birth_date) if event.birth_date else None,
        tuple(sorted(in_force - {event.person_id})),
    )


async def people_erased(conn: Connection, person_ids: Sequence[UUID], now: datetime, *, policy: Policy) -> None:
    """Persons were erased: what is personal goes, what was owed to or about them is cancelled, ids stay."""
    concerned = await people.students_of(conn, person_ids)
    await people.lock_students(conn, concerned)
    await people.erase(conn, person_ids, now)
    await results.erase(conn, person_ids)
    await news.forget_people(conn, person_ids)
    await reconcile(conn, concerned, now, policy)


async def people_gone(conn: Connection, person_ids: Sequence[UUID], now: datetime, *, policy: Policy) -> None:
    """Persons are known no longer: beside what is personal, everything goes that they chose and that awaits them."""
    await people_erased(conn, person_ids, now, policy=policy)
    await preferences.forget_people(conn, person_ids)
    await digests.forget_people(conn, person_ids)
    await news.forget_news_of(conn, person_ids)
    await push.forget_people(conn, person_ids)
    await mail.forget_people(conn, person_ids)


async def accounts_changed(
    conn: Connection, events: Sequence[AccountChanged], now: datetime, *, policy: Policy
) -> None:
    """Persons got or lost their account: their screen opens or closes."""
    changed = await people.upsert_accounts(conn, events)
    students = await people.students_of(conn, changed)
    await people.lock_students(conn, students)
    await reconcile(conn, students, now, policy)


async def consents_changed(
    conn: Connection, events: Sequence[ConsentChanged], now: datetime, *, policy: Policy
) -> None:
    """Consents were given, refused or withdrawn: open obligations follow at once, unsent mails are cancelled."""
    students = [event.student_id for event in events]
    await people.lock_students(conn, students)
    before = await consents.consents_of_students(conn, students, now)
    newer = [event for event in _last_of_each_pair(events) if _is_newer(event, before)]
    if not newer:
        return
    await consents.upsert_consents(conn, newer, now)
    await digests.begin(conn, newer, now)
    changed = await reconcile(conn, sorted({event.student_id for event in newer}), now, policy)
    ended = [event for event in newer if _ends(event, before, now)]
    await ledger.append(conn, [_closed(event, changed) for event in ended], now)


def _pair(event: ConsentChanged) -> Pair:
    return event.student_id, event.representative_id


def _last_of_each_pair(events: Sequence[ConsentChanged]) -> list[ConsentChanged]:
    last: dict[Pair, ConsentChanged] = {}
    for event in sorted(events, key=lambda one: (one.decided_at, one.revision)):
        last[_pair(event)] = event
    return [last[pair] for pair in sorted(last)]


def _is_newer(event: ConsentChanged, before: dict[Pair, KnownConsent]) -> bool:
    known = before.get(_pair(event))
    return known is None or known.is_older_than(event)


def _ends(event: ConsentChanged, before: dict[Pair, KnownConsent], now: datetime) -> bool:
    known = before.get(_pair(event))
    return (
        known is not None
        and known.in_force
        and not (event.decisions.cabinet == "given" and event.effective_from <= now)
    )


def _closed(event: ConsentChanged, changed: Reconciled) -> ledger.Note:
    return ledger.Note(
        EntryKind.CLOSED,
        event.school_id,
        None,
        {
            "student_id": event.student_id,
            "recipient_id": event.representative_id,
            "consent_id": event.consent_id,
            "consent_revision": event.revision,
            "decision": event.decisions.cabinet.value,
            "effective_from": event.effective_from,
            "obligations_moved": changed.left_screen[_pair(event)],
            "mails_cancelled": changed.mails_cancelled[_pair(event)],
        },
    )


async def heartbeats_heard(conn: Connection, events: Sequence[ConsentHeartbeat], now: datetime) -> None:  # noqa: ARG001
    """The view of consents is complete up to these instants, but where a consent could not be applied."""
    gaps = await dead_letters.partitions_with_gaps(conn, CONSUMER, ConsentHeartbeat.CARRIER)
    await consents.hear_heartbeats(conn, [event for event in events if event.partition not in gaps])


async def final_grades_set(conn: Connection, events: Sequence[FinalGradeSet], now: datetime, *, policy: Policy) -> None:
    """Final grades were set, corrected, held, released, deferred or withdrawn."""
    await results_recorded(conn, [from_final_grade(event) for event in events], now, policy)


async def exam_results_recorded(
    conn: Connection, events: Sequence[ExamResultRecorded], now: datetime, *, policy: Policy
) -> None:
    """Results of exams or competitions were recorded, corrected or withdrawn."""
    await results_recorded(conn, [from_exam_result(event) for event in events], now, policy)


async def results_recorded(conn: Connection, recorded: Sequence[Result], now: datetime, policy: Policy) -> None:
    """Takes results and opens what is owed about them.

    A result whose student is not known yet is kept, and opens its obligations when the person data arrives. A
    correction supersedes what is still open of the older version, and where that was still owed keeps its earlier
    deadline. While a correction is held, what was released before it stays owed beside it.

    Several versions of one result in a batch are taken one after another, as if each had come alone.
    """
    known = await people.lock_students(conn, [one.student_id for one in recorded])
    for versions in in_rounds(recorded):
        await _take_round(conn, versions, known, now, policy)
    crash_here("publisher.after_obligations_before_commit")


async def _take_round(
    conn: Connection, recorded: Sequence[Result], known: set[UUID], now: datetime, policy: Policy
) -> None:
    held_back = await results.held_versions(conn, [one.result_id for one in recorded if one.held], now)
    await releasing.note_overtaken(conn, recorded, now)
    taken = await results.upsert(conn, recorded, known)
    newer = [one for one in recorded if one.result_id in taken]
    changed = [one for one in newer if not taken[one.result_id]]
    open_before: OpenBefore = {}
    told: set[Version] = set()
    if changed:
        open_before, told = await _supersede(conn, changed, held_back, now, policy)
    households = await people.households(conn, [one.student_id for one in newer], now, policy)
    found: list[Opening] = []
    for one in newer:
        household = households.get(one.student_id)
        if household is None or one.state == "withdrawn" or (one.result_id, one.value_revision) in told:
            continue
        due = Due(one.result_id, one.value_revision, one.student_id, one.obtained_at, one.held)
        found += openings(due, household, now, policy, open_before=open_before.get(one.result_id))
    await open_all(conn, found, now)
    await settle_early(conn, households, now, policy)


async def _supersede(
    conn: Connection, changed: Sequence[Result], held_back: set[Version], now: datetime, policy: Policy
) -> tuple[OpenBefore, set[Version]]:
    """Ends what is open of older versions or of withdrawn results, and sets the timers anew after a hold or release.

    Args:
        conn: the transaction.
        changed: the new states of results that were known before.
        held_back: versions that were held until now; a held correction takes their place.
        now: the present instant.
        policy: the district's settings.
    """
    by_id = {one.result_id: one for one in changed}
    found = corrections(await obligations.lock_of_results(conn, list(by_id)), by_id, held_back, now, policy)
    await obligations.close(conn, found.superseded, ObligationState.SUPERSEDED, now)
    await obligations.close(conn, found.cancelled, ObligationState.CANCELLED, now)
    waits = [one.change.obligation for one in found.retimed if one.leaves_request]
    left = {one.request_id for one in (*found.superseded, *found.cancelled, *waits) if one.request_id}
    await obligations.retime(
        conn,
        [one.change for one in found.retimed],
        held=[one.held for one in found.retimed],
        leave_request=[one.leaves_request for one in found.retimed],
        due=[one.due for one in found.retimed],
    )
    await withdraw_requests(conn, left, now, policy)
    await take_back(conn, list(by_id), now, policy)
    return found.open_before, found.told
