"""Results: the latest version of each, and which still have to be told to whom."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.database import Connection
from contracts.values import DISCLOSURE_TERM
from services.publisher.domain.letters import result_kind
from services.publisher.domain.obligations import Due, Key, Version
from services.publisher.domain.preferences import Kind
from services.publisher.domain.results import Result

_UPSERT = """
INSERT INTO results AS r (result_id, revision, value_revision, school_id, student_id, kind, state, subject_title, title,
                          period_kind, period_number, value, score, max_score, deferred_until, held, obtained_at,
                          recorded_at, opened_revision)
SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::text[],
                     $9::text[], $10::text[], $11::smallint[], $12::text[], $13::numeric[], $14::numeric[],
                     $15::date[], $16::boolean[], $17::timestamptz[], $18::timestamptz[], $19::bigint[])
ON CONFLICT (result_id) DO UPDATE
SET revision = excluded.revision, value_revision = excluded.value_revision, school_id = excluded.school_id,
    student_id = excluded.student_id, kind = excluded.kind, state = excluded.state,
    subject_title = excluded.subject_title, title = excluded.title, period_kind = excluded.period_kind,
    period_number = excluded.period_number, value = excluded.value, score = excluded.score,
    max_score = excluded.max_score, deferred_until = excluded.deferred_until, held = excluded.held,
    obtained_at = excluded.obtained_at, recorded_at = excluded.recorded_at,
    opened_revision = excluded.opened_revision,
    after_deferral = CASE WHEN excluded.value_revision = r.value_revision THEN r.after_deferral
                          ELSE r.state = 'deferred' END
WHERE excluded.revision > r.revision
RETURNING result_id, xmax = 0 AS is_new
"""

_HELD = """
SELECT result_id, value_revision FROM results
WHERE result_id = ANY ($1::uuid[]) AND held AND state <> 'withdrawn' AND obtained_at > $2
"""

_UNTOLD = """
WITH concerned AS (
    SELECT result_id FROM results
    WHERE student_id = ANY ($1::uuid[]) AND state <> 'withdrawn' AND opened_revision IS DISTINCT FROM value_revision
    UNION
    SELECT result_id FROM results
    WHERE student_id = ANY ($1::uuid[]) AND state <> 'withdrawn' AND obtained_at > $2
)
SELECT r.result_id, r.value_revision, r.student_id, r.obtained_at, r.held,
       r.opened_revision IS DISTINCT FROM r.value_revision AS waiting,
       ARRAY (
           SELECT o.recipient_id FROM obligations o
           WHERE o.result_id = r.result_id AND o.value_revision = r.value_revision AND o.state <> 'cancelled'
       ) AS told
FROM concerned JOIN results r USING (result_id)
"""

# As what a recipient is told of a version: a correction is one only to whoever could see an older value.
_TOLD_AS = """
SELECT v.result_id, v.value_revision, v.recipient_id, r.kind, r.state,
       NOT r.after_deferral AND v.value_revision > 1 AND EXISTS (
           SELECT FROM obligations o
           WHERE o.result_id = v.result_id AND o.value_revision < v.value_revision
             AND o.recipient_id = v.recipient_id AND o.state = 'available') AS correction
FROM unnest($1::uuid[], $2::bigint[], $3::uuid[]) AS v (result_id, value_revision, recipient_id)
JOIN results r ON r.result_id = v.result_id
"""

_OPENED = """
UPDATE results SET opened_revision = value_revision
WHERE result_id = ANY ($1::uuid[]) AND opened_revision IS DISTINCT FROM value_revision
"""

_ERASE = """
UPDATE results SET subject_title = '', title = NULL, value = NULL, score = NULL, max_score = NULL
WHERE student_id = ANY ($1::uuid[])
"""


@dataclass(frozen=True, slots=True)
class Untold:
    """A version of a result, and who has an obligation for it already."""

    due: Due
    waiting: bool
    """Nobody has: it waited for its student's person data."""
    told: frozenset[UUID]


async def told_as(conn: Connection, keys: Sequence[Key]) -> dict[Key, Kind]:
    """As which kind of news each recipient is told of a version of a result."""
    rows = await conn.fetch(
        _TOLD_AS,
        [result_id for result_id, _, _ in keys],
        [number for _, number, _ in keys],
        [recipient_id for _, _, recipient_id in keys],
    )
    return {
        (row["result_id"], row["value_revision"], row["recipient_id"]): result_kind(
            row["kind"], row["state"], correction=row["correction"]
        )
        for row in rows
    }


async def upsert(conn: Connection, results: Sequence[Result], known_students: set[UUID]) -> dict[UUID, bool]:
    """Keeps the higher revision of each result.

    Args:
        conn: the transaction.
        results: at most one per id.
        known_students: students for whose results obligations are opened in the same transaction.

    Returns:
        The ids of those that were taken, and whether each is new here.
    """
    ordered = sorted(results, key=lambda one: one.result_id)
    rows = await conn.fetch(
        _UPSERT,
        [one.result_id for one in ordered],
        [one.revision for one in ordered],
        [one.value_revision for one in ordered],
        [one.school_id for one in ordered],
        [one.student_id for one in ordered],
        [one.kind for one in ordered],
        [one.state for one in ordered],
        [one.subject_title for one in ordered],
        [one.title for one in ordered],
        [one.period_kind for one in ordered],
        [one.period_number for one in ordered],
        [one.value for one in ordered],
        [one.score for one in ordered],
        [one.max_score for one in ordered],
        [one.deferred_until for one in ordered],
        [one.held for one in ordered],
        [one.obtained_at for one in ordered],
        [one.recorded_at for one in ordered],
        [one.value_revision if one.student_id in known_students else None for one in ordered],
    )
    return {row["result_id"]: row["is_new"] for row in rows}


async def held_versions(conn: Connection, result_ids: Sequence[UUID], now: datetime) -> set[Version]:
    """The present versions of those results that are held back now."""
    if not result_ids:
        return set()
    rows = await conn.fetch(_HELD, result_ids, now - DISCLOSURE_TERM)
    return {(row["result_id"], row["value_revision"]) for row in rows}


async def untold(conn: Connection, student_ids: Sequence[UUID], now: datetime) -> list[Untold]:
    """Results that waited for their student, and those whose 24 hours still run."""
    return [
        Untold(
            Due(row["result_id"], row["value_revision"], row["student_id"], row["obtained_at"], row["held"]),
            row["waiting"],
            frozenset(row["told"]),
        )
        for row in await conn.fetch(_UNTOLD, student_ids, now - DISCLOSURE_TERM)
    ]


async def mark_opened(conn: Connection, result_ids: Sequence[UUID]) -> None:
    """Notes that the obligations of the present versions were opened."""
    await conn.execute(_OPENED, result_ids)


async def erase(conn: Connection, student_ids: Sequence[UUID]) -> None:
    """Removes what results tell about erased students; ids and instants stay, since the ledger refers to them."""
    await conn.execute(_ERASE, student_ids)
