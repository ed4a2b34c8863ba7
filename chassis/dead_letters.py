"""Dead letters: events that could not be applied, with the reason, until an operator replays them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from aiokafka import AIOKafkaProducer, ConsumerRecord

from chassis import metrics
from chassis.database import DISTRICT, Connection, Database
from chassis.messages import read_headers

_KEEP = """
INSERT INTO dead_letters (
    consumer, topic, partition, "offset", event_id, event_type, key, headers, value, reason, content_sha256
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (consumer, topic, partition, "offset", content_sha256)
DO UPDATE SET reason = excluded.reason, replayed_at = NULL
"""
_LIST = """
SELECT id, consumer, topic, event_type, event_id, reason, created_at FROM dead_letters
WHERE replayed_at IS NULL AND discarded_at IS NULL ORDER BY id LIMIT $1
"""
_TAKE = """
SELECT id, topic, partition, key, headers, value FROM dead_letters
WHERE replayed_at IS NULL AND discarded_at IS NULL AND ($1::bigint IS NULL OR id = $1)
ORDER BY id FOR UPDATE SKIP LOCKED
"""
_MARK = "UPDATE dead_letters SET replayed_at = clock_timestamp() WHERE id = ANY($1::bigint[])"
_DISCARD = """
UPDATE dead_letters SET discarded_at = clock_timestamp(), discarded_because = $2
WHERE id = $1 AND replayed_at IS NULL AND discarded_at IS NULL
"""
_COUNT = "SELECT count(*) FROM dead_letters WHERE replayed_at IS NULL AND discarded_at IS NULL"
# One that was sent again is a gap until it has been applied: its id is then in the inbox.
_GAPS = """
SELECT DISTINCT d.partition FROM dead_letters AS d
WHERE d.consumer = $1 AND right(d.topic, length($2)) = $2 AND d.discarded_at IS NULL AND NOT EXISTS (
    SELECT FROM inbox AS i
    WHERE d.replayed_at IS NOT NULL AND i.consumer = d.consumer AND i.event_id = d.event_id
)
"""


@dataclass(frozen=True)
class DeadLetter:
    """One of them, without its content."""

    id: int
    consumer: str
    topic: str
    event_type: str | None
    event_id: UUID | None
    reason: str
    created_at: datetime


async def keep(conn: Connection, consumer: str, letters: "Sequence[tuple[ConsumerRecord[Any, Any], str]]") -> None:
    """Keeps records with the reasons why they could not be applied."""
    for record, reason in letters:
        # PostgreSQL's text has no NUL; a header with one must not keep the letter from being kept.
        headers = {_text(name): _text(value) for name, value in read_headers(record.headers).items()}
        await conn.execute(
            _KEEP,
            consumer,
            record.topic,
            record.partition,
            record.offset,
            _uuid_or_none(headers.get("ce_id")),
            headers.get("ce_type"),
            record.key,
            headers,
            record.value,
            _text(reason[:2000]),
            sha256(repr((record.key, headers, record.value)).encode()).digest(),
        )


async def waiting(database: Database, *, limit: int = 100) -> list[DeadLetter]:
    """Those that wait, oldest first."""
    async with database.transaction(DISTRICT) as conn:
        return [DeadLetter(**dict(row)) for row in await conn.fetch(_LIST, limit)]


async def partitions_with_gaps(conn: Connection, consumer: str, topic: str) -> set[int]:
    """Partitions of a topic of which a consumer could not apply something that is still waiting.

    Whoever concludes from a later message that everything before it was applied must leave these out.

    Args:
        conn: any transaction of the district's scope.
        consumer: the consumer group.
        topic: its name without prefix.
    """
    return {row["partition"] for row in await conn.fetch(_GAPS, consumer, topic)}


async def replay(database: Database, producer: AIOKafkaProducer, letter_id: int | None = None) -> int:
    """Sends dead letters to their topics again; every consumer but the one that failed knows them from its inbox.

    Args:
        database: the service's.
        producer: started.
        letter_id: one of them, or all.

    Returns:
        How many were sent.
    """
    async with database.transaction(DISTRICT) as conn:
        rows = await conn.fetch(_TAKE, letter_id)
        for row in rows:
            headers = [(name, str(value).encode()) for name, value in row["headers"].items()]
            await producer.send_and_wait(
                row["topic"], key=row["key"], value=row["value"], headers=headers, partition=row["partition"]
            )
        await conn.execute(_MARK, [row["id"] for row in rows])
    return len(rows)


async def discard(database: Database, letter_id: int, because: str) -> bool:
    """Gives a letter up for good; it stays, with the reason why it is not needed.

    Args:
        database: the service's.
        letter_id: which.
        because: what an operator found out.

    Returns:
        False when no such letter waits.
    """
    async with database.transaction(DISTRICT) as conn:
        return (await conn.execute(_DISCARD, letter_id, because)).endswith(" 1")


async def measure(database: Database) -> None:
    """Sets the gauge of those that wait."""
    async with database.transaction(DISTRICT) as conn:
        metrics.DEAD_LETTERS.set(await conn.fetchval(_COUNT))


def _text(value: str) -> str:
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}")


def _uuid_or_none(text: str | None) -> UUID | None:
    try:
        return UUID(text or "")
    except ValueError:
        return None
