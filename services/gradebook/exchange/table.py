"""A CSV file as rows: comma, semicolon, tab or bar, quoted or not, one row at a time, whatever the file does.

This is the one way in which all readers see rows. A row keeps the number of the physical line on which it starts. Names
in the header are compared without case, spaces, dashes and underscores, and a name that is missing is also found by its
singular or plural. A row that ends early is taken when nothing that it needs is cut off; a row that goes on beyond the
header only when nothing stands there. Rows without any value, as spreadsheets leave them at the end, are none.
"""

import csv
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import TextIOWrapper
from typing import NamedTuple, TypeAlias

from services.gradebook.exchange.bundle import DAMAGE, Bundle, ExchangeError
from services.gradebook.exchange.report import Rejection
from services.gradebook.rejections import Code

MAX_LINE_CHARS = 1 << 16
MAX_LINES_OF_ROW = 250
"""A quoted field may hold line breaks; a quote never closed must not swallow the rest of the file."""
_BLANK_LINES_BEFORE_HEADER = 20
_WIDE = 5
"""From so many columns on, a line of text hardly looks like a row by chance."""

_UNREADABLE = re.compile("[\x00\udc80-\udcff]")
_NOT_SPELT = re.compile(r"[\s_\-\ufeff\u200b]+")


class Row(NamedTuple):
    """A row by the names of its columns (lower case)."""

    line: int
    cells: dict[str, str]


Item: TypeAlias = Row | Rejection


class Cells(NamedTuple):
    """A row as it stands in the file, padded to the width of the header."""

    line: int
    cells: list[str]
    given: int
    """How many cells the row really has."""
    code: Code | None
    """Why it cannot be read; `cells` then holds what could be told apart, if anything."""


@dataclass(frozen=True)
class Header:
    """The first line of a file."""

    delimiter: str = ","
    columns: Mapping[str, int] = field(default_factory=dict)
    """Where each wanted column stands."""
    width: int = 0
    repeated: tuple[str, ...] = ()
    """Wanted columns that stand more than once."""
    unknown: tuple[str, ...] = ()
    """Columns that mean nothing, as they are written."""

    def missing(self, required: Collection[str]) -> list[str]:
        """Those of the columns that are not there."""
        return sorted(set(required) - set(self.columns))


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


class Table:
    """An open file: its header, and its rows once."""

    def __init__(self, text: TextIOWrapper, wanted: Collection[str], aliases: Mapping[str, str]) -> None:
        self._lines = _Lines(text)
        self.header = _header(self._lines, wanted, aliases)

    def rows(self) -> Iterator[Cells]:
        """The rows; those that cannot be read come with the reason in their place."""
        delimiter, width, lines = self.header.delimiter, self.header.width, self._lines
        while (line := lines.next()) is not None:
            number, first = lines.number, line
            if not line or line.isspace():
                continue
            if len(line) >= MAX_LINE_CHARS:
                yield Cells(number, [], 0, Code.LINE_TOO_LONG)
                continue
            if '"' in line:
                cells = _quoted(lines, line, delimiter, width)
                line = "".join(cells)
            else:
                cells = line.split(delimiter)
            given = len(cells)
            if not given:
                yield Cells(number, _opening(first, delimiter), 0, Code.BAD_ROW)
            elif not any(map(str.strip, cells)):
                continue
            elif "\x00" in line or (not line.isascii() and _UNREADABLE.search(line)):
                yield Cells(number, cells, given, Code.BAD_ENCODING)
            elif given > width and any(map(str.strip, cells[width:])):
                yield Cells(number, cells, given, Code.BAD_ROW)
            else:
                if given < width:
                    cells += [""] * (width - given)
                yield Cells(number, cells, given, None)


@contextmanager
def open_table(
    bundle: Bundle, name: str, wanted: Collection[str], aliases: Mapping[str, str] | None = None
) -> Iterator[Table]:
    """Opens a file.

    Args:
        bundle: where the file is.
        name: the file.
        wanted: columns to read, in lower case; all others are unknown.
        aliases: other spellings (lower case, without spaces and the like) of wanted columns.

    Raises:
        ExchangeError: it cannot be read; also later, while its rows are read.
    """
    try:
        with bundle.text(name) as text:
            yield Table(text, wanted, aliases or {})
    except DAMAGE:
        raise ExchangeError(Code.BROKEN_ARCHIVE, bundle.given_name(name)) from None


def read_table(
    bundle: Bundle,
    name: str,
    *,
    required: Collection[str],
    wanted: Collection[str],
    uncut: Collection[str] = (),
    aliases: Mapping[str, str] | None = None,
) -> Iterator[Item]:
    """The rows of a file; what cannot be read comes as a rejection in its place.

    Args:
        bundle: where the file is.
        name: the file.
        required: columns without which the file is rejected as a whole, and a row that ends before them alone.
        wanted: columns to read; all others are left out. Names in lower case.
        uncut: columns that need not be there; but where the header has them, a row must not end before them, since
            leaving one out would change the meaning.
        aliases: see `open_table`.
    """
    file = bundle.given_name(name)
    try:
        with open_table(bundle, name, wanted, aliases) as table:
            header = table.header
            if fault := header.missing(required) or list(header.repeated):
                yield Rejection(file, 1, ", ".join(fault), Code.WRONG_HEADER)
                return
            enough = 1 + max(header.columns[column] for column in (*required, *uncut) if column in header.columns)
            columns = list(header.columns.items())
            for line, cells, given, code in table.rows():
                if code is not None or given < enough:
                    yield Rejection(file, line, "", code or Code.BAD_ROW)
                else:
                    yield Row(line, {column: cells[index].strip() for column, index in columns})
    except ExchangeError as error:
        yield Rejection(file, None, "", error.code)


def spelling(name: str) -> str:
    """A column's name as it is compared."""
    return _NOT_SPELT.sub("", name).lower()


def _header(lines: _Lines, wanted: Collection[str], aliases: Mapping[str, str]) -> Header:
    line: str | None = None
    for _ in range(_BLANK_LINES_BEFORE_HEADER):
        line = lines.next()
        if line is None or not (line.strip("\ufeff \t\x00") == "" or line.lower().startswith("sep=")):
            break
    line = (line or "").strip("\ufeff")
    delimiter = max(",;\t|", key=line.count)
    given = _quoted(lines, line, delimiter, 0) if '"' in line else line.split(delimiter)
    names = [spelling(cell) for cell in given]
    known = {spelling(name): name for name in wanted}
    found: dict[str, int] = {}
    repeated: set[str] = set()
    for index, name in enumerate(names):
        if name in known and known[name] in found:
            repeated.add(known[name])
        elif name in known:
            found[known[name]] = index
    _find_variants(names, known, aliases, found)
    taken = set(found.values())
    unknown = tuple(
        cell.strip()
        for index, cell in enumerate(given)
        if index not in taken and cell.strip() and names[index] not in known
    )
    return Header(delimiter, found, len(names), tuple(sorted(repeated)), unknown)


def _find_variants(
    names: list[str], known: Mapping[str, str], aliases: Mapping[str, str], found: dict[str, int]
) -> None:
    """Finds wanted columns under names that can mean nothing else; never one that two columns would claim."""
    claims: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        if not name or name in known:
            continue
        variants = (aliases.get(name, ""), f"{name}s", name.removesuffix("s"))
        target = next((known[spelling(variant)] for variant in variants if spelling(variant) in known), None)
        if target is not None and target not in found:
            claims.setdefault(target, []).append(index)
    found.update({target: indexes[0] for target, indexes in claims.items() if len(indexes) == 1})


def _opening(line: str, delimiter: str) -> list[str]:
    """The cells before the first quote of a row that cannot be told apart as a whole."""
    return line.partition('"')[0].split(delimiter)[:-1]


def _quoted(lines: _Lines, line: str, delimiter: str, width: int) -> list[str]:
    """The cells of a row with quotes, which may go on over the next lines; none when a quote is not closed.

    A quote inside of a cell that does not begin with one is a character like any other.
    """
    taken: list[str] = []

    def physical() -> Iterator[str]:
        yield line + "\n"
        while len(taken) < MAX_LINES_OF_ROW and (following := lines.next()) is not None:
            taken.append(following)
            yield following + "\n"

    try:
        cells = next(csv.reader(physical(), delimiter=delimiter, strict=True, skipinitialspace=True), [])
    except csv.Error:
        cells = []
    if taken and (not cells or _swallows_rows(cells, taken, delimiter, width)):
        lines.put_back(taken)
        return []
    return cells


def _swallows_rows(cells: list[str], taken: list[str], delimiter: str, width: int) -> bool:
    """Whether a quote that was opened by mistake has run on until the next one, over whole rows.

    These must not be lost. Lines that lie wholly within a cell and yet have all columns of the header are rows; text
    has that many commas by a rare chance, and is then reported rather than taken for something else.
    """
    within = taken if len(cells) != width else taken[:-1] if width >= _WIDE else []
    return any(line.count(delimiter) == width - 1 for line in within)
