"""SQL about invitations: digests only."""

from datetime import datetime
from uuid import UUID

import asyncpg

from chassis.database import Connection
from contracts.base import PersonId
from contracts.invitation_issued import InvitationIssued

_SAVE = """
INSERT INTO invitations AS i (person_id, revision, code_sha256, issued_at, expires_at, issued_by)
VALUES ($1, 1, $2, $3, $4, $5)
ON CONFLICT (person_id) DO UPDATE SET
    revision = i.revision + 1, code_sha256 = excluded.code_sha256, issued_at = excluded.issued_at,
    expires_at = excluded.expires_at, issued_by = excluded.issued_by
RETURNING person_id, revision, code_sha256, issued_at, expires_at
"""

_PAGE = """
SELECT person_id, revision, code_sha256, issued_at, expires_at FROM invitations
WHERE person_id > $1 AND code_sha256 <> ''::bytea ORDER BY person_id LIMIT $2
"""


async def save(
    conn: Connection,
    person_id: UUID,
    code_sha256: bytes,
    *,
    issued_at: datetime,
    expires_at: datetime,
    issued_by: UUID | None,
) -> InvitationIssued:
    """Keeps the newest invitation of a person; returns what others are told of it."""
    row = await conn.fetchrow(_SAVE, person_id, code_sha256, issued_at, expires_at, issued_by)
    if row is None:
        raise RuntimeError("an upsert returns its row")
    return _event(row)


async def page(conn: Connection, after: UUID, limit: int) -> list[InvitationIssued]:
    """The next invitations in the order of the persons; of one whose code was erased there is nothing to tell."""
    return [_event(row) for row in await conn.fetch(_PAGE, after, limit)]


def _event(row: asyncpg.Record) -> InvitationIssued:
    return InvitationIssued(
        revision=row["revision"],
        person_id=PersonId(row["person_id"]),
        code_sha256=row["code_sha256"].hex(),
        issued_at=row["issued_at"],
        expires_at=row["expires_at"],
    )
