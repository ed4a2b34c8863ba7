"""Puts the publisher together."""

from datetime import timedelta

from chassis.clock import DatabaseClock
from chassis.database import Database
from chassis.service import Service
from services.publisher.api import make_router
from services.publisher.loops import Deadlines
from services.publisher.mail.sender import MailSender
from services.publisher.settings import Settings
from services.publisher.subscribers import make_consumer


async def build(settings: Settings) -> Service:
    """The service with everything that it runs."""
    database = await Database.connect(
        settings.database_url, pool_size=settings.database_pool_size, application_name="sutki-publisher"
    )
    clock, policy = DatabaseClock(), settings.policy()
    deadlines = Deadlines(database, clock, policy, timedelta(days=settings.early_retention_days))
    sender = MailSender(database, clock, policy, settings.sending())
    return Service(
        settings=settings,
        database=database,
        title="Sutki: publisher",
        routers=[make_router(database, clock)],
        consumers=[make_consumer(database, clock, policy)],
        loops=[*deadlines.loops(), *sender.loops()],
    )
