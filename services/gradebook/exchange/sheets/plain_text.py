"""CSV as a sheet, and the encodings of all texts: UTF-8, UTF-16 with its mark, Windows-1251."""

import codecs
import csv
from collections.abc import Iterator
from pathlib import Path

from services.gradebook.exchange.bundle import ExchangeError
from services.gradebook.exchange.encoding import Sniffer
from services.gradebook.exchange.guarding import unguard
from services.gradebook.exchange.sheets.grid import Sheet, Workbook
from services.gradebook.exchange.sheets.limits import MAX_COLUMNS, Budget, SheetLimits
from services.gradebook.rejections import Code

_LOOKED_AT = 64 * 1024
_CHUNK = 1 << 16
_CELLS_OF_A_STEP = 4
_MOST_ROW_CHARS = 1 << 20
"""Characters of one row: a quote never closed would otherwise hold the rest of the file."""


def decode(data: bytes, file: str) -> str:
    """The text of a whole file.

    Raises:
        ExchangeError: it is in none of the encodings.
    """
    sniffer = Sniffer()
    sniffer.feed(data)
    for encoding in _candidates(data[:4], sniffer.encoding(), None):
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        return text.replace("\x00", "")
    raise ExchangeError(Code.BAD_ENCODING, file)


def _candidates(start: bytes, found: str | None, stated: str | None) -> list[str]:
    """The encodings that a text may have, the likeliest first; what it states is believed only where it can be true."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return ["utf-16"]
    encodings = [] if found is None else [found]
    if stated is not None and stated.lower() in {"windows-1251", "cp1251"} and found is not None:
        encodings.append("cp1251")
    return encodings


def encoding_of(path: Path, stated: str | None = None) -> str:
    """The encoding in which all of a file can be read; the file is read through, and never held as a whole.

    Args:
        path: the file.
        stated: what the file says of itself.

    Raises:
        ExchangeError: it is in none of the encodings.
    """
    sniffer = Sniffer()
    with path.open("rb") as file:
        start = file.read(4)
        file.seek(0)
        while chunk := file.read(_CHUNK):
            sniffer.feed(chunk)
    for encoding in _candidates(start, sniffer.encoding(), stated):
        if _readable(path, encoding):
            return encoding
    raise ExchangeError(Code.BAD_ENCODING, path.name)


def _readable(path: Path, encoding: str) -> bool:
    try:
        for _ in pieces(path, encoding):
            pass
    except UnicodeError:
        return False
    return True


def pieces(path: Path, encoding: str) -> Iterator[str]:
    """The text of a file, piece by piece.

    Raises:
        UnicodeError: it is not in this encoding.
    """
    decoder = codecs.getincrementaldecoder(encoding)()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield decoder.decode(chunk).replace("\x00", "")
        yield decoder.decode(b"", final=True)


class _Lines:
    """The lines of a file for the CSV reader, with their ends; a row that does not end is refused before it is held."""

    def __init__(self, path: Path, encoding: str, budget: Budget) -> None:
        self._budget = budget
        self._file = path.open(encoding=encoding, newline="")
        self._of_row = 0

    def row_begins(self) -> None:
        """The row before is whole."""
        self._of_row = 0

    def __iter__(self) -> Iterator[str]:
        with self._file:
            while line := self._file.readline(_MOST_ROW_CHARS):
                self._of_row += len(line)
                if self._of_row >= _MOST_ROW_CHARS:
                    raise self._budget.too_large()
                self._budget.step()
                yield line.replace("\x00", "")


def read_csv(path: Path, limits: SheetLimits) -> Workbook:
    """Reads a CSV with comma, semicolon or tab as one sheet.

    Raises:
        ExchangeError: its text cannot be read, a quote is not closed, or it is beyond the limits.
    """
    budget = Budget(limits, path.name)
    encoding = encoding_of(path)
    sheet = Sheet("CSV")
    lines = _Lines(path, encoding, budget)
    # The library's own bound of a field is a setting of the whole process, so the rows are bounded here.
    rows = csv.reader(lines, delimiter=_delimiter(_start(path, encoding)), strict=True)
    number = 0
    try:
        for row in rows:
            number += 1
            lines.row_begins()
            budget.step(len(row) // _CELLS_OF_A_STEP)
            if len(row) > MAX_COLUMNS:
                raise budget.broken()
            for column, cell in enumerate(row, start=1):
                kept = unguard(cell).strip()
                if kept:
                    budget.cell()
                    budget.text(kept)
                    sheet.put(number, column, kept)
            budget.rows(len(sheet.rows))
    except csv.Error:
        raise budget.broken() from None
    return Workbook(path.name, "csv", [sheet], encoding)


def _start(path: Path, encoding: str) -> str:
    with path.open(encoding=encoding, newline="") as file:
        return file.read(_LOOKED_AT).replace("\x00", "")


def _delimiter(text: str) -> str:
    """The one that most lines at the start have; titles above the table often have a comma of their own."""
    lines = [line for line in text[:_LOOKED_AT].splitlines()[:50] if line.strip()]
    return max(";\t,", key=lambda mark: (sum(mark in line for line in lines), sum(line.count(mark) for line in lines)))
