"""Mails: gathering, claiming, settling."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from chassis.database import Connection
from services.publisher.domain.letters import Item, Letter, Outcome
from services.publisher.domain.obligations import Obligation
from services.publisher.domain.policy import Policy
from services.publisher.domain.states import NotificationState, check_notification

_GATHER = """
INSERT INTO notifications AS n (notification_id, school_id, student_id, recipient_id, result_ids, value_revisions,
                                state, queued_at, send_after)
SELECT v.notification_id, v.school_id, v.student_id, v.recipient_id,
       string_to_array(v.result_ids, ',')::uuid[], string_to_array(v.value_revisions, ',')::bigint[], 'queued', $7, $8
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[])
    AS v (notification_id, school_id, student_id, recipient_id, result_ids, value_revisions)
ON CONFLICT (recipient_id, student_id) WHERE state = 'queued' DO UPDATE
SET result_ids = n.result_ids || excluded.result_ids, value_revisions = n.value_revisions || excluded.value_revisions
"""

# $1 is now, $2 whether the representatives' authority ends at 18: at the very midnight, whoever noticed it when.
_ALLOWED = """
SELECT FROM consents c
JOIN students s ON s.student_id = c.student_id
LEFT JOIN schools h ON h.school_id = s.school_id
WHERE c.student_id = n.student_id AND c.representative_id = n.recipient_id
  AND c.cabinet = 'given' AND c.email_decision = 'given' AND c.email IS NOT NULL AND NOT c.no_internet
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

_CLAIM = f"""
WITH found AS (
    SELECT n.notification_id, EXISTS ({_ALLOWED}) AS allowed FROM notifications n
    WHERE n.state IN ('queued', 'retry') AND n.send_after <= $1
    ORDER BY n.send_after LIMIT $4 FOR UPDATE OF n SKIP LOCKED
)
UPDATE notifications n
SET state = CASE WHEN found.allowed THEN 'claimed' ELSE 'cancelled' END,
    reason = CASE WHEN found.allowed THEN NULL ELSE 'no_consent' END,
    settled_at = CASE WHEN found.allowed THEN NULL ELSE $1 END,
    claimed_at = $1, claimed_by = $3, attempts = n.attempts + 1
FROM found WHERE n.notification_id = found.notification_id
RETURNING n.notification_id, n.state, n.school_id, n.student_id, n.recipient_id, n.attempts, n.result_ids,
          n.value_revisions
"""

_LETTERS = """
SELECT n.notification_id, c.email, c.language, s.given_name, h.name AS school_name, c.consent_id, c.revision
FROM notifications n
JOIN consents c ON c.student_id = n.student_id AND c.representative_id = n.recipient_id
JOIN students s ON s.student_id = n.student_id
LEFT JOIN schools h ON h.school_id = n.school_id
WHERE n.notification_id = ANY ($1::uuid[])
"""

# Only versions that are still the latest: what was corrected meanwhile is told by the correction's own mail.
_ITEMS = """
SELECT n.notification_id, r.result_id, r.value_revision, r.kind, r.state, r.subject_title, r.title, r.period_kind,
       r.period_number, r.value, r.score, r.max_score, r.deferred_until
FROM notifications n
CROSS JOIN LATERAL unnest(n.result_ids, n.value_revisions) AS i (result_id, value_revision)
JOIN results r ON r.result_id = i.result_id AND r.value_revision = i.value_revision AND r.state <> 'withdrawn'
WHERE n.notification_id = ANY ($1::uuid[])
ORDER BY r.subject_title, r.obtained_at, r.result_id
"""

_STANDING = f"""
SELECT n.state = 'claimed' AND n.claimed_by = $4 AS is_ours, EXISTS ({_ALLOWED}) AS allowed
FROM notifications n WHERE n.notification_id = $3
"""

_SETTLE = """
UPDATE notifications n
SET state = v.state, reason = v.reason, settled_at = $5,
    send_after = CASE WHEN v.state = 'retry' THEN $5::timestamptz + make_interval(secs => v.delay_seconds)
                      ELSE n.send_after END
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::float8[], $7::int[])
    AS v (notification_id, state, reason, delay_seconds, attempts)
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
    WHERE n.state = 'claimed' AND n.claimed_at < $2
      AND (NOT EXISTS (SELECT FROM mail_senders m WHERE m.sender_id = n.claimed_by AND m.seen_at >= $2)
           OR (n.claimed_by = $4 AND n.notification_id <> ALL ($5::uuid[])))
    ORDER BY n.claimed_at LIMIT $3 FOR UPDATE SKIP LOCKED
)
UPDATE notifications n SET state = 'undecided', reason = 'sender_lost', settled_at = $1
FROM found WHERE n.notification_id = found.notification_id
"""

_NEXT = """
SELECT extract(epoch FROM min(send_after) - $1)::float8 FROM notifications WHERE state IN ('queued', 'retry')
"""

_RESOLVE = """
UPDATE notifications
SET state = $2, reason = 'by_operator', settled_at = $3, send_after = CASE WHEN $2 = 'retry' THEN $3 ELSE send_after END
WHERE notification_id = $1 AND state = 'undecided'
"""

_LISTED = """
SELECT notification_id, school_id, student_id, recipient_id, state, reason, attempts, queued_at, claimed_at, settled_at
FROM notifications
WHERE state = ANY ($1::text[]) AND state IN ('undecided', 'failed')
  AND ($2::timestamptz IS NULL OR (settled_at, notification_id) > ($2, $3))
ORDER BY settled_at, notification_id LIMIT $4
"""


@dataclass(frozen=True, slots=True)
class Listed:
    """A mail that an operator should look at."""

    notification_id: UUID
    school_id: UUID
    student_id: UUID
    recipient_id: UUID
    state: str
    reason: str | None
    attempts: int
    queued_at: datetime
    claimed_at: datetime | None
    settled_at: datetime


async def gather(
    conn: Connection,
    mails: Mapping[tuple[UUID, UUID], Sequence[Obligation]],
    notification_ids: Sequence[UUID],
    now: datetime,
    send_after: datetime,
) -> None:
    """Puts results into the mail that is being gathered for their recipient and child, or begins one."""
    order = sorted(range(len(mails)), key=list(mails).__getitem__)
    parts = [list(mails.items())[index] for index in order]
    await conn.execute(
        _GATHER,
        [notification_ids[index] for index in order],
        [items[0].school_id for _, items in parts],
        [student_id for (student_id, _), _ in parts],
        [recipient_id for (_, recipient_id), _ in parts],
        [",".join(str(one.result_id) for one in items) for _, items in parts],
        [",".join(str(one.value_revision) for one in items) for _, items in parts],
        now,
        send_after,
    )


async def cancel_without_consent(
    conn: Connection, student_ids: Sequence[UUID], now: datetime, policy: Policy
) -> list[tuple[UUID, UUID]]:
    """Cancels unsent mails whose consent is no longer in force; returns student and recipient of each."""
    rows = await conn.fetch(_CANCEL_WITHOUT_CONSENT, now, policy.representation_ends_at_majority, student_ids)
    return [(row["student_id"], row["recipient_id"]) for row in rows]


async def claim(
    conn: Connection, sender_id: UUID, now: datetime, limit: int, policy: Policy
) -> tuple[list[Letter], int]:
    """Claims mails that are due; those without a consent in force are cancelled instead.

    Returns:
        The claimed letters (one whose results were all corrected or withdrawn has no items), and how many were
        cancelled.
    """
    rows = await conn.fetch(_CLAIM, now, policy.representation_ends_at_majority, sender_id, limit)
    claimed = [row for row in rows if row["state"] == "claimed"]
    ids = [row["notification_id"] for row in claimed]
    if not ids:
        return [], len(rows)
    addressed = {row["notification_id"]: row for row in await conn.fetch(_LETTERS, ids)}
    items: dict[UUID, list[Item]] = {}
    for row in await conn.fetch(_ITEMS, ids):
        items.setdefault(row["notification_id"], []).append(Item(*list(row)[1:]))
    return [
        Letter(
            row["notification_id"],
            row["school_id"],
            row["student_id"],
            row["recipient_id"],
            row["attempts"],
            addressed[row["notification_id"]]["email"],
            addressed[row["notification_id"]]["language"],
            addressed[row["notification_id"]]["given_name"] or "",
            addressed[row["notification_id"]]["school_name"] or "",
            addressed[row["notification_id"]]["consent_id"],
            addressed[row["notification_id"]]["revision"],
            now,
            tuple(items.get(row["notification_id"], ())),
        )
        for row in claimed
    ], len(rows) - len(claimed)


async def standing(
    conn: Connection, notification_id: UUID, sender_id: UUID, now: datetime, policy: Policy
) -> tuple[bool, bool]:
    """Whether a mail that was claimed a while ago is still this sender's, and whether its consent is still in force."""
    row = await conn.fetchrow(_STANDING, now, policy.representation_ends_at_majority, notification_id, sender_id)
    return (row["is_ours"], row["allowed"]) if row else (False, False)


async def settle(conn: Connection, sender_id: UUID, outcomes: Sequence[Outcome], now: datetime) -> set[UUID]:
    """Notes what became of mails that this sender had claimed; returns the ids of those that were still its own."""
    for one in outcomes:
        check_notification(NotificationState.CLAIMED, one.state)
    rows = await conn.fetch(
        _SETTLE,
        [one.letter.notification_id for one in outcomes],
        [one.state.value for one in outcomes],
        [one.reason for one in outcomes],
        [one.delay_seconds for one in outcomes],
        now,
        sender_id,
        [one.letter.attempts for one in outcomes],
    )
    return {row["notification_id"] for row in rows}


async def seen(conn: Connection, sender_id: UUID, now: datetime) -> None:
    """Notes that a sender's process is alive."""
    await conn.execute(_SEEN, sender_id, now)


async def abandoned(
    conn: Connection, now: datetime, older_than: timedelta, limit: int, *, mine: tuple[UUID, Sequence[UUID]]
) -> int:
    """Makes claims undecided that nobody works on any more; returns how many.

    Args:
        conn: the transaction.
        now: the present instant.
        older_than: how long a claim, or a process that has not been seen, is left alone.
        limit: of claims in one round.
        mine: the calling sender and the claims that it does work on.
    """
    count = int((await conn.execute(_ABANDONED, now, now - older_than, limit, *mine)).split()[-1])
    await conn.execute(_FORGET_SENDERS, now - 10 * older_than)
    return count


async def seconds_to_next(conn: Connection, now: datetime) -> float | None:
    """How long until a mail is due."""
    seconds: float | None = await conn.fetchval(_NEXT, now)
    return seconds


async def listed(
    conn: Connection,
    states: Sequence[NotificationState],
    *,
    after: tuple[datetime, UUID] | None = None,
    limit: int = 200,
) -> list[Listed]:
    """Mails that an operator should look at, oldest first."""
    instant, notification_id = after or (None, None)
    rows = await conn.fetch(_LISTED, [state.value for state in states], instant, notification_id, limit)
    return [Listed(*row) for row in rows]


async def resolve(conn: Connection, notification_id: UUID, state: NotificationState, now: datetime) -> bool:
    """Settles an undecided mail by an operator's word; false when it is not undecided."""
    check_notification(NotificationState.UNDECIDED, state)
    return (await conn.execute(_RESOLVE, notification_id, state.value, now)).endswith(" 1")
