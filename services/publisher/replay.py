"""Sends the publisher's own facts again, under the same ids, so that an emptied broker has them once more."""

from datetime import UTC, datetime
from uuid import UUID

from chassis import outbox
from chassis.database import DISTRICT, Database
from services.publisher import erasing
from services.publisher.queries import availability, requests

PAGE = 500
_FIRST = UUID(int=0)


async def replay(database: Database) -> int:
    """Puts the last state of every request, every disclosure and every missed obligation into the outbox again.

    Returns:
        How many events were written.
    """
    told = await _requests(database) + await _disclosures(database) + await _overdue(database)
    return told + await erasing.replay(database)


async def _requests(database: Database) -> int:
    count, after = 0, _FIRST
    while True:
        async with database.transaction(DISTRICT) as conn:
            page = await requests.after(conn, after, PAGE)
            await outbox.publish(conn, page)
        if not page:
            return count
        count, after = count + len(page), page[-1].request_id


async def _disclosures(database: Database) -> int:
    count, after = 0, (_FIRST, 0)
    while True:
        async with database.transaction(DISTRICT) as conn:
            page = await availability.versions_after(conn, after, PAGE)
            await outbox.publish(conn, page)
        if not page:
            return count
        count, after = count + len(page), (page[-1].result_id, page[-1].value_revision)


async def _overdue(database: Database) -> int:
    count, instant, after = 0, datetime(1970, 1, 1, tzinfo=UTC), _FIRST
    while True:
        async with database.transaction(DISTRICT) as conn:
            page = await requests.overdue_after(conn, instant, after, PAGE)
            await outbox.publish(conn, page)
        if not page:
            return count
        count, instant, after = count + len(page), page[-1].noticed_at, page[-1].obligation_id
