"""What a hostile file may cost: each attack is read in a process of its own, and its real peak of memory measured."""

import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import pytest

from services.gradebook.exchange import ExchangeError
from services.gradebook.exchange.mapped.cells import CellReader
from services.gradebook.exchange.mapped.facts import Absence, Place, Student, Understood
from services.gradebook.exchange.mapped.mapping import Cells
from services.gradebook.exchange.sheets import SheetLimits, read_workbook
from services.gradebook.rejections import Code, text
from tests.support.workbooks import data, raw_xlsx

MEGABYTE = 1 << 20
MOST_MEGABYTES = 300
MOST_SECONDS = 30.0
"""Of computation, not of the clock: other tests run beside this one."""

SHEET = "xl/worksheets/sheet1.xml"
Build = Callable[[Path], Path]

_READ_ALONE = """
import sys, time
from pathlib import Path
from services.gradebook.exchange import ExchangeError
from services.gradebook.exchange.mapped.json_reading import load_json
from services.gradebook.exchange.sheets import read_workbook
from tests.support.memory import peak_kib
path, begun = Path(sys.argv[1]), time.process_time()
try:
    outcome = load_json(path) if path.suffix == ".json" else read_workbook(path)
    outcome = type(outcome).__name__
except ExchangeError as error:
    outcome = error.code
print(outcome, peak_kib() // 1024, time.process_time() - begun)
"""


def cost(path: Path) -> tuple[str, int, float]:
    """The outcome, the peak in megabytes and the seconds of computation of reading a file."""
    alone = subprocess.run(
        [sys.executable, "-c", _READ_ALONE, str(path)],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
    )
    outcome, megabytes, seconds = alone.stdout.split()
    return outcome, int(megabytes), float(seconds)


def repeated(head: str, unit: str, megabytes: int, tail: str) -> Iterator[bytes]:
    """A part that says the same again and again."""
    block = unit.encode() * (MEGABYTE // len(unit.encode()))
    yield head.encode()
    for _ in range(megabytes):
        yield block
    yield tail.encode()


def numbered(head: str, unit: str, count: int, tail: str) -> Iterator[bytes]:
    """A part that says something else each time."""
    yield head.encode()
    for start in range(0, count, 10_000):
        yield "".join(unit % number for number in range(start, start + 10_000)).encode()
    yield tail.encode()


def workbook(pieces: Callable[[], Iterator[bytes]], part: str = SHEET, **relations: str) -> Build:
    """A workbook of which one part is an attack."""

    def build(folder: Path) -> Path:
        honest = raw_xlsx(folder / "honest.xlsx", data("<c><v>1</v></c>"), relations=relations)
        path = folder / "attack.xlsx"
        with (
            zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as packed,
            zipfile.ZipFile(honest) as source,
        ):
            for name in source.namelist():
                if name != part:
                    packed.writestr(name, source.read(name))
            with packed.open(part, "w") as target:
                for piece in pieces():
                    target.write(piece)
        return path

    return build


def file(name: str, pieces: Callable[[], Iterator[bytes]]) -> Build:
    """A file that is an attack as a whole."""

    def build(folder: Path) -> Path:
        path = folder / name
        with path.open("wb") as target:
            for piece in pieces():
                target.write(piece)
        return path

    return build


def directory(folder: Path) -> Path:
    """An archive of a million names and nothing else."""
    path = folder / "directory.xlsx"
    entry = struct.pack("<4s6H3L5H2L", b"PK\x01\x02", 20, 20, *[0] * 7, 1, *[0] * 6) + b"x"
    content = entry * 1_200_000
    end = struct.pack("<4s4H2LH", b"PK\x05\x06", 0, 0, 65_535, 65_535, len(content), 4, 0)
    path.write_bytes(b"PK\x03\x04" + content + end)
    return path


def laughs(folder: Path) -> Path:
    grown = "".join(f'<!ENTITY l{n + 1} "{f"&l{n};" * 10}">' for n in range(12))
    before = f'<!DOCTYPE x [<!ENTITY l0 "ha">{grown}]>'
    return raw_xlsx(folder / "laughs.xlsx", data('<c t="inlineStr"><is><t>&l12;</t></is></c>'), before=before)


XF = '<xf numFmtId="14"/>'
RELATION = '<Relationship Id="r%d" Type="t" Target="worksheets/sheet.xml"/>'
ATTACKS: dict[str, tuple[Build, str]] = {
    "a value without an end": (
        workbook(lambda: repeated('<worksheet><sheetData><row><c t="str"><v>', "я", 300, "</v>")),
        "table_too_large",
    ),
    "a number in a sea of blanks": (
        workbook(lambda: repeated("<worksheet><sheetData><row><c><v>", " ", 300, "1</v>")),
        "table_too_large",
    ),
    "an attribute without an end": (
        workbook(lambda: repeated('<worksheet><c r="', "A", 300, '"/>')),
        "table_too_large",
    ),
    "a comment without an end": (workbook(lambda: repeated("<worksheet><!--", "A", 300, "-->")), "table_too_large"),
    "names that never come twice": (
        workbook(lambda: numbered("<worksheet>", "<name%d/>", 4_000_000, "")),
        "table_too_large",
    ),
    "prefixes that never come twice": (
        workbook(lambda: numbered("<worksheet>", '<a xmlns:p%d="u"/>', 3_000_000, "")),
        "table_too_large",
    ),
    "elements that say nothing": (workbook(lambda: repeated("<worksheet>", "<a/>", 400, "")), "table_too_large"),
    "elements without an end": (workbook(lambda: repeated("<worksheet>", "<a>", 40, "")), "broken_workbook"),
    "millions of styles": (
        workbook(
            lambda: repeated("<styleSheet><cellXfs>", XF, 400, ""), "xl/styles.xml", styles="styles.xml"
        ),
        "table_too_large",
    ),
    "millions of number formats": (
        workbook(
            lambda: numbered("<styleSheet>", '<numFmt numFmtId="%d" formatCode="dd.mm.yyyy or"/>', 3_000_000, ""),
            "xl/styles.xml",
            styles="styles.xml",
        ),
        "table_too_large",
    ),
    "millions of relations": (
        workbook(
            lambda: numbered("<Relationships>", RELATION, 2_500_000, ""), "xl/worksheets/_rels/sheet1.xml.rels"
        ),
        "table_too_large",
    ),
    "millions of shared texts": (
        workbook(
            lambda: numbered("<sst>", "<si><t>%d</t></si>", 4_000_000, ""),
            "xl/sharedStrings.xml",
            sharedStrings="sharedStrings.xml",
        ),
        "table_too_large",
    ),
    "millions of sheets": (
        workbook(lambda: numbered("<workbook><sheets>", '<sheet name="%d"/>', 2_000_000, ""), "xl/workbook.xml"),
        "table_too_large",
    ),
    "millions of merged areas": (
        workbook(lambda: numbered("<worksheet>", '<mergeCell ref="A1:B%d"/>', 2_000_000, "")),
        "table_too_large",
    ),
    "all columns hidden again and again": (
        workbook(lambda: repeated("<worksheet>", '<col min="1" max="16384" hidden="1"/>', 40, "")),
        "broken_workbook",
    ),
    "a table of contents of its own size": (directory, "table_too_large"),
    "entities that grow": (laughs, "forbidden_xml"),
    "a page of merged cells": (file("p.xls", lambda: repeated("<table><tr>", "<td colspan=2><tr>", 60, "")),
        "table_too_large"),
    "a page of cells that reach down": (
        file("p.xls", lambda: repeated("<table>", f"<tr>{'<td rowspan=1000>' * 16_000}{'<tr><td>' * 1000}", 1, "")),
        "table_too_large",
    ),
    "a page of rows without cells": (file("p.xls", lambda: repeated("<table>", "<tr>", 60, "")), "table_too_large"),
    "a page of pieces of one text": (file("p.xls", lambda: repeated("<html>", "ы<b>", 60, "")), "table_too_large"),
    "a page of pieces of one cell": (
        file("p.xls", lambda: repeated("<table><td>", "ы<b>", 60, "")),
        "table_too_large",
    ),
    "a script without an end": (file("p.xls", lambda: repeated("<html><script>", "x", 60, "")), "broken_workbook"),
    "tags within tags within tags": (file("p.xls", lambda: repeated("<html>", "<a b=", 60, "")), "broken_workbook"),
    "a page that ends in many tags": (
        file("p.xls", lambda: iter([b"<table>", b"<a " * 20_000])),
        "broken_workbook",
    ),
    "a declaration that nobody knows": (file("p.xls", lambda: iter([b"<html><![x["])), "broken_workbook"),
    "a quote without an end": (file("t.csv", lambda: repeated('a;b\n1;"', "x", 60, "")), "table_too_large"),
    "a quote over all lines": (file("t.csv", lambda: repeated('a;b\n1;"', "x\n", 60, "")), "broken_workbook"),
    "lines without anything": (file("t.csv", lambda: repeated("a;b\n", "\n", 60, "")), "table_too_large"),
    "rows of separators": (file("t.csv", lambda: repeated("", ";" * 16_000 + "\n", 60, "")), "table_too_large"),
    "lists in lists in lists": (file("t.json", lambda: iter([b"[" * 10**6, b"]" * 10**6])), "table_too_large"),
    "fewer lists in lists": (file("t.json", lambda: iter([b"[" * 10**5, b"]" * 10**5])), "bad_json"),
    "millions of lists": (file("t.json", lambda: repeated("[", "[],", 15, "[]]")), "table_too_large"),
    "millions of objects": (file("t.json", lambda: repeated("[", '{"a":1},', 15, "1]")), "table_too_large"),
    "a number without an end": (file("t.json", lambda: repeated("[", "9", 15, "]")), "bad_json"),
}  # fmt: skip


@pytest.mark.parametrize("attack", ATTACKS)
def test_an_attack_ends_with_a_code_within_the_memory_and_the_time(tmp_path: Path, attack: str):
    build, expected = ATTACKS[attack]
    outcome, megabytes, seconds = cost(build(tmp_path))
    assert outcome == expected
    assert megabytes < MOST_MEGABYTES
    assert seconds < MOST_SECONDS
    assert text(Code(outcome), "ru") != text(Code(outcome), "en") != ""


SMALL: dict[str, Build] = {
    "styles": workbook(
        lambda: iter([b"<styleSheet><cellXfs>", XF.encode() * 30, b"</cellXfs></styleSheet>"]),
        "xl/styles.xml",
        styles="styles.xml",
    ),
    "number formats": workbook(
        lambda: iter([b"<styleSheet>", b'<numFmt numFmtId="1" formatCode="0"/>' * 30, b"</styleSheet>"]),
        "xl/styles.xml",
        styles="styles.xml",
    ),
    "relations": workbook(
        lambda: iter([b"<Relationships>", RELATION.encode() * 30, b"</Relationships>"]),
        "xl/worksheets/_rels/sheet1.xml.rels",
    ),
    "hidden columns": workbook(
        lambda: iter([b"<worksheet>", b'<col min="1" max="1" hidden="1"/>' * 30, b"</worksheet>"])
    ),
}


@pytest.mark.parametrize("kept", sorted(SMALL))
def test_everything_that_is_kept_is_counted(tmp_path: Path, kept: str):
    path = SMALL[kept](tmp_path)
    with pytest.raises(ExchangeError) as error:
        read_workbook(path, SheetLimits(max_entries=25))
    assert error.value.code is Code.TABLE_TOO_LARGE


HONEST: dict[str, Build] = {
    "a page of all the cells that are allowed": file(
        "p.xls", lambda: repeated("<table>", "<tr>" + "<td>Иванова Мария" * 10, 11, "")
    ),
    "a table with one smiling face": file(
        "t.csv", lambda: repeated("a;😀\n", "Иванова Мария Петровна;Алгебра;5;4;5;н;;;;\n", 4, "")
    ),
    "the texts that are allowed": workbook(
        lambda: repeated("<sst>", f"<si><t>{'я' * 500}</t></si>", 88, "</sst>"),
        "xl/sharedStrings.xml",
        sharedStrings="sharedStrings.xml",
    ),
    "numbers": file("t.json", lambda: repeated("[", "1.5,", 4, "1]")),
}


@pytest.mark.parametrize("table", sorted(HONEST))
def test_what_is_large_and_within_the_limits_is_read_within_the_memory(tmp_path: Path, table: str):
    outcome, megabytes, seconds = cost(HONEST[table](tmp_path))
    assert outcome in {"Workbook", "list"}
    assert megabytes < MOST_MEGABYTES
    assert seconds < MOST_SECONDS


def test_a_table_gives_no_more_facts_than_cells_are_allowed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Understood, "MOST_FACTS", 2)
    understood = Understood("any", "table.xlsx", "xlsx")
    fact = Absence(Place("Лист", "B2", 2), Student("Иванова"), "Алгебра", date(2026, 9, 2), 1, "н")
    understood.note(fact)
    understood.note(fact)
    with pytest.raises(ExchangeError) as error:
        understood.note(fact)
    assert (error.value.code, error.value.file) == (Code.TABLE_TOO_LARGE, "table.xlsx")


@pytest.mark.parametrize("cell", ["н " * 21, "5" * 21, "5 н " * 11, "5 " * 16_000])
def test_a_cell_of_more_than_a_day_can_hold_is_not_understood(cell: str):
    assert CellReader(Cells()).read(cell).fault is Code.CELL_NOT_UNDERSTOOD
