"""SQL around the facts of the journal: what control works stand, for whom homework is, which lessons there are."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from chassis.database import Connection
from services.gradebook.control_works import Planned
from services.gradebook.facts import Homework
from services.gradebook.queries import columns

_LESSONS_AT = "SELECT lesson_id FROM lessons WHERE lesson_id = ANY($1::uuid[]) AND school_id = $2"


async def lessons_at(conn: Connection, lesson_ids: Sequence[UUID], school_id: UUID) -> set[UUID]:
    """Which of these are lessons of the school."""
    return {row["lesson_id"] for row in await conn.fetch(_LESSONS_AT, lesson_ids, school_id)}


# What is kept of it already counts before what the group has.
_TAUGHT = """
SELECT coalesce(t.role, CASE WHEN g.subject_id IS NULL THEN 'class_teacher' ELSE 'subject_teacher' END) AS role,
       s.external_id AS subject
FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS n (teaching_id, group_id, place)
LEFT JOIN teaching AS t ON t.teaching_id = n.teaching_id AND t.group_id = n.group_id
LEFT JOIN study_groups AS g ON g.group_id = n.group_id
LEFT JOIN subjects AS s ON s.subject_id = CASE WHEN t.teaching_id IS NULL THEN g.subject_id ELSE t.subject_id END
ORDER BY n.place
"""


async def taught(
    conn: Connection, teaching_ids: Sequence[UUID], group_ids: Sequence[UUID]
) -> list[tuple[str, str | None]]:
    """As whom somebody teaches a group and what, by the source's id: what is kept, otherwise what the group is for."""
    return [(row["role"], row["subject"]) for row in await conn.fetch(_TAUGHT, teaching_ids, group_ids)]


# A class is its own class; a group's classes are those that its members are in.
_CLASSES_OF_GROUPS = """
SELECT g.group_id, CASE WHEN g.kind = 'class' THEN ARRAY[g.group_id] ELSE coalesce((
    SELECT array_agg(DISTINCT c.group_id)
    FROM group_members AS m
    JOIN group_members AS o ON o.person_id = m.person_id AND o.active
    JOIN study_groups AS c ON c.group_id = o.group_id AND c.kind = 'class' AND c.open
    WHERE m.group_id = g.group_id AND m.active
), ARRAY[g.group_id]) END AS classes
FROM study_groups AS g WHERE g.group_id = ANY($1::uuid[])
"""


async def classes_of_groups(conn: Connection, group_ids: Sequence[UUID]) -> dict[UUID, frozenset[UUID]]:
    """The classes from which each group's students come; a group whose members are in no class stands for itself."""
    rows = await conn.fetch(_CLASSES_OF_GROUPS, group_ids)
    return {row["group_id"]: frozenset(row["classes"]) for row in rows}


_STANDING = """
SELECT control_work_id, group_id, subject_id, planned_on, kind
FROM control_works
WHERE school_id = $1 AND state = 'planned' AND planned_on BETWEEN $2 AND $3
ORDER BY planned_on, control_work_id
"""


async def standing_control_works(conn: Connection, school_id: UUID, first: date, last: date) -> list[Planned]:
    """The planned control works of a school between two days, with the classes that write them."""
    rows = await conn.fetch(_STANDING, school_id, first, last)
    classes = await classes_of_groups(conn, list({row["group_id"] for row in rows}))
    return [
        Planned(row["control_work_id"], classes[row["group_id"]], row["subject_id"], row["planned_on"], row["kind"])
        for row in rows
    ]


_FORGET_HOMEWORK_STUDENTS = "DELETE FROM homework_students WHERE homework_id = ANY($1::uuid[])"
_KEEP_HOMEWORK_STUDENTS = """
INSERT INTO homework_students (homework_id, student_id, school_id)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[])
ON CONFLICT DO NOTHING
"""


async def index_homework(conn: Connection, written: Sequence[Homework]) -> None:
    """Notes by student whom homework for single students is for, as it is now."""
    rows = [
        (homework.homework_id, UUID(student_id), homework.school_id)
        for homework in written
        for student_id in homework.student_ids
    ]
    await conn.execute(_FORGET_HOMEWORK_STUDENTS, [homework.homework_id for homework in written])
    if rows:
        await conn.execute(_KEEP_HOMEWORK_STUDENTS, *columns(rows))
