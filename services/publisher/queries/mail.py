"""Mails beyond their claim: providers' buckets, bounces, suppressed addresses, and who ended their mails."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.database import Connection
from services.publisher.mail.providers import Provider

_DUE = """
SELECT n.notification_id, c.email,
       EXISTS (
           SELECT FROM suppressions x WHERE x.address_sha256 = c.email_sha256 AND x.lifted_at IS NULL
       ) AS suppressed,
       EXISTS (
           SELECT FROM mail_unsubscribed u
           WHERE u.recipient_id = n.recipient_id AND u.student_id = n.student_id AND u.ended_at IS NULL
       ) AS unsubscribed
FROM notifications n
LEFT JOIN consents c ON c.student_id = n.student_id AND c.representative_id = n.recipient_id
WHERE n.channel = 'email' AND n.state IN ('queued', 'retry') AND n.send_after <= $1
ORDER BY n.send_after LIMIT $2 FOR UPDATE OF n SKIP LOCKED
"""

# The tokens that have come together since the bucket was last looked at, at most those of one second.
_FILLED = """least(greatest(1, excluded.rate),
                    p.tokens + greatest(0, extract(epoch FROM excluded.filled_at - p.filled_at)) * excluded.rate)"""
_GIVEN = f"""(CASE WHEN p.paused_until > excluded.filled_at THEN 0
                   ELSE least(excluded.granted, floor({_FILLED})) END)"""
# One transaction asks at a time, since it may ask more than once: two of them would wait for each other's buckets.
_LOCK_BUCKETS = "SELECT pg_advisory_xact_lock(hashtextextended('mail_providers', 0))"
_ASK = f"""
INSERT INTO mail_providers AS p (provider, rate, tokens, filled_at, granted)
SELECT v.provider, v.rate, greatest(1, v.rate) - least(v.wanted, floor(greatest(1, v.rate))), $4,
       least(v.wanted, floor(greatest(1, v.rate)))
FROM unnest($1::text[], $2::int[], $3::float8[]) AS v (provider, wanted, rate)
ON CONFLICT (provider) DO UPDATE
SET rate = excluded.rate, granted = {_GIVEN}, tokens = {_FILLED} - {_GIVEN},
    filled_at = greatest(p.filled_at, excluded.filled_at)
RETURNING provider, granted, paused_until, queue_until
"""
_QUEUE_UP = "UPDATE mail_providers SET queue_until = $2 WHERE provider = $1"
_PUT_OFF = """
UPDATE notifications n SET send_after = v.send_after
FROM unnest($1::uuid[], $2::timestamptz[]) AS v (notification_id, send_after)
WHERE n.notification_id = v.notification_id AND n.state IN ('queued', 'retry')
"""

# Those that were sent before the pause began may be refused during it: that says nothing new.
_PAUSE = """
INSERT INTO mail_providers AS p (provider, rate, tokens, filled_at, paused_until, pause_seconds)
VALUES ($1, 1, 0, $2, $2::timestamptz + make_interval(secs => $3), $3)
ON CONFLICT (provider) DO UPDATE
SET pause_seconds = least($4::float8, CASE WHEN p.paused_until > $2::timestamptz - make_interval(secs => $4)
                                           THEN greatest($3::float8, 2 * p.pause_seconds) ELSE $3::float8 END),
    paused_until = $2::timestamptz + make_interval(
        secs => least($4::float8, CASE WHEN p.paused_until > $2::timestamptz - make_interval(secs => $4)
                                       THEN greatest($3::float8, 2 * p.pause_seconds) ELSE $3::float8 END))
WHERE p.paused_until IS NULL OR p.paused_until <= $2
RETURNING pause_seconds
"""

_FAIL_SUPPRESSED = """
UPDATE notifications SET state = 'failed', reason = 'address_suppressed', settled_at = $2
WHERE notification_id = ANY ($1::uuid[]) AND state IN ('queued', 'retry')
"""
# Whoever ends their mails has the screen; but what came here because a push had failed goes on to paper.
_END_UNSUBSCRIBED = """
UPDATE notifications
SET state = CASE WHEN occasion = 'results' AND fell_from IS NOT NULL THEN 'failed' ELSE 'cancelled' END,
    reason = 'unsubscribed', settled_at = $2
WHERE notification_id = ANY ($1::uuid[]) AND state IN ('queued', 'retry')
"""
_FAIL_WAITING_OF_ADDRESS = """
UPDATE notifications n SET state = 'failed', reason = 'address_suppressed', settled_at = $2
FROM consents c
WHERE c.email_sha256 = $1 AND n.student_id = c.student_id AND n.recipient_id = c.representative_id
  AND n.channel = 'email' AND n.state IN ('queued', 'retry')
"""

_DELIVERED = """
INSERT INTO mail_deliveries (notification_id, school_id, address_sha256, accepted_at)
SELECT v.notification_id, v.school_id, v.address_sha256, $4
FROM unnest($1::uuid[], $2::uuid[], $3::bytea[]) AS v (notification_id, school_id, address_sha256)
ON CONFLICT (notification_id) DO NOTHING
"""
_MAIL = """
SELECT n.notification_id, n.school_id, n.student_id, n.recipient_id, n.state, d.address_sha256
FROM notifications n
LEFT JOIN mail_deliveries d ON d.notification_id = n.notification_id
WHERE n.notification_id = $1 AND n.channel = 'email' FOR UPDATE OF n
"""
_FAIL_SENT = """
UPDATE notifications SET state = 'failed', reason = $2, settled_at = $3
WHERE notification_id = $1 AND state IN ('sent', 'undecided')
"""
_BOUNCED = """
INSERT INTO bounces (notification_id, digest, school_id, address_sha256, severity, status, way, received_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (notification_id, digest) DO NOTHING
"""
# One mail that several servers complain about counts once. What was before the last lift does not count any more.
_COUNT_BOUNCES = """
SELECT count(DISTINCT b.notification_id) FROM bounces b
WHERE b.address_sha256 = $1 AND b.severity = $2 AND b.received_at > $3
  AND b.received_at > coalesce(
      (SELECT max(x.lifted_at) FROM suppressions x WHERE x.address_sha256 = $1), '-infinity'::timestamptz)
"""
_SUPPRESS = """
INSERT INTO suppressions (address_sha256, since, reason, status, notification_id) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (address_sha256) WHERE lifted_at IS NULL DO NOTHING
"""
_LIFT = """
UPDATE suppressions SET lifted_at = greatest($2, since), lifted_by = $3, lifted_why = $4
WHERE address_sha256 = $1 AND lifted_at IS NULL
"""
_SUPPRESSED = """
SELECT x.address_sha256, x.since, x.reason, x.status, x.notification_id, c.student_id,
       c.representative_id AS recipient_id, c.school_id
FROM suppressions x
LEFT JOIN consents c ON c.email_sha256 = x.address_sha256
WHERE x.lifted_at IS NULL ORDER BY x.since, x.address_sha256, c.student_id, c.representative_id
"""
_CHANNELS = """
SELECT c.student_id, c.email_decision = 'given' AND c.email IS NOT NULL AS has_email, x.since, x.reason, x.status,
       u.unsubscribed_at
FROM consents c
LEFT JOIN suppressions x ON x.address_sha256 = c.email_sha256 AND x.lifted_at IS NULL
LEFT JOIN mail_unsubscribed u
    ON u.recipient_id = c.representative_id AND u.student_id = c.student_id AND u.ended_at IS NULL
WHERE c.representative_id = $1 ORDER BY c.student_id
"""

_SCHOOL_OF_PAIR = """
SELECT coalesce(
    (SELECT school_id FROM consents WHERE representative_id = $1 AND student_id = $2),
    (SELECT school_id FROM notifications WHERE recipient_id = $1 AND student_id = $2 ORDER BY queued_at DESC LIMIT 1))
"""
_LOCK_PAIR = (
    "SELECT pg_advisory_xact_lock(hashtextextended('mail_unsubscribed:' || $1::uuid::text || $2::uuid::text, 0))"
)
_IS_UNSUBSCRIBED = """
SELECT EXISTS (SELECT FROM mail_unsubscribed WHERE recipient_id = $1 AND student_id = $2 AND ended_at IS NULL)
"""
_WAITING_OF_PAIR = """
SELECT notification_id FROM notifications
WHERE recipient_id = $1 AND student_id = $2 AND channel = 'email' AND state IN ('queued', 'retry') FOR UPDATE
"""
_UNSUBSCRIBE = """
INSERT INTO mail_unsubscribed (recipient_id, student_id, unsubscribed_at, way, mails_cancelled)
VALUES ($1, $2, $3, $4, $5)
"""
_RESUBSCRIBE = """
UPDATE mail_unsubscribed SET ended_at = greatest($3, unsubscribed_at)
WHERE recipient_id = $1 AND student_id = $2 AND ended_at IS NULL
"""
_UNSUBSCRIBED_PAIRS = """
SELECT student_id, recipient_id FROM mail_unsubscribed WHERE student_id = ANY ($1::uuid[]) AND ended_at IS NULL
"""

_FORGET_DELIVERIES = """
DELETE FROM mail_deliveries WHERE notification_id IN (
    SELECT notification_id FROM mail_deliveries WHERE accepted_at < $1 ORDER BY accepted_at LIMIT $2
    FOR UPDATE SKIP LOCKED
)
"""
_FORGET_BOUNCES = """
DELETE FROM bounces WHERE (notification_id, digest) IN (
    SELECT notification_id, digest FROM bounces WHERE received_at < $1 ORDER BY received_at LIMIT $2
    FOR UPDATE SKIP LOCKED
)
"""
_FORGET_PROVIDERS = "DELETE FROM mail_providers WHERE filled_at < $1 AND (paused_until IS NULL OR paused_until < $1)"
# A digest that nobody's address has any more is of no use, and still somebody's.
_FORGET_SUPPRESSIONS = """
DELETE FROM suppressions x
WHERE x.since < $1 AND NOT EXISTS (SELECT FROM consents c WHERE c.email_sha256 = x.address_sha256)
"""
_FORGET_PEOPLE = "DELETE FROM mail_unsubscribed WHERE recipient_id = ANY ($1::uuid[]) OR student_id = ANY ($1::uuid[])"


@dataclass(frozen=True, slots=True)
class DueMail:
    """A mail that is due and locked by this transaction."""

    notification_id: UUID
    email: str | None
    suppressed: bool
    unsubscribed: bool


@dataclass(frozen=True, slots=True)
class Bucket:
    """What a provider's bucket gave."""

    granted: int
    paused_until: datetime | None
    queue_until: datetime | None


@dataclass(frozen=True, slots=True)
class KnownMail:
    """A mail that a bounce is about."""

    notification_id: UUID
    school_id: UUID
    student_id: UUID
    recipient_id: UUID
    state: str
    address_sha256: bytes | None
    """None when the mail was never accepted, or so long ago that this is forgotten."""


@dataclass(frozen=True, slots=True)
class Suppressed:
    """An address that takes no mails, and about whom they would be; nobody when nobody has the address any more."""

    address_sha256: bytes
    since: datetime
    reason: str
    status: str
    notification_id: UUID
    student_id: UUID | None
    recipient_id: UUID | None
    school_id: UUID | None


@dataclass(frozen=True, slots=True)
class ChannelState:
    """How a recipient stands with mails about one child."""

    student_id: UUID
    has_email: bool
    suppressed_since: datetime | None
    suppressed_reason: Any
    """One of `bounces.Severity`, by a CHECK of the table."""
    suppressed_status: str | None
    unsubscribed_at: datetime | None


async def due(conn: Connection, now: datetime, limit: int) -> list[DueMail]:
    """Locks mails that are due, the longest waiting first; those that another sender has in hand are left out."""
    return [DueMail(*row) for row in await conn.fetch(_DUE, now, limit)]


async def ask(conn: Connection, wanted: Mapping[Provider, int], now: datetime) -> dict[str, Bucket]:
    """Takes up to so many tokens from each provider's bucket; the buckets are locked until the transaction ends."""
    await conn.execute(_LOCK_BUCKETS)
    rows = await conn.fetch(
        _ASK, [one.name for one in wanted], list(wanted.values()), [one.rate for one in wanted], now
    )
    return {row["provider"]: Bucket(*list(row)[1:]) for row in rows}


async def queue_up(conn: Connection, provider: str, until: datetime) -> None:
    """Notes when the last of the mails that wait for a provider has its turn."""
    await conn.execute(_QUEUE_UP, provider, until)


async def put_off(conn: Connection, turns: Mapping[UUID, datetime]) -> None:
    """Lets mails wait, as they are, for a later turn."""
    await conn.execute(_PUT_OFF, list(turns), list(turns.values()))


async def pause(
    conn: Connection, provider: str, now: datetime, *, base_seconds: float, max_seconds: float
) -> float | None:
    """Leaves a provider alone for a while, twice as long when the last pause was not long ago.

    Returns:
        For how many seconds; None when it is left alone already.
    """
    await conn.execute(_LOCK_BUCKETS)
    seconds: float | None = await conn.fetchval(_PAUSE, provider, now, base_seconds, max_seconds)
    return seconds


async def fail_suppressed(conn: Connection, notification_ids: Sequence[UUID], now: datetime) -> int:
    """Fails mails that wait for an address which takes nothing, so that they go another way; returns how many."""
    return _count(await conn.execute(_FAIL_SUPPRESSED, notification_ids, now))


async def end_unsubscribed(conn: Connection, notification_ids: Sequence[UUID], now: datetime) -> int:
    """Ends mails that wait and whose recipient wants none any more; returns how many."""
    return _count(await conn.execute(_END_UNSUBSCRIBED, notification_ids, now))


async def fail_waiting_of_address(conn: Connection, address_sha256: bytes, now: datetime) -> int:
    """Fails all mails that wait for an address, so that they go another way; returns how many."""
    return _count(await conn.execute(_FAIL_WAITING_OF_ADDRESS, address_sha256, now))


async def delivered(conn: Connection, mails: Sequence[tuple[UUID, UUID, bytes]], now: datetime) -> None:
    """Notes to which address (a digest) accepted mails went: notification, school, digest."""
    await conn.execute(_DELIVERED, *([one[part] for one in mails] for part in range(3)), now)


async def known_mail(conn: Connection, notification_id: UUID) -> KnownMail | None:
    """The mail that a bounce speaks of, locked."""
    row = await conn.fetchrow(_MAIL, notification_id)
    return None if row is None else KnownMail(*row)


async def fail_sent(conn: Connection, notification_id: UUID, reason: str, now: datetime) -> bool:
    """Fails a mail that was accepted and came back; false when it was not in that state."""
    return _count(await conn.execute(_FAIL_SENT, notification_id, reason, now)) == 1


async def bounced(
    conn: Connection, mail: KnownMail, address_sha256: bytes, what: tuple[bytes, str, str, str], now: datetime
) -> bool:
    """Notes a bounce; false when the same one is known.

    Args:
        conn: the transaction.
        mail: that bounced.
        address_sha256: of the address that it went to.
        what: digest of the report, severity, status, way in.
        now: the present instant.
    """
    digest, severity, status, way = what
    done = await conn.execute(
        _BOUNCED, mail.notification_id, digest, mail.school_id, address_sha256, severity, status, way, now
    )
    return _count(done) == 1


async def count_bounces(conn: Connection, address_sha256: bytes, severity: str, since: datetime) -> int:
    """How many mails to an address bounced like this since an instant."""
    return int(await conn.fetchval(_COUNT_BOUNCES, address_sha256, severity, since))


async def suppress(
    conn: Connection, address_sha256: bytes, now: datetime, *, reason: str, status: str, notification_id: UUID
) -> bool:
    """Ends mails to an address; false when they had ended."""
    return _count(await conn.execute(_SUPPRESS, address_sha256, now, reason, status, notification_id)) == 1


async def lift(conn: Connection, address_sha256: bytes, now: datetime, *, by: str, why: str) -> bool:
    """Lets mails go to an address again; false when it was not suppressed."""
    return _count(await conn.execute(_LIFT, address_sha256, now, by, why)) == 1


async def suppressed(conn: Connection) -> list[Suppressed]:
    """All addresses that take no mails, the longest first; one line for each recipient and child concerned."""
    return [Suppressed(*row) for row in await conn.fetch(_SUPPRESSED)]


async def channels(conn: Connection, recipient_id: UUID) -> list[ChannelState]:
    """How a recipient stands with mails, child by child."""
    return [ChannelState(*row) for row in await conn.fetch(_CHANNELS, recipient_id)]


async def unsubscribe(
    conn: Connection, recipient_id: UUID, student_id: UUID, now: datetime, *, way: str
) -> tuple[UUID, int] | None:
    """Ends the mails to a recipient about a child; what waits is cancelled.

    Returns:
        The school, and how many mails were cancelled. None when nothing changed: they had ended, or nobody of these
        ids is known.
    """
    await conn.execute(_LOCK_PAIR, recipient_id, student_id)
    if await conn.fetchval(_IS_UNSUBSCRIBED, recipient_id, student_id):
        return None
    school_id: UUID | None = await conn.fetchval(_SCHOOL_OF_PAIR, recipient_id, student_id)
    if school_id is None:
        return None
    waiting = [row["notification_id"] for row in await conn.fetch(_WAITING_OF_PAIR, recipient_id, student_id)]
    cancelled = await end_unsubscribed(conn, waiting, now)
    await conn.execute(_UNSUBSCRIBE, recipient_id, student_id, now, way, cancelled)
    return school_id, cancelled


async def resubscribe(conn: Connection, recipient_id: UUID, student_id: UUID, now: datetime) -> bool:
    """Lets mails go to a recipient again, by their own word; false when they had not ended."""
    return _count(await conn.execute(_RESUBSCRIBE, recipient_id, student_id, now)) == 1


async def unsubscribed_pairs(conn: Connection, student_ids: Sequence[UUID]) -> set[tuple[UUID, UUID]]:
    """Student and recipient of those who ended their mails."""
    return {(row["student_id"], row["recipient_id"]) for row in await conn.fetch(_UNSUBSCRIBED_PAIRS, student_ids)}


async def forget_before(conn: Connection, before: datetime, limit: int) -> int:
    """Deletes what is only needed while bounces may still come; returns how many rows."""
    done = [
        await conn.execute(_FORGET_DELIVERIES, before, limit),
        await conn.execute(_FORGET_BOUNCES, before, limit),
        await conn.execute(_FORGET_SUPPRESSIONS, before),
        await conn.execute(_FORGET_PROVIDERS, before),
    ]
    return sum(_count(one) for one in done)


async def forget_people(conn: Connection, person_ids: Sequence[UUID]) -> None:
    """Persons were erased: what they chose goes, too. Digests of addresses go once no consent has the address."""
    await conn.execute(_FORGET_PEOPLE, person_ids)


def _count(status: str) -> int:
    return int(status.rpartition(" ")[2])
