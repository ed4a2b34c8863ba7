"""The one place where the extracts service is put together."""

from datetime import timedelta

from chassis import holdings
from chassis.clock import DatabaseClock
from chassis.database import Database
from chassis.describing import described
from chassis.service import Service
from chassis.timers import DueLoop
from services.extracts.api import make_router
from services.extracts.exporting_person import HOLDINGS
from services.extracts.housekeeping import Gauges, Retention
from services.extracts.rendering import Renderer
from services.extracts.rendering_job import RenderingJob
from services.extracts.settings import Settings
from services.extracts.subscribers import paper_consumer

RETENTION_IDLE_SECONDS = 3600.0


async def build(settings: Settings) -> Service:
    """Opens the database and makes all parts."""
    database = await Database.connect(
        settings.database_url, pool_size=settings.database_pool_size, application_name="sutki-extracts"
    )
    clock = DatabaseClock()
    renderer = Renderer(threads=settings.render_threads)
    job = RenderingJob(
        database,
        clock,
        renderer,
        language=settings.sheet_language,
        batch=settings.render_batch_sheets,
        retry_base_seconds=settings.render_retry_base_seconds,
        retry_most_seconds=settings.render_retry_most_seconds,
    )
    gauges = Gauges(database, clock, every_seconds=settings.measure_seconds)
    retention = Retention(database, clock, keep=timedelta(days=settings.sheet_keep_days))

    return Service(
        settings=settings,
        database=database,
        title="Sutki: extracts",
        routers=[
            make_router(database, clock, renderer, settings),
            described(holdings.make_router(database, settings.SERVICE, HOLDINGS)),
        ],
        consumers=[paper_consumer(database, clock)],
        loops=[
            DueLoop("extracts.rendering", job.round, job.next_due_seconds),
            DueLoop("extracts.gauges", gauges.round, gauges.next_due_seconds, idle_seconds=settings.measure_seconds),
            DueLoop(
                "extracts.retention", retention.round, retention.next_due_seconds, idle_seconds=RETENTION_IDLE_SECONDS
            ),
        ],
    )
