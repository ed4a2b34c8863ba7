"""Mails that a person has to look at: undecided after a crash, or refused for good."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from chassis.clock import Clock, DatabaseClock
from chassis.database import DISTRICT, Database
from services.publisher.domain.states import NotificationState
from services.publisher.queries import delivery
from services.publisher.queries.delivery import Listed

LISTED = (NotificationState.UNDECIDED, NotificationState.FAILED)


async def list_mails(
    database: Database,
    states: Sequence[NotificationState] = (NotificationState.UNDECIDED,),
    *,
    after: tuple[datetime, UUID] | None = None,
    limit: int = 200,
) -> list[Listed]:
    """Mails in these states, oldest first.

    Args:
        database: the publisher's.
        states: of `LISTED`.
        after: `settled_at` and id of the last one of the page before.
        limit: at the most.
    """
    async with database.transaction(DISTRICT) as conn:
        return await delivery.listed(conn, states, after=after, limit=limit)


async def resolve_undecided(
    database: Database,
    notification_id: UUID,
    *,
    resend: bool,
    by: str = "operator",
    why: str = "",
    clock: Clock | None = None,
) -> bool:
    """Settles an undecided mail by the operator's word: sent again, or taken as sent.

    The mail server's log tells by the Message-ID, which is the notification's id, whether it took the mail.

    Args:
        database: the publisher's.
        notification_id: the mail.
        resend: it was not sent, so it is sent again; otherwise it is taken as sent.
        by: who decides.
        why: on what ground; both are kept in the delivery log.
        clock: the database's by default.

    Returns:
        False when there is no undecided mail of that id.
    """
    state = NotificationState.RETRY if resend else NotificationState.SENT
    async with database.transaction(DISTRICT) as conn:
        now = await (clock or DatabaseClock()).now(conn)
        return await delivery.resolve(conn, notification_id, state, now, by=by, why=why)
