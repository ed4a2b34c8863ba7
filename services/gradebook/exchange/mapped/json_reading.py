"""Applying a map to a JSON file: names bound one after another over its lists, and fields by paths from them.

A path is a name and then `.field`, `[0]` or `[*]`: `$.weekDays[*]`, `lesson.assignments[*]`, `work.mark.mark`. That is
all; nothing of a path is computed.
"""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from contracts.values import WorkType
from services.gradebook.exchange.bundle import ExchangeError
from services.gradebook.exchange.mapped.cells import CellReader
from services.gradebook.exchange.mapped.facts import Absence, Final, Homework, Lesson, Mark, Place, Student, Understood
from services.gradebook.exchange.mapped.headers import Given
from services.gradebook.exchange.mapped.mapping import JsonItem, Map
from services.gradebook.exchange.mapped.words import (
    date_of,
    decimal_of,
    period_of,
    plain,
    school_year_at,
    school_year_of,
)
from services.gradebook.exchange.sheets import SheetLimits
from services.gradebook.exchange.sheets.plain_text import decode
from services.gradebook.rejections import Code

_STEP = re.compile(r"\.([^.\[\]]+)|\[(\d{1,6}|\*)\]")
_CONTAINER_BYTES = 240
"""An object with one name; a list is smaller."""
_VALUE_BYTES = 64
"""A place in an object or list, and the head of the value in it."""
_NAME = re.compile(r"\$|[a-z_][a-z0-9_]*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class _Node:
    value: Any
    path: str


def load_json(path: Path, limits: SheetLimits | None = None) -> Any:
    """The content of a JSON file.

    Raises:
        ExchangeError: it is too large, or no JSON.
    """
    limits = limits or SheetLimits()
    if path.stat().st_size > limits.max_file_bytes // 4:
        raise ExchangeError(Code.TABLE_TOO_LARGE, path.name)
    text = decode(path.read_bytes(), path.name)
    if _most_memory(text) > limits.max_json_bytes:
        raise ExchangeError(Code.TABLE_TOO_LARGE, path.name)
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ExchangeError(Code.BAD_JSON, path.name) from None


def _most_memory(text: str) -> int:
    """What the values of a JSON text take at most, by the marks that divide them: `[]` is two bytes and 56 in memory.

    Marks within strings count too, which makes the estimate higher and never lower.
    """
    containers = text.count("{") + text.count("[")
    return sys.getsizeof(text) + containers * _CONTAINER_BYTES + (text.count(",") + text.count(":")) * _VALUE_BYTES


def follow(names: dict[str, _Node], path: str) -> Iterator[_Node]:
    """All nodes that a path leads to, one at a time; none where it leads nowhere."""
    start = _NAME.match(path)
    if start is None or start[0] not in names:
        return
    nodes: Iterator[_Node] = iter((names[start[0]],))
    position = start.end()
    while position < len(path):
        step = _STEP.match(path, position)
        if step is None:
            return
        nodes = _each(nodes, step[1], step[2])
        position = step.end()
    yield from nodes


def _each(nodes: Iterator[_Node], field: str | None, index: str | None) -> Iterator[_Node]:
    for node in nodes:
        if field is not None:
            if isinstance(node.value, dict) and field in node.value:
                yield _Node(node.value[field], f"{node.path}.{field}")
        elif isinstance(node.value, list):
            wanted = range(len(node.value)) if index == "*" else range(int(index or 0), int(index or 0) + 1)
            for number in wanted:
                if number < len(node.value):
                    yield _Node(node.value[number], f"{node.path}[{number}]")


def _first(names: dict[str, _Node], path: str) -> Any:
    node = next(follow(names, path), None)
    return None if node is None else node.value


class JsonReader:
    """Reads one file."""

    def __init__(self, file: str, rules: Map, given: Given | None = None) -> None:
        self.understood = Understood(rules.map.name, file, "json")
        self._rules = rules
        self._given = given or Given()
        self._cells = CellReader(rules.cells)
        self._ordinals: dict[tuple[object, ...], int] = {}

    def read(self, content: Any) -> Understood:
        """All items of the map; a file in which none is found is told."""
        root = {"$": _Node(content, "$")}
        found = 0
        for item in self._rules.json_items:
            for names in self._bound(root, item.each):
                if self._wanted(item, names):
                    found += 1
                    self._item(item, names)
        if found == 0:
            self.understood.miss(Place("", "$"), "json", Code.HEADER_NOT_FOUND)
        return self.understood

    def _bound(self, names: dict[str, _Node], bindings: list[str]) -> Iterator[dict[str, _Node]]:
        if not bindings:
            yield names
            return
        name, _, path = (part.strip() for part in bindings[0].partition("="))
        for node in follow(names, path):
            yield from self._bound({**names, name: node}, bindings[1:])

    def _wanted(self, item: JsonItem, names: dict[str, _Node]) -> bool:
        def fits(path: str, values: list[Any]) -> bool:
            value = _first(names, path)
            return any(type(value) is type(one) and value == one for one in values)

        return (
            all(any(node.value is not None for node in follow(names, path)) for path in item.has)
            and all(fits(path, values) for path, values in item.when.items())
            and not any(fits(path, values) for path, values in item.unless.items())
        )

    def _field(self, item: JsonItem, names: dict[str, _Node], field: str) -> str:
        path = item.fields.get(field, "")
        if path.startswith("'"):
            return path.strip("'")
        value = _first(names, path)
        if value is None or isinstance(value, dict | list):
            return ""
        text = ("true" if value else "false") if isinstance(value, bool) else plain(str(value)[:4000])
        meanings = item.values.get(field, {})
        return meanings.get(text, meanings.get("*", text)) if meanings else text

    def _item(self, item: JsonItem, names: dict[str, _Node]) -> None:
        place = Place("", list(names.values())[-1].path)
        fields = {name: self._field(item, names, name) for name in item.fields}
        try:
            self._take(item.fact, place, fields)
        except _MissingError as missing:
            self.understood.miss(place, missing.field, missing.code)

    def _take(self, fact: str, place: Place, fields: dict[str, str]) -> None:
        subject = fields.get("subject", "") or self._given.subject
        if not subject:
            raise _MissingError("subject", Code.NO_SUBJECT_NAMED)
        match fact:
            case "mark" | "absence":
                self._marks(place, fields, subject)
            case "final":
                self._final(place, fields, subject)
            case "homework":
                self._homework(place, fields, subject)
            case _:
                self._lesson(place, fields, subject)

    def _student(self, fields: dict[str, str]) -> Student:
        student = Student(
            fields.get("student", ""),
            self._given.student_id or fields.get("student_id", ""),
            self._given.class_name or fields.get("class", ""),
        )
        if not student.name and not student.external_id:
            raise _MissingError("student", Code.NO_STUDENT_NAMED)
        return student

    def _day(self, fields: dict[str, str], field: str) -> date:
        day = date_of(fields.get(field, ""), self._given.school_year)
        if day is None:
            raise _MissingError(field, Code.DATE_UNCLEAR)
        return day

    def _marks(self, place: Place, fields: dict[str, str], subject: str) -> None:
        student, day = self._student(fields), self._day(fields, "date")
        reading = self._cells.read(fields.get("value", ""))
        if reading.fault is not None:
            raise _MissingError("value", reading.fault)
        work = fields.get("work_type", "")
        work_type = work if work in set(WorkType) else str(self._rules.default_work)
        # Journals write 0 for "without a weight of its own".
        weight = decimal_of(fields.get("weight", "")) or Decimal(1)
        if not 0 < weight <= 10:
            raise _MissingError("weight", Code.BAD_VALUE)
        for number, value in enumerate(reading.marks, start=1):
            external_id = fields.get("id", "")
            own_id = f"{external_id}/{number}" if external_id and number > 1 else external_id
            ordinal = self._next(student, subject, day, "mark")
            mark = Mark(place, student, subject, day, ordinal, value, work_type, weight, own_id)
            self.understood.note(mark)
        for code in reading.absences:
            ordinal = self._next(student, subject, day, "absence")
            self.understood.note(Absence(place, student, subject, day, ordinal, code))

    def _next(self, *of: object) -> int:
        self._ordinals[of] = self._ordinals.get(of, 0) + 1
        return self._ordinals[of]

    def _final(self, place: Place, fields: dict[str, str], subject: str) -> None:
        value, fault = self._cells.final(fields.get("value", ""))
        if fault is not None or not value:
            raise _MissingError("value", fault or Code.MISSING_VALUE)
        period = period_of(fields.get("period", ""))
        day = date_of(fields.get("date", ""))
        year = self._given.school_year or school_year_of(fields.get("school_year", ""))
        year = year or (school_year_at(day) if day else None)
        if period is None or year is None:
            raise _MissingError("period", Code.UNKNOWN_PERIOD)
        self.understood.note(Final(place, self._student(fields), subject, period, year, value))

    def _homework(self, place: Place, fields: dict[str, str], subject: str) -> None:
        text = fields.get("text", "")
        if not text:
            raise _MissingError("text", Code.MISSING_VALUE)
        due = date_of(fields.get("due", ""))
        given_on = self._day(fields, "date")
        class_name = self._given.class_name or fields.get("class", "")
        task = Homework(place, class_name, subject, given_on, due, text, fields.get("id", ""))
        self.understood.note(task)

    def _lesson(self, place: Place, fields: dict[str, str], subject: str) -> None:
        number = decimal_of(fields.get("number", ""))
        lesson = Lesson(
            place,
            self._given.class_name or fields.get("class", ""),
            subject,
            self._day(fields, "date"),
            int(number) if number is not None and 0 <= number <= 20 else None,
            fields.get("starts", ""),
            fields.get("ends", ""),
            fields.get("topic", ""),
            fields.get("id", ""),
        )
        self.understood.note(lesson)


class _MissingError(Exception):
    """An item lacks what it needs."""

    def __init__(self, field: str, code: Code) -> None:
        super().__init__(field)
        self.field = field
        self.code = code
