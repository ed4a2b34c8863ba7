"""The kinds of facts of the journal: how each is stated, what rules it has, and what it tells."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from chassis import outbox
from chassis.database import Connection
from chassis.messages import Publishable
from services.gradebook import (
    composing,
    fact_tables,
    journal_composing,
    journal_events,
    journal_queries,
    roster_queries,
)
from services.gradebook.control_works import Clash
from services.gradebook.facts import Fact, Holiday, Homework, SchoolYear, Slot, Teaching
from services.gradebook.records import ControlWorkRecord, LessonRecord
from services.gradebook.records.journal import JournalRecord
from services.gradebook.rejections import Fault
from services.gradebook.taking.clashing import clashes_of, is_planned_anew, refuse_clashing
from services.gradebook.taking.common import Outcome, Placed, Taking, only_first
from services.gradebook.taking.facts import Book, Change, changes_of
from services.gradebook.taking.references import Ref, References

F = TypeVar("F", bound=Fact)
Changes = Sequence[Change[Any, F]]


def _state(record: JournalRecord) -> str:
    return str(record.state)


def _either(active: str, withdrawn: str) -> Callable[[JournalRecord], str]:
    return lambda record: active if record.active else withdrawn


async def _nothing_to_tell(_: Connection, __: Taking, ___: Changes[Any], ____: References) -> None:
    """For what families and other services do not see."""


def _each(event: Callable[[Any, journal_events.Titles], Publishable]) -> Any:
    async def told(conn: Connection, _: Taking, changes: Changes[Any], references: References) -> None:
        await outbox.publish(conn, [event(change.after, references.titles) for change in changes])

    return told


async def _tell_calendars(
    conn: Connection, taking: Taking, changes: Changes[SchoolYear] | Changes[Holiday], _: References
) -> None:
    years = [
        (fact.school_id, fact.school_year)
        for change in changes
        for fact in (change.before, change.after)
        if fact is not None
    ]
    await outbox.publish(conn, await journal_composing.compose_calendars(conn, years, taking.now))


async def _tell_groups(conn: Connection, taking: Taking, changes: Changes[Teaching], _: References) -> None:
    await roster_queries.see_whole_district(conn)
    groups = [change.after.group_id for change in changes]
    await outbox.publish(conn, await composing.compose_groups(conn, groups, taking.now))


async def _tell_timetables(conn: Connection, taking: Taking, changes: Changes[Slot], _: References) -> None:
    groups = [change.after.group_id for change in changes]
    await outbox.publish(conn, await journal_composing.compose_timetables(conn, groups, taking.now))


async def _tell_homework(conn: Connection, _: Taking, changes: Changes[Homework], references: References) -> None:
    await journal_queries.index_homework(conn, [change.after for change in changes])
    events = [journal_events.homework_event(change.after, references.titles) for change in changes]
    await outbox.publish(conn, events)


def _lesson_state(record: LessonRecord) -> str:
    return record.status if record.active else "withdrawn"


CAMPUSES = Book(
    fact_tables.CAMPUSES,
    "campus",
    {},
    lambda record, _: (record.title, record.address),
    _state,
    _nothing_to_tell,
    names_school=True,
)
SCHOOL_YEARS = Book(
    fact_tables.SCHOOL_YEARS,
    "school_year",
    {},
    lambda record, _: (record.school_year, record.starts_on, record.ends_on),
    _state,
    _tell_calendars,
    names_school=True,
    lock="calendar/{school}",
)
HOLIDAYS = Book(
    fact_tables.HOLIDAYS,
    "holiday",
    {},
    lambda record, _: (record.school_year, record.title, record.starts_on, record.ends_on),
    _state,
    _tell_calendars,
    names_school=True,
    lock="calendar/{school}",
)
TEACHING = Book(
    fact_tables.TEACHING,
    "teaching",
    {"teacher_id": Ref.TEACHER, "group_id": Ref.GROUP, "subject_id": Ref.SUBJECT},
    lambda r, ids: (
        ids.needed(r, "teacher_id"),
        ids.needed(r, "group_id"),
        ids.optional(r, "subject_id"),
        r.role,
        r.starts_on,
        r.ends_on,
    ),
    _state,
    _tell_groups,
    fixed=("group_id",),
    lock="roster",
)
CURRICULUM = Book(
    fact_tables.CURRICULUM,
    "curriculum",
    {"group_id": Ref.GROUP, "subject_id": Ref.SUBJECT, "period_id": Ref.PERIOD},
    lambda r, ids: (
        ids.needed(r, "group_id"),
        ids.needed(r, "subject_id"),
        ids.needed(r, "period_id"),
        str(r.lesson_type),
        r.exact_hours(),
    ),
    _state,
    _nothing_to_tell,
)
TIMETABLE = Book(
    fact_tables.SLOTS,
    "slot",
    {"group_id": Ref.GROUP, "subject_id": Ref.SUBJECT, "teacher_id": Ref.TEACHER},
    lambda r, ids: (
        ids.needed(r, "group_id"),
        ids.needed(r, "subject_id"),
        ids.optional(r, "teacher_id"),
        r.room,
        r.weekday,
        r.number,
        r.starts_at,
        r.ends_at,
        r.valid_from,
        r.valid_to,
    ),
    _state,
    _tell_timetables,
    fixed=("group_id",),
    lock="timetables",
)
LESSONS = Book(
    fact_tables.LESSONS,
    "lesson",
    {"group_id": Ref.GROUP, "subject_id": Ref.SUBJECT, "teacher_id": Ref.TEACHER},
    lambda r, ids: (
        ids.needed(r, "group_id"),
        ids.needed(r, "subject_id"),
        ids.optional(r, "teacher_id"),
        r.lesson_on,
        r.number,
        r.starts_at,
        r.ends_at,
        r.room,
        str(r.lesson_type),
        r.topic,
    ),
    _lesson_state,
    _each(journal_events.lesson_event),
    fixed=("group_id",),
)
SUBSTITUTIONS = Book(
    fact_tables.SUBSTITUTIONS,
    "substitution",
    {
        "group_id": Ref.GROUP,
        "lesson_id": Ref.LESSON,
        "subject_id": Ref.SUBJECT,
        "new_teacher_id": Ref.TEACHER,
        "new_subject_id": Ref.SUBJECT,
    },
    lambda r, ids: (
        ids.needed(r, "group_id"),
        ids.optional(r, "lesson_id"),
        r.lesson_on,
        r.number,
        ids.optional(r, "subject_id"),
        r.kind,
        ids.optional(r, "new_teacher_id"),
        ids.optional(r, "new_subject_id"),
        r.new_room,
        r.moved_to_on,
        r.moved_to_number,
        r.reason,
    ),
    _either("announced", "revoked"),
    _each(journal_events.substitution_event),
    fixed=("group_id",),
)
CONTROL_WORKS = Book(
    fact_tables.CONTROL_WORKS,
    "control_work",
    {"group_id": Ref.GROUP, "subject_id": Ref.SUBJECT},
    lambda r, ids: (
        ids.needed(r, "group_id"),
        ids.needed(r, "subject_id"),
        r.planned_on,
        r.number,
        str(r.kind),
        r.title,
    ),
    _either("planned", "cancelled"),
    _each(journal_events.control_work_event),
    fixed=("group_id",),
    refuse=refuse_clashing,
)
HOMEWORK = Book(
    fact_tables.HOMEWORK,
    "homework",
    {"group_id": Ref.GROUP, "subject_id": Ref.SUBJECT, "lesson_id": Ref.LESSON, "student_ids": Ref.STUDENT},
    lambda r, ids: (
        ids.needed(r, "group_id"),
        ids.needed(r, "subject_id"),
        ids.optional(r, "lesson_id"),
        r.assigned_on,
        r.due_on,
        r.content,
        [link.model_dump() for link in r.attachments],
        ids.each(r, "student_ids"),
    ),
    _either("assigned", "withdrawn"),
    _tell_homework,
    fixed=("group_id",),
)
RECOMMENDATIONS = Book(
    fact_tables.RECOMMENDATIONS,
    "recommendation",
    {"student_id": Ref.STUDENT, "group_id": Ref.GROUP, "subject_id": Ref.SUBJECT},
    lambda r, ids: (
        ids.optional(r, "student_id"),
        ids.optional(r, "group_id"),
        ids.optional(r, "subject_id"),
        r.given_on,
        r.kind,
        r.content,
    ),
    _either("given", "withdrawn"),
    _each(journal_events.recommendation_event),
    fixed=("student_id", "group_id"),
)
ATTENDANCE = Book(
    fact_tables.ATTENDANCE,
    "attendance",
    {"student_id": Ref.STUDENT, "group_id": Ref.GROUP, "subject_id": Ref.SUBJECT, "lesson_id": Ref.LESSON},
    lambda r, ids: (
        ids.needed(r, "student_id"),
        ids.optional(r, "group_id"),
        ids.optional(r, "subject_id"),
        ids.optional(r, "lesson_id"),
        r.lesson_on,
        r.number,
        str(r.code),
    ),
    _either("recorded", "withdrawn"),
    _each(journal_events.attendance_event),
    fixed=("student_id",),
)


async def judge_control_works(
    conn: Connection, taking: Taking, rows: Sequence[Placed[ControlWorkRecord]]
) -> tuple[list[tuple[str, Clash]], list[tuple[int, Fault]]]:
    """How control works would clash if they were taken, forced or not, and what is wrong with others."""
    outcome = Outcome()
    rows = only_first(rows, outcome)
    if not rows:
        return [], outcome.rejected
    changes = await changes_of(conn, taking, rows, CONTROL_WORKS, outcome)
    names = {change.after.control_work_id: change.record.control_work_id for change in changes}
    works = [change.after for change in changes if is_planned_anew(change)]
    found = await clashes_of(conn, taking.home(), works, set())
    return [(names[clash.control_work_id], clash) for clash in found], outcome.rejected
