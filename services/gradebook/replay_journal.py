"""The pages of a replay for calendars, timetables, lessons and what belongs to them."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar
from uuid import UUID

from chassis.database import Connection
from chassis.messages import Publishable
from services.gradebook import fact_tables, journal_composing, journal_events, queries
from services.gradebook.fact_tables import FactTable
from services.gradebook.facts import Fact

PAGE = 2000

Page = Callable[[Connection, UUID], Awaitable[tuple[Sequence[Publishable], UUID | None]]]
"""Events after an id, and the last id of the page; None at the end."""

F = TypeVar("F", bound=Fact)


async def _calendars(conn: Connection, after: UUID) -> tuple[Sequence[Publishable], UUID | None]:
    rows = await journal_composing.calendars_after(conn, after, PAGE)
    return [journal_composing.calendar_event(*row[1:]) for row in rows], _last([row["calendar_id"] for row in rows])


async def _timetables(conn: Connection, after: UUID) -> tuple[Sequence[Publishable], UUID | None]:
    rows = await journal_composing.timetables_after(conn, after, PAGE)
    return [journal_composing.timetable_event(*row) for row in rows], _last([row["group_id"] for row in rows])


def _facts(table: FactTable[F], event: Callable[[F, journal_events.Titles], Publishable]) -> Page:
    async def page(conn: Connection, after: UUID) -> tuple[Sequence[Publishable], UUID | None]:
        facts = await table.after(conn, after, PAGE)
        titles = await queries.subjects(conn, list({subject for fact in facts for subject in _subjects(fact)}))
        return [event(fact, titles) for fact in facts], _last([fact[0] for fact in facts])

    return page


def _subjects(fact: Fact) -> list[UUID]:
    named = (getattr(fact, name, None) for name in ("subject_id", "new_subject_id"))
    return [subject_id for subject_id in named if subject_id is not None]


def _last(ids: Sequence[Any]) -> UUID | None:
    return ids[-1] if len(ids) == PAGE else None


JOURNAL_PAGES: dict[str, Page] = {
    "calendars": _calendars,
    "timetables": _timetables,
    "lessons": _facts(fact_tables.LESSONS, journal_events.lesson_event),
    "substitutions": _facts(fact_tables.SUBSTITUTIONS, journal_events.substitution_event),
    "control_works": _facts(fact_tables.CONTROL_WORKS, journal_events.control_work_event),
    "homework": _facts(fact_tables.HOMEWORK, journal_events.homework_event),
    "recommendations": _facts(fact_tables.RECOMMENDATIONS, journal_events.recommendation_event),
    "attendance": _facts(fact_tables.ATTENDANCE, journal_events.attendance_event),
}
"""In the order of dependence: lessons before what names them."""
