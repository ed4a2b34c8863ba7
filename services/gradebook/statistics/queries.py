"""SQL of the statistics: what is counted, by whom it is counted. Sums are whole numbers and exact numerics."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from chassis.database import Connection


class Term(NamedTuple):
    """A period of one school."""

    period_id: UUID
    school_id: UUID
    school: str
    kind: str
    number: int
    school_year: str
    starts_on: date
    ends_on: date


_TERM_COLUMNS = "p.period_id, p.school_id, s.name, p.kind, p.number, p.school_year, p.starts_on, p.ends_on"
_TERM = f"""
SELECT {_TERM_COLUMNS} FROM periods AS p JOIN schools AS s USING (school_id)
WHERE p.school_id = $1 AND p.period_id = $2
"""
_TERMS = f"""
SELECT {_TERM_COLUMNS} FROM periods AS p JOIN schools AS s USING (school_id)
WHERE p.kind = $1 AND p.number = $2 AND p.school_year = $3 ORDER BY s.name, p.period_id
"""


async def term(conn: Connection, school_id: UUID, period_id: UUID) -> Term | None:
    """The period, if it is this school's."""
    row = await conn.fetchrow(_TERM, school_id, period_id)
    return None if row is None else Term(*row)


async def terms(conn: Connection, kind: str, number: int, school_year: str) -> list[Term]:
    """The same period at every school that can be seen."""
    return [Term(*row) for row in await conn.fetch(_TERMS, kind, number, school_year)]


class ResultCount(NamedTuple):
    """How many final grades of one value."""

    unit: UUID | None
    """Class, group, teacher or school."""
    subject_id: UUID
    value: str
    """A grade, or `deferred`."""
    number: int


class MarkCount(NamedTuple):
    """How many marks of one value, and the sum of their weights."""

    unit: UUID | None
    subject_id: UUID
    value: str
    number: int
    weight: Decimal


# Who was in a group on the last day of the period; of two classes the one that the student joined last.
_MEMBERS = """
members AS MATERIALIZED (
    SELECT DISTINCT m.person_id AS student_id, m.group_id, g.kind, m.joined_on
    FROM study_groups AS g
    CROSS JOIN LATERAL (
        SELECT person_id, group_id, joined_on, left_on FROM group_members
        WHERE group_id = g.group_id AND (active OR left_on IS NOT NULL)
        UNION ALL
        SELECT person_id, group_id, joined_on, left_on FROM former_memberships WHERE group_id = g.group_id
    ) AS m
    WHERE g.school_id = $1 AND g.open
      AND (m.joined_on IS NULL OR m.joined_on <= $2) AND (m.left_on IS NULL OR m.left_on >= $2)
)"""
_CLASSES = """
classes AS MATERIALIZED (
    SELECT DISTINCT ON (student_id) student_id, group_id FROM members
    WHERE kind = 'class' ORDER BY student_id, joined_on DESC NULLS LAST, group_id
)"""
_TAUGHT = """
taught AS MATERIALIZED (
    SELECT teacher_id, group_id, subject_id FROM teaching
    WHERE school_id = $1 AND state = 'active' AND subject_id IS NOT NULL
      AND (starts_on IS NULL OR starts_on <= $2) AND (ends_on IS NULL OR ends_on >= $4)
)"""
_OF_TERM = "f.school_id = $1 AND f.period_id = $3 AND f.state <> 'withdrawn'"
_GRADE = "coalesce(f.value, 'deferred')"

_RESULTS_BY_CLASS = f"""
WITH {_MEMBERS}, {_CLASSES}
SELECT c.group_id, f.subject_id, {_GRADE}, count(*)
FROM final_grades AS f LEFT JOIN classes AS c USING (student_id)
WHERE {_OF_TERM} GROUP BY 1, 2, 3
"""
_RESULTS_BY_GROUP = f"""
WITH {_MEMBERS}, {_TAUGHT},
own AS MATERIALIZED (
    SELECT DISTINCT m.student_id, m.group_id, s.subject_id FROM members AS m JOIN (
        SELECT group_id, subject_id FROM taught
        UNION SELECT group_id, subject_id FROM study_groups WHERE school_id = $1 AND subject_id IS NOT NULL
    ) AS s USING (group_id)
    WHERE m.kind <> 'class'
)
SELECT o.group_id, f.subject_id, {_GRADE}, count(*)
FROM final_grades AS f JOIN own AS o USING (student_id, subject_id)
WHERE {_OF_TERM} GROUP BY 1, 2, 3
"""
_RESULTS_BY_TEACHER = f"""
WITH {_MEMBERS}, {_TAUGHT},
own AS MATERIALIZED (
    SELECT DISTINCT m.student_id, t.teacher_id, t.subject_id FROM members AS m JOIN taught AS t USING (group_id)
)
SELECT o.teacher_id, f.subject_id, {_GRADE}, count(*)
FROM final_grades AS f JOIN own AS o USING (student_id, subject_id)
WHERE {_OF_TERM} GROUP BY 1, 2, 3
"""
_RESULTS_BY_SCHOOL = f"""
SELECT f.school_id, f.subject_id, {_GRADE}, count(*)
FROM periods AS p JOIN final_grades AS f ON f.school_id = p.school_id AND f.period_id = p.period_id
WHERE p.period_id = ANY($1::uuid[]) AND f.state <> 'withdrawn' GROUP BY 1, 2, 3
"""
_RESULTS = {"class": _RESULTS_BY_CLASS, "group": _RESULTS_BY_GROUP, "teacher": _RESULTS_BY_TEACHER}


async def results(conn: Connection, of: Term, by: str) -> list[ResultCount]:
    """The final grades of a school's period, counted by `class`, `group` or `teacher`."""
    arguments = [of.school_id, of.ends_on, of.period_id] + ([] if by == "class" else [of.starts_on])
    rows = await conn.fetch(_RESULTS[by], *arguments)
    return [ResultCount(*row) for row in rows]


async def results_by_school(conn: Connection, period_ids: Sequence[UUID]) -> list[ResultCount]:
    """The final grades of these periods, counted by school."""
    return [ResultCount(*row) for row in await conn.fetch(_RESULTS_BY_SCHOOL, period_ids)]


_MARKS_OF_TERM = "m.school_id = $1 AND m.state = 'recorded' AND m.lesson_on BETWEEN $3 AND $2"
_MARKS_BY_CLASS = f"""
WITH {_MEMBERS}, {_CLASSES}
SELECT c.group_id, m.subject_id, m.value, count(*), sum(m.weight)
FROM marks AS m LEFT JOIN classes AS c USING (student_id)
WHERE {_MARKS_OF_TERM} GROUP BY 1, 2, 3
"""
_MARKS_BY_GROUP = f"""
SELECT m.group_id, m.subject_id, m.value, count(*), sum(m.weight)
FROM marks AS m WHERE {_MARKS_OF_TERM} GROUP BY 1, 2, 3
"""
_MARKS_BY_TEACHER = f"""
SELECT m.author_id, m.subject_id, m.value, count(*), sum(m.weight)
FROM marks AS m WHERE {_MARKS_OF_TERM} GROUP BY 1, 2, 3
"""
_MARKS_BY_SCHOOL = """
SELECT m.school_id, m.subject_id, m.value, count(*), sum(m.weight)
FROM periods AS p
JOIN marks AS m ON m.school_id = p.school_id AND m.lesson_on BETWEEN p.starts_on AND p.ends_on
WHERE p.period_id = ANY($1::uuid[]) AND m.state = 'recorded' GROUP BY 1, 2, 3
"""
_MARKS = {"class": _MARKS_BY_CLASS, "group": _MARKS_BY_GROUP, "teacher": _MARKS_BY_TEACHER}


async def marks(conn: Connection, of: Term, by: str) -> list[MarkCount]:
    """The marks of a school's period, counted by `class`, `group` or `teacher` (who gave them)."""
    rows = await conn.fetch(_MARKS[by], of.school_id, of.ends_on, of.starts_on)
    return [MarkCount(*row) for row in rows]


async def marks_by_school(conn: Connection, period_ids: Sequence[UUID]) -> list[MarkCount]:
    """The marks of the days of these periods, counted by school."""
    return [MarkCount(*row) for row in await conn.fetch(_MARKS_BY_SCHOOL, period_ids)]


class LessonCount(NamedTuple):
    """Lessons of one type that a group had, or was to have, with one teacher in one subject."""

    school_id: UUID
    group_id: UUID | None
    """None, and no teacher, where schools are counted as wholes."""
    teacher_id: UUID | None
    subject_id: UUID | None
    lesson_type: str
    planned: int
    held: int
    moved: int
    substituted: int
    lost: int


# A change of the timetable names its lesson, or its group, day and number do. A lesson that was moved and stands anew
# at its new time is planned once. What was called off before a dated lesson existed was planned and is lost.
_COUNT_LESSONS = """
WITH term AS MATERIALIZED (
    SELECT school_id, starts_on, ends_on FROM periods WHERE period_id = ANY($1::uuid[])
),
change AS MATERIALIZED (
    SELECT c.school_id, c.group_id, c.subject_id, c.kind, coalesce(c.lesson_id, l.lesson_id) AS lesson_id,
           EXISTS (
               SELECT FROM lessons AS n
               WHERE n.group_id = c.group_id AND n.lesson_on = c.moved_to_on AND n.number = c.moved_to_number
                 AND n.state <> 'withdrawn' AND n.lesson_id IS DISTINCT FROM coalesce(c.lesson_id, l.lesson_id)
           ) AS made_up
    FROM term AS t
    JOIN substitutions AS c ON c.school_id = t.school_id AND c.lesson_on BETWEEN t.starts_on AND t.ends_on
    LEFT JOIN lessons AS l
        ON c.lesson_id IS NULL AND l.group_id = c.group_id AND l.lesson_on = c.lesson_on AND l.number = c.number
        AND l.state <> 'withdrawn'
    WHERE c.state = 'announced'
),
flag AS MATERIALIZED (
    SELECT lesson_id, bool_or(kind = 'replaced') AS replaced, bool_or(kind = 'moved') AS moved,
           bool_or(kind = 'moved' AND made_up) AS made_up, bool_or(kind = 'cancelled') AS called_off
    FROM change WHERE lesson_id IS NOT NULL GROUP BY lesson_id
)
SELECT l.school_id, {group}, {teacher}, l.subject_id, l.lesson_type,
       count(*) FILTER (WHERE l.state = 'held' OR f.made_up IS NOT TRUE) AS planned,
       count(*) FILTER (WHERE l.state = 'held') AS held,
       count(*) FILTER (WHERE f.moved) AS moved,
       count(*) FILTER (WHERE f.replaced) AS substituted,
       count(*) FILTER (
           WHERE (l.state = 'cancelled' OR (l.state = 'planned' AND f.called_off)) AND f.moved IS NOT TRUE
       ) AS lost
FROM term AS t
JOIN lessons AS l ON l.school_id = t.school_id AND l.lesson_on BETWEEN t.starts_on AND t.ends_on
LEFT JOIN flag AS f USING (lesson_id)
WHERE l.state <> 'withdrawn'
GROUP BY 1, 2, 3, 4, 5
UNION ALL
SELECT l.school_id, {group}, NULL::uuid, l.subject_id, 'other',
       count(*) FILTER (WHERE kind = 'cancelled'), 0, count(*) FILTER (WHERE kind = 'moved'),
       count(*) FILTER (WHERE kind = 'replaced'), count(*) FILTER (WHERE kind = 'cancelled')
FROM change AS l WHERE lesson_id IS NULL GROUP BY 1, 2, 4
"""
_LESSONS = _COUNT_LESSONS.format(group="l.group_id", teacher="l.teacher_id")
_LESSONS_BY_SCHOOL = _COUNT_LESSONS.format(group="NULL::uuid", teacher="NULL::uuid")


async def lessons(conn: Connection, period_id: UUID) -> list[LessonCount]:
    """The lessons of a school's period, by group and teacher."""
    return [LessonCount(*row) for row in await conn.fetch(_LESSONS, [period_id])]


async def lessons_by_school(conn: Connection, period_ids: Sequence[UUID]) -> list[LessonCount]:
    """The lessons of these periods, counted by school."""
    return [LessonCount(*row) for row in await conn.fetch(_LESSONS_BY_SCHOOL, period_ids)]


class PlannedHours(NamedTuple):
    """Hours of the curriculum plan."""

    school_id: UUID
    group_id: UUID
    subject_id: UUID
    lesson_type: str
    hours: Decimal


# A year, or a half-year of quarters, has the plan of its parts where it has none of its own.
_PLAN = """
WITH term AS MATERIALIZED (
    SELECT period_id, school_id, school_year, starts_on, ends_on FROM periods WHERE period_id = ANY($1::uuid[])
),
own AS MATERIALIZED (
    SELECT c.school_id, c.group_id, c.subject_id, c.lesson_type, c.hours
    FROM term AS t JOIN curriculum_plan AS c ON c.school_id = t.school_id AND c.period_id = t.period_id
    WHERE c.state = 'active'
),
part AS MATERIALIZED (
    SELECT c.school_id, c.group_id, c.subject_id, c.lesson_type, c.hours
    FROM term AS t
    JOIN periods AS p
        ON p.school_id = t.school_id AND p.school_year = t.school_year AND p.period_id <> t.period_id
        AND p.kind IN ('quarter', 'half_year') AND p.starts_on >= t.starts_on AND p.ends_on <= t.ends_on
    JOIN curriculum_plan AS c ON c.school_id = p.school_id AND c.period_id = p.period_id
    WHERE c.state = 'active'
      AND NOT EXISTS (SELECT FROM own AS o WHERE o.group_id = c.group_id AND o.subject_id = c.subject_id)
)
SELECT school_id, group_id, subject_id, lesson_type, sum(hours)
FROM (SELECT * FROM own UNION ALL SELECT * FROM part) AS plan GROUP BY 1, 2, 3, 4
"""


async def plan(conn: Connection, period_ids: Sequence[UUID]) -> list[PlannedHours]:
    """The curriculum plan of these periods, by group, subject and lesson type."""
    return [PlannedHours(*row) for row in await conn.fetch(_PLAN, period_ids)]


class Topic(NamedTuple):
    """A topic that was to be taught and was not."""

    group_id: UUID
    teacher_id: UUID | None
    subject_id: UUID
    lesson_on: date
    topic: str


_TOPICS = """
SELECT l.group_id, l.teacher_id, l.subject_id, min(l.lesson_on), l.topic
FROM lessons AS l
WHERE l.school_id = $1 AND l.lesson_on BETWEEN $2 AND $3 AND l.state IN ('planned', 'cancelled') AND l.topic <> ''
  AND NOT EXISTS (
      SELECT FROM lessons AS h
      WHERE h.school_id = $1 AND h.state = 'held' AND h.group_id = l.group_id AND h.subject_id = l.subject_id
        AND h.topic = l.topic
  )
GROUP BY l.group_id, l.teacher_id, l.subject_id, l.topic
ORDER BY 4, 5
"""


async def topics_not_covered(conn: Connection, of: Term) -> list[Topic]:
    """Topics of lessons of the period that no lesson of the group has covered to this day."""
    return [Topic(*row) for row in await conn.fetch(_TOPICS, of.school_id, of.starts_on, of.ends_on)]


class Group(NamedTuple):
    """A class or another group."""

    group_id: UUID
    kind: str
    name: str
    grade_level: int


_GROUPS = "SELECT group_id, kind, name, grade_level FROM study_groups WHERE school_id = $1 ORDER BY grade_level, name"
_TEACHING = """
SELECT DISTINCT teacher_id, group_id, subject_id FROM teaching
WHERE school_id = $1 AND state = 'active' AND subject_id IS NOT NULL
  AND (starts_on IS NULL OR starts_on <= $3) AND (ends_on IS NULL OR ends_on >= $2)
"""
_NAMES = "SELECT person_id, state -> 'name' AS name FROM persons WHERE person_id = ANY($1::uuid[])"


async def groups(conn: Connection, school_id: UUID) -> dict[UUID, Group]:
    """A school's groups."""
    return {row["group_id"]: Group(*row) for row in await conn.fetch(_GROUPS, school_id)}


async def teaching(conn: Connection, of: Term) -> list[tuple[UUID, UUID, UUID]]:
    """Teacher, group and subject of what is taught in the period."""
    return [tuple(row) for row in await conn.fetch(_TEACHING, of.school_id, of.starts_on, of.ends_on)]


async def names(conn: Connection, person_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Full names, the family name first."""
    found = {}
    for row in await conn.fetch(_NAMES, person_ids):
        name = row["name"] or {}
        found[row["person_id"]] = " ".join(
            filter(None, (name.get("family"), name.get("given"), name.get("patronymic")))
        )
    return found
