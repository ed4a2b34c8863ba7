"""Workbooks written so that no text of theirs runs as a formula.

In XLSX a text is a text whatever it begins with. A CSV has no types: there a text that a spreadsheet program would take
for a formula gets an apostrophe before it, which our own reader takes away again.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

import xlsxwriter

from services.gradebook.exchange.bundle import ExchangeError
from services.gradebook.exchange.guarding import guard
from services.gradebook.exchange.private import open_private, write_private
from services.gradebook.rejections import Code

Written: TypeAlias = str | int | float | Decimal | bool | date | None
"""What a cell may hold. Instants are written as text with their offset, since a sheet has no time zone."""

_FORBIDDEN = dict.fromkeys(map(ord, "[]:*?/\\"), "_")


@dataclass
class SheetToWrite:
    """A sheet to be written."""

    name: str
    rows: Sequence[Sequence[Written]]
    header_rows: int = 1
    """So many rows at the top are bold and stay in view."""
    widths: Mapping[int, int] = field(default_factory=dict)
    """Characters by column, from 1."""
    choices: Mapping[int, Sequence[str]] = field(default_factory=dict)
    """What a column may be filled with, from 1."""
    merges: Sequence[tuple[int, int, int, int, str]] = ()
    """First row and column, last row and column, from 1, and the text."""
    notes: bool = False
    """Long texts to be read: wrapped, without a header."""


def write_xlsx(path: Path, sheets: Sequence[SheetToWrite]) -> None:
    """Writes a workbook. The same content gives the same cells; the file's own time stamps differ."""
    options = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with open_private(path) as file, xlsxwriter.Workbook(file, options) as workbook:
        styles = {
            "head": workbook.add_format({"bold": True, "text_wrap": True, "valign": "top", "bottom": 1}),
            "date": workbook.add_format({"num_format": "dd.mm.yyyy", "align": "left"}),
            "note": workbook.add_format({"text_wrap": True, "valign": "top"}),
        }
        taken: set[str] = set()
        for sheet in sheets:
            worksheet = workbook.add_worksheet(_name(sheet.name, taken))
            _fill(worksheet, sheet, styles)


def _name(name: str, taken: set[str]) -> str:
    """A name that the format allows: 31 characters, without brackets, slashes, colons and stars, none twice."""
    plain = name.translate(_FORBIDDEN).strip("' ")[:31] or "Лист"
    number = 1
    made = plain
    while made.casefold() in taken:
        number += 1
        made = f"{plain[: 31 - len(str(number)) - 1]} {number}"
    taken.add(made.casefold())
    return made


def _fill(worksheet: Any, sheet: SheetToWrite, styles: Mapping[str, Any]) -> None:
    for index, row in enumerate(sheet.rows):
        style = styles["head"] if index < sheet.header_rows and not sheet.notes else None
        for column, value in enumerate(row):
            own = style or (styles["note"] if sheet.notes else None)
            _write(worksheet, (index, column), value, own, styles["date"])
    for first_row, first_column, last_row, last_column, text in sheet.merges:
        area = (first_row - 1, first_column - 1, last_row - 1, last_column - 1)
        worksheet.merge_range(*area, "", styles["head"])
        worksheet.write_string(area[0], area[1], text, styles["head"])
    for column, width in sheet.widths.items():
        worksheet.set_column(column - 1, column - 1, width)
    for column, choices in sheet.choices.items():
        worksheet.data_validation(
            sheet.header_rows, column - 1, 2000, column - 1, {"validate": "list", "source": list(choices)}
        )
    if sheet.header_rows and not sheet.notes:
        worksheet.freeze_panes(sheet.header_rows, 1)


def _write(worksheet: Any, place: tuple[int, int], value: Written, style: Any, date_style: Any) -> None:
    if value is None or value == "":
        return
    if isinstance(value, bool):
        worksheet.write_string(*place, "да" if value else "нет", style)
    elif isinstance(value, datetime):
        worksheet.write_string(*place, value.isoformat(), style)
    elif isinstance(value, date):
        worksheet.write_datetime(*place, datetime(value.year, value.month, value.day), style or date_style)  # noqa: DTZ001
    elif isinstance(value, int | float | Decimal):
        worksheet.write_number(*place, value, style)
    else:
        worksheet.write_string(*place, value, style)


def csv_text(rows: Sequence[Sequence[Written]], *, delimiter: str = ";") -> str:
    """Rows as CSV, with CR LF as RFC 4180 has it; decimals with a comma where the delimiter is a semicolon."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator="\r\n")
    for row in rows:
        writer.writerow([_cell(value, delimiter) for value in row])
    return buffer.getvalue()


def _cell(value: Written, delimiter: str) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "да" if value else "нет"
    if isinstance(value, int | float | Decimal):
        return str(value).replace(".", ",") if delimiter == ";" else str(value)
    return guard(value) if isinstance(value, str) else value.isoformat()


def write_csv(
    path: Path, rows: Sequence[Sequence[Written]], *, encoding: str = "utf-8-sig", delimiter: str = ";"
) -> None:
    """Writes a CSV: UTF-8 with its mark, so that Excel knows it, or `cp1251`.

    Raises:
        ExchangeError: a name has a letter that the encoding lacks; nothing is written.
    """
    try:
        data = csv_text(rows, delimiter=delimiter).encode(encoding)
    except UnicodeEncodeError:
        raise ExchangeError(Code.BAD_ENCODING, path.name) from None
    write_private(path, data)
