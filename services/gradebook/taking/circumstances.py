"""Looks up what the rules over marks need to know, for a whole batch at once."""

from collections.abc import Sequence
from datetime import date
from uuid import UUID

from chassis.database import Connection
from services.gradebook import marking_queries, policy_queries, roster_queries
from services.gradebook.domain import Mark
from services.gradebook.marking import Circumstances
from services.gradebook.taking.common import Taking


async def circumstances(conn: Connection, taking: Taking, marks: Sequence[Mark]) -> Circumstances:
    """What the rules need about these marks of one school; `Circumstances` says it."""
    school_id = taking.home()
    students = list({mark.student_id for mark in marks})
    groups = list({mark.group_id for mark in marks if mark.group_id is not None})
    lessons = list({mark.lesson_id for mark in marks if mark.lesson_id is not None})
    policies = await policy_queries.policies(conn, school_id)
    unbound = {
        (mark.group_id, mark.subject_id, mark.lesson_on)
        for mark in marks
        if mark.group_id is not None and mark.lesson_id is None and policies.on(mark.lesson_on).marks_need_lessons
    }
    return Circumstances(
        today=await roster_queries.today_at(conn, school_id, taking.now),
        policies=policies,
        terms=await marking_queries.terms(conn, school_id),
        spells=await marking_queries.spells(conn, groups, students) if groups else {},
        levels=await marking_queries.levels(conn, groups) if groups else {},
        studies=await marking_queries.studies(conn, students),
        lessons=await marking_queries.lessons(conn, lessons, school_id) if lessons else {},
        taught=await _taught(conn, list(unbound)),
    )


async def _taught(conn: Connection, wanted: Sequence[tuple[UUID, UUID, date]]) -> frozenset[tuple[UUID, UUID, date]]:
    return frozenset(await marking_queries.taught(conn, wanted)) if wanted else frozenset()
