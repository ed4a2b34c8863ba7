"""SQL of erasing what the cabinet holds about a person, and of what it said about that."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from chassis.database import Connection
from contracts.data_erased import CabinetDataErased

_DONE = "SELECT erasure_id FROM erasures_done WHERE erasure_id = ANY ($1::uuid[])"
_NOTE = """
INSERT INTO erasures_done (erasure_id, person_id, erased, kept, erased_at) VALUES ($1, $2, $3::jsonb, $4::jsonb, $5)
"""
_AFTER = """
SELECT erasure_id, person_id, erased, kept, erased_at FROM erasures_done
WHERE erasure_id > $1 ORDER BY erasure_id LIMIT $2
"""
_UNCOVERED = """
SELECT p.person_id FROM unnest($1::uuid[]) AS p (person_id)
WHERE NOT EXISTS (
    SELECT FROM consents AS c
    WHERE (c.representative_id = p.person_id OR c.student_id = p.person_id) AND c.cabinet = 'given'
        AND NOT (c.representative_id = $2 AND c.student_id = $3 AND c.revision < $4)
)
"""
_HELD = """
SELECT (SELECT count(*) FROM accounts WHERE person_id = ANY ($1::uuid[]) AND active) AS accounts,
    (SELECT count(*) FROM sessions WHERE person_id = ANY ($1::uuid[])) AS sessions,
    (SELECT count(*) FROM invitations WHERE person_id = ANY ($1::uuid[])) AS invitations,
    (SELECT count(*) FROM persons WHERE person_id = ANY ($1::uuid[])) AS names,
    (SELECT count(*) FROM marks WHERE student_id = ANY ($1::uuid[])) AS marks,
    (SELECT count(*) FROM results WHERE student_id = ANY ($1::uuid[])) AS results
"""
_LOGINS = "SELECT login FROM accounts WHERE person_id = ANY ($1::uuid[]) AND login IS NOT NULL"
_ATTEMPTS = "DELETE FROM sign_in_attempts WHERE subject_sha256 = ANY ($1::bytea[])"
_PROOFS = "SELECT count(*) FROM acknowledgements WHERE recipient_id = $1"


@dataclass(frozen=True, slots=True)
class Held:
    """How much the cabinet holds about people."""

    accounts: int
    sessions: int
    invitations: int
    names: int
    marks: int
    results: int


async def done(conn: Connection, erasure_ids: Sequence[UUID]) -> set[UUID]:
    """Which of these were carried out."""
    return {row["erasure_id"] for row in await conn.fetch(_DONE, erasure_ids)}


async def note(conn: Connection, event: CabinetDataErased) -> None:
    """Keeps what was said about an erasure."""
    said = event.model_dump(mode="json")
    await conn.execute(_NOTE, event.erasure_id, event.person_id, said["erased"], said["kept"], event.erased_at)


async def after(conn: Connection, erasure_id: UUID, limit: int) -> list[CabinetDataErased]:
    """What was said, by id, for replay."""
    rows = await conn.fetch(_AFTER, erasure_id, limit)
    return [CabinetDataErased.model_validate({"revision": 1, **dict(row)}) for row in rows]


async def without_consent(
    conn: Connection, person_ids: Sequence[UUID], pair: tuple[UUID, UUID | None], revision: int | None
) -> list[UUID]:
    """Who of these may read about nobody: no consent by or for them is given, now or later.

    Args:
        conn: the transaction.
        person_ids: whom it is asked about.
        pair: representative and student whose consent ended.
        revision: the one that ended it, if it is known: an earlier one of this pair covers nothing.
    """
    return [row["person_id"] for row in await conn.fetch(_UNCOVERED, person_ids, *pair, revision or 0)]


async def held(conn: Connection, person_ids: Sequence[UUID]) -> Held:
    """What there is about people, before it is erased."""
    return Held(**dict((await conn.fetch(_HELD, person_ids))[0]))


async def logins(conn: Connection, person_ids: Sequence[UUID]) -> list[str]:
    """Their logins."""
    return [row["login"] for row in await conn.fetch(_LOGINS, person_ids)]


async def attempts(conn: Connection, subjects: Sequence[bytes]) -> int:
    """Deletes attempts to sign in, by digests of what was tried; returns how many."""
    return int((await conn.execute(_ATTEMPTS, subjects)).split()[-1])


async def acknowledgements(conn: Connection, person_id: UUID) -> int:
    """How many proofs bear the person's id."""
    proofs: int = await conn.fetchval(_PROOFS, person_id)
    return proofs
