"""The demo's own clock: it begins in the morning, and is moved on hour by hour."""

import asyncio
import time as stopwatch
from datetime import UTC, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from chassis.clock import DatabaseClock
from chassis.database import DISTRICT
from sutki import environment
from sutki.sample.district import TIME_ZONE
from sutki.stack.clock import shift
from sutki.stack.postgres import SERVICES
from sutki.stack.stack import Stack
from sutki.texts import tr

ZONE: Final = ZoneInfo(TIME_ZONE)
MORNING: Final = time(10)
HOP: Final = timedelta(hours=1)
"""The clock is never moved further at once, nor past the instant at which a message is to be sent: what works by it is
to see each hour, and nothing that is due is to look late."""
AFTER: Final = timedelta(seconds=2)
CALM_SECONDS: Final = 60
POLL_SECONDS: Final = 0.1

_SHIFT = "SELECT clock_shift()"
_FRESH = "SELECT consent_view_is_fresh(clock_timestamp() + clock_shift())"
_UNDER_WAY = """
SELECT (SELECT count(*) FROM notifications
        WHERE state = 'claimed' OR state IN ('queued', 'retry') AND send_after <= clock_timestamp() + clock_shift())
     + (SELECT count(*) FROM staff_messages WHERE state IN ('queued', 'retry', 'claimed'))
"""


_NEXT_MESSAGE = """
SELECT min(send_after) FROM notifications
WHERE state IN ('queued', 'retry') AND send_after > clock_timestamp() + clock_shift()
"""


class NotCalm(Exception):  # noqa: N818 - says what is
    """What works by the clock did not follow it in time."""


def next_morning(at: datetime) -> datetime:
    """The next instant at which the sample's district has ten o'clock in the morning."""
    local = at.astimezone(ZONE)
    morning = datetime.combine(local.date(), MORNING, ZONE)
    return (morning if morning > local else morning + timedelta(days=1)).astimezone(UTC)


class DemoClock:
    """The clock of the running stack."""

    def __init__(self, stack: Stack) -> None:
        self._owners = {name: stack.postgres.owner_url(name) for name in SERVICES}

    async def begin(self, base: datetime) -> None:
        """Moves a clock that never was moved to where the sample begins."""
        async with environment.database("publisher") as database, database.transaction(DISTRICT) as conn:
            ahead: timedelta = await conn.fetchval(_SHIFT)
        if not ahead:
            await shift(self._owners, base - datetime.now(UTC))

    async def now(self) -> datetime:
        """The present instant."""
        async with environment.database("publisher") as database, database.transaction(DISTRICT) as conn:
            return await DatabaseClock().now(conn)

    async def move_to(self, instant: datetime) -> None:
        """Moves on to an instant, hour by hour; what has passed already is left.

        Raises:
            NotCalm: the services did not follow.
        """
        await self.calm()
        while (now := await self.now()) < instant:
            message = await self._next_message()
            stops = [instant, now + HOP] + ([message + AFTER] if message else [])
            await shift(self._owners, min(stops) - datetime.now(UTC))
            await self.calm()

    async def _next_message(self) -> datetime | None:
        async with environment.database("publisher") as database, database.transaction(DISTRICT) as conn:
            found: datetime | None = await conn.fetchval(_NEXT_MESSAGE)
            return found

    async def calm(self) -> None:
        """Waits until consents are freshly heard of and no message is due or under way.

        Raises:
            NotCalm: not within a minute.
        """
        deadline = stopwatch.monotonic() + CALM_SECONDS
        async with environment.database("publisher") as publisher, environment.database("cabinet") as cabinet:
            while True:
                async with publisher.transaction(DISTRICT) as conn:
                    under_way: int = await conn.fetchval(_UNDER_WAY)
                async with cabinet.transaction(DISTRICT) as conn:
                    fresh: bool = await conn.fetchval(_FRESH)
                if fresh and not under_way:
                    return
                if stopwatch.monotonic() > deadline:
                    raise NotCalm(tr("службы не последовали за часами", "the services did not follow the clock"))
                await asyncio.sleep(POLL_SECONDS)
