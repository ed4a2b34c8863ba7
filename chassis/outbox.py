"""The transactional outbox: a fact and its event are one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from chassis.database import DISTRICT, Connection, Database
from chassis.messages import Publishable, Tombstone, carrier
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


_REFUSED = """
SELECT id, aggregatetype, aggregateid, type, created_at, octet_length(payload) AS bytes, failure
FROM outbox WHERE published_at IS NULL AND failure IS NOT NULL ORDER BY id LIMIT $1
"""
_RETRY = """
UPDATE outbox SET failure = NULL
WHERE published_at IS NULL AND failure IS NOT NULL
    AND ($1::bigint IS NULL OR id = $1) AND aggregatetype <> ALL ($2::text[])
"""
_CHOSEN = """
SELECT id FROM outbox
WHERE published_at IS NULL AND failure IS NOT NULL
    AND ($1::bigint IS NULL OR id = $1) AND aggregatetype = ANY ($2::text[])
"""
_GIVE_UP = """
UPDATE outbox SET published_at = clock_timestamp()
WHERE id = ANY ($1::bigint[]) AND published_at IS NULL AND failure IS NOT NULL
"""


@dataclass(frozen=True)
class RefusedEvent:
    """An event that the broker refused for good, without its content."""

    id: int
    aggregatetype: str
    """The topic, without prefix."""
    aggregateid: str
    """The key: an opaque id."""
    type: str
    created_at: datetime
    bytes: int | None
    failure: str


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
        [_value(event) for event in events],
        [event.event_id() for event in events],
        [event.occurred_at() for event in events],
        current_traceparent(),
    )
    # Only wakes the relay earlier; it polls anyway.
    await conn.execute(f"NOTIFY {CHANNEL}")


def _value(event: Publishable) -> str | None:
    """The message's value; a tombstone has none."""
    return None if isinstance(event, Tombstone) else event.to_json().decode()


async def refused(database: Database, *, limit: int = 100) -> list[RefusedEvent]:
    """Events that the broker refused, oldest first."""
    async with database.transaction(DISTRICT) as conn:
        return [RefusedEvent(**dict(row)) for row in await conn.fetch(_REFUSED, limit)]


async def retry(database: Database, row_id: int | None = None, *, but_not_to: Sequence[str] = ()) -> int:
    """Has the relay send refused events again, once the broker takes them (its limits were raised, for instance).

    Args:
        database: the owner's.
        row_id: one of them, or all.
        but_not_to: topics that are left alone. On a compacted one an old state must not come after a newer one.

    Returns:
        How many will be sent.
    """
    async with database.transaction(DISTRICT) as conn:
        count = int((await conn.execute(_RETRY, row_id, but_not_to)).split()[-1])
        await conn.execute(f"NOTIFY {CHANNEL}")
    return count


async def refused_to(database: Database, row_id: int | None, topics: Sequence[str]) -> list[int]:
    """Which refused events, of all or of one, were meant for these topics."""
    async with database.transaction(DISTRICT) as conn:
        return [row["id"] for row in await conn.fetch(_CHOSEN, row_id, topics)]


async def give_up(database: Database, row_ids: Sequence[int]) -> None:
    """Closes refused events whose facts were published anew."""
    async with database.transaction(DISTRICT) as conn:
        await conn.execute(_GIVE_UP, row_ids)


async def prune(conn: Connection, *, keep_hours: float, limit: int = 5000) -> int:
    """Deletes rows that were published long enough ago; replay makes them anew from the owner's tables.

    Returns:
        How many went.
    """
    status = await conn.execute(_PRUNE, keep_hours * 3600, limit)
    return int(status.split()[-1])
