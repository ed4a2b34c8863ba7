"""SQL of erasing a person from the journal, and of what was said about that."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from chassis.database import Connection
from contracts.base import PersonId
from contracts.data_erased import GradebookDataErased
from contracts.person_changed import PersonChanged, PersonErased
from contracts.recommendation_changed import RecommendationChanged

_DONE = "SELECT erasure_id FROM erasures_done WHERE erasure_id = ANY ($1::uuid[])"
_NOTE = """
INSERT INTO erasures_done (erasure_id, person_id, erased, kept, erased_at) VALUES ($1, $2, $3::jsonb, $4::jsonb, $5)
"""
_AFTER = """
SELECT erasure_id, person_id, erased, kept, erased_at FROM erasures_done
WHERE erasure_id > $1 ORDER BY erasure_id LIMIT $2
"""
_LOCK = "SELECT person_id FROM persons WHERE person_id = ANY ($1::uuid[]) ORDER BY person_id FOR UPDATE"
_AROUND = """
SELECT DISTINCT student_id FROM representations WHERE representative_id = $1
"""
_GROUPS = "SELECT group_id FROM group_members WHERE person_id = $1 AND active"
_ERASE = "SELECT category, records FROM erase_person($1, $2)"
_TOMBSTONES = """
SELECT person_id, revision, erased_at FROM persons
WHERE person_id > $1 AND state IS NULL AND erased_at IS NOT NULL ORDER BY person_id LIMIT $2 FOR SHARE
"""
_TOMBSTONE = "SELECT person_id, revision, erased_at FROM persons WHERE person_id = $1 AND erased_at IS NOT NULL"
# The tombstone says more than any of these, so that even one that was not sent yet may go.
_FORGET_TOLD = """
DELETE FROM outbox WHERE aggregateid = $1::uuid::text AND type = ANY ($2::text[]) AND payload IS NOT NULL
"""
_JOURNAL = """
SELECT (SELECT count(*) FROM person_records WHERE person_id = $1) AS names,
    (SELECT count(*) FROM representations WHERE student_id = $1 OR representative_id = $1) AS representations,
    (SELECT count(*) FROM marks WHERE student_id = $1) AS marks,
    (SELECT count(*) FROM final_grades WHERE student_id = $1) AS final_grades,
    (SELECT count(*) FROM exam_results WHERE student_id = $1) AS exam_results,
    (SELECT count(*) FROM attendance WHERE student_id = $1) AS attendance,
    (SELECT count(*) FROM teaching WHERE teacher_id = $1) AS teaching
"""


async def done(conn: Connection, erasure_ids: Sequence[UUID]) -> set[UUID]:
    """Which of these were carried out."""
    return {row["erasure_id"] for row in await conn.fetch(_DONE, erasure_ids)}


async def note(conn: Connection, event: GradebookDataErased) -> None:
    """Keeps what was said about an erasure."""
    said = event.model_dump(mode="json")
    await conn.execute(_NOTE, event.erasure_id, event.person_id, said["erased"], said["kept"], event.erased_at)


async def after(conn: Connection, erasure_id: UUID, limit: int) -> list[GradebookDataErased]:
    """What was said, by id, for replay."""
    rows = await conn.fetch(_AFTER, erasure_id, limit)
    return [GradebookDataErased.model_validate({"revision": 1, **dict(row)}) for row in rows]


async def lock_person(conn: Connection, person_id: UUID) -> bool:
    """Holds the person against every import; false when the journal does not know them."""
    return bool(await conn.fetch(_LOCK, [person_id]))


async def represented_by(conn: Connection, person_id: UUID) -> list[UUID]:
    """The students whom a person represents: their state names the person."""
    return [row["student_id"] for row in await conn.fetch(_AROUND, person_id)]


async def groups_of(conn: Connection, person_id: UUID) -> list[UUID]:
    """The groups of which a person is a member."""
    return [row["group_id"] for row in await conn.fetch(_GROUPS, person_id)]


async def erase(conn: Connection, person_id: UUID, now: datetime) -> dict[str, int]:
    """Erases a person; returns how many records of which category went. Again it finds nothing."""
    return {row["category"]: row["records"] for row in await conn.fetch(_ERASE, person_id, now)}


async def tombstone(conn: Connection, person_id: UUID) -> PersonErased | None:
    """The event of a person who is erased."""
    rows = await conn.fetch(_TOMBSTONE, person_id)
    return _event(*rows[0]) if rows else None


async def tombstones_after(conn: Connection, person_id: UUID, limit: int) -> list[PersonErased]:
    """Persons who are erased, by id, for replay; locked against a return."""
    return [_event(*row) for row in await conn.fetch(_TOMBSTONES, person_id, limit)]


async def forget_told(conn: Connection, person_id: UUID) -> int:
    """Deletes what the outbox still says about a person by name or in words; returns how many messages."""
    kinds = [PersonChanged.TOPIC, RecommendationChanged.TOPIC]
    return int((await conn.execute(_FORGET_TOLD, person_id, kinds)).split()[-1])


async def journal(conn: Connection, person_id: UUID) -> dict[str, int]:
    """How much the journal keeps under a person's id, by category."""
    return dict((await conn.fetch(_JOURNAL, person_id))[0])


def _event(person_id: UUID, revision: int, erased_at: datetime) -> PersonErased:
    return PersonErased(person_id=PersonId(person_id), revision=revision, erased_at=erased_at)
