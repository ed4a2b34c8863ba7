"""Puts the gradebook together."""

from chassis import holdings
from chassis.clock import Clock, DatabaseClock
from chassis.database import DISTRICT, Database
from chassis.describing import described
from chassis.service import Service
from chassis.timers import DueLoop
from services.gradebook import changes, idempotency, metrics, queries
from services.gradebook.api import make_router
from services.gradebook.canaries import canaries
from services.gradebook.closing.deferring import timer
from services.gradebook.days import days
from services.gradebook.erasing import erasures
from services.gradebook.exporting_person import HOLDINGS
from services.gradebook.forecasting.loop import forecasts
from services.gradebook.oneroster_rest.api import make_router as oneroster_router
from services.gradebook.settings import Settings
from services.gradebook.subscribers import disclosures


async def build(settings: Settings) -> Service:
    """The service with all its parts, connected to its database."""
    database = await Database.connect(
        settings.database_url, pool_size=settings.database_pool_size, application_name="sutki-gradebook"
    )
    clock = DatabaseClock()
    return Service(
        settings=settings,
        database=database,
        title="Sutki: gradebook",
        routers=[
            make_router(database, clock, settings),
            oneroster_router(database, clock, settings.public_url, settings.token_limits()),
            described(holdings.make_router(database, settings.SERVICE, HOLDINGS)),
        ],
        consumers=[disclosures(database, clock), erasures(database, clock)],
        loops=[
            watch(database, clock, settings),
            days(database, clock),
            timer(database, clock),
            forecasts(database, clock),
            changes.forgetting(database, clock, settings.changes_keep_days),
            idempotency.forgetting(database, clock, settings.idempotency_keep_hours),
            canaries(database, clock, settings.canary_seconds),
        ],
    )


def watch(database: Database, clock: Clock, settings: Settings) -> DueLoop:
    """Measures the way to the family: how old the oldest released result is that nobody has yet."""

    async def work() -> int:
        async with database.transaction(DISTRICT) as conn:
            now = await clock.now(conn)
            metrics.watch(await queries.oldest_awaited(conn, now), await queries.awaited_count(conn, now), now)
        return 0

    async def nothing_is_due() -> None:
        return None

    return DueLoop("gradebook.watch", work, nothing_is_due, idle_seconds=settings.watch_seconds)
