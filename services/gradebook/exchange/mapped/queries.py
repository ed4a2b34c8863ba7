"""SQL of the directory: whom and what the journal knows, by the ids and names that tables use."""

from collections.abc import Sequence
from uuid import UUID

import asyncpg

from chassis.database import Connection

_SCHOOLS = "SELECT school_id, external_id, name, time_zone FROM schools WHERE source = $1 ORDER BY external_id"


async def schools(conn: Connection, source: str) -> list[asyncpg.Record]:
    """The schools of a source: school_id, external_id, name, time_zone."""
    return await conn.fetch(_SCHOOLS, source)


_PEOPLE = """
SELECT p.external_id, r.role, r.family, r.given, r.patronymic, coalesce(c.names, ARRAY[]::text[]) AS classes
FROM person_records AS r
JOIN persons AS p USING (person_id)
LEFT JOIN (
    SELECT m.person_id, array_agg(DISTINCT g.name) AS names
    FROM group_members AS m
    JOIN study_groups AS g USING (group_id)
    WHERE m.school_id = $1 AND m.active AND g.kind = 'class' AND g.open
    GROUP BY m.person_id
) AS c USING (person_id)
WHERE r.school_id = $1 AND r.active AND r.role IN ('student', 'teacher') AND p.source = $2
"""


async def people(conn: Connection, school_id: UUID, source: str) -> list[asyncpg.Record]:
    """A school's students and teachers with the names of their classes."""
    return await conn.fetch(_PEOPLE, school_id, source)


_ADULTS = """
SELECT s.external_id AS student_id, a.external_id, r.family, r.given, r.patronymic
FROM representations AS p
JOIN persons AS s ON s.person_id = p.student_id
JOIN persons AS a ON a.person_id = p.representative_id
JOIN person_records AS c ON c.person_id = p.student_id AND c.school_id = $1 AND c.role = 'student'
JOIN person_records AS r ON r.person_id = p.representative_id AND r.school_id = $1 AND r.role = 'representative'
WHERE p.in_force AND s.source = $2 AND a.source = $2
"""


async def adults(conn: Connection, school_id: UUID, source: str) -> list[asyncpg.Record]:
    """The representatives of a school's students: student_id, external_id and the name."""
    return await conn.fetch(_ADULTS, school_id, source)


_SUBJECTS = """
SELECT external_id, title FROM subjects
WHERE source = $2 AND (school_id IS NULL OR school_id = $1)
ORDER BY school_id NULLS FIRST, external_id
"""


async def subjects(conn: Connection, school_id: UUID, source: str) -> list[asyncpg.Record]:
    """The subjects that a school may use: external_id, title; the district's come first."""
    return await conn.fetch(_SUBJECTS, school_id, source)


_CLASSES = """
SELECT external_id, name FROM study_groups
WHERE school_id = $1 AND source = $2 AND kind = 'class' AND open
ORDER BY external_id
"""


async def classes(conn: Connection, school_id: UUID, source: str) -> list[asyncpg.Record]:
    """A school's open classes: external_id, name."""
    return await conn.fetch(_CLASSES, school_id, source)


_PERIODS = """
SELECT external_id, kind, number, school_year, starts_on, ends_on FROM periods
WHERE school_id = $1 AND source = $2
ORDER BY external_id
"""


async def periods(conn: Connection, school_id: UUID, source: str) -> list[asyncpg.Record]:
    """A school's periods."""
    return await conn.fetch(_PERIODS, school_id, source)


_STATED = """
SELECT external_id, value, stated_obtained_at FROM final_grades
WHERE school_id = $1 AND source = $2 AND external_id = ANY($3::text[]) AND state = 'set'
"""


async def stated_finals(
    conn: Connection, school_id: UUID, source: str, external_ids: Sequence[str]
) -> list[asyncpg.Record]:
    """Final grades that were taken before: external_id, value, stated_obtained_at."""
    return await conn.fetch(_STATED, school_id, source, external_ids)
