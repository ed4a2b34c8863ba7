"""Workbooks for tests, written by hand where a writer would not write what a test is about."""

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import xlsxwriter

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_PACKAGE = "http://schemas.openxmlformats.org/package/2006/relationships"
_TYPES = (
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="xml" ContentType="application/xml"/></Types>'
)


def raw_xlsx(
    path: Path,
    sheet: str,
    *,
    before: str = "",
    book: str = "",
    parts: Mapping[str, str | bytes] | None = None,
    relations: Mapping[str, str] | None = None,
) -> Path:
    """A workbook of one sheet from the XML of its data.

    Args:
        path: where to.
        sheet: what stands inside `worksheet`.
        before: what stands before the root element of the sheet.
        book: attributes of `workbookPr`.
        parts: further parts of the package.
        relations: type to target of further relations of the workbook.
    """
    further = "".join(
        f'<Relationship Id="x{number}" Type="{_OFFICE}/{kind}" Target="{target}"/>'
        for number, (kind, target) in enumerate((relations or {}).items())
    )
    content: dict[str, str | bytes] = {
        "[Content_Types].xml": _TYPES,
        "_rels/.rels": f'<Relationships xmlns="{_PACKAGE}"><Relationship Id="r1" Type="{_OFFICE}/officeDocument" '
        'Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{MAIN}" xmlns:r="{_OFFICE}"><workbookPr {book}/><sheets>'
        '<sheet name="Лист1" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{_PACKAGE}"><Relationship Id="r1" '
        f'Type="{_OFFICE}/worksheet" Target="worksheets/sheet1.xml"/>{further}</Relationships>',
        "xl/worksheets/sheet1.xml": f'{before}<worksheet xmlns="{MAIN}">{sheet}</worksheet>',
        **(parts or {}),
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return path


def data(*cells: str) -> str:
    """The data of a sheet with one row."""
    return f"<sheetData><row>{''.join(cells)}</row></sheetData>"


def styles(*formats: str) -> str:
    """The part of styles: style 0 is plain, the others have these number formats, in their order."""
    codes = "".join(f'<numFmt numFmtId="{200 + n}" formatCode="{code}"/>' for n, code in enumerate(formats))
    uses = "".join(f'<xf numFmtId="{200 + n}"/>' for n in range(len(formats)))
    return (
        f'<styleSheet xmlns="{MAIN}"><numFmts>{codes}</numFmts><cellXfs><xf numFmtId="0"/>{uses}</cellXfs></styleSheet>'
    )


def grid_xlsx(
    path: Path,
    rows: Sequence[Sequence[Any]],
    *,
    name: str = "Лист1",
    merges: Sequence[tuple[int, int, int, int, Any]] = (),
    comments: Mapping[tuple[int, int], str] | None = None,
) -> Path:
    """A workbook of one sheet as a journal would export it. Merges and comments count from 1."""
    with xlsxwriter.Workbook(str(path)) as workbook:
        worksheet = workbook.add_worksheet(name)
        for row, cells in enumerate(rows):
            for column, value in enumerate(cells):
                if value is not None:
                    worksheet.write(row, column, value)
        for first_row, first_column, last_row, last_column, value in merges:
            worksheet.merge_range(first_row - 1, first_column - 1, last_row - 1, last_column - 1, value)
        for (row, column), text in (comments or {}).items():
            worksheet.write_comment(row - 1, column - 1, text)
    return path


MONTHS = {9: "Сентябрь", 10: "Октябрь", 11: "Ноябрь", 12: "Декабрь", 1: "Январь", 2: "Февраль"}


def progress_page(blocks: Sequence[tuple[str, str, Mapping[str, Sequence[str]], Sequence[str]]]) -> str:
    """A student's progress report as a page, as «Сетевой город» gives it under the name `.xls`.

    Args:
        blocks: student, class, subject to cells, and the averages and finals at the end of each row.
    """
    tables = []
    for student, class_name, subjects, totals in blocks:
        rows = "".join(
            f'<tr><td class="cell-text">{subject}</td>{"".join(f"<td>{cell}</td>" for cell in cells)}'
            f'<td class="cell-num-2">{total.split("|")[0]}</td><td class="cell-num-2">{total.split("|")[1]}</td></tr>'
            for (subject, cells), total in zip(subjects.items(), totals, strict=True)
        )
        tables.append(
            f"""<div><h5 class="report-title-school">Школа № 1</h5>
            <h2>Отчет об успеваемости и посещаемости ученика</h2></div>
            <table><tr><td><span><b>Учебный год:</b>
              2026/2027</span></td></tr>
            <tr><td><span><b>Класс:</b> {class_name}</span>
            <span><b>Период:</b> с 1.09.2026 по 31.10.2026</span></td></tr>
            <tr><td><span data-sheet-name="x"><b>Ученик:</b> {student}</span></td></tr></table>
            <table class="table-print"><tr><th rowspan="2">Предмет</th><th colspan="2">Сентябрь</th>
            <th colspan="2">Октябрь</th><th rowspan="2">Средн.<br/>оценка <br/> 1 четверть</th>
            <th rowspan="2">Итог.оценка <br/> 1 четверть</th></tr>
            <tr><th>2</th><th>15</th><th>2</th><th>16</th></tr>{rows}</table>"""
        )
    return f"<html><head><meta charset='utf-8'><style>td {{}}</style></head><body>{''.join(tables)}</body></html>"
