"""A page with tables as one sheet: what several Russian journals export under the name `.xls`.

All tables stand below each other in the order of the page, and so does text outside of them, since that is where
reports name the student, the class and the period. `colspan` and `rowspan` are merged cells.
"""

import re
from html.parser import HTMLParser
from pathlib import Path

from services.gradebook.exchange.sheets.grid import Area, Sheet, Workbook
from services.gradebook.exchange.sheets.limits import MAX_COLUMNS, Budget, Growing, SheetLimits
from services.gradebook.exchange.sheets.plain_text import encoding_of, pieces

_BREAKS = frozenset({"br", "p", "div", "span", "li", "h1", "h2", "h3", "h4", "h5", "h6", "legend", "label"})
_SILENT = frozenset({"script", "style", "head", "title", "template", "noscript"})
_SPACES = re.compile(r"[ \t\r\n\f]+")
_MOST_SPAN = 1_000
_SPAN_DIGITS = 9
_MOST_TABLES_WITHIN = 20
_MOST_PENDING = 1 << 19
"""Characters of one tag or script; the library needs about 200 bytes for each while it looks for the end of a tag."""
_MOST_LEFT = 1_000
"""Characters of a tag or comment within which the page may end: it was cut off. The library looks for the end of what
has none from each of its places again, so more than this would cost hours."""
_CHARSET = re.compile(rb"""charset\s*=\s*["']?\s*([A-Za-z0-9_-]{1,40})""", re.IGNORECASE)


class _Table:
    """A table under way: which columns of the coming rows are taken by cells that reach down."""

    def __init__(self, budget: Budget) -> None:
        self.taken: dict[int, int] = {}
        """Column to the last row that a cell above reaches down to."""
        self.row = 0
        self.column = 0
        self.span = (1, 1)
        self.text = Growing(budget)
        self.open = False


class _Page(HTMLParser):
    """Turns a page into a sheet."""

    def __init__(self, budget: Budget) -> None:
        super().__init__(convert_charrefs=True)
        self.sheet = Sheet("HTML")
        self.areas: list[Area] = []
        self._budget = budget
        self._row = 0
        self._tables: list[_Table] = []
        self._outside = Growing(budget)
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._budget.step()
        if tag in _SILENT:
            self._silent += tag not in {"head", "title"}
        elif tag == "table":
            self._flush()
            self._tables.append(_Table(self._budget))
            if len(self._tables) > _MOST_TABLES_WITHIN:
                raise self._budget.broken()
        elif tag == "tr" and self._tables:
            self._begin_row(self._tables[-1])
        elif tag in {"td", "th"} and self._tables:
            self._begin_cell(self._tables[-1], dict(attrs))
        elif tag == "br":
            self._break()

    def handle_endtag(self, tag: str) -> None:
        self._budget.step()
        if tag in _SILENT:
            self._silent = max(0, self._silent - (tag not in {"head", "title"}))
        elif tag == "table" and self._tables:
            self._end_cell(self._tables[-1])
            self._tables.pop()
        elif tag in {"td", "th", "tr"} and self._tables:
            self._end_cell(self._tables[-1])
        elif tag in _BREAKS:
            self._break()

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self._add(_SPACES.sub(" ", data))

    def _add(self, text: str) -> None:
        table = self._tables[-1] if self._tables else None
        if table is None:
            self._outside.add(text)
        elif table.open:
            table.text.add(text)

    def _break(self) -> None:
        if self._tables:
            self._add("\n")
        else:
            self._flush()

    def _flush(self) -> None:
        """Text outside of tables: each line is a row of one cell."""
        line = self._outside.whole().strip()
        self._outside.clear()
        if line:
            self._row += 1
            self._put(self._row, 1, line)

    def _begin_row(self, table: _Table) -> None:
        self._end_cell(table)
        self._row += 1
        table.row, table.column = self._row, 0

    def _begin_cell(self, table: _Table, attributes: dict[str, str | None]) -> None:
        self._end_cell(table)
        if table.row == 0:
            self._begin_row(table)
        table.column += 1
        first = table.column
        while table.taken.get(table.column, 0) >= table.row:
            table.column += 1
        self._budget.step(table.column - first)
        table.span = (_span(attributes.get("rowspan")), _span(attributes.get("colspan")))
        table.text.clear()
        table.open = True

    def _end_cell(self, table: _Table) -> None:
        if not table.open:
            return
        text = table.text.whole().strip(" \n\t")
        table.open = False
        rows, columns = table.span
        if table.column + columns > MAX_COLUMNS:
            raise self._budget.broken()
        if rows > 1:
            self._budget.step(columns)
            table.taken.update(dict.fromkeys(range(table.column, table.column + columns), table.row + rows - 1))
        if rows > 1 or columns > 1:
            self._budget.merge()
            last = (table.row + rows - 1, table.column + columns - 1)
            self.areas.append(Area(table.row, table.column, *last))
        if text:
            self._put(table.row, table.column, text)
        table.column += columns - 1

    def _put(self, row: int, column: int, text: str) -> None:
        self._budget.cell()
        self._budget.text(text)
        self.sheet.put(row, column, text)
        self._budget.rows(len(self.sheet.rows))

    def take(self, text: str) -> None:
        """The next piece of the page.

        Raises:
            ExchangeError: it is beyond the limits, or within a tag that does not end.
        """
        self.feed(text)
        if len(self.rawdata) > _MOST_PENDING:
            raise self._budget.broken()

    def finish(self) -> None:
        """At the end of the page, which may come before its tables end."""
        if len(self.rawdata) > _MOST_LEFT:
            raise self._budget.broken()
        self.close()
        while self._tables:
            self._end_cell(self._tables.pop())
        self._flush()


def _span(text: str | None) -> int:
    number = (text or "").strip()
    if not (number.isascii() and number.isdigit()):
        return 1
    return min(max(int(number[:_SPAN_DIGITS]), 1), _MOST_SPAN)


def read_html(path: Path, limits: SheetLimits) -> Workbook:
    """Reads the tables of a page.

    Raises:
        ExchangeError: its text cannot be read, or only beyond the limits.
    """
    budget = Budget(limits, path.name)
    with path.open("rb") as file:
        stated = _CHARSET.search(file.read(4096))
    encoding = encoding_of(path, stated[1].decode() if stated else None)
    page = _Page(budget)
    try:
        for piece in pieces(path, encoding):
            page.take(piece)
        page.finish()
    except AssertionError:
        # What the library raises for a declaration that it does not know: `<![x[`.
        raise budget.broken() from None
    page.sheet.sort()
    page.sheet.merge(page.areas, budget.merged_rows)
    return Workbook(path.name, "html", [page.sheet], encoding)
