"""SQL of what the rules over marks need to know."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from uuid import UUID

from chassis.database import Connection
from services.gradebook.marking import KnownLesson, Spell, Studies, Term
from services.gradebook.queries import columns

_TERMS = """
SELECT p.kind, p.starts_on, p.ends_on, p.closed_at IS NOT NULL AS closed,
       coalesce((
           SELECT array_agg(c.class_id) FROM period_closings AS c
           WHERE c.period_id = p.period_id AND c.state = 'closed' AND c.class_id IS NOT NULL
       ), '{}') AS closed_classes
FROM periods AS p WHERE p.school_id = $1
"""


async def terms(conn: Connection, school_id: UUID) -> list[Term]:
    """The reporting periods of a school, and for whom each is closed."""
    return [
        Term(row["kind"], row["starts_on"], row["ends_on"], row["closed"], frozenset(row["closed_classes"]))
        for row in await conn.fetch(_TERMS, school_id)
    ]


# A member who is not in the group any more and whose last day nobody stated is taken not to have been in it.
_SPELLS = """
SELECT group_id, person_id, joined_on, left_on FROM group_members
WHERE group_id = ANY($1::uuid[]) AND person_id = ANY($2::uuid[]) AND (active OR left_on IS NOT NULL)
UNION ALL
SELECT group_id, person_id, joined_on, left_on FROM former_memberships
WHERE group_id = ANY($1::uuid[]) AND person_id = ANY($2::uuid[])
"""


async def spells(
    conn: Connection, group_ids: Sequence[UUID], student_ids: Sequence[UUID]
) -> Mapping[tuple[UUID, UUID], list[Spell]]:
    """When these students were in these groups."""
    found: defaultdict[tuple[UUID, UUID], list[Spell]] = defaultdict(list)
    for row in await conn.fetch(_SPELLS, group_ids, student_ids):
        found[row["group_id"], row["person_id"]].append(Spell(row["joined_on"], row["left_on"]))
    return dict(found)


_LEVELS = "SELECT group_id, grade_level FROM study_groups WHERE group_id = ANY($1::uuid[])"


async def levels(conn: Connection, group_ids: Sequence[UUID]) -> dict[UUID, int]:
    """The grade level of each group."""
    return {row["group_id"]: row["grade_level"] for row in await conn.fetch(_LEVELS, group_ids)}


_STUDIES = """
SELECT person_id, (state -> 'enrolment' ->> 'class_id')::uuid AS class_id,
       (state -> 'enrolment' ->> 'grade_level')::bigint AS grade_level
FROM persons WHERE person_id = ANY($1::uuid[])
"""


async def studies(conn: Connection, student_ids: Sequence[UUID]) -> dict[UUID, Studies]:
    """The class in which each student is now."""
    rows = await conn.fetch(_STUDIES, student_ids)
    return {row["person_id"]: Studies(row["class_id"], row["grade_level"]) for row in rows}


_LESSONS = """
SELECT lesson_id, group_id, subject_id, lesson_on, state IN ('cancelled', 'withdrawn') AS cancelled
FROM lessons WHERE lesson_id = ANY($1::uuid[]) AND school_id = $2
"""


async def lessons(conn: Connection, lesson_ids: Sequence[UUID], school_id: UUID) -> dict[UUID, KnownLesson]:
    """These lessons, as far as they are the school's."""
    return {row["lesson_id"]: KnownLesson(*row[1:]) for row in await conn.fetch(_LESSONS, lesson_ids, school_id)}


# A dated lesson stands above the weekly timetable; so do a substitution that cancels or moves it away, or brings it.
_TAUGHT = """
SELECT g.group_id, g.subject_id, g.day
FROM unnest($1::uuid[], $2::uuid[], $3::date[]) AS g (group_id, subject_id, day)
WHERE EXISTS (
    SELECT FROM lessons AS l
    WHERE l.group_id = g.group_id AND l.lesson_on = g.day AND l.subject_id = g.subject_id
      AND l.state IN ('planned', 'held')
)
OR EXISTS (
    SELECT FROM timetable_slots AS s
    WHERE s.group_id = g.group_id AND s.weekday = extract(isodow FROM g.day) AND s.subject_id = g.subject_id
      AND s.state = 'active' AND s.valid_from <= g.day AND (s.valid_to IS NULL OR g.day <= s.valid_to)
      AND NOT EXISTS (
          SELECT FROM lessons AS l
          WHERE l.group_id = s.group_id AND l.lesson_on = g.day AND l.number = s.number AND l.state = 'cancelled'
      )
      AND NOT EXISTS (
          SELECT FROM substitutions AS u
          WHERE u.group_id = s.group_id AND u.lesson_on = g.day AND u.number = s.number AND u.state = 'announced'
            AND (u.kind IN ('cancelled', 'moved') OR coalesce(u.new_subject_id, g.subject_id) <> g.subject_id)
      )
      AND NOT EXISTS (
          SELECT FROM holidays AS h
          WHERE h.school_id = s.school_id AND h.state = 'active' AND g.day BETWEEN h.starts_on AND h.ends_on
      )
)
OR EXISTS (
    SELECT FROM substitutions AS u
    WHERE u.group_id = g.group_id AND u.state = 'announced'
      AND (
          (u.kind = 'moved' AND u.moved_to_on = g.day AND u.subject_id = g.subject_id)
          OR (u.kind = 'replaced' AND u.lesson_on = g.day AND u.new_subject_id = g.subject_id)
      )
)
"""


async def taught(conn: Connection, wanted: Sequence[tuple[UUID, UUID, date]]) -> set[tuple[UUID, UUID, date]]:
    """Of these groups, subjects and days those on which the group has a lesson of the subject."""
    return {(row["group_id"], row["subject_id"], row["day"]) for row in await conn.fetch(_TAUGHT, *columns(wanted))}
