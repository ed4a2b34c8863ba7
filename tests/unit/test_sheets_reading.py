"""Reading workbooks: values, dates of both systems, merged cells, formulas, hidden rows, texts in every encoding."""

import random
from datetime import date, datetime, time
from pathlib import Path

import openpyxl
import pytest
import xlsxwriter

from services.gradebook.exchange.guarding import guard, unguard
from services.gradebook.exchange.sheets import Sheet, Trouble, read_workbook, text_of
from services.gradebook.exchange.sheets.dates import from_serial, shows_a_date
from tests.support.workbooks import MAIN, data, raw_xlsx, styles

MORNING = datetime.fromisoformat("2026-09-02T08:30")


def sheet_of(path: Path) -> Sheet:
    return read_workbook(path).sheets[0]


def test_a_cell_has_the_value_that_a_person_sees(tmp_path: Path):
    path = tmp_path / "values.xlsx"
    with xlsxwriter.Workbook(str(path)) as workbook:
        sheet = workbook.add_worksheet("Лист")
        day = workbook.add_format({"num_format": "dd.mm.yyyy"})
        hour = workbook.add_format({"num_format": "hh:mm"})
        sheet.write_row(0, 0, ["текст", 5, 4.5, True])
        sheet.write_datetime(0, 4, datetime.fromisoformat("2026-09-02"), day)
        sheet.write_datetime(0, 5, MORNING, day)
        sheet.write_number(0, 6, 0.354166666666667, hour)
    row = sheet_of(path).rows[1]
    assert row == {
        1: "текст", 2: 5.0, 3: 4.5, 4: True, 5: date(2026, 9, 2), 6: MORNING, 7: time(8, 30)
    }  # fmt: skip
    assert [text_of(value) for value in row.values()] == [
        "текст", "5", "4.5", "да", "2026-09-02", "2026-09-02 08:30", "08:30"
    ]  # fmt: skip


def test_the_same_number_is_another_day_in_the_1904_system(tmp_path: Path):
    cell = '<c r="A1" s="1"><v>45537</v></c>'
    part = {"xl/styles.xml": styles("dd.mm.yyyy")}
    relations = {"styles": "styles.xml"}
    usual = raw_xlsx(tmp_path / "1900.xlsx", data(cell), parts=part, relations=relations)
    other = raw_xlsx(tmp_path / "1904.xlsx", data(cell), parts=part, relations=relations, book='date1904="1"')
    assert sheet_of(usual).value(1, 1) == date(2024, 9, 2)
    assert sheet_of(other).value(1, 1) == date(2028, 9, 3)


@pytest.mark.parametrize(
    ("serial", "expected"),
    [
        (1, date(1900, 1, 1)),
        (59, date(1900, 2, 28)),
        (60, Trouble.BAD_DATE),
        (61, date(1900, 3, 1)),
        (-1, Trouble.BAD_DATE),
        (3e6, Trouble.BAD_DATE),
        (0.5, time(12, 0)),
    ],
)
def test_days_are_counted_as_excel_counts_them(serial: float, expected: object):
    assert from_serial(serial, system_1904=False) == expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("dd.mm.yyyy", True),
        ("[$-419]d mmm;@", True),
        ("[h]:mm", True),
        ("General", False),
        ("Основной", False),
        ("0.00", False),
        ('0" мая"', False),
        ("#,##0.00 [$руб.-419]", False),
    ],
)
def test_a_number_format_tells_whether_it_shows_dates(code: str, expected: bool):
    assert shows_a_date(200, code) is expected


def test_a_formula_has_its_saved_value_and_one_without_is_told(tmp_path: Path):
    path = raw_xlsx(
        tmp_path / "formulas.xlsx",
        data(
            '<c r="A1"><f>2+2</f><v>4</v></c>',
            '<c r="B1"><f>2+2</f></c>',
            '<c r="C1" t="str"><f>""</f><v></v></c>',
            '<c r="D1" t="e"><f>1/0</f><v>#DIV/0!</v></c>',
            '<c r="E1" t="str"><f>"5"</f><v>5</v></c>',
        ),
    )
    assert sheet_of(path).rows[1] == {1: 4.0, 2: Trouble.NO_VALUE, 4: Trouble.ERROR, 5: "5"}


def test_a_merged_cell_is_seen_in_all_its_places(tmp_path: Path):
    path = raw_xlsx(
        tmp_path / "merged.xlsx",
        '<sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>Сентябрь</t></is></c></row>'
        '<row r="2"><c r="C2"><v>1</v></c></row></sheetData>'
        '<mergeCells><mergeCell ref="A1:B2"/><mergeCell ref="A5:XFD1048576"/></mergeCells>',
    )
    sheet = sheet_of(path)
    assert [sheet.seen(row, column) for row in (1, 2) for column in (1, 2, 3)] == [
        "Сентябрь", "Сентябрь", None, "Сентябрь", "Сентябрь", 1.0
    ]  # fmt: skip
    assert sheet.value(2, 1) is None


def test_hidden_sheets_rows_and_columns_are_known_as_such(tmp_path: Path):
    path = tmp_path / "hidden.xlsx"
    with xlsxwriter.Workbook(str(path)) as workbook:
        workbook.add_worksheet("Видимый").write(0, 0, 1)
        sheet = workbook.add_worksheet("Скрытый")
        sheet.write_column(0, 0, [1, 2, 3])
        sheet.set_row(1, None, None, {"hidden": True})
        sheet.set_column(2, 3, None, None, {"hidden": True})
        sheet.hide()
    shown, hidden = read_workbook(path).sheets
    assert (shown.hidden, hidden.hidden) == (False, True)
    assert (hidden.hidden_rows, hidden.hidden_columns) == ({2}, [range(3, 5)])


def test_comments_stand_at_their_cells(tmp_path: Path):
    path = tmp_path / "comments.xlsx"
    with xlsxwriter.Workbook(str(path)) as workbook:
        sheet = workbook.add_worksheet("Лист")
        sheet.write(1, 1, 5)
        sheet.write_comment(1, 1, "контрольная работа")
    assert sheet_of(path).comments == {(2, 2): "контрольная работа"}


def test_shared_texts_are_whole_without_how_they_are_pronounced(tmp_path: Path):
    first = "<si><r><t>Ива</t></r><r><t>нов</t></r><rPh><t>x</t></rPh></si>"
    texts = f'<sst xmlns="{MAIN}">{first}<si><t>a_x000D_b</t></si></sst>'
    path = raw_xlsx(
        tmp_path / "shared.xlsx",
        data('<c t="s"><v>0</v></c>', '<c t="s"><v>1</v></c>', '<c t="s"><v>99</v></c>', '<c t="s"><v>x</v></c>'),
        parts={"xl/sharedStrings.xml": texts},
        relations={"sharedStrings": "sharedStrings.xml"},
    )
    assert sheet_of(path).rows[1] == {1: "Иванов", 2: "a\rb"}


def test_rows_of_a_page_stand_where_a_person_sees_them(tmp_path: Path):
    path = tmp_path / "page.xls"
    path.write_bytes(
        "<meta charset=windows-1251><p>Ученик: Иванов</p><table><tr><th rowspan=2>П<th colspan=2>М</tr>"
        "<tr><th>1<th>2</tr><tr><td>А<td>5&nbsp;4<td></table><script>let x = '<td>9</td>'</script>".encode("cp1251")
    )
    sheet = sheet_of(path)
    assert sheet.rows == {1: {1: "Ученик: Иванов"}, 2: {1: "П", 2: "М"}, 3: {2: "1", 3: "2"}, 4: {1: "А", 2: "5\xa04"}}
    assert (sheet.seen(3, 1), sheet.seen(2, 3)) == ("П", "М")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1251", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_csv_is_read_in_every_encoding_and_with_every_delimiter(tmp_path: Path, encoding: str, delimiter: str):
    path = tmp_path / "table.csv"
    rows = [["Фамилия", "Отметка"], ["Ёлкин «А»", '"5\n4"'], ["Иванова — Б", "4"]]
    path.write_bytes("\r\n".join(delimiter.join(row) for row in rows).encode(encoding))
    assert [list(row.values()) for row in sheet_of(path).rows.values()] == [
        ["Фамилия", "Отметка"], ["Ёлкин «А»", "5\n4"], ["Иванова — Б", "4"]
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["=1+1", "+7", "-5", "@cmd", "'=x", "''=x", "\tx", "\r=x", "5", "", "'", "'т Хофт"])
def test_a_guarded_text_comes_back_as_it_was(text: str):
    assert unguard(guard(text)) == text
    assert not guard(text).startswith(("=", "+", "-", "@", "\t", "\r"))


@pytest.mark.parametrize("text", ["'т Хофт", "О'Брайен", "'5", "''", "5", "№ 1 = 2"])
def test_a_text_that_nobody_guarded_is_left_alone(text: str):
    assert (guard(text), unguard(text)) == (text, text)


def test_our_reader_and_another_see_the_same_in_what_a_writer_wrote(tmp_path: Path):
    chance = random.Random(5)
    for number in range(10):
        path = tmp_path / f"{number}.xlsx"
        with xlsxwriter.Workbook(str(path), {"date_1904": number % 2 == 1}) as workbook:
            sheet = workbook.add_worksheet()
            day = workbook.add_format({"num_format": "d mmm yyyy"})
            for row in range(30):
                for column in range(8):
                    value = chance.choice(
                        [None, "Иванов & <b>", 5, 4.25, True, datetime.fromisoformat("2026-09-01"), "", " х "]
                    )
                    if isinstance(value, datetime):
                        sheet.write_datetime(row, column, value, day)
                    elif value is not None:
                        sheet.write(row, column, value)
        ours = {(row, column): value for row, column, value in sheet_of(path).cells()}
        other = {
            (cell.row, cell.column): cell.value.date() if isinstance(cell.value, datetime) else cell.value
            for cells in openpyxl.load_workbook(path).active.iter_rows()
            for cell in cells
            if cell.value not in {None, ""}
        }
        assert ours == other
