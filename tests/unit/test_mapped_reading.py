"""The shipped maps over tables as widespread journals export them, and over maps of a school's own."""

import re
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from services.gradebook.exchange.mapped.facts import Absence, Final, Mark, Understood
from services.gradebook.exchange.mapped.headers import Given
from services.gradebook.exchange.mapped.importing import understand
from services.gradebook.exchange.mapped.mapping import MapError, load_map, parse_map, shipped_maps
from services.gradebook.exchange.mapped.summary import summary
from services.gradebook.rejections import Code
from tests.support.workbooks import grid_xlsx, progress_page


def marks(understood: Understood) -> list[tuple[str, str, date, str]]:
    return [
        (fact.student.name, fact.subject, fact.day, fact.value) for fact in understood.facts if isinstance(fact, Mark)
    ]


def finals(understood: Understood) -> list[tuple[str, str, str, int, str]]:
    return [
        (fact.student.name, fact.subject, fact.period.kind, fact.period.number, fact.value)
        for fact in understood.facts
        if isinstance(fact, Final)
    ]


def unread(understood: Understood) -> list[tuple[str, str]]:
    return [(item.place.cell, str(item.code)) for item in understood.unread]


def test_every_shipped_map_is_whole_and_says_what_it_is_for():
    for name in shipped_maps():
        about = load_map(name).map
        assert (about.name, bool(about.title_ru), bool(about.title_en)) == (name, True, True)


def test_a_students_report_as_a_page_gives_marks_absences_and_finals(tmp_path: Path):
    path = tmp_path / "Отчет.xls"
    subjects = {"Алгебра": ["5&nbsp;4", "УП", "Б", "45"], "Химия": [".", "", "ОТ 3", "осв"]}
    path.write_text(progress_page([("Иванов Иван", "7А", subjects, ["4,5|5", "3,00|-"])]), encoding="utf-8")
    understood = understand(path, load_map("student-progress"))
    assert marks(understood) == [
        ("Иванов Иван", "Алгебра", date(2026, 9, 2), "5"),
        ("Иванов Иван", "Алгебра", date(2026, 9, 2), "4"),
        ("Иванов Иван", "Алгебра", date(2026, 10, 16), "4"),
        ("Иванов Иван", "Алгебра", date(2026, 10, 16), "5"),
        ("Иванов Иван", "Химия", date(2026, 10, 2), "3"),
    ]
    absences = [(fact.subject, fact.day, fact.code) for fact in understood.facts if isinstance(fact, Absence)]
    assert absences == [
        ("Алгебра", date(2026, 9, 15), "у"),
        ("Алгебра", date(2026, 10, 2), "б"),
        ("Химия", date(2026, 10, 2), "н"),
    ]
    assert finals(understood) == [("Иванов Иван", "Алгебра", "quarter", 1, "5")]
    told = summary(understood)
    assert (told["unread"], told["debts"], told["no_marks"]) == (0, 1, 1)
    assert told["totals"] == {"found": 2, "compared": 2, "equal": 2, "differences": []}


def test_a_report_by_subject_has_a_row_for_each_assignment(tmp_path: Path):
    path = tmp_path / "subject.xls"
    path.write_text(
        """<div><h2>Отчет об успеваемости ученика</h2></div><table><tr><td><span><b>Ученик:</b> Иванов Иван</span>
        <span><b>Класс:</b> 7А</span><span><b>Предмет:</b> Алгебра</span></td></tr></table><table class="table-print">
        <tr><th>Тип задания</th><th>Тема задания</th><th>Дата выполнения</th><th>Дата выставления оценки</th>
        <th>Оценка</th></tr>
        <tr><td>Контрольная работа</td><td>Дроби</td><td>12.01.27</td><td>13.01.27</td><td>5</td></tr>
        <tr><td>Ответ на уроке</td><td>Дроби</td><td>20.01.27</td><td>20.01.27</td><td>УП</td></tr>
        <tr><td>Домашнее задание</td><td>§ 2</td><td>21.01.27</td><td></td><td></td></tr>
        <tr class="totals"><td>Средняя оценка</td><td></td><td>5</td></tr></table>""",
        encoding="utf-8",
    )
    understood = understand(path, load_map("subject-progress"))
    assert marks(understood) == [("Иванов Иван", "Алгебра", date(2027, 1, 12), "5")]
    types = [fact.work_type for fact in understood.facts if isinstance(fact, Mark)]
    codes = [(fact.day.day, fact.code) for fact in understood.facts if isinstance(fact, Absence)]
    assert (types, codes, understood.unread) == (["control_work"], [(20, "у")], [])


def test_each_block_belongs_to_the_student_above_it(tmp_path: Path):
    path = tmp_path / "class.xls"
    one = {"Алгебра": ["5", "", "", ""]}
    two = {"Алгебра": ["4", "", "", ""]}
    blocks = [("Иванов Иван", "7А", one, ["5,00|5"]), ("Петрова Анна", "7А", two, ["4,00|4"])]
    path.write_text(progress_page(blocks), encoding="utf-8")
    understood = understand(path, load_map("student-progress"))
    assert [(name, value) for name, _, _, value in marks(understood)] == [("Иванов Иван", "5"), ("Петрова Анна", "4")]


def test_a_block_without_a_student_is_nobodys(tmp_path: Path):
    path = tmp_path / "class.xls"
    one = {"Алгебра": ["5", "", "", ""]}
    page = progress_page([("Иванов Иван", "7А", one, ["5,00|5"]), ("НИКОГО", "7А", one, ["5,00|5"])])
    path.write_text(page.replace("<b>Ученик:</b> НИКОГО", "<b>Подпись:</b> директор"), encoding="utf-8")
    understood = understand(path, load_map("student-progress"))
    assert len(marks(understood)) == 1
    assert [item.code for item in understood.unread] == [Code.NO_STUDENT_NAMED]


def test_an_average_that_the_marks_do_not_give_is_told_with_both(tmp_path: Path):
    path = tmp_path / "report.xls"
    subjects = {"Алгебра": ["5", "4", "", ""], "Химия": ["3", "3", "4", ""]}
    path.write_text(progress_page([("Иванов Иван", "7А", subjects, ["4,75|5", "3,33|3"])]), encoding="utf-8")
    totals = summary(understand(path, load_map("student-progress")))["totals"]
    assert (totals["compared"], totals["equal"]) == (2, 1)
    assert totals["differences"] == [{"place": "HTML!F8", "kind": "average", "stated": "4.75", "computed": "4.5"}]


TITLE: list[list[Any]] = [
    ["Отчёт об успеваемости класса"],
    ["Класс:", "7А"],
    ["Предмет: Алгебра"],
    ["2026/2027 учебный год"],
    [],
]


def class_grid(path: Path, **more: object) -> Path:
    rows: list[list[Any]] = [
        *TITLE,
        ["№", "ФИО ученика", None, None, None, "Ср. балл", "1 четверть"],
        [None, None, 1, 15, 3],
        [1, "Иванов Иван", 5, "4 5", "н", 4.67, 5],
        [2, "Петрова А.", "5н", None, 3, "4,00", "н/а"],
        [None, "Средний балл класса", 5, 4.5, 3],
    ]
    merges = [(6, 3, 6, 4, "Сентябрь"), (6, 5, 6, 5 + 0, "Октябрь")][:1]
    rows[5][4] = "Октябрь"
    return grid_xlsx(path, rows, merges=merges, **more)  # type: ignore[arg-type]


def test_a_class_page_gives_each_student_the_marks_of_the_subject(tmp_path: Path):
    understood = understand(class_grid(tmp_path / "class.xlsx"), load_map("class-progress"))
    assert marks(understood) == [
        ("Иванов Иван", "Алгебра", date(2026, 9, 1), "5"),
        ("Иванов Иван", "Алгебра", date(2026, 9, 15), "4"),
        ("Иванов Иван", "Алгебра", date(2026, 9, 15), "5"),
        ("Петрова А.", "Алгебра", date(2026, 9, 1), "5"),
        ("Петрова А.", "Алгебра", date(2026, 10, 3), "3"),
    ]
    assert finals(understood) == [
        ("Иванов Иван", "Алгебра", "quarter", 1, "5"),
        ("Петрова А.", "Алгебра", "quarter", 1, "н/а"),
    ]
    assert {fact.student.class_name for fact in understood.facts if isinstance(fact, Mark)} == {"7А"}
    assert summary(understood)["totals"]["equal"] == 2


def test_comments_say_what_a_mark_was_given_for(tmp_path: Path):
    comments = {(7, 3): "Контрольная работа", (8, 4): "самостоятельная работа"}
    understood = understand(class_grid(tmp_path / "class.xlsx", comments=comments), load_map("class-progress"))
    types = [(fact.student.name, fact.day.day, fact.work_type) for fact in understood.facts if isinstance(fact, Mark)]
    assert types == [
        ("Иванов Иван", 1, "control_work"),
        ("Иванов Иван", 15, "self_study"),
        ("Иванов Иван", 15, "self_study"),
        ("Петрова А.", 1, "control_work"),
        ("Петрова А.", 3, "answer"),
    ]


def test_a_csv_without_merged_cells_carries_the_month_over_its_days(tmp_path: Path):
    path = tmp_path / "class.csv"
    path.write_bytes(
        "Класс: 7А;;;;\nПредмет: Алгебра;;;;\n2026/2027 уч. год;;;;\n"
        "ФИО;Сентябрь;;Октябрь;Ср. балл\n;1;15;3;\nИванов Иван;5;4;45;4,50\n".encode("cp1251")
    )
    understood = understand(path, load_map("class-progress"))
    assert [(day.isoformat(), value) for _, _, day, value in marks(understood)] == [
        ("2026-09-01", "5"), ("2026-09-15", "4"), ("2026-10-03", "4"), ("2026-10-03", "5")
    ]  # fmt: skip
    assert summary(understood)["totals"]["equal"] == 1


def test_days_written_as_dates_need_one_row_of_header(tmp_path: Path):
    rows: list[list[Any]] = [
        ["Класс: 7А"],
        ["Предмет: Алгебра"],
        ["Ученик", date(2026, 9, 1), "02.09", "03.09.2026 чт", "04.09"],
    ]
    path = tmp_path / "dates.csv"
    lines = [*rows, ["Иванов Иван", 5, 4, 3, 2]]
    path.write_text("\n".join(";".join(str(cell) for cell in row) for row in lines), encoding="utf-8")
    understood = understand(path, load_map("class-progress"))
    # Without a school year only the days that have one are certain.
    assert [(day.day, value) for _, _, day, value in marks(understood)] == [(1, "5"), (3, "3")]
    assert unread(understood) == [("C3", "date_unclear"), ("E3", "date_unclear")]
    told = understand(path, load_map("class-progress"), Given(school_year="2026/2027"))
    assert [day.day for _, _, day, _ in marks(told)] == [1, 2, 3, 4]


def test_every_cell_that_is_not_understood_is_told_with_its_address(tmp_path: Path):
    rows: list[list[Any]] = [
        *TITLE[:4],
        ["ФИО", "01.09", "02.09", "Заметки"],
        ["Иванов Иван", "хор", 7, "болеет"],
        ["", 5, "", ""],
    ]
    understood = understand(grid_xlsx(tmp_path / "odd.xlsx", rows), load_map("class-progress"))
    assert unread(understood) == [
        ("D5", "column_not_understood"),
        ("B6", "cell_not_understood"),
        ("C6", "cell_not_understood"),
        ("A7", "cell_not_understood"),
    ]
    assert marks(understood) == []


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (
            [["Ученик: Иванов Иван"], ["Класс: 7А"], ["2026/2027 учебный год"],
             ["№", "Предмет", "1 четверть", "2 четверть", "Год. оценка", "Экз. оценка", "Итог. оценка"],
             [1, "Алгебра", 4, 5, 5, "", 5], [2, "Музыка", "зач", "осв", "", "", ""]],
            [("Иванов Иван", "Алгебра", "quarter", 1, "4"), ("Иванов Иван", "Алгебра", "quarter", 2, "5"),
             ("Иванов Иван", "Алгебра", "year", 1, "5"), ("Иванов Иван", "Алгебра", "final", 1, "5"),
             ("Иванов Иван", "Музыка", "quarter", 1, "зач"), ("Иванов Иван", "Музыка", "quarter", 2, "осв")],
        ),
        (
            [["Класс: 7А"], ["Период: 2 полугодие"], ["2026/2027 учебный год"],
             ["№", "ФИО", "Алгебра", "Химия", "Ср. балл"], [1, "Иванов Иван", 4, 5, "4,5"],
             ["", "Качество знаний", 90, 80]],
            [("Иванов Иван", "Алгебра", "half_year", 2, "4"), ("Иванов Иван", "Химия", "half_year", 2, "5")],
        ),
        (
            [["Класс: 7А"], ["Предмет: Химия"], ["2026/2027 учебный год"],
             ["ФИО", "I четв.", "II четв.", "Год"], ["Иванов Иван", 4, 5, 5]],
            [("Иванов Иван", "Химия", "quarter", 1, "4"), ("Иванов Иван", "Химия", "quarter", 2, "5"),
             ("Иванов Иван", "Химия", "year", 1, "5")],
        ),
    ],
)  # fmt: skip
def test_final_grades_are_read_by_subject_and_period_in_each_of_their_forms(
    tmp_path: Path, rows: list[list[object]], expected: list[tuple[str, str, str, int, str]]
):
    understood = understand(grid_xlsx(tmp_path / "finals.xlsx", rows), load_map("final-grades"))
    assert finals(understood) == expected
    assert unread(understood) == []
    assert all(not total.differs for total in understood.totals)


def test_latin_letters_that_look_cyrillic_mean_what_they_look_like(tmp_path: Path):
    rows: list[list[Any]] = [
        ["Класс: 7A"],
        ["Предмет: Химия"],
        ["2026/2027 учебный год"],
        ["ФИО", "01.09"],
        ["Иванов Иван", "H"],
    ]
    understood = understand(grid_xlsx(tmp_path / "latin.xlsx", rows), load_map("class-progress"))
    assert [fact.code for fact in understood.facts if isinstance(fact, Absence)] == ["н"]


def test_a_sheet_without_the_header_is_told_and_one_that_explains_is_left_out(tmp_path: Path):
    understood = understand(grid_xlsx(tmp_path / "a.xlsx", [["что-то", "другое"]]), load_map("class-progress"))
    assert [(item.place.sheet, item.code) for item in understood.unread] == [("Лист1", Code.HEADER_NOT_FOUND)]
    explained = understand(grid_xlsx(tmp_path / "b.xlsx", [["что-то"]], name="Пояснения"), load_map("class-progress"))
    assert [sheet.taken for sheet in explained.sheets] == [False]


def test_a_sheet_may_be_named_by_its_student(tmp_path: Path):
    rows: list[list[Any]] = [["Класс: 7А"], ["2026/2027 учебный год"], ["Предмет", "01.09"], ["Алгебра", 5]]
    understood = understand(grid_xlsx(tmp_path / "a.xlsx", rows, name="Иванов Иван"), load_map("student-progress"))
    assert [name for name, *_ in marks(understood)] == ["Иванов Иван"]
    unnamed = understand(grid_xlsx(tmp_path / "b.xlsx", rows, name="Отчёт"), load_map("student-progress"))
    assert [item.code for item in unnamed.unread] == [Code.NO_STUDENT_NAMED]


GROUPED = """
[map]
name = "grouped"
[[tables]]
rows = "student"
key = "^ФИО$"
header = { find = "^ФИО$", depth = 2 }
days = true
grouped = "subject"
"""


def test_days_may_be_grouped_by_subject_in_the_header(tmp_path: Path):
    rows: list[list[Any]] = [["ФИО", None, None, "Химия"], [None, "01.09", "02.09", "01.09"], ["Иванов Иван", 5, 4, 3]]
    path = grid_xlsx(tmp_path / "grouped.xlsx", rows, merges=[(1, 2, 1, 3, "Алгебра")])
    understood = understand(path, parse_map(GROUPED, "grouped.toml"), Given(school_year="2026/2027"))
    assert [(subject, day.day, value) for _, subject, day, value in marks(understood)] == [
        ("Алгебра", 1, "5"),
        ("Алгебра", 2, "4"),
        ("Химия", 1, "3"),
    ]


def test_a_line_of_types_under_the_days_says_what_marks_were_given_for(tmp_path: Path):
    rows: list[list[Any]] = [
        ["Класс: 7А"], ["Предмет: Алгебра"], ["2026/2027 учебный год"],
        [None, "Сентябрь"], [None, 1, 2], [None, "К", "О"], ["Иванов Иван", 5, 4],
    ]  # fmt: skip
    path = grid_xlsx(tmp_path / "types.xlsx", rows, merges=[(4, 1, 6, 1, "ФИО")])
    understood = understand(path, load_map("class-progress"))
    found = [(fact.day.day, fact.work_type) for fact in understood.facts if isinstance(fact, Mark)]
    assert found == [(1, "control_work"), (2, "answer")]


OWN = """
[map]
name = "own"
[[tables]]
rows = "record"
record = "mark"
header = { row = 2 }
columns = [
    { match = "^кто$", use = "student" }, { match = "^когда$", use = "date" }, { match = "^что$", use = "subject" },
    { match = "^отметка$", use = "mark" }, { match = "^вес$", use = "weight" }, { match = "^за что$", use = "work" },
]
[[works]]
match = "контр.*?(?:вес\\\\s*(?P<weight>[0-9,]+))?$"
type = "control_work"
weight = "2"
"""


def test_a_map_of_ones_own_reads_a_list_of_marks(tmp_path: Path):
    rows: list[list[Any]] = [
        ["Выгрузка"],
        ["Кто", "Когда", "Что", "Отметка", "Вес", "За что"],
        ["Иванов Иван", "02.09.2026", "Алгебра", 5, "1,5", "ответ"],
        ["Иванов Иван", "02.09.2026", "Алгебра", 4, "", "контр. вес 3,5"],
        ["Иванов Иван", "02.09.2026", "Алгебра", 3, "", "контр."],
        ["Иванов Иван", "02.13.2026", "Алгебра", 3, "", ""],
        ["", "02.09.2026", "Алгебра", 3, "", ""],
        ["Иванов Иван", "03.09.2026", "Алгебра", 3, 99, ""],
    ]
    understood = understand(grid_xlsx(tmp_path / "list.xlsx", rows), parse_map(OWN, "own.toml"))
    found = [(m.value, m.ordinal, m.work_type, m.weight) for m in understood.facts if isinstance(m, Mark)]
    assert found == [
        ("5", 1, "answer", Decimal("1.5")),
        ("4", 2, "control_work", Decimal("3.5")),
        ("3", 3, "control_work", Decimal(2)),
    ]
    assert unread(understood) == [("B6", "date_unclear"), ("A7", "no_student_named"), ("E8", "bad_value")]


@pytest.mark.parametrize(
    "text",
    [
        "no toml at all",
        "[map]\nname = 'x'",
        OWN + "\n[unknown]\n",
        OWN.replace("^кто$", "(unclosed"),
        OWN.replace("header = { row = 2 }", "header = { row = 2, find = 'x' }"),
        'context = ["no groups"]\n' + OWN,
        'context = ["(?P<password>.+)"]\n' + OWN,
        OWN.replace('record = "mark"', ""),
        OWN.replace("control_work", "dictation"),
        "[map]\nname='x'\n[[json]]\nfact='mark'\neach=['day: $.days']\nfields={value='day.mark'}",
        "[map]\nname='x'\n[[json]]\nfact='mark'\neach=['day = $.days[*]']\nfields={value='day..mark'}",
    ],
)
def test_a_wrong_map_is_refused_and_told_where(text: str):
    with pytest.raises(MapError) as error:
        parse_map(text, "map.toml")
    assert (error.value.code, error.value.file) == (Code.BAD_MAP, "map.toml")
    assert error.value.details


def test_the_maps_of_the_documentation_are_whole():
    text = (Path(__file__).parents[2] / "docs" / "mapped-tables.md").read_text(encoding="utf-8")
    maps = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    assert [parse_map(one, "docs").map.name for one in maps] == ["our-journal", "our-json"]
    assert all(f"`{name}`" in text for name in shipped_maps())


def test_a_map_that_is_not_there_is_refused_with_those_that_are():
    with pytest.raises(MapError) as error:
        load_map("nowhere.toml")
    assert "student-progress" in error.value.details
