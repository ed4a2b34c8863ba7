"""Messages that failed: which they are, what of them is still untold, and what was asked for on paper instead."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.database import Connection
from services.publisher.domain.obligations import Key
from services.publisher.domain.preferences import Channel

_EXPIRE = """
WITH found AS (
    SELECT notification_id FROM notifications
    WHERE state IN ('queued', 'retry') AND fall_at <= $1 ORDER BY fall_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE notifications n SET state = 'failed', reason = 'took_too_long', settled_at = $1
FROM found WHERE n.notification_id = found.notification_id
"""

_LOCK_FAILED = """
SELECT notification_id, school_id, student_id, recipient_id, channel, occasion, state, deadline_at FROM notifications
WHERE fallen_at IS NULL AND (state = 'failed' OR (state = 'cancelled' AND reason = 'no_consent'))
ORDER BY settled_at LIMIT $1 FOR UPDATE SKIP LOCKED
"""

# What a failed message told and is still the latest; with whether another message tells or told it to the same person,
# and by which channels it failed to.
_UNTOLD = """
SELECT n.notification_id, i.result_id, i.value_revision,
       bool_or(m.state IN ('queued', 'claimed', 'retry', 'undecided', 'sent')) AS told,
       array_agg(DISTINCT m.channel) FILTER (WHERE m.state = 'failed') AS failed
FROM notifications n
CROSS JOIN LATERAL (
    SELECT DISTINCT * FROM unnest(n.result_ids, n.value_revisions) AS u (result_id, value_revision)
) i
JOIN results r ON r.result_id = i.result_id AND r.value_revision = i.value_revision AND r.state <> 'withdrawn'
JOIN notifications m ON m.recipient_id = n.recipient_id AND m.student_id = n.student_id AND m.occasion = 'results'
    AND EXISTS (
        SELECT FROM unnest(m.result_ids, m.value_revisions) AS u (result_id, value_revision)
        WHERE u.result_id = i.result_id AND u.value_revision = i.value_revision
    )
WHERE n.notification_id = ANY ($1::uuid[])
GROUP BY n.notification_id, i.result_id, i.value_revision
ORDER BY n.notification_id, i.result_id, i.value_revision
"""

_FALLEN = "UPDATE notifications SET fallen_at = $2 WHERE notification_id = ANY ($1::uuid[])"

# Not what a sheet has told already, whatever for.
_ASK_PAPER = """
INSERT INTO told_on_paper (result_id, value_revision, recipient_id, school_id, notification_id, request_id, asked_at)
SELECT v.result_id, v.value_revision, v.recipient_id, o.school_id, v.notification_id, v.request_id, $6
FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::uuid[], $5::uuid[])
    AS v (result_id, value_revision, recipient_id, notification_id, request_id)
JOIN obligations o ON o.result_id = v.result_id AND o.value_revision = v.value_revision
    AND o.recipient_id = v.recipient_id AND o.state = 'available' AND o.extract_number IS NULL
ON CONFLICT DO NOTHING
RETURNING result_id, value_revision, recipient_id, school_id, notification_id, request_id
"""

_REQUESTS_OF_OLDER = """
SELECT DISTINCT t.request_id FROM told_on_paper t
JOIN results r ON r.result_id = t.result_id AND (r.value_revision <> t.value_revision OR r.state = 'withdrawn')
WHERE t.result_id = ANY ($1::uuid[])
"""
_STILL_ASKED = """
SELECT t.result_id, t.value_revision, t.recipient_id, t.school_id, t.notification_id, t.request_id
FROM told_on_paper t
JOIN results r ON r.result_id = t.result_id AND r.value_revision = t.value_revision AND r.state <> 'withdrawn'
WHERE t.request_id = ANY ($1::uuid[])
ORDER BY t.request_id, t.result_id
"""
_MOVE_TO_REQUEST = """
UPDATE told_on_paper t SET request_id = v.request_id
FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::uuid[]) AS v (result_id, value_revision, recipient_id, request_id)
WHERE t.result_id = v.result_id AND t.value_revision = v.value_revision AND t.recipient_id = v.recipient_id
"""

_NEXT = """
SELECT extract(epoch FROM min(fall_at) - $1)::float8 FROM notifications
WHERE state IN ('queued', 'retry') AND fall_at IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Failed:
    """A message that failed for good, or that consent no longer allows, and has not been dealt with."""

    notification_id: UUID
    school_id: UUID
    student_id: UUID
    recipient_id: UUID
    channel: Channel
    occasion: str
    state: str
    deadline_at: datetime | None

    @property
    def pair(self) -> tuple[UUID, UUID]:
        """The student and the recipient."""
        return self.student_id, self.recipient_id


@dataclass(frozen=True, slots=True)
class Untold:
    """A version of a result that a failed message was to tell."""

    result_id: UUID
    value_revision: int
    told: bool
    """Another message tells it, or told it."""
    failed: frozenset[Channel]


@dataclass(frozen=True, slots=True)
class OnPaper:
    """A version that is asked for on paper, since no electronic channel could tell it."""

    result_id: UUID
    value_revision: int
    recipient_id: UUID
    school_id: UUID
    notification_id: UUID
    request_id: UUID

    @property
    def key(self) -> Key:
        """The version and the recipient."""
        return self.result_id, self.value_revision, self.recipient_id


async def expire(conn: Connection, now: datetime, limit: int) -> int:
    """Gives up what should have been sent long ago; returns how many messages."""
    return int((await conn.execute(_EXPIRE, now, limit)).rsplit(maxsplit=1)[-1])


async def lock_failed(conn: Connection, limit: int) -> list[Failed]:
    """Messages that are to fall."""
    return [
        Failed(
            row["notification_id"],
            row["school_id"],
            row["student_id"],
            row["recipient_id"],
            Channel(row["channel"]),
            row["occasion"],
            row["state"],
            row["deadline_at"],
        )
        for row in await conn.fetch(_LOCK_FAILED, limit)
    ]


async def untold(conn: Connection, notification_ids: Sequence[UUID]) -> dict[UUID, list[Untold]]:
    """What failed messages were to tell and is still the latest, by message."""
    found: dict[UUID, list[Untold]] = {}
    for row in await conn.fetch(_UNTOLD, notification_ids):
        one = Untold(row["result_id"], row["value_revision"], row["told"], frozenset(map(Channel, row["failed"] or ())))
        found.setdefault(row["notification_id"], []).append(one)
    return found


async def mark_fallen(conn: Connection, notification_ids: Sequence[UUID], now: datetime) -> None:
    """Notes that these have been dealt with."""
    await conn.execute(_FALLEN, notification_ids, now)


async def ask_on_paper(conn: Connection, wanted: Sequence[tuple[Key, UUID, UUID]], now: datetime) -> list[OnPaper]:
    """Notes what is asked for on paper; returns what had not been before.

    Args:
        conn: the transaction.
        wanted: version and recipient, the failed message, the request on which it is to stand.
        now: the present instant.
    """
    rows = await conn.fetch(
        _ASK_PAPER,
        [key[0] for key, _, _ in wanted],
        [key[1] for key, _, _ in wanted],
        [key[2] for key, _, _ in wanted],
        [message for _, message, _ in wanted],
        [request for _, _, request in wanted],
        now,
    )
    return [OnPaper(*row) for row in rows]


async def requests_of_older(conn: Connection, result_ids: Sequence[UUID]) -> list[UUID]:
    """Requests for versions of results that are no longer the latest."""
    return [row["request_id"] for row in await conn.fetch(_REQUESTS_OF_OLDER, result_ids)]


async def still_asked(conn: Connection, request_ids: Sequence[UUID]) -> list[OnPaper]:
    """What on these requests is still the latest."""
    return [OnPaper(*row) for row in await conn.fetch(_STILL_ASKED, request_ids)]


async def move_to_requests(conn: Connection, moved: Sequence[OnPaper]) -> None:
    """Notes on which request each stands now."""
    await conn.execute(
        _MOVE_TO_REQUEST,
        [one.result_id for one in moved],
        [one.value_revision for one in moved],
        [one.recipient_id for one in moved],
        [one.request_id for one in moved],
    )


async def seconds_to_next(conn: Connection, now: datetime) -> float | None:
    """How long until the next message has waited too long."""
    seconds: float | None = await conn.fetchval(_NEXT, now)
    return seconds
