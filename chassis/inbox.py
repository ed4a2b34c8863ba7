"""The inbox: which events a consumer has applied, in the same transaction as what they changed."""

from collections.abc import Sequence
from uuid import UUID

from chassis.database import Connection

_CLAIM = """
INSERT INTO inbox (consumer, event_id)
SELECT $1, event_id FROM unnest($2::uuid[]) AS e (event_id)
ON CONFLICT DO NOTHING
RETURNING event_id
"""

_PRUNE = """
WITH old AS MATERIALIZED (
    SELECT consumer, event_id FROM inbox WHERE received_at < clock_timestamp() - make_interval(secs => $1)
    ORDER BY received_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
DELETE FROM inbox AS i USING old WHERE i.consumer = old.consumer AND i.event_id = old.event_id
"""


async def claim(conn: Connection, consumer: str, event_ids: Sequence[UUID]) -> set[UUID]:
    """Registers events and returns those that had not been registered before."""
    # In one order everywhere, so that two processes with the same events wait for each other instead of deadlocking.
    rows = await conn.fetch(_CLAIM, consumer, sorted(set(event_ids)))
    return {row["event_id"] for row in rows}


async def prune(conn: Connection, *, keep_days: float, limit: int = 5000) -> int:
    """Deletes rows of events that the broker no longer has.

    Returns:
        How many went.
    """
    status = await conn.execute(_PRUNE, keep_days * 86_400, limit)
    return int(status.split()[-1])
