"""When a mark is refused, and when not: the rules alone."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.gradebook.domain import Mark, state_mark
from services.gradebook.marking import Circumstances, KnownLesson, Spell, Studies, Term, refusal
from services.gradebook.policy import Policies, SchoolPolicy
from services.gradebook.rejections import Code

STUDENT, SUBJECT, GROUP, CLASS, LESSON = (uuid4() for _ in range(5))
DAY = date(2026, 10, 12)
TODAY = date(2026, 10, 23)


def a_mark(**changes: Any) -> Mark:
    """A mark of a seventh-grader, given in a group."""
    mark = Mark(
        uuid4(), uuid4(), STUDENT, SUBJECT, GROUP, "district", "m1", DAY, "answer", Decimal("1.00"), "5", "recorded",
        datetime(2026, 10, 12, 9, tzinfo=UTC), 1,
    )  # fmt: skip
    return mark._replace(**changes)


def known(policy: SchoolPolicy | None = None, **changes: Any) -> Circumstances:
    """A school in which nothing speaks against that mark."""
    fields: dict[str, Any] = {
        "today": TODAY,
        "policies": Policies([] if policy is None else [(date(2026, 1, 1), policy)]),
        "spells": {(GROUP, STUDENT): [Spell(None, None)]},
        "levels": {GROUP: 7},
        "studies": {STUDENT: Studies(CLASS, 7)},
    }
    return Circumstances(**(fields | changes))


def reason(mark: Mark, circumstances: Circumstances) -> tuple[str, Code] | None:
    """Field and code of the refusal."""
    fault = refusal(mark, circumstances)
    return None if fault is None else (fault.field, fault.code)


def test_a_mark_against_which_nothing_speaks_is_taken() -> None:
    assert reason(a_mark(), known()) is None
    assert reason(a_mark(lesson_on=TODAY), known()) is None


def test_a_mark_of_tomorrow_is_refused_by_the_schools_own_day() -> None:
    assert reason(a_mark(lesson_on=date(2026, 10, 24)), known()) == ("lesson_on", Code.IN_FUTURE)


def test_a_mark_that_this_schools_scale_lacks_is_refused() -> None:
    policy = SchoolPolicy(scale=("2", "3", "4", "5"))
    assert reason(a_mark(value="1"), known()) is None
    assert reason(a_mark(value="1"), known(policy)) == ("value", Code.OUTSIDE_SCALE)
    assert reason(a_mark(value="зач"), known(policy)) == ("value", Code.OUTSIDE_SCALE)


@pytest.mark.parametrize(
    ("spell", "taken"),
    [
        (Spell(None, None), True),
        (Spell(DAY, None), True),
        (Spell(None, DAY), True),
        (Spell(date(2026, 10, 13), None), False),
        (Spell(None, date(2026, 10, 11)), False),
        (Spell(date(2026, 9, 1), date(2026, 9, 30)), False),
    ],
)
def test_a_mark_needs_a_student_who_was_in_the_group_on_its_day(spell: Spell, taken: bool) -> None:
    found = reason(a_mark(), known(spells={(GROUP, STUDENT): [spell]}))
    assert found == (None if taken else ("group_id", Code.NOT_IN_GROUP))


def test_whoever_came_back_was_in_the_group_in_both_spells_and_not_between() -> None:
    spells = {(GROUP, STUDENT): [Spell(date(2026, 10, 10), None), Spell(None, date(2026, 9, 15))]}
    assert reason(a_mark(), known(spells=spells)) is None
    assert reason(a_mark(lesson_on=date(2026, 9, 15)), known(spells=spells)) is None
    assert reason(a_mark(lesson_on=date(2026, 9, 20)), known(spells=spells)) == ("group_id", Code.NOT_IN_GROUP)


def test_a_stranger_to_the_group_is_refused_unless_the_school_does_not_ask() -> None:
    assert reason(a_mark(), known(spells={})) == ("group_id", Code.NOT_IN_GROUP)
    assert reason(a_mark(), known(SchoolPolicy(marks_need_membership=False), spells={})) is None
    assert reason(a_mark(group_id=None), known(spells={})) is None


def test_grade_one_has_no_marks() -> None:
    assert reason(a_mark(), known(levels={GROUP: 1})) == ("value", Code.GRADE_ONE)
    first = {STUDENT: Studies(CLASS, 1)}
    assert reason(a_mark(group_id=None), known(studies=first)) == ("value", Code.GRADE_ONE)
    assert reason(a_mark(), known(SchoolPolicy(marks_in_grade_one=True), levels={GROUP: 1})) is None


def term(kind: str = "quarter", *, closed: bool = False, classes: set[UUID] | None = None) -> Term:
    """A period around the day."""
    return Term(kind, date(2026, 9, 1), date(2026, 10, 25), closed, frozenset(classes or ()))


def test_a_closed_period_takes_no_marks_and_gives_none_back() -> None:
    closed = known(terms=[term(closed=True)])
    assert reason(a_mark(), closed) == ("lesson_on", Code.PERIOD_CLOSED)
    assert reason(a_mark(state="withdrawn"), closed) == ("lesson_on", Code.PERIOD_CLOSED)
    assert reason(a_mark(lesson_on=date(2026, 8, 31)), closed) is None
    assert reason(a_mark(), known(terms=[term()])) is None


def test_a_period_may_be_closed_for_one_class_only() -> None:
    assert reason(a_mark(), known(terms=[term(classes={CLASS})])) == ("lesson_on", Code.PERIOD_CLOSED)
    assert reason(a_mark(), known(terms=[term(classes={uuid4()})])) is None


def test_quarters_count_for_grade_seven_and_half_years_for_grade_ten() -> None:
    terms = [term("quarter", closed=True), term("half_year")]
    assert reason(a_mark(), known(terms=terms)) == ("lesson_on", Code.PERIOD_CLOSED)
    assert reason(a_mark(), known(terms=terms, levels={GROUP: 10})) is None
    only_half_years = [term("half_year", closed=True)]
    assert reason(a_mark(), known(terms=only_half_years)) == ("lesson_on", Code.PERIOD_CLOSED)


def test_a_closed_year_closes_its_quarters_too() -> None:
    assert reason(a_mark(), known(terms=[term(), term("year", closed=True)])) == ("lesson_on", Code.PERIOD_CLOSED)


LESSONS = {LESSON: KnownLesson(GROUP, SUBJECT, DAY, cancelled=False)}


@pytest.mark.parametrize(
    "lesson",
    [
        KnownLesson(uuid4(), SUBJECT, DAY, cancelled=False),
        KnownLesson(GROUP, uuid4(), DAY, cancelled=False),
        KnownLesson(GROUP, SUBJECT, date(2026, 10, 13), cancelled=False),
        KnownLesson(GROUP, SUBJECT, DAY, cancelled=True),
    ],
    ids=["another group", "another subject", "another day", "cancelled"],
)
def test_a_mark_of_another_lesson_than_it_names_is_refused(lesson: KnownLesson) -> None:
    named = a_mark(lesson_id=LESSON)
    assert reason(named, known(lessons=LESSONS)) is None
    assert reason(named, known(lessons={LESSON: lesson})) == ("lesson_id", Code.NO_LESSON)
    assert reason(named, known()) == ("lesson_id", Code.NO_LESSON)


def test_where_the_timetable_is_kept_here_a_mark_needs_a_lesson_of_its_group_and_subject_that_day() -> None:
    policy = SchoolPolicy(marks_need_lessons=True)
    assert reason(a_mark(), known()) is None
    assert reason(a_mark(), known(policy)) == ("lesson_on", Code.NO_LESSON)
    assert reason(a_mark(), known(policy, taught=frozenset({(GROUP, SUBJECT, DAY)}))) is None
    assert reason(a_mark(group_id=None), known(policy)) == ("group_id", Code.NO_LESSON)
    assert reason(a_mark(lesson_id=LESSON), known(policy, lessons=LESSONS)) is None


def test_a_mark_is_judged_by_the_settings_in_force_on_its_day() -> None:
    strict = SchoolPolicy(scale=("2", "3", "4", "5"))
    policies = Policies([(date(2026, 10, 13), strict)])
    assert reason(a_mark(value="1"), known(policies=policies)) is None
    later = a_mark(value="1", lesson_on=date(2026, 10, 13))
    assert reason(later, known(policies=policies)) == ("value", Code.OUTSIDE_SCALE)


def test_who_sent_it_and_why_makes_no_new_mark_but_a_comment_does() -> None:
    mark = a_mark()
    assert state_mark(mark, mark._replace(changed_by="client:b", reason="опечатка")) is None
    commented = state_mark(mark, mark._replace(comment="Молодец"))
    assert commented is not None
    assert (commented.revision, commented.comment) == (2, "Молодец")
