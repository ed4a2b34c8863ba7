"""CSV as a sheet, and the encodings of all texts: UTF-8, UTF-16 with its mark, Windows-1251."""

import codecs
import csv
import io
from pathlib import Path

from services.gradebook.exchange.bundle import ExchangeError
from services.gradebook.exchange.encoding import Sniffer
from services.gradebook.exchange.sheets.grid import Sheet, Workbook
from services.gradebook.exchange.sheets.limits import MAX_COLUMNS, Budget, SheetLimits
from services.gradebook.rejections import Code

_LOOKED_AT = 64 * 1024
_GUARD = "'"
GUARDED = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet program would take for a formula at the start of a text."""


def decode(data: bytes, file: str, stated: str | None = None) -> tuple[str, str]:
    """The text, and its encoding.

    Args:
        data: the whole file.
        file: for the error.
        stated: what the file says of itself; believed only where it can be true.

    Raises:
        ExchangeError: it is in none of the encodings.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings = ["utf-16"]
    else:
        sniffer = Sniffer()
        sniffer.feed(data)
        found = sniffer.encoding()
        encodings = [] if found is None else [found]
        if stated is not None and stated.lower() in {"windows-1251", "cp1251"} and found is not None:
            encodings.append("cp1251")
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        return text.replace("\x00", ""), encoding
    raise ExchangeError(Code.BAD_ENCODING, file)


def read_csv(path: Path, limits: SheetLimits) -> Workbook:
    """Reads a CSV with comma, semicolon or tab as one sheet.

    Raises:
        ExchangeError: its text cannot be read, a quote is not closed, or it is beyond the limits.
    """
    budget = Budget(limits, path.name)
    text, encoding = decode(path.read_bytes(), path.name)
    sheet = Sheet("CSV")
    # The size of a field is bounded by ours; the library's own bound is a setting of the whole process.
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    number = 0
    try:
        for row in rows:
            number += 1
            if len(row) > MAX_COLUMNS:
                raise budget.broken()
            for column, cell in enumerate(row, start=1):
                kept = unguard(cell).strip()
                if kept:
                    budget.cell()
                    budget.text(len(kept))
                    sheet.put(number, column, kept)
            budget.rows(len(sheet.rows))
    except csv.Error:
        raise budget.broken() from None
    return Workbook(path.name, "csv", [sheet], encoding)


def guard(text: str) -> str:
    """The text so that no spreadsheet program takes it for a formula."""
    return _GUARD + text if text.startswith((*GUARDED, _GUARD)) else text


def unguard(text: str) -> str:
    """The text before `guard`."""
    return text[1:] if text.startswith(_GUARD) and text[1:].startswith((*GUARDED, _GUARD)) else text


def _delimiter(text: str) -> str:
    """The one that most lines at the start have; titles above the table often have a comma of their own."""
    lines = [line for line in text[:_LOOKED_AT].splitlines()[:50] if line.strip()]
    return max(";\t,", key=lambda mark: (sum(mark in line for line in lines), sum(line.count(mark) for line in lines)))
