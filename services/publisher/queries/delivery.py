"""What became of messages: those that a person has to look at, their decisions, and the delivery log."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.database import Connection
from services.publisher.domain.states import NotificationState, check_notification

# What is sent again gets half an hour for it, however long the decision took: else it would fall before it is claimed.
_RESOLVE = """
UPDATE notifications
SET state = $2, reason = 'by_operator', settled_at = $3, resolved_by = $4, resolved_why = $5,
    send_after = CASE WHEN $2 = 'retry' THEN $3 ELSE send_after END,
    fall_at = CASE WHEN $2 = 'retry' AND fall_at IS NOT NULL
              THEN greatest(fall_at, $3::timestamptz + interval '30 minutes') ELSE fall_at END
WHERE notification_id = $1 AND state = 'undecided'
"""

_LISTED = """
SELECT notification_id, school_id, student_id, recipient_id, channel, state, reason, attempts, queued_at, claimed_at,
       settled_at
FROM notifications
WHERE state = ANY ($1::text[]) AND state IN ('undecided', 'failed')
  AND ($2::timestamptz IS NULL OR (settled_at, notification_id) > ($2, $3))
ORDER BY settled_at, notification_id LIMIT $4
"""

_COLUMNS = """
SELECT l.entry_id, l.notification_id, l.school_id, l.student_id, l.recipient_id, l.at, l.state, l.channel, l.occasion,
       l.reason, l.attempt, l.actor, l.note, n.fell_from
FROM notification_log l JOIN notifications n ON n.notification_id = l.notification_id
"""
_OF_RECIPIENT = f"{_COLUMNS} WHERE l.recipient_id = $1 AND l.entry_id < $2 ORDER BY l.entry_id DESC LIMIT $3"
_OF_STUDENT = f"{_COLUMNS} WHERE l.student_id = $1 AND l.entry_id < $2 ORDER BY l.entry_id DESC LIMIT $3"
_OF_SCHOOL = f"{_COLUMNS} WHERE l.school_id = $1 AND l.entry_id < $2 ORDER BY l.entry_id DESC LIMIT $3"
_OF_NOTIFICATION = f"{_COLUMNS} WHERE l.notification_id = $1 AND l.entry_id < $2 ORDER BY l.entry_id DESC LIMIT $3"

NEWEST = 2**62
"""Before which entry to begin when nothing else is known."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A message that an operator should look at."""

    notification_id: UUID
    school_id: UUID
    student_id: UUID
    recipient_id: UUID
    channel: str
    state: str
    reason: str | None
    attempts: int
    queued_at: datetime
    claimed_at: datetime | None
    settled_at: datetime


@dataclass(frozen=True, slots=True)
class Entry:
    """One state that a message was in, and since when."""

    entry_id: int
    notification_id: UUID
    school_id: UUID
    student_id: UUID
    recipient_id: UUID
    at: datetime
    state: str
    channel: str
    occasion: str
    reason: str | None
    attempt: int
    actor: str | None
    """Who decided, where a person did."""
    note: str | None
    """Why they decided so."""
    fell_from: UUID | None
    """The message by the failed channel in whose place this one came."""


async def listed(
    conn: Connection,
    states: Sequence[NotificationState],
    *,
    after: tuple[datetime, UUID] | None = None,
    limit: int = 200,
) -> list[Listed]:
    """Messages that an operator should look at, oldest first."""
    instant, notification_id = after or (None, None)
    rows = await conn.fetch(_LISTED, [state.value for state in states], instant, notification_id, limit)
    return [Listed(*row) for row in rows]


async def resolve(
    conn: Connection, notification_id: UUID, state: NotificationState, now: datetime, *, by: str, why: str
) -> bool:
    """Settles an undecided message by an operator's word; false when it is not undecided."""
    check_notification(NotificationState.UNDECIDED, state)
    return (await conn.execute(_RESOLVE, notification_id, state.value, now, by, why)).endswith(" 1")


async def log_of_recipient(conn: Connection, recipient_id: UUID, *, before: int = NEWEST, limit: int) -> list[Entry]:
    """What became of the messages to a person, newest first."""
    return [Entry(*row) for row in await conn.fetch(_OF_RECIPIENT, recipient_id, before, limit)]


async def log_of_student(conn: Connection, student_id: UUID, *, before: int = NEWEST, limit: int) -> list[Entry]:
    """What became of the messages about a student, newest first."""
    return [Entry(*row) for row in await conn.fetch(_OF_STUDENT, student_id, before, limit)]


async def log_of_school(conn: Connection, school_id: UUID, *, before: int = NEWEST, limit: int) -> list[Entry]:
    """What became of the messages about a school's students, newest first."""
    return [Entry(*row) for row in await conn.fetch(_OF_SCHOOL, school_id, before, limit)]


async def log_of_notification(
    conn: Connection, notification_id: UUID, *, before: int = NEWEST, limit: int
) -> list[Entry]:
    """What became of one message, newest first."""
    return [Entry(*row) for row in await conn.fetch(_OF_NOTIFICATION, notification_id, before, limit)]
