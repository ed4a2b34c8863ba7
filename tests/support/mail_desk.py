"""A publisher's database with mails to send, and processes that send them."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from chassis.database import Database
from services.publisher.domain.policy import Policy
from services.publisher.domain.preferences import NO_QUIET
from sutki.stack.mail import MailSink
from sutki.stack.ports import LOOPBACK, free_port
from sutki.stack.processes import Process
from tests.integration.publisher_district import District

FAMILIES_AT_ONCE = 100


async def queue_mails(database: Database, mails: int) -> None:
    """As many families, each with a new grade that the mother is to be told by mail, by the way of real events."""
    district = District(database, Policy(notify_grouping=timedelta(0), quiet=NO_QUIET))
    district.clock.at = datetime.now(UTC)
    await district.hear()
    await district.tell(district.school())
    for start in range(0, mails, FAMILIES_AT_ONCE):
        families = [district.family() for _ in range(start, min(start + FAMILIES_AT_ONCE, mails))]
        results = [uuid4() for _ in families]
        pairs = list(zip(families, results, strict=True))
        await district.tell(
            *(family.person() for family in families),
            *(family.account(family.mother) for family in families),
            *(
                family.consent(family.mother, email=f"parent-{start + number}@example.org")
                for number, family in enumerate(families)
            ),
        )
        await district.tell(*(family.grade(result, obtained=district.now) for family, result in pairs))
        await district.tell(*(family.visible(result, family.mother, at=district.now) for family, result in pairs))


def sender_process(name: str, database_url: str, sink: MailSink, folder: Path, **settings: str) -> Process:
    """A process that runs the publisher's loops and nothing else; it needs no broker.

    Args:
        name: also that of its log.
        database_url: the publisher's.
        sink: where its mails go.
        folder: for the log.
        settings: further SUTKI_… variables.
    """
    port = free_port()
    return Process(
        name,
        [sys.executable, "-m", "services.publisher", "run", "--roles", "loops"],
        folder / f"{name}.log",
        environment={
            "PYTHONUTF8": "1",
            "SUTKI_PUBLISHER_DATABASE_URL": database_url,
            "SUTKI_KAFKA_BOOTSTRAP": f"{LOOPBACK}:1",
            "SUTKI_PUBLISHER_HTTP_PORT": str(port),
            # Nobody beats here.
            "SUTKI_PUBLISHER_CONSENT_STALE_AFTER_SECONDS": "86400",
            # Our own pace, not that of a provider's patience.
            "SUTKI_PUBLISHER_MAIL_RATES": "*=100000/s",
            "SUTKI_PUBLISHER_QUIET_FROM": "00:00",
            "SUTKI_PUBLISHER_QUIET_UNTIL": "00:00",
            "SUTKI_PUBLISHER_SMTP_HOST": sink.host,
            "SUTKI_PUBLISHER_SMTP_PORT": str(sink.port),
            **settings,
        },
        health=f"http://{LOOPBACK}:{port}/health/live",
    )
