"""The windows of digests, and what falls into them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from chassis.database import Connection
from contracts.consent_changed import ConsentChanged
from services.publisher.domain.digests import Window
from services.publisher.domain.preferences import Channel

_BEGIN = """
INSERT INTO digests (student_id, recipient_id, channel, due_at, daily_from, weekly_from)
SELECT student_id, recipient_id, channel, $4, $4, $4
FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS v (student_id, recipient_id, channel)
ON CONFLICT DO NOTHING
"""

_LOCK_DUE = """
SELECT student_id, recipient_id, channel, due_at, daily_from, weekly_from FROM digests
WHERE due_at <= $1 ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED
"""

# What was taken back is collected only for those who had been told of it.
_COLLECT = """
SELECT w.position, n.news_id, n.first_received_at < w.since AS told_before
FROM unnest($1::int[], $2::uuid[], $3::timestamptz[], $4::timestamptz[], $5::text[], $6::boolean[])
    AS w (position, student_id, since, until, kinds, untold_only)
CROSS JOIN LATERAL (
    SELECT * FROM news o
    WHERE o.student_id = w.student_id AND o.received_at >= w.since AND o.received_at < w.until
    UNION ALL
    SELECT g.* FROM group_members m
    JOIN news g ON g.group_id = m.group_id AND g.received_at >= w.since AND g.received_at < w.until
    WHERE m.student_id = w.student_id AND (g.only_students = '{}' OR w.student_id = ANY (g.only_students))
) n
WHERE n.kind = ANY (string_to_array(w.kinds, ',')) AND n.changed_at >= w.since - $7::interval
  AND (n.state = 'current' OR (n.first_received_at < w.since AND n.kind <> 'forecast'))
  AND NOT (w.untold_only AND n.told_at IS NOT NULL)
ORDER BY w.position, n.received_at, n.news_id
"""

_MOVE = """
UPDATE digests d SET due_at = v.due_at, daily_from = v.daily_from, weekly_from = v.weekly_from
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::timestamptz[])
    AS v (student_id, recipient_id, channel, due_at, daily_from, weekly_from)
WHERE d.student_id = v.student_id AND d.recipient_id = v.recipient_id AND d.channel = v.channel
"""

_NEXT = "SELECT extract(epoch FROM min(due_at) - $1)::float8 FROM digests"
_RESCHEDULE = "UPDATE digests SET due_at = $3 WHERE student_id = $1 AND recipient_id = $2"
_FORGET = "DELETE FROM digests WHERE student_id = ANY ($1::uuid[]) OR recipient_id = ANY ($1::uuid[])"


@dataclass(frozen=True, slots=True)
class Reading:
    """From where the next digest of a recipient about a child reads, by one channel."""

    student_id: UUID
    recipient_id: UUID
    channel: Channel
    due_at: datetime
    daily_from: datetime
    weekly_from: datetime

    @property
    def pair(self) -> tuple[UUID, UUID]:
        """The student and the recipient."""
        return self.student_id, self.recipient_id


@dataclass(frozen=True, slots=True)
class Found:
    """One thing that falls into a window."""

    news_id: UUID
    told_before: bool
    """It was known before the window began, so it was in an earlier digest."""


async def begin(conn: Connection, consents: Sequence[ConsentChanged], now: datetime) -> None:
    """Begins the digests of channels that were consented to; what was before is not told."""
    wanted = sorted(
        (one.student_id, one.representative_id, channel.value)
        for one in consents
        for channel, decision in ((Channel.EMAIL, one.decisions.email), (Channel.PUSH, one.decisions.push))
        if decision == "given"
    )
    if wanted:
        await conn.execute(_BEGIN, *map(list, zip(*wanted, strict=True)), now)


async def lock_due(conn: Connection, until: datetime, limit: int) -> list[Reading]:
    """Digests whose time has come."""
    return [
        Reading(
            row["student_id"],
            row["recipient_id"],
            Channel(row["channel"]),
            row["due_at"],
            row["daily_from"],
            row["weekly_from"],
        )
        for row in await conn.fetch(_LOCK_DUE, until, limit)
    ]


async def collect(
    conn: Connection, windows: Sequence[tuple[int, UUID, Window]], late: timedelta
) -> dict[int, list[Found]]:
    """What falls into windows, by the position that is given with each.

    Args:
        conn: the transaction.
        windows: position, student and window; positions may repeat.
        late: what the journal took so long before a window is no news.
    """
    rows = await conn.fetch(
        _COLLECT,
        [position for position, _, _ in windows],
        [student for _, student, _ in windows],
        [window.since for _, _, window in windows],
        [window.until for _, _, window in windows],
        [",".join(sorted(window.kinds)) for _, _, window in windows],
        [window.untold_only for _, _, window in windows],
        late,
    )
    found: dict[int, list[Found]] = {}
    for row in rows:
        found.setdefault(row["position"], []).append(Found(row["news_id"], row["told_before"]))
    return found


async def move(conn: Connection, readings: Sequence[Reading]) -> None:
    """Notes from where and when the next digests read."""
    await conn.execute(
        _MOVE,
        [one.student_id for one in readings],
        [one.recipient_id for one in readings],
        [one.channel.value for one in readings],
        [one.due_at for one in readings],
        [one.daily_from for one in readings],
        [one.weekly_from for one in readings],
    )


async def reschedule(conn: Connection, pair: tuple[UUID, UUID], at: datetime) -> None:
    """Has the next digests to a recipient about a child (given as student and recipient) made at another instant."""
    await conn.execute(_RESCHEDULE, *pair, at)


async def seconds_to_next(conn: Connection, now: datetime) -> float | None:
    """How long until a digest is due."""
    seconds: float | None = await conn.fetchval(_NEXT, now)
    return seconds


async def forget_people(conn: Connection, person_ids: Sequence[UUID]) -> None:
    """Ends the digests to and about persons."""
    await conn.execute(_FORGET, person_ids)
