"""Rules of closing: who must have a grade, what keeps a period open, states of closings and deferrals."""

from datetime import UTC, date, datetime
from fractions import Fraction
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.values import PeriodKind
from services.gradebook.closing.deferrals import DEFERRAL_TRANSITIONS, Deferral, DeferralState, extend, fulfil, move
from services.gradebook.closing.domain import (
    CLOSING_TRANSITIONS,
    GAP_TEXTS,
    ClosingState,
    Deferred,
    Gap,
    Given,
    Limits,
    Member,
    NotAllowed,
    Notice,
    Situation,
    Standing,
    check_closing,
    expected,
    is_assessed,
    judge,
    wholly_closed,
)
from services.gradebook.closing.refusals import TEXTS, Refusal, Refused

CLASS, GROUP, ANNA, BORIS = (UUID(int=n) for n in range(1, 5))
ALGEBRA, RUSSIAN, ENGLISH = (UUID(int=n) for n in range(11, 14))
NOW = datetime(2026, 10, 23, tzinfo=UTC)


def a_situation(
    value: str | None = None, *, mean: str = "4", marks: int = 5, reason: str | None = None, deferral: str | None = None
) -> Situation:
    """A student in a subject."""
    exact = Fraction(mean)
    return Situation(
        ANNA,
        ALGEBRA,
        marks=marks,
        mean=exact if marks else None,
        proposed=int(exact + Fraction(1, 2)) if marks else None,
        given=None if value is None else Given(uuid4(), value, False, reason),
        deferred=None if deferral is None else Deferred(uuid4(), deferral, date(2026, 11, 20), "illness"),
    )


@pytest.mark.parametrize(
    ("situation", "gap", "standing"),
    [
        (a_situation("4"), None, Standing.GRADED),
        (a_situation("5"), None, Standing.GRADED),
        (a_situation("3"), None, Standing.GRADED),
        (a_situation("2"), Gap.DIFFERENCE_WITHOUT_REASON, None),
        (a_situation("2", reason="пересдача"), None, Standing.GRADED),
        (a_situation("зач"), None, Standing.GRADED),
        (a_situation("осв", marks=0), None, Standing.EXEMPT),
        (a_situation("н/а"), Gap.NOT_ASSESSED_WITHOUT_REASON, None),
        (a_situation("н/а", reason="пропуски"), None, Standing.NOT_ASSESSED),
        (a_situation(), Gap.NO_GRADE, None),
        (a_situation(marks=0), Gap.NO_MARKS, None),
        (a_situation(deferral="requested"), Gap.DEFERRAL_REQUESTED, None),
        (a_situation(deferral="approved"), None, Standing.DEFERRED),
        (a_situation(deferral="due"), Gap.DEFERRAL_DUE, None),
        (a_situation("4", deferral="due"), None, Standing.GRADED),
    ],
)
def test_each_situation_is_a_gap_or_a_standing_and_never_both(
    situation: Situation, gap: Gap | None, standing: Standing | None
) -> None:
    line = judge(situation, Limits())
    assert (line.gap, line.standing) == (gap, standing)


@pytest.mark.parametrize(("marks", "few"), [(0, True), (2, True), (3, False), (9, False)])
def test_too_few_marks_are_a_warning_that_keeps_nothing_open(marks: int, few: bool) -> None:
    line = judge(a_situation("4", marks=marks), Limits(minimum_marks=3))
    assert line.gap is None
    assert (Notice.FEW_MARKS in line.warnings) is few


def test_the_exempt_and_the_deferred_are_not_warned_about() -> None:
    for situation in (a_situation("осв", marks=0), a_situation(marks=0, deferral="approved")):
        assert judge(situation, Limits()).warnings == ()


@pytest.mark.parametrize(
    ("kind", "levels"),
    [
        (PeriodKind.QUARTER, set(range(2, 10))),
        (PeriodKind.HALF_YEAR, {10, 11}),
        (PeriodKind.YEAR, set(range(2, 12))),
        (PeriodKind.FINAL, {9, 11}),
        (PeriodKind.EXAM, set()),
    ],
)
def test_which_grades_a_period_concerns_and_grade_one_never(kind: PeriodKind, levels: set[int]) -> None:
    assert {level for level in range(1, 12) if is_assessed(kind, level)} == levels


def test_a_students_subjects_are_those_of_the_plan_of_all_their_groups() -> None:
    members = [Member(ANNA, CLASS), Member(BORIS, CLASS), Member(ANNA, GROUP)]
    found = expected(members, [(CLASS, ALGEBRA), (GROUP, ENGLISH)], [(CLASS, RUSSIAN)], [(BORIS, ENGLISH)])
    assert found == {(ANNA, ALGEBRA), (ANNA, ENGLISH), (BORIS, ALGEBRA)}


def test_without_a_plan_they_are_what_is_taught_and_what_was_marked() -> None:
    members = [Member(ANNA, CLASS), Member(BORIS, CLASS)]
    found = expected(members, [], [(CLASS, RUSSIAN)], [(BORIS, ENGLISH), (uuid4(), ALGEBRA)])
    assert found == {(ANNA, RUSSIAN), (BORIS, RUSSIAN), (BORIS, ENGLISH)}


@given(st.lists(st.sampled_from(list(ClosingState)), max_size=5))
def test_a_school_is_closed_exactly_when_each_of_its_classes_is(states: list[ClosingState]) -> None:
    assert wholly_closed(states) == (len(states) > 0 and set(states) == {ClosingState.CLOSED})


def test_only_the_listed_changes_of_a_closing_are_allowed() -> None:
    for before in ClosingState:
        for after in ClosingState:
            if (before, after) in CLOSING_TRANSITIONS:
                check_closing(before, after)
            else:
                with pytest.raises(NotAllowed):
                    check_closing(before, after)


def a_deferral(state: DeferralState) -> Deferral:
    """A deferral in a state."""
    fields: dict[str, Any] = {name: uuid4() for name in Deferral._fields[:6]}
    return Deferral(
        **fields,
        state=state.value,
        reason="illness",
        document_number="1",
        document_date=date(2026, 10, 1),
        due_on=date(2026, 11, 20),
        due_at=NOW,
        note="",
        fulfilled_as=None,
        changed_by="head",
        changed_at=NOW,
        revision=3,
    )


@pytest.mark.parametrize("before", list(DeferralState))
@pytest.mark.parametrize("after", list(DeferralState))
def test_only_the_listed_changes_of_a_deferral_are_allowed(before: DeferralState, after: DeferralState) -> None:
    deferral = a_deferral(before)
    if (before, after) in DEFERRAL_TRANSITIONS:
        following = move(deferral, after, by="x", now=NOW)
        assert (following.state, following.revision, following.changed_by) == (after.value, 4, "x")
    else:
        with pytest.raises(NotAllowed):
            move(deferral, after, by="x", now=NOW)


def test_the_end_of_a_deferral_is_final_and_every_other_state_can_end() -> None:
    final = {DeferralState.FULFILLED, DeferralState.REFUSED, DeferralState.CANCELLED}
    assert {state for state in DeferralState if all(before is not state for before, _ in DEFERRAL_TRANSITIONS)} == final
    for state in set(DeferralState) - final:
        assert any(after in final for before, after in DEFERRAL_TRANSITIONS if before is state)


def test_fulfilling_keeps_the_journals_name_and_a_later_day_is_only_for_what_is_due() -> None:
    name = uuid4()
    assert fulfil(a_deferral(DeferralState.DUE), name, by="journal", now=NOW).fulfilled_as == name
    later = extend(a_deferral(DeferralState.DUE), date(2026, 12, 1), NOW, by="head", now=NOW)
    assert (later.state, later.due_on) == ("approved", date(2026, 12, 1))
    with pytest.raises(NotAllowed):
        extend(a_deferral(DeferralState.APPROVED), date(2026, 12, 1), NOW, by="head", now=NOW)


def test_every_reason_is_said_in_russian_and_english() -> None:
    assert set(GAP_TEXTS) == set(Gap)
    assert set(TEXTS) == set(Refusal)
    for russian, english in (*GAP_TEXTS.values(), *TEXTS.values()):
        assert any("а" <= letter <= "я" for letter in russian.casefold())
        assert not any("а" <= letter <= "я" for letter in english.replace("н/а", "").casefold())
    assert Refused(Refusal.NOT_CLOSED).text("ru") != Refused(Refusal.NOT_CLOSED).text("en")
