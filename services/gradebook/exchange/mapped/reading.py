"""Applying a map to a workbook: facts, totals to compare, and every place that was not understood."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from decimal import Decimal
from fnmatch import fnmatchcase

from services.gradebook.exchange.mapped.cells import CellReader
from services.gradebook.exchange.mapped.facts import (
    Absence,
    Final,
    Mark,
    Place,
    SheetSeen,
    Student,
    Total,
    TotalKind,
    Understood,
)
from services.gradebook.exchange.mapped.headers import Block, Column, Finder, Given, work_of
from services.gradebook.exchange.mapped.mapping import Map
from services.gradebook.exchange.mapped.rows import RowReader
from services.gradebook.exchange.mapped.words import PeriodName, decimal_of, key, period_of, plain
from services.gradebook.exchange.sheets import Sheet, Trouble, Workbook, address, text_of
from services.gradebook.rejections import Code

_TOTALS = {"average": TotalKind.AVERAGE, "count": TotalKind.COUNT, "absences": TotalKind.ABSENCES}


def read_tables(workbook: Workbook, rules: Map, given: Given | None = None) -> Understood:
    """What a workbook says by a map; the sheets that were read are empty afterwards.

    Args:
        workbook: the file.
        rules: the map.
        given: what the operator says in place of the file.
    """
    understood = Understood(rules.map.name, workbook.file, workbook.kind, remarks=list(workbook.remarks))
    for sheet in workbook.sheets:
        fits = _fits(sheet.name, rules.sheets.names) and not _fits(sheet.name, rules.sheets.skip)
        taken = fits and (rules.sheets.hidden or not sheet.hidden)
        seen = SheetSeen(sheet.name, sheet.hidden, taken)
        understood.sheets.append(seen)
        if taken and sheet.rows:
            _read_sheet(sheet, rules, given or Given(), understood, seen)
            # Facts of a large workbook and its cells at once would be too much.
            sheet.rows = {}
    return understood


def _fits(name: str, patterns: list[str]) -> bool:
    return any(fnmatchcase(key(name), key(pattern)) for pattern in patterns)


def _read_sheet(sheet: Sheet, rules: Map, given: Given, understood: Understood, seen: SheetSeen) -> None:
    blocks = Finder(sheet, rules, given).blocks()
    seen.blocks = len(blocks)
    if rules.sheets.hidden_rows:
        seen.hidden_rows = len(sheet.hidden_rows & sheet.rows.keys())
    if not blocks:
        understood.miss(Place(sheet.name, ""), "header", Code.HEADER_NOT_FOUND)
    for block in blocks:
        _unread_columns(sheet, block, understood)
        if block.table.rows == "record":
            RowReader(sheet, block, rules, given, understood).read()
        else:
            _GridReader(sheet, block, rules, given, understood).read()


def _unread_columns(sheet: Sheet, block: Block, understood: Understood) -> None:
    """Columns with values that the map does not describe, or whose day is unclear: each is told once."""
    known = {column.index: column for column in block.columns}
    without_header = {
        index for row in block.rows for index in sheet.rows[row] if index not in known and index != block.key_column
    }
    for index in sorted(known.keys() | without_header):
        use = known[index].use if index in known else "unread"
        if use in {"unread", "unclear"} and any(index in sheet.rows[row] for row in block.rows):
            code = Code.DATE_UNCLEAR if use == "unclear" else Code.COLUMN_NOT_UNDERSTOOD
            understood.miss(Place(sheet.name, address(block.header_row, index), block.header_row), "column", code)


class _GridReader:
    """A table whose rows are subjects of one student, or students in one subject."""

    def __init__(self, sheet: Sheet, block: Block, rules: Map, given: Given, understood: Understood) -> None:
        self._sheet = sheet
        self._block = block
        self._rules = rules
        self._given = given
        self._understood = understood
        self._cells = CellReader(rules.cells)
        self._ordinals: Counter[tuple[str, str, date, str]] = Counter()
        self._year = block.school_year(given)

    def read(self) -> None:
        """All rows."""
        if fault := self._owner_fault():
            name, code = fault
            place = Place(self._sheet.name, address(self._block.header_row, self._block.key_column or 1), None)
            self._understood.miss(replace(place, row=self._block.header_row), name, code)
            return
        for row in self._block.rows:
            title = plain(text_of(self._sheet.seen(row, self._block.key_column)))
            if not title:
                self._understood.miss(self._place(row, self._block.key_column), "key", Code.CELL_NOT_UNDERSTOOD)
            elif not any(pattern.search(title) for pattern in self._block.table.skip):
                self._read_row(row, title)

    def _owner_fault(self) -> tuple[str, Code] | None:
        """What the rows need and the texts above do not tell."""
        uses = {column.use for column in self._block.columns}
        if self._block.table.rows == "subject":
            named = (
                self._given.student_id or self._block.context.get("student") or self._block.context.get("student_id")
            )
            return None if named else ("student", Code.NO_STUDENT_NAMED)
        needs_subject = bool(uses & {"day", "final", "unclear"}) and not self._block.table.grouped
        if needs_subject and not self._subject():
            return ("subject", Code.NO_SUBJECT_NAMED)
        return None

    def _subject(self) -> str:
        return self._given.subject or self._block.context.get("subject", "")

    def _place(self, row: int, column: int) -> Place:
        return Place(self._sheet.name, address(row, max(column, 1)), row)

    def _student(self, row: int, title: str) -> Student:
        context = self._block.context
        class_name = self._given.class_name or context.get("class", "")
        if self._block.table.rows == "subject":
            external_id = self._given.student_id or context.get("student_id", "")
            return Student(context.get("student", ""), external_id, class_name)
        own = {column.use: plain(text_of(self._sheet.value(row, column.index))) for column in self._block.columns}
        return Student(title, own.get("student_id", ""), own.get("class", "") or class_name)

    def _read_row(self, row: int, title: str) -> None:
        student = self._student(row, title)
        subject = title if self._block.table.rows == "subject" else self._subject()
        marks: list[Mark] = []
        finals: list[tuple[Decimal, Decimal]] = []
        absences = 0
        for column in self._block.columns:
            match column.use:
                case "day":
                    absences += self._read_day(row, column, student, column.subject or subject, marks)
                case "final" | "subject_final":
                    finals += self._read_final(row, column, student, subject)
        self._understood.facts.extend(marks)
        numbers = [(Decimal(mark.value), mark.weight) for mark in marks if mark.value.isdigit()]
        self._compare(row, numbers or finals, absences)

    def _read_day(self, row: int, column: Column, student: Student, subject: str, marks: list[Mark]) -> int:
        """Takes a cell of a day; returns its absences."""
        value = self._sheet.value(row, column.index)
        if value is None or column.day is None:
            return 0
        place = self._place(row, column.index)
        reading = self._cells.read(value)
        if reading.fault is not None:
            self._understood.miss(place, "value", reading.fault)
            return 0
        comment = self._sheet.comments.get((row, column.index), "")
        work = (work_of(comment, self._rules) if comment else None) or column.work
        for mark in reading.marks:
            ordinal = self._next(student, subject, column.day, "mark")
            made = Mark(place, student, subject, column.day, ordinal, mark, str(self._rules.default_work))
            if work is not None:
                made = replace(made, work_type=str(work.type), weight=work.weight or made.weight)
            marks.append(made)
        for code in reading.absences:
            ordinal = self._next(student, subject, column.day, "absence")
            self._understood.note(Absence(place, student, subject, column.day, ordinal, code))
        self._understood.debts += reading.debts
        self._understood.no_marks += reading.no_marks + len(reading.grades)
        return sum(code != "оп" for code in reading.absences)

    def _next(self, student: Student, subject: str, day: date, what: str) -> int:
        owner = student.external_id or key(student.name)
        self._ordinals[(owner, key(subject), day, what)] += 1
        return self._ordinals[(owner, key(subject), day, what)]

    def _read_final(self, row: int, column: Column, student: Student, subject: str) -> list[tuple[Decimal, Decimal]]:
        """Takes a final grade; returns it with its weight when it is a number."""
        value = self._sheet.value(row, column.index)
        if value is None:
            return []
        place = self._place(row, column.index)
        grade, fault = self._cells.final(value)
        if fault is not None:
            self._understood.miss(place, "value", fault)
            return []
        period = self._period(column)
        if not grade:
            return []
        if period is None or self._year is None:
            self._understood.miss(place, "period", Code.UNKNOWN_PERIOD)
            return []
        named = column.title if column.use == "subject_final" else subject
        self._understood.note(Final(place, student, named, period, self._year, grade))
        return [(Decimal(grade), Decimal(1))] if grade.isdigit() else []

    def _period(self, column: Column) -> PeriodName | None:
        return column.period or period_of(self._block.context.get("period", ""))

    def _compare(self, row: int, numbers: list[tuple[Decimal, Decimal]], absences: int) -> None:
        """The totals of the row, beside ours."""
        averages = [column for column in self._block.columns if column.use == "average"]
        for column in self._block.columns:
            kind = _TOTALS.get(column.use)
            value = self._sheet.value(row, column.index)
            if kind is None or value is None:
                continue
            place = self._place(row, column.index)
            if isinstance(value, Trouble):
                code = Code.FORMULA_WITHOUT_VALUE if value is Trouble.NO_VALUE else Code.CELL_ERROR
                self._understood.miss(place, column.use, code)
                continue
            stated = decimal_of(text_of(value))
            if stated is None:
                if plain(text_of(value)) not in {"", "-", "–", "—"}:
                    self._understood.miss(place, column.use, Code.CELL_NOT_UNDERSTOOD)
                continue
            # With an average for each period in one table, the days of the periods are not told apart here.
            comparable = kind is not TotalKind.AVERAGE or len(averages) == 1
            computed = _computed(kind, numbers, absences) if comparable else None
            self._understood.totals.append(Total(place, kind, stated, computed))


def _computed(kind: TotalKind, numbers: list[tuple[Decimal, Decimal]], absences: int) -> Decimal | None:
    match kind:
        case TotalKind.COUNT:
            return Decimal(len(numbers))
        case TotalKind.ABSENCES:
            return Decimal(absences)
        case TotalKind.AVERAGE:
            weights = sum(weight for _, weight in numbers)
            return sum((mark * weight for mark, weight in numbers), Decimal(0)) / weights if numbers else None


def dates_of(understood: Understood) -> tuple[date, date] | None:
    """The first and the last day of the facts."""
    days = list(_days(understood))
    return (min(days), max(days)) if days else None


def _days(understood: Understood) -> Iterator[date]:
    for fact in understood.facts:
        day = getattr(fact, "day", None)
        if isinstance(day, date):
            yield day
