"""Time comes in as a parameter. In production it is the database's, so that all processes agree."""

from datetime import UTC, datetime, timedelta
from typing import Protocol

from chassis.database import Connection


class Clock(Protocol):
    """Tells the time."""

    async def now(self, conn: Connection) -> datetime:
        """The present instant, in UTC."""
        ...


class DatabaseClock:
    """The installation's clock, which is the database server's; it goes on within a transaction."""

    async def now(self, conn: Connection) -> datetime:
        """The present instant."""
        now: datetime = await conn.fetchval("SELECT clock_timestamp() + clock_shift()")
        return now.astimezone(UTC)


class FixedClock:
    """A clock that stands until it is moved."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    async def now(self, conn: Connection) -> datetime:  # noqa: ARG002 - the protocol's parameter
        """The instant at which the clock stands."""
        return self.at

    def advance(self, by: timedelta) -> None:
        """Moves the clock."""
        self.at += by
