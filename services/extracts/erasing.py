"""Erasing on request: what the print desk holds about a person, in the transaction that confirms it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from chassis import dead_letters
from chassis.consuming import Hopeless
from chassis.crash import crash_here
from chassis.database import DISTRICT, Connection, Database
from chassis.outbox import publish
from contracts.data_erased import Erased, ExtractsDataErased, Kept
from contracts.erasure_requested import ErasureRequested
from contracts.person_changed import PersonChanged
from services.extracts.queries import erasing as queries
from services.extracts.queries import read_model, requests

PAGE = 1000
_BEFORE_ALL = UUID(int=0)


async def carry_out(conn: Connection, events: Sequence[ErasureRequested], now: datetime) -> None:
    """Erases and confirms; what was carried out before is left.

    No electronic contact is kept here, so that the end of a consent erases nothing: paper goes on by the name.

    Raises:
        Hopeless: the person's data waits as a dead letter, and would come back; it must be applied first.
    """
    known = await queries.done(conn, [event.erasure_id for event in events])
    for event in events:  # a few a day: each is a person's erasure
        if event.erasure_id in known:
            continue
        held = await queries.held(conn, event.person_id)
        erased: dict[str, int] = {}
        kept = {("names", "paper_route"): held.names, ("sheets", "paper_route"): held.sheets}
        if event.scope == "person":
            kept = {}
            if await dead_letters.any_open(conn, event.person_id, [PersonChanged.TOPIC]):
                raise Hopeless("the person's data waits as a dead letter; settle it first, then apply this one")
            letters = await dead_letters.forget_settled(conn, event.person_id, [PersonChanged.TOPIC])
            await read_model.erase_persons(conn, [event.person_id])
            await requests.cancel_of_persons(conn, [event.person_id], now)
            erased = {
                "names": held.names,
                "results": held.results,
                "sheets": held.sheets,
                "unread_messages": letters,
            }
        kept["register_entries", "hand_over_register"] = held.extracts
        told = ExtractsDataErased(
            revision=1,
            erasure_id=event.erasure_id,
            person_id=event.person_id,
            erased=[Erased(category=category, count=count) for category, count in erased.items() if count],
            kept=[Kept(category=one, count=count, ground=ground) for (one, ground), count in kept.items() if count],
            erased_at=now,
        )
        await queries.note(conn, told)
        crash_here("extracts.erased")
        await publish(conn, [told])


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
