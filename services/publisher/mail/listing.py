"""Mails that a person has to look at: undecided after a crash, or refused for good."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from chassis.clock import Clock, DatabaseClock
from chassis.database import DISTRICT, Database
from services.publisher.domain.states import NotificationState
from services.publisher.queries import notifications
from services.publisher.queries.notifications import Listed

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
        return await notifications.listed(conn, states, after=after, limit=limit)


async def resolve_undecided(
    database: Database, notification_id: UUID, *, resend: bool, clock: Clock | None = None
) -> bool:
    """Settles an undecided mail by the operator's word: sent again, or taken as sent.

    The mail server's log tells by the Message-ID, which is the notification's id, whether it took the mail.

    Returns:
        False when there is no undecided mail of that id.
    """
    state = NotificationState.RETRY if resend else NotificationState.SENT
    async with database.transaction(DISTRICT) as conn:
        return await notifications.resolve(conn, notification_id, state, await (clock or DatabaseClock()).now(conn))
