"""Messages by every channel: gathering, claiming, settling."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from uuid import UUID

from chassis.database import Connection
from services.publisher.domain.letters import Item, Letter, NewsItem, Outcome, without_repetition
from services.publisher.domain.policy import Policy
from services.publisher.domain.preferences import DEFAULT_ZONE, Channel, Kind, QuietHours, send_at
from services.publisher.domain.states import NotificationState, check_notification

_GATHER = """
INSERT INTO notifications AS n (notification_id, school_id, student_id, recipient_id, channel, occasion, result_ids,
                                value_revisions, news_ids, corrected_ids, state, queued_at, send_after, deadline_at,
                                fall_at, fell_from)
SELECT v.notification_id, v.school_id, v.student_id, v.recipient_id, v.channel, v.occasion,
       string_to_array(v.result_ids, ',')::uuid[], string_to_array(v.value_revisions, ',')::bigint[],
       string_to_array(v.news_ids, ',')::uuid[], string_to_array(v.corrected_ids, ',')::uuid[], 'queued', $14,
       v.send_after, v.deadline_at, v.fall_at, v.fell_from
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],
            $10::text[], $11::timestamptz[], $12::timestamptz[], $13::timestamptz[], $15::uuid[])
    AS v (notification_id, school_id, student_id, recipient_id, channel, occasion, result_ids, value_revisions,
          news_ids, corrected_ids, send_after, deadline_at, fall_at, fell_from)
"""

# Into the message that is being gathered for the same recipient, child, channel and occasion, if there is one.
_GATHER_INTO = f"""{_GATHER}
ON CONFLICT (recipient_id, student_id, channel, occasion)
    WHERE state = 'queued' AND occasion <> 'digest' AND fell_from IS NULL DO UPDATE
SET result_ids = n.result_ids || excluded.result_ids, value_revisions = n.value_revisions || excluded.value_revisions,
    news_ids = n.news_ids || excluded.news_ids,
    -- What has not been sent yet in its first state is no correction in its second.
    corrected_ids = n.corrected_ids || ARRAY(SELECT unnest(excluded.corrected_ids) EXCEPT SELECT unnest(n.news_ids)),
    send_after = least(n.send_after, excluded.send_after), deadline_at = least(n.deadline_at, excluded.deadline_at),
    fall_at = least(n.fall_at, excluded.fall_at)
"""

# What has an id of its own once and for all: a digest, or what came in the place of a failed message.
_QUEUE_ONCE = f"""{_GATHER}
ON CONFLICT DO NOTHING RETURNING notification_id
"""

# $1 is now, $2 whether the representatives' authority ends at 18: at the very midnight, whoever noticed it when.
_ALLOWED = """
SELECT FROM consents c
JOIN students s ON s.student_id = c.student_id
LEFT JOIN schools h ON h.school_id = s.school_id
WHERE c.student_id = n.student_id AND c.representative_id = n.recipient_id
  AND c.cabinet = 'given' AND NOT c.no_internet AND c.authority = 'in_force'
  AND CASE n.channel WHEN 'push' THEN c.push_decision = 'given'
      ELSE c.email_decision = 'given' AND c.email IS NOT NULL END
  AND c.effective_from <= $1 AND s.erased_at IS NULL
  AND (c.representative_id = s.student_id OR (
      NOT ($2::boolean AND coalesce(
          s.adult_on <= ($1::timestamptz AT TIME ZONE coalesce(h.time_zone, 'Europe/Moscow'))::date, false))
      AND EXISTS (
          SELECT FROM representations p
          WHERE p.student_id = c.student_id AND p.representative_id = c.representative_id)))
"""

_CANCEL_WITHOUT_CONSENT = f"""
UPDATE notifications n SET state = 'cancelled', reason = 'no_consent', settled_at = $1
WHERE n.student_id = ANY ($3::uuid[]) AND n.state IN ('queued', 'retry') AND NOT EXISTS ({_ALLOWED})
RETURNING student_id, recipient_id
"""

_DUE = f"""
WITH n AS (
    SELECT notification_id, school_id, student_id, recipient_id, channel, occasion, attempts, deadline_at
    FROM notifications
    WHERE channel = $4 AND state IN ('queued', 'retry') AND send_after <= $1
      AND ($5::uuid[] IS NULL OR notification_id = ANY ($5))
    ORDER BY send_after LIMIT $3 FOR UPDATE SKIP LOCKED
)
SELECT n.*, EXISTS ({_ALLOWED}) AS allowed, a.email, a.language, a.consent_id, a.revision AS consent_revision,
       k.given_name, l.name AS school_name, l.time_zone, f.quiet_from, f.quiet_until
FROM n
LEFT JOIN consents a ON a.student_id = n.student_id AND a.representative_id = n.recipient_id
LEFT JOIN students k ON k.student_id = n.student_id
LEFT JOIN schools l ON l.school_id = n.school_id
LEFT JOIN preferences f ON f.student_id = n.student_id AND f.recipient_id = n.recipient_id
"""

_CLAIM = """
UPDATE notifications n
SET state = CASE WHEN v.allowed THEN 'claimed' ELSE 'cancelled' END,
    reason = CASE WHEN v.allowed THEN NULL ELSE 'no_consent' END,
    settled_at = CASE WHEN v.allowed THEN NULL ELSE $3::timestamptz END,
    claimed_at = $3, claimed_by = $4, attempts = n.attempts + 1
FROM unnest($1::uuid[], $2::boolean[]) AS v (notification_id, allowed)
WHERE n.notification_id = v.notification_id
"""

_PUT_OFF = """
UPDATE notifications n
SET send_after = v.send_after, fall_at = CASE WHEN n.fall_at IS NOT NULL THEN greatest(n.fall_at, v.fall_at) END
FROM unnest($1::uuid[], $2::timestamptz[], $3::timestamptz[]) AS v (notification_id, send_after, fall_at)
WHERE n.notification_id = v.notification_id
"""

# Only versions that are still the latest: what was corrected meanwhile is told by the correction's own message.
_ITEMS = """
SELECT n.notification_id, r.result_id, r.value_revision, r.kind, r.state, r.subject_title, r.title, r.period_kind,
       r.period_number, r.value, r.score, r.max_score, r.deferred_until,
       NOT r.after_deferral AND r.value_revision > 1 AND EXISTS (
           SELECT FROM obligations o
           WHERE o.result_id = r.result_id AND o.value_revision < r.value_revision
             AND o.recipient_id = n.recipient_id AND o.state = 'available') AS correction
FROM notifications n
CROSS JOIN LATERAL (
    SELECT DISTINCT * FROM unnest(n.result_ids, n.value_revisions) AS u (result_id, value_revision)
) i
JOIN results r ON r.result_id = i.result_id AND r.value_revision = i.value_revision AND r.state <> 'withdrawn'
WHERE n.notification_id = ANY ($1::uuid[])
ORDER BY r.subject_title, r.obtained_at, r.result_id
"""

# In their present state. What was taken back is told only to those who had been told of it.
_NEWS = """
SELECT n.notification_id, w.news_id, w.revision, w.kind, w.on_day, w.state,
       w.news_id = ANY (n.corrected_ids) AND w.kind <> 'forecast' AS correction, w.content, w.changed_at
FROM notifications n
JOIN news w ON w.news_id = ANY (n.news_ids)
WHERE n.notification_id = ANY ($1::uuid[])
  AND (w.state = 'current' OR (w.news_id = ANY (n.corrected_ids) AND w.kind <> 'forecast'))
  -- Whom it concerns may have changed since the message was queued.
  AND (w.student_id = n.student_id OR (
      (w.only_students = '{}' OR n.student_id = ANY (w.only_students)) AND EXISTS (
          SELECT FROM group_members m WHERE m.group_id = w.group_id AND m.student_id = n.student_id)))
ORDER BY w.on_day, w.received_at, w.news_id
"""

_STANDING = f"""
SELECT n.state = 'claimed' AND n.claimed_by = $4 AS is_ours, EXISTS ({_ALLOWED}) AS allowed
FROM notifications n WHERE n.notification_id = $3
"""

_SETTLE = """
UPDATE notifications n
SET state = v.state, reason = v.reason, settled_at = $5,
    send_after = CASE WHEN v.state = 'retry' THEN v.send_after ELSE n.send_after END,
    -- Empty in v: quiet hours moved nothing. Empty in n: there is no next channel, and greatest would not keep that.
    fall_at = CASE WHEN v.state = 'retry' AND n.fall_at IS NOT NULL THEN greatest(n.fall_at, v.fall_at)
              ELSE n.fall_at END
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $7::int[], $8::timestamptz[])
    AS v (notification_id, state, reason, send_after, attempts, fall_at)
WHERE n.notification_id = v.notification_id AND n.claimed_by = $6 AND n.state IN ('claimed', 'undecided')
  -- A settlement that is repeated must not touch a later claim by the same process.
  AND n.attempts = v.attempts
RETURNING n.notification_id
"""

_SEEN = """
INSERT INTO mail_senders (sender_id, seen_at) VALUES ($1, $2)
ON CONFLICT (sender_id) DO UPDATE SET seen_at = excluded.seen_at
"""
_FORGET_SENDERS = """
DELETE FROM mail_senders m WHERE m.seen_at < $1
  AND NOT EXISTS (SELECT FROM notifications n WHERE n.state = 'claimed' AND n.claimed_by = m.sender_id)
"""

_ABANDONED = """
WITH found AS (
    SELECT n.notification_id FROM notifications n
    WHERE n.state = 'claimed' AND n.claimed_at < $2 AND n.channel = $6
      AND (NOT EXISTS (SELECT FROM mail_senders m WHERE m.sender_id = n.claimed_by AND m.seen_at >= $2)
           OR (n.claimed_by = $4 AND n.notification_id <> ALL ($5::uuid[])))
    ORDER BY n.claimed_at LIMIT $3 FOR UPDATE SKIP LOCKED
)
UPDATE notifications n SET state = 'undecided', reason = 'sender_lost', settled_at = $1
FROM found WHERE n.notification_id = found.notification_id
"""

_NEXT = """
SELECT extract(epoch FROM min(send_after) - $1)::float8 FROM notifications
WHERE state IN ('queued', 'retry') AND channel = $2
"""


@dataclass(frozen=True, slots=True)
class Draft:
    """A message that is to be queued."""

    notification_id: UUID
    school_id: UUID
    student_id: UUID
    recipient_id: UUID
    channel: Channel
    occasion: str
    send_after: datetime
    versions: tuple[tuple[UUID, int], ...] = ()
    """Results and the revisions of their values."""
    news_ids: tuple[UUID, ...] = ()
    corrected_ids: tuple[UUID, ...] = ()
    """Those news of which something else was told before."""
    deadline_at: datetime | None = None
    fall_at: datetime | None = None
    """Unsent by then, the next channel takes over."""
    fell_from: UUID | None = None


async def gather(conn: Connection, drafts: Sequence[Draft], now: datetime) -> None:
    """Puts what is to be told into the messages that are being gathered for the same people, or begins new ones."""
    if drafts:
        await conn.execute(_GATHER_INTO, *_columns(drafts, now))


async def queue_once(conn: Connection, drafts: Sequence[Draft], now: datetime) -> set[UUID]:
    """Queues messages of which there can be one only; returns the ids of those that were not there yet."""
    if not drafts:
        return set()
    return {row["notification_id"] for row in await conn.fetch(_QUEUE_ONCE, *_columns(drafts, now))}


def _columns(drafts: Sequence[Draft], now: datetime) -> tuple[Any, ...]:
    ordered = sorted(drafts, key=lambda one: (one.recipient_id, one.student_id, one.channel, one.notification_id))
    return (
        [one.notification_id for one in ordered],
        [one.school_id for one in ordered],
        [one.student_id for one in ordered],
        [one.recipient_id for one in ordered],
        [one.channel.value for one in ordered],
        [one.occasion for one in ordered],
        # Arrays of arrays must be rectangular in PostgreSQL, and messages are of different lengths.
        [",".join(str(result) for result, _ in one.versions) for one in ordered],
        [",".join(str(number) for _, number in one.versions) for one in ordered],
        [",".join(map(str, one.news_ids)) for one in ordered],
        [",".join(map(str, one.corrected_ids)) for one in ordered],
        [one.send_after for one in ordered],
        [one.deadline_at for one in ordered],
        [one.fall_at for one in ordered],
        now,
        [one.fell_from for one in ordered],
    )


async def cancel_without_consent(
    conn: Connection, student_ids: Sequence[UUID], now: datetime, policy: Policy
) -> list[tuple[UUID, UUID]]:
    """Cancels unsent messages whose consent is no longer in force; returns student and recipient of each."""
    rows = await conn.fetch(_CANCEL_WITHOUT_CONSENT, now, policy.representation_ends_at_majority, student_ids)
    return [(row["student_id"], row["recipient_id"]) for row in rows]


async def claim(
    conn: Connection,
    sender_id: UUID,
    now: datetime,
    limit: int,
    policy: Policy,
    *,
    channel: str = "email",
    among: Sequence[UUID] | None = None,
) -> tuple[list[Letter], int]:
    """Claims messages of a channel that are due; those without a consent in force are cancelled instead.

    What would come in the recipient's quiet hours is put off to their end, unless its deadline comes first.

    Args:
        conn: the transaction.
        sender_id: who claims.
        now: the present instant.
        limit: of messages.
        policy: the district's settings.
        channel: `email` or `push`.
        among: only of these, when the channel has chosen before; all that are due otherwise.

    Returns:
        The claimed letters (one whose contents were all corrected or withdrawn is empty), and how many were cancelled.
    """
    rows = await conn.fetch(_DUE, now, policy.representation_ends_at_majority, limit, channel, among)
    waiting = [(row, at) for row in rows if row["allowed"] and (at := _wait(row, now, policy)) > now]
    if waiting:
        ids, instants = [row["notification_id"] for row, _ in waiting], [at for _, at in waiting]
        await conn.execute(_PUT_OFF, ids, instants, [policy.fall_at(at, row["deadline_at"]) for row, at in waiting])
    put_off = {row["notification_id"] for row, _ in waiting}
    taken = [row for row in rows if row["notification_id"] not in put_off]
    if taken:
        ids, allowed = [row["notification_id"] for row in taken], [row["allowed"] for row in taken]
        await conn.execute(_CLAIM, ids, allowed, now, sender_id)
    claimed = [row for row in taken if row["allowed"]]
    items = await _items(conn, [row["notification_id"] for row in claimed if row["occasion"] == "results"])
    news = await _news(conn, [row["notification_id"] for row in claimed if row["occasion"] != "results"])
    letters = [_letter(row, now, policy, items, news) for row in claimed]
    return letters, len(taken) - len(claimed)


def quiet_of(quiet_from: time | None, quiet_until: time | None, policy: Policy) -> QuietHours:
    """A recipient's quiet hours: their own, or the district's."""
    return policy.quiet if quiet_from is None or quiet_until is None else QuietHours(quiet_from, quiet_until)


def _wait(row: Any, now: datetime, policy: Policy) -> datetime:
    return send_at(
        now,
        zone=row["time_zone"] or DEFAULT_ZONE,
        quiet=quiet_of(row["quiet_from"], row["quiet_until"], policy),
        deadline=row["deadline_at"],
        deadline_lead=policy.quiet_break_lead,
    )


def _letter(
    row: Any, now: datetime, policy: Policy, items: dict[UUID, list[Item]], news: dict[UUID, list[NewsItem]]
) -> Letter:
    return Letter(
        notification_id=row["notification_id"],
        school_id=row["school_id"],
        student_id=row["student_id"],
        recipient_id=row["recipient_id"],
        attempts=row["attempts"] + 1,
        email=row["email"],
        language=row["language"],
        given_name=row["given_name"] or "",
        school_name=row["school_name"] or "",
        consent_id=row["consent_id"],
        consent_revision=row["consent_revision"],
        claimed_at=now,
        items=tuple(items.get(row["notification_id"], ())),
        channel=row["channel"],
        occasion=row["occasion"],
        news=tuple(news.get(row["notification_id"], ())),
        deadline_at=row["deadline_at"],
        zone=row["time_zone"] or DEFAULT_ZONE,
        quiet=quiet_of(row["quiet_from"], row["quiet_until"], policy),
    )


async def _items(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, list[Item]]:
    items: dict[UUID, list[Item]] = {}
    for row in await conn.fetch(_ITEMS, ids) if ids else ():
        items.setdefault(row["notification_id"], []).append(Item(*list(row)[1:]))
    return items


async def _news(conn: Connection, ids: Sequence[UUID]) -> dict[UUID, list[NewsItem]]:
    news: dict[UUID, list[NewsItem]] = {}
    for row in await conn.fetch(_NEWS, ids) if ids else ():
        item = NewsItem(
            row["news_id"],
            row["revision"],
            Kind(row["kind"]),
            row["on_day"],
            row["state"],
            row["correction"],
            row["content"],
            row["changed_at"],
        )
        news.setdefault(row["notification_id"], []).append(item)
    return {notification_id: without_repetition(found) for notification_id, found in news.items()}


async def standing(
    conn: Connection, notification_id: UUID, sender_id: UUID, now: datetime, policy: Policy
) -> tuple[bool, bool]:
    """Whether a message claimed a while ago is still this sender's, and whether its consent is still in force."""
    row = await conn.fetchrow(_STANDING, now, policy.representation_ends_at_majority, notification_id, sender_id)
    return (row["is_ours"], row["allowed"]) if row else (False, False)


async def settle(
    conn: Connection, sender_id: UUID, outcomes: Sequence[Outcome], now: datetime, policy: Policy
) -> set[UUID]:
    """Notes what became of messages that this sender had claimed; returns the ids of those that were still its own.

    A retry that would come in quiet hours waits for their end, and so does its falling. What failed falls to the next
    channel by itself (`falling_back`).
    """
    for one in outcomes:
        check_notification(NotificationState.CLAIMED, one.state)
    again = [_again_at(one, now, policy) for one in outcomes]
    rows = await conn.fetch(
        _SETTLE,
        [one.letter.notification_id for one in outcomes],
        [one.state.value for one in outcomes],
        [one.reason for one in outcomes],
        [at for at, _ in again],
        now,
        sender_id,
        [one.letter.attempts for one in outcomes],
        [fall_at for _, fall_at in again],
    )
    return {row["notification_id"] for row in rows}


def _again_at(outcome: Outcome, now: datetime, policy: Policy) -> tuple[datetime, datetime | None]:
    """When a message is tried again, and when it then falls at the earliest, if quiet hours put the attempt off."""
    letter = outcome.letter
    wanted = now + timedelta(seconds=outcome.delay_seconds)
    again = send_at(
        wanted,
        zone=letter.zone,
        quiet=letter.quiet,
        deadline=letter.deadline_at,
        deadline_lead=policy.quiet_break_lead,
    )
    return again, policy.fall_at(again, letter.deadline_at) if again > wanted else None


async def seen(conn: Connection, sender_id: UUID, now: datetime) -> None:
    """Notes that a sender's process is alive."""
    await conn.execute(_SEEN, sender_id, now)


async def abandoned(
    conn: Connection,
    now: datetime,
    older_than: timedelta,
    limit: int,
    *,
    mine: tuple[UUID, Sequence[UUID]],
    channel: str = "email",
) -> int:
    """Makes claims undecided that nobody works on any more; returns how many.

    Args:
        conn: the transaction.
        now: the present instant.
        older_than: how long a claim, or a process that has not been seen, is left alone.
        limit: of claims in one round.
        mine: the calling sender and the claims that it does work on.
        channel: whose claims.
    """
    count = int((await conn.execute(_ABANDONED, now, now - older_than, limit, *mine, channel)).split()[-1])
    await conn.execute(_FORGET_SENDERS, now - 10 * older_than)
    return count


async def seconds_to_next(conn: Connection, now: datetime, *, channel: str = "email") -> float | None:
    """How long until a message of a channel is due."""
    seconds: float | None = await conn.fetchval(_NEXT, now, channel)
    return seconds
