"""Consents: who agreed to what, how fresh the view of that is, and which take effect later."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from chassis.database import Connection
from contracts.consent_changed import ConsentChanged
from contracts.consent_heartbeat import ConsentHeartbeat

_CONSENTS_OF_STUDENTS = """
SELECT student_id, representative_id, consent_id, revision, decided_at,
       cabinet = 'given' AND effective_from <= $2 AS in_force
FROM consents WHERE student_id = ANY ($1::uuid[])
"""

_UPSERT_CONSENTS = """
INSERT INTO consents AS c (student_id, representative_id, consent_id, revision, school_id, cabinet, email_decision,
                           no_internet, email, language, decided_at, effective_from, authority, push_decision,
                           took_effect)
SELECT v.*, v.effective_from <= $15
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::uuid[], $6::text[], $7::text[], $8::boolean[],
            $9::text[], $10::text[], $11::timestamptz[], $12::timestamptz[], $13::text[], $14::text[])
    AS v (student_id, representative_id, consent_id, revision, school_id, cabinet, email_decision, no_internet, email,
          language, decided_at, effective_from, authority, push_decision)
ON CONFLICT (student_id, representative_id) DO UPDATE
SET consent_id = excluded.consent_id, revision = excluded.revision, school_id = excluded.school_id,
    cabinet = excluded.cabinet, email_decision = excluded.email_decision, no_internet = excluded.no_internet,
    email = excluded.email, language = excluded.language, decided_at = excluded.decided_at,
    effective_from = excluded.effective_from, authority = excluded.authority, took_effect = excluded.took_effect,
    push_decision = excluded.push_decision
WHERE (excluded.consent_id = c.consent_id AND excluded.revision > c.revision)
   OR (excluded.consent_id <> c.consent_id AND excluded.decided_at > c.decided_at)
"""

_HEAR = """
INSERT INTO consent_freshness AS f (partition, as_of, partitions)
SELECT * FROM unnest($1::integer[], $2::timestamptz[], $3::integer[])
ON CONFLICT (partition) DO UPDATE
SET as_of = greatest(f.as_of, excluded.as_of), partitions = excluded.partitions
"""

_CONSENTS_AS_OF = """
SELECT CASE WHEN count(*) >= max(f.partitions) THEN min(f.as_of) END AS as_of
FROM consent_freshness f
WHERE f.partition < (SELECT max(partitions) FROM consent_freshness)
"""

_TAKE_EFFECT = """
SELECT student_id, representative_id FROM consents WHERE NOT took_effect AND effective_from <= $1
ORDER BY effective_from LIMIT $2
"""

_TOOK_EFFECT = """
UPDATE consents SET took_effect = true
WHERE student_id = ANY ($1::uuid[]) AND NOT took_effect AND effective_from <= $2
"""

_NEXT_EFFECT = "SELECT extract(epoch FROM min(effective_from) - $1)::float8 FROM consents WHERE NOT took_effect"


@dataclass(frozen=True, slots=True)
class KnownConsent:
    """The consent of a pair as it stands in the database."""

    consent_id: UUID
    revision: int
    decided_at: datetime
    in_force: bool

    def is_older_than(self, event: ConsentChanged) -> bool:
        """Whether the event says something newer."""
        if event.consent_id == self.consent_id:
            return event.revision > self.revision
        return event.decided_at > self.decided_at


async def consents_of_students(
    conn: Connection, student_ids: Sequence[UUID], now: datetime
) -> dict[tuple[UUID, UUID], KnownConsent]:
    """The consents of students by (student, representative)."""
    rows = await conn.fetch(_CONSENTS_OF_STUDENTS, student_ids, now)
    return {
        (row["student_id"], row["representative_id"]): KnownConsent(
            row["consent_id"], row["revision"], row["decided_at"], row["in_force"]
        )
        for row in rows
    }


async def upsert_consents(conn: Connection, consents: Sequence[ConsentChanged], now: datetime) -> None:
    """Keeps the higher revision of each consent. An address is kept only while e-mail is consented."""
    emails = [one.contact.email if one.contact and one.decisions.email == "given" else None for one in consents]
    await conn.execute(
        _UPSERT_CONSENTS,
        [one.student_id for one in consents],
        [one.representative_id for one in consents],
        [one.consent_id for one in consents],
        [one.revision for one in consents],
        [one.school_id for one in consents],
        [one.decisions.cabinet for one in consents],
        [one.decisions.email for one in consents],
        [one.no_internet for one in consents],
        emails,
        [one.contact.language if one.contact else "ru" for one in consents],
        [one.decided_at for one in consents],
        [one.effective_from for one in consents],
        [one.authority for one in consents],
        [one.decisions.push for one in consents],
        now,
    )


async def hear_heartbeats(conn: Connection, beats: Sequence[ConsentHeartbeat]) -> None:
    """Notes up to which instant the view of consents is complete, by partition; never goes back."""
    ordered = sorted(beats, key=lambda one: one.partition)
    await conn.execute(
        _HEAR,
        [one.partition for one in ordered],
        [one.as_of for one in ordered],
        [one.partitions for one in ordered],
    )


async def consents_as_of(conn: Connection) -> datetime | None:
    """The instant up to which the view of consents is complete; None while a partition was never heard."""
    as_of: datetime | None = await conn.fetchval(_CONSENTS_AS_OF)
    return as_of


async def consents_fresh(conn: Connection, now: datetime, stale_after: timedelta) -> bool:
    """Whether the view of consents is recent enough for an electronic channel to be used (I2)."""
    as_of = await consents_as_of(conn)
    return as_of is not None and as_of >= now - stale_after


async def consents_to_take_effect(conn: Connection, now: datetime, limit: int) -> list[UUID]:
    """Students with a consent whose day has come."""
    return list({row["student_id"] for row in await conn.fetch(_TAKE_EFFECT, now, limit)})


async def mark_consents_in_effect(conn: Connection, student_ids: Sequence[UUID], now: datetime) -> None:
    """Notes that the routes follow these consents from now on."""
    await conn.execute(_TOOK_EFFECT, student_ids, now)


async def seconds_to_next_effect(conn: Connection, now: datetime) -> float | None:
    """How long until the next consent takes effect."""
    seconds: float | None = await conn.fetchval(_NEXT_EFFECT, now)
    return seconds
