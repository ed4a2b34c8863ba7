"""The whole state of persons and groups, composed from the facts, with a revision for every change of it.

What several schools state about one person comes together here, and so do class and representatives of a student:
whichever of the facts changes, the state is composed anew, and only a state that differs makes a revision and an event.

A student who has left keeps the enrolment, without a class, at the school they were at last: results are still taken
for them, families still read these, and an end of authority must still be told.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.database import Connection
from contracts.person_changed import PersonChanged
from contracts.study_group_changed import StudyGroupChanged

# Each person is looked up alone (LATERAL, fenced by OFFSET 0 lest the planner dissolve it): a few rows by an index
# each time. Joined as sets, tables that have just been filled by an import were misjudged and compared row by row.
_COMPOSE_PERSONS = """
WITH ids AS (
    SELECT i.person_id, (
        SELECT (k.state -> 'enrolment' ->> 'school_id')::uuid FROM persons AS k WHERE k.person_id = i.person_id
    ) AS last_school_id
    FROM (SELECT DISTINCT person_id FROM unnest($1::uuid[]) AS g (person_id)) AS i
),
composed AS (
    SELECT ids.person_id, f.known_to,
           jsonb_build_object(
               'roles', f.roles, 'school_ids', f.school_ids, 'name', f.name, 'birth_date', f.birth_date,
               'enrolment', CASE WHEN f.ever_student THEN jsonb_build_object(
                   'school_id', coalesce(c.school_id, f.school_id),
                   'class_id', c.group_id,
                   'class_name', coalesce(c.name, ''),
                   'grade_level', c.grade_level,
                   'representatives', coalesce(r.representatives, '[]')
               ) END
           ) AS state
    FROM ids
    CROSS JOIN LATERAL (
        SELECT coalesce(array_agg(DISTINCT role ORDER BY role) FILTER (WHERE active), '{}') AS roles,
               coalesce(array_agg(DISTINCT school_id ORDER BY school_id) FILTER (WHERE active), '{}') AS school_ids,
               array_agg(DISTINCT school_id) AS known_to,
               bool_or(role = 'student') AS ever_student,
               (array_agg(
                   school_id ORDER BY active DESC, (NOT active AND school_id = ids.last_school_id) DESC NULLS LAST,
                       first_stated_at DESC, school_id
               ) FILTER (WHERE role = 'student'))[1] AS school_id,
               (array_agg(birth_date ORDER BY active DESC, stated_at DESC, school_id, role)
                   FILTER (WHERE birth_date IS NOT NULL))[1] AS birth_date,
               (array_agg(jsonb_build_object('family', family, 'given', given, 'patronymic', patronymic)
                   ORDER BY active DESC, stated_at DESC, school_id, role))[1] AS name
        FROM person_records WHERE person_id = ids.person_id
    ) AS f
    LEFT JOIN LATERAL (
        SELECT g.group_id, g.school_id, g.name, g.grade_level
        FROM (SELECT group_id, joined_at FROM group_members WHERE person_id = ids.person_id AND active OFFSET 0) AS m
        CROSS JOIN LATERAL (
            SELECT group_id, school_id, name, grade_level
            FROM study_groups WHERE group_id = m.group_id AND open AND kind = 'class' OFFSET 0
        ) AS g
        WHERE EXISTS (
            SELECT FROM person_records AS p
            WHERE p.person_id = ids.person_id AND p.school_id = g.school_id AND p.role = 'student' AND p.active OFFSET 0
        )
        ORDER BY m.joined_at DESC, g.group_id
        LIMIT 1
    ) AS c ON true
    LEFT JOIN LATERAL (
        SELECT jsonb_agg(
                   jsonb_build_object('representative_id', representative_id, 'kind', kind, 'in_force', in_force)
                   ORDER BY representative_id
               ) AS representatives
        FROM representations WHERE student_id = ids.person_id
    ) AS r ON true
    WHERE f.known_to IS NOT NULL
    OFFSET 0
)
UPDATE persons AS p
SET state = c.state, known_to = c.known_to, revision = p.revision + 1, changed_at = $2, erased_at = NULL
FROM composed AS c
WHERE p.person_id = c.person_id AND p.state IS DISTINCT FROM c.state
RETURNING p.person_id, p.revision, p.state, p.changed_at
"""

_COMPOSE_GROUPS = """
WITH ids AS (SELECT DISTINCT group_id FROM unnest($1::uuid[]) AS i (group_id)),
composed AS (
    SELECT g.group_id,
           jsonb_build_object(
               'school_id', g.school_id, 'kind', g.kind, 'name', g.name, 'grade_level', g.grade_level,
               'subject', CASE WHEN s.subject_id IS NOT NULL
                   THEN jsonb_build_object('id', s.subject_id, 'title', s.title) END,
               'member_ids', coalesce((
                   SELECT jsonb_agg(m.person_id ORDER BY m.person_id)
                   FROM group_members AS m WHERE m.group_id = g.group_id AND m.active
               ), '[]'),
               'state', CASE WHEN g.open THEN 'open' ELSE 'closed' END,
               'teachers', coalesce((
                   SELECT jsonb_agg(
                       jsonb_build_object(
                           'teacher_id', t.teacher_id,
                           'subject', jsonb_build_object('id', t.subject_id, 'title', u.title),
                           'starts_on', t.starts_on, 'ends_on', t.ends_on
                       ) ORDER BY t.subject_id, t.starts_on NULLS FIRST, t.teaching_id
                   )
                   FROM teaching AS t JOIN subjects AS u USING (subject_id)
                   WHERE t.group_id = g.group_id AND t.state = 'active' AND t.role = 'subject_teacher'
               ), '[]'),
               'class_teacher_id', (
                   SELECT t.teacher_id FROM teaching AS t
                   WHERE t.group_id = g.group_id AND t.state = 'active' AND t.role = 'class_teacher'
                     AND (t.starts_on IS NULL OR t.starts_on <= d.today)
                     AND (t.ends_on IS NULL OR t.ends_on >= d.today)
                   ORDER BY t.starts_on DESC NULLS LAST, t.teaching_id LIMIT 1
               )
           ) AS state
    FROM ids
    JOIN study_groups AS g USING (group_id)
    CROSS JOIN LATERAL (
        SELECT ($2::timestamptz AT TIME ZONE o.time_zone)::date AS today FROM schools AS o
        WHERE o.school_id = g.school_id
    ) AS d
    LEFT JOIN subjects AS s USING (subject_id)
)
UPDATE study_groups AS g
SET state = c.state, revision = g.revision + 1, changed_at = $2
FROM composed AS c
WHERE g.group_id = c.group_id AND g.state IS DISTINCT FROM c.state
RETURNING g.group_id, g.revision, g.state, g.changed_at
"""

_MEMBERS = "SELECT DISTINCT person_id FROM group_members WHERE group_id = ANY($1::uuid[]) AND active"
_GROUPS_OF_SUBJECTS = """
SELECT group_id FROM study_groups WHERE subject_id = ANY($1::uuid[])
UNION
SELECT group_id FROM teaching WHERE subject_id = ANY($1::uuid[]) AND state = 'active'
"""


def person_event(person_id: UUID, revision: int, state: dict[str, Any], changed_at: datetime) -> PersonChanged:
    """The event of a person's revision."""
    return PersonChanged.model_validate(
        {**state, "person_id": person_id, "revision": revision, "changed_at": changed_at}
    )


def group_event(group_id: UUID, revision: int, state: dict[str, Any], changed_at: datetime) -> StudyGroupChanged:
    """The event of a group's revision."""
    return StudyGroupChanged.model_validate(
        {**state, "group_id": group_id, "revision": revision, "changed_at": changed_at}
    )


async def compose_persons(conn: Connection, person_ids: Sequence[UUID], now: datetime) -> list[PersonChanged]:
    """Composes persons anew; returns the events of those whose state differs. Needs sight of the whole district."""
    if not person_ids:
        return []
    return [person_event(*row) for row in await conn.fetch(_COMPOSE_PERSONS, person_ids, now)]


async def compose_groups(conn: Connection, group_ids: Sequence[UUID], now: datetime) -> list[StudyGroupChanged]:
    """Composes groups anew; returns the events of those whose state differs. Needs sight of the whole district."""
    if not group_ids:
        return []
    return [group_event(*row) for row in await conn.fetch(_COMPOSE_GROUPS, group_ids, now)]


async def members(conn: Connection, group_ids: Sequence[UUID]) -> list[UUID]:
    """The students whose enrolment may show one of these groups."""
    return [row["person_id"] for row in await conn.fetch(_MEMBERS, group_ids)]


async def groups_of_subjects(conn: Connection, subject_ids: Sequence[UUID]) -> list[UUID]:
    """The groups that show one of these subjects."""
    return [row["group_id"] for row in await conn.fetch(_GROUPS_OF_SUBJECTS, subject_ids)]
