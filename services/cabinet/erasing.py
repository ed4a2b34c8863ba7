"""Erasing on request: what the cabinet holds about a person, in the transaction that confirms it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from chassis import dead_letters
from chassis.consuming import Hopeless
from chassis.crash import crash_here
from chassis.database import DISTRICT, Connection, Database
from chassis.outbox import publish
from contracts.consent_changed import ConsentChanged
from contracts.data_erased import CabinetDataErased, Erased, Kept
from contracts.erasure_requested import ErasedPart, ErasureRequested
from contracts.person_changed import PersonChanged
from services.cabinet import handlers
from services.cabinet.passwords import digest
from services.cabinet.queries import erasing as queries
from services.cabinet.queries import projection
from services.cabinet.queries.erasing import Held

PAGE = 1000
_BEFORE_ALL = UUID(int=0)


async def carry_out(conn: Connection, events: Sequence[ErasureRequested], now: datetime) -> None:
    """Erases and confirms; what was carried out before is left.

    An account goes when nobody's consent lets its owner read anything: it would show nothing. The same holds for the
    child's own account, which stands on the consents of the representatives.

    Raises:
        Hopeless: an event about the same person waits as a dead letter; it must be applied first.
    """
    known = await queries.done(conn, [event.erasure_id for event in events])
    for event in events:  # a few a day: each is a person's erasure
        if event.erasure_id in known:
            continue
        told = await (_person if event.scope == "person" else _contact)(conn, event, now)
        await queries.note(conn, told)
        crash_here("cabinet.erased")
        await publish(conn, [told])


async def _contact(conn: Connection, event: ErasureRequested, now: datetime) -> CabinetDataErased:
    letters = await _letters(conn, event.student_id or event.person_id, [ConsentChanged.TOPIC])
    concerned = [event.person_id, *([event.student_id] if event.student_id else [])]
    going: list[UUID] = []
    if ErasedPart.ACCOUNT in event.parts:
        pair = (event.person_id, event.student_id)
        going = await queries.without_consent(conn, concerned, pair, event.consent_revision)
    before = await queries.held(conn, going)
    attempts = await _accounts(conn, going, now)
    left = await queries.held(conn, concerned)
    return _told(
        event,
        {**_sign_in(before), "sign_in_attempts": attempts, "unread_messages": letters},
        {("accounts", "consent_in_force"): left.accounts, **await _proofs(conn, event.person_id)},
        now,
    )


async def _person(conn: Connection, event: ErasureRequested, now: datetime) -> CabinetDataErased:
    letters = await _letters(conn, event.person_id, [ConsentChanged.TOPIC, PersonChanged.TOPIC])
    people = [event.person_id]
    before = await queries.held(conn, people)
    await projection.forget_persons(conn, people)
    attempts = await _accounts(conn, people, now)
    return _told(
        event,
        {
            **_sign_in(before),
            "sign_in_attempts": attempts,
            "names": before.names,
            "marks": before.marks,
            "results": before.results,
            "unread_messages": letters,
        },
        await _proofs(conn, event.person_id),
        now,
    )


async def _accounts(conn: Connection, person_ids: Sequence[UUID], now: datetime) -> int:
    """Takes the accounts away, and that is told; returns how many attempts to sign in were forgotten with them."""
    subjects = [digest(f"login:{login}") for login in await queries.logins(conn, person_ids)]
    await handlers.erase_accounts(conn, person_ids, now)
    return await queries.attempts(conn, subjects)


async def _letters(conn: Connection, key: UUID, kinds: Sequence[str]) -> int:
    if await dead_letters.any_open(conn, key, kinds):
        raise Hopeless("an event about the same person waits as a dead letter; settle it first, then apply this one")
    return await dead_letters.forget_settled(conn, key, kinds)


def _sign_in(before: Held) -> dict[str, int]:
    return {"accounts": before.accounts, "sessions": before.sessions, "invitations": before.invitations}


async def _proofs(conn: Connection, person_id: UUID) -> dict[tuple[str, str], int]:
    return {("disclosures", "proof_of_disclosure"): await queries.acknowledgements(conn, person_id)}


def _told(
    event: ErasureRequested, erased: dict[str, int], kept: dict[tuple[str, str], int], now: datetime
) -> CabinetDataErased:
    return CabinetDataErased(
        revision=1,
        erasure_id=event.erasure_id,
        person_id=event.person_id,
        erased=[Erased(category=category, count=count) for category, count in erased.items() if count],
        kept=[Kept(category=one, count=count, ground=ground) for (one, ground), count in kept.items() if count],
        erased_at=now,
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
