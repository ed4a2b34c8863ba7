"""Mails to staff: claimed, and that committed, before they are sent; settled by whoever claimed them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from chassis.database import Connection
from services.publisher.domain.states import NotificationState

_CLAIM = """
WITH found AS (
    SELECT message_id FROM staff_messages WHERE state IN ('queued', 'retry') AND send_after <= $2
    ORDER BY send_after, message_id LIMIT $3 FOR UPDATE SKIP LOCKED
)
UPDATE staff_messages m SET state = 'claimed', claimed_at = $2, claimed_by = $1, attempts = m.attempts + 1
FROM found f WHERE m.message_id = f.message_id
RETURNING m.message_id, m.escalation_id, m.school_id, m.role, m.address, m.attempts, m.queued_at
"""
_SETTLE = """
UPDATE staff_messages SET state = $3, reason = $4, send_after = coalesce($5, send_after), settled_at = $6
WHERE message_id = $1 AND claimed_by = $2 AND state IN ('claimed', 'undecided')
"""
_ABANDONED = """
WITH found AS (
    SELECT message_id FROM staff_messages WHERE state = 'claimed' AND claimed_at < $1::timestamptz - $2::interval
    ORDER BY claimed_at LIMIT 500 FOR UPDATE SKIP LOCKED
)
UPDATE staff_messages m SET state = 'undecided', reason = 'abandoned', settled_at = $1
FROM found f WHERE m.message_id = f.message_id
"""
_NEXT = """
SELECT extract(epoch FROM min(send_after) - $1)::float8 FROM staff_messages WHERE state IN ('queued', 'retry')
"""
_SCHOOL = "SELECT name, time_zone FROM schools WHERE school_id = $1"
_OF_ESCALATION = """
SELECT role, state, reason, attempts, settled_at FROM staff_messages WHERE escalation_id = $1 ORDER BY role, message_id
"""


@dataclass(frozen=True, slots=True)
class StaffMessage:
    """A claimed mail to somebody of the staff."""

    message_id: UUID
    escalation_id: UUID
    school_id: UUID
    role: str
    address: str
    attempts: int
    queued_at: datetime


@dataclass(frozen=True, slots=True)
class School:
    """What a mail says of a school."""

    name: str | None = None
    time_zone: str = "Europe/Moscow"


@dataclass(frozen=True, slots=True)
class StaffDelivery:
    """What became of a mail; the address stays with those who keep the addresses."""

    role: str
    state: str
    reason: str | None
    attempts: int
    settled_at: datetime | None


async def claim(conn: Connection, sender_id: UUID, now: datetime, limit: int) -> list[StaffMessage]:
    """Takes mails that are due; the caller commits before it says a word to the server."""
    return [StaffMessage(**dict(row)) for row in await conn.fetch(_CLAIM, sender_id, now, limit)]


async def settle(
    conn: Connection,
    sender_id: UUID,
    message_id: UUID,
    state: NotificationState,
    *,
    reason: str | None,
    send_after: datetime | None,
    now: datetime,
) -> None:
    """Writes down what became of a claimed mail."""
    await conn.execute(_SETTLE, message_id, sender_id, state.value, reason, send_after, now)


async def abandoned(conn: Connection, now: datetime, claim_timeout: timedelta) -> int:
    """Lists mails whose sender was lost between claim and settlement as undecided; returns how many."""
    return int((await conn.execute(_ABANDONED, now, claim_timeout)).split()[-1])


async def seconds_to_next(conn: Connection, now: datetime) -> float | None:
    """How long until a mail is to be sent."""
    seconds: float | None = await conn.fetchval(_NEXT, now)
    return seconds


async def school(conn: Connection, school_id: UUID) -> School:
    """How the school is called and where its clock stands, as far as that is known."""
    row = await conn.fetchrow(_SCHOOL, school_id)
    return School(**dict(row)) if row else School()


async def of_escalation(conn: Connection, escalation_id: UUID) -> Sequence[StaffDelivery]:
    """What became of the mails of an escalation."""
    return [StaffDelivery(**dict(row)) for row in await conn.fetch(_OF_ESCALATION, escalation_id)]
