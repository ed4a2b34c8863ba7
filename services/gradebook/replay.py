"""Sends the whole journal again, as it is now, so that an empty broker or a new reader gets to know it."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any
from uuid import UUID

from chassis import outbox
from chassis.clock import DatabaseClock
from chassis.database import DISTRICT, Connection, Database
from chassis.messages import Publishable
from contracts.forecast_updated import ForecastUpdated
from services.gradebook import canaries, composing, erasing_queries, queries, roster_queries
from services.gradebook.domain import FinalGrade, shown_while_held
from services.gradebook.events import exam_result_event, final_grade_event, mark_event
from services.gradebook.forecasting import queries as forecast_queries
from services.gradebook.replay_journal import JOURNAL_PAGES
from services.gradebook.taking.reference import school_event

PAGE = 2000
_BEFORE_ALL = UUID(int=0)

Page = Callable[[Connection, UUID], Awaitable[tuple[Sequence[Publishable], UUID | None]]]
"""Events after an id, and the last id of the page; None at the end."""

Progress = Callable[[str, int, int | None], None]


async def replay(database: Database, *, progress: Progress | None = None) -> int:
    """Puts the present state of every aggregate into the outbox, under the ids that it had before.

    In the order of dependence: schools, people, groups, the rest of the journal, marks, final grades, exam results,
    forecasts. Before a final grade that is held comes the value that its family sees until then. Each page is a
    transaction that locks what it reads: a newer revision cannot get ahead of the replayed one, which matters for
    compacted topics.

    Args:
        database: the gradebook's.
        progress: told after each page.

    Returns:
        How many events were written.
    """
    total = 0
    for name, page in _PAGES.items():
        after: UUID | None = _BEFORE_ALL
        done = 0
        while after is not None:
            async with database.transaction(DISTRICT) as conn:
                events, after = await page(conn, after)
                await outbox.publish(conn, events)
            done += len(events)
            if progress is not None:
                progress(name, done, None)
        total += done
    return total


async def _schools(conn: Connection, after: UUID) -> tuple[Sequence[Publishable], UUID | None]:
    rows = await roster_queries.schools_after(conn, after, PAGE)
    return [school_event(row) for row in rows], _last([row["school_id"] for row in rows])


async def _persons(conn: Connection, after: UUID) -> tuple[Sequence[Publishable], UUID | None]:
    rows = await roster_queries.persons_after(conn, after, PAGE)
    return [composing.person_event(*row) for row in rows], _last([row["person_id"] for row in rows])


async def _erased_persons(conn: Connection, after: UUID) -> tuple[Sequence[Publishable], UUID | None]:
    """Tombstones, so that a reader that missed one does not keep a person for ever."""
    gone = await erasing_queries.tombstones_after(conn, after, PAGE)
    return gone, _last([one.person_id for one in gone])


async def _erasures(conn: Connection, after: UUID) -> tuple[Sequence[Publishable], UUID | None]:
    told = await erasing_queries.after(conn, after, PAGE)
    return told, _last([one.erasure_id for one in told])


async def _groups(conn: Connection, after: UUID) -> tuple[Sequence[Publishable], UUID | None]:
    rows = await roster_queries.groups_after(conn, after, PAGE)
    return [composing.group_event(*row) for row in rows], _last([row["group_id"] for row in rows])


async def _marks(conn: Connection, after: UUID) -> tuple[Sequence[Publishable], UUID | None]:
    marks = await queries.marks_after(conn, after, PAGE)
    titles = await queries.subjects(conn, list({mark.subject_id for mark in marks}))
    return [mark_event(mark, titles[mark.subject_id]) for mark in marks], _last([mark.mark_id for mark in marks])


async def _final_grades(conn: Connection, after: UUID) -> tuple[Sequence[Publishable], UUID | None]:
    present = await queries.final_grades_after(conn, after, PAGE)
    grades = [*await _shown_meanwhile(conn, present), *present]
    titles = await queries.subjects(conn, list({grade.subject_id for grade in grades}))
    periods = await queries.periods(conn, list({grade.period_id for grade in grades}))
    events = [final_grade_event(grade, titles[grade.subject_id], periods[grade.period_id][1]) for grade in grades]
    return events, _last([grade.result_id for grade in present])


async def _shown_meanwhile(conn: Connection, present: Sequence[FinalGrade]) -> Sequence[FinalGrade]:
    """What families see while a correction waits: it would be lost if only the present revision were told."""
    held = [grade for grade in present if grade.held and grade.state == "set"]
    return shown_while_held(await queries.values_before(conn, held), await DatabaseClock().now(conn))


async def _exam_results(conn: Connection, after: UUID) -> tuple[Sequence[Publishable], UUID | None]:
    exams = await queries.exam_results_after(conn, after, PAGE)
    titles = await queries.subjects(conn, list({exam.subject_id for exam in exams}))
    return [exam_result_event(exam, titles[exam.subject_id]) for exam in exams], _last([e.result_id for e in exams])


async def _forecasts(conn: Connection, after: UUID) -> tuple[Sequence[Publishable], UUID | None]:
    """As they were told: what was computed since then and changed no headline has no revision of its own."""
    rows = await forecast_queries.forecasts_after(conn, after, PAGE)
    return [ForecastUpdated.model_validate(row.told) for row in rows], _last([row.forecast_id for row in rows])


async def _canaries(conn: Connection, after: UUID) -> tuple[Sequence[Publishable], UUID | None]:
    events, schools = await canaries.events_after(conn, after, PAGE)
    return events, _last(schools)


def _last(ids: Sequence[Any]) -> UUID | None:
    return ids[-1] if len(ids) == PAGE else None


_PAGES: dict[str, Page] = {
    "schools": _schools,
    "people": _persons,
    "erased_people": _erased_persons,
    "groups": _groups,
    **JOURNAL_PAGES,
    "marks": _marks,
    "final_grades": _final_grades,
    "exam_results": _exam_results,
    "forecasts": _forecasts,
    "canaries": _canaries,
    "erasures": _erasures,
}
