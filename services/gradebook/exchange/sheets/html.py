"""A page with tables as one sheet: what several Russian journals export under the name `.xls`.

All tables stand below each other in the order of the page, and so does text outside of them, since that is where
reports name the student, the class and the period. `colspan` and `rowspan` are merged cells.
"""

import re
from html.parser import HTMLParser
from pathlib import Path

from services.gradebook.exchange.sheets.grid import Area, Sheet, Workbook
from services.gradebook.exchange.sheets.limits import Budget, SheetLimits
from services.gradebook.exchange.sheets.plain_text import decode

_BREAKS = frozenset({"br", "p", "div", "span", "li", "h1", "h2", "h3", "h4", "h5", "h6", "legend", "label"})
_SILENT = frozenset({"script", "style", "head", "title", "template", "noscript"})
_SPACES = re.compile(r"[ \t\r\n\f]+")
_MOST_SPAN = 1_000
_CHARSET = re.compile(rb"""charset\s*=\s*["']?\s*([A-Za-z0-9_-]{1,40})""", re.IGNORECASE)


class _Table:
    """A table under way: which columns of the coming rows are taken by cells that reach down."""

    def __init__(self) -> None:
        self.taken: dict[int, int] = {}
        """Column to the rows below that it is still taken in."""
        self.row = 0
        self.column = 0
        self.span = (1, 1)
        self.parts: list[str] | None = None


class _Page(HTMLParser):
    """Turns a page into a sheet."""

    def __init__(self, budget: Budget) -> None:
        super().__init__(convert_charrefs=True)
        self.sheet = Sheet("HTML")
        self.areas: list[Area] = []
        self._budget = budget
        self._row = 0
        self._tables: list[_Table] = []
        self._outside: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SILENT:
            self._silent += tag not in {"head", "title"}
        elif tag == "table":
            self._flush()
            self._tables.append(_Table())
            if len(self._tables) > 20:
                raise self._budget.broken()
        elif tag == "tr" and self._tables:
            self._begin_row(self._tables[-1])
        elif tag in {"td", "th"} and self._tables:
            self._begin_cell(self._tables[-1], dict(attrs))
        elif tag == "br":
            self._add("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT:
            self._silent = max(0, self._silent - (tag not in {"head", "title"}))
        elif tag == "table" and self._tables:
            self._end_cell(self._tables[-1])
            self._tables.pop()
        elif tag in {"td", "th", "tr"} and self._tables:
            self._end_cell(self._tables[-1])
        elif tag in _BREAKS:
            self._add("\n")
            if not self._tables:
                self._flush()

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self._add(_SPACES.sub(" ", data))

    def _add(self, text: str) -> None:
        table = self._tables[-1] if self._tables else None
        if table is None:
            self._outside.append(text)
        elif table.parts is not None:
            table.parts.append(text)

    def _flush(self) -> None:
        """Text outside of tables: each line is a row of one cell."""
        for line in "".join(self._outside).split("\n"):
            if line.strip():
                self._row += 1
                self._put(self._row, 1, line.strip())
        self._outside = []

    def _begin_row(self, table: _Table) -> None:
        self._end_cell(table)
        self._row += 1
        table.row, table.column = self._row, 0
        table.taken = {column: rows - 1 for column, rows in table.taken.items() if rows > 1}
        # While a row is under way, what reached into it counts as taken; its own cells are added as they come.

    def _begin_cell(self, table: _Table, attributes: dict[str, str | None]) -> None:
        self._end_cell(table)
        if table.row == 0:
            self._begin_row(table)
        table.column += 1
        while table.column in table.taken:
            table.column += 1
        table.span = (_span(attributes.get("rowspan")), _span(attributes.get("colspan")))
        table.parts = []

    def _end_cell(self, table: _Table) -> None:
        if table.parts is None:
            return
        text = "".join(table.parts).strip(" \n\t")
        table.parts = None
        rows, columns = table.span
        if table.column + columns > 16_384:
            raise self._budget.broken()
        if rows > 1:
            table.taken.update(dict.fromkeys(range(table.column, table.column + columns), rows))
        if rows > 1 or columns > 1:
            last = (table.row + rows - 1, table.column + columns - 1)
            self.areas.append(Area(table.row, table.column, *last))
        if text:
            self._put(table.row, table.column, text)
        table.column += columns - 1

    def _put(self, row: int, column: int, text: str) -> None:
        self._budget.cell()
        self._budget.text(len(text))
        self.sheet.put(row, column, text)
        self._budget.rows(len(self.sheet.rows))

    def finish(self) -> None:
        """At the end of the page, which may come before its tables end."""
        self.close()
        while self._tables:
            self._end_cell(self._tables.pop())
        self._flush()


def _span(text: str | None) -> int:
    number = (text or "").strip()
    return min(max(int(number), 1), _MOST_SPAN) if number.isascii() and number.isdigit() and len(number) < 6 else 1


def read_html(path: Path, limits: SheetLimits) -> Workbook:
    """Reads the tables of a page.

    Raises:
        ExchangeError: its text cannot be read, or only beyond the limits.
    """
    budget = Budget(limits, path.name)
    data = path.read_bytes()
    stated = _CHARSET.search(data[:4096])
    text, encoding = decode(data, path.name, stated[1].decode() if stated else None)
    page = _Page(budget)
    page.feed(text)
    page.finish()
    page.sheet.sort()
    if not page.sheet.merge(page.areas):
        raise budget.too_large()
    return Workbook(path.name, "html", [page.sheet], encoding)
