"""Templates: filled in they come back by a shipped map, and nothing of theirs runs as a formula."""

import csv
from dataclasses import replace
from datetime import date
from pathlib import Path

import openpyxl
import pytest

from services.gradebook.exchange import ExchangeError
from services.gradebook.exchange.mapped.facts import Final, Mark, PlannedHours, Pupil, TimetableEntry, Understood
from services.gradebook.exchange.mapped.importing import understand
from services.gradebook.exchange.mapped.mapping import load_map
from services.gradebook.exchange.mapped.templates import MAP_OF, Blank, TemplateKind, write_template
from services.gradebook.exchange.mapped.words import PeriodName
from services.gradebook.exchange.sheets import SheetToWrite, read_workbook, write_csv, write_xlsx

BLANK = Blank("2026/2027", "7А", ("Алгебра", "Химия"), first_day=date(2026, 9, 28), last_day=date(2026, 10, 3))


def filled(path: Path, kind: TemplateKind, cells: dict[str, object], *, sheet: int = 0) -> Understood:
    """A template with these cells filled in by another program, read back."""
    write_template(path, kind, BLANK)
    workbook = openpyxl.load_workbook(path)
    for address, value in cells.items():
        workbook.worksheets[sheet][address] = value
    workbook.save(path)
    return understand(path, load_map(MAP_OF[kind]))


@pytest.mark.parametrize("kind", list(TemplateKind))
@pytest.mark.parametrize("name", ["empty.xlsx", "empty.csv"])
def test_an_empty_template_says_nothing_and_is_understood(tmp_path: Path, kind: TemplateKind, name: str):
    write_template(tmp_path / name, kind, BLANK)
    understood = understand(tmp_path / name, load_map(MAP_OF[kind]))
    assert (understood.facts, understood.unread) == ([], [])
    assert sum(sheet.blocks for sheet in understood.sheets) >= 1


def test_a_class_list_comes_back_with_its_representatives(tmp_path: Path):
    cells = {
        "B2": "Иванов Иван", "C2": "7А", "D2": date(2013, 3, 5), "F2": "Иванова Ольга", "G2": "мать",
        "B3": "Петрова Анна", "C3": "7 а", "D3": "06.04.2013", "F3": "Петров Олег", "G3": "опекун",
        "H3": "Сидорова Яна", "I3": "тётя",
    }  # fmt: skip
    understood = filled(tmp_path / "list.xlsx", TemplateKind.CLASS_LIST, cells)
    pupils = [fact for fact in understood.facts if isinstance(fact, Pupil)]
    assert [(one.student.name, one.birth_date, [(a.name, a.relation) for a in one.adults]) for one in pupils] == [
        ("Иванов Иван", date(2013, 3, 5), [("Иванова Ольга", "parent")]),
        ("Петрова Анна", date(2013, 4, 6), [("Петров Олег", "guardian"), ("Сидорова Яна", "other")]),
    ]
    assert understood.unread == []


def test_a_timetable_comes_back(tmp_path: Path):
    cells = {"D3": "Алгебра", "E3": "08:30", "F3": "09:15", "G3": 12, "H3": "Орлова Н. Л.", "D10": "Химия"}
    understood = filled(tmp_path / "timetable.xlsx", TemplateKind.TIMETABLE, cells)
    slots = [fact for fact in understood.facts if isinstance(fact, TimetableEntry)]
    assert [(slot.weekday, slot.number, slot.subject, slot.starts, slot.room) for slot in slots] == [
        (1, 1, "Алгебра", "08:30", "12"),
        (2, 1, "Химия", "", ""),
    ]
    assert {slot.valid_from for slot in slots} == {date(2026, 9, 1)}


def test_a_grid_of_marks_comes_back_over_the_end_of_a_month(tmp_path: Path):
    cells = {"B6": "Иванов Иван", "C6": "5 4", "E6": "н", "F6": 3, "H6": 5, "I6": "4,25"}
    understood = filled(tmp_path / "marks.xlsx", TemplateKind.MARKS, cells, sheet=1)
    marks = [(fact.subject, fact.day, fact.value) for fact in understood.facts if isinstance(fact, Mark)]
    assert marks == [
        ("Химия", date(2026, 9, 28), "5"),
        ("Химия", date(2026, 9, 28), "4"),
        ("Химия", date(2026, 10, 1), "3"),
        ("Химия", date(2026, 10, 3), "5"),
    ]
    assert [total.differs for total in understood.totals] == [False]


def test_a_plan_comes_back(tmp_path: Path):
    cells = {"D3": "Новый материал", "E3": "10,5", "E4": 12}
    understood = filled(tmp_path / "plan.xlsx", TemplateKind.CURRICULUM, cells)
    plan = [(fact.subject, fact.period, str(fact.hours)) for fact in understood.facts if isinstance(fact, PlannedHours)]
    assert plan == [("Алгебра", PeriodName("quarter", 1), "10.5"), ("Алгебра", PeriodName("quarter", 2), "12")]


def test_final_grades_come_back(tmp_path: Path):
    cells = {"B5": "Иванов Иван", "C5": 5, "D5": "осв"}
    understood = filled(tmp_path / "finals.xlsx", TemplateKind.FINAL_GRADES, cells)
    grades = [(fact.subject, fact.period, fact.value) for fact in understood.facts if isinstance(fact, Final)]
    assert grades == [("Алгебра", PeriodName("quarter", 1), "5"), ("Химия", PeriodName("quarter", 1), "осв")]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "cp1251"])
def test_a_grid_as_csv_comes_back_in_both_encodings(tmp_path: Path, encoding: str):
    path = tmp_path / "marks.csv"
    write_template(path, TemplateKind.MARKS, BLANK, encoding=encoding)
    lines = path.read_bytes().decode(encoding).split("\r\n")
    lines[5] = ";Иванов Иван;5;;4;;;;4,5"
    path.write_bytes("\r\n".join(lines).encode(encoding))
    understood = understand(path, load_map("class-progress"))
    marks = [(fact.subject, fact.day.day, fact.value) for fact in understood.facts if isinstance(fact, Mark)]
    assert marks == [("Алгебра", 28, "5"), ("Алгебра", 30, "4")]


@pytest.mark.parametrize("kind", [TemplateKind.MARKS, TemplateKind.FINAL_GRADES, TemplateKind.CLASS_LIST])
def test_students_of_the_journal_come_back_by_their_ids(tmp_path: Path, kind: TemplateKind):
    path = tmp_path / "form.xlsx"
    write_template(path, kind, replace(BLANK, students=[("Иванов Иван", "s1"), ("Иванов Иван", "s2")]))
    workbook = openpyxl.load_workbook(path)
    for row in (5, 6, 7):
        workbook.worksheets[0].cell(row, 4, 5 if workbook.worksheets[0].cell(row, 3).value in {"s1", "s2"} else None)
    workbook.save(path)
    understood = understand(path, load_map(MAP_OF[kind]))
    found = {fact.student.external_id for fact in understood.facts if isinstance(fact, Mark | Final | Pupil)}
    assert (found, understood.unread) == ({"s1", "s2"}, [])


HOSTILE = ["=HYPERLINK('http://x')", "+7 900", "-5", "@SUM(A1)", "\tx", "Иванов"]


def test_no_text_that_is_written_is_a_formula(tmp_path: Path):
    write_xlsx(tmp_path / "a.xlsx", [SheetToWrite("Лист", [HOSTILE])])
    cells = next(iter(openpyxl.load_workbook(tmp_path / "a.xlsx").active.iter_rows()))
    assert {cell.data_type for cell in cells} == {"s"}
    write_csv(tmp_path / "a.csv", [HOSTILE])
    with (tmp_path / "a.csv").open(encoding="utf-8-sig", newline="") as file:
        assert not any(cell.startswith(("=", "+", "-", "@", "\t")) for cell in next(csv.reader(file, delimiter=";")))
    for name in ("a.xlsx", "a.csv"):
        values = read_workbook(tmp_path / name).sheets[0].rows[1].values()
        assert [str(value).strip() for value in values] == [text.strip() for text in HOSTILE]


def test_names_of_sheets_are_made_to_fit(tmp_path: Path):
    names = ["Алгебра [7/8]: часть*?", "а" * 40, "А" * 40, "'", ""]
    write_xlsx(tmp_path / "a.xlsx", [SheetToWrite(name, [["x"]]) for name in names])
    found = [sheet.name for sheet in read_workbook(tmp_path / "a.xlsx").sheets]
    assert found == ["Алгебра _7_8__ часть__", "а" * 31, "А" * 29 + " 2", "Лист", "Лист 2"]


def test_a_letter_that_the_encoding_lacks_stops_the_writing(tmp_path: Path):
    with pytest.raises(ExchangeError, match="bad_encoding"):
        write_csv(tmp_path / "a.csv", [["Ә"]], encoding="cp1251")
    assert not (tmp_path / "a.csv").exists()
