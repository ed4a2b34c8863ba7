"""Finding tables in a sheet: headers, what their columns are, where the rows end, and the texts above."""

import re
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation

from contracts.values import WorkType
from services.gradebook.exchange.mapped.mapping import Column as Rule
from services.gradebook.exchange.mapped.mapping import Map, Pattern, Table
from services.gradebook.exchange.mapped.words import (
    PeriodName,
    cyrillic,
    date_of,
    date_of_value,
    in_school_year,
    key,
    make_date,
    month_of,
    period_of,
    plain,
    school_year_at,
    school_year_of,
    year_of,
)
from services.gradebook.exchange.sheets import Sheet, text_of

_DAY_NUMBER = re.compile(r"(\d{1,2})(?:\s*[.,]?\s*[а-я]{2}\.?)?(?:\s*\(\d\))?")
_MOST_COLUMNS = 2_000
_MOST_CONTEXT = 1_000
"""Characters of a text above a table that patterns look at."""
_CARRIED = ("class", "school_year", "period", "from", "to", "subject")
"""What is told once for all tables of a sheet. The student is not: the next table may be another child's."""


@dataclass(frozen=True, slots=True)
class Given:
    """What the operator says in place of the file."""

    school_year: str | None = None
    student_id: str = ""
    class_name: str = ""
    subject: str = ""


@dataclass(frozen=True, slots=True)
class WorkOf:
    """What a mark was given for."""

    type: WorkType
    weight: Decimal | None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table as its header says."""

    index: int
    use: str
    """`day`, a use of the map's rules, `subject`, `unread`, or `unclear` for a day without a year."""
    title: str
    day: date | None = None
    period: PeriodName | None = None
    work: WorkOf | None = None
    order: int = 1
    subject: str = ""
    """Of a day, where the header groups the days by subject."""


@dataclass
class Block:
    """A table with its rows and what the texts above it say."""

    table: Table
    header_row: int
    depth: int
    key_column: int
    columns: list[Column]
    rows: list[int] = field(default_factory=list)
    context: dict[str, str] = field(default_factory=dict)

    def school_year(self, given: Given) -> str | None:
        """The school year of the table."""
        return school_year_in(self.context, given)


def school_year_in(context: dict[str, str], given: Given) -> str | None:
    """The school year: as the operator says, as the texts say, or that of the first day of the report."""
    if given.school_year is not None:
        return given.school_year
    if year := school_year_of(context.get("school_year", "")):
        return year
    for name in ("from", "to"):
        if day := date_of(context.get(name, "")):
            return school_year_at(day)
    return None


def work_of(text: str, rules: Map) -> WorkOf | None:
    """What a text says about the work: its type, and its weight, by the group `weight` or by the rule."""
    for rule in rules.works:
        if match := rule.match.search(text):
            weight = _weight(match.groupdict().get("weight")) or rule.weight
            return WorkOf(rule.type, weight)
    return None


def _weight(text: str | None) -> Decimal | None:
    try:
        weight = Decimal((text or "").replace(",", "."))
    except InvalidOperation:
        return None
    return weight if 0 < weight <= 10 else None


class Finder:
    """Finds the tables of one sheet."""

    def __init__(self, sheet: Sheet, rules: Map, given: Given) -> None:
        self._sheet = sheet
        self._rules = rules
        self._given = given
        hidden = set() if rules.sheets.hidden_rows else sheet.hidden_rows
        self._rows = [row for row in sheet.rows if row not in hidden]
        self._begun: dict[int, tuple[Table, int] | None] = {}
        """Row to the table that begins there, and the rows of its header."""

    def blocks(self) -> list[Block]:
        """The tables, from above to below."""
        blocks: list[Block] = []
        of_sheet = self._search([plain(self._sheet.name)], self._rules.sheet_context)
        context = of_sheet
        above: list[int] = []
        index = 0
        while index < len(self._rows):
            row = self._rows[index]
            begun = self._table_at(row)
            if begun is None:
                above.append(row)
                index += 1
                continue
            context = of_sheet | self._context(above, context)
            block = self._block(*begun, row, context)
            index = self._take_rows(block, index + 1)
            above = []
            blocks.append(block)
        return blocks

    def _context(self, rows: list[int], before: dict[str, str]) -> dict[str, str]:
        told = self._search([line for row in rows for line in self._texts(row)], self._rules.context)
        kept = {name: text for name, text in before.items() if name in _CARRIED or not rows}
        return kept | told

    def _texts(self, row: int) -> list[str]:
        """The texts of a row: each line of each cell; then all cells, for a label in one and its value in the next."""
        texts = [text_of(value) for _, value in sorted(self._sheet.rows[row].items())]
        lines = [plain(line)[:_MOST_CONTEXT] for text in texts for line in text.split("\n")]
        return [*lines, " ".join(lines)[:_MOST_CONTEXT]]

    def _search(self, lines: list[str], patterns: list[Pattern]) -> dict[str, str]:
        found: dict[str, str] = {}
        for line in lines:
            for pattern in patterns:
                if match := pattern.search(line):
                    for name, text in match.groupdict().items():
                        if text and plain(text):
                            found.setdefault(name, plain(text))
        return found

    def _table_at(self, row: int) -> tuple[Table, int] | None:
        """The table whose header begins in the row, with the rows of the header."""
        if row not in self._begun:
            self._begun[row] = self._look(row)
        return self._begun[row]

    def _look(self, row: int) -> tuple[Table, int] | None:
        cells = [plain(text_of(value)) for value in self._sheet.rows[row].values()]
        for table in self._rules.tables:
            fits = table.header.row == row or (
                table.header.find is not None and any(table.header.find.search(cell) for cell in cells)
            )
            if not fits:
                continue
            key_column = self._key_column(table, row, table.header.depth)
            if table.key is not None and not key_column:
                continue
            depth = self._depth(table, row, key_column)
            # A grid without a single day is another form of table with the same key; one without a column, a title.
            uses = {column.use for column in self._block(table, depth, row, {}).columns}
            if uses & {"day", "unclear"} if table.days else uses - {"skip", "unread"}:
                return table, depth
        return None

    def _depth(self, table: Table, row: int, key_column: int) -> int:
        area = self._sheet.area(row, key_column) if key_column else None
        if area is None or area.first_row != row:
            return table.header.depth
        return max(table.header.depth, min(area.last_row - row + 1, 4))

    def _heads(self, row: int, depth: int, column: int) -> list[str]:
        """The texts of a column's header from above to below, none twice."""
        heads: list[str] = []
        for line in range(row, row + depth):
            text = plain(text_of(self._sheet.seen(line, column)))
            if text and text not in heads[-1:]:
                heads.append(text)
        return heads

    def _width(self, row: int, depth: int) -> int:
        lines = range(row, row + depth)
        return min(max(self._sheet.width(line) for line in lines), _MOST_COLUMNS)

    def _key_column(self, table: Table, row: int, depth: int) -> int:
        if table.key is not None:
            for column in range(1, self._width(row, depth) + 1):
                if table.key.search(" ".join(self._heads(row, depth, column))):
                    return column
        return 0

    def _block(self, table: Table, depth: int, row: int, context: dict[str, str]) -> Block:
        key_column = self._key_column(table, row, depth)
        year = school_year_in(context, self._given)
        columns: list[Column] = []
        month: tuple[int, int | None] | None = None
        for index in range(1, self._width(row, depth) + 1):
            if index == key_column and table.rows != "record":
                continue
            heads = self._heads(row, depth, index)
            if not heads:
                continue
            named = [(month_of(head), year_of(head)) for head in heads]
            own = next(((number, in_year) for number, in_year in named if number is not None), None)
            month = own or month
            columns.append(self._column(table, (row, index, depth), heads, month, year))
        return Block(table, row, depth, key_column, columns, [], context)

    def _column(
        self,
        table: Table,
        place: tuple[int, int, int],
        heads: list[str],
        month: tuple[int, int | None] | None,
        year: str | None,
    ) -> Column:
        title = " ".join(heads)
        row, index, depth = place
        comment = self._sheet.comments.get((row + depth - 1, index)) or self._sheet.comments.get((row, index), "")
        work = next((found for text in [*heads, comment] if text and (found := work_of(text, self._rules))), None)
        if rule := _rule(title, table):
            period = period_of(rule.period) if rule.period else period_of(title)
            return Column(index, rule.use, title, None, period, work, rule.order)
        if table.days:
            day, is_day = self._day(place, heads, month, year)
            if is_day:
                subject = heads[0] if table.grouped and len(heads) > 1 else ""
                return Column(index, "day" if day else "unclear", title, day, None, work, subject=subject)
        if table.others == "subject":
            return Column(index, "subject_final", title)
        if table.others == "period" and (period := period_of(title)):
            return Column(index, "final", title, None, period)
        return Column(index, "skip" if table.others == "skip" else "unread", title)

    def _day(
        self,
        place: tuple[int, int, int],
        heads: list[str],
        month: tuple[int, int | None] | None,
        year: str | None,
    ) -> tuple[date | None, bool]:
        """The day of a column; and whether it is a column of a day at all."""
        row, column, depth = place
        for line in range(row, row + depth):
            value = self._sheet.seen(line, column)
            if value is not None and (day := date_of_value(value, year)):
                return day, True
        for head in heads:
            match = _DAY_NUMBER.fullmatch(key(cyrillic(head)))
            if match is not None and 1 <= int(match[1]) <= 31:
                if month is None:
                    return None, True
                number, in_year = month
                if in_year is not None:
                    return make_date(in_year, number, int(match[1])), True
                return (None if year is None else in_school_year(year, number, int(match[1]))), True
            if re.fullmatch(r"\d{1,2}[./]\d{1,2}\.?", head):
                return None, True
        return None, False

    def _take_rows(self, block: Block, index: int) -> int:
        """Takes the rows of a table; returns the index of the first that is not its own."""
        first = block.header_row + block.depth
        used = {column.index for column in block.columns if column.use != "skip"}
        last_used = index
        while index < len(self._rows):
            row = self._rows[index]
            if row < first:
                index += 1
                last_used = index
                continue
            if self._ends(block, row):
                break
            index += 1
            if used & self._sheet.rows[row].keys():
                block.rows.append(row)
                last_used = index
        # Rows with nothing in a column of the table are the text below it, or above the next one.
        return last_used

    def _ends(self, block: Block, row: int) -> bool:
        if self._table_at(row) is not None:
            return True
        text = plain(text_of(self._sheet.seen(row, block.key_column or 1)))
        if text and any(pattern.search(text) for pattern in block.table.stop):
            return True
        told = self._search(self._texts(row)[:3], self._rules.context)
        return "student" in told or "subject" in told or "class" in told


def _rule(title: str, table: Table) -> Rule | None:
    return next((rule for rule in table.columns if rule.match.search(title)), None)
