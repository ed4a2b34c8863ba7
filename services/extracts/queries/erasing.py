"""SQL of what the print desk said about erasures, and of what it holds about a person."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from chassis.database import Connection
from contracts.data_erased import ExtractsDataErased

_DONE = "SELECT erasure_id FROM erasures_done WHERE erasure_id = ANY ($1::uuid[])"
_NOTE = """
INSERT INTO erasures_done (erasure_id, person_id, erased, kept, erased_at) VALUES ($1, $2, $3::jsonb, $4::jsonb, $5)
"""
_AFTER = """
SELECT erasure_id, person_id, erased, kept, erased_at FROM erasures_done
WHERE erasure_id > $1 ORDER BY erasure_id LIMIT $2
"""
_HELD = """
SELECT (SELECT count(*) FROM persons WHERE person_id = $1) AS names,
    (SELECT count(*) FROM result_versions WHERE student_id = $1) AS results,
    (SELECT count(*) FROM extracts WHERE student_id = $1 OR recipient_id = $1) AS extracts,
    (SELECT count(*) FROM extracts WHERE (student_id = $1 OR recipient_id = $1)
        AND extract_id IN (SELECT extract_id FROM sheets)) AS sheets
"""


@dataclass(frozen=True, slots=True)
class Held:
    """How much the print desk holds about a person."""

    names: int
    results: int
    extracts: int
    sheets: int


async def done(conn: Connection, erasure_ids: Sequence[UUID]) -> set[UUID]:
    """Which of these were carried out."""
    return {row["erasure_id"] for row in await conn.fetch(_DONE, erasure_ids)}


async def note(conn: Connection, event: ExtractsDataErased) -> None:
    """Keeps what was said about an erasure."""
    said = event.model_dump(mode="json")
    await conn.execute(_NOTE, event.erasure_id, event.person_id, said["erased"], said["kept"], event.erased_at)


async def after(conn: Connection, erasure_id: UUID, limit: int) -> list[ExtractsDataErased]:
    """What was said, by id, for replay."""
    rows = await conn.fetch(_AFTER, erasure_id, limit)
    return [ExtractsDataErased.model_validate({"revision": 1, **dict(row)}) for row in rows]


async def held(conn: Connection, person_id: UUID) -> Held:
    """What there is about a person."""
    return Held(**dict((await conn.fetch(_HELD, person_id))[0]))
