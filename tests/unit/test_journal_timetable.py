"""A group's week from its parts: what is dated stands above the weekly timetable, substitutions above both."""

from datetime import UTC, date, datetime, time
from typing import Any
from uuid import uuid4

from services.gradebook.facts import Holiday, Lesson, Slot, Substitution
from services.gradebook.timetable import Parts, Shown, week

SCHOOL, GROUP, ALGEBRA, RUSSIAN, TEACHER, OTHER = (uuid4() for _ in range(6))
MONDAY = date(2026, 10, 12)
TUESDAY = date(2026, 10, 13)
AT = datetime(2026, 9, 1, tzinfo=UTC)
TAIL = {"author_id": None, "changed_by": "", "changed_at": AT, "revision": 1}


def slot(**changes: Any) -> Slot:
    """Algebra, every Monday, the second lesson."""
    fields: dict[str, Any] = {
        "slot_id": uuid4(), "school_id": SCHOOL, "source": "d", "external_id": "s", "group_id": GROUP,
        "subject_id": ALGEBRA, "teacher_id": TEACHER, "room": "204", "weekday": 1, "number": 2,
        "starts_at": time(9, 25), "ends_at": time(10, 10), "valid_from": date(2026, 9, 1), "valid_to": None,
        "state": "active", **TAIL,
    }  # fmt: skip
    return Slot(**(fields | changes))


def lesson(**changes: Any) -> Lesson:
    """That of this Monday."""
    fields: dict[str, Any] = {
        "lesson_id": uuid4(), "school_id": SCHOOL, "source": "d", "external_id": "l", "group_id": GROUP,
        "subject_id": ALGEBRA, "teacher_id": TEACHER, "lesson_on": MONDAY, "number": 2, "starts_at": None,
        "ends_at": None, "room": "204", "lesson_type": "new_material", "topic": "Функции", "state": "held", **TAIL,
    }  # fmt: skip
    return Lesson(**(fields | changes))


def substitution(**changes: Any) -> Substitution:
    """Of this Monday's algebra."""
    fields: dict[str, Any] = {
        "substitution_id": uuid4(), "school_id": SCHOOL, "source": "d", "external_id": "u", "group_id": GROUP,
        "lesson_id": None, "lesson_on": MONDAY, "number": 2, "subject_id": ALGEBRA, "kind": "replaced",
        "new_teacher_id": None, "new_subject_id": None, "new_room": "", "moved_to_on": None, "moved_to_number": None,
        "reason": None, "state": "announced", **TAIL,
    }  # fmt: skip
    return Substitution(**(fields | changes))


def lessons_of(parts: Parts, day: date = MONDAY) -> list[Shown]:
    """What the week shows on a day."""
    return next(shown.lessons for shown in week(MONDAY, parts) if shown.on == day)


def test_a_slot_shows_on_its_weekday_while_it_is_valid() -> None:
    days = week(MONDAY, Parts(slots=[slot()]))
    assert [len(day.lessons) for day in days] == [1, 0, 0, 0, 0, 0, 0]
    (shown,) = days[0].lessons
    assert (shown.number, shown.subject_id, shown.room, shown.state) == (2, ALGEBRA, "204", "planned")
    assert lessons_of(Parts(slots=[slot(valid_from=TUESDAY)])) == []
    assert lessons_of(Parts(slots=[slot(valid_to=date(2026, 10, 11))])) == []
    assert len(lessons_of(Parts(slots=[slot(valid_to=MONDAY)]))) == 1


def test_the_dated_lesson_takes_its_slots_place() -> None:
    dated = lesson()
    (shown,) = lessons_of(Parts(slots=[slot()], lessons=[dated]))
    assert (shown.lesson_id, shown.topic, shown.state) == (dated.lesson_id, "Функции", "held")
    assert shown.slot_id is not None


def test_a_dated_lesson_that_no_slot_has_comes_in_addition() -> None:
    extra = lesson(number=7, state="planned")
    assert [one.number for one in lessons_of(Parts(slots=[slot()], lessons=[extra]))] == [2, 7]


def test_in_holidays_there_are_only_dated_lessons() -> None:
    holiday = Holiday(uuid4(), SCHOOL, "d", "h", "2026/2027", "Каникулы", MONDAY, MONDAY, None, "active", "", AT, 1)
    days = week(MONDAY, Parts(slots=[slot(), slot(weekday=2)], holidays=[holiday]))
    assert [(day.holiday, len(day.lessons)) for day in days[:2]] == [("Каникулы", 0), (None, 1)]
    assert len(lessons_of(Parts(lessons=[lesson()], holidays=[holiday]))) == 1


def test_a_replacement_changes_what_it_names_and_nothing_else() -> None:
    change = substitution(new_teacher_id=OTHER, new_subject_id=RUSSIAN)
    (shown,) = lessons_of(Parts(slots=[slot()], substitutions=[change]))
    assert (shown.teacher_id, shown.subject_id, shown.room) == (OTHER, RUSSIAN, "204")
    assert shown.substitution_id == change.substitution_id


def test_a_cancelled_lesson_stays_visible_as_cancelled_and_a_revoked_substitution_does_nothing() -> None:
    cancelled = substitution(kind="cancelled")
    assert [one.state for one in lessons_of(Parts(slots=[slot()], substitutions=[cancelled]))] == ["cancelled"]
    revoked = cancelled._replace(state="revoked")
    assert [one.state for one in lessons_of(Parts(slots=[slot()], substitutions=[revoked]))] == ["planned"]


def test_a_moved_lesson_shows_where_it_was_and_where_it_goes() -> None:
    moved = substitution(kind="moved", moved_to_on=TUESDAY, moved_to_number=5)
    parts = Parts(slots=[slot()], substitutions=[moved])
    (left,), (arrived,) = lessons_of(parts), lessons_of(parts, TUESDAY)
    assert (left.state, left.moved_to) == ("moved", TUESDAY)
    assert (arrived.number, arrived.subject_id, arrived.teacher_id) == (5, ALGEBRA, TEACHER)
    assert (arrived.state, arrived.moved_from) == ("planned", MONDAY)


def test_a_lesson_moved_from_another_week_arrives_with_what_the_timetable_says_of_it() -> None:
    moved = substitution(kind="moved", lesson_on=date(2026, 10, 5), moved_to_on=TUESDAY)
    (arrived,) = lessons_of(Parts(slots=[slot()], substitutions=[moved]), TUESDAY)
    assert (arrived.number, arrived.subject_id, arrived.teacher_id, arrived.room) == (2, ALGEBRA, TEACHER, "204")


def test_of_two_lessons_with_one_number_the_named_subject_is_substituted() -> None:
    parts = Parts(slots=[slot(), slot(subject_id=RUSSIAN)], substitutions=[substitution(kind="cancelled")])
    assert {one.subject_id: one.state for one in lessons_of(parts)} == {ALGEBRA: "cancelled", RUSSIAN: "planned"}
