"""What cabinet and print desk have said, and what the publisher has stated about it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.database import Connection
from contracts.extract_handed_over import ExtractHandedOver
from contracts.extract_printed import ExtractPrinted
from contracts.result_disclosed import Disclosure, ResultDisclosed
from contracts.values import Route
from services.publisher.domain.obligations import Key, Version
from services.publisher.domain.routes import Ground

# Not kept for an obligation that is met or superseded: there is nothing to wait for. A cancelled one may open again.
_KEEP_EARLY = """
INSERT INTO early_availability AS e (result_id, value_revision, recipient_id, route, student_id, school_id,
                                     available_at, consent_id, consent_revision, extract_number, received_at)
SELECT v.*, $11
FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::text[], $5::uuid[], $6::uuid[], $7::timestamptz[], $8::uuid[],
            $9::bigint[], $10::text[])
    AS v (result_id, value_revision, recipient_id, route, student_id, school_id, available_at, consent_id,
          consent_revision, extract_number)
WHERE NOT EXISTS (
    SELECT FROM obligations o
    WHERE o.result_id = v.result_id AND o.value_revision = v.value_revision AND o.recipient_id = v.recipient_id
      AND o.state IN ('available', 'superseded')
)
ON CONFLICT (result_id, value_revision, recipient_id, route) DO UPDATE
SET available_at = excluded.available_at, consent_id = excluded.consent_id,
    consent_revision = excluded.consent_revision, extract_number = excluded.extract_number
WHERE excluded.consent_revision > e.consent_revision
RETURNING result_id, value_revision, recipient_id
"""

_EARLY_OF_STUDENTS = """
SELECT * FROM early_availability WHERE student_id = ANY ($1::uuid[])
ORDER BY available_at, result_id, recipient_id
"""
_FORGET_EARLY = """
DELETE FROM early_availability e
USING unnest($1::uuid[], $2::bigint[], $3::uuid[]) AS v (result_id, value_revision, recipient_id)
WHERE e.result_id = v.result_id AND e.value_revision = v.value_revision AND e.recipient_id = v.recipient_id
"""
_FORGET_OLD = """
DELETE FROM early_availability WHERE ctid IN (
    SELECT ctid FROM early_availability WHERE received_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED
)
"""

_TAKE_PRINTED = """
INSERT INTO extracts AS e (extract_id, school_id, student_id, printed_revision)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[])
ON CONFLICT (extract_id) DO UPDATE SET printed_revision = excluded.printed_revision
WHERE excluded.printed_revision > e.printed_revision
RETURNING extract_id
"""
_TAKE_HANDED_OVER = """
INSERT INTO extracts AS e (extract_id, school_id, student_id, handed_over_revision)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[])
ON CONFLICT (extract_id) DO UPDATE SET handed_over_revision = excluded.handed_over_revision
WHERE excluded.handed_over_revision > e.handed_over_revision
RETURNING extract_id
"""

_NEXT_VERSIONS = """
INSERT INTO disclosure_versions AS d (result_id, value_revision, revision, school_id, student_id, changed_at)
SELECT v.result_id, v.value_revision, 1, v.school_id, v.student_id, $5
FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::uuid[])
    AS v (result_id, value_revision, school_id, student_id)
ON CONFLICT (result_id, value_revision) DO UPDATE SET revision = d.revision + 1, changed_at = excluded.changed_at
RETURNING result_id, value_revision, revision, school_id, student_id, changed_at
"""
_DISCLOSURES = """
SELECT o.result_id, o.value_revision, o.recipient_id, o.route, o.available_at, o.late
FROM unnest($1::uuid[], $2::bigint[]) AS v (result_id, value_revision)
CROSS JOIN LATERAL (
    SELECT * FROM obligations p
    WHERE p.result_id = v.result_id AND p.value_revision = v.value_revision AND p.state = 'available'
    OFFSET 0
) o
ORDER BY o.available_at, o.recipient_id
"""
_VERSIONS_AFTER = """
SELECT * FROM disclosure_versions WHERE (result_id, value_revision) > ($1, $2)
ORDER BY result_id, value_revision LIMIT $3
"""


@dataclass(frozen=True, slots=True)
class Early:
    """Something that was said about an obligation before it could count."""

    key: Key
    route: Route
    student_id: UUID
    school_id: UUID
    available_at: datetime
    ground: Ground | None
    extract_number: str | None


async def keep_early(conn: Connection, early: Sequence[Early], now: datetime) -> set[Key]:
    """Keeps what cannot count yet; returns what is new. What was said about a met or superseded one is not."""
    ordered = sorted(early, key=lambda one: (*one.key, one.route))
    rows = await conn.fetch(
        _KEEP_EARLY,
        [one.key[0] for one in ordered],
        [one.key[1] for one in ordered],
        [one.key[2] for one in ordered],
        [one.route.value for one in ordered],
        [one.student_id for one in ordered],
        [one.school_id for one in ordered],
        [one.available_at for one in ordered],
        [one.ground.consent_id if one.ground else None for one in ordered],
        [one.ground.revision if one.ground else None for one in ordered],
        [one.extract_number for one in ordered],
        now,
    )
    return {(row["result_id"], row["value_revision"], row["recipient_id"]) for row in rows}


async def early_of_students(conn: Connection, student_ids: Sequence[UUID]) -> list[Early]:
    """Everything that waits to count about students."""
    return [
        Early(
            (row["result_id"], row["value_revision"], row["recipient_id"]),
            Route(row["route"]),
            row["student_id"],
            row["school_id"],
            row["available_at"],
            Ground(row["consent_id"], row["consent_revision"]) if row["consent_id"] else None,
            row["extract_number"],
        )
        for row in await conn.fetch(_EARLY_OF_STUDENTS, student_ids)
    ]


async def forget_early(conn: Connection, keys: Sequence[Key]) -> None:
    """Removes what counts now."""
    await conn.execute(_FORGET_EARLY, [one[0] for one in keys], [one[1] for one in keys], [one[2] for one in keys])


async def forget_early_before(conn: Connection, instant: datetime, limit: int) -> int:
    """Removes what never came to count; returns how many."""
    return int((await conn.execute(_FORGET_OLD, instant, limit)).split()[-1])


async def take_printed(conn: Connection, events: Sequence[ExtractPrinted]) -> set[UUID]:
    """Notes the revisions of printed sheets; returns the ids of those that say something new."""
    return await _take(conn, _TAKE_PRINTED, events)


async def take_handed_over(conn: Connection, events: Sequence[ExtractHandedOver]) -> set[UUID]:
    """Notes the revisions of handed-over sheets; returns the ids of those that say something new."""
    return await _take(conn, _TAKE_HANDED_OVER, events)


async def _take(conn: Connection, query: str, events: Sequence[ExtractPrinted | ExtractHandedOver]) -> set[UUID]:
    ordered = sorted(events, key=lambda one: one.extract_id)
    rows = await conn.fetch(
        query,
        [one.extract_id for one in ordered],
        [one.school_id for one in ordered],
        [one.student_id for one in ordered],
        [one.revision for one in ordered],
    )
    return {row["extract_id"] for row in rows}


async def next_versions(
    conn: Connection, versions: Sequence[tuple[Version, UUID, UUID]], now: datetime
) -> list[ResultDisclosed]:
    """Counts up the disclosures of versions and tells, for each, everyone to whom it is available by now.

    Args:
        conn: the transaction that made them available.
        versions: each version once, with its school and student.
        now: the present instant.
    """
    ordered = sorted(versions, key=lambda one: one[0])
    rows = await conn.fetch(
        _NEXT_VERSIONS,
        [one[0][0] for one in ordered],
        [one[0][1] for one in ordered],
        [one[1] for one in ordered],
        [one[2] for one in ordered],
        now,
    )
    return await _tell(conn, rows)


async def versions_after(conn: Connection, after: Version, limit: int) -> list[ResultDisclosed]:
    """The last statement about each version, in the order of their ids."""
    return await _tell(conn, await conn.fetch(_VERSIONS_AFTER, *after, limit))


async def _tell(conn: Connection, rows: Sequence[Any]) -> list[ResultDisclosed]:
    told: dict[Version, list[Disclosure]] = {}
    results, revisions = [row["result_id"] for row in rows], [row["value_revision"] for row in rows]
    for row in await conn.fetch(_DISCLOSURES, results, revisions):
        told.setdefault((row["result_id"], row["value_revision"]), []).append(
            Disclosure(
                recipient_id=row["recipient_id"],
                route=Route(row["route"]),
                available_at=row["available_at"],
                late=row["late"],
            )
        )
    return [
        ResultDisclosed(
            revision=row["revision"],
            result_id=row["result_id"],
            value_revision=row["value_revision"],
            school_id=row["school_id"],
            student_id=row["student_id"],
            disclosures=told[row["result_id"], row["value_revision"]],
            changed_at=row["changed_at"],
        )
        for row in rows
    ]
