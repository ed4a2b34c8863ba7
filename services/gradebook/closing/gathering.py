"""Gathers what closing a period looks at: whom it concerns, what each has and lacks, the state of each class."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from uuid import UUID

from chassis.database import Connection
from services.gradebook import grading, policy_queries, roster_queries
from services.gradebook import queries as journal_queries
from services.gradebook.closing import queries
from services.gradebook.closing.domain import (
    ClosingState,
    Deferred,
    Given,
    Key,
    Limits,
    Line,
    Member,
    Situation,
    expected,
    is_assessed,
    judge,
)
from services.gradebook.closing.queries import GroupRow, MarkSum, PeriodRow
from services.gradebook.closing.refusals import Refusal, Refused
from services.gradebook.closing.report import ClassReport, ClosingReport
from services.gradebook.policy import SchoolPolicy

OUTSIDE_CLASSES = GroupRow(UUID(int=0), "class", "—", 0)
"""Where students stand who are in groups and in no class."""


async def gather(
    conn: Connection, school_id: UUID, period_id: UUID, class_id: UUID | None, now: datetime
) -> ClosingReport:
    """The report of a period, for a school or one class.

    Raises:
        Refused: there is no such school, period or class, or the period concerns none of its classes.
    """
    if not await roster_queries.school_exists(conn, school_id):
        raise Refused(Refusal.UNKNOWN_SCHOOL)
    period = await queries.period(conn, school_id, period_id, now)
    if period is None:
        raise Refused(Refusal.UNKNOWN_PERIOD)
    groups = {group.group_id: group for group in await queries.groups(conn, school_id)}
    if class_id is not None and (class_id not in groups or groups[class_id].kind != "class"):
        raise Refused(Refusal.UNKNOWN_CLASS)
    members = await queries.members_on(conn, school_id, period.ends_on)
    classes = _classes(members, groups, period, class_id)
    if not classes:
        raise Refused(Refusal.NOTHING_TO_CLOSE)
    lines = await _lines(conn, school_id, period, [m for m in members if m.student_id in _students(classes)])
    states = await queries.closings(conn, school_id, period_id)
    students = await queries.names(conn, sorted(_students(classes)))
    subjects = await journal_queries.subjects(conn, list({line.situation.subject_id for line in lines}))
    report = ClosingReport(school_id, period, [], students, subjects)
    by_student: dict[UUID, list[Line]] = {}
    for line in lines:
        by_student.setdefault(line.situation.student_id, []).append(line)
    for group, own in classes:
        outside = group is OUTSIDE_CLASSES
        row = states.get(None if outside else group.group_id)
        found = [line for student_id in own for line in by_student.get(student_id, ())]
        report.classes.append(
            ClassReport(
                class_id=None if outside else group.group_id,
                name=group.name,
                grade_level=None if outside else group.grade_level,
                state=ClosingState.OPEN if row is None else ClosingState(row.state),
                lines=sorted(found, key=lambda line: _order(report, line)),
            )
        )
    return report


def _order(report: ClosingReport, line: Line) -> tuple[str, str, str]:
    situation = line.situation
    return (
        report.full_name(situation.student_id).casefold(),
        str(situation.student_id),
        report.title(situation.subject_id).casefold(),
    )


def _classes(
    members: Iterable[Member], groups: Mapping[UUID, GroupRow], period: PeriodRow, class_id: UUID | None
) -> list[tuple[GroupRow, set[UUID]]]:
    """The classes that a period concerns, in the order of a school's list, with their students.

    Whoever is in two classes stands in the first; whoever is in groups alone is assessed by the grade of these.
    """
    own: dict[UUID, GroupRow] = {}
    for member in members:
        group = groups[member.group_id]
        known = own.get(member.student_id)
        if known is None or _rank(group) < _rank(known):
            own[member.student_id] = group
    found: dict[UUID, set[UUID]] = {}
    for student_id, group in own.items():
        if is_assessed(period.kind, group.grade_level):
            place = group.group_id if group.kind == "class" else OUTSIDE_CLASSES.group_id
            found.setdefault(place, set()).add(student_id)
    listed = [(group, found[group_id]) for group_id, group in groups.items() if group_id in found]
    if OUTSIDE_CLASSES.group_id in found:
        listed.append((OUTSIDE_CLASSES, found[OUTSIDE_CLASSES.group_id]))
    return [item for item in listed if class_id is None or item[0].group_id == class_id]


def _rank(group: GroupRow) -> tuple[bool, int, str, UUID]:
    return group.kind != "class", group.grade_level, group.name, group.group_id


def _students(classes: Iterable[tuple[GroupRow, set[UUID]]]) -> set[UUID]:
    return {student_id for _, own in classes for student_id in own}


async def _lines(conn: Connection, school_id: UUID, period: PeriodRow, members: Sequence[Member]) -> list[Line]:
    """Everybody who must have a grade, or has one, judged."""
    concerned = {member.student_id for member in members}
    policy = await policy_queries.policy_on(conn, school_id, period.ends_on)
    few = sorted(concerned)
    sums = await _sums(conn, school_id, period, few)
    given = await queries.given(conn, school_id, period.period_id)
    running = await queries.running(conn, school_id, period.period_id)
    wanted = expected(
        members,
        await queries.planned(conn, school_id, period),
        await queries.taught(conn, school_id, period.starts_on, period.ends_on),
        sums,
    )
    wanted |= {key for key in (*given, *running) if key[0] in concerned}
    borders, limits = _borders(policy), _limits(policy, period)
    lines = []
    for key in wanted:
        situation = _situation(key, sums.get(key), borders)
        lines.append(judge(_with(situation, given.get(key), running.get(key)), limits))
    return lines


async def _sums(conn: Connection, school_id: UUID, period: PeriodRow, students: Sequence[UUID]) -> dict[Key, MarkSum]:
    """What the proposed grades follow from: marks, or the final grades of the parts of the year."""
    if period.kind in queries.PARTS:
        return await queries.part_sums(conn, school_id, period, students)
    return await queries.mark_sums(conn, school_id, period.starts_on, period.ends_on, students)


def _situation(key: Key, sums: MarkSum | None, borders: grading.Borders) -> Situation:
    if sums is None or not sums.weight:
        return Situation(*key, marks=0, mean=None, proposed=None)
    mean = Fraction(sums.weighted) / Fraction(sums.weight)
    return Situation(*key, marks=sums.marks, mean=mean, proposed=borders.grade_of(mean))


def _with(situation: Situation, given: Given | None, deferred: Deferred | None = None) -> Situation:
    return Situation(
        situation.student_id,
        situation.subject_id,
        situation.marks,
        situation.mean,
        situation.proposed,
        given,
        deferred,
    )


def _borders(policy: SchoolPolicy) -> grading.Borders:
    return grading.Borders(policy.borders.three, policy.borders.four, policy.borders.five)


def _limits(policy: SchoolPolicy, period: PeriodRow) -> Limits:
    # A year of two half-years has two grades to follow from, and that is not few.
    fewest = 1 if period.kind in queries.PARTS else policy.minimum_marks
    return Limits(fewest, policy.difference_needs_reason)
