"""SQL of schools, subjects, periods, people, groups and representation.

Every upsert answers for each given key: `added`, `changed` or `known` (was there before); a key that gets no answer is
another school's.
"""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import asyncpg
import orjson

from chassis.database import Connection
from services.gradebook.queries import columns

Answers = dict[Any, str]
"""Key to `added`, `changed` or `known`."""


def answers_of(rows: Sequence[asyncpg.Record]) -> Answers:
    """The answers of an upsert, which ends each row with one; added or changed wins over known."""
    answers: Answers = {}
    for *key, answer in rows:
        name = key[0] if len(key) == 1 else tuple(key)
        if answer != "known" or name not in answers:
            answers[name] = answer
    return answers


_WHOLE_DISTRICT = "SELECT set_config('sutki.scope', 'district', true)"


async def see_whole_district(conn: Connection) -> None:
    """From here the composed state sees what other schools state about the same people.

    A school's facts were written in its own scope before; the next batch begins with `see_own_school` again.
    """
    await conn.execute(_WHOLE_DISTRICT)


_OWN_SCHOOL = "SELECT set_config('sutki.scope', 'school', true), set_config('sutki.school_id', $1, true)"


async def see_own_school(conn: Connection, school_id: UUID) -> None:
    """From here only what is the school's can be read and written."""
    await conn.execute(_OWN_SCHOOL, str(school_id))


_SCHOOL_EXISTS = "SELECT EXISTS (SELECT FROM schools WHERE school_id = $1)"


async def school_exists(conn: Connection, school_id: UUID) -> bool:
    """Whether the school is known and visible."""
    return bool(await conn.fetchval(_SCHOOL_EXISTS, school_id))


_UPSERT_SCHOOLS = """
WITH given AS (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[])
        AS g (school_id, external_id, name, address, time_zone)
),
added AS (
    INSERT INTO schools (school_id, source, external_id, name, address, time_zone, revision, changed_at)
    SELECT school_id, $6, external_id, name, address, time_zone, 1, $7 FROM given
    ON CONFLICT DO NOTHING
    RETURNING *
),
changed AS (
    UPDATE schools AS s
    SET name = g.name, address = g.address, time_zone = g.time_zone, revision = s.revision + 1, changed_at = $7
    FROM given AS g
    WHERE s.school_id = g.school_id
      AND (s.name, s.address, s.time_zone) IS DISTINCT FROM (g.name, g.address, g.time_zone)
    RETURNING s.*
)
SELECT *, 'added' AS answer FROM added
UNION ALL SELECT *, 'changed' FROM changed
UNION ALL SELECT s.*, 'known' FROM schools AS s JOIN given AS g USING (school_id)
"""

SchoolRow = tuple[UUID, str, str, str, str]
"""school_id, external_id, name, address, time_zone."""


async def upsert_schools(
    conn: Connection, rows: Sequence[SchoolRow], source: str, now: datetime
) -> list[asyncpg.Record]:
    """Takes schools; returns their rows with an `answer` each."""
    return await conn.fetch(_UPSERT_SCHOOLS, *columns(rows), source, now)


_UPSERT_SUBJECTS = """
WITH given AS (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[]) AS g (subject_id, external_id, title)
),
added AS (
    INSERT INTO subjects (subject_id, school_id, source, external_id, title)
    SELECT subject_id, $4, $5, external_id, title FROM given
    ON CONFLICT DO NOTHING
    RETURNING subject_id
),
changed AS (
    UPDATE subjects AS s SET title = g.title
    FROM given AS g
    WHERE s.subject_id = g.subject_id AND s.title <> g.title AND ($4::uuid IS NULL OR s.school_id = $4)
    RETURNING s.subject_id
)
SELECT subject_id, 'added' FROM added
UNION ALL SELECT subject_id, 'changed' FROM changed
UNION ALL
SELECT subject_id, 'known' FROM subjects AS s JOIN given AS g USING (subject_id)
WHERE s.title = g.title OR $4::uuid IS NULL OR s.school_id = $4
"""


async def upsert_subjects(
    conn: Connection, rows: Sequence[tuple[UUID, str, str]], owner: UUID | None, source: str
) -> Answers:
    """Takes subjects (subject_id, external_id, title) as the district's (owner None) or a school's own."""
    return answers_of(await conn.fetch(_UPSERT_SUBJECTS, *columns(rows), owner, source))


_UPSERT_PERIODS = """
WITH given AS (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::date[], $7::date[])
        AS g (period_id, external_id, kind, number, school_year, starts_on, ends_on)
),
added AS (
    INSERT INTO periods (period_id, school_id, source, external_id, kind, number, school_year, starts_on, ends_on)
    SELECT period_id, $8, $9, external_id, kind, number, school_year, starts_on, ends_on FROM given
    ON CONFLICT DO NOTHING
    RETURNING period_id
),
changed AS (
    UPDATE periods AS p
    SET kind = g.kind, number = g.number, school_year = g.school_year, starts_on = g.starts_on, ends_on = g.ends_on
    FROM given AS g
    WHERE p.period_id = g.period_id AND p.school_id = $8
      AND (p.kind, p.number, p.school_year, p.starts_on, p.ends_on)
          IS DISTINCT FROM (g.kind, g.number, g.school_year, g.starts_on, g.ends_on)
    RETURNING p.period_id
)
SELECT period_id, 'added' FROM added
UNION ALL SELECT period_id, 'changed' FROM changed
UNION ALL SELECT period_id, 'known' FROM periods AS p JOIN given AS g USING (period_id) WHERE p.school_id = $8
"""

PeriodRow = tuple[UUID, str, str, int, str, date, date]
"""period_id, external_id, kind, number, school_year, starts_on, ends_on."""


async def upsert_periods(conn: Connection, rows: Sequence[PeriodRow], school_id: UUID, source: str) -> Answers:
    """Takes a school's periods."""
    return answers_of(await conn.fetch(_UPSERT_PERIODS, *columns(rows), school_id, source))


_ENSURE_PERSONS = """
WITH given AS (
    SELECT DISTINCT * FROM unnest($1::uuid[], $2::text[], $3::boolean[]) AS g (person_id, external_id, active)
),
added AS (
    INSERT INTO persons (person_id, source, external_id, known_to, changed_at)
    SELECT person_id, $4, external_id, ARRAY[$5::uuid], $6 FROM given WHERE active
    ON CONFLICT DO NOTHING
    RETURNING person_id
)
SELECT person_id FROM added
UNION SELECT person_id FROM persons JOIN given USING (person_id)
"""


async def ensure_persons(
    conn: Connection, rows: Sequence[tuple[UUID, str, bool]], source: str, school_id: UUID, now: datetime
) -> set[UUID]:
    """Makes room for persons (person_id, external_id, active) that are new; returns those that this scope may state."""
    found = await conn.fetch(_ENSURE_PERSONS, *columns(rows), source, school_id, now)
    return {row["person_id"] for row in found}


_UPSERT_RECORDS = """
WITH given AS (
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::date[], $7::boolean[])
        AS g (person_id, role, family, given, patronymic, birth_date, active)
),
added AS (
    INSERT INTO person_records
        (person_id, school_id, role, family, given, patronymic, birth_date, active, first_stated_at, stated_at)
    SELECT person_id, $8, role, family, given, patronymic, birth_date, true, $9, $9 FROM given WHERE active
    ON CONFLICT DO NOTHING
    RETURNING person_id, role
),
changed AS (
    UPDATE person_records AS r
    SET family = g.family, given = g.given, patronymic = g.patronymic, birth_date = g.birth_date,
        active = g.active, stated_at = $9
    FROM given AS g
    WHERE r.person_id = g.person_id AND r.role = g.role AND r.school_id = $8
      AND (r.family, r.given, r.patronymic, r.birth_date, r.active)
          IS DISTINCT FROM (g.family, g.given, g.patronymic, g.birth_date, g.active)
    RETURNING r.person_id, r.role
)
SELECT person_id, role, 'added' FROM added
UNION ALL SELECT person_id, role, 'changed' FROM changed
UNION ALL
SELECT person_id, role, 'known' FROM person_records AS r JOIN given AS g USING (person_id, role) WHERE r.school_id = $8
"""

PersonRow = tuple[UUID, str, str, str, str, date | None, bool]
"""person_id, role, family, given, patronymic, birth_date, active."""


async def upsert_person_records(conn: Connection, rows: Sequence[PersonRow], school_id: UUID, now: datetime) -> Answers:
    """Takes what a school states about persons; the keys are (person_id, role)."""
    return answers_of(await conn.fetch(_UPSERT_RECORDS, *columns(rows), school_id, now))


_STUDENTS_AT = """
SELECT person_id FROM person_records
WHERE person_id = ANY($1::uuid[]) AND school_id = $2 AND role = 'student'
"""


async def students_at(conn: Connection, person_ids: Sequence[UUID], school_id: UUID) -> set[UUID]:
    """Which of these persons are or were students of the school."""
    return {row["person_id"] for row in await conn.fetch(_STUDENTS_AT, person_ids, school_id)}


_KNOWN_PERSONS = "SELECT person_id, external_id FROM persons WHERE person_id = ANY($1::uuid[])"


async def known_persons(conn: Connection, person_ids: Sequence[UUID]) -> dict[UUID, str]:
    """The persons that this scope may see, with the journal's own ids."""
    rows = await conn.fetch(_KNOWN_PERSONS, person_ids)
    return {row["person_id"]: row["external_id"] for row in rows}


KNOWN = {
    kind: f"SELECT {key} FROM {table} WHERE {key} = ANY($1::uuid[])"
    for kind, table, key in (
        ("person", "persons", "person_id"),
        ("group", "study_groups", "group_id"),
        ("subject", "subjects", "subject_id"),
        ("period", "periods", "period_id"),
        ("school", "schools", "school_id"),
        ("lesson", "lessons", "lesson_id"),
        ("control_work", "control_works", "control_work_id"),
        ("homework", "homework", "homework_id"),
    )
}
"""The kinds whose ids can be looked up."""


async def known_ids(conn: Connection, kind: str, ids: Sequence[UUID]) -> set[UUID]:
    """Which of these ids stand for something that this scope may see."""
    return {row[0] for row in await conn.fetch(KNOWN[kind], ids)}


_SCHOOLS_OF_STUDENTS = """
SELECT person_id, (state -> 'enrolment' ->> 'school_id')::uuid AS school_id
FROM persons WHERE person_id = ANY($1::uuid[]) AND state -> 'enrolment' ->> 'school_id' IS NOT NULL
"""


async def schools_of_students(conn: Connection, person_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Where students study, or studied last."""
    rows = await conn.fetch(_SCHOOLS_OF_STUDENTS, person_ids)
    return {row["person_id"]: row["school_id"] for row in rows}


_SCHOOLS_OF_GROUPS = "SELECT group_id, school_id FROM study_groups WHERE group_id = ANY($1::uuid[])"


async def schools_of_groups(conn: Connection, group_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """The schools of the groups that are known and visible."""
    rows = await conn.fetch(_SCHOOLS_OF_GROUPS, group_ids)
    return {row["group_id"]: row["school_id"] for row in rows}


_UPSERT_GROUPS = """
WITH given AS (
    SELECT * FROM unnest(
        $1::uuid[], $2::text[], $3::text[], $4::text[], $5::bigint[], $6::uuid[], $7::uuid[], $8::boolean[]
    ) AS g (group_id, external_id, kind, name, grade_level, subject_id, campus_id, open)
),
added AS (
    INSERT INTO study_groups
        (group_id, school_id, source, external_id, kind, name, grade_level, subject_id, campus_id, open, changed_at)
    SELECT group_id, $9, $10, external_id, kind, name, grade_level, subject_id, campus_id, true, $11
    FROM given WHERE open
    ON CONFLICT DO NOTHING
    RETURNING group_id
),
changed AS (
    UPDATE study_groups AS s
    SET kind = g.kind, name = g.name, grade_level = g.grade_level, subject_id = g.subject_id,
        campus_id = g.campus_id, open = g.open
    FROM given AS g
    WHERE s.group_id = g.group_id AND s.school_id = $9
      AND (s.kind, s.name, s.grade_level, s.subject_id, s.campus_id, s.open)
          IS DISTINCT FROM (g.kind, g.name, g.grade_level, g.subject_id, g.campus_id, g.open)
    RETURNING s.group_id
)
SELECT group_id, 'added' FROM added
UNION ALL SELECT group_id, 'changed' FROM changed
UNION ALL SELECT group_id, 'known' FROM study_groups AS s JOIN given AS g USING (group_id) WHERE s.school_id = $9
"""

GroupRow = tuple[UUID, str, str, str, int, UUID | None, UUID | None, bool]
"""group_id, external_id, kind, name, grade_level, subject_id, campus_id, open."""


async def upsert_groups(
    conn: Connection, rows: Sequence[GroupRow], school_id: UUID, source: str, now: datetime
) -> Answers:
    """Takes a school's groups."""
    return answers_of(await conn.fetch(_UPSERT_GROUPS, *columns(rows), school_id, source, now))


_TODAY = "SELECT ($2::timestamptz AT TIME ZONE time_zone)::date FROM schools WHERE school_id = $1"


async def today_at(conn: Connection, school_id: UUID, now: datetime) -> date:
    """The day at the school; in UTC for a school that is not known."""
    day: date | None = await conn.fetchval(_TODAY, school_id, now)
    return now.date() if day is None else day


_KEEP_STATEMENTS = """
INSERT INTO roster_statements (school_id, kind, source, external_id, stated, changed_by, changed_at)
SELECT $1, $2, $3, g.external_id, g.stated::jsonb, $4, $5
FROM unnest($6::text[], $7::text[]) AS g (external_id, stated)
"""


async def keep_statements(
    conn: Connection,
    stated: Sequence[tuple[tuple[str, ...], dict[str, Any]]],
    kind: str,
    *,
    school_id: UUID | None,
    source: str,
    changed_by: str,
    now: datetime,
) -> None:
    """Keeps what a source stated about the roster (key and fields) where that made a difference: its history."""
    rows = [("/".join(key), orjson.dumps(fields).decode()) for key, fields in stated]
    await conn.execute(_KEEP_STATEMENTS, school_id, kind, source, changed_by, now, *columns(rows))


_TEACHERS_AT = """
SELECT person_id FROM person_records
WHERE person_id = ANY($1::uuid[]) AND school_id = $2 AND role = 'teacher'
"""


async def teachers_at(conn: Connection, person_ids: Sequence[UUID], school_id: UUID) -> set[UUID]:
    """Which of these persons teach or taught at the school."""
    return {row["person_id"] for row in await conn.fetch(_TEACHERS_AT, person_ids, school_id)}


_UPSERT_REPRESENTATIONS = """
WITH given AS (
    SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::boolean[])
        AS g (representative_id, student_id, kind, in_force)
),
added AS (
    INSERT INTO representations (representative_id, student_id, kind, in_force, stated_at)
    SELECT representative_id, student_id, kind, in_force, $5 FROM given
    ON CONFLICT DO NOTHING
    RETURNING representative_id, student_id
),
changed AS (
    UPDATE representations AS r SET kind = g.kind, in_force = g.in_force, stated_at = $5
    FROM given AS g
    WHERE r.representative_id = g.representative_id AND r.student_id = g.student_id
      AND (r.kind, r.in_force) IS DISTINCT FROM (g.kind, g.in_force)
    RETURNING r.representative_id, r.student_id
)
SELECT representative_id, student_id, 'added' FROM added
UNION ALL SELECT representative_id, student_id, 'changed' FROM changed
UNION ALL
SELECT representative_id, student_id, 'known' FROM representations JOIN given USING (representative_id, student_id)
"""


async def upsert_representations(
    conn: Connection, rows: Sequence[tuple[UUID, UUID, str, bool]], now: datetime
) -> Answers:
    """Takes who represents whom; the keys are (representative_id, student_id)."""
    return answers_of(await conn.fetch(_UPSERT_REPRESENTATIONS, *columns(rows), now))


_SCHOOLS_PAGE = """
SELECT school_id, name, address, time_zone, revision, changed_at
FROM schools WHERE school_id > $1 ORDER BY school_id LIMIT $2 FOR SHARE
"""
_PERSONS_PAGE = """
SELECT person_id, revision, state, changed_at
FROM persons WHERE person_id > $1 AND state IS NOT NULL ORDER BY person_id LIMIT $2 FOR SHARE
"""
_GROUPS_PAGE = """
SELECT group_id, revision, state, changed_at
FROM study_groups WHERE group_id > $1 AND state IS NOT NULL ORDER BY group_id LIMIT $2 FOR SHARE
"""


async def schools_after(conn: Connection, school_id: UUID, limit: int) -> list[asyncpg.Record]:
    """The next schools by id, for replay; locked against change."""
    return await conn.fetch(_SCHOOLS_PAGE, school_id, limit)


async def persons_after(conn: Connection, person_id: UUID, limit: int) -> list[asyncpg.Record]:
    """The next persons by id, for replay; locked against change."""
    return await conn.fetch(_PERSONS_PAGE, person_id, limit)


async def groups_after(conn: Connection, group_id: UUID, limit: int) -> list[asyncpg.Record]:
    """The next groups by id, for replay; locked against change."""
    return await conn.fetch(_GROUPS_PAGE, group_id, limit)
