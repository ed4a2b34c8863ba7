"""Requests that may be sent again: the same key and the same request get the answer of the first one.

As `Idempotency-Key` of the IETF's HTTPAPI group has it. The answer is kept in the transaction that took the records, so
that there is never one without the other. A refused request changed nothing and is judged anew when it comes again.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any
from uuid import UUID

from chassis.clock import Clock
from chassis.database import DISTRICT, Connection, Database
from chassis.timers import DueLoop

_PRUNED_AT_ONCE = 5000
_PRUNE_SECONDS = 60.0


@dataclass(frozen=True)
class Once:
    """A request that is to be done once."""

    client_id: UUID
    key: str
    """What the client calls it by."""
    fingerprint: bytes
    """What it asks for."""


class StillRunning(Exception):  # noqa: N818 - what it is
    """Another request with this key is being worked on."""


class KeyReused(Exception):  # noqa: N818 - what it is
    """The key stands for a request that asked for something else."""


def fingerprint(*parts: bytes | str) -> bytes:
    """What tells requests apart: method, path, parameters, media type and body."""
    digest = sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        digest.update(len(content).to_bytes(8, "big") + content)
    return digest.digest()


_TRY = "SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0))"
_FIND = "SELECT fingerprint, answer FROM idempotency_keys WHERE client_id = $1 AND key = $2"
_KEEP = """
INSERT INTO idempotency_keys (client_id, key, school_id, fingerprint, answer, kept_since)
VALUES ($1, $2, $3, $4, $5, $6)
"""
_PRUNE = """
WITH old AS MATERIALIZED (
    SELECT client_id, key FROM idempotency_keys WHERE kept_since < $1
    ORDER BY kept_since LIMIT $2
)
DELETE FROM idempotency_keys AS k USING old WHERE k.client_id = old.client_id AND k.key = old.key
"""


async def begin(conn: Connection, once: Once) -> dict[str, Any] | None:
    """The kept answer, or None: then the request is this transaction's to do, and nobody else's until it ends.

    Raises:
        StillRunning: another transaction is doing it.
        KeyReused: the key was used for another request.
    """
    # Never waits: a client that hears nothing and asks again must not hold one more connection.
    if not await conn.fetchval(_TRY, f"gradebook/idempotency/{once.client_id}/{once.key}"):
        raise StillRunning
    row = await conn.fetchrow(_FIND, once.client_id, once.key)
    if row is None:
        return None
    if row["fingerprint"] != once.fingerprint:
        raise KeyReused
    answer: dict[str, Any] = row["answer"]
    return answer


async def keep(conn: Connection, once: Once, school_id: UUID, answer: dict[str, Any], now: datetime) -> None:
    """Keeps the answer of the request that this transaction did."""
    await conn.execute(_KEEP, once.client_id, once.key, school_id, once.fingerprint, answer, now)


async def prune(conn: Connection, before: datetime) -> int:
    """Forgets answers that were kept long enough, a bounded number at a time.

    Returns:
        How many went.
    """
    return int((await conn.execute(_PRUNE, before, _PRUNED_AT_ONCE)).split()[-1])


def forgetting(database: Database, clock: Clock, keep_hours: float) -> DueLoop:
    """The loop that forgets them."""

    async def work() -> int:
        async with database.transaction(DISTRICT) as conn:
            return await prune(conn, await clock.now(conn) - timedelta(hours=keep_hours))

    async def nothing_is_due() -> None:
        return None

    return DueLoop("gradebook.idempotency", work, nothing_is_due, idle_seconds=_PRUNE_SECONDS)
