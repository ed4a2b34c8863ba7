"""The parts of an XLSX, each as a listener of its XML (ECMA-376 part 1, 18)."""

import math
import re
from datetime import date, datetime

from services.gradebook.exchange.sheets.dates import from_serial, shows_a_date
from services.gradebook.exchange.sheets.grid import Area, Sheet, Trouble, Value
from services.gradebook.exchange.sheets.limits import MAX_COLUMNS, MAX_ROWS_OF_FORMAT, Budget, Growing

_REFERENCE = re.compile(r"\$?([A-Za-z]{1,3})\$?([0-9]{1,7})")
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")


def unescape(text: str) -> str:
    """Characters that XML cannot hold are written `_x000D_` (22.9.2.19); those that text cannot hold are left out."""

    def one(match: re.Match[str]) -> str:
        code = int(match[1], 16)
        return "" if 0xD800 <= code <= 0xDFFF or code == 0 else chr(code)

    return _ESCAPED.sub(one, text) if "_x" in text else text


def place_of(reference: str) -> tuple[int, int] | None:
    """Row and column of `B7`; None when it is none."""
    match = _REFERENCE.fullmatch(reference)
    if match is None:
        return None
    column = 0
    for letter in match[1].upper():
        column = column * 26 + ord(letter) - ord("A") + 1
    row = int(match[2])
    return (row, column) if 1 <= row <= MAX_ROWS_OF_FORMAT and column <= MAX_COLUMNS else None


def area_of(reference: str) -> Area | None:
    """The rectangle of `B7:D9`; None when it is none or one cell."""
    first, _, last = reference.partition(":")
    start, end = place_of(first), place_of(last)
    if start is None or end is None or start == end or start > end or start[1] > end[1]:
        return None
    return Area(*start, *end)


def whole(text: str | None, otherwise: int = 0) -> int:
    """A small whole number of an attribute."""
    return int(text) if text is not None and text.isascii() and text.isdigit() and len(text) < 10 else otherwise


def true(text: str | None) -> bool:
    """A truth of an attribute."""
    return text in {"1", "true"}


class Relations:
    """Which part another part refers to, by id and by type."""

    def __init__(self, budget: Budget) -> None:
        self.by_id: dict[str, str] = {}
        self.by_type: dict[str, str] = {}
        self._budget = budget

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """One relation."""
        if name == "Relationship" and attributes.get("TargetMode") != "External":
            target, own_id = attributes.get("Target", ""), attributes.get("Id", "")
            kind = attributes.get("Type", "").rsplit("/", 1)[-1]
            self._budget.entry(target, own_id, kind)
            self.by_id[own_id] = target
            self.by_type.setdefault(kind, target)

    def end(self, name: str) -> None:
        """Has nothing to do."""

    def text(self, data: str) -> None:
        """Has nothing to do."""


class Book:
    """The list of sheets, and the date system."""

    def __init__(self, budget: Budget) -> None:
        self.sheets: list[tuple[str, str, bool]] = []
        """Name, relation, hidden."""
        self.system_1904 = False
        self._budget = budget

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """A sheet, or the workbook's properties."""
        if name == "sheet":
            hidden = attributes.get("state", "visible") != "visible"
            title, relation = attributes.get("name", ""), attributes.get("id", "")
            self._budget.entry(title, relation)
            self.sheets.append((unescape(title), relation, hidden))
            if len(self.sheets) > self._budget.limits.max_sheets:
                raise self._budget.too_large()
        elif name == "workbookPr":
            self.system_1904 = true(attributes.get("date1904"))

    def end(self, name: str) -> None:
        """Has nothing to do."""

    def text(self, data: str) -> None:
        """Has nothing to do."""


class Styles:
    """Which cell styles show dates."""

    def __init__(self, budget: Budget) -> None:
        self.dates: list[bool] = []
        self._codes: dict[int, str] = {}
        self._inside = False
        self._budget = budget

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """A number format, or a cell style that uses one."""
        if name == "numFmt":
            code = attributes.get("formatCode", "")[:255]
            self._budget.entry(code)
            self._codes[whole(attributes.get("numFmtId"))] = code
        elif name == "cellXfs":
            self._inside = True
        elif name == "xf" and self._inside:
            format_id = whole(attributes.get("numFmtId"))
            self._budget.entry()
            self.dates.append(shows_a_date(format_id, self._codes.get(format_id)))

    def end(self, name: str) -> None:
        """The cell styles end before those that only have names."""
        if name == "cellXfs":
            self._inside = False

    def text(self, data: str) -> None:
        """Has nothing to do."""


class Texts:
    """Shared texts, or the comments of a sheet: whatever gathers `t` elements inside an `item`."""

    def __init__(self, budget: Budget, item: str) -> None:
        self.found: list[tuple[str, str]] = []
        """The reference (of a comment) and the text."""
        self._budget = budget
        self._item = item
        self._reference = ""
        self._growing = Growing(budget)
        self._open = False
        self._phonetic = 0

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An item, its text, or how the text is pronounced, which is left out."""
        if name == self._item:
            self._growing.clear()
            self._reference = attributes.get("ref", "")
        elif name == "rPh":
            self._phonetic += 1
        elif name == "t":
            self._open = self._phonetic == 0

    def end(self, name: str) -> None:
        """The item is whole."""
        if name == "t":
            self._open = False
        elif name == "rPh":
            self._phonetic -= 1
        elif name == self._item:
            text = unescape(self._growing.whole())
            self._budget.text(text)
            if self._reference:
                self._budget.text(self._reference)
            self.found.append((self._reference, text))
            if len(self.found) > self._budget.limits.max_cells:
                raise self._budget.too_large()

    def text(self, data: str) -> None:
        """A piece of the text."""
        if self._open:
            self._growing.add(data)


class Worksheet:
    """The cells of one sheet."""

    def __init__(self, sheet: Sheet, budget: Budget, texts: list[str], dates: list[bool], *, system_1904: bool) -> None:
        self.sheet = sheet
        self.areas: list[Area] = []
        self._budget = budget
        self._texts = texts
        self._dates = dates
        self._system_1904 = system_1904
        self._row = 0
        self._column = 0
        self._type = ""
        self._style = 0
        self._formula = False
        self._has_value = False
        self._open = False
        self._hidden_row = False
        self._hidden_columns = 0
        self._growing = Growing(budget)

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """A row, a cell, its value or formula, a merged area, columns."""
        if name == "c":
            self._start_cell(attributes)
        elif name in {"v", "t"}:
            self._open = True
            self._has_value = True
        elif name == "f":
            self._formula = True
        elif name == "row":
            self._row = whole(attributes.get("r"), self._row + 1)
            self._column = 0
            if not 1 <= self._row <= MAX_ROWS_OF_FORMAT:
                raise self._budget.broken()
            self._hidden_row = true(attributes.get("hidden"))
        elif name == "mergeCell":
            self._budget.merge()
            area = area_of(attributes.get("ref", ""))
            if area is not None:
                self.areas.append(area)
        elif name == "col" and true(attributes.get("hidden")):
            self._hide(whole(attributes.get("min")), min(whole(attributes.get("max")), MAX_COLUMNS))

    def _hide(self, first: int, last: int) -> None:
        self._budget.entry()
        # Elements of columns do not overlap (18.3.1.13): all of them together are no wider than the sheet.
        self._hidden_columns += max(last - first + 1, 0)
        if self._hidden_columns > MAX_COLUMNS:
            raise self._budget.broken()
        self.sheet.hidden_columns.append(range(first, last + 1))

    def _start_cell(self, attributes: dict[str, str]) -> None:
        place = place_of(attributes.get("r", ""))
        # A cell may leave out where it stands: then it is the next one.
        self._row, self._column = place or (max(self._row, 1), self._column + 1)
        if self._column > MAX_COLUMNS:
            raise self._budget.broken()
        self._type = attributes.get("t", "n")
        self._style = whole(attributes.get("s"))
        self._formula = self._has_value = False
        self._growing.clear()

    def text(self, data: str) -> None:
        """A piece of the cell's value."""
        if self._open:
            self._growing.add(data)

    def end(self, name: str) -> None:
        """The cell is whole."""
        if name in {"v", "t"}:
            self._open = False
        elif name == "c":
            value = self._value(self._growing.whole())
            if value is not None and value != "":
                self._budget.cell()
                self.sheet.put(self._row, self._column, value)
                self._budget.rows(len(self.sheet.rows))
                if self._hidden_row:
                    self.sheet.hidden_rows.add(self._row)

    def _value(self, text: str) -> Value | None:
        # A formula that yields an empty text is saved with an empty value; one that was never computed, with none.
        if self._formula and not (self._has_value and (text or self._type == "str")):
            return Trouble.NO_VALUE
        if not self._has_value:
            return None
        match self._type:
            case "s":
                return self._texts[whole(text)] if whole(text, -1) in range(len(self._texts)) else None
            case "inlineStr" | "str":
                plain = unescape(text)
                self._budget.text(plain)
                return plain
            case "b" | "e":
                return text == "1" if self._type == "b" else Trouble.ERROR
        return _iso(text) if self._type == "d" else self._number(text)

    def _number(self, text: str) -> Value | None:
        if not text.strip():
            return None
        try:
            number = float(text[:64])
        except ValueError:
            return Trouble.ERROR
        if not math.isfinite(number):
            return Trouble.ERROR
        if self._style < len(self._dates) and self._dates[self._style]:
            return from_serial(number, system_1904=self._system_1904)
        return number


def _iso(text: str) -> date | datetime | Trouble:
    try:
        instant = datetime.fromisoformat(text.strip().removesuffix("Z"))
    except ValueError:
        return Trouble.BAD_DATE
    return instant.date() if len(text.strip()) <= 10 else instant.replace(tzinfo=None)
