"""The one place where the cabinet is put together."""

import math
from functools import partial

from chassis import holdings
from chassis.clock import DatabaseClock
from chassis.database import DISTRICT, Database
from chassis.describing import described
from chassis.service import Service
from chassis.timers import DueLoop
from services.cabinet import api, handlers, metrics
from services.cabinet.exporting_person import HOLDINGS
from services.cabinet.handlers import Doors
from services.cabinet.passwords import Passwords
from services.cabinet.queries import acknowledging, projection
from services.cabinet.settings import Settings
from services.cabinet.subscribers import projection_consumer
from services.cabinet.web import site

PRUNE_SECONDS = 60.0
MEASURE_SECONDS = 5.0


async def build(settings: Settings) -> Service:
    """Pages, API, projection, and the loops that acknowledge, measure and tidy up."""
    database = await Database.connect(
        settings.database_url, pool_size=settings.database_pool_size, application_name="sutki-cabinet"
    )
    async with database.transaction(DISTRICT) as conn:
        await projection.set_rules(conn, settings.rules)
    clock = DatabaseClock()
    doors = Doors(database, settings, Passwords(settings), clock)
    return Service(
        settings=settings,
        database=database,
        title="Sutki: cabinet",
        routers=[api.router, described(holdings.make_router(database, settings.SERVICE, HOLDINGS)), *site.ROUTERS],
        consumers=[projection_consumer(database, clock)],
        loops=[
            _acknowledging(doors),
            _measuring(database),
            DueLoop("cabinet.prune", partial(handlers.prune, doors), _never, PRUNE_SECONDS),
        ],
        configure=partial(site.configure, doors=doors),
    )


async def _never() -> None:
    return None


def _acknowledging(doors: Doors) -> DueLoop:
    async def next_due() -> float | None:
        async with doors.database.transaction(DISTRICT) as conn:
            return await acknowledging.next_due_seconds(conn)

    work = partial(handlers.acknowledge_due, doors.database, doors.clock, doors.settings.acknowledgement_batch)
    return DueLoop("cabinet.acknowledge", work, next_due)


def _measuring(database: Database) -> DueLoop:
    async def measure() -> int:
        async with database.transaction(DISTRICT) as conn:
            age = await projection.consent_view_age_seconds(conn)
            stale = await acknowledging.view_is_stale(conn, await DatabaseClock().now(conn))
        metrics.CONSENT_VIEW_AGE_SECONDS.set(math.inf if age is None else age)
        metrics.CONSENT_VIEW_STALE.set(stale)
        return 0

    return DueLoop("cabinet.measure", measure, _never, MEASURE_SECONDS)
