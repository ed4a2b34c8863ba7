"""Dead letters: events that could not be applied, with the reason, until an operator has them applied or gives them up.

A letter is applied again by the consumer that failed, from here and not through the topic: put onto the topic again, an
old state would stand last, and whoever reads the topic from its beginning would end with it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from aiokafka import ConsumerRecord

from chassis import metrics
from chassis.database import DISTRICT, Connection, Database
from chassis.errors import is_transient
from chassis.logging import log
from chassis.messages import read_headers

REASON_MAX_LENGTH = 2000

_KEEP = """
INSERT INTO dead_letters (
    consumer, topic, partition, "offset", event_id, event_type, key, headers, value, reason, whole, content_sha256
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
ON CONFLICT (consumer, topic, partition, "offset", content_sha256)
DO UPDATE SET reason = excluded.reason, replayed_at = NULL, asked_at = NULL
"""
_SETTLE = """
UPDATE dead_letters SET replayed_at = clock_timestamp()
WHERE consumer = $1 AND event_id = ANY ($2::uuid[]) AND replayed_at IS NULL
"""
_LIST = """
SELECT id, consumer, topic, event_type, event_id, reason, whole, created_at, asked_at FROM dead_letters
WHERE replayed_at IS NULL AND discarded_at IS NULL ORDER BY id LIMIT $1
"""
_ASK = """
UPDATE dead_letters SET asked_at = clock_timestamp()
WHERE replayed_at IS NULL AND discarded_at IS NULL AND whole AND ($1::bigint IS NULL OR id = $1)
"""
_NEXT = """
SELECT id, topic, partition, "offset", key, headers, value FROM dead_letters
WHERE consumer = $1 AND asked_at IS NOT NULL AND replayed_at IS NULL AND discarded_at IS NULL AND whole
ORDER BY id LIMIT 1
"""
_FAILED_AGAIN = "UPDATE dead_letters SET asked_at = NULL, reason = $2 WHERE id = $1"
_DISCARD = """
UPDATE dead_letters SET discarded_at = clock_timestamp(), discarded_because = $2
WHERE id = $1 AND replayed_at IS NULL AND discarded_at IS NULL
"""
# What waits has nothing left to apply, so it does not wait any longer. Of the letters of the same batch only those
# before the tombstone: a person may come back after it.
_FORGET = """
UPDATE dead_letters AS d
SET value = NULL, whole = false,
    discarded_because = CASE WHEN d.replayed_at IS NULL AND d.discarded_at IS NULL THEN 'the person was erased'
                             ELSE d.discarded_because END,
    discarded_at = CASE WHEN d.replayed_at IS NULL THEN coalesce(d.discarded_at, clock_timestamp())
                        ELSE d.discarded_at END
FROM unnest($1::bytea[], $2::text[], $3::bigint[]) AS t (key, topic, "offset")
WHERE d.key = t.key AND (d.value IS NOT NULL OR NOT d.whole)
    AND (d.created_at < now() OR d.topic <> t.topic OR d."offset" < t."offset")
"""
_FORGET_SETTLED = """
UPDATE dead_letters SET value = NULL, whole = false
WHERE key = $1 AND ($2::text[] IS NULL OR event_type = ANY ($2)) AND value IS NOT NULL
    AND (replayed_at IS NOT NULL OR discarded_at IS NOT NULL)
"""
_OPEN_OF_KEY = """
SELECT EXISTS (
    SELECT FROM dead_letters
    WHERE key = $1 AND event_type = ANY ($2::text[]) AND replayed_at IS NULL AND discarded_at IS NULL
)
"""
_PRUNE = """
WITH old AS MATERIALIZED (
    SELECT id FROM dead_letters
    WHERE coalesce(replayed_at, discarded_at) < clock_timestamp() - make_interval(secs => $1)
    ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED
)
DELETE FROM dead_letters AS d USING old WHERE d.id = old.id
"""
_COUNT = "SELECT count(*) FROM dead_letters WHERE replayed_at IS NULL AND discarded_at IS NULL"
_GAPS = """
SELECT DISTINCT partition FROM dead_letters
WHERE consumer = $1 AND right(topic, length($2)) = $2 AND replayed_at IS NULL AND discarded_at IS NULL
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
    whole: bool
    """False: the content is not there, and it cannot be applied again."""
    created_at: datetime
    asked_at: datetime | None
    """Since when the consumer has been asked to apply it again."""


@dataclass(frozen=True)
class Asked:
    """A letter that is to be applied again, as the record that it was."""

    id: int
    record: "ConsumerRecord[Any, Any]"


async def keep(conn: Connection, consumer: str, letters: "Sequence[tuple[ConsumerRecord[Any, Any], str]]") -> None:
    """Keeps records with the reasons why they could not be applied.

    Each in a savepoint of its own. One that the database does not take as it is is kept without its content, so that
    it is known where it lies in the topic, and nothing behind it waits for ever.
    """
    for record, reason in letters:
        try:
            async with conn.transaction():
                await conn.execute(_KEEP, *_whole(consumer, record, reason))
        except Exception as error:
            if is_transient(error):
                raise
            kind = type(error).__name__
            log.warning("dead_letter_without_content", consumer=consumer, offset=record.offset, error=kind)
            await conn.execute(_KEEP, *_place(consumer, record, f"{reason} (kept without its content: {kind})"))


def _whole(consumer: str, record: "ConsumerRecord[Any, Any]", reason: str) -> tuple[Any, ...]:
    headers = {_text(name): _text(value) for name, value in read_headers(record.headers).items()}
    return (
        *(consumer, record.topic, record.partition, record.offset),
        *(_uuid_or_none(headers.get("ce_id")), headers.get("ce_type")),
        *(record.key, headers, record.value),
        *(_text(reason)[:REASON_MAX_LENGTH], True, _digest(record)),
    )


def _place(consumer: str, record: "ConsumerRecord[Any, Any]", reason: str) -> tuple[Any, ...]:
    place = (consumer, record.topic, record.partition, record.offset)
    return (*place, None, None, None, {}, None, _text(reason)[:REASON_MAX_LENGTH], False, _digest(record))


async def settle(conn: Connection, consumer: str, event_ids: Sequence[UUID]) -> None:
    """Notes that events were applied, by whichever way they came: their letters wait no longer."""
    await conn.execute(_SETTLE, consumer, event_ids)


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


async def replay(database: Database, letter_id: int | None = None) -> int:
    """Asks the consumers that failed to apply letters again; they do so within seconds, when the service runs.

    Args:
        database: the service's.
        letter_id: one of them, or all.

    Returns:
        How many will be tried.
    """
    async with database.transaction(DISTRICT) as conn:
        return int((await conn.execute(_ASK, letter_id)).split()[-1])


async def next_asked(conn: Connection, consumer: str) -> Asked | None:
    """The oldest letter that a consumer was asked to apply again."""
    row = await conn.fetchrow(_NEXT, consumer)
    if row is None:
        return None
    headers = tuple((name, str(value).encode()) for name, value in row["headers"].items())
    key, value = row["key"], row["value"]
    place, sizes = (row["topic"], row["partition"], row["offset"]), (len(key or b""), len(value or b""))
    record: ConsumerRecord[Any, Any] = ConsumerRecord(*place, 0, 0, key, value, None, *sizes, headers)
    return Asked(row["id"], record)


async def failed_again(conn: Connection, letter_id: int, reason: str) -> None:
    """The letter waits for an operator again, with the new reason."""
    await conn.execute(_FAILED_AGAIN, letter_id, _text(reason)[:REASON_MAX_LENGTH])


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


async def forget(conn: Connection, tombstones: "Sequence[ConsumerRecord[Any, Any]]") -> None:
    """Erases what letters of erased persons say; applied again, they would bring these persons back."""
    await conn.execute(
        _FORGET,
        [record.key for record in tombstones],
        [record.topic for record in tombstones],
        [record.offset for record in tombstones],
    )


async def forget_settled(conn: Connection, key: UUID, event_types: Sequence[str] | None = None) -> int:
    """Erases what settled letters of this key say, of these types or of all; returns how many."""
    return int((await conn.execute(_FORGET_SETTLED, str(key).encode(), event_types)).split()[-1])


async def any_open(conn: Connection, key: UUID, event_types: Sequence[str]) -> bool:
    """Whether a letter of this key still waits: what it says is not known to the tables, and must not be erased."""
    return bool(await conn.fetchval(_OPEN_OF_KEY, str(key).encode(), event_types))


async def prune(conn: Connection, *, keep_days: float, limit: int = 5000) -> int:
    """Deletes letters that were settled long enough ago; what waits stays for as long as it waits.

    Returns:
        How many went.
    """
    return int((await conn.execute(_PRUNE, keep_days * 86_400, limit)).split()[-1])


async def measure(database: Database) -> None:
    """Sets the gauge of those that wait."""
    async with database.transaction(DISTRICT) as conn:
        metrics.DEAD_LETTERS.set(await conn.fetchval(_COUNT))


def _digest(record: "ConsumerRecord[Any, Any]") -> bytes:
    headers = {_text(name): _text(value) for name, value in read_headers(record.headers).items()}
    return sha256(repr((record.key, headers, record.value)).encode()).digest()


def _text(value: str) -> str:
    """As PostgreSQL's text can hold it: no NUL, no half of a surrogate pair."""
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}").encode(errors="replace").decode()


def _uuid_or_none(text: str | None) -> UUID | None:
    try:
        return UUID(text or "")
    except ValueError:
        return None
