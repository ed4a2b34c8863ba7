"""Puts the consent service together."""

from chassis.clock import DatabaseClock
from chassis.database import DISTRICT, Database
from chassis.service import Service
from chassis.timers import DueLoop
from services.consent import handlers, metrics, queries
from services.consent.api import make_router
from services.consent.heartbeat import Heartbeat
from services.consent.model import EndReason
from services.consent.settings import Settings
from services.consent.subscribers import people

COUNT_SECONDS = 15.0


async def build(settings: Settings) -> Service:
    """The service with all its parts, connected to its database."""
    database = await Database.connect(
        settings.database_url, pool_size=settings.database_pool_size, application_name="sutki-consent"
    )
    clock, policy = DatabaseClock(), settings.policy()
    return Service(
        settings=settings,
        database=database,
        title="Sutki: consent registry",
        routers=[make_router(database, clock, policy)],
        consumers=[people(database, clock)],
        loops=[birthdays(database, settings), counting(database)],
        background=[Heartbeat(database, settings).run],
    )


def birthdays(database: Database, settings: Settings) -> DueLoop:
    """Ends the representatives' consents when a student comes of age."""
    clock, policy = DatabaseClock(), settings.policy()

    async def work() -> int:
        async with database.transaction(DISTRICT) as conn:
            ended = await handlers.end_at_majority(conn, clock, policy)
        metrics.ENDED.labels(EndReason.STUDENT_ADULT).inc(ended)
        return ended

    async def next_midnight() -> float:
        async with database.transaction(DISTRICT) as conn:
            return await queries.seconds_to_midnight(conn, policy.time_zone)

    return DueLoop("consent.birthdays", work, next_midnight, idle_seconds=settings.birthday_check_seconds)


def counting(database: Database) -> DueLoop:
    """Keeps the gauges of present decisions."""

    async def work() -> int:
        async with database.transaction(DISTRICT) as conn:
            metrics.set_counts([dict(row) for row in await queries.counts(conn)])
        return 0

    async def never() -> None:
        return None

    return DueLoop("consent.counting", work, never, idle_seconds=COUNT_SECONDS)
