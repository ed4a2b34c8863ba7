"""Reports with hundreds of random changes: whatever a cell holds, the file is read, and what is taken was in it."""

import random
from pathlib import Path
from typing import Any

import pytest

from services.gradebook.exchange import ExchangeError
from services.gradebook.exchange.mapped.facts import Final, Mark
from services.gradebook.exchange.mapped.importing import preview_table
from services.gradebook.exchange.mapped.mapping import load_map
from services.gradebook.exchange.mapped.reading import read_tables
from services.gradebook.exchange.sheets import Area, Sheet, Trouble, Workbook, read_workbook
from tests.support.workbooks import grid_xlsx, progress_page

CASES = 1200
ODD: list[Any] = [
    "", " ", "5", "45", "5-", "5н", "H", "н/а", "осв", "хор", "4,5", "01.02", "=1+1", "\u00a0", "5\n4",
    "Ученик: Петров Пётр", "Класс: 9Я", "Предмет:", "Предмет", "ФИО", "Сентябрь", "2026/2027", "1 четверть", "№",
    "😀", "я" * 5000, "'", "\x00",
    Trouble.NO_VALUE, Trouble.ERROR, Trouble.BAD_DATE, True, 5.0, 0.0, -1.0, 1e308, 4.5, 45.0, float(2**60),
]  # fmt: skip


def sheets() -> list[tuple[str, list[list[Any]]]]:
    return [
        (
            "student-progress",
            [["Ученик: Иванов Иван"], ["Класс: 7А", None, "2026/2027 уч. год"],
             ["Предмет", "Сентябрь", None, "Октябрь", "Ср. балл", "1 четверть"], [None, "1", "2", "3"],
             ["Алгебра", "5", "4 5", "н", "4,67", "5"], ["Химия", "3", None, "45", "4", "4"]],
        ),
        (
            "class-progress",
            [["Класс: 7А"], ["Предмет: Алгебра"], ["2026/2027 уч. год"], ["№", "ФИО", "01.09", "02.09", "Ср. балл"],
             [1.0, "Иванов Иван", 5.0, "н", 5.0], [2.0, "Петрова Анна", "4 5", "3", "4,00"]],
        ),
        (
            "final-grades",
            [["Класс: 7А"], ["Период: 1 четверть"], ["2026/2027 уч. год"], ["ФИО", "Алгебра", "Химия"],
             ["Иванов Иван", 5.0, "осв"], ["Петрова Анна", 4.0, 3.0]],
        ),
    ]  # fmt: skip


def changed(rows: list[list[Any]], chance: random.Random) -> Sheet:
    grid = [list(row) for row in rows]
    for _ in range(chance.randint(1, 6)):
        row = chance.randrange(len(grid))
        match chance.randrange(5):
            case 0:
                grid.insert(row, [chance.choice(ODD) for _ in range(chance.randint(0, 7))])
            case 1 if len(grid) > 1:
                grid.pop(row)
            case 2:
                grid.insert(row, list(chance.choice(grid)))
            case _ if grid[row]:
                grid[row][chance.randrange(len(grid[row]))] = chance.choice(ODD)
    sheet = Sheet(chance.choice(["Лист1", "Алгебра", "1 четверть", "*[", ""]))
    for number, cells in enumerate(grid, start=1):
        for column, value in enumerate(cells, start=1):
            if value is not None and value != "":
                sheet.put(number, column, value)
    for _ in range(3):
        row, column = chance.randint(1, 8), chance.randint(1, 6)
        sheet.merge([Area(row, column, row + chance.randint(0, 3), column + chance.randint(0, 3))])
    sheet.comments = {(chance.randint(1, 8), chance.randint(1, 6)): chance.choice(["контрольная", "вес 99", "😀"])}
    return sheet


@pytest.mark.parametrize("seed", range(3))
def test_no_change_of_a_report_makes_a_crash_or_a_mark_outside_the_scale(seed: int):
    chance = random.Random(seed)
    maps = {name: load_map(name) for name, _ in sheets()}
    taken = 0
    for _ in range(CASES // 3):
        name, rows = chance.choice(sheets())
        workbook = Workbook("fuzz.xlsx", "xlsx", [changed(rows, chance) for _ in range(chance.randint(1, 2))])
        understood = read_tables(workbook, maps[name])
        for fact in understood.facts:
            if isinstance(fact, Mark):
                assert fact.value in {"1", "2", "3", "4", "5", "зач", "незач"}
                assert 2026 <= fact.day.year <= 2027
            if isinstance(fact, Mark | Final):
                assert fact.student.name
                taken += 1
        assert len(understood.unread) == understood.unread_count
    assert taken > CASES // 2


@pytest.mark.parametrize("seed", range(3))
def test_no_damaged_file_makes_a_crash(seed: int, tmp_path: Path):
    chance = random.Random(seed)
    book = grid_xlsx(tmp_path / "book.xlsx", sheets()[1][1]).read_bytes()
    page = progress_page([("Иванов Иван", "7А", {"Алгебра": ["5", "4", "", "н"]}, ["4,5|5"])]).encode()
    rules = load_map("student-progress")
    outcomes = set()
    for number in range(CASES // 12):
        content = bytearray(chance.choice([book, page]))
        for _ in range(chance.randint(1, 8)):
            place = chance.randrange(len(content))
            if chance.random() < 0.2:
                del content[place : place + chance.randint(1, 200)]
            else:
                content[place] = chance.randrange(256)
            content = content or bytearray(b"x")
        path = tmp_path / f"{number}.{chance.choice(['xlsx', 'xls', 'csv', 'html'])}"
        path.write_bytes(bytes(content))
        report = preview_table(path, rules)
        assert report.exit_code in {0, 1, 2}
        assert (report.exit_code == 0) == (report.rejected == 0)
        outcomes.add(report.exit_code)
    assert outcomes >= {1, 2}


def test_each_part_of_a_workbook_may_be_cut_off_anywhere(tmp_path: Path):
    book = grid_xlsx(tmp_path / "book.xlsx", sheets()[0][1]).read_bytes()
    path = tmp_path / "cut.xlsx"
    for end in range(4, len(book), max(1, len(book) // 100)):
        path.write_bytes(book[:end])
        with pytest.raises(ExchangeError):
            read_workbook(path)
