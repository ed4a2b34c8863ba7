"""Puts together what enforces the 24 hours: the ladder, its mails, releases by the clock, the figure, their APIs."""

from dataclasses import dataclass
from datetime import timedelta

from fastapi import APIRouter

from chassis.clock import Clock
from chassis.database import Database
from chassis.timers import DueLoop
from services.publisher.api_desk import make_desk_router
from services.publisher.api_public import make_public_router
from services.publisher.canaries import Canaries
from services.publisher.domain.policy import Policy
from services.publisher.escalating import Escalations
from services.publisher.figures import FigureCache, FigureDays
from services.publisher.releasing import Releases
from services.publisher.settings import Settings
from services.publisher.staff_mail import StaffMail


@dataclass(frozen=True, slots=True)
class Enforcement:
    """What the service runs of it."""

    loops: list[DueLoop]
    routers: list[APIRouter]


def make_enforcement(settings: Settings, database: Database, clock: Clock, policy: Policy) -> Enforcement:
    """Everything by the settings."""
    ladder, sending = settings.ladder(), settings.sending()
    parts = (
        Escalations(database, clock, ladder),
        StaffMail(database, clock, sending.server, sending.letterhead, sending.backoff),
        Releases(database, clock, policy),
        FigureDays(database, clock, settings.closed_weekdays, settings.figure_seconds),
        Canaries(
            database, clock, timedelta(seconds=settings.canary_seconds), timedelta(days=settings.canary_keep_days)
        ),
    )
    return Enforcement(
        [loop for part in parts for loop in part.loops()],
        [
            make_desk_router(database, clock, policy, ladder, closed_weekdays=settings.closed_weekdays),
            make_public_router(FigureCache(database, clock), closed_days_apart=settings.paper_counts_closed_days),
        ],
    )
