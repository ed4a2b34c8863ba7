"""Tells the cabinet's own facts again, with the same event ids, to a broker that lost them."""

from uuid import UUID

from chassis.database import DISTRICT, Database
from chassis.outbox import publish
from services.cabinet import erasing
from services.cabinet.queries import accounts, acknowledging

PAGE = 1000
_BEFORE_ALL = UUID(int=0)


async def replay(database: Database) -> int:
    """Publishes the present state of every account and of every acknowledged version once more.

    Consumers that have them see duplicates and change nothing.

    Returns:
        How many events were written to the outbox.
    """
    told = await _replay_accounts(database) + await _replay_acknowledgements(database)
    return told + await erasing.replay(database)


async def _replay_accounts(database: Database) -> int:
    after, told = _BEFORE_ALL, 0
    while True:
        async with database.transaction(DISTRICT) as conn:
            events = await accounts.events_after(conn, after, PAGE)
            await publish(conn, events)
        if not events:
            return told
        told, after = told + len(events), events[-1].person_id


async def _replay_acknowledgements(database: Database) -> int:
    after, told = (_BEFORE_ALL, 0), 0
    while True:
        async with database.transaction(DISTRICT) as conn:
            events = await acknowledging.events_after(conn, after, PAGE)
            await publish(conn, events)
        if not events:
            return told
        told, after = told + len(events), (events[-1].result_id, events[-1].value_revision)
