"""Erasing on request: what the publisher holds about a person, in the transaction that confirms it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from chassis import dead_letters
from chassis.consuming import Hopeless
from chassis.crash import crash_here
from chassis.database import DISTRICT, Connection, Database
from chassis.outbox import publish
from contracts.consent_changed import ConsentChanged
from contracts.data_erased import PublisherDataErased
from contracts.erasure_requested import ErasedPart, ErasureRequested
from contracts.person_changed import PersonChanged
from services.publisher import handlers
from services.publisher.domain.policy import Policy
from services.publisher.queries import erasing as queries
from services.publisher.queries import people

PAGE = 1000
_BEFORE_ALL = UUID(int=0)


async def carry_out(conn: Connection, events: Sequence[ErasureRequested], now: datetime, *, policy: Policy) -> None:
    """Erases and confirms; what was carried out before is left.

    Raises:
        Hopeless: a consent of the child waits as a dead letter: what it says is not known here, and it may be the very
            withdrawal. It must be applied first.
    """
    known = await queries.done(conn, [event.erasure_id for event in events])
    for event in events:  # a few a day: each is a person's erasure
        if event.erasure_id in known:
            continue
        if event.scope == "person":
            told = await _person(conn, event, now, policy)
        else:
            told = await _contact(conn, event, now)
        await queries.note(conn, told)
        crash_here("publisher.erased")
        await publish(conn, [told])


async def _contact(conn: Connection, event: ErasureRequested, now: datetime) -> PublisherDataErased:
    student_id = event.student_id
    if student_id is None:
        raise Hopeless("contact data is erased for a child; none is named")
    await people.lock_students(conn, [student_id])
    letters = await _letters(conn, student_id, [ConsentChanged.TOPIC])
    ended = _ended(event)
    erased = {
        "email_address": await queries.address(conn, event.person_id, student_id, ended),
        "push_subscriptions": await queries.subscriptions(conn, event.person_id, student_id, ended),
        "preferences": await queries.settings_of_pair(conn, event.person_id, student_id, ended),
        "suppressed_addresses": await queries.digests_of_addresses(conn, event.person_id, student_id),
        "unread_messages": letters,
    }
    proofs = await queries.proofs(conn, event.person_id, [student_id])
    kept = {
        ("push_subscriptions", "consent_in_force"): await queries.subscriptions_left(conn, event.person_id),
        ("disclosures", "proof_of_disclosure"): proofs.obligations,
        ("notifications", "proof_of_disclosure"): proofs.notifications,
    }
    return _told(event, erased, kept, now)


async def _person(conn: Connection, event: ErasureRequested, now: datetime, policy: Policy) -> PublisherDataErased:
    person_id = event.person_id
    letters = await _letters(conn, person_id, [PersonChanged.TOPIC, ConsentChanged.TOPIC])
    before = await queries.personal(conn, person_id)
    proofs = await queries.proofs(conn, person_id, await people.students_of(conn, [person_id]))
    await handlers.people_erased(conn, [person_id], now, policy=policy)
    erased = {
        "names": before.names,
        "consents": before.consents,
        "results": before.results,
        "push_subscriptions": await queries.all_subscriptions(conn, person_id),
        "preferences": await queries.settings_of_person(conn, person_id),
        "suppressed_addresses": await queries.digests_of_addresses(conn, person_id, None),
        "news": await queries.news(conn, person_id),
        "unread_messages": letters,
    }
    kept = {
        ("disclosures", "proof_of_disclosure"): proofs.obligations,
        ("notifications", "proof_of_disclosure"): proofs.notifications,
    }
    return _told(event, erased, kept, now)


def _ended(event: ErasureRequested) -> queries.Ended:
    """Nothing electronic goes without the cabinet; what did not end is judged by whatever consent is known."""

    def by(part: ErasedPart) -> int:
        return (event.consent_revision or 0) if {part, ErasedPart.ACCOUNT} & set(event.parts) else 0

    return queries.Ended(by(ErasedPart.ACCOUNT), by(ErasedPart.EMAIL), by(ErasedPart.PUSH))


async def _letters(conn: Connection, key: UUID, kinds: Sequence[str]) -> int:
    if await dead_letters.any_open(conn, key, kinds):
        raise Hopeless("an event about the same person waits as a dead letter; settle it first, then apply this one")
    return await dead_letters.forget_settled(conn, key, kinds)


def _told(
    event: ErasureRequested, erased: dict[str, int], kept: dict[tuple[str, str], int], now: datetime
) -> PublisherDataErased:
    gone, stays = queries.counted(erased, kept)
    return PublisherDataErased(
        revision=1, erasure_id=event.erasure_id, person_id=event.person_id, erased=gone, kept=stays, erased_at=now
    )


async def replay(database: Database) -> int:
    """Says again what was said about erasures."""
    after, total = _BEFORE_ALL, 0
    while True:
        async with database.transaction(DISTRICT) as conn:
            events = await queries.after(conn, after, PAGE)
            await publish(conn, events)
        total += len(events)
        if len(events) < PAGE:
            return total
        after = events[-1].erasure_id
