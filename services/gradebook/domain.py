"""The journal's rules: what a statement of the source makes of a mark, a final grade or an exam result.

Pure: states are values, time comes in as a parameter. Each rule returns the next state, or None when nothing changes,
so that what is stated twice makes neither a revision nor an event.
"""

from collections.abc import Iterable, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal, NamedTuple
from uuid import UUID

from chassis.ids import pseudonym
from contracts.values import GradeValue, MarkValue, due_at

CLOCK_TOLERANCE = timedelta(minutes=5)
"""By how much a journal's clock may be ahead of ours."""

ExamKind = Literal["oge", "ege", "school_exam", "competition"]


class Identity:
    """Our ids for what a journal calls by its own. Nobody else makes ids of persons, groups or results."""

    def __init__(self, key: bytes, source: str) -> None:
        self._key = key
        self._source = source

    def of(self, kind: str, external_id: str) -> UUID:
        """The id of one thing.

        Args:
            kind: `school`, `subject`, `period`, `person`, `group`, `mark`, `final_grade` or `exam_result`.
            external_id: the journal's own id, unique within the source and the kind.
        """
        return pseudonym(self._key, self._source, kind, external_id)

    def of_each(self, kind: str, external_ids: Iterable[str]) -> dict[str, UUID]:
        """The ids of many, each distinct one made once."""
        return {name: self.of(kind, name) for name in set(external_ids)}


class Mark(NamedTuple):
    """A mark at one revision. The fields follow the table's columns."""

    mark_id: UUID
    school_id: UUID
    student_id: UUID
    subject_id: UUID
    group_id: UUID | None
    source: str
    external_id: str
    lesson_on: date
    work_type: str
    weight: Decimal
    value: MarkValue
    state: Literal["recorded", "withdrawn"]
    recorded_at: datetime
    revision: int
    lesson_id: UUID | None = None
    author_id: UUID | None = None
    comment: str | None = None
    reason: str | None = None
    """Why it was corrected."""
    changed_by: str | None = None


class FinalGrade(NamedTuple):
    """A final grade at one revision. The fields follow the table's columns."""

    result_id: UUID
    school_id: UUID
    student_id: UUID
    subject_id: UUID
    period_id: UUID
    source: str
    external_id: str
    state: Literal["set", "deferred", "withdrawn"]
    value: GradeValue | None
    held: bool
    obtained_at: datetime
    stated_obtained_at: datetime
    recorded_at: datetime
    changed_at: datetime
    revision: int
    value_revision: int
    deferred_until: date | None = None
    """The last day of the deferral, exactly while the state is `deferred`."""
    reason: str | None = None
    """Why it is deferred: one of the school's codes."""


class ExamResult(NamedTuple):
    """An exam or competition result at one revision. The fields follow the table's columns."""

    result_id: UUID
    school_id: UUID
    student_id: UUID
    subject_id: UUID
    source: str
    external_id: str
    kind: ExamKind
    title: str
    state: Literal["set", "withdrawn"]
    score: Decimal | None
    max_score: Decimal | None
    grade: GradeValue | None
    obtained_at: datetime
    stated_obtained_at: datetime
    recorded_at: datetime
    changed_at: datetime
    revision: int
    value_revision: int


def released(held: bool, obtained_at: datetime, now: datetime) -> bool:
    """Whether the family may have the value: it is not held, or its 24 hours are over (clause 6)."""
    return not held or now >= due_at(obtained_at)


def shown_while_held(before: Sequence[FinalGrade], now: datetime) -> list[FinalGrade]:
    """Of each final grade the newest earlier value that nothing holds back (C6); a withdrawn one took it away.

    Args:
        before: each earlier value as it was last, the oldest first.
        now: the present.
    """
    newest = {
        grade.result_id: grade
        for grade in before
        if grade.state == "withdrawn" or released(grade.held, grade.obtained_at, now)
    }
    return list(newest.values())


def late_at_source(obtained_at: datetime, recorded_at: datetime) -> bool:
    """Whether the journal learned of the value only after its 24 hours had passed."""
    return recorded_at > due_at(obtained_at)


def in_future(obtained_at: datetime, now: datetime) -> bool:
    """Whether a source states an instant that has not come, which would postpone the deadline at will."""
    return obtained_at > now + CLOCK_TOLERANCE


def obtained_at_of_correction(
    *, was_released: bool, obtained_at: datetime, stated_before: datetime, stated_now: datetime, now: datetime
) -> datetime:
    """Where the 24 hours of a corrected value start.

    A value that the family may have had already starts anew at the correction's own instant: the one that the source
    states if it is a later one than before, otherwise the present. A value still held keeps its deadline.
    """
    if not was_released:
        return redated(obtained_at=obtained_at, stated_before=stated_before, stated_now=stated_now)
    return stated_now if stated_now > stated_before else now


def redated(*, obtained_at: datetime, stated_before: datetime, stated_now: datetime) -> datetime:
    """Where the 24 hours start when the source states another instant for the same value: never later than before."""
    return obtained_at if stated_now == stated_before else min(obtained_at, stated_now)


def state_mark(current: Mark | None, stated: Mark) -> Mark | None:
    """The mark after the source's statement (which carries revision 1), or None when nothing changed."""
    if current is None:
        return stated
    said_before = current._replace(
        recorded_at=stated.recorded_at,
        revision=1,
        school_id=stated.school_id,
        reason=stated.reason,
        changed_by=stated.changed_by,
    )
    if said_before == stated or (current.state == stated.state == "withdrawn"):
        return None
    return stated._replace(revision=current.revision + 1, school_id=current.school_id)


def state_final_grade(current: FinalGrade | None, stated: FinalGrade, now: datetime) -> FinalGrade | None:
    """The final grade after the source's statement, or None when nothing changed.

    Args:
        current: what is recorded.
        stated: the statement as a first revision taken now.
        now: the present.
    """
    if current is None:
        return stated
    if stated.state == "withdrawn":
        return take_back_final_grade(current, now)
    if current.state == "deferred":
        return _fulfil(current, stated)
    if (current.value, current.subject_id, current.period_id) != (stated.value, stated.subject_id, stated.period_id):
        return stated._replace(
            school_id=current.school_id,
            obtained_at=obtained_at_of_correction(
                was_released=released(current.held, current.obtained_at, now),
                obtained_at=current.obtained_at,
                stated_before=current.stated_obtained_at,
                stated_now=stated.stated_obtained_at,
                now=now,
            ),
            revision=current.revision + 1,
            value_revision=current.revision + 1,
        )
    return _restate_final_grade(current, stated, now)


def defer_final_grade(current: FinalGrade | None, deferred: FinalGrade, now: datetime) -> FinalGrade:
    """The result after the head deferred it, or moved the last day: told to the family like a value (C5.3).

    Args:
        current: what is recorded: nothing, a withdrawn result, or an earlier deferral of the same.
        deferred: the deferral as a first revision.
        now: when the head decided.
    """
    if current is None:
        return deferred
    return current._replace(
        state="deferred",
        value=None,
        held=False,
        obtained_at=now,
        stated_obtained_at=now,
        recorded_at=now,
        changed_at=now,
        revision=current.revision + 1,
        value_revision=current.revision + 1,
        deferred_until=deferred.deferred_until,
        reason=deferred.reason,
    )


def _fulfil(current: FinalGrade, stated: FinalGrade) -> FinalGrade:
    """The grade that a deferral was for: the same result, whose own 24 hours start when the grade was obtained."""
    following = current.revision + 1
    return stated._replace(
        result_id=current.result_id, school_id=current.school_id, revision=following, value_revision=following
    )


def _restate_final_grade(current: FinalGrade, stated: FinalGrade, now: datetime) -> FinalGrade | None:
    """The same value again: a hold may end but not begin, since it cannot take back what was released."""
    obtained_at = redated(
        obtained_at=current.obtained_at,
        stated_before=current.stated_obtained_at,
        stated_now=stated.stated_obtained_at,
    )
    held = current.held and stated.held
    if held == current.held and obtained_at == current.obtained_at:
        return None
    return current._replace(
        held=held,
        obtained_at=obtained_at,
        stated_obtained_at=stated.stated_obtained_at,
        changed_at=now,
        revision=current.revision + 1,
    )


def release_final_grade(current: FinalGrade, now: datetime) -> FinalGrade | None:
    """The grade after the head let it go; the value, and so its revision and when it was recorded, stay."""
    if not current.held or current.state != "set":
        return None
    return current._replace(held=False, changed_at=now, revision=current.revision + 1)


def take_back_final_grade(current: FinalGrade, now: datetime) -> FinalGrade | None:
    """The grade after the journal took it back; a deferral that stands in its place is the head's to end."""
    return None if current.state == "deferred" else withdraw_final_grade(current, now)


def withdraw_final_grade(current: FinalGrade, now: datetime) -> FinalGrade | None:
    """The grade after the source took it back. Nothing new came to be: `value_revision` stays."""
    if current.state == "withdrawn":
        return None
    return current._replace(
        state="withdrawn",
        value=None,
        deferred_until=None,
        reason=None,
        recorded_at=now,
        changed_at=now,
        revision=current.revision + 1,
    )


def state_exam_result(current: ExamResult | None, stated: ExamResult, now: datetime) -> ExamResult | None:
    """The result after the source's statement, or None when nothing changed. Exam results are never held."""
    if current is None:
        return stated
    if stated.state == "withdrawn":
        return withdraw_exam_result(current, now)
    if current.state == "withdrawn" or _exam_value(current) != _exam_value(stated):
        return stated._replace(
            school_id=current.school_id,
            obtained_at=obtained_at_of_correction(
                was_released=True,
                obtained_at=current.obtained_at,
                stated_before=current.stated_obtained_at,
                stated_now=stated.stated_obtained_at,
                now=now,
            ),
            revision=current.revision + 1,
            value_revision=current.revision + 1,
        )
    obtained_at = redated(
        obtained_at=current.obtained_at,
        stated_before=current.stated_obtained_at,
        stated_now=stated.stated_obtained_at,
    )
    if obtained_at == current.obtained_at and current.title == stated.title:
        return None
    return current._replace(
        title=stated.title,
        obtained_at=obtained_at,
        stated_obtained_at=stated.stated_obtained_at,
        changed_at=now,
        revision=current.revision + 1,
    )


def _exam_value(result: ExamResult) -> tuple[object, ...]:
    """What the family is told; a corrected title alone is no new result."""
    return result.subject_id, result.kind, result.score, result.max_score, result.grade


def withdraw_exam_result(current: ExamResult, now: datetime) -> ExamResult | None:
    """The result after the source took it back."""
    if current.state == "withdrawn":
        return None
    return current._replace(
        state="withdrawn", score=None, grade=None, recorded_at=now, changed_at=now, revision=current.revision + 1
    )
