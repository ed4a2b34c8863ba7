"""Erasing a person from the journal on request: the tombstone is published and confirmed in one transaction.

The statutory journal stays: marks, grades and attendance under the opaque id, which then names nobody.
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from chassis.clock import Clock
from chassis.consuming import Consumer
from chassis.crash import crash_here
from chassis.database import Connection, Database
from chassis.outbox import publish
from contracts.data_erased import Erased, GradebookDataErased, Kept
from contracts.erasure_requested import ErasureRequested
from services.gradebook import composing
from services.gradebook import erasing_queries as queries


def erasures(database: Database, clock: Clock) -> Consumer:
    """The consumer group `gradebook.erasures`."""
    consumer = Consumer("gradebook.erasures", database, clock)
    consumer.on(ErasureRequested, carry_out)
    return consumer


async def carry_out(conn: Connection, events: Sequence[ErasureRequested], now: datetime) -> None:
    """Erases and confirms; what was carried out before is left. Contact data is not the journal's: it has none."""
    known = await queries.done(conn, [event.erasure_id for event in events])
    for event in events:  # a few a day: each is a person's erasure
        if event.erasure_id in known:
            continue
        erased = await erase_person(conn, event.person_id, now) if event.scope == "person" else {}
        kept = await queries.journal(conn, event.person_id)
        told = GradebookDataErased(
            revision=1,
            erasure_id=event.erasure_id,
            person_id=event.person_id,
            erased=[Erased(category=category, count=count) for category, count in erased.items() if count],
            kept=[
                Kept(category=category, count=count, ground="statutory_journal")
                for category, count in kept.items()
                if count
            ],
            erased_at=now,
        )
        await queries.note(conn, told)
        crash_here("gradebook.erased")
        await publish(conn, [told])


async def erase_person(conn: Connection, person_id: UUID, now: datetime) -> dict[str, int]:
    """Forgets a person as far as the law allows, and publishes the tombstone.

    Args:
        conn: a transaction of the whole district.
        person_id: whom.
        now: the instant of the erasure.

    Returns:
        How many records of each category went; nothing for a person whom the journal does not know.
    """
    if not await queries.lock_person(conn, person_id):
        return {}
    represented = await queries.represented_by(conn, person_id)
    groups = await queries.groups_of(conn, person_id)
    erased = await queries.erase(conn, person_id, now)
    erased["unread_messages"] = await queries.forget_told(conn, person_id)
    # Whoever named the person is told anew, without them.
    around = await composing.compose_persons(conn, represented, now)
    gone = await queries.tombstone(conn, person_id)
    await publish(conn, [*around, *await composing.compose_groups(conn, groups, now)])
    if gone is not None:
        await publish(conn, [gone])
    return erased
