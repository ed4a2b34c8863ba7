"""SQL about people as the journal tells of them: who represents whom, names, birth dates, classes, schools."""

from collections.abc import Sequence
from uuid import UUID

from chassis.database import Connection
from contracts.base import SchoolId
from contracts.person_changed import PersonChanged, Role
from contracts.school_changed import SchoolChanged
from services.consent.model import Consent
from services.consent.queries import consent

_TAKE_STUDENTS = """
INSERT INTO students AS s (student_id, school_id, birth_date, class_id, class_name, revision)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::date[], $4::uuid[], $5::text[], $6::bigint[])
ON CONFLICT (student_id) DO UPDATE
    SET school_id = excluded.school_id, birth_date = excluded.birth_date, class_id = excluded.class_id,
        class_name = excluded.class_name, revision = excluded.revision
WHERE excluded.revision > s.revision
RETURNING student_id
"""

_TAKE_FORMER_STUDENTS = """
UPDATE students AS s SET birth_date = coalesce(e.birth_date, s.birth_date), revision = e.revision
FROM unnest($1::uuid[], $2::date[], $3::bigint[]) AS e (student_id, birth_date, revision)
WHERE s.student_id = e.student_id AND e.revision > s.revision
RETURNING s.student_id
"""

_END_ABSENT = """
UPDATE representations AS r SET in_force = false
WHERE r.student_id = ANY($1::uuid[]) AND r.in_force AND NOT EXISTS (
    SELECT FROM unnest($2::uuid[], $3::uuid[]) AS e (student_id, representative_id)
    WHERE e.student_id = r.student_id AND e.representative_id = r.representative_id
)
"""

_TAKE_REPRESENTATIONS = """
INSERT INTO representations AS r (student_id, representative_id, school_id, in_force, kind)
SELECT e.student_id, e.representative_id, s.school_id, bool_or(e.in_force), max(e.kind)
FROM unnest($1::uuid[], $2::uuid[], $3::bool[], $4::text[]) AS e (student_id, representative_id, in_force, kind)
JOIN students AS s ON s.student_id = e.student_id
GROUP BY e.student_id, e.representative_id, s.school_id
ON CONFLICT (student_id, representative_id) DO UPDATE
    SET school_id = excluded.school_id, in_force = excluded.in_force, kind = excluded.kind
"""

_MOVE_REPRESENTATIONS = """
UPDATE representations AS r SET school_id = s.school_id
FROM students AS s
WHERE s.student_id = r.student_id AND r.student_id = ANY($1::uuid[]) AND r.school_id <> s.school_id
"""

_TO_REVISE = """
SELECT c.*, s.school_id AS school_now,
    c.representative_id = c.student_id OR coalesce(r.in_force, false) AS represented
FROM students AS s
JOIN consents AS c ON c.student_id = s.student_id
LEFT JOIN representations AS r ON r.student_id = c.student_id AND r.representative_id = c.representative_id
WHERE s.student_id = ANY($1::uuid[]) AND (
    c.school_id <> s.school_id
    OR (c.cabinet = 'given' AND c.representative_id <> c.student_id AND NOT coalesce(r.in_force, false))
)
ORDER BY c.consent_id
"""

_STUDENTS_OF_PEOPLE = """
SELECT student_id FROM students WHERE student_id = ANY($1::uuid[])
UNION
SELECT student_id FROM consents WHERE representative_id = ANY($1::uuid[])
"""

_CONSENTS_OF_PEOPLE = """
SELECT * FROM consents
WHERE student_id = ANY($1::uuid[]) OR representative_id = ANY($1::uuid[])
ORDER BY consent_id
"""

_DELETE_DOCUMENTS = "DELETE FROM consent_documents WHERE consent_id = ANY($1::uuid[])"
_DELETE_REPRESENTATIONS = "DELETE FROM representations WHERE representative_id = ANY($1::uuid[])"
_DELETE_STUDENTS = "DELETE FROM students WHERE student_id = ANY($1::uuid[])"
_DELETE_NAMES = "DELETE FROM people WHERE person_id = ANY($1::uuid[])"
# The row stays: a revision that began again at 1 would be an old event to whoever heard of the first one.
_ERASE_INVITATIONS = """
UPDATE invitations SET code_sha256 = ''::bytea, expires_at = issued_at, issued_by = NULL
WHERE person_id = ANY($1::uuid[]) AND code_sha256 <> ''::bytea
"""
# Those for students who are erased go with their students.
_DELETE_AUTHORITIES = "DELETE FROM authorities WHERE representative_id = ANY($1::uuid[])"

_TAKE_NAMES = """
INSERT INTO people AS p (person_id, revision, family, given, patronymic)
SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::text[])
ON CONFLICT (person_id) DO UPDATE SET
    revision = excluded.revision, family = excluded.family, given = excluded.given, patronymic = excluded.patronymic
WHERE excluded.revision > p.revision
"""
_DROP_NAMES = """
DELETE FROM people AS p USING unnest($1::uuid[], $2::bigint[]) AS e (person_id, revision)
WHERE p.person_id = e.person_id AND e.revision > p.revision
"""
_TAKE_SCHOOLS = """
INSERT INTO schools AS s (school_id, revision, name, address)
SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[])
ON CONFLICT (school_id) DO UPDATE SET revision = excluded.revision, name = excluded.name, address = excluded.address
WHERE excluded.revision > s.revision
"""

_KNOWN_PAIRS = """
SELECT p.representative_id, p.student_id
FROM unnest($1::uuid[], $2::uuid[]) AS p (representative_id, student_id)
JOIN students AS s ON s.student_id = p.student_id
WHERE p.representative_id = p.student_id OR EXISTS (
    SELECT FROM representations AS r WHERE r.student_id = p.student_id AND r.representative_id = p.representative_id
)
"""


async def take_students(conn: Connection, events: Sequence[PersonChanged]) -> set[UUID]:
    """Takes students' schools and birth dates; who is no student (any more) is taken only if known.

    Returns:
        The students for whom the event was newer than what was known.
    """
    present = [(event, event.enrolment) for event in events if event.enrolment is not None]
    former = [event for event in events if event.enrolment is None]
    rows = await conn.fetch(
        _TAKE_STUDENTS,
        [event.person_id for event, _ in present],
        [enrolment.school_id for _, enrolment in present],
        [event.birth_date for event, _ in present],
        [enrolment.class_id for _, enrolment in present],
        [enrolment.class_name for _, enrolment in present],
        [event.revision for event, _ in present],
    )
    rows += await conn.fetch(
        _TAKE_FORMER_STUDENTS,
        [event.person_id for event in former],
        [event.birth_date for event in former],
        [event.revision for event in former],
    )
    return {row["student_id"] for row in rows}


async def take_names(conn: Connection, events: Sequence[PersonChanged]) -> None:
    """Keeps the names of students and representatives; of whoever is neither (any more) there is none."""
    named = [event for event in events if event.enrolment is not None or Role.REPRESENTATIVE in event.roles]
    others = [event for event in events if event.enrolment is None and Role.REPRESENTATIVE not in event.roles]
    await conn.execute(
        _TAKE_NAMES,
        [event.person_id for event in named],
        [event.revision for event in named],
        [event.name.family for event in named],
        [event.name.given for event in named],
        [event.name.patronymic for event in named],
    )
    await conn.execute(_DROP_NAMES, [event.person_id for event in others], [event.revision for event in others])


async def take_schools(conn: Connection, events: Sequence[SchoolChanged]) -> None:
    """Schools as forms name them."""
    await conn.execute(
        _TAKE_SCHOOLS,
        [event.school_id for event in events],
        [event.revision for event in events],
        [event.name for event in events],
        [event.address for event in events],
    )


async def take_representations(conn: Connection, events: Sequence[PersonChanged]) -> None:
    """Takes the whole list of each student's representatives: who is not on it has no authority."""
    links = [
        (event.person_id, link.representative_id, link.in_force, link.kind)
        for event in events
        if event.enrolment is not None
        for link in event.enrolment.representatives
    ]
    students = [event.person_id for event in events]
    of_whom, by_whom = [link[0] for link in links], [link[1] for link in links]
    in_force, kinds = [link[2] for link in links], [link[3] for link in links]
    await conn.execute(_END_ABSENT, students, of_whom, by_whom)
    await conn.execute(_TAKE_REPRESENTATIONS, of_whom, by_whom, in_force, kinds)
    await conn.execute(_MOVE_REPRESENTATIONS, students)


async def consents_to_revise(conn: Connection, student_ids: Sequence[UUID]) -> list[tuple[Consent, SchoolId, bool]]:
    """Consents that no longer fit what is known: the state, the student's school, whether authority is in force."""
    rows = await conn.fetch(_TO_REVISE, student_ids)
    return [(consent(row), SchoolId(row["school_now"]), row["represented"]) for row in rows]


async def students_of_people(conn: Connection, person_ids: Sequence[UUID]) -> list[UUID]:
    """The students among these people, and those for whom they decided."""
    return [row["student_id"] for row in await conn.fetch(_STUDENTS_OF_PEOPLE, person_ids)]


async def consents_of_people(conn: Connection, person_ids: Sequence[UUID]) -> list[Consent]:
    """Consents by or for these people."""
    return [consent(row) for row in await conn.fetch(_CONSENTS_OF_PEOPLE, person_ids)]


async def delete_documents(conn: Connection, consent_ids: Sequence[UUID]) -> None:
    """Erases what the documents of these consents said."""
    await conn.execute(_DELETE_DOCUMENTS, consent_ids)


async def delete_people(conn: Connection, person_ids: Sequence[UUID]) -> None:
    """Forgets people: their names, the codes of invitations, representations and authority, and them as students."""
    for query in (
        _DELETE_NAMES,
        _ERASE_INVITATIONS,
        _DELETE_AUTHORITIES,
        _DELETE_REPRESENTATIONS,
        _DELETE_STUDENTS,
    ):
        await conn.execute(query, person_ids)


async def known_pairs(conn: Connection, pairs: Sequence[tuple[UUID, UUID]]) -> set[tuple[UUID, UUID]]:
    """Those of the pairs (representative, student) that the journal has told about, in force or not."""
    rows = await conn.fetch(_KNOWN_PAIRS, [pair[0] for pair in pairs], [pair[1] for pair in pairs])
    return {(row["representative_id"], row["student_id"]) for row in rows}
