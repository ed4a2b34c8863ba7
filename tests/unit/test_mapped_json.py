"""The diary's week as JSON, by the shipped map, and JSON that is not what it should be."""

import json
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from services.gradebook.exchange import ExchangeError
from services.gradebook.exchange.mapped.facts import Homework, Lesson, Mark, Understood
from services.gradebook.exchange.mapped.headers import Given
from services.gradebook.exchange.mapped.importing import understand
from services.gradebook.exchange.mapped.mapping import load_map


def work(number: int, kind: int, mark: Any = None, **more: Any) -> dict[str, Any]:
    made = {
        "id": number,
        "typeId": kind,
        "assignmentName": f"Задание {number}",
        "weight": 0,
        "dueDate": "2026-09-09T00:00:00",
    }
    if mark is not None:
        made["mark"] = {"assignmentId": number, "studentId": 77, "mark": mark, "resultScore": None, "dutyMark": False}
    return made | more


def week(*works: dict[str, Any]) -> dict[str, Any]:
    lesson = {
        "classmeetingId": 501, "day": "2026-09-08T00:00:00", "number": 2, "startTime": "08:50", "endTime": "09:30",
        "subjectName": "Алгебра", "assignments": list(works),
    }  # fmt: skip
    empty = {"classmeetingId": 502, "number": 3, "subjectName": "Химия", "assignments": None}
    return {
        "weekStart": "2026-09-07T00:00:00",
        "weekDays": [{"date": "2026-09-08T00:00:00", "lessons": [lesson, empty]}, {"date": "2026-09-09T00:00:00"}],
        "termName": "1 четверть",
        "className": "7а",
    }


def read(folder: Path, content: Any, given: Given | None = None) -> Understood:
    path = folder / "week.json"
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    return understand(path, load_map("diary-week"), given)


def test_a_week_gives_lessons_homework_and_marks(tmp_path: Path):
    understood = read(tmp_path, week(work(1, 3), work(2, 10, 5, weight=2), work(3, 3, 4), work(4, 10)))
    lessons = [(x.subject, x.day, x.number, x.starts, x.external_id) for x in understood.facts if isinstance(x, Lesson)]
    assert lessons == [
        ("Алгебра", date(2026, 9, 8), 2, "08:50", "501"),
        ("Химия", date(2026, 9, 8), 3, "", "502"),
    ]
    homework = [(x.text, x.class_name, x.given_on, x.due_on) for x in understood.facts if isinstance(x, Homework)]
    assert homework == [
        ("Задание 1", "7а", date(2026, 9, 8), date(2026, 9, 9)),
        ("Задание 3", "7а", date(2026, 9, 8), date(2026, 9, 9)),
    ]
    found = [
        (x.student.external_id, x.value, x.work_type, x.weight, x.external_id)
        for x in understood.facts
        if isinstance(x, Mark)
    ]
    assert found == [("77", "5", "answer", Decimal(2), "2"), ("77", "4", "homework", Decimal(1), "3")]
    assert understood.unread == []


def test_the_operator_says_whose_diary_it_is(tmp_path: Path):
    understood = read(tmp_path, week(work(2, 10, 5)), Given(student_id="st-1", class_name="7Б"))
    found = [x for x in understood.facts if isinstance(x, Mark)]
    assert [(x.student.external_id, x.student.class_name) for x in found] == [("st-1", "7Б")]


@pytest.mark.parametrize(
    ("item", "field", "code"),
    [
        (work(2, 10, 9), "value", "cell_not_understood"),
        (work(2, 10, 5, weight=-3), "weight", "bad_value"),
        (work(2, 10, {"x": 1}), "value", ""),
    ],
)
def test_an_item_that_is_not_understood_is_told_with_its_path(
    tmp_path: Path, item: dict[str, Any], field: str, code: str
):
    understood = read(tmp_path, week(item))
    told = [(x.place.cell, x.field, str(x.code)) for x in understood.unread]
    assert told == ([("$.weekDays[0].lessons[0].assignments[0]", field, code)] if code else [])
    assert not any(isinstance(x, Mark) for x in understood.facts)


@pytest.mark.parametrize(
    "content", [[], {}, {"weekDays": None}, {"weekDays": "x"}, {"weekDays": [[], 5, None]}, [[[[]]]]]
)
def test_json_of_another_shape_says_that_nothing_was_found(tmp_path: Path, content: Any):
    understood = read(tmp_path, content)
    assert ([str(x.code) for x in understood.unread], understood.facts) == (["header_not_found"], [])


@pytest.mark.parametrize("text", ["{", "[" * 100_000, '{"a": ' + "9" * 10_000 + "}", "[1, 2] []"])
def test_what_is_no_json_is_refused(tmp_path: Path, text: str):
    path = tmp_path / "week.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ExchangeError) as error:
        understand(path, load_map("diary-week"))
    assert str(error.value.code) == "bad_json"


def test_a_map_of_tables_takes_no_json_and_the_other_way_round(tmp_path: Path):
    path = tmp_path / "week.json"
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(ExchangeError, match="not_a_table"):
        understand(path, load_map("class-progress"))
    table = tmp_path / "table.csv"
    table.write_text("а;б\n", encoding="utf-8")
    with pytest.raises(ExchangeError, match="bad_json"):
        understand(table, load_map("diary-week"))
