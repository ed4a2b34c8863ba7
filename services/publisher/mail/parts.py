"""Puts together what there is about mails."""

from dataclasses import dataclass
from datetime import timedelta

from fastapi import APIRouter

from chassis.clock import Clock
from chassis.database import DISTRICT, Database
from chassis.timers import DueLoop
from services.publisher.domain.policy import Policy
from services.publisher.mail.api import make_mail_router
from services.publisher.mail.intake import Intake, MailboxWatch
from services.publisher.mail.public import make_unsubscribe_router
from services.publisher.mail.sender import MailSender
from services.publisher.queries import mail
from services.publisher.sending import never
from services.publisher.settings import Settings

FORGET_ROUND = 5_000


@dataclass(frozen=True)
class MailParts:
    """For the service."""

    sender: MailSender
    routers: list[APIRouter]
    loops: list[DueLoop]


@dataclass(frozen=True, slots=True)
class Forgetting:
    """Removes what is only of use while bounces may still come."""

    database: Database
    clock: Clock
    keep: timedelta

    async def forget(self) -> int:
        """One round; returns how many rows went."""
        async with self.database.transaction(DISTRICT) as conn:
            return await mail.forget_before(conn, await self.clock.now(conn) - self.keep, FORGET_ROUND)


def make_mail(settings: Settings, database: Database, clock: Clock, policy: Policy) -> MailParts:
    """Everything about mails."""
    sending = settings.sending()
    head = sending.letterhead
    sender = MailSender(database, clock, policy, sending)
    addresses = (head.sender, head.return_address or head.sender)
    intake = Intake(
        database,
        clock,
        tuple(sorted({one.rpartition("@")[2].lower() for one in addresses})),
        sending.patience,
        head.tokens,
    )
    routers = [make_mail_router(intake)]
    if head.tokens is not None:
        routers.append(make_unsubscribe_router(database, clock, head.tokens, head.cabinet_url))
    mailbox = settings.mailbox()
    watch = [] if mailbox is None else MailboxWatch(mailbox, intake, settings.bounces_every_seconds).loops()
    forgetting = Forgetting(database, clock, timedelta(days=settings.bounces_keep_days))
    tidy = DueLoop("mail-forgetting", forgetting.forget, never, idle_seconds=3600)
    return MailParts(sender, routers, [*sender.loops(), *watch, tidy])
