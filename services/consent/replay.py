"""Sends every consent and invitation again, as it is now, so that an empty broker or a new reader gets to know them."""

from uuid import UUID

from chassis.database import DISTRICT, Database
from chassis.outbox import publish
from services.consent import canaries, erasing, invitations, queries
from services.consent.events import consent_changed

PAGE = 2000
_BEFORE_ALL = UUID(int=0)


async def replay(database: Database) -> int:
    """Puts the present state of every consent and invitation into the outbox, under the ids that they had before.

    Consumers that know a state already leave it; those that do not take it.

    Returns:
        How many events were written.
    """
    told = await _replay_consents(database) + await _replay_invitations(database)
    return told + await _replay_canaries(database) + await erasing.replay(database)


async def _replay_canaries(database: Database) -> int:
    after, total = _BEFORE_ALL, 0
    while True:
        async with database.transaction(DISTRICT) as conn:
            await queries.begin_registration(conn)
            events, students = await canaries.events_after(conn, after, PAGE)
            await publish(conn, events)
        total += len(events)
        if len(events) < PAGE:
            return total
        after = students[-1]


async def _replay_consents(database: Database) -> int:
    after, total = _BEFORE_ALL, 0
    while True:
        async with database.transaction(DISTRICT) as conn:
            # Counts as a registration: an empty reader must not be told that it is fresh before it has these.
            await queries.begin_registration(conn)
            states = await queries.page(conn, after, PAGE)
            await publish(conn, [consent_changed(state) for state in states])
        total += len(states)
        if len(states) < PAGE:
            return total
        after = states[-1].consent_id


async def _replay_invitations(database: Database) -> int:
    after, total = _BEFORE_ALL, 0
    while True:
        async with database.transaction(DISTRICT) as conn:
            events = await invitations.page(conn, after, PAGE)
            await publish(conn, events)
        total += len(events)
        if len(events) < PAGE:
            return total
        after = events[-1].person_id
