"""Tables whose every row is one thing, named by its columns: class lists, timetables, plans, lists of marks."""

from collections import Counter
from dataclasses import replace
from datetime import date, time
from decimal import Decimal

from services.gradebook.exchange.mapped.cells import CellReader
from services.gradebook.exchange.mapped.facts import (
    Absence,
    Adult,
    Final,
    Homework,
    Lesson,
    Mark,
    Place,
    PlannedHours,
    Pupil,
    Student,
    TimetableEntry,
    Understood,
)
from services.gradebook.exchange.mapped.headers import Block, Given, work_of
from services.gradebook.exchange.mapped.mapping import Map
from services.gradebook.exchange.mapped.words import (
    date_of,
    date_of_value,
    decimal_of,
    key,
    period_of,
    plain,
    school_year_of,
)
from services.gradebook.exchange.sheets import Sheet, Trouble, Value, address, text_of
from services.gradebook.rejections import Code

_WEEKDAYS = ("понедельник", "вторник", "среда", "четверг", "пятница", "суббота", "воскресенье")
_SHORT_WEEKDAYS = ("пн", "вт", "ср", "чт", "пт", "сб", "вс")
_RELATIONS = {
    "мать": "parent", "мама": "parent", "отец": "parent", "папа": "parent", "родитель": "parent",
    "усыновитель": "parent", "опекун": "guardian", "попечитель": "guardian", "parent": "parent", "guardian": "guardian",
}  # fmt: skip


class _MissingError(Exception):
    """A row lacks what it needs, or has it in a form that is not understood."""

    def __init__(self, use: str, code: Code) -> None:
        super().__init__(use)
        self.use = use
        self.code = code


class RowReader:
    """Reads one table row by row."""

    def __init__(self, sheet: Sheet, block: Block, rules: Map, given: Given, understood: Understood) -> None:
        self._sheet = sheet
        self._block = block
        self._rules = rules
        self._given = given
        self._understood = understood
        self._cells = CellReader(rules.cells)
        # Of two columns for the same, the first.
        self._columns = {(column.use, column.order): column.index for column in reversed(block.columns)}
        self._ordinals: Counter[tuple[object, ...]] = Counter()
        self._row = 0

    def read(self) -> None:
        """All rows; one that is not understood is told with the cell at fault."""
        for row in self._block.rows:
            self._row = row
            first = plain(text_of(self._sheet.seen(row, self._block.key_column or 1)))
            if any(pattern.search(first) for pattern in self._block.table.skip):
                continue
            try:
                if self._filled():
                    self._read_row()
            except _MissingError as missing:
                self._understood.miss(self._place(missing.use), missing.use, missing.code)

    def _filled(self) -> bool:
        needed = self._block.table.filled
        return not needed or any(self._text(use) for use in needed)

    def _read_row(self) -> None:
        match self._block.table.record:
            case "pupil":
                self._pupil()
            case "mark" | "absence":
                self._mark()
            case "final":
                self._final()
            case "timetable":
                self._timetable()
            case "hours":
                self._hours()
            case "homework":
                self._homework()
            case _:
                self._lesson()

    def _place(self, use: str, order: int = 1) -> Place:
        column = self._columns.get((use, order), self._block.key_column or 1)
        return Place(self._sheet.name, address(self._row, column), self._row)

    def _value(self, use: str, order: int = 1) -> Value | None:
        column = self._columns.get((use, order))
        value = None if column is None else self._sheet.seen(self._row, column)
        if isinstance(value, Trouble):
            raise _MissingError(use, Code.FORMULA_WITHOUT_VALUE if value is Trouble.NO_VALUE else Code.CELL_ERROR)
        return value

    def _text(self, use: str, order: int = 1) -> str:
        return plain(text_of(self._value(use, order)))

    def _needed(self, use: str, otherwise: str = "") -> str:
        text = self._text(use) or otherwise
        if not text:
            raise _MissingError(use, Code.MISSING_VALUE)
        return text

    def _class(self) -> str:
        return self._needed("class", self._given.class_name or self._block.context.get("class", ""))

    def _subject(self) -> str:
        return self._needed("subject", self._given.subject or self._block.context.get("subject", ""))

    def _student(self) -> Student:
        context = self._block.context
        name = self._text("student") or context.get("student", "")
        external_id = self._text("student_id") or self._given.student_id or context.get("student_id", "")
        if not name and not external_id:
            raise _MissingError("student", Code.NO_STUDENT_NAMED)
        class_name = self._text("class") or self._given.class_name or context.get("class", "")
        return Student(name, external_id, class_name)

    def _date(self, use: str, *, needed: bool = True) -> date | None:
        value = self._value(use)
        day = date_of_value(value, self._block.school_year(self._given))
        if day is None and (needed or text_of(value).strip()):
            raise _MissingError(use, Code.DATE_UNCLEAR if value is not None else Code.MISSING_VALUE)
        return day

    def _day(self) -> date:
        day = self._date("date")
        if day is None:
            raise _MissingError("date", Code.MISSING_VALUE)
        return day

    def _number(self, use: str, low: int, high: int) -> int:
        text = self._needed(use)
        if not text.isascii() or not text.isdigit() or not low <= int(text[:6]) <= high:
            raise _MissingError(use, Code.BAD_VALUE)
        return int(text)

    def _time(self, use: str) -> str:
        value = self._value(use)
        return value.isoformat(timespec="minutes") if isinstance(value, time) else plain(text_of(value))

    def _pupil(self) -> None:
        student = replace(self._student(), class_name=self._class())
        adults = []
        for order in range(1, 5):
            name = self._text("adult", order)
            if name:
                relation = _RELATIONS.get(key(self._text("relation", order)), "parent")
                if self._text("relation", order) and key(self._text("relation", order)) not in _RELATIONS:
                    relation = "other"
                adults.append(Adult(name, relation))
        birth_date = self._date("birth_date", needed=False)
        self._understood.note(Pupil(self._place("student"), student, birth_date, tuple(adults)))

    def _mark(self) -> None:
        student, subject, day = self._student(), self._subject(), self._day()
        reading = self._cells.read(self._value("mark"))
        if reading.fault is not None:
            raise _MissingError("mark", reading.fault)
        place = self._place("mark")
        work = work_of(self._text("work"), self._rules)
        weight = decimal_of(self._text("weight")) if self._text("weight") else None
        if weight is not None and not 0 < weight <= 10:
            raise _MissingError("weight", Code.BAD_VALUE)
        for value in reading.marks:
            owner = (student.external_id or key(student.name), key(subject), day, "mark")
            self._ordinals[owner] += 1
            made = Mark(place, student, subject, day, self._ordinals[owner], value, str(self._rules.default_work))
            if work is not None:
                made = replace(made, work_type=str(work.type), weight=work.weight or made.weight)
            self._understood.note(replace(made, weight=weight or made.weight))
        for code in reading.absences:
            owner = (student.external_id or key(student.name), key(subject), day, "absence")
            self._ordinals[owner] += 1
            self._understood.note(Absence(place, student, subject, day, self._ordinals[owner], code))
        self._understood.debts += reading.debts
        self._understood.no_marks += reading.no_marks + len(reading.grades)

    def _final(self) -> None:
        student, subject = self._student(), self._subject()
        value, fault = self._cells.final(self._value("mark"))
        if fault is not None or not value:
            raise _MissingError("mark", fault or Code.MISSING_VALUE)
        period = period_of(self._needed("period", self._block.context.get("period", "")))
        year = school_year_of(self._text("school_year")) or self._block.school_year(self._given)
        if period is None or year is None:
            raise _MissingError("period" if period is None else "school_year", Code.UNKNOWN_PERIOD)
        self._understood.note(Final(self._place("mark"), student, subject, period, year, value))

    def _timetable(self) -> None:
        day = key(self._needed("weekday"))
        found = [
            number
            for number, (long, short) in enumerate(zip(_WEEKDAYS, _SHORT_WEEKDAYS, strict=True), start=1)
            if day in {long, short, str(number)}
        ]
        if not found:
            raise _MissingError("weekday", Code.BAD_VALUE)
        entry = TimetableEntry(
            self._place("subject"),
            self._valid_from(),
            self._class(),
            found[0],
            self._number("number", 0, 20),
            self._subject(),
            self._time("starts"),
            self._time("ends"),
            self._text("room"),
            self._text("teacher"),
        )
        self._understood.note(entry)

    def _valid_from(self) -> date:
        """Since when the timetable holds: as the text above says, or since the school year began."""
        year = self._block.school_year(self._given)
        day = date_of(self._block.context.get("from", ""), year)
        if day is None and year is not None:
            day = date(int(year[:4]), 9, 1)
        if day is None:
            raise _MissingError("weekday", Code.DATE_UNCLEAR)
        return day

    def _hours(self) -> None:
        hours = decimal_of(self._needed("hours"))
        if hours is None or not 0 <= hours <= 1000:
            raise _MissingError("hours", Code.BAD_VALUE)
        period = period_of(self._needed("period"))
        year = school_year_of(self._text("school_year")) or self._block.school_year(self._given)
        if period is None or year is None:
            raise _MissingError("period" if period is None else "school_year", Code.UNKNOWN_PERIOD)
        plan = PlannedHours(
            self._place("hours"),
            self._class(),
            self._subject(),
            period,
            year,
            self._text("lesson_type"),
            Decimal(hours),
        )
        self._understood.note(plan)

    def _homework(self) -> None:
        text = self._needed("homework")
        due = self._date("due", needed=False)
        task = Homework(self._place("homework"), self._class(), self._subject(), self._day(), due, text)
        self._understood.note(task)

    def _lesson(self) -> None:
        number = self._number("number", 0, 20) if self._text("number") else None
        lesson = Lesson(
            self._place("topic"),
            self._class(),
            self._subject(),
            self._day(),
            number,
            self._time("starts"),
            self._time("ends"),
            self._text("topic"),
        )
        self._understood.note(lesson)
