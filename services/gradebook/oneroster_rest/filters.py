"""OneRoster's filter language: at most two comparisons, joined by AND or OR. Pure.

`familyName='Примерова' AND dateLastModified>='2026-09-01'`: values stand in single quotes; a quote inside is doubled.
"""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from enum import Enum
from typing import Literal, TypeVar

MAX_COMPARISONS = 2
_YEARS = range(1900, 2200)
Value = str | Decimal | date | datetime | bool
Predicate = Literal["=", "!=", ">", ">=", "<", "<=", "~"]

_COMPARISON = re.compile(
    r"\s*(?P<field>[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z][A-Za-z0-9_]*)*)"
    r"\s*(?P<predicate>!=|>=|<=|=|>|<|~)"
    r"\s*'(?P<value>(?:[^']|'')*)'"
)
_JOINER = re.compile(r"\s+(?P<joiner>AND|OR)(?=\s)", re.IGNORECASE)


class Kind(Enum):
    """What a field holds."""

    TEXT = "text"
    NUMBER = "numeric"
    DAY = "date"
    INSTANT = "timestamptz"
    TRUTH = "boolean"


class FilterError(ValueError):
    """The filter cannot be understood; the text says why and never quotes a value."""


@dataclass(frozen=True)
class Comparison:
    """One field compared with a value."""

    field: str
    predicate: Predicate
    text: str
    """As given; `value_of` reads it."""


@dataclass(frozen=True)
class Filter:
    """Comparisons that must all hold, or of which one must."""

    comparisons: tuple[Comparison, ...]
    every: bool = True


def parse(text: str) -> Filter:
    """Reads a filter.

    Raises:
        FilterError: it is no filter, or has more than two comparisons.
    """
    comparisons: list[Comparison] = []
    joiners: list[str] = []
    position = 0
    while True:
        found = _COMPARISON.match(text, position)
        if found is None:
            raise FilterError("a filter is: field, one of = != > >= < <= ~, and a value in single quotes")
        value = found["value"].replace("''", "'")
        comparisons.append(Comparison(found["field"], _predicate(found["predicate"]), value))
        position = found.end()
        joiner = _JOINER.match(text, position)
        if joiner is None:
            break
        joiners.append(joiner["joiner"].upper())
        position = joiner.end()
    if text[position:].strip():
        raise FilterError("comparisons are joined by AND or OR")
    if len(comparisons) > MAX_COMPARISONS:
        raise FilterError("a filter has at most two comparisons")
    return Filter(tuple(comparisons), every="OR" not in joiners)


def _predicate(text: str) -> Predicate:
    predicates: dict[str, Predicate] = {"=": "=", "!=": "!=", ">": ">", ">=": ">=", "<": "<", "<=": "<=", "~": "~"}
    return predicates[text]


def value_of(text: str, kind: Kind) -> Value:
    """The value with which a field of this kind is compared. A day as an instant is its first moment in UTC.

    Raises:
        FilterError: it is no such value.
    """
    try:
        match kind:
            case Kind.TEXT:
                return _text(text)
            case Kind.NUMBER:
                return _number(text)
            case Kind.DAY:
                return _storable(date.fromisoformat(text.strip()))
            case Kind.INSTANT:
                moment = _storable(datetime.fromisoformat(text.strip()))
                return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            case Kind.TRUTH:
                return {"true": True, "false": False}[text.strip().lower()]
    except (ValueError, KeyError, InvalidOperation):
        raise FilterError(f"the value is no {kind.value}") from None


def _text(text: str) -> str:
    if "\x00" in text:
        raise ValueError
    return text


D = TypeVar("D", bound=date)


def _storable(day: D) -> D:
    if day.year not in _YEARS:
        raise ValueError
    return day


def _number(text: str) -> Decimal:
    number = Decimal(text.strip())
    # Beyond this nothing is stored, and a long exponent would unfold into megabytes of digits.
    if not number.is_finite() or abs(number) >= Decimal(10) ** 20 or number.adjusted() < -20:
        raise ValueError
    return number
