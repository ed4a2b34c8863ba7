"""A fresh, migrated database for every test: cloned from a template that is migrated once in a run."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import asyncpg

from chassis.database import Database
from chassis.migrations import migrate
from sutki.stack.postgres import EmbeddedPostgres

SERVICES_FOLDER = Path(__file__).resolve().parents[2] / "services"
_CLOSE_SECONDS = 15


@dataclass(frozen=True)
class Urls:
    """One test's database of one service."""

    app: str
    """As the service's own role, which row-level security binds."""
    owner: str
    """As the role of the migrations."""
    superuser: str
    """Sees everything: to look at what really lies in the tables."""


class Templates:
    """The databases of a test run: `sutki_<service>` is migrated once and then only cloned."""

    def __init__(self, postgres: EmbeddedPostgres) -> None:
        self.postgres = postgres
        self._migrated: set[str] = set()
        self._clones = 0
        self._lock = asyncio.Lock()

    async def clone(self, service: str) -> Urls:
        """A new database with the service's tables and nothing in them."""
        async with self._lock:
            if service not in self._migrated:
                await self.postgres.prepare([service])
                await migrate(self.postgres.owner_url(service), service, SERVICES_FOLDER / service / "migrations")
                self._migrated.add(service)
            self._clones += 1
            name = f"test_{service}_{self._clones}"
            await self._run(f"CREATE DATABASE {name} TEMPLATE sutki_{service} OWNER sutki_{service}_owner")
        return Urls(
            app=self.postgres.url(service, database=name),
            owner=self.postgres.owner_url(service, database=name),
            superuser=self.postgres.superuser_url(name),
        )

    async def drop(self, urls: Urls) -> None:
        """Removes a clone, whoever is still connected."""
        name = urls.superuser.split("@/", 1)[1].split("?", 1)[0]
        await self._run(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    async def _run(self, statement: str) -> None:
        connection = await asyncpg.connect(self.postgres.superuser_url())
        try:
            await connection.execute(statement)
        finally:
            await connection.close()


class ServiceDatabases:
    """One test's databases, one for each service that it asks for. Call it with a service's name."""

    def __init__(self, templates: Templates) -> None:
        self._templates = templates
        self._urls: dict[str, Urls] = {}
        self._open: dict[str, Database] = {}

    async def __call__(self, service: str) -> Database:
        """The test's database of the service, opened as the service would; the same one when asked again."""
        if service not in self._open:
            urls = await self.urls(service)
            self._open[service] = await Database.connect(urls.app, application_name=f"test.{service}")
        return self._open[service]

    async def urls(self, service: str) -> Urls:
        """Addresses of the same database, for processes and for looking behind row-level security."""
        if service not in self._urls:
            self._urls[service] = await self._templates.clone(service)
        return self._urls[service]

    async def migrated_below(self, service: str, number: int, scratch: Path) -> None:
        """Takes the test's database back to what it was before the service's migration of this number."""
        urls = await self.urls(service)
        for path in (SERVICES_FOLDER / service / "migrations").glob("*.sql"):
            if int(path.name[:4]) < number:
                (scratch / path.name).write_bytes(path.read_bytes())
        connection = await asyncpg.connect(urls.superuser)
        try:
            await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public AUTHORIZATION pg_database_owner")
            await connection.execute("GRANT USAGE ON SCHEMA public TO PUBLIC")
        finally:
            await connection.close()
        await migrate(urls.owner, service, scratch)

    async def upgraded(self, service: str) -> list[str]:
        """Applies the migrations that the test's database lacks; returns their names."""
        return await migrate((await self.urls(service)).owner, service, SERVICES_FOLDER / service / "migrations")

    @asynccontextmanager
    async def as_superuser(self, service: str) -> "AsyncIterator[asyncpg.Connection[asyncpg.Record]]":
        """A connection that sees everything, to check what really lies in the tables."""
        connection = await asyncpg.connect((await self.urls(service)).superuser)
        try:
            yield connection
        finally:
            await connection.close()

    async def close(self) -> None:
        """Closes and drops what the test used.

        Raises:
            TimeoutError: a connection was never given back to its pool.
        """
        try:
            for database in self._open.values():
                await asyncio.wait_for(database.close(), _CLOSE_SECONDS)
        finally:
            for urls in self._urls.values():
                await self._templates.drop(urls)
