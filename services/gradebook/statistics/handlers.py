"""Use cases of the statistics: a school's period, and a district's."""

import asyncio
from collections.abc import Callable, Iterable
from uuid import UUID

from chassis.database import Connection, Database, Scope
from services.gradebook import queries as journal_queries
from services.gradebook.statistics import queries
from services.gradebook.statistics.queries import (
    Group,
    LessonCount,
    MarkCount,
    PlannedHours,
    ResultCount,
    Term,
    Topic,
)
from services.gradebook.statistics.tables import By, DistrictBy, Key, Place, Row, Statistics, Sums, rows_of


class NoSuchPeriod(Exception):  # noqa: N818 - the outcome of a question
    """The school, or any school, has no such period."""


async def of_school(
    database: Database, scope: Scope, school_id: UUID, period_id: UUID, *, by: By, split_by_subject: bool = False
) -> Statistics:
    """A school's statistics of one period.

    Args:
        database: the gradebook's.
        scope: what may be seen.
        school_id: the school.
        period_id: its period; results are those of the period, marks and lessons those of its days.
        by: a line for each of what.
        split_by_subject: whether each is split by its subjects.

    Raises:
        NoSuchPeriod: the school has no such period.
    """
    async with database.transaction(scope) as conn:
        term = await queries.term(conn, school_id, period_id)
        if term is None:
            raise NoSuchPeriod
        sums, whole = Sums(), Sums()
        groups = await queries.groups(conn, school_id)
        place = _placing(by, school_id, split_by_subject, groups)
        await _count_results(conn, term, by, (sums, place), whole)
        await _count_lessons(
            conn, term, _Where(by, split_by_subject, groups, await _teachers(conn, term, by)), sums, whole
        )
        subjects = await _subject_titles(conn, sums)
        titles = {term.school_id: term.school, **subjects}
        titles |= {group_id: group.name for group_id, group in groups.items()}
        if by == "teacher":
            titles |= await queries.names(conn, [key[0] for key in sums.keys() if key[0] is not None])  # noqa: SIM118
    order = {group_id: place for place, group_id in enumerate(groups)}
    rows = rows_of(sums, titles, subjects, order)
    return Statistics(by, split_by_subject, term, rows, whole.row((None, None), term.school))


async def of_district(
    database: Database,
    scope: Scope,
    *,
    kind: str,
    number: int,
    school_year: str,
    by: DistrictBy,
    split_by_subject: bool = False,
) -> Statistics:
    """The same period of all schools. Subjects of one title are one, whichever school brought them.

    Raises:
        NoSuchPeriod: no school has such a period.
    """
    async with database.transaction(scope) as conn:
        terms = await queries.terms(conn, kind, number, school_year)
        if not terms:
            raise NoSuchPeriod
    ids = [term.period_id for term in terms]
    results, marks, lessons, plan = await _count_district(database, scope, ids)
    async with database.transaction(scope) as conn:
        seen = {row.subject_id for row in results} | {row.subject_id for row in marks}
        seen |= {row.subject_id for row in plan} | {row.subject_id for row in lessons if row.subject_id is not None}
        titles = {key: one.title for key, one in (await journal_queries.subjects(conn, list(seen))).items()}
    same = _one_of_each_title(titles)
    sums, whole = Sums(), Sums()

    def place(school_id: UUID | None, subject_id: UUID | None) -> Iterable[Key]:
        subject = None if subject_id is None else same.get(subject_id, subject_id)
        unit = {"district": None, "school": school_id, "subject": subject}[by]
        return [(unit, subject if split_by_subject and by != "subject" else None)]

    for target, put in ((sums, place), (whole, _everything)):
        target.add_results(results, put)
        target.add_marks(marks, put)
        target.add_lessons(lessons, lambda row, put=put: put(row.school_id, row.subject_id))  # type: ignore[misc]
        target.add_plan(plan, lambda row, put=put: put(row.school_id, row.subject_id))  # type: ignore[misc]
    schools = {term.school_id: term.school for term in terms}
    named = {"school": schools, "subject": titles, "district": {}}[by]
    rows = rows_of(sums, named, titles, {})
    return Statistics(by, split_by_subject, terms[0], rows, whole.row((None, None), ""))


async def _count_district(
    database: Database, scope: Scope, period_ids: list[UUID]
) -> tuple[list[ResultCount], list[MarkCount], list[LessonCount], list[PlannedHours]]:
    """Counts in several transactions at once, so that the database works on all of its cores.

    What is recorded meanwhile may be in one part and not in another; each school's marks are counted at one instant.
    """

    async def marks_of(part: list[UUID]) -> list[MarkCount]:
        async with database.transaction(scope) as conn:
            return await queries.marks_by_school(conn, part)

    async def the_rest() -> tuple[list[ResultCount], list[LessonCount], list[PlannedHours]]:
        async with database.transaction(scope) as conn:
            return (
                await queries.results_by_school(conn, period_ids),
                await queries.lessons_by_school(conn, period_ids),
                await queries.plan(conn, period_ids),
            )

    first, second, (results, lessons, plan) = await asyncio.gather(
        marks_of(period_ids[::2]), marks_of(period_ids[1::2]), the_rest()
    )
    return results, [*first, *second], lessons, plan


def _everything(_: UUID | None, __: UUID | None) -> Iterable[Key]:
    return [(None, None)]


def _one_of_each_title(titles: dict[UUID, str]) -> dict[UUID, UUID]:
    """For each subject the one that stands for its title."""
    first: dict[str, UUID] = {}
    for subject_id in sorted(titles):
        first.setdefault(titles[subject_id].casefold(), subject_id)
    return {subject_id: first[title.casefold()] for subject_id, title in titles.items()}


def _placing(by: By, school_id: UUID, split: bool, groups: dict[UUID, Group]) -> Place:
    """Where the counts of a class, group or teacher go."""

    def place(unit: UUID | None, subject_id: UUID | None) -> Iterable[Key]:
        subject = subject_id if split and by != "subject" else None
        match by:
            case "school":
                return [(school_id, subject)]
            case "subject":
                return [(subject_id, None)]
            case "group":
                # Marks name a class as their group, too; a class has its own table.
                return [(unit, subject)] if unit in groups and groups[unit].kind != "class" else []
            case _:
                return [(unit, subject)]

    return place


async def _count_results(conn: Connection, term: Term, by: By, target: tuple[Sums, Place], whole: Sums) -> None:
    """Final grades and marks; the whole school is always counted by class, so that nobody is counted twice."""
    per = by if by in ("group", "teacher") else "class"
    results, marks = await queries.results(conn, term, per), await queries.marks(conn, term, per)
    all_results = results if per == "class" else await queries.results(conn, term, "class")
    sums, place = target
    sums.add_results(results, place)
    sums.add_marks(marks, place)
    whole.add_results(all_results, _everything)
    whole.add_marks(marks, _everything)


class _Where:
    """Where lessons, hours and topics of a group are counted."""

    def __init__(
        self, by: By, split: bool, groups: dict[UUID, Group], teachers: dict[tuple[UUID, UUID], list[UUID]]
    ) -> None:
        self._by = by
        self._split = split
        self._groups = groups
        self._teachers = teachers

    def lesson(self, row: LessonCount) -> Iterable[Key]:
        """A lesson belongs to the teacher who gave it."""
        return [] if row.group_id is None else self._of(row.school_id, row.group_id, row.subject_id, [row.teacher_id])

    def hours(self, row: PlannedHours) -> Iterable[Key]:
        """Hours of the plan belong to each teacher of the group and subject."""
        teachers: list[UUID | None] = [*self._teachers.get((row.group_id, row.subject_id), ())]
        return self._of(row.school_id, row.group_id, row.subject_id, teachers or [None])

    def topic(self, school_id: UUID) -> Callable[[Topic], Iterable[Key]]:
        """A topic belongs to the teacher who was to teach it."""
        return lambda row: self._of(school_id, row.group_id, row.subject_id, [row.teacher_id])

    def _of(
        self, school_id: UUID, group_id: UUID, subject_id: UUID | None, teachers: list[UUID | None]
    ) -> Iterable[Key]:
        subject = subject_id if self._split and self._by != "subject" else None
        is_class = group_id in self._groups and self._groups[group_id].kind == "class"
        match self._by:
            case "school":
                return [(school_id, subject)]
            case "subject":
                return [(subject_id, None)]
            case "teacher":
                return [(teacher_id, subject) for teacher_id in teachers]
            case _:
                return [(group_id, subject)] if is_class == (self._by == "class") else []


async def _teachers(conn: Connection, term: Term, by: By) -> dict[tuple[UUID, UUID], list[UUID]]:
    found: dict[tuple[UUID, UUID], list[UUID]] = {}
    if by == "teacher":
        for teacher_id, group_id, subject_id in await queries.teaching(conn, term):
            found.setdefault((group_id, subject_id), []).append(teacher_id)
    return found


async def _count_lessons(conn: Connection, term: Term, where: _Where, sums: Sums, whole: Sums) -> None:
    lessons = await queries.lessons(conn, term.period_id)
    plan = await queries.plan(conn, [term.period_id])
    topics = await queries.topics_not_covered(conn, term)
    sums.add_lessons(lessons, where.lesson)
    sums.add_plan(plan, where.hours)
    sums.add_topics(topics, where.topic(term.school_id))
    whole.add_lessons(lessons, lambda _: [(None, None)])
    whole.add_plan(plan, lambda _: [(None, None)])
    whole.add_topics(topics, lambda _: [(None, None)])


async def _subject_titles(conn: Connection, sums: Sums) -> dict[UUID, str]:
    ids = {part for key in sums.keys() for part in key if part is not None}  # noqa: SIM118 - a method, not a mapping
    return {key: subject.title for key, subject in (await journal_queries.subjects(conn, list(ids))).items()}


__all__ = ["NoSuchPeriod", "Row", "of_district", "of_school"]
