"""From a client's filter, sort and cursor to SQL: names come from a collection's fields, values are parameters."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import orjson

from services.gradebook.oneroster_rest.filters import Comparison, Filter, FilterError, Kind, value_of


@dataclass(frozen=True)
class Column:
    """Where a field is found in a collection's query."""

    name: str
    kind: Kind = Kind.TEXT
    many: bool = False
    """An array: a comparison holds when it holds for one of its members; `!=` when none is equal."""


class BadCursorError(ValueError):
    """A cursor that this service did not give out for this order."""


class UnknownFieldError(FilterError):
    """The collection has no such field."""


@dataclass
class Parameters:
    """Values in the order in which the statement numbers them."""

    values: list[Any] = field(default_factory=list)

    def add(self, value: object) -> str:
        """The placeholder of one more value."""
        self.values.append(value)
        return f"${len(self.values)}"


def condition(wanted: Filter, columns: Mapping[str, Column], parameters: Parameters) -> str:
    """The filter as a condition over `t`.

    Raises:
        FilterError: a field is unknown, or a value does not fit it.
    """
    parts = [_comparison(comparison, columns, parameters) for comparison in wanted.comparisons]
    return "(" + (" AND " if wanted.every else " OR ").join(parts) + ")"


def _comparison(comparison: Comparison, columns: Mapping[str, Column], parameters: Parameters) -> str:
    column = columns.get(comparison.field)
    if column is None:
        raise UnknownFieldError("there is no such field to filter by")
    value = value_of(comparison.text, column.kind)
    if comparison.predicate == "~" and column.kind is not Kind.TEXT:
        raise FilterError("~ is for texts")
    given = f"{parameters.add(value)}::{column.kind.value}"
    if column.kind is Kind.TEXT:
        # Byte order, the same on every server.
        given += ' COLLATE "C"'
    if not column.many:
        return _single(f"t.{column.name}", comparison.predicate, given)
    if comparison.predicate == "!=":
        return f"(NOT coalesce({given} = ANY(t.{column.name}), false))"
    held = _single("m.member", comparison.predicate, given)
    return f"EXISTS (SELECT FROM unnest(t.{column.name}) AS m (member) WHERE {held})"


def _single(name: str, predicate: str, given: str) -> str:
    if predicate == "~":
        return f"coalesce(strpos({name}, {given}) > 0, false)"
    if predicate == "!=":
        return f"{name} IS DISTINCT FROM {given}"
    return f"coalesce({name} {predicate} {given}, false)"


@dataclass(frozen=True)
class Order:
    """How a collection is sorted. Whatever it is, the key comes last: no two rows are equal."""

    key_type: str
    """SQL type of the key: uuid or text."""
    column: Column | None = None
    descending: bool = False

    def key(self) -> str:
        """The key as it is compared."""
        return 't.key COLLATE "C"' if self.key_type == "text" else "t.key"

    def sql(self) -> str:
        """The ORDER BY."""
        if self.column is None:
            return self.key()
        direction = "DESC" if self.descending else "ASC"
        return f"{self._sorted_by(self.column)} {direction} NULLS LAST, {self.key()}"

    @staticmethod
    def _sorted_by(column: Column) -> str:
        return f't.{column.name} COLLATE "C"' if column.kind is Kind.TEXT else f"t.{column.name}"

    def cursor(self, row: Mapping[str, Any]) -> str:
        """What follows this row is asked for by this text."""
        value = None if self.column is None else row[self.column.name]
        return base64.urlsafe_b64encode(orjson.dumps([_told(value), str(row["key"])])).decode().rstrip("=")

    def after(self, cursor: str, parameters: Parameters) -> str:
        """The condition over `t` for the rows behind a cursor.

        Raises:
            BadCursorError: it is none of ours, or of another order.
        """
        value, key = self._read(cursor)
        behind = f"{self.key()} > {parameters.add(key)}::{self.key_type}"
        if self.column is None:
            return behind
        name = f"t.{self.column.name}"
        if value is None:
            return f"({name} IS NULL AND {behind})"
        given = f"{parameters.add(value)}::{self.column.kind.value}"
        sign = "<" if self.descending else ">"
        return f"({self._sorted_by(self.column)} {sign} {given} OR ({name} = {given} AND {behind}) OR {name} IS NULL)"

    def _read(self, cursor: str) -> tuple[Any, UUID | str]:
        try:
            value, key = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
            if not isinstance(key, str) or "\x00" in key:
                raise BadCursorError
            if value is not None and self.column is not None:
                value = value_of(value, self.column.kind)
            return value, UUID(key) if self.key_type == "uuid" else key
        except (ValueError, TypeError, AttributeError, binascii.Error):
            raise BadCursorError from None


def _told(value: object) -> str | None:
    match value:
        case None:
            return None
        case bool():
            return str(value).lower()
        case datetime() | date():
            return value.isoformat()
        case Decimal():
            return str(value)
        case _:
            return str(value)
