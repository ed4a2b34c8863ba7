"""What others tell about availability: the cabinet shows a result, a sheet was printed, a sheet was handed over."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from chassis.crash import crash_here
from chassis.database import Connection
from contracts.extract_handed_over import ExtractHandedOver
from contracts.extract_printed import ExtractPrinted
from contracts.results_visible import ResultsVisible, Visibility
from contracts.values import Route
from services.publisher import ledger
from services.publisher.disclosing import disclose
from services.publisher.domain.ledger import EntryKind
from services.publisher.domain.obligations import Availability, Key, Obligation, served_students
from services.publisher.domain.policy import Policy
from services.publisher.domain.routes import Ground, Household, route_for
from services.publisher.queries import availability, obligations, people, requests
from services.publisher.queries.availability import Early


async def results_visible(conn: Connection, events: Sequence[ResultsVisible], now: datetime, *, policy: Policy) -> None:
    """The cabinet acknowledges that a read would have shown results since these instants.

    It counts where the screen is the recipient's route by what is known here, also when the clock has moved the
    obligation to paper meanwhile: the recipient can see it, and an unprinted sheet is taken back. Where the route is
    paper by the recipient's own choice (no internet stated), for want of an account, or because the consent has ended
    since, the paper stays owed: having been visible for a moment is not being told. Such an acknowledgement is kept,
    counts as soon as the route becomes the screen, and if its consent has ended the ledger says that it had been
    visible.
    """
    await people.lock_students(conn, [event.student_id for event in events])
    open_now = await obligations.lock_open_of_versions(conn, [(one.result_id, one.value_revision) for one in events])
    households = await people.households(conn, [event.student_id for event in events], now, policy)
    by_key = {one.key: one for one in open_now}
    met: dict[Key, Availability] = {}
    kept: list[Early] = []
    for event in events:
        for seen in event.visible:
            early = _early(event, seen)
            obligation = by_key.get(early.key)
            if obligation is not None and _screen_is_open(early, households):
                met[early.key] = Availability(obligation, Route.SCREEN, early.available_at, early.ground)
            else:
                kept.append(early)
    await _count(conn, met, open_now, households, now=now, policy=policy)
    new = await availability.keep_early(conn, kept, now) if kept else set()
    await ledger.append(conn, [_closed_since(one) for one in kept if one.key in new and _ended(one, households)], now)
    crash_here("publisher.after_obligations_before_commit")


def _early(event: ResultsVisible, seen: Visibility) -> Early:
    return Early(
        (event.result_id, event.value_revision, seen.recipient_id),
        Route.SCREEN,
        event.student_id,
        event.school_id,
        seen.visible_at,
        Ground(seen.consent_id, seen.consent_revision),
        None,
    )


def _screen_is_open(early: Early, households: Mapping[UUID, Household]) -> bool:
    household = households.get(early.student_id)
    recipient = household.find(early.key[2]) if household else None
    return household is not None and recipient is not None and route_for(recipient, household) is Route.SCREEN


def _ended(early: Early, households: Mapping[UUID, Household]) -> bool:
    """Whether the consent on which something was visible is known to have ended by a later revision."""
    household = households.get(early.student_id)
    if household is None or early.ground is None:
        return False
    return any(
        one.consent is not None
        and one.consent.consent_id == early.ground.consent_id
        and one.consent.revision > early.ground.revision
        and not one.cabinet_in_force
        for one in household.recipients
    )


def _closed_since(early: Early) -> ledger.Note:
    return ledger.Note(
        EntryKind.VISIBLE_BEFORE_CLOSED,
        early.school_id,
        early.key[0],
        {
            "value_revision": early.key[1],
            "recipient_id": early.key[2],
            "student_id": early.student_id,
            "visible_at": early.available_at,
            "consent_id": early.ground.consent_id if early.ground else None,
            "consent_revision": early.ground.revision if early.ground else None,
        },
    )


async def _count(
    conn: Connection,
    met: Mapping[Key, Availability],
    open_now: Sequence[Obligation],
    households: Mapping[UUID, Household],
    *,
    now: datetime,
    policy: Policy,
) -> None:
    direct = list(met.values())
    students = [one for one in served_students(direct, open_now) if one.obligation.key not in met]
    await disclose(conn, direct + students, households, now, policy)


async def extracts_printed(
    conn: Connection, events: Sequence[ExtractPrinted], now: datetime, *, policy: Policy
) -> None:
    """Sheets were printed and registered for hand-over: what stands on them is available by paper since then.

    A sheet counts whatever the route is by now. What a sheet repeats, or carries in an outdated version, only goes
    into the ledger; what was requested and is not on the sheet is asked for anew.
    """
    await people.lock_students(conn, [event.student_id for event in events])
    new = await availability.take_printed(conn, events)
    events = [event for event in events if event.extract_id in new]
    if not events:
        return
    versions = {(item.result_id, item.value_revision) for event in events for item in event.items}
    open_now = await obligations.lock_open_of_versions(conn, list(versions))
    households = await people.households(conn, [event.student_id for event in events], now, policy)
    by_key = {one.key: one for one in open_now}
    met: dict[Key, Availability] = {}
    others: list[tuple[ExtractPrinted, Early]] = []
    for event in events:
        for item in event.items:
            key = (item.result_id, item.value_revision, event.recipient_id)
            if key in by_key and key not in met:
                met[key] = Availability(by_key[key], Route.PAPER, event.printed_at, None, event.number)
            else:
                others.append((event, _early_paper(event, key)))
    request_ids = [event.request_id for event in events]
    await requests.mark_printed(conn, request_ids)
    await _count(conn, met, open_now, households, now=now, policy=policy)
    await obligations.leave_requests(conn, request_ids, now, policy.paper_lead)
    if others:
        await availability.keep_early(conn, [early for _, early in others], now)
        await ledger.append(conn, [_printed(event, early.key) for event, early in others], now)
    crash_here("publisher.after_obligations_before_commit")


def _early_paper(event: ExtractPrinted, key: Key) -> Early:
    return Early(key, Route.PAPER, event.student_id, event.school_id, event.printed_at, None, event.number)


def _printed(event: ExtractPrinted, key: Key) -> ledger.Note:
    return ledger.Note(
        EntryKind.PRINTED,
        event.school_id,
        key[0],
        {
            "value_revision": key[1],
            "recipient_id": event.recipient_id,
            "student_id": event.student_id,
            "extract_id": event.extract_id,
            "extract_number": event.number,
            "printed_at": event.printed_at,
        },
    )


async def extracts_handed_over(
    conn: Connection,
    events: Sequence[ExtractHandedOver],
    now: datetime,
    *,
    policy: Policy,  # noqa: ARG001 - as all handlers
) -> None:
    """Sheets left the school: the ledger says how and when, for each result on them."""
    new = await availability.take_handed_over(conn, events)
    notes = [
        ledger.Note(
            EntryKind.HANDED_OVER,
            event.school_id,
            item.result_id,
            {
                "value_revision": item.value_revision,
                "recipient_id": event.recipient_id,
                "student_id": event.student_id,
                "extract_id": event.extract_id,
                "way": event.way,
                "handed_over_at": event.handed_over_at,
            },
        )
        for event in events
        if event.extract_id in new
        for item in event.items
    ]
    await ledger.append(conn, notes, now)
