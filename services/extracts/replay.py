"""Sends our facts again, from the register, with the same ids: for a broker that lost them or a consumer made anew."""

from chassis import outbox
from chassis.database import DISTRICT, Database
from chassis.messages import Publishable
from services.extracts import erasing
from services.extracts.facts import handed_over_event, printed_event
from services.extracts.queries import printing as queries

BATCH = 500


async def replay(database: Database) -> int:
    """Publishes every extract-printed and extract-handed-over once more, through the outbox, in batches.

    Returns:
        How many events were written.
    """
    last, count = 0, 0
    while True:
        async with database.transaction(DISTRICT) as conn:
            rows = await queries.told(conn, after_entry=last, limit=BATCH)
            await outbox.publish(conn, [_event(row) for row in rows])
        if not rows:
            return count + await erasing.replay(database)
        count += len(rows)
        last = rows[-1].entry_id


def _event(row: queries.Told) -> Publishable:
    if row.kind == "printed":
        return printed_event(
            row,
            number=row.number,
            revision=row.print_revision,
            items=row.items,
            content_sha256=row.content_sha256,
            at=row.at,
        )
    return handed_over_event(row, items=row.items, way=row.way, at=row.at)
