"""The transactional outbox: a fact and its event are one transaction."""

from collections.abc import Sequence

from chassis.database import Connection
from chassis.messages import Publishable, carrier
from chassis.tracing import current_traceparent

CHANNEL = "sutki_outbox"

_INSERT = """
INSERT INTO outbox (aggregatetype, aggregateid, type, payload, event_id, occurred_at, traceparent)
SELECT aggregatetype, aggregateid, type, payload, event_id, occurred_at, $7
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::uuid[], $6::timestamptz[])
    WITH ORDINALITY AS e (aggregatetype, aggregateid, type, payload, event_id, occurred_at, position)
ORDER BY position
"""

_PRUNE = """
WITH old AS MATERIALIZED (
    SELECT id FROM outbox WHERE published_at < clock_timestamp() - make_interval(secs => $1)
    ORDER BY published_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
DELETE FROM outbox AS o USING old WHERE o.id = old.id
"""


async def publish(conn: Connection, events: Sequence[Publishable]) -> None:
    """Writes events into the outbox, in the caller's transaction; the relay sends them after its commit.

    Args:
        conn: the transaction that makes the facts.
        events: any number, of any kinds, in the order in which they are to be sent.
    """
    if not events:
        return
    await conn.execute(
        _INSERT,
        [carrier(type(event)) for event in events],
        [str(event.key()) for event in events],
        [event.TOPIC for event in events],
        [event.to_json().decode() for event in events],
        [event.event_id() for event in events],
        [event.occurred_at() for event in events],
        current_traceparent(),
    )
    # Only wakes the relay earlier; it polls anyway.
    await conn.execute(f"NOTIFY {CHANNEL}")


async def prune(conn: Connection, *, keep_hours: float, limit: int = 5000) -> int:
    """Deletes rows that were published long enough ago; replay makes them anew from the owner's tables.

    Returns:
        How many went.
    """
    status = await conn.execute(_PRUNE, keep_hours * 3600, limit)
    return int(status.split()[-1])
