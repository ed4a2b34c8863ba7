"""The journal's rules: corrections, holds, releases, withdrawals, and where the 24 hours start."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contracts.values import due_at
from services.gradebook.domain import (
    ExamResult,
    FinalGrade,
    Identity,
    Mark,
    in_future,
    late_at_source,
    release_final_grade,
    released,
    state_exam_result,
    state_final_grade,
    state_mark,
    withdraw_exam_result,
    withdraw_final_grade,
)

SET_AT = datetime(2026, 10, 23, 11, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
STUDENT, SUBJECT, PERIOD, SCHOOL = (UUID(int=n) for n in range(1, 5))


def a_grade(value: Any = "4", *, held: bool = False, obtained_at: datetime = SET_AT, **changes: Any) -> FinalGrade:
    """A statement of a final grade, taken when it was obtained unless said otherwise."""
    grade = FinalGrade(
        UUID(int=9),
        SCHOOL,
        STUDENT,
        SUBJECT,
        PERIOD,
        "district",
        "g1",
        "set",
        value,
        held,
        obtained_at,
        obtained_at,
        obtained_at,
        obtained_at,
        1,
        1,
    )
    return grade._replace(**changes)


def an_exam(score: int = 20, *, obtained_at: datetime = SET_AT, **changes: Any) -> ExamResult:
    """A statement of an exam result."""
    exam = ExamResult(
        UUID(int=8),
        SCHOOL,
        STUDENT,
        SUBJECT,
        "district",
        "e1",
        "oge",
        "ОГЭ",
        "set",
        Decimal(score),
        Decimal(31),
        "4",
        obtained_at,
        obtained_at,
        obtained_at,
        obtained_at,
        1,
        1,
    )
    return exam._replace(**changes)


def a_mark(value: Any = "4", **changes: Any) -> Mark:
    """A statement of a mark."""
    mark = Mark(
        UUID(int=7),
        SCHOOL,
        STUDENT,
        SUBJECT,
        None,
        "district",
        "m1",
        date(2026, 10, 12),
        "answer",
        Decimal("1.00"),
        value,
        "recorded",
        SET_AT,
        1,
    )
    return mark._replace(**changes)


def test_the_first_statement_is_the_first_revision() -> None:
    assert state_final_grade(None, a_grade(), SET_AT) == a_grade()


def test_the_same_statement_again_changes_nothing() -> None:
    later = SET_AT + 3 * HOUR
    restated = a_grade(recorded_at=later, changed_at=later)
    assert state_final_grade(a_grade(), restated, later) is None


def test_a_correction_of_a_value_that_was_seen_starts_its_own_24_hours() -> None:
    now = SET_AT + 48 * HOUR
    corrected = state_final_grade(a_grade("4"), a_grade("5", recorded_at=now, changed_at=now), now)
    assert corrected is not None
    assert (corrected.value, corrected.revision, corrected.value_revision) == ("5", 2, 2)
    assert corrected.obtained_at == now


def test_a_correction_that_states_its_own_instant_counts_from_it() -> None:
    own = SET_AT + 5 * HOUR
    now = SET_AT + 6 * HOUR
    corrected = state_final_grade(a_grade("4"), a_grade("5", obtained_at=own), now)
    assert corrected is not None
    assert corrected.obtained_at == own


def test_a_correction_of_a_held_value_keeps_its_deadline() -> None:
    now = SET_AT + 5 * HOUR
    corrected = state_final_grade(a_grade("4", held=True), a_grade("5", held=True, obtained_at=now), now)
    assert corrected is not None
    assert corrected.obtained_at == SET_AT
    assert corrected.value_revision == 2


def test_a_hold_whose_24_hours_are_over_counts_as_released_for_a_correction() -> None:
    now = SET_AT + 25 * HOUR
    corrected = state_final_grade(a_grade("4", held=True), a_grade("5", held=True), now)
    assert corrected is not None
    assert corrected.obtained_at == now


def test_importing_a_correction_again_changes_nothing() -> None:
    now = SET_AT + 48 * HOUR
    statement = a_grade("5", recorded_at=now, changed_at=now)
    corrected = state_final_grade(a_grade("4"), statement, now)
    assert corrected is not None
    assert state_final_grade(corrected, statement, now + HOUR) is None


def test_a_release_keeps_the_value_its_revision_and_when_it_was_recorded() -> None:
    now = SET_AT + 5 * HOUR
    free = release_final_grade(a_grade(held=True), now)
    assert free is not None
    assert (free.held, free.revision, free.value_revision, free.recorded_at) == (False, 2, 1, SET_AT)
    assert not late_at_source(free.obtained_at, free.recorded_at)
    assert release_final_grade(free, now) is None


def test_a_hold_cannot_take_back_what_was_released() -> None:
    assert state_final_grade(a_grade(), a_grade(held=True), SET_AT + HOUR) is None


def test_the_file_that_held_a_grade_does_not_hold_it_again_after_the_release() -> None:
    free = release_final_grade(a_grade(held=True), SET_AT + HOUR)
    assert free is not None
    assert state_final_grade(free, a_grade(held=True), SET_AT + 2 * HOUR) is None


def test_a_deadline_is_never_moved_later_by_another_date_for_the_same_value() -> None:
    assert state_final_grade(a_grade(), a_grade(obtained_at=SET_AT + 9 * HOUR), SET_AT + 10 * HOUR) is None
    earlier = state_final_grade(a_grade(), a_grade(obtained_at=SET_AT - HOUR), SET_AT + HOUR)
    assert earlier is not None
    assert (earlier.obtained_at, earlier.revision, earlier.value_revision) == (SET_AT - HOUR, 2, 1)


def test_a_withdrawn_grade_has_no_value_and_makes_no_new_one() -> None:
    gone = withdraw_final_grade(a_grade(), SET_AT + HOUR)
    assert gone is not None
    assert (gone.state, gone.value, gone.revision, gone.value_revision) == ("withdrawn", None, 2, 1)
    assert withdraw_final_grade(gone, SET_AT + 2 * HOUR) is None


def test_a_grade_set_again_after_its_withdrawal_is_a_new_value() -> None:
    gone = withdraw_final_grade(a_grade(), SET_AT + HOUR)
    again = state_final_grade(gone, a_grade(), SET_AT + 2 * HOUR)
    assert again is not None
    assert (again.state, again.value, again.value_revision) == ("set", "4", 3)
    assert again.obtained_at == SET_AT + 2 * HOUR


def test_released_is_what_is_not_held_or_whose_24_hours_are_over() -> None:
    assert released(False, SET_AT, SET_AT)
    assert not released(True, SET_AT, SET_AT + 24 * HOUR - timedelta(microseconds=1))
    assert released(True, SET_AT, SET_AT + 24 * HOUR)


def test_late_at_source_is_more_than_24_hours_after_it_was_obtained() -> None:
    assert not late_at_source(SET_AT, SET_AT + 24 * HOUR)
    assert late_at_source(SET_AT, SET_AT + 24 * HOUR + timedelta(microseconds=1))


def test_an_instant_that_has_not_come_would_postpone_the_deadline() -> None:
    assert in_future(SET_AT + 6 * timedelta(minutes=1), SET_AT)
    assert not in_future(SET_AT + 4 * timedelta(minutes=1), SET_AT)


@given(
    values=st.lists(st.sampled_from(["2", "3", "4", "5"]), min_size=1, max_size=6),
    hours=st.lists(st.integers(0, 60), min_size=6, max_size=6),
    held=st.lists(st.booleans(), min_size=6, max_size=6),
)
def test_whatever_is_stated_revisions_grow_by_one_and_no_value_loses_its_24_hours(
    values: list[str], hours: list[int], held: list[bool]
) -> None:
    now = SET_AT
    current = state_final_grade(None, a_grade(values[0], held=held[0]), now)
    assert current is not None
    for value, pause, hold in zip(values[1:], hours, held[1:], strict=False):
        now += pause * HOUR
        following = state_final_grade(current, a_grade(value, held=hold, recorded_at=now, changed_at=now), now)
        if following is None:
            assert current.value == value
            continue
        assert following.revision == current.revision + 1
        assert following.value_revision in (current.value_revision, following.revision)
        if following.value == current.value:
            assert following.value_revision == current.value_revision
            assert due_at(following.obtained_at) <= due_at(current.obtained_at)
        elif released(current.held, current.obtained_at, now):
            assert following.obtained_at == now
        else:
            assert following.obtained_at == current.obtained_at
        current = following


def test_a_corrected_score_is_a_new_value_and_a_corrected_title_is_not() -> None:
    now = SET_AT + 30 * HOUR
    corrected = state_exam_result(an_exam(20), an_exam(21), now)
    assert corrected is not None
    assert (corrected.score, corrected.value_revision, corrected.obtained_at) == (Decimal(21), 2, now)
    retitled = state_exam_result(an_exam(20), an_exam(20, title="ОГЭ по математике"), now)
    assert retitled is not None
    assert (retitled.title, retitled.revision, retitled.value_revision) == ("ОГЭ по математике", 2, 1)
    assert retitled.obtained_at == SET_AT


def test_an_exam_result_stated_again_or_withdrawn_twice_changes_nothing() -> None:
    assert state_exam_result(an_exam(), an_exam(recorded_at=SET_AT + HOUR, changed_at=SET_AT + HOUR), SET_AT) is None
    gone = withdraw_exam_result(an_exam(), SET_AT + HOUR)
    assert gone is not None
    assert (gone.state, gone.score, gone.grade) == ("withdrawn", None, None)
    assert withdraw_exam_result(gone, SET_AT) is None


def test_a_mark_is_corrected_withdrawn_and_restated() -> None:
    assert state_mark(a_mark(), a_mark(recorded_at=SET_AT + HOUR)) is None
    corrected = state_mark(a_mark("4"), a_mark("5"))
    assert corrected is not None
    assert (corrected.value, corrected.revision) == ("5", 2)
    gone = state_mark(corrected, a_mark("5", state="withdrawn"))
    assert gone is not None
    assert (gone.state, gone.revision) == ("withdrawn", 3)
    assert state_mark(gone, a_mark("3", state="withdrawn")) is None


def test_ids_follow_from_source_kind_and_the_journals_own_id_and_from_the_key() -> None:
    identity = Identity(b"k" * 32, "district")
    assert identity.of("person", "17") == Identity(b"k" * 32, "district").of("person", "17")
    others = {
        identity.of("group", "17"),
        identity.of("person", "18"),
        Identity(b"k" * 32, "other").of("person", "17"),
        Identity(b"x" * 32, "district").of("person", "17"),
    }
    assert len(others | {identity.of("person", "17")}) == 5


@pytest.mark.parametrize("kind", ["school", "person", "group", "mark", "final_grade", "exam_result"])
def test_ids_are_made_once_for_each_distinct_name(kind: str) -> None:
    identity = Identity(b"k" * 32, "district")
    assert identity.of_each(kind, ["a", "b", "a"]) == {"a": identity.of(kind, "a"), "b": identity.of(kind, "b")}
