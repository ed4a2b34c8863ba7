"""What people prefer, with the time zone of the child's school."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.database import Connection
from services.publisher.domain.policy import Policy
from services.publisher.domain.preferences import DEFAULT_ZONE, Channel, Kind, Mode, Preferences, QuietHours

_OF_PAIRS = """
SELECT v.student_id, v.recipient_id, p.revision, p.modes, p.quiet_from, p.quiet_until, p.digest_hour, p.digest_weekday,
       p.changed_at, h.time_zone
FROM unnest($1::uuid[], $2::uuid[]) AS v (student_id, recipient_id)
LEFT JOIN preferences p ON p.student_id = v.student_id AND p.recipient_id = v.recipient_id
LEFT JOIN students s ON s.student_id = v.student_id
LEFT JOIN schools h ON h.school_id = s.school_id
"""

_LOCK = """
SELECT revision FROM preferences WHERE recipient_id = $1 AND student_id = $2 FOR UPDATE
"""

_KEEP = """
INSERT INTO preferences AS p (recipient_id, student_id, revision, modes, quiet_from, quiet_until, digest_hour,
                              digest_weekday, changed_at)
VALUES ($1, $2, 1, $3, $4, $5, $6, $7, $8)
ON CONFLICT (recipient_id, student_id) DO UPDATE
SET revision = p.revision + 1, modes = excluded.modes, quiet_from = excluded.quiet_from,
    quiet_until = excluded.quiet_until, digest_hour = excluded.digest_hour, digest_weekday = excluded.digest_weekday,
    changed_at = excluded.changed_at
RETURNING revision
"""

# The same rule as that of `notifications._ALLOWED`, for each channel. $1 is now, $2 whether authority ends at 18.
_ALLOWED = """
SELECT v.student_id, v.recipient_id, c.school_id,
       c.email_decision = 'given' AND c.email IS NOT NULL
           AND NOT EXISTS (
               SELECT FROM suppressions x WHERE x.address_sha256 = c.email_sha256 AND x.lifted_at IS NULL)
           AND NOT EXISTS (
               SELECT FROM mail_unsubscribed u
               WHERE u.recipient_id = c.representative_id AND u.student_id = c.student_id AND u.ended_at IS NULL)
           AS email, c.push_decision = 'given'
           AND EXISTS (SELECT FROM push_subscriptions b WHERE b.person_id = c.representative_id) AS push
FROM unnest($3::uuid[], $4::uuid[]) AS v (student_id, recipient_id)
JOIN consents c ON c.student_id = v.student_id AND c.representative_id = v.recipient_id
JOIN students s ON s.student_id = c.student_id
LEFT JOIN schools h ON h.school_id = s.school_id
WHERE c.cabinet = 'given' AND NOT c.no_internet AND c.authority = 'in_force' AND c.effective_from <= $1
  AND s.erased_at IS NULL
  AND (c.representative_id = s.student_id OR (
      NOT ($2::boolean AND coalesce(
          s.adult_on <= ($1::timestamptz AT TIME ZONE coalesce(h.time_zone, 'Europe/Moscow'))::date, false))
      AND EXISTS (
          SELECT FROM representations p
          WHERE p.student_id = c.student_id AND p.representative_id = c.representative_id)))
"""

_KNOWN = """
SELECT EXISTS (SELECT FROM representations WHERE student_id = $1 AND representative_id = $2)
    OR EXISTS (SELECT FROM consents WHERE student_id = $1 AND representative_id = $2)
"""

_SCHOOLS = "SELECT student_id, school_id FROM students WHERE student_id = ANY ($1::uuid[]) AND school_id IS NOT NULL"

_FORGET = "DELETE FROM preferences WHERE recipient_id = ANY ($1::uuid[]) OR student_id = ANY ($1::uuid[])"

Pair = tuple[UUID, UUID]
"""A student and a recipient."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """When and how a recipient is to be told about a child."""

    preferences: Preferences
    zone: str

    def quiet(self, policy: Policy) -> QuietHours:
        """Their own quiet hours, or the district's."""
        return self.preferences.quiet or policy.quiet

    def digest_hour(self, policy: Policy) -> int:
        """Their own digest hour, or the district's."""
        chosen = self.preferences.digest_hour
        return policy.digest_hour if chosen is None else chosen

    def digest_weekday(self, policy: Policy) -> int:
        """Their own day of the weekly digest, or the district's."""
        return self.preferences.digest_weekday or policy.digest_weekday


async def of_pairs(conn: Connection, pairs: Iterable[Pair]) -> dict[Pair, Wishes]:
    """What each recipient wants about each child; the defaults where they chose nothing."""
    ordered = sorted(set(pairs))
    rows = await conn.fetch(_OF_PAIRS, [student for student, _ in ordered], [person for _, person in ordered])
    return {(row["student_id"], row["recipient_id"]): _wishes(row) for row in rows}


def _wishes(row: Any) -> Wishes:
    zone = row["time_zone"] or DEFAULT_ZONE
    if row["revision"] is None:
        return Wishes(Preferences(), zone)
    quiet = QuietHours(row["quiet_from"], row["quiet_until"]) if row["quiet_from"] is not None else None
    return Wishes(
        Preferences(
            read_modes(row["modes"]),
            quiet,
            row["digest_hour"],
            row["digest_weekday"],
            row["changed_at"],
            row["revision"],
        ),
        zone,
    )


def read_modes(stored: Mapping[str, Mapping[str, str]]) -> dict[tuple[Kind, Channel], Mode]:
    """Modes as they are stored: by kind, then by channel."""
    return {
        (Kind(kind), Channel(channel)): Mode(mode)
        for kind, channels in stored.items()
        for channel, mode in channels.items()
    }


def write_modes(modes: Mapping[tuple[Kind, Channel], Mode]) -> dict[str, dict[str, str]]:
    """The other way round."""
    stored: dict[str, dict[str, str]] = {}
    for (kind, channel), mode in sorted(modes.items()):
        stored.setdefault(kind.value, {})[channel.value] = mode.value
    return stored


async def channels_allowed(
    conn: Connection, pairs: Collection[Pair], now: datetime, policy: Policy
) -> dict[Pair, frozenset[Channel]]:
    """The channels that consent allows at this instant, by student and recipient; who has none is left out."""
    ordered = sorted(pairs)
    rows = await conn.fetch(
        _ALLOWED,
        now,
        policy.representation_ends_at_majority,
        [student for student, _ in ordered],
        [person for _, person in ordered],
    )
    found: dict[Pair, frozenset[Channel]] = {}
    for row in rows:
        allowed = frozenset(channel for channel in Channel if row[channel.value])
        if allowed:
            found[row["student_id"], row["recipient_id"]] = allowed
    return found


async def schools_of(conn: Connection, student_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """The school of each student who is known."""
    return {row["student_id"]: row["school_id"] for row in await conn.fetch(_SCHOOLS, sorted(set(student_ids)))}


async def knows(conn: Connection, pair: Pair) -> bool:
    """Whether a recipient (the second of the pair) has anything to do with a student (the first)."""
    known: bool = await conn.fetchval(_KNOWN, *pair)
    return known


async def lock(conn: Connection, recipient_id: UUID, student_id: UUID) -> int:
    """Locks a choice against others and returns its revision; 0 when nothing was chosen yet."""
    revision: int | None = await conn.fetchval(_LOCK, recipient_id, student_id)
    return revision or 0


async def keep(conn: Connection, pair: Pair, chosen: Preferences, now: datetime) -> int:
    """Keeps a whole choice; returns its revision."""
    student_id, recipient_id = pair
    quiet = chosen.quiet
    revision: int = await conn.fetchval(
        _KEEP,
        recipient_id,
        student_id,
        write_modes(chosen.modes),
        quiet.starts if quiet else None,
        quiet.ends if quiet else None,
        chosen.digest_hour,
        chosen.digest_weekday,
        now,
    )
    return revision


async def forget_people(conn: Connection, person_ids: Sequence[UUID]) -> None:
    """Removes what persons chose, and what was chosen about them."""
    await conn.execute(_FORGET, person_ids)
