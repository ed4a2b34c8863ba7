"""Words of Russian reports: dates, months, periods, school years, names, classes, and a cell of marks."""

from datetime import date

import pytest

from services.gradebook.exchange.mapped.cells import CellReader
from services.gradebook.exchange.mapped.mapping import Cells
from services.gradebook.exchange.mapped.words import (
    PeriodName,
    PersonName,
    class_of,
    date_of,
    month_of,
    name_of,
    period_of,
    school_year_at,
    school_year_of,
)
from services.gradebook.exchange.sheets import Trouble
from services.gradebook.rejections import Code


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("02.09.2026", date(2026, 9, 2)),
        ("2.9.26", date(2026, 9, 2)),
        ("2026-09-02", date(2026, 9, 2)),
        ("2026-09-02T00:00:00", date(2026, 9, 2)),
        ("02/09/2026", date(2026, 9, 2)),
        ("2 сентября 2026 г.", date(2026, 9, 2)),
        ("02.09", date(2026, 9, 2)),
        ("02.09 ср", date(2026, 9, 2)),
        ("15 янв.", date(2027, 1, 15)),
        ("15\u00a0мая", date(2027, 5, 15)),
        ("31.02.2026", None),
        ("09.15.2026", None),
        ("4.5", date(2027, 5, 4)),
        ("45", None),
        ("", None),
    ],
)
def test_a_text_is_a_date_only_when_all_of_it_is_one(text: str, expected: date | None):
    assert date_of(text, "2026/2027") == expected


def test_a_date_without_a_year_needs_a_school_year():
    assert date_of("02.09") is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [("Сентябрь", 9), ("мая", 5), ("Сен.", 9), ("МАРТ 2027", 3), ("Сентябрь Октябрь", None), ("Математика", None)],
)
def test_a_header_names_one_month(text: str, expected: int | None):
    assert month_of(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1 четверть", PeriodName("quarter", 1)),
        ("II четв.", PeriodName("quarter", 2)),
        ("3ч", PeriodName("quarter", 3)),
        ("4-я четверть", PeriodName("quarter", 4)),
        ("Четверти 2", PeriodName("quarter", 2)),
        ("1 полугодие", PeriodName("half_year", 1)),
        ("I п/г", PeriodName("half_year", 1)),
        ("Итог.оценка 1 триместр", PeriodName("trimester", 1)),
        ("Год. оценка", PeriodName("year", 1)),
        ("Экз. оценка", PeriodName("exam", 1)),
        ("Итог. оценка", PeriodName("final", 1)),
        ("3 полугодие", None),
        ("с 1.09.2026 по 31.10.2026", None),
        ("Алгебра", None),
        ("1 час", None),
    ],
)
def test_a_text_names_a_period(text: str, expected: PeriodName | None):
    assert period_of(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("2026/2027", "2026/2027"), ("2026 – 27 уч. г.", "2026/2027"), ("2026-2028", None), ("2026", None)],
)
def test_a_school_year_is_of_two_years_that_follow(text: str, expected: str | None):
    assert school_year_of(text) == expected


def test_the_summer_belongs_to_the_year_that_ended():
    assert [school_year_at(date(2027, month, 1)) for month in (1, 8, 9)] == ["2026/2027", "2026/2027", "2027/2028"]


@pytest.mark.parametrize(
    ("text", "given_first", "expected"),
    [
        ("Иванов Иван Иванович", False, PersonName("Иванов", "Иван", "Иванович")),
        ("3. Иванов  Иван", False, PersonName("Иванов", "Иван", "")),
        ("Иванов И.И.", False, PersonName("Иванов", "И.", "И.")),
        ("Иван Иванов", True, PersonName("Иванов", "Иван", "")),
        ("Салтыкова-Щедрина Анна", False, PersonName("Салтыкова-Щедрина", "Анна", "")),
        ("Иванов", False, None),
        ("Средний балл по всем предметам класса", False, None),
        ("Итого: 5", False, None),
    ],
)
def test_a_name_has_its_parts(text: str, given_first: bool, expected: PersonName | None):
    assert name_of(text, given_first=given_first) == expected


@pytest.mark.parametrize("text", ["7А", "7 а", "7A", '7"А"', "7-а", "7«А»", " 7\u00a0А "])
def test_a_class_is_the_same_however_it_is_written(text: str):
    assert class_of(text) == "7а"


@pytest.mark.parametrize("text", ["12А", "0А", "Алгебра", "7АБ", ""])
def test_what_is_no_class_is_none(text: str):
    assert class_of(text) is None


@pytest.mark.parametrize(
    ("text", "marks", "absences"),
    [
        ("5", ["5"], []),
        ("5 4", ["5", "4"], []),
        ("5/4", ["5", "4"], []),
        ("45", ["4", "5"], []),
        ("4, 5", ["4", "5"], []),
        ("5\u00a04", ["5", "4"], []),
        ("5\n4", ["5", "4"], []),
        ("5н", ["5"], ["н"]),
        ("H 5", ["5"], ["н"]),
        ("Б", [], ["б"]),
        ("оп4", ["4"], ["оп"]),
        ("зач", ["зач"], []),
        ("Зачёт", ["зач"], []),
        ("н/з", ["незач"], []),
        ("осв", [], []),
        ("Б/О", [], []),
        ("-", [], []),
        (".", [], []),
        ("", [], []),
    ],
)
def test_a_cell_has_marks_and_absences_beside_each_other(text: str, marks: list[str], absences: list[str]):
    reading = CellReader(Cells()).read(text)
    assert (reading.fault, reading.marks, reading.absences) == (None, marks, absences)


@pytest.mark.parametrize("text", ["6", "0", "10", "4.5", "4,5 ,6", "хор", "5-", "05.09", "нет", "5 x", "1" * 30])
def test_a_cell_of_which_a_part_is_not_understood_is_not_taken_at_all(text: str):
    reading = CellReader(Cells()).read(text)
    assert reading.fault is Code.CELL_NOT_UNDERSTOOD
    assert not reading.marks + reading.absences


def test_a_number_is_read_like_its_text():
    reader = CellReader(Cells())
    assert reader.read(45.0).marks == ["4", "5"]
    assert reader.read(4.5).fault is Code.CELL_NOT_UNDERSTOOD


def test_signs_behind_a_mark_are_dropped_only_where_the_map_says_so():
    assert CellReader(Cells(signs="drop")).read("5- 4+").marks == ["5", "4"]


def test_a_run_of_digits_is_no_marks_where_the_map_says_so():
    assert CellReader(Cells(run_of_digits=False)).read("45").fault is Code.CELL_NOT_UNDERSTOOD


@pytest.mark.parametrize(
    ("trouble", "code"), [(Trouble.NO_VALUE, Code.FORMULA_WITHOUT_VALUE), (Trouble.ERROR, Code.CELL_ERROR)]
)
def test_a_formula_without_a_value_has_its_own_reason(trouble: Trouble, code: Code):
    assert CellReader(Cells()).read(trouble).fault is code


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5.0, ("5", None)),
        ("осв", ("осв", None)),
        ("н/а", ("н/а", None)),
        ("-", ("", None)),
        ("5 4", ("", Code.CELL_NOT_UNDERSTOOD)),
        (4.5, ("", Code.OUTSIDE_SCALE)),
        ("н", ("", Code.CELL_NOT_UNDERSTOOD)),
    ],
)
def test_a_final_grade_is_one_value(value: object, expected: tuple[str, Code | None]):
    assert CellReader(Cells()).final(value) == expected  # type: ignore[arg-type]
