"""What follows from a mail that came back: it goes another way, and an address that takes nothing is left alone."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Literal

from chassis.clock import Clock
from chassis.database import DISTRICT, Connection, Database
from chassis.logging import log
from services.publisher import ledger, metrics
from services.publisher.domain.ledger import EntryKind
from services.publisher.mail.bounces import Bounce, Severity
from services.publisher.queries import mail

Way = Literal["smtp", "mailbox", "http"]

_CAN_BOUNCE = ("sent", "undecided", "failed")


@dataclass(frozen=True, slots=True)
class Patience:
    """How many mails may bounce before their address is left alone."""

    soft_bounces: int = 5
    policy_bounces: int = 3
    within: timedelta = timedelta(days=14)

    def exhausted(self, severity: Severity, bounces: int) -> bool:
        """Whether so many bounces of a kind are too many; an address that does not exist is believed at once."""
        limits = {Severity.ADDRESS: 1, Severity.POLICY: self.policy_bounces, Severity.SOFT: self.soft_bounces}
        return bounces >= limits[severity]


class Taken(StrEnum):
    """What became of a bounce."""

    UNKNOWN = "unknown"
    """It is about no mail that was sent: forged, or forgotten long ago."""
    REPEATED = "repeated"
    NOTED = "noted"
    SUPPRESSED = "suppressed"
    """And nothing is sent to the address any more."""


async def take_bounce(database: Database, clock: Clock, bounce: Bounce, patience: Patience, way: Way) -> Taken:
    """Takes a bounce in a transaction of its own."""
    async with database.transaction(DISTRICT) as conn:
        taken = await note_bounce(conn, bounce, patience, way, await clock.now(conn))
    report(bounce.severity, taken)
    return taken


async def note_bounce(conn: Connection, bounce: Bounce, patience: Patience, way: Way, now: datetime) -> Taken:
    """Notes a bounce: its mail has failed, and falls to the next channel; enough of them end mails to the address.

    Held against is the address to which that mail went, whatever the report or a later consent names: a report may be
    forged, and only the server that we speak to ourselves is believed about an address.
    """
    known = await mail.known_mail(conn, bounce.notification_id)
    if known is None or known.state not in _CAN_BOUNCE:
        return Taken.UNKNOWN
    address = known.address_sha256 or (bounce.address_sha256 if way == "smtp" else None)
    if address is None and known.state == "sent":
        return Taken.UNKNOWN
    what = (bounce.digest, bounce.severity.value, bounce.status, way)
    if address is not None and not await mail.bounced(conn, known, address, what, now):
        return Taken.REPEATED
    failed = await mail.fail_sent(conn, known.notification_id, f"bounced_{bounce.status}", now)
    if failed:
        await ledger.append(conn, [_came_back(known, bounce)], now)
    if address is None:
        return Taken.NOTED if failed else Taken.REPEATED
    count = await mail.count_bounces(conn, address, bounce.severity.value, now - patience.within)
    reason, number = bounce.severity.value, known.notification_id
    if not patience.exhausted(bounce.severity, count) or not await mail.suppress(
        conn, address, now, reason=reason, status=bounce.status, notification_id=number
    ):
        return Taken.NOTED
    await mail.fail_waiting_of_address(conn, address, now)
    return Taken.SUPPRESSED


def report(severity: Severity, taken: Taken) -> None:
    """Counts what became of a bounce."""
    if taken in (Taken.NOTED, Taken.SUPPRESSED):
        metrics.BOUNCES.labels(severity.value).inc()
    if taken is Taken.SUPPRESSED:
        metrics.SUPPRESSED_ADDRESSES.labels(severity.value).inc()
        log.warning("address_suppressed", reason=severity.value)


def _came_back(known: mail.KnownMail, bounce: Bounce) -> ledger.Note:
    return ledger.Note(
        EntryKind.BOUNCED,
        known.school_id,
        None,
        {
            "student_id": known.student_id,
            "recipient_id": known.recipient_id,
            "notification_id": known.notification_id,
            "status": bounce.status,
        },
    )
