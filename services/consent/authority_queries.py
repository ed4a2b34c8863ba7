"""SQL about authority: its documents, terms and ends."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from chassis.database import Connection
from contracts.base import PersonId, StudentId
from services.consent.authority import Authority, AuthorityDocument, Ended

_COLUMNS = """
a.representative_id, a.student_id, a.revision, a.state, a.kind, a.document, a.document_number, a.issued_on,
a.valid_until, a.expires_at, a.end_reason, a.changed_at
"""

_OF_PAIR = f"SELECT {_COLUMNS} FROM authorities AS a WHERE a.student_id = $2 AND a.representative_id = $1"

_SAVE = """
INSERT INTO authorities AS a (
    representative_id, student_id, revision, state, kind, document, document_number, issued_on, valid_until, expires_at,
    end_reason, changed_at
)
SELECT * FROM unnest(
    $1::uuid[], $2::uuid[], $3::int[], $4::text[], $5::text[], $6::text[], $7::text[], $8::date[], $9::date[],
    $10::timestamptz[], $11::text[], $12::timestamptz[]
)
ON CONFLICT (student_id, representative_id) DO UPDATE SET
    revision = excluded.revision, state = excluded.state, kind = excluded.kind, document = excluded.document,
    document_number = excluded.document_number, issued_on = excluded.issued_on, valid_until = excluded.valid_until,
    expires_at = excluded.expires_at, end_reason = excluded.end_reason, changed_at = excluded.changed_at
WHERE excluded.revision > a.revision
"""

_KEEP = """
INSERT INTO authority_history (
    representative_id, student_id, revision, state, kind, document, document_number, issued_on, valid_until, end_reason,
    registered_at, registered_by
)
SELECT *, $12::uuid FROM unnest(
    $1::uuid[], $2::uuid[], $3::int[], $4::text[], $5::text[], $6::text[], $7::text[], $8::date[], $9::date[],
    $10::text[], $11::timestamptz[]
)
"""

_EXPIRED = """
SELECT s.student_id FROM students AS s
WHERE EXISTS (
    SELECT FROM authorities AS a
    WHERE a.student_id = s.student_id AND a.state = 'in_force' AND a.expires_at <= $1
)
ORDER BY s.student_id LIMIT $2 FOR UPDATE SKIP LOCKED
"""

_EXPIRED_OF = f"""
SELECT {_COLUMNS} FROM authorities AS a
WHERE a.student_id = ANY ($1::uuid[]) AND a.state = 'in_force' AND a.expires_at <= $2
ORDER BY a.student_id, a.representative_id
"""

_NEXT = """
SELECT extract(epoch FROM min(expires_at) - (clock_timestamp() + clock_shift()))::float
FROM authorities WHERE state = 'in_force' AND expires_at IS NOT NULL
"""

_HISTORY = """
SELECT h.representative_id, h.revision, h.state, h.kind, h.document, h.document_number, h.issued_on, h.valid_until,
    h.end_reason, h.registered_at
FROM authority_history AS h WHERE h.student_id = $1
ORDER BY h.representative_id, h.revision
"""


async def of_pair(conn: Connection, representative_id: UUID, student_id: UUID) -> Authority | None:
    """What is registered of the authority of one representative for one student."""
    row = await conn.fetchrow(_OF_PAIR, representative_id, student_id)
    return None if row is None else _authority(row)


async def save(conn: Connection, authorities: Sequence[Authority], registered_by: UUID | None) -> None:
    """Writes present states, and each as a line of the history."""
    own = [(one, one.proof) for one in authorities]
    said: list[list[Any]] = [
        [one.representative_id for one, _ in own],
        [one.student_id for one, _ in own],
        [one.revision for one, _ in own],
        [one.state for one, _ in own],
        [proof.kind for _, proof in own],
        [proof.document for _, proof in own],
        [proof.document_number for _, proof in own],
        [proof.issued_on for _, proof in own],
        [proof.valid_until for _, proof in own],
    ]
    reasons, instants = [one.end_reason for one, _ in own], [one.changed_at for one, _ in own]
    await conn.execute(_SAVE, *said, [one.expires_at for one, _ in own], reasons, instants)
    await conn.execute(_KEEP, *said, reasons, instants, registered_by)


async def lock_students_with_expired(conn: Connection, now: datetime, limit: int) -> list[UUID]:
    """Students for whom an authority has run out; locked, others' locked ones left out."""
    return [row["student_id"] for row in await conn.fetch(_EXPIRED, now, limit)]


async def expired_of(conn: Connection, student_ids: Sequence[UUID], now: datetime) -> list[Authority]:
    """The authorities for these students that have run out."""
    return [_authority(row) for row in await conn.fetch(_EXPIRED_OF, student_ids, now)]


async def seconds_to_next(conn: Connection) -> float | None:
    """How long until the next authority runs out."""
    seconds: float | None = await conn.fetchval(_NEXT)
    return seconds


async def history(conn: Connection, student_id: StudentId) -> list[asyncpg.Record]:
    """Every step of every authority for a student."""
    return await conn.fetch(_HISTORY, student_id)


def _authority(row: asyncpg.Record) -> Authority:
    return Authority(
        representative_id=PersonId(row["representative_id"]),
        student_id=StudentId(row["student_id"]),
        revision=row["revision"],
        state=row["state"],
        proof=AuthorityDocument(
            row["kind"], row["document"], row["document_number"], row["issued_on"], row["valid_until"]
        ),
        expires_at=row["expires_at"],
        end_reason=Ended(row["end_reason"]) if row["end_reason"] else None,
        changed_at=row["changed_at"],
    )
