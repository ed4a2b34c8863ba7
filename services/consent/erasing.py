"""Erasure: what is due is asked of every service, each confirms, and then the act can be made.

The registry carries out its own part in the transaction that asks the others: the request cannot be lost, nor be sent
without its own part being done.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from chassis.clock import Clock
from chassis.consuming import Consumer
from chassis.crash import crash_here
from chassis.database import DISTRICT, Connection, Database
from chassis.outbox import publish
from contracts.base import ErasureId, PersonId
from contracts.data_erased import CONFIRMATIONS, ConsentDataErased, DataErased, Erased, Kept
from services.consent import erasure_queries as queries
from services.consent import handlers
from services.consent import queries as registry
from services.consent.erasure_queries import Erasure
from services.consent.erasure_terms import Demand, Terms

EVERYBODY = frozenset(confirmation.service() for confirmation in CONFIRMATIONS)
"""Who must confirm."""
PAGE = 1000
_BEFORE_ALL = UUID(int=0)


class CannotErase(Exception):  # noqa: N818 - reads as a verdict where it is raised
    """It is not possible in this state; `code` says why."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


async def schedule(
    conn: Connection,
    *,
    erasure_id: UUID,
    person_id: UUID,
    demand: Demand,
    terms: Terms,
    clock: Clock,
    ordered_by: UUID | None = None,
) -> Erasure:
    """Starts the term after which a person is erased everywhere, as far as the law allows.

    Args:
        conn: a transaction of the whole district: several schools may know the person.
        erasure_id: the erasure's id; the same one again changes nothing.
        person_id: whose data.
        demand: on what ground.
        terms: of the district.
        clock: tells when the term begins.
        ordered_by: the API client that asks.
    """
    now = await clock.now(conn)
    due = terms.due_at(demand, now)
    one = Erasure(
        erasure_id=erasure_id,
        person_id=person_id,
        student_id=None,
        school_id=None,
        scope="person",
        parts=[],
        ground=demand.value,
        state="scheduled",
        scheduled_at=now,
        due_at=due,
        start_at=terms.start_at(due, now),
        requested_at=None,
        erased_at=None,
        ordered_by=ordered_by,
    )
    if await queries.add(conn, one):
        await queries.note(conn, erasure_id, now, "scheduled", {"ground": demand.value, "due_at": due.isoformat()})
        return one
    known = await queries.read(conn, erasure_id)
    if known is None or known.person_id != person_id or known.scope != "person":
        raise CannotErase("id_used")
    return known


async def cancel(conn: Connection, erasure_id: UUID, because: str, *, clock: Clock) -> Erasure:
    """Stops an erasure that somebody demanded, before it began.

    Args:
        conn: the transaction; its scope says which erasures there are.
        erasure_id: which.
        because: a code, for the log.
        clock: tells when.

    Raises:
        CannotErase: `unknown`; `too_late`: it was carried out; `follows_decision`: nobody demanded it, consent has
            ended, and only a new consent stops it.
    """
    one = await queries.lock(conn, erasure_id)
    if one is None:
        raise CannotErase("unknown")
    if one.state == "cancelled":
        return one
    if one.state != "scheduled":
        raise CannotErase("too_late")
    if one.scope != "person":
        raise CannotErase("follows_decision")
    now = await clock.now(conn)
    await queries.move(conn, erasure_id, "cancelled", now)
    await queries.note(conn, erasure_id, now, "cancelled", {"because": because})
    return replace(one, state="cancelled")


async def carry_out(
    conn: Connection, erasure_id: UUID, *, clock: Clock, ordered_by: UUID | None = None
) -> tuple[Erasure, bool]:
    """Carries out an erasure before its time.

    Returns:
        The erasure, and whether it began now; one that was carried out before is left.

    Raises:
        CannotErase: `unknown` or `cancelled`.
    """
    await registry.begin_registration(conn)
    one = await queries.lock(conn, erasure_id)
    if one is None:
        raise CannotErase("unknown")
    if one.state == "cancelled":
        raise CannotErase("cancelled")
    if one.state != "scheduled":
        return one, False
    return await _request(conn, one, clock, ordered_by), True


async def carry_out_due(database: Database, clock: Clock) -> int:
    """Carries out one erasure whose time has come; 1 if there was one."""
    async with database.transaction(DISTRICT) as conn:
        # Before the row: registrations take this lock first and schedule under it.
        await registry.begin_registration(conn)
        one = await queries.lock_due(conn, await clock.now(conn))
        if one is None:
            return 0
        await _request(conn, one, clock, None)
    return 1


async def _request(conn: Connection, one: Erasure, clock: Clock, ordered_by: UUID | None) -> Erasure:
    now = await clock.now(conn)
    await queries.move(conn, one.erasure_id, "requested", now, ordered_by)
    requested = replace(one, state="requested", requested_at=now)
    early = {"before_term": True} if now < one.start_at else {}
    await queries.note(conn, one.erasure_id, now, "requested", {"parts": one.parts, **early})
    asked = await queries.request(conn, one.erasure_id)
    own = await _erase_here(conn, requested, now, clock)
    crash_here("consent.erased_own_part")
    await publish(conn, [*asked, own])
    await take_confirmations(conn, [own], now)
    crash_here("consent.erasure_requested")
    return requested


async def _erase_here(conn: Connection, one: Erasure, now: datetime, clock: Clock) -> ConsentDataErased:
    copies = await queries.forget_told(conn, one.person_id, one.student_id)
    decisions, documents = await queries.history_counts(conn, one.person_id, one.student_id)
    erased = [Erased(category="copies_of_address", count=copies)]
    kept = [Kept(category="decisions", count=decisions, ground="proof_of_consent")]
    if one.scope == "person":
        ended = await handlers.erase_people(conn, [one.person_id], clock)
        # What ended just now told the last of it, and carries no contact any more.
        erased.append(Erased(category="consent_documents", count=documents))
        erased.append(Erased(category="consents_in_force", count=ended))
        erased.append(Erased(category="copies_of_address", count=await queries.forget_told(conn, one.person_id, None)))
    else:
        if "account" in one.parts:
            gone = await queries.forget_invitation(conn, one.person_id)
            erased.append(Erased(category="invitations", count=gone))
        kept.append(Kept(category="consent_documents", count=documents, ground="proof_of_consent"))
    return ConsentDataErased(
        revision=1,
        erasure_id=ErasureId(one.erasure_id),
        person_id=PersonId(one.person_id),
        erased=[item for item in erased if item.count],
        kept=[item for item in kept if item.count],
        erased_at=now,
    )


async def take_confirmations(conn: Connection, events: Sequence[DataErased], now: datetime) -> None:
    """Keeps what services confirmed; the last one to confirm makes the erasure done. Again changes nothing."""
    for event in events:  # a few a day: each is a person's erasure
        one = await queries.lock(conn, event.erasure_id)
        if one is None or not await queries.confirm(conn, event, now):
            continue
        await queries.note(conn, one.erasure_id, now, "confirmed", {"service": event.service()})
        said = {row["service"] for row in await queries.confirmations(conn, one.erasure_id)}
        if one.state == "requested" and said >= EVERYBODY:
            await queries.move(conn, one.erasure_id, "erased", now)
            await queries.note(conn, one.erasure_id, now, "erased", {"services": sorted(said)})


def confirmations(database: Database, clock: Clock) -> Consumer:
    """The consumer group `consent.erasures`: what the services confirm."""
    consumer = Consumer("consent.erasures", database, clock)
    for confirmation in CONFIRMATIONS:
        consumer.on(confirmation, take_confirmations)
    return consumer


async def replay(database: Database) -> int:
    """Asks again for what somebody has not confirmed yet.

    What everybody confirmed is not asked for again: a person who came back since must not be erased by a repetition.
    """
    after, total = _BEFORE_ALL, 0
    while True:
        async with database.transaction(DISTRICT) as conn:
            events = await queries.requested_after(conn, after, PAGE)
            await publish(conn, events)
        total += len(events)
        if len(events) < PAGE:
            return total
        after = events[-1].erasure_id
