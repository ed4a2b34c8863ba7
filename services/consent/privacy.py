"""Privacy's parts of the service, put together: erasures with their acts, and what is held about a person."""

from datetime import timedelta

from fastapi import APIRouter

from chassis import holdings
from chassis.clock import Clock
from chassis.database import DISTRICT, Database
from services.consent import erasure_api, erasure_queries
from services.consent.exporting_person import HOLDINGS
from services.consent.settings import Settings


def routers(database: Database, clock: Clock, settings: Settings) -> list[APIRouter]:
    """The endpoints."""
    confirmation = timedelta(hours=settings.erasure_confirmation_hours)
    terms = settings.terms(settings.birthday_time_zone)
    return [
        erasure_api.make_router(database, clock, terms, confirmation),
        holdings.make_router(database, settings.SERVICE, HOLDINGS),
    ]


async def set_rules(database: Database, settings: Settings) -> None:
    """By these terms the database schedules what follows a decision."""
    async with database.transaction(DISTRICT) as conn:
        await erasure_queries.set_rules(conn, settings.erasure_withdrawal_days, settings.erasure_lead_hours)
