"""When a mark is refused: the rules over a mark, its student's groups, its period, its lesson and the day. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import NamedTuple
from uuid import UUID

from contracts.values import PeriodKind
from services.gradebook.domain import Mark
from services.gradebook.policy import Policies, SchoolPolicy
from services.gradebook.rejections import Code, Fault

HALF_YEARS_FROM = 10
"""Grades 2–9 have quarters, 10 and 11 half-years."""


class Spell(NamedTuple):
    """A time in a group; both days count. None: since ever, until further notice."""

    joined_on: date | None
    left_on: date | None


class Term(NamedTuple):
    """A reporting period of the school, and for whom it is closed."""

    kind: str
    starts_on: date
    ends_on: date
    closed: bool
    """For the whole school."""
    closed_classes: frozenset[UUID]


class KnownLesson(NamedTuple):
    """A dated lesson."""

    group_id: UUID
    subject_id: UUID
    lesson_on: date
    cancelled: bool


class Studies(NamedTuple):
    """Where a student studies now."""

    class_id: UUID | None
    grade_level: int | None


@dataclass(frozen=True)
class Circumstances:
    """What the rules need to know about a batch of marks of one school."""

    today: date
    """In the school's time zone."""
    policies: Policies
    terms: Sequence[Term] = ()
    spells: Mapping[tuple[UUID, UUID], Sequence[Spell]] = field(default_factory=dict)
    """By group and student."""
    levels: Mapping[UUID, int] = field(default_factory=dict)
    """Grade level by group."""
    studies: Mapping[UUID, Studies] = field(default_factory=dict)
    """By student."""
    lessons: Mapping[UUID, KnownLesson] = field(default_factory=dict)
    """The lessons that the marks name."""
    taught: frozenset[tuple[UUID, UUID, date]] = frozenset()
    """Group, subject and day of the lessons that take place, looked up where the school's settings ask for it."""

    @cached_property
    def nothing_is_closed(self) -> bool:
        """Whether no period at all is closed, which most batches find."""
        return not any(term.closed or term.closed_classes for term in self.terms)


def refusal(mark: Mark, known: Circumstances) -> Fault | None:
    """Why the mark cannot be recorded or changed like that; None: nothing speaks against it.

    A withdrawal is refused only when its period is closed.
    """
    policy = known.policies.on(mark.lesson_on)
    if _closed(mark, known):
        return Fault("lesson_on", Code.PERIOD_CLOSED)
    if mark.state == "withdrawn":
        return None
    return _value_fault(mark, known, policy) or _lesson_fault(mark, known, needed=policy.marks_need_lessons)


def _value_fault(mark: Mark, known: Circumstances, policy: SchoolPolicy) -> Fault | None:
    if mark.lesson_on > known.today:
        return Fault("lesson_on", Code.IN_FUTURE)
    if mark.value not in policy.scale:
        return Fault("value", Code.OUTSIDE_SCALE)
    if _level(mark, known) == 1 and not policy.marks_in_grade_one:
        return Fault("value", Code.GRADE_ONE)
    if policy.marks_need_membership and not _in_group(mark, known):
        return Fault("group_id", Code.NOT_IN_GROUP)
    return None


def _level(mark: Mark, known: Circumstances) -> int | None:
    if mark.group_id is not None and mark.group_id in known.levels:
        return known.levels[mark.group_id]
    studies = known.studies.get(mark.student_id)
    return None if studies is None else studies.grade_level


def _in_group(mark: Mark, known: Circumstances) -> bool:
    if mark.group_id is None:
        return True
    spells = known.spells.get((mark.group_id, mark.student_id), ())
    return any(
        (spell.joined_on is None or spell.joined_on <= mark.lesson_on)
        and (spell.left_on is None or mark.lesson_on <= spell.left_on)
        for spell in spells
    )


def _closed(mark: Mark, known: Circumstances) -> bool:
    """Whether the period of the mark's day is closed, for the school or for the student's class.

    A school may have quarters and half-years at once: the student's grade level says which of them count.
    """
    if known.nothing_is_closed:
        return False
    level = _level(mark, known)
    kinds = {PeriodKind.QUARTER, PeriodKind.HALF_YEAR}
    if level is not None:
        kinds = {PeriodKind.HALF_YEAR if level >= HALF_YEARS_FROM else PeriodKind.QUARTER}
    terms = [term for term in known.terms if term.starts_on <= mark.lesson_on <= term.ends_on]
    own = [term for term in terms if term.kind in kinds] or [
        term for term in terms if term.kind in (PeriodKind.QUARTER, PeriodKind.HALF_YEAR)
    ]
    years = [term for term in terms if term.kind == PeriodKind.YEAR]
    studies = known.studies.get(mark.student_id)
    classes = {mark.group_id, studies.class_id if studies else None} - {None}
    return any(term.closed or classes & term.closed_classes for term in own + years)


def _lesson_fault(mark: Mark, known: Circumstances, *, needed: bool) -> Fault | None:
    if mark.lesson_id is not None:
        lesson = known.lessons.get(mark.lesson_id)
        fits = (
            lesson is not None
            and not lesson.cancelled
            and lesson.lesson_on == mark.lesson_on
            and lesson.subject_id == mark.subject_id
            and mark.group_id in (None, lesson.group_id)
        )
        return None if fits else Fault("lesson_id", Code.NO_LESSON)
    if not needed:
        return None
    if mark.group_id is None:
        return Fault("group_id", Code.NO_LESSON)
    if (mark.group_id, mark.subject_id, mark.lesson_on) not in known.taught:
        return Fault("lesson_on", Code.NO_LESSON)
    return None
