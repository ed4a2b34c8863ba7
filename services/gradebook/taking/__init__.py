"""Taking records into the journal, within the caller's transaction: facts, their history and their events together."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any

from chassis.database import Connection
from services.gradebook import queries, roster_queries
from services.gradebook.records import RecordKind
from services.gradebook.taking import journal
from services.gradebook.taking.common import Outcome, Placed, Taking
from services.gradebook.taking.facts import Book, take_facts
from services.gradebook.taking.reference import take_periods, take_schools, take_subjects
from services.gradebook.taking.results import take_exam_results, take_final_grades, take_marks
from services.gradebook.taking.roster import take_groups, take_members, take_people, take_representatives

__all__ = ["BATCH", "TAKERS", "Outcome", "Placed", "Taking", "take"]

Taker = Callable[[Connection, Taking, Sequence[Placed[Any]]], Awaitable[Outcome]]


def _taker(book: Book[Any, Any]) -> Taker:
    return partial(take_facts, book=book)


TAKERS: dict[RecordKind, Taker] = {
    RecordKind.SCHOOLS: take_schools,
    RecordKind.CAMPUSES: _taker(journal.CAMPUSES),
    RecordKind.SUBJECTS: take_subjects,
    RecordKind.SCHOOL_YEARS: _taker(journal.SCHOOL_YEARS),
    RecordKind.PERIODS: take_periods,
    RecordKind.HOLIDAYS: _taker(journal.HOLIDAYS),
    RecordKind.PEOPLE: take_people,
    RecordKind.GROUPS: take_groups,
    RecordKind.MEMBERS: take_members,
    RecordKind.REPRESENTATIVES: take_representatives,
    RecordKind.TEACHING: _taker(journal.TEACHING),
    RecordKind.CURRICULUM: _taker(journal.CURRICULUM),
    RecordKind.TIMETABLE: _taker(journal.TIMETABLE),
    RecordKind.LESSONS: _taker(journal.LESSONS),
    RecordKind.SUBSTITUTIONS: _taker(journal.SUBSTITUTIONS),
    RecordKind.CONTROL_WORKS: _taker(journal.CONTROL_WORKS),
    RecordKind.HOMEWORK: _taker(journal.HOMEWORK),
    RecordKind.RECOMMENDATIONS: _taker(journal.RECOMMENDATIONS),
    RecordKind.ATTENDANCE: _taker(journal.ATTENDANCE),
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
