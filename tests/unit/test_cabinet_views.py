"""How marks and grades are arranged for a page."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

from services.cabinet.domain import Access
from services.cabinet.queries.reading import Child, Mark, Result
from services.cabinet.web import views

TODAY = date(2026, 11, 10)
AT = datetime(2026, 11, 9, 8, tzinfo=UTC)
ALGEBRA, PHYSICS = UUID(int=1), UUID(int=2)
TITLES = {ALGEBRA: "Алгебра", PHYSICS: "Физика"}
ANNA, PETER = UUID(int=11), UUID(int=12)


def _mark(value: str, day: date, subject: UUID = ALGEBRA, student: UUID = ANNA, weight: str = "1") -> Mark:
    return Mark(uuid4(), student, subject, TITLES[subject], day, "answer", Decimal(weight), value, AT)


def _grade(value: str | None, number: int, subject: UUID = ALGEBRA, *, kind: str = "quarter", **changes: Any) -> Result:
    ends = date(2026, 10, 25) if number == 1 else date(2026, 12, 27)
    values: dict[str, Any] = {
        "result_id": uuid4(),
        "value_revision": 1,
        "student_id": ANNA,
        "kind": "final_grade",
        "subject_id": subject,
        "subject_title": TITLES[subject],
        "title": None,
        "period_kind": kind,
        "period_number": number,
        "school_year": "2026/2027",
        "period_starts_on": date(2026, 9, 1),
        "period_ends_on": ends,
        "state": "set" if value else "deferred",
        "grade": value,
        "score": None,
        "max_score": None,
        "deferred_until": None,
        "obtained_at": AT,
        "visible_at": AT,
        **changes,
    }
    return Result(**values)


def _child(student_id: UUID) -> Child:
    return Child(student_id, "Примерова", "Анна", "", "7А", 7, "Школа", "Europe/Moscow", Access.OPEN, None, False, AT)


def test_marks_by_subject_are_in_order_of_their_dates_with_a_mean_of_their_own() -> None:
    marks = [_mark("5", TODAY), _mark("3", TODAY - timedelta(days=9), weight="3"), _mark("зач", TODAY, PHYSICS)]
    algebra, physics = views.by_subject(marks)
    assert (algebra.title, [mark.value for mark in algebra.marks], algebra.mean) == (
        "Алгебра",
        ["3", "5"],
        Decimal("3.50"),
    )
    assert (physics.title, physics.mean) == ("Физика", None)


def test_two_subjects_with_one_title_are_not_mixed() -> None:
    twin = Mark(uuid4(), ANNA, UUID(int=3), "Алгебра", TODAY, "answer", Decimal(1), "2", AT)
    assert [subject.mean for subject in views.by_subject([_mark("5", TODAY), twin])] == [Decimal(5), Decimal(2)]


def test_marks_by_day_are_split_at_a_week_the_newest_first() -> None:
    days = [0, 6, 7, 30]
    recent, earlier = views.by_day([_mark("5", TODAY - timedelta(days=ago)) for ago in days], TODAY)
    assert [(TODAY - item.day).days for item in recent] == [0, 6]
    assert [(TODAY - item.day).days for item in earlier] == [7, 30]


def test_the_periods_to_choose_from_are_those_of_which_a_grade_is_known() -> None:
    choices = views.period_choices([_grade("4", 1), _grade("5", 1, PHYSICS), _grade("4", 1, kind="year")], TODAY)
    assert [choice.key for choice in choices] == ["current", "quarter-1", "year"]
    assert choices[0].span.first == date(2026, 10, 26)
    assert views.choose_period(choices, "quarter-1").span.last == date(2026, 10, 25)
    assert views.choose_period(choices, "nonsense").key == "current"


def test_the_table_of_grades_has_a_row_for_a_subject_and_a_column_for_a_period_in_their_order() -> None:
    grades = [
        _grade("5", 1, kind="year"),
        _grade("3", 2),
        _grade("4", 1),
        _grade(None, 1, PHYSICS, deferred_until=date(2026, 11, 15)),
        _grade("2", 1, school_year="2025/2026"),
    ]
    this_year, last_year = views.grade_tables(grades)
    assert this_year.columns == [("quarter", 1), ("quarter", 2), ("year", 1)]
    values = [(title, [cell.grade if cell else "-" for cell in cells]) for title, cells in this_year.rows]
    assert values == [("Алгебра", ["4", "3", "5"]), ("Физика", [None, "-", "-"])]
    assert [item.subject_title for item in this_year.deferred] == ["Физика"]
    assert (last_year.school_year, len(last_year.rows)) == ("2025/2026", 1)


def test_what_is_new_stands_at_the_child_to_whom_it_belongs_and_is_not_endless() -> None:
    marks = [_mark("5", TODAY, student=PETER), *(_mark("4", TODAY) for _ in range(11))]
    results = [_grade("4", 1, student_id=PETER)]
    anna, peter = views.child_cards([_child(ANNA), _child(PETER)], results, marks)
    assert (len(anna.marks), anna.more_marks, anna.results) == (5, 6, [])
    assert (len(peter.marks), peter.more_marks, peter.results) == (1, 0, results)
