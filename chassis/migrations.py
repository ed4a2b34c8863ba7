"""Plain SQL migrations: numbered, forward only, applied once each, never edited afterwards."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import asyncpg

CHASSIS_FOLDER = Path(__file__).parent / "migrations"

TIMEOUTS = {"lock_timeout": "30s", "statement_timeout": "30min"}

_BOOK = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    name text PRIMARY KEY,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT clock_timestamp()
)
"""
_LOCK = "SELECT pg_advisory_xact_lock(hashtext('sutki.migrations'))"


class MigrationError(Exception):
    """The database and the files do not go together; the text says what to do."""


@dataclass(frozen=True)
class Migration:
    """One file."""

    name: str
    sql: str

    @property
    def digest(self) -> str:
        """SHA-256 of the text, to notice a file that was edited after it was applied."""
        return sha256(self.sql.encode()).hexdigest()


def read(service: str, folder: Path) -> list[Migration]:
    """The chassis' migrations and then the service's, in the order of their numbers."""
    files = [("chassis", path) for path in sorted(CHASSIS_FOLDER.glob("*.sql"))]
    files += [(service, path) for path in sorted(folder.glob("*.sql"))]
    return [Migration(f"{owner}/{path.name}", path.read_text(encoding="utf-8")) for owner, path in files]


async def migrate(owner_url: str, service: str, folder: Path) -> list[str]:
    """Applies what is missing, each file in a transaction of its own with its entry in `schema_migrations`.

    Args:
        owner_url: the database, as its owner.
        service: the service's name; its role `sutki_<service>` gets the rights to use the tables.
        folder: the service's migrations.

    Returns:
        The names of the files that were applied now.

    Raises:
        MigrationError: a file was changed after it had been applied.
    """
    # A migration that waits for a lock holds up everybody behind it: it gives up instead, and is started again.
    conn = await asyncpg.connect(owner_url, server_settings=TIMEOUTS)
    try:
        async with conn.transaction():
            await conn.execute(_LOCK)
            await conn.execute(_BOOK)
            await conn.execute(_grants(service))
        return [item.name for item in read(service, folder) if await _apply(conn, item)]
    finally:
        await conn.close()


def _grants(service: str) -> str:
    role = f"sutki_{service}"
    return f"""
    ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {role};
    ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE ON SEQUENCES TO {role};
    GRANT SELECT ON schema_migrations TO {role};
    """


async def _apply(conn: "asyncpg.Connection[asyncpg.Record]", migration: Migration) -> bool:
    async with conn.transaction():
        await conn.execute(_LOCK)
        applied = await conn.fetchval("SELECT sha256 FROM schema_migrations WHERE name = $1", migration.name)
        if applied == migration.digest:
            return False
        if applied is not None:
            raise MigrationError(
                f"{migration.name} was changed after it had been applied; restore it and add a new migration instead"
            )
        await conn.execute(migration.sql)
        await conn.execute(
            "INSERT INTO schema_migrations (name, sha256) VALUES ($1, $2)", migration.name, migration.digest
        )
        return True


async def missing(conn: "asyncpg.Connection[asyncpg.Record]", service: str, folder: Path) -> list[str]:
    """The files that the database has not seen."""
    if await conn.fetchval("SELECT to_regclass('schema_migrations')") is None:
        return [item.name for item in read(service, folder)]
    applied = {row["name"] for row in await conn.fetch("SELECT name FROM schema_migrations")}
    return [item.name for item in read(service, folder) if item.name not in applied]
