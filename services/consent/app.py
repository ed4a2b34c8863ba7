"""Puts the consent service together."""

from datetime import timedelta

from chassis.clock import DatabaseClock
from chassis.database import DISTRICT, Database
from chassis.describing import described
from chassis.service import Service
from chassis.timers import DueLoop
from services.consent import (
    agreement_queries,
    agreements,
    authorities,
    authority_queries,
    handlers,
    metrics,
    privacy,
    queries,
)
from services.consent.api import make_router
from services.consent.erasing import confirmations
from services.consent.erasure_loops import erasure_loops
from services.consent.heartbeat import Heartbeat
from services.consent.model import EndReason
from services.consent.office_api import Office, make_office_router
from services.consent.settings import Settings
from services.consent.subscribers import people

COUNT_SECONDS = 15.0


async def build(settings: Settings) -> Service:
    """The service with all its parts, connected to its database."""
    database = await Database.connect(
        settings.database_url, pool_size=settings.database_pool_size, application_name="sutki-consent"
    )
    clock, policy = DatabaseClock(), settings.policy()
    await privacy.set_rules(database, settings)
    return Service(
        settings=settings,
        database=database,
        title="Sutki: consent registry",
        routers=[
            described(
                make_router(database, clock, policy),
                make_office_router(
                    Office(database, clock, policy, settings.cabinet_url, settings.invitation_days),
                ),
                *privacy.routers(database, clock, settings),
            )
        ],
        consumers=[people(database, clock, policy), confirmations(database, clock)],
        loops=[
            birthdays(database, settings),
            agreements_due(database, settings),
            authorities_ending(database, settings),
            counting(database),
            *erasure_loops(database, clock, settings),
        ],
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


def agreements_due(database: Database, settings: Settings) -> DueLoop:
    """Asks students who came to the age for their agreement, and ends consents where it is missing after its term."""
    clock, policy = DatabaseClock(), settings.policy()

    async def work() -> int:
        async with database.transaction(DISTRICT) as conn:
            done = await agreements.ask_and_end(conn, clock, policy)
        metrics.AGREEMENTS_ASKED.inc(done.asked)
        metrics.ENDED.labels(EndReason.AGREEMENT_MISSING).inc(done.ended)
        return done.asked + done.overdue

    async def next_due() -> float:
        async with database.transaction(DISTRICT) as conn:
            midnight = await queries.seconds_to_midnight(conn, policy.time_zone)
            if policy.agreement_missing == "keep":
                return midnight
            term = await agreement_queries.seconds_to_next(conn, timedelta(days=policy.agreement_term_days))
        return midnight if term is None else min(midnight, term)

    return DueLoop("consent.agreements", work, next_due, idle_seconds=settings.birthday_check_seconds)


def authorities_ending(database: Database, settings: Settings) -> DueLoop:
    """Ends authorities, and the consents that stand on them, when their last day has passed."""
    clock = DatabaseClock()

    async def work() -> int:
        async with database.transaction(DISTRICT) as conn:
            ended = await authorities.end_expired(conn, clock)
        metrics.AUTHORITIES_ENDED.labels("expired").inc(ended)
        return ended

    async def next_due() -> float | None:
        async with database.transaction(DISTRICT) as conn:
            return await authority_queries.seconds_to_next(conn)

    return DueLoop("consent.authorities", work, next_due, idle_seconds=settings.authority_check_seconds)


def counting(database: Database) -> DueLoop:
    """Keeps the gauges of present decisions."""

    async def work() -> int:
        async with database.transaction(DISTRICT) as conn:
            metrics.set_counts([dict(row) for row in await queries.counts(conn)])
        return 0

    async def never() -> None:
        return None

    return DueLoop("consent.counting", work, never, idle_seconds=COUNT_SECONDS)
