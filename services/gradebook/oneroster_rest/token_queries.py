"""SQL of clients and their access tokens."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import asyncpg

from chassis.database import Connection

_CLIENT = """
SELECT c.client_id, c.school_id, c.secret_sha256, o.source, o.scopes
FROM api_clients AS c LEFT JOIN oneroster_clients AS o USING (client_id)
WHERE c.client_id = $1 AND c.revoked_at IS NULL
"""


async def client(conn: Connection, client_id: UUID) -> asyncpg.Record | None:
    """A client that is not revoked; `source` and `scopes` are null where nothing was set."""
    return await conn.fetchrow(_CLIENT, client_id)


_SET_CLIENT = """
INSERT INTO oneroster_clients (client_id, source, scopes) VALUES ($1, $2, $3)
ON CONFLICT (client_id) DO UPDATE SET source = excluded.source, scopes = excluded.scopes
"""


async def set_client(conn: Connection, client_id: UUID, *, source: str, scopes: Sequence[str]) -> None:
    """Says whose ids a client speaks, and what it may ask for at most."""
    await conn.execute(_SET_CLIENT, client_id, source, scopes)


_STORE = "INSERT INTO oneroster_tokens (token_sha256, client_id, scopes, expires_at) VALUES ($1, $2, $3, $4)"


async def store_token(
    conn: Connection, token_sha256: bytes, client_id: UUID, scopes: Sequence[str], expires_at: datetime
) -> None:
    """Keeps the hash of a token that was given out."""
    await conn.execute(_STORE, token_sha256, client_id, scopes, expires_at)


_PRUNE = "DELETE FROM oneroster_tokens WHERE expires_at <= $1"


async def prune_tokens(conn: Connection, now: datetime) -> None:
    """Forgets tokens that have expired."""
    await conn.execute(_PRUNE, now)


_KEEP_NEWEST = """
DELETE FROM oneroster_tokens
WHERE token_sha256 IN (
    SELECT token_sha256 FROM oneroster_tokens WHERE client_id = $1 ORDER BY expires_at DESC OFFSET $2
)
"""


async def keep_newest(conn: Connection, client_id: UUID, count: int) -> None:
    """Ends all but the newest tokens of a client."""
    await conn.execute(_KEEP_NEWEST, client_id, count)


_HOLDER = """
SELECT t.client_id, t.scopes, c.school_id, coalesce(o.source, 'district') AS source
FROM oneroster_tokens AS t
JOIN api_clients AS c USING (client_id)
LEFT JOIN oneroster_clients AS o USING (client_id)
WHERE t.token_sha256 = $1 AND t.expires_at > $2 AND c.revoked_at IS NULL
"""


async def holder(conn: Connection, token_sha256: bytes, now: datetime) -> asyncpg.Record | None:
    """Who holds a token that is in force."""
    return await conn.fetchrow(_HOLDER, token_sha256, now)


# Of each limit the request that uses it up: none reads more rows than the limit allows.
_COUNTED_FROM = """
SELECT greatest(
    (
        SELECT requested_at FROM oneroster_token_requests
        WHERE client_sha256 = $1 AND address_sha256 = $2 AND NOT known AND requested_at > $3
        ORDER BY requested_at DESC OFFSET $4 - 1 LIMIT 1
    ),
    (
        SELECT requested_at FROM oneroster_token_requests
        WHERE address_sha256 = $2 AND NOT known AND requested_at > $3
        ORDER BY requested_at DESC OFFSET $5 - 1 LIMIT 1
    ),
    (
        SELECT requested_at FROM oneroster_token_requests
        WHERE client_sha256 = $1 AND known AND requested_at > $3
        ORDER BY requested_at DESC OFFSET $6 - 1 LIMIT 1
    )
)
"""
_NOTE = """
INSERT INTO oneroster_token_requests (client_sha256, address_sha256, requested_at, known) VALUES ($1, $2, $3, $4)
"""
_FORGET = """
WITH old AS MATERIALIZED (
    SELECT request_id FROM oneroster_token_requests WHERE requested_at <= $1
    ORDER BY requested_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
DELETE FROM oneroster_token_requests AS r USING old WHERE r.request_id = old.request_id
"""


class Asking(NamedTuple):
    """Whose request for a token it is."""

    client_sha256: bytes
    address_sha256: bytes


async def counted_from(
    conn: Connection, asking: Asking, since: datetime, *, failures: tuple[int, int], requests: int
) -> datetime | None:
    """The request since when a limit is used up; None: none is.

    Args:
        conn: the transaction.
        asking: who asks.
        since: what is older does not count.
        failures: how many wrong secrets there may be of the client from the address, and from the address.
        requests: how many requests of the client there may be with the right secret.
    """
    found: datetime | None = await conn.fetchval(_COUNTED_FROM, *asking, since, *failures, requests)
    return found


async def note_request(conn: Connection, asking: Asking, now: datetime, *, known: bool) -> None:
    """Counts a request that was answered."""
    await conn.execute(_NOTE, *asking, now, known)


async def forget_requests(conn: Connection, before: datetime, limit: int) -> None:
    """Forgets requests that count no more, a bounded number at a time."""
    await conn.execute(_FORGET, before, limit)
