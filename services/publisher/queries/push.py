"""Push subscriptions, what push services answered, and claims that are repeated."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from chassis.database import Connection

_OWNER = """
SELECT subscription_id, person_id, p256dh = $2 AND auth = $3 AS same_browser
FROM push_subscriptions WHERE endpoint_sha256 = sha256(convert_to($1, 'UTF8')) FOR UPDATE
"""

# One endpoint is one browser; whoever of a family signs in there last is told there.
_SUBSCRIBE = """
INSERT INTO push_subscriptions AS s (subscription_id, person_id, endpoint, endpoint_sha256, origin, p256dh, auth,
                                     created_at, confirmed_at)
VALUES ($1, $2, $3, sha256(convert_to($3, 'UTF8')), $4, $5, $6, $7, $7)
ON CONFLICT (endpoint_sha256) DO UPDATE
SET person_id = excluded.person_id, p256dh = excluded.p256dh, auth = excluded.auth,
    confirmed_at = excluded.confirmed_at, paused_until = NULL, paused_reason = NULL
RETURNING subscription_id
"""

_KEEP_NEWEST = """
DELETE FROM push_subscriptions WHERE subscription_id IN (
    SELECT subscription_id FROM push_subscriptions WHERE person_id = $1
    ORDER BY confirmed_at DESC, subscription_id OFFSET $2
)
"""

# A person with a consent for push for any child, and who has not been erased.
_MAY_SUBSCRIBE = """
SELECT EXISTS (
    SELECT FROM consents WHERE representative_id = $1 AND cabinet = 'given' AND push_decision = 'given'
)
"""

_OF_PERSON = """
SELECT subscription_id, origin, created_at, confirmed_at, accepted_at, last_outcome, paused_until
FROM push_subscriptions WHERE person_id = $1 ORDER BY confirmed_at DESC, subscription_id
"""

_UNSUBSCRIBE = """
DELETE FROM push_subscriptions WHERE person_id = $1 AND ($2::uuid IS NULL OR subscription_id = $2)
"""

_FORGET = "DELETE FROM push_subscriptions WHERE person_id = ANY ($1::uuid[]) RETURNING person_id"

_SUBSCRIPTIONS = """
SELECT s.person_id, s.subscription_id, s.endpoint, s.p256dh, s.auth, s.paused_until, s.paused_reason,
       o.suspended_until
FROM push_subscriptions s
LEFT JOIN push_origins o ON o.origin = s.origin AND o.vapid_key = $2
WHERE s.person_id = ANY ($1::uuid[])
ORDER BY s.person_id, s.subscription_id
"""

_DELIVERED = """
INSERT INTO push_deliveries (notification_id, attempt, subscription_id, outcome, status, at)
SELECT v.*, $6 FROM unnest($1::uuid[], $2::int[], $3::uuid[], $4::text[], $5::smallint[])
    AS v (notification_id, attempt, subscription_id, outcome, status)
ON CONFLICT DO NOTHING
"""

_GONE = "DELETE FROM push_subscriptions WHERE subscription_id = ANY ($1::uuid[]) AND confirmed_at <= $2"

_LEARN = """
WITH told AS (
    SELECT v.* FROM unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::text[])
        AS v (subscription_id, outcome, paused_until, paused_reason)
    ORDER BY subscription_id
), found AS (
    SELECT s.subscription_id FROM push_subscriptions s WHERE s.subscription_id = ANY ($1::uuid[])
    ORDER BY s.subscription_id FOR UPDATE
)
UPDATE push_subscriptions s
SET last_outcome = t.outcome, last_outcome_at = $5, paused_until = t.paused_until, paused_reason = t.paused_reason,
    accepted_at = CASE WHEN t.outcome = 'accepted' THEN $5 ELSE s.accepted_at END
FROM told t JOIN found USING (subscription_id) WHERE s.subscription_id = t.subscription_id
"""

_ORIGINS = """
SELECT origin, accepted_at, suspended_until FROM push_origins WHERE origin = ANY ($1::text[]) AND vapid_key = $2
"""

_ACCEPTED = """
INSERT INTO push_origins AS o (origin, vapid_key, accepted_at)
SELECT origin, $2, $3 FROM unnest($1::text[]) AS origin ORDER BY origin
ON CONFLICT (origin) DO UPDATE
SET vapid_key = excluded.vapid_key, accepted_at = excluded.accepted_at,
    suspended_until = NULL, suspended_reason = NULL, suspended_at = NULL
"""

_SUSPEND = """
INSERT INTO push_origins AS o (origin, vapid_key, suspended_until, suspended_reason, suspended_at)
SELECT v.origin, $3, $4, v.reason, $5 FROM unnest($1::text[], $2::text[]) AS v (origin, reason) ORDER BY v.origin
ON CONFLICT (origin) DO UPDATE
SET vapid_key = excluded.vapid_key, suspended_until = excluded.suspended_until,
    suspended_reason = excluded.suspended_reason, suspended_at = excluded.suspended_at,
    accepted_at = CASE WHEN o.vapid_key = excluded.vapid_key THEN o.accepted_at END
"""

# `attempts` goes on counting, so that what kills its senders ends as a failure and falls to the next channel.
_REPEAT_ABANDONED = """
WITH found AS (
    SELECT n.notification_id FROM notifications n
    WHERE n.channel = 'push' AND n.state = 'claimed' AND n.claimed_at < $2
      AND (NOT EXISTS (SELECT FROM mail_senders m WHERE m.sender_id = n.claimed_by AND m.seen_at >= $2)
           OR (n.claimed_by = $4 AND n.notification_id <> ALL ($5::uuid[])))
    ORDER BY n.claimed_at LIMIT $3 FOR UPDATE SKIP LOCKED
)
UPDATE notifications n
SET state = CASE WHEN n.attempts < $6 THEN 'retry' ELSE 'failed' END,
    reason = CASE WHEN n.attempts < $6 THEN 'sender_lost' ELSE 'too_many_attempts_sender_lost' END,
    settled_at = $1, send_after = $1
FROM found WHERE n.notification_id = found.notification_id
"""

_FORGET_DELIVERIES = """
DELETE FROM push_deliveries WHERE ctid = ANY (ARRAY(SELECT ctid FROM push_deliveries WHERE at < $1 LIMIT $2))
"""

_MEASURE = """
SELECT (SELECT count(*) FROM push_subscriptions) AS subscriptions,
       (SELECT count(*) FROM push_subscriptions WHERE paused_until > $1) AS paused,
       (SELECT count(*) FROM push_origins WHERE suspended_until > $1 AND vapid_key = $2) AS suspended
"""


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose an endpoint is."""

    subscription_id: UUID
    person_id: UUID
    same_browser: bool
    """Whether the keys are those that are kept."""


@dataclass(frozen=True, slots=True)
class NewSubscription:
    """A browser that a person wants to be told by."""

    subscription_id: UUID
    person_id: UUID
    endpoint: str = field(repr=False)
    origin: str
    p256dh: bytes = field(repr=False)
    auth: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Listed:
    """A subscription as it may be shown: without its address."""

    subscription_id: UUID
    origin: str
    created_at: datetime
    confirmed_at: datetime
    accepted_at: datetime | None
    last_outcome: str | None
    paused_until: datetime | None


@dataclass(frozen=True, slots=True)
class Subscription:
    """A browser to which a message may be sent."""

    person_id: UUID
    subscription_id: UUID
    endpoint: str = field(repr=False)
    p256dh: bytes = field(repr=False)
    auth: bytes = field(repr=False)
    paused_until: datetime | None
    paused_reason: str | None
    suspended_until: datetime | None
    """Of its push service under our present key."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What an answer says about a subscription."""

    subscription_id: UUID
    outcome: str
    paused_until: datetime | None = None
    paused_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Origin:
    """What is known of a push service under our present key."""

    origin: str
    accepted_at: datetime | None
    suspended_until: datetime | None


@dataclass(frozen=True, slots=True)
class Measured:
    """How many subscriptions there are, how many are paused, and how many push services are suspended."""

    subscriptions: int
    paused: int
    suspended: int


async def lock_owner(conn: Connection, endpoint: str, p256dh: bytes, auth: bytes) -> Owner | None:
    """Whose an endpoint is so far; it stays so until the transaction ends."""
    row = await conn.fetchrow(_OWNER, endpoint, p256dh, auth)
    return Owner(*row) if row else None


async def subscribe(conn: Connection, new: NewSubscription, now: datetime) -> tuple[UUID, bool]:
    """Keeps a subscription, or confirms the one that has this endpoint; returns its id and whether it is new."""
    row = await conn.fetchrow(
        _SUBSCRIBE, new.subscription_id, new.person_id, new.endpoint, new.origin, new.p256dh, new.auth, now
    )
    assert row is not None  # noqa: S101 - an upsert without a condition returns its row
    return row["subscription_id"], row["subscription_id"] == new.subscription_id


async def keep_newest(conn: Connection, person_id: UUID, count: int) -> int:
    """Forgets all but the subscriptions of a person that were confirmed last; returns how many went."""
    return int((await conn.execute(_KEEP_NEWEST, person_id, count)).split()[-1])


async def may_subscribe(conn: Connection, person_id: UUID) -> bool:
    """Whether there is a consent that an endpoint of this person would serve."""
    allowed: bool = await conn.fetchval(_MAY_SUBSCRIBE, person_id)
    return allowed


async def of_person(conn: Connection, person_id: UUID) -> list[Listed]:
    """A person's subscriptions, the last confirmed first."""
    return [Listed(*row) for row in await conn.fetch(_OF_PERSON, person_id)]


async def unsubscribe(conn: Connection, person_id: UUID, subscription_id: UUID | None = None) -> int:
    """Forgets one subscription of a person, or all; returns how many there were."""
    return int((await conn.execute(_UNSUBSCRIBE, person_id, subscription_id)).split()[-1])


async def forget_people(conn: Connection, person_ids: Sequence[UUID]) -> int:
    """Erases the subscriptions of persons; returns how many there were.

    What is left of them in the record of deliveries is an id that leads nowhere.
    """
    return len(await conn.fetch(_FORGET, person_ids))


async def subscriptions_of(conn: Connection, person_ids: Sequence[UUID], vapid_key: str) -> list[Subscription]:
    """Every subscription of these persons, also those that are paused or whose push service is suspended."""
    return [Subscription(*row) for row in await conn.fetch(_SUBSCRIPTIONS, person_ids, vapid_key)]


async def delivered(
    conn: Connection, deliveries: Sequence[tuple[UUID, int, UUID, str, int | None]], now: datetime
) -> None:
    """Notes what became of messages at each browser: notification, attempt, subscription, outcome, status."""
    await conn.execute(_DELIVERED, *(list(column) for column in zip(*deliveries, strict=True)), now)


async def gone(conn: Connection, subscription_ids: Sequence[UUID], sent_at: datetime) -> int:
    """Forgets browsers that are unsubscribed; not one that has subscribed again since. Returns how many."""
    return int((await conn.execute(_GONE, subscription_ids, sent_at)).split()[-1])


async def learn(conn: Connection, learned: Sequence[Learned], now: datetime) -> None:
    """Notes the last outcome at each browser, and until when it is to be left alone."""
    await conn.execute(
        _LEARN,
        [one.subscription_id for one in learned],
        [one.outcome for one in learned],
        [one.paused_until for one in learned],
        [one.paused_reason for one in learned],
        now,
    )


async def origins(conn: Connection, names: Sequence[str], vapid_key: str) -> dict[str, Origin]:
    """What is known of push services under a key."""
    return {row["origin"]: Origin(*row) for row in await conn.fetch(_ORIGINS, names, vapid_key)}


async def accepted(conn: Connection, names: Sequence[str], vapid_key: str, now: datetime) -> None:
    """Notes that push services take messages under this key, which ends a suspension."""
    await conn.execute(_ACCEPTED, names, vapid_key, now)


async def suspend(
    conn: Connection, reasons: Sequence[tuple[str, str]], vapid_key: str, until: datetime, now: datetime
) -> None:
    """Suspends push services that refuse this key: origin and reason of each."""
    await conn.execute(_SUSPEND, [name for name, _ in reasons], [why for _, why in reasons], vapid_key, until, now)


async def repeat_abandoned(
    conn: Connection,
    now: datetime,
    older_than: timedelta,
    limit: int,
    *,
    mine: tuple[UUID, Sequence[UUID]],
    max_attempts: int,
) -> int:
    """Puts claims back into the queue that nobody works on any more, or fails them; returns how many.

    Args:
        conn: the transaction.
        now: the present instant.
        older_than: how long a claim, or a process that has not been seen, is left alone.
        limit: of claims in one round.
        mine: the calling sender and the claims that it does work on.
        max_attempts: after so many a message has failed: it may be what its senders die of.
    """
    done = await conn.execute(_REPEAT_ABANDONED, now, now - older_than, limit, *mine, max_attempts)
    return int(done.split()[-1])


async def forget_deliveries_before(conn: Connection, instant: datetime, limit: int) -> int:
    """Prunes the record of deliveries; returns how many went."""
    return int((await conn.execute(_FORGET_DELIVERIES, instant, limit)).split()[-1])


async def measure(conn: Connection, now: datetime, vapid_key: str) -> Measured:
    """Counts for the gauges."""
    row = await conn.fetchrow(_MEASURE, now, vapid_key)
    assert row is not None  # noqa: S101 - it has no FROM
    return Measured(*row)
