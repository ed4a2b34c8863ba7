"""The rules of closing a period: who keeps it open and why, and when it closes or opens again (C5.1). Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from fractions import Fraction
from typing import NamedTuple
from uuid import UUID

from contracts.values import PeriodKind

FIRST_MARKED_GRADE = 2
"""Grade 1 of school has no marks, and so no final grades."""
HALF_YEARS_FROM_GRADE = 10
"""Grades 2–9 are assessed by quarters, 10 and 11 by half-years."""
CERTIFICATE_GRADES = frozenset({9, 11})
"""The grades that end with a certificate, for which the final grades are set."""

Key = tuple[UUID, UUID]
"""Student and subject."""


class Gap(StrEnum):
    """Why a student keeps a period open in a subject."""

    NO_MARKS = "no_marks"
    NO_GRADE = "no_grade"
    NOT_ASSESSED_WITHOUT_REASON = "not_assessed_without_reason"
    DIFFERENCE_WITHOUT_REASON = "difference_without_reason"
    DEFERRAL_REQUESTED = "deferral_requested"
    DEFERRAL_DUE = "deferral_due"


class Standing(StrEnum):
    """What a student has in a subject when nothing is missing."""

    GRADED = "graded"
    EXEMPT = "exempt"
    NOT_ASSESSED = "not_assessed"
    DEFERRED = "deferred"


class Notice(StrEnum):
    """What deserves a look and keeps nothing open."""

    FEW_MARKS = "few_marks"
    HELD = "held"


GAP_TEXTS: dict[Gap, tuple[str, str]] = {
    Gap.NO_MARKS: ("нет отметок и итоговой", "no marks and no final grade"),
    Gap.NO_GRADE: ("итоговая не выставлена", "no final grade"),
    Gap.NOT_ASSESSED_WITHOUT_REASON: ("н/а без причины", "not assessed, no reason given"),
    Gap.DIFFERENCE_WITHOUT_REASON: (
        "расходится с расчётной больше чем на балл, причина не указана",
        "more than a point off the proposed grade, no reason given",
    ),
    Gap.DEFERRAL_REQUESTED: ("отсрочка ждёт решения директора", "the deferral awaits the head's decision"),
    Gap.DEFERRAL_DUE: ("срок отсрочки истёк", "the deferral is due"),
}
"""Each reason in Russian and English."""


class Given(NamedTuple):
    """A final grade that is set."""

    result_id: UUID
    value: str
    held: bool
    reason: str | None
    """Why it is not assessed or differs, when the teacher stated it for this very value."""


class Deferred(NamedTuple):
    """A deferral that has not ended."""

    deferral_id: UUID
    state: str
    """`requested`, `approved` or `due`."""
    due_on: date
    reason: str


@dataclass(frozen=True, slots=True)
class Situation:
    """What is known of one student in one subject of the period."""

    student_id: UUID
    subject_id: UUID
    marks: int
    """Marks of the period that count for the mean; for a year, the final grades of its parts."""
    mean: Fraction | None
    """Their weighted mean, exact; None without any."""
    proposed: int | None
    """The final grade that follows from the mean by the school's borders."""
    given: Given | None = None
    deferred: Deferred | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One student in one subject, judged."""

    situation: Situation
    difference: int | None
    """The teacher's grade less the proposed one, in points."""
    gap: Gap | None
    standing: Standing | None
    warnings: tuple[Notice, ...]


@dataclass(frozen=True, slots=True)
class Limits:
    """The school's settings in force for the period."""

    minimum_marks: int = 3
    """Fewer marks than this are a warning."""
    difference_without_reason: int = 1
    """By how many points a teacher may depart from the proposed grade without saying why."""


def judge(situation: Situation, limits: Limits) -> Line:
    """What one student has or lacks in one subject."""
    given, difference = situation.given, difference_of(situation)
    gap, standing = _standing(situation, difference, limits)
    warnings: list[Notice] = []
    if situation.marks < limits.minimum_marks and standing in {Standing.GRADED, None}:
        warnings.append(Notice.FEW_MARKS)
    if given is not None and given.held:
        warnings.append(Notice.HELD)
    return Line(situation, difference, gap, standing, tuple(warnings))


def _standing(situation: Situation, difference: int | None, limits: Limits) -> tuple[Gap | None, Standing | None]:
    if situation.given is not None:
        return _standing_of_grade(situation.given, difference, limits)
    if situation.deferred is not None:
        return _STANDING_OF_DEFERRAL[situation.deferred.state]
    return (Gap.NO_GRADE if situation.marks else Gap.NO_MARKS), None


def _standing_of_grade(given: Given, difference: int | None, limits: Limits) -> tuple[Gap | None, Standing | None]:
    if given.value == "осв":
        return None, Standing.EXEMPT
    if given.value == "н/а":
        return (None, Standing.NOT_ASSESSED) if given.reason else (Gap.NOT_ASSESSED_WITHOUT_REASON, None)
    if needs_reason(difference, limits) and not given.reason:
        return Gap.DIFFERENCE_WITHOUT_REASON, None
    return None, Standing.GRADED


_STANDING_OF_DEFERRAL: dict[str, tuple[Gap | None, Standing | None]] = {
    "requested": (Gap.DEFERRAL_REQUESTED, None),
    "approved": (None, Standing.DEFERRED),
    "due": (Gap.DEFERRAL_DUE, None),
}


def difference_of(situation: Situation) -> int | None:
    """By how many points the teacher departs from the proposed grade; None when one of both is no number."""
    given = situation.given
    if given is None or situation.proposed is None or not given.value.isdigit():
        return None
    return int(given.value) - situation.proposed


def needs_reason(difference: int | None, limits: Limits) -> bool:
    """Whether the teacher has to say why the grade is not the proposed one."""
    return difference is not None and abs(difference) > limits.difference_without_reason


def missing(lines: Iterable[Line]) -> list[Line]:
    """Those that keep the period open."""
    return [line for line in lines if line.gap is not None]


# --- who must have a grade ------------------------------------------------------------------------------------------


def is_assessed(kind: PeriodKind, grade_level: int) -> bool:
    """Whether students of a grade get final grades for periods of a kind.

    An exam grade belongs to whoever sat the exam, so that nobody is missing one.
    """
    if grade_level < FIRST_MARKED_GRADE:
        return False
    match kind:
        case PeriodKind.QUARTER:
            return grade_level < HALF_YEARS_FROM_GRADE
        case PeriodKind.HALF_YEAR:
            return grade_level >= HALF_YEARS_FROM_GRADE
        case PeriodKind.YEAR:
            return True
        case PeriodKind.FINAL:
            return grade_level in CERTIFICATE_GRADES
        case PeriodKind.EXAM:
            return False


class Member(NamedTuple):
    """A student in a group of theirs, the class included."""

    student_id: UUID
    group_id: UUID


def expected(
    members: Iterable[Member],
    planned: Iterable[tuple[UUID, UUID]],
    taught: Iterable[tuple[UUID, UUID]],
    marked: Iterable[Key],
) -> set[Key]:
    """Who must have a final grade in which subject.

    A student's subjects are those that the curriculum plan gives to any of the student's groups for the period. Where
    no group of theirs has a plan, they are the subjects that these groups are taught, and those in which the student
    has marks in the period.

    Args:
        members: the students with all their groups.
        planned: group and subject of the plan's rows of the period.
        taught: group and subject of what groups are taught.
        marked: student and subject of the period's marks.
    """
    plan, teaching = _by_first(planned), _by_first(taught)
    groups: dict[UUID, list[UUID]] = {}
    for student_id, group_id in members:
        groups.setdefault(student_id, []).append(group_id)
    with_marks = _by_first(marked)
    found: set[Key] = set()
    for student_id, own in groups.items():
        subjects = {subject for group_id in own for subject in plan.get(group_id, ())}
        if not subjects:
            subjects = {subject for group_id in own for subject in teaching.get(group_id, ())}
            subjects |= with_marks.get(student_id, set())
        found |= {(student_id, subject) for subject in subjects}
    return found


def _by_first(pairs: Iterable[tuple[UUID, UUID]]) -> dict[UUID, set[UUID]]:
    found: dict[UUID, set[UUID]] = {}
    for first, second in pairs:
        found.setdefault(first, set()).add(second)
    return found


# --- the state of a closing -----------------------------------------------------------------------------------------


class ClosingState(StrEnum):
    """Whether a period of one class takes marks and grades."""

    OPEN = "open"
    CLOSED = "closed"
    REOPENED = "reopened"


CLOSING_TRANSITIONS: dict[tuple[ClosingState, ClosingState], str] = {
    (ClosingState.OPEN, ClosingState.CLOSED): "everybody has a grade, an exemption, `н/а` with a reason or a deferral",
    (ClosingState.CLOSED, ClosingState.REOPENED): "the head opened it again and said why",
    (ClosingState.REOPENED, ClosingState.CLOSED): "closed again under the same condition",
}
"""Every allowed change of a closing, and when it happens."""


class NotAllowed(Exception):  # noqa: N818 - a refusal by the rules
    """A change that the table of transitions does not know."""

    def __init__(self, before: StrEnum, after: StrEnum) -> None:
        super().__init__(f"{before} may not become {after}")
        self.before = before
        self.after = after


def check_closing(before: ClosingState, after: ClosingState) -> None:
    """Does nothing if a closing may go from one state to the other.

    Raises:
        NotAllowed: it may not.
    """
    if (before, after) not in CLOSING_TRANSITIONS:
        raise NotAllowed(before, after)


def wholly_closed(states: Sequence[ClosingState]) -> bool:
    """Whether a period is closed for the whole school: each of its classes is."""
    return bool(states) and all(state is ClosingState.CLOSED for state in states)
