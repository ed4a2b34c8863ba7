"""Puts the publisher together."""

from datetime import timedelta

from chassis import holdings
from chassis.clock import DatabaseClock
from chassis.database import Database
from chassis.describing import described
from chassis.service import Service
from services.publisher.api import make_router
from services.publisher.api_ledger import make_ledger_router
from services.publisher.api_notifications import make_notifications_router
from services.publisher.enforcement import make_enforcement
from services.publisher.exporting_person import HOLDINGS
from services.publisher.falling_back import Fallback
from services.publisher.ledger_roots import LedgerRoots, load_signer
from services.publisher.loops import Deadlines
from services.publisher.mail.parts import make_mail
from services.publisher.news import NewsDesk, make_news_consumer
from services.publisher.push.parts import make_push
from services.publisher.settings import Settings
from services.publisher.subscribers import make_consumer


async def build(settings: Settings) -> Service:
    """The service with everything that it runs."""
    database = await Database.connect(
        settings.database_url, pool_size=settings.database_pool_size, application_name="sutki-publisher"
    )
    clock, policy = DatabaseClock(), settings.policy()
    deadlines = Deadlines(database, clock, policy, timedelta(days=settings.early_retention_days))
    mail = make_mail(settings, database, clock, policy)
    news_desk = NewsDesk(database, clock, policy, timedelta(days=settings.news_retention_days))
    fallback = Fallback(database, clock, policy)
    push = make_push(settings, database, clock, policy)
    ledger_roots = LedgerRoots(
        database,
        clock,
        load_signer(settings.ledger_key_file) if settings.ledger_key_file else None,
        settings.district_time_zone,
        timedelta(seconds=settings.ledger_seal_delay_seconds),
    )
    enforcement = make_enforcement(settings, database, clock, policy)
    return Service(
        settings=settings,
        database=database,
        title="Sutki: publisher",
        routers=[
            described(
                holdings.make_router(database, settings.SERVICE, HOLDINGS),
                make_router(database, clock),
                make_ledger_router(database),
                push.router,
                *mail.routers,
                make_notifications_router(database, clock, policy),
                *enforcement.routers,
            )
        ],
        consumers=[make_consumer(database, clock, policy), make_news_consumer(database, clock, policy)],
        loops=[
            *deadlines.loops(),
            *ledger_roots.loops(),
            *mail.loops,
            *push.sender.loops(),
            *news_desk.loops(),
            *fallback.loops(),
            *enforcement.loops,
        ],
        background=[push.client.close_at_the_end],
    )
