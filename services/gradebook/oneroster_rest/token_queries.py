"""SQL of clients and their access tokens."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from chassis.database import Connection

_CLIENT = """
SELECT c.school_id, c.secret_sha256, o.source, o.scopes
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
