"""Files that are not what they seem, or would cost more than they may: each ends with a code, none with a crash."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from services.gradebook.exchange import ExchangeError
from services.gradebook.exchange.sheets import SheetLimits, read_workbook
from tests.support.workbooks import data, raw_xlsx


def code_of(path: Path, limits: SheetLimits | None = None) -> str:
    with pytest.raises(ExchangeError) as error:
        read_workbook(path, limits)
    assert error.value.file == path.name
    return str(error.value.code)


OLE = bytes.fromhex("D0CF11E0A1B11AE1")


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("empty.xlsx", b"", "empty_table"),
        ("locked.xlsx", OLE + bytes(3000) + "EncryptedPackage".encode("utf-16-le") + bytes(100), "password_protected"),
        ("old.xls", OLE + bytes(4000), "old_workbook"),
        ("2003.xls", b"<?xml?><Workbook xmlns='urn:schemas-microsoft-com:office:spreadsheet'/>", "old_workbook"),
        ("paper.xlsx", b"%PDF-1.7 ...", "not_a_table"),
        ("cut.xlsx", b"PK\x03\x04 and nothing more", "broken_workbook"),
        ("noise.csv", bytes(range(256)) * 4, "bad_encoding"),
        ("blank.csv", b"\n\n  \n", "empty_table"),
        ("quote.csv", 'а;"б\n'.encode(), "broken_workbook"),
        ("page.html", b"<html><body></body></html>", "empty_table"),
        ("feed.xml", b"<?xml version='1.0'?><feed/>", "not_a_table"),
        ("week.json", b'{"weekDays": []}', "not_a_table"),
    ],
)  # fmt: skip
def test_what_is_no_workbook_is_refused_with_the_reason(tmp_path: Path, name: str, content: bytes, expected: str):
    path = tmp_path / name
    path.write_bytes(content)
    assert code_of(path) == expected


@pytest.mark.parametrize(
    ("member", "expected"),
    [("xl/workbook.bin", "old_workbook"), ("content.xml", "old_workbook"), ("word/document.xml", "not_a_table")],
)
def test_other_packages_are_told_apart(tmp_path: Path, member: str, expected: str):
    path = tmp_path / "package.xlsx"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member, "x")
    assert code_of(path) == expected


def test_entities_that_grow_are_refused(tmp_path: Path):
    laughs = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(9))
    before = f'<!DOCTYPE x [<!ENTITY l0 "ha">{laughs}]>'
    path = raw_xlsx(tmp_path / "laughs.xlsx", data('<c t="inlineStr"><is><t>&l9;</t></is></c>'), before=before)
    assert code_of(path) == "forbidden_xml"


def test_a_declaration_without_entities_is_refused_too(tmp_path: Path):
    path = raw_xlsx(tmp_path / "declared.xlsx", data("<c><v>1</v></c>"), before="<!DOCTYPE worksheet>")
    assert code_of(path) == "forbidden_xml"


def test_entities_that_read_files_are_refused(tmp_path: Path):
    before = '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/hostname">]>'
    path = raw_xlsx(tmp_path / "file.xlsx", data('<c t="inlineStr"><is><t>&f;</t></is></c>'), before=before)
    assert code_of(path) == "forbidden_xml"


def test_what_unpacks_beyond_the_limit_is_refused(tmp_path: Path):
    path = raw_xlsx(tmp_path / "bomb.xlsx", data(f"<c><v>{' ' * 40_000_000}1</v></c>"))
    assert path.stat().st_size < 100_000
    assert code_of(path, SheetLimits(ratio_from_bytes=1 << 20)) == "table_too_large"
    assert code_of(path, SheetLimits(max_unpacked_bytes=1 << 20)) == "table_too_large"


@pytest.mark.parametrize(
    ("sheet", "limits"),
    [
        ("<sheetData>" + "<row><c><v>1</v></c></row>" * 30 + "</sheetData>", SheetLimits(max_rows=20)),
        (data("<c><v>1</v></c>" * 30), SheetLimits(max_cells=20)),
        (data('<c t="inlineStr"><is><t>' + "я" * 40_000 + "</t></is></c>"), SheetLimits()),
        (data("<c><v>1</v></c>") + '<mergeCell ref="A1:B2"/>' * 30, SheetLimits(max_merges=20)),
    ],
)  # fmt: skip
def test_too_many_rows_cells_texts_or_merged_areas_are_refused(tmp_path: Path, sheet: str, limits: SheetLimits):
    assert code_of(raw_xlsx(tmp_path / "large.xlsx", sheet), limits) == "table_too_large"


def test_areas_over_the_whole_sheet_cost_nothing(tmp_path: Path):
    areas = '<mergeCell ref="A1:XFD1048576"/>' * 50_000
    path = raw_xlsx(tmp_path / "areas.xlsx", data("<c><v>1</v></c>") + f"<mergeCells>{areas}</mergeCells>")
    sheet = read_workbook(path).sheets[0]
    assert sheet.seen(1, 700) == 1.0


def test_two_cells_at_the_corners_of_a_sheet_are_two_cells(tmp_path: Path):
    path = raw_xlsx(
        tmp_path / "corners.xlsx",
        '<sheetData><row r="1"><c r="A1"><v>1</v></c></row>'
        '<row r="1048576"><c r="XFD1048576"><v>2</v></c></row></sheetData>',
    )
    assert read_workbook(path).sheets[0].rows == {1: {1: 1.0}, 1048576: {16384: 2.0}}


_READ_ALONE = """
import sys
from pathlib import Path
from services.gradebook.exchange import ExchangeError
from services.gradebook.exchange.sheets import read_workbook
from tests.support.memory import peak_kib
try:
    outcome = sum(len(row) for row in read_workbook(Path(sys.argv[1])).sheets[0].rows.values())
except ExchangeError as error:
    outcome = error.code
print(outcome, peak_kib() // 1024)
"""


@pytest.mark.parametrize(("rows", "expected"), [(1_000_000, "table_too_large"), (40_000, "400000")])
def test_a_million_rows_end_with_a_code_and_all_that_is_allowed_stays_within_the_memory(
    tmp_path: Path, rows: int, expected: str
):
    row = b"<row>" + b"<c><v>4.5</v></c>" * 10 + b"</row>"
    path = raw_xlsx(tmp_path / "rows.xlsx", "<sheetData/>")
    with zipfile.ZipFile(tmp_path / "million.xlsx", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as large:
        with zipfile.ZipFile(path) as small:
            for name in small.namelist():
                if "sheet1" not in name:
                    large.writestr(name, small.read(name))
        with large.open("xl/worksheets/sheet1.xml", "w") as part:
            part.write(b"<worksheet><sheetData>")
            for _ in range(rows // 10_000):
                part.write(row * 10_000)
            part.write(b"</sheetData></worksheet>")
    alone = subprocess.run(
        [sys.executable, "-c", _READ_ALONE, str(tmp_path / "million.xlsx")],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    outcome, megabytes = alone.stdout.split()
    assert outcome == expected
    assert int(megabytes) < 300


@pytest.mark.parametrize(
    "sheet",
    [
        data("<c><v>1</v></c>") + "</oops>",
        data('<c r="A0"><v>1</v></c>', '<c r="ZZZZ1"><v>2</v></c>', "<c><v>1e999</v></c>", "<c><v>nan</v></c>"),
        data('<c t="d"><v>2026-99-99</v></c>', '<c t="b"><v>2</v></c>', '<c s="99"><v>1</v></c>', '<c s="x"/>'),
        '<sheetData><row r="99999999"><c><v>1</v></c></row></sheetData>',
        "<a>" * 100 + "</a>" * 100,
    ],
)  # fmt: skip
def test_nonsense_in_a_sheet_is_a_code_or_a_value(tmp_path: Path, sheet: str):
    path = raw_xlsx(tmp_path / "nonsense.xlsx", sheet)
    try:
        outcome = str(len(read_workbook(path).sheets))
    except ExchangeError as error:
        outcome = str(error.code)
    assert outcome in {"1", "broken_workbook", "empty_table"}


def test_a_part_locked_with_a_password_is_told(tmp_path: Path):
    path = raw_xlsx(tmp_path / "zip.xlsx", data("<c><v>1</v></c>"))
    content = bytearray(path.read_bytes())
    position = 0
    while (position := content.find(b"PK\x01\x02", position)) >= 0:
        content[position + 8] |= 1
        position += 4
    path.write_bytes(bytes(content))
    assert code_of(path) == "password_protected"


def test_a_workbook_of_another_name_is_read_and_told(tmp_path: Path):
    path = raw_xlsx(tmp_path / "table.csv", data("<c><v>1</v></c>"))
    workbook = read_workbook(path)
    assert (workbook.kind, workbook.remarks) == ("xlsx", ["wrong_extension"])
