"""Things called by the journal's own id or by ours: which of them is meant."""

from contextlib import suppress
from uuid import UUID

from chassis.database import Connection
from services.gradebook import queries
from services.gradebook.closing.fulfilling import resolve
from services.gradebook.domain import Identity

_EXISTS = {
    "school": "SELECT school_id FROM schools WHERE school_id = ANY($1::uuid[])",
    "period": "SELECT period_id FROM periods WHERE period_id = ANY($1::uuid[])",
    "group": "SELECT group_id FROM study_groups WHERE group_id = ANY($1::uuid[])",
    "person": "SELECT person_id FROM persons WHERE person_id = ANY($1::uuid[])",
    "subject": "SELECT subject_id FROM subjects WHERE subject_id = ANY($1::uuid[])",
    "final_grade": "SELECT result_id FROM final_grades WHERE result_id = ANY($1::uuid[])",
}


async def meant(conn: Connection, source: str, kind: str, name: str) -> UUID | None:
    """Our id of what is called so; None when the scope sees no such thing.

    The journal's own id comes first, since a journal may call things by ids that look like ours.

    Args:
        conn: the transaction.
        source: the namespace of the journal's ids.
        kind: `school`, `period`, `group`, `person`, `subject` or `final_grade`.
        name: the journal's id, or ours.
    """
    own = Identity(await queries.identity_key(conn), source).of(kind, name)
    if kind == "final_grade":
        # A deferral may have told of it before the journal named its grade.
        own = (await resolve(conn, [own]))[own]
    candidates = [own]
    with suppress(ValueError):
        candidates.append(UUID(name))
    found = {row[0] for row in await conn.fetch(_EXISTS[kind], candidates)}
    return next((candidate for candidate in candidates if candidate in found), None)
