"""Reads what a round of forecasts rests on: a handful of statements for the whole batch."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from chassis.database import Connection
from contracts.values import PeriodKind
from services.gradebook import policy_queries, roster_queries
from services.gradebook.forecasting import queries
from services.gradebook.forecasting.computing import Final, Known
from services.gradebook.forecasting.domain import DatedMark, Key, Pair, Planned, Term, part_kind
from services.gradebook.forecasting.past import Past, Pasts
from services.gradebook.grading import WeightedMark


async def gather(conn: Connection, pasts: Pasts, school_id: UUID, keys: Sequence[Key], now: datetime) -> Known:
    """Everything about these students, subjects and periods of a school that bears on a forecast.

    Args:
        conn: the transaction.
        pasts: what is learned already.
        school_id: whose they are.
        keys: what is due; at least one.
        now: the present.
    """
    terms = await queries.terms(conn, school_id)
    students = sorted({key[0] for key in keys})
    levels = await queries.grade_levels(conn, students, school_id)
    today = await roster_queries.today_at(conn, school_id, now)
    first, last = _span([terms[key[2]] for key in keys if key[2] in terms], terms, today)
    return Known(
        today=today,
        policies=await policy_queries.policies(conn, school_id),
        terms=terms,
        levels=levels,
        marks=await _marks(conn, school_id, sorted({key[:2] for key in keys}), first, last),
        finals=await _finals(conn, students),
        planned=await _planned(conn, school_id, students, today, last),
        holidays=await queries.holidays(conn, school_id, first, last),
        pasts=await _pasts(conn, pasts, school_id, terms, levels),
    )


def _span(wanted: Sequence[Term], terms: dict[UUID, Term], today: date) -> tuple[date, date]:
    """From the first to the last day of the periods, and of the parts of those that are years."""
    years = {term.school_year for term in wanted if term.kind is PeriodKind.YEAR}
    concerned = [*wanted, *(term for term in terms.values() if term.school_year in years)]
    if not concerned:
        return today, today
    return min(term.starts_on for term in concerned), max(term.ends_on for term in concerned)


async def _marks(
    conn: Connection, school_id: UUID, pairs: Sequence[Pair], first: date, last: date
) -> dict[Pair, list[DatedMark]]:
    found: defaultdict[Pair, list[DatedMark]] = defaultdict(list)
    for row in await queries.marks(conn, pairs, school_id, first, last):
        mark = WeightedMark(row.value, row.weight, row.work_type)
        found[row.student_id, row.subject_id].append(DatedMark(row.lesson_on, mark))
    return dict(found)


async def _finals(conn: Connection, students: Sequence[UUID]) -> dict[UUID, dict[UUID, list[Final]]]:
    found: defaultdict[UUID, defaultdict[UUID, list[Final]]] = defaultdict(lambda: defaultdict(list))
    for row in await queries.final_grades(conn, students):
        final = Final(row.period_id, row.kind, row.starts_on, row.value)
        found[row.student_id][row.subject_id].append(final)
    return {student_id: dict(of_student) for student_id, of_student in found.items()}


async def _planned(
    conn: Connection, school_id: UUID, students: Sequence[UUID], today: date, last: date
) -> dict[Pair, list[Planned]]:
    found: defaultdict[Pair, list[Planned]] = defaultdict(list)
    for row in await queries.planned(conn, students, school_id, today, last):
        found[row.student_id, row.subject_id].append(Planned(row.planned_on, row.kind))
    return dict(found)


async def _pasts(
    conn: Connection, pasts: Pasts, school_id: UUID, terms: dict[UUID, Term], levels: dict[UUID, int | None]
) -> dict[PeriodKind, Past]:
    kinds = {part_kind(level) for level in levels.values() if level is not None}
    return {kind: await pasts.of(conn, school_id, kind, list(terms.values())) for kind in sorted(kinds)}
