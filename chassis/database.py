"""A pool of connections, and transactions that say for whom they work (row-level security follows)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias
from uuid import UUID

import asyncpg
import orjson

if TYPE_CHECKING:
    Connection: TypeAlias = asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
else:
    # The driver's classes are generic for type checkers only.
    Connection: TypeAlias = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy

COMMAND_TIMEOUT_SECONDS = 300


@dataclass(frozen=True)
class Scope:
    """For whom a transaction works. Policies read these settings; unset, they show nothing."""

    kind: str
    school_id: str = ""
    reader_id: str = ""


DISTRICT = Scope("district")
"""Subscribers, loops and operators: all schools."""


def school(school_id: UUID) -> Scope:
    """The staff of one school, or its client."""
    return Scope("school", school_id=str(school_id))


def reader(person_id: UUID) -> Scope:
    """One person who reads about their own."""
    return Scope("reader", reader_id=str(person_id))


_SET_SCOPE = """
SELECT set_config('sutki.scope', $1, true),
       set_config('sutki.school_id', $2, true),
       set_config('sutki.reader_id', $3, true)
"""


async def _prepare(connection: Any) -> None:
    for kind in ("json", "jsonb"):
        await connection.set_type_codec(
            kind,
            schema="pg_catalog",
            encoder=lambda value: orjson.dumps(value).decode(),
            decoder=orjson.loads,
        )


class Database:
    """One service's database."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", url: str, application_name: str) -> None:
        self._pool = pool
        self.url = url
        self.application_name = application_name

    @classmethod
    async def connect(cls, url: str, *, pool_size: int = 8, application_name: str) -> "Database":
        """Opens the pool.

        Args:
            url: `postgresql://…`; a Unix socket is given as `?host=/folder`.
            pool_size: connections at the most; they are opened when needed.
            application_name: shown in `pg_stat_activity`.

        Raises:
            OSError: the server cannot be reached.
        """
        pool = await asyncpg.create_pool(
            url,
            min_size=1,
            max_size=pool_size,
            command_timeout=COMMAND_TIMEOUT_SECONDS,
            init=_prepare,
            server_settings={"application_name": application_name, "timezone": "UTC"},
        )
        return cls(pool, url, application_name)

    async def close(self) -> None:
        """Waits until the connections are given back, and closes them."""
        await self._pool.close()

    @asynccontextmanager
    async def transaction(self, scope: Scope, *, role: str | None = None) -> AsyncIterator[Connection]:
        """A transaction for a scope, optionally as a role with fewer rights.

        Args:
            scope: for whom; row-level security reads it.
            role: a role granted to ours, for the length of the transaction.
        """
        async with self._pool.acquire() as conn, conn.transaction():
            await conn.execute(_SET_SCOPE, scope.kind, scope.school_id, scope.reader_id)
            if role is not None:
                if not role.replace("_", "").isalnum():
                    raise ValueError(f"not a role's name: {role!r}")
                await conn.execute(f"SET LOCAL ROLE {role}")
            yield conn

    async def dedicated(self) -> "asyncpg.Connection[asyncpg.Record]":
        """A connection outside the pool, for session locks and notifications; the caller closes it."""
        conn = await asyncpg.connect(
            self.url,
            command_timeout=COMMAND_TIMEOUT_SECONDS,
            server_settings={"application_name": f"{self.application_name}-dedicated", "timezone": "UTC"},
        )
        await _prepare(conn)
        return conn
