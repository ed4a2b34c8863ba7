"""Ends a recipient's mails about a child by the token of one of them."""

from chassis.clock import Clock
from chassis.database import DISTRICT, Database
from chassis.logging import log
from services.publisher import ledger, metrics
from services.publisher.domain.ledger import EntryKind
from services.publisher.mail.unsubscribe import Unsubscribing
from services.publisher.queries import mail


async def unsubscribe(database: Database, clock: Clock, who: Unsubscribing, *, way: str) -> bool:
    """Ends the mails. Repeating it changes nothing.

    Args:
        database: the publisher's.
        clock: its clock.
        who: a token's content.
        way: `one_click` or `mail`.

    Returns:
        Whether it changed anything.
    """
    async with database.transaction(DISTRICT) as conn:
        now = await clock.now(conn)
        ended = await mail.unsubscribe(conn, who.recipient_id, who.student_id, now, way=way)
        if ended is None:
            return False
        school_id, cancelled = ended
        note = ledger.Note(
            EntryKind.UNSUBSCRIBED,
            school_id,
            None,
            {
                "student_id": who.student_id,
                "recipient_id": who.recipient_id,
                "channel": "email",
                "way": way,
                "mails_cancelled": cancelled,
            },
        )
        await ledger.append(conn, [note], now)
    metrics.UNSUBSCRIBED.labels(way).inc()
    log.info("mails_ended_by_recipient", way=way)
    return True
