"""A CSV file as rows: comma, semicolon or tab, quoted or not, one row at a time, whatever the file does."""

import csv
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from io import TextIOWrapper
from typing import NamedTuple, TypeAlias

from services.gradebook.exchange.bundle import DAMAGE, Bundle, ExchangeError
from services.gradebook.exchange.report import Rejection
from services.gradebook.rejections import Code

MAX_LINE_CHARS = 1 << 16
MAX_LINES_OF_ROW = 20
"""A quoted field may hold line breaks; a quote never closed must not swallow the rest of the file."""

_DAMAGED = re.compile("[\udc80-\udcff]")


class Row(NamedTuple):
    """A row by the names of its columns (lower case)."""

    line: int
    cells: dict[str, str]


Item: TypeAlias = Row | Rejection


@dataclass(frozen=True)
class _Shape:
    delimiter: str
    width: int
    wanted: list[tuple[str, int]]


class _Lines:
    """Physical lines with their numbers, none longer than the limit."""

    def __init__(self, text: TextIOWrapper) -> None:
        self._text = text
        self._again: list[str] = []
        self.number = 0

    def put_back(self, lines: list[str]) -> None:
        """Lets these lines, the last that were read, come again."""
        self._again = lines + self._again
        self.number -= len(lines)

    def next(self) -> str | None:
        """The next line without its end; None at the end of the file."""
        if self._again:
            self.number += 1
            return self._again.pop(0)
        line = self._text.readline(MAX_LINE_CHARS)
        if not line:
            return None
        self.number += 1
        if len(line) == MAX_LINE_CHARS and not line.endswith("\n"):
            while (rest := self._text.readline(MAX_LINE_CHARS)) and not rest.endswith("\n"):
                pass
            return line
        return line.rstrip("\n")


def read_table(bundle: Bundle, name: str, *, required: Collection[str], wanted: Collection[str]) -> Iterator[Item]:
    """The rows of a file; what cannot be read comes as a rejection in its place.

    Args:
        bundle: where the file is.
        name: the file.
        required: columns without which the file is rejected as a whole.
        wanted: columns to read; all others are left out. Names in lower case.
    """
    file = bundle.given_name(name)
    try:
        with bundle.text(name) as text:
            lines = _Lines(text)
            shape = _header(lines, required, wanted)
            if isinstance(shape, str):
                yield Rejection(file, 1, shape, Code.WRONG_HEADER)
                return
            yield from _rows(lines, shape, file)
    except ExchangeError as error:
        yield Rejection(file, None, "", error.code)
    except DAMAGE:
        yield Rejection(file, None, "", Code.BROKEN_ARCHIVE)


def _header(lines: _Lines, required: Collection[str], wanted: Collection[str]) -> _Shape | str:
    """The shape of the rows, or the names of the columns that are at fault."""
    line = lines.next() or ""
    delimiter = max(",;\t", key=line.count)
    names = [cell.strip().strip("\ufeff").lower() for cell in _split(line, delimiter) or []]
    missing = sorted(set(required) - set(names))
    if missing:
        return ", ".join(missing)
    repeated = sorted({name for name in names if name in wanted and names.count(name) > 1})
    if repeated:
        return ", ".join(repeated)
    return _Shape(delimiter, len(names), [(name, index) for index, name in enumerate(names) if name in wanted])


def _rows(lines: _Lines, shape: _Shape, file: str) -> Iterator[Item]:
    while (line := lines.next()) is not None:
        number = lines.number
        if not line or line.isspace():
            continue
        cells: list[str] | Code | None = (
            _quoted(lines, line, shape.delimiter) if '"' in line else line.split(shape.delimiter)
        )
        if len(line) >= MAX_LINE_CHARS:
            cells = Code.LINE_TOO_LONG
        elif not line.isascii() and _DAMAGED.search(line):
            cells = Code.BAD_ENCODING
        if cells is None or isinstance(cells, Code):
            yield Rejection(file, number, "", cells or Code.BAD_ROW)
        elif len(cells) != shape.width and (len(cells) < shape.width or any(cells[shape.width :])):
            yield Rejection(file, number, "", Code.BAD_ROW)
        else:
            yield Row(number, {name: cells[index].strip() for name, index in shape.wanted})


def _quoted(lines: _Lines, line: str, delimiter: str) -> list[str] | None:
    """The cells of a row with quotes, which may go on over the next lines; None when a quote is not closed."""
    parts = [line]
    quotes = line.count('"')
    while quotes % 2 and len(parts) < MAX_LINES_OF_ROW and (following := lines.next()) is not None:
        parts.append(following)
        quotes += following.count('"')
    if quotes % 2:
        lines.put_back(parts[1:])
        return None
    return _split("\n".join(parts), delimiter)


def _split(line: str, delimiter: str) -> list[str] | None:
    try:
        rows = list(csv.reader([line], delimiter=delimiter, strict=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None
