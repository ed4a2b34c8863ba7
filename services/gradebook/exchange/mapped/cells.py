"""What stands in one cell of a grid of marks."""

import re
from dataclasses import dataclass, field
from typing import get_args

from contracts.values import MarkValue
from services.gradebook.exchange.mapped.mapping import Cells
from services.gradebook.exchange.mapped.words import cyrillic, plain
from services.gradebook.exchange.sheets import Trouble, Value, text_of
from services.gradebook.rejections import Code

_DIGITS = re.compile(r"[1-5]+")
_SEPARATORS = " ,;/|\\\n"
MARKS = frozenset(get_args(MarkValue))
_REMEMBERED = 5_000
_MOST_MARKS = 20
"""Marks and absences in one cell of one day; more is something else."""
_MOST_CHARS = 500
"""A longer text is no cell of marks."""


@dataclass
class Reading:
    """A cell as it was understood; with `fault`, nothing of it is taken. Equal cells share one: not to be changed."""

    marks: list[str] = field(default_factory=list)
    grades: list[str] = field(default_factory=list)
    """`н/а` and `осв`, which only a final grade can be; in the cell of a day they mean that there is no mark."""
    absences: list[str] = field(default_factory=list)
    debts: int = 0
    no_marks: int = 0
    fault: Code | None = None


class CellReader:
    """Reads cells by the rules of a map."""

    def __init__(self, rules: Cells) -> None:
        self._rules = rules
        self._codes = rules.codes()
        self._read: dict[str, Reading] = {}
        """A journal has some hundred different cells, and hundreds of thousands of cells."""

    def read(self, value: Value | None) -> Reading:
        """Several marks, absences and points of one cell: `5 4`, `5/4`, `45`, `4, 5`, `5н`, `УП`, `.`.

        All of the cell is understood, or nothing of it is taken.
        """
        if isinstance(value, Trouble):
            return Reading(fault=Code.FORMULA_WITHOUT_VALUE if value is Trouble.NO_VALUE else Code.CELL_ERROR)
        written = text_of(value)
        known = self._read.get(written)
        if known is None:
            known = self._fresh(plain(cyrillic(written)).casefold().replace("ё", "е"))
            if len(self._read) < _REMEMBERED:
                self._read[written] = known
        return known

    def _fresh(self, text: str) -> Reading:
        reading = Reading()
        position = 0
        if len(text) > _MOST_CHARS:
            return Reading(fault=Code.CELL_NOT_UNDERSTOOD)
        while position < len(text):
            if text[position] in _SEPARATORS:
                position += 1
                continue
            step = self._one(text, position, reading)
            if step == 0:
                return Reading(fault=Code.CELL_NOT_UNDERSTOOD)
            position += step
        if len(reading.marks) + len(reading.absences) > _MOST_MARKS:
            return Reading(fault=Code.CELL_NOT_UNDERSTOOD)
        return reading

    def _one(self, text: str, position: int, reading: Reading) -> int:
        """Takes what stands at the position; returns how many characters that was, 0 when it is not understood."""
        for code, (kind, meaning) in self._codes.items():
            if text.startswith(code, position) and _ends(text, position + len(code), code):
                if kind == "absence":
                    reading.absences.append(meaning)
                elif kind == "mark":
                    (reading.marks if meaning in MARKS else reading.grades).append(meaning)
                else:
                    reading.no_marks += 1
                return len(code)
        if self._rules.debt and text.startswith(self._rules.debt, position):
            reading.debts += 1
            return len(self._rules.debt)
        return self._digits(text, position, reading)

    def _digits(self, text: str, position: int, reading: Reading) -> int:
        match = _DIGITS.match(text, position)
        if match is None:
            return 0
        digits = match[0]
        after = text[match.end() : match.end() + 1]
        # 4.5 is an average and 5.09 a date: no marks of a day.
        if after in {"0", "6", "7", "8", "9"} or (after == "." and text[match.end() + 1 : match.end() + 2].isdigit()):
            return 0
        if len(digits) > 1 and not self._rules.run_of_digits:
            return 0
        taken = len(digits)
        if after and after in "+-−":
            if self._rules.signs == "unread":
                return 0
            taken += 1
        reading.marks.extend(digits)
        return taken

    def final(self, value: Value | None) -> tuple[str, Code | None]:
        """The final grade of a cell: its value, empty when there is none; or why it was not understood."""
        if isinstance(value, float) and not value.is_integer():
            return "", Code.OUTSIDE_SCALE
        reading = self.read(value)
        if reading.fault is not None:
            return "", reading.fault
        grades = reading.marks + reading.grades
        if reading.absences or len(grades) > 1:
            return "", Code.CELL_NOT_UNDERSTOOD
        return (grades[0] if grades else ""), None


def _ends(text: str, position: int, code: str) -> bool:
    """A code of letters ends where the letters end."""
    return not code[-1].isalpha() or position >= len(text) or not text[position].isalpha()
