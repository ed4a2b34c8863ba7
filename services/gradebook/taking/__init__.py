"""Taking records into the journal, within the caller's transaction: facts, their history and their events together."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from chassis.database import Connection
from services.gradebook import queries, roster_queries
from services.gradebook.records import RecordKind
from services.gradebook.taking.common import Outcome, Placed, Taking
from services.gradebook.taking.journal import (
    take_attendance,
    take_campuses,
    take_control_works,
    take_curriculum,
    take_holidays,
    take_homework,
    take_lessons,
    take_recommendations,
    take_school_years,
    take_substitutions,
    take_teaching,
    take_timetable,
)
from services.gradebook.taking.reference import take_periods, take_schools, take_subjects
from services.gradebook.taking.results import take_exam_results, take_final_grades, take_marks
from services.gradebook.taking.roster import take_groups, take_members, take_people, take_representatives

__all__ = ["BATCH", "TAKERS", "Outcome", "Placed", "Taking", "take"]

Taker = Callable[[Connection, Taking, Sequence[Placed[Any]]], Awaitable[Outcome]]

TAKERS: dict[RecordKind, Taker] = {
    RecordKind.SCHOOLS: take_schools,
    RecordKind.CAMPUSES: take_campuses,
    RecordKind.SUBJECTS: take_subjects,
    RecordKind.SCHOOL_YEARS: take_school_years,
    RecordKind.PERIODS: take_periods,
    RecordKind.HOLIDAYS: take_holidays,
    RecordKind.PEOPLE: take_people,
    RecordKind.GROUPS: take_groups,
    RecordKind.MEMBERS: take_members,
    RecordKind.REPRESENTATIVES: take_representatives,
    RecordKind.TEACHING: take_teaching,
    RecordKind.CURRICULUM: take_curriculum,
    RecordKind.TIMETABLE: take_timetable,
    RecordKind.LESSONS: take_lessons,
    RecordKind.SUBSTITUTIONS: take_substitutions,
    RecordKind.CONTROL_WORKS: take_control_works,
    RecordKind.HOMEWORK: take_homework,
    RecordKind.RECOMMENDATIONS: take_recommendations,
    RecordKind.ATTENDANCE: take_attendance,
    RecordKind.MARKS: take_marks,
    RecordKind.FINAL_GRADES: take_final_grades,
    RecordKind.EXAM_RESULTS: take_exam_results,
}
"""Who takes which kind of record."""

BATCH = 5000
"""Records taken with one set of statements."""

PLANNED_ANEW_FROM = 200
"""Batches of this size are worth a plan of their own."""


async def take(conn: Connection, kind: RecordKind, taking: Taking, rows: Sequence[Placed[Any]]) -> Outcome:
    """Takes one batch of records of one kind and one school.

    Args:
        conn: the transaction.
        kind: what the records are.
        taking: for whom.
        rows: at most `BATCH`.
    """
    if len(rows) >= PLANNED_ANEW_FROM:
        await queries.plan_anew(conn)
    if taking.client_school_id is not None:
        await roster_queries.see_own_school(conn, taking.client_school_id)
    outcome = await TAKERS[kind](conn, taking, rows)
    if outcome.different:
        places = set(outcome.different)
        stated = [(row.record.key(), row.record.model_dump(mode="json")) for row in rows if row.place in places]
        await roster_queries.keep_statements(
            conn,
            stated,
            kind,
            school_id=taking.school_id or taking.client_school_id,
            source=taking.source,
            changed_by=taking.changed_by,
            now=taking.now,
        )
    return outcome
