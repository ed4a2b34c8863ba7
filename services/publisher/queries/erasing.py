"""SQL of erasing what the publisher holds about a person, and of what it said about that."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from chassis.database import Connection
from contracts.data_erased import Erased, Kept, PublisherDataErased

_DONE = "SELECT erasure_id FROM erasures_done WHERE erasure_id = ANY ($1::uuid[])"
_NOTE = """
INSERT INTO erasures_done (erasure_id, person_id, erased, kept, erased_at) VALUES ($1, $2, $3::jsonb, $4::jsonb, $5)
"""
_AFTER = """
SELECT erasure_id, person_id, erased, kept, erased_at FROM erasures_done
WHERE erasure_id > $1 ORDER BY erasure_id LIMIT $2
"""

# What another consent in force still covers stays: the person may have several children. What the pair's own consent
# said before the revision that ended it covers nothing: that revision may not have come yet.
_SUBSCRIPTIONS = """
DELETE FROM push_subscriptions AS p WHERE p.person_id = $1 AND ($2 OR NOT EXISTS (
    SELECT FROM consents AS c WHERE c.representative_id = $1 AND c.cabinet = 'given' AND c.push_decision = 'given'
        AND NOT (c.student_id = $3 AND c.revision < $4)
))
"""
_SUBSCRIPTIONS_LEFT = "SELECT count(*) FROM push_subscriptions WHERE person_id = $1"
_ADDRESS = """
UPDATE consents SET email = NULL, language = 'ru'
WHERE representative_id = $1 AND student_id = $2 AND (cabinet <> 'given' OR revision < $3)
    AND (email IS NOT NULL OR language <> 'ru')
"""
_PREFERENCES = """
DELETE FROM preferences AS p WHERE p.recipient_id = $1 AND p.student_id = $2 AND NOT EXISTS (
    SELECT FROM consents AS c WHERE c.representative_id = $1 AND c.student_id = $2 AND c.cabinet = 'given'
        AND c.revision >= $3
)
"""
_DIGESTS = """
DELETE FROM digests AS d WHERE d.recipient_id = $1 AND d.student_id = $2 AND NOT EXISTS (
    SELECT FROM consents AS c WHERE c.representative_id = $1 AND c.student_id = $2 AND c.cabinet = 'given'
        AND CASE d.channel WHEN 'email' THEN c.email_decision ELSE c.push_decision END = 'given'
        AND c.revision >= CASE d.channel WHEN 'email' THEN $3::bigint ELSE $4 END
)
"""
_UNSUBSCRIBED = """
DELETE FROM mail_unsubscribed AS u WHERE u.recipient_id = $1 AND u.student_id = $2 AND NOT EXISTS (
    SELECT FROM consents AS c WHERE c.representative_id = $1 AND c.student_id = $2 AND c.cabinet = 'given'
        AND c.revision >= $3
)
"""
_UNSUBSCRIBED_OF_PERSON = "DELETE FROM mail_unsubscribed WHERE recipient_id = $1 OR student_id = $1"
# Digests of addresses to which the person's mails went. One that somebody's consent names now stays: a mail to it would
# bounce again.
_DIGESTS_OF_ADDRESSES = """
WITH theirs AS (
    SELECT notification_id FROM notifications
    WHERE recipient_id = $1 AND ($2::uuid IS NULL OR student_id = $2)
), suppressed AS (
    DELETE FROM suppressions AS s USING theirs AS t
    WHERE s.notification_id = t.notification_id AND NOT EXISTS (
        SELECT FROM consents AS c WHERE c.email_sha256 = s.address_sha256
    ) RETURNING 1
), bounced AS (
    DELETE FROM bounces AS b USING theirs AS t
    WHERE b.notification_id = t.notification_id AND NOT EXISTS (
        SELECT FROM consents AS c WHERE c.email_sha256 = b.address_sha256
    ) RETURNING 1
), delivered AS (
    DELETE FROM mail_deliveries AS d USING theirs AS t
    WHERE d.notification_id = t.notification_id AND NOT EXISTS (
        SELECT FROM consents AS c WHERE c.email_sha256 = d.address_sha256
    ) RETURNING 1
)
SELECT (SELECT count(*) FROM suppressed) + (SELECT count(*) FROM bounced) + (SELECT count(*) FROM delivered)
"""
_PREFERENCES_OF_PERSON = "DELETE FROM preferences WHERE recipient_id = $1 OR student_id = $1"
_DIGESTS_OF_PERSON = "DELETE FROM digests WHERE recipient_id = $1 OR student_id = $1"
_NEWS_OF_PERSON = "DELETE FROM news WHERE student_id = $1"
_PERSONAL = """
SELECT (SELECT count(*) FROM consents WHERE representative_id = $1 OR student_id = $1) AS consents,
    (SELECT count(*) FROM students WHERE student_id = $1 AND given_name IS NOT NULL) AS names,
    (SELECT count(*) FROM results WHERE student_id = $1 AND subject_title <> '') AS results
"""
_PROOFS = """
SELECT (
        SELECT count(*) FROM results AS r JOIN obligations AS o USING (result_id)
        WHERE r.student_id = ANY ($2::uuid[]) AND (o.recipient_id = $1 OR o.student_id = $1)
    ) AS obligations,
    (SELECT count(*) FROM notification_log WHERE recipient_id = $1 OR student_id = $1) AS notifications
"""


@dataclass(frozen=True, slots=True)
class Ended:
    """The revision of the pair's consent by which each purpose ended; 0 where it did not, or it is not known."""

    cabinet: int
    email: int
    push: int


@dataclass(frozen=True, slots=True)
class Personal:
    """How much of what is personal there is about a person."""

    consents: int
    names: int
    results: int


@dataclass(frozen=True, slots=True)
class Proofs:
    """Lines of ids and instants that prove what was told to whom."""

    obligations: int
    notifications: int


def _count(status: str) -> int:
    return int(status.rsplit(maxsplit=1)[-1])


async def done(conn: Connection, erasure_ids: Sequence[UUID]) -> set[UUID]:
    """Which of these were carried out."""
    return {row["erasure_id"] for row in await conn.fetch(_DONE, erasure_ids)}


async def note(conn: Connection, event: PublisherDataErased) -> None:
    """Keeps what was said about an erasure."""
    said = event.model_dump(mode="json")
    await conn.execute(_NOTE, event.erasure_id, event.person_id, said["erased"], said["kept"], event.erased_at)


async def after(conn: Connection, erasure_id: UUID, limit: int) -> list[PublisherDataErased]:
    """What was said, by id, for replay."""
    rows = await conn.fetch(_AFTER, erasure_id, limit)
    return [PublisherDataErased.model_validate({"revision": 1, **dict(row)}) for row in rows]


async def subscriptions(conn: Connection, person_id: UUID, student_id: UUID, ended: Ended) -> int:
    """Deletes a person's push subscriptions if no consent in force covers them; returns how many."""
    return _count(await conn.execute(_SUBSCRIPTIONS, person_id, False, student_id, ended.push))


async def all_subscriptions(conn: Connection, person_id: UUID) -> int:
    """Deletes a person's push subscriptions, whatever covers them; returns how many."""
    return _count(await conn.execute(_SUBSCRIPTIONS, person_id, True, None, 0))


async def subscriptions_left(conn: Connection, person_id: UUID) -> int:
    """How many subscriptions a person has."""
    left: int = await conn.fetchval(_SUBSCRIPTIONS_LEFT, person_id)
    return left


async def address(conn: Connection, person_id: UUID, student_id: UUID, ended: Ended) -> int:
    """Erases address and language of a consent that is not given."""
    return _count(await conn.execute(_ADDRESS, person_id, student_id, ended.email))


async def settings_of_pair(conn: Connection, person_id: UUID, student_id: UUID, ended: Ended) -> int:
    """Deletes preferences and waiting digests about a child, unless a consent in force covers them."""
    deleted = _count(await conn.execute(_PREFERENCES, person_id, student_id, ended.cabinet))
    deleted += _count(await conn.execute(_UNSUBSCRIBED, person_id, student_id, ended.cabinet))
    return deleted + _count(await conn.execute(_DIGESTS, person_id, student_id, ended.email, ended.push))


async def settings_of_person(conn: Connection, person_id: UUID) -> int:
    """Deletes all preferences and waiting digests of or about a person."""
    deleted = _count(await conn.execute(_PREFERENCES_OF_PERSON, person_id))
    deleted += _count(await conn.execute(_UNSUBSCRIBED_OF_PERSON, person_id))
    return deleted + _count(await conn.execute(_DIGESTS_OF_PERSON, person_id))


async def digests_of_addresses(conn: Connection, person_id: UUID, student_id: UUID | None) -> int:
    """Deletes digests of addresses to which mails of the person went, about a child or all; returns how many rows."""
    deleted: int = await conn.fetchval(_DIGESTS_OF_ADDRESSES, person_id, student_id)
    return deleted


async def news(conn: Connection, student_id: UUID) -> int:
    """Deletes news about a student."""
    return _count(await conn.execute(_NEWS_OF_PERSON, student_id))


async def personal(conn: Connection, person_id: UUID) -> Personal:
    """What is personal about a person before it is erased."""
    return Personal(**dict((await conn.fetch(_PERSONAL, person_id))[0]))


async def proofs(conn: Connection, person_id: UUID, student_ids: Sequence[UUID]) -> Proofs:
    """What stays as proof of what was told to or about the person, as far as it concerns these students."""
    return Proofs(**dict((await conn.fetch(_PROOFS, person_id, student_ids))[0]))


def counted(erased: dict[str, int], kept: dict[tuple[str, str], int]) -> tuple[list[Erased], list[Kept]]:
    """The parts of a confirmation: categories of which there was something."""
    return (
        [Erased(category=category, count=count) for category, count in erased.items() if count],
        [Kept(category=category, count=count, ground=ground) for (category, ground), count in kept.items() if count],
    )
