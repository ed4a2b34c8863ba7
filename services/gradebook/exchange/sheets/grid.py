"""What readers of all forms give: sheets of cells. Rows and columns count from 1, as people see them."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time
from enum import StrEnum
from typing import NamedTuple, TypeAlias


class Trouble(StrEnum):
    """In place of a value that a cell should have and has not."""

    NO_VALUE = "no_value"
    """A formula that was saved without its value."""
    ERROR = "error"
    """#N/A, #REF! and the like."""
    BAD_DATE = "bad_date"
    """A number shown as a date that no calendar has."""


Value: TypeAlias = str | float | bool | datetime | date | time | Trouble


class Area(NamedTuple):
    """A rectangle of merged cells; the value is in its first one."""

    first_row: int
    first_column: int
    last_row: int
    last_column: int


@dataclass
class Sheet:
    """One sheet, or one text or page as a whole. Only cells with a value are kept."""

    name: str
    hidden: bool = False
    rows: dict[int, dict[int, Value]] = field(default_factory=dict)
    """Row to column to value; in the order of the rows when `sort` was called."""
    hidden_rows: set[int] = field(default_factory=set)
    hidden_columns: list[range] = field(default_factory=list)
    comments: dict[tuple[int, int], str] = field(default_factory=dict)
    _covered: dict[int, list[Area]] = field(default_factory=dict)

    def put(self, row: int, column: int, value: Value) -> None:
        """Sets a cell."""
        self.rows.setdefault(row, {})[column] = value

    def merge(self, areas: list[Area], count: Callable[[int], None] | None = None) -> None:
        """Notes which cells are merged, in rows that have values only.

        Args:
            areas: merged areas do not overlap (18.3.1.55); of those that do in a row, the first from the left holds,
                so that a row never has more of them than columns.
            count: told of the rows of each area before they are noted; may refuse them.
        """
        present = sorted(self.rows)
        for area in areas:
            inside = present[bisect_left(present, area.first_row) : bisect_right(present, area.last_row)]
            if count is not None:
                count(len(inside))
            for row in inside:
                self._covered.setdefault(row, []).append(area)
        for row, covering in self._covered.items():
            self._covered[row] = _apart(covering)

    def sort(self) -> None:
        """Puts the rows in their order."""
        self.rows = dict(sorted(self.rows.items()))

    def value(self, row: int, column: int) -> Value | None:
        """The cell's own value."""
        return self.rows.get(row, {}).get(column)

    def area(self, row: int, column: int) -> Area | None:
        """The merged area in which the cell lies."""
        areas = self._covered.get(row, [])
        place = bisect_right(areas, column, key=lambda area: area.first_column) - 1
        return areas[place] if place >= 0 and column <= areas[place].last_column else None

    def seen(self, row: int, column: int) -> Value | None:
        """What a person sees in the place of the cell: inside a merged area, the area's value."""
        own = self.value(row, column)
        if own is not None:
            return own
        area = self.area(row, column)
        return None if area is None else self.value(area.first_row, area.first_column)

    def cells(self) -> Iterator[tuple[int, int, Value]]:
        """All cells with a value, row by row."""
        for row, cells in self.rows.items():
            for column in sorted(cells):
                yield row, column, cells[column]

    @property
    def last_row(self) -> int:
        """The last row with a value; 0 when the sheet is empty."""
        return max(self.rows, default=0)

    def width(self, row: int) -> int:
        """The last column of the row that has a value or lies under a merged one."""
        own = max(self.rows.get(row, {}), default=0)
        areas = self._covered.get(row)
        return max(own, areas[-1].last_column) if areas else own


def _apart(areas: list[Area]) -> list[Area]:
    """The areas of a row from left to right, without those that overlap one before them."""
    kept: list[Area] = []
    for area in sorted(areas, key=lambda area: area.first_column):
        if not kept or area.first_column > kept[-1].last_column:
            kept.append(area)
    return kept


@dataclass
class Workbook:
    """A file as sheets."""

    file: str
    kind: str
    """xlsx, html or csv."""
    sheets: list[Sheet]
    encoding: str | None = None
    """Of a text."""
    remarks: list[str] = field(default_factory=list)
    """What is odd about the file and did not stop the reading: `wrong_extension`."""


def column_name(column: int) -> str:
    """`A` for 1, `AA` for 27."""
    name = ""
    while column > 0:
        column, letter = divmod(column - 1, 26)
        name = chr(ord("A") + letter) + name
    return name


def address(row: int, column: int) -> str:
    """`B7`."""
    return f"{column_name(column)}{row}"


def text_of(value: Value | None) -> str:
    """The value as text: whole numbers without a fraction, dates as 2026-09-02."""
    match value:
        case None | Trouble():
            return ""
        case bool():
            return "да" if value else "нет"
        case float():
            return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
        case date() | time():
            return _text_of_time(value)
    return value


def _text_of_time(value: date | time) -> str:
    if isinstance(value, time):
        return value.isoformat(timespec="minutes")
    if isinstance(value, datetime) and value.time() != time():
        return value.isoformat(sep=" ", timespec="minutes")
    return date(value.year, value.month, value.day).isoformat()
