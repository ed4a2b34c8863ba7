"""What may not change in a released event within its major version, and why.

Services are updated one after the other, and topics hold old messages: an older reader must take what a newer writer
sends, and a newer reader what an older writer sent. So within a major version fields are only ever added, optional,
with a default. Everything else is a new topic (`….v2`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Schema = Mapping[str, Any]


class Change(StrEnum):
    """A change that is forbidden within a major version."""

    EVENT_REMOVED = "event removed"
    TOPIC_CHANGED = "topic changed"
    COMPACTION_CHANGED = "compaction changed"
    FIELD_REMOVED = "field removed"
    REQUIRED_FIELD_ADDED = "required field added"
    OPTIONAL_MADE_REQUIRED = "optional field made required"
    REQUIRED_MADE_OPTIONAL = "required field made optional"
    DEFAULT_CHANGED = "default changed"
    TYPE_CHANGED = "type changed"
    NULL_ALLOWED = "null allowed"
    NULL_FORBIDDEN = "null forbidden"
    FORMAT_CHANGED = "format changed"
    PATTERN_CHANGED = "pattern changed"
    ENUM_VALUE_REMOVED = "enum value removed"
    ENUM_VALUE_ADDED = "enum value added"
    BOUND_NARROWED = "bound narrowed"
    BOUND_WIDENED = "bound widened"


REASONS: Mapping[Change, str] = {
    Change.EVENT_REMOVED: "its readers would wait for it for ever",
    Change.TOPIC_CHANGED: "its readers listen where it was",
    Change.COMPACTION_CHANGED: "a compacted topic forgets history, another never forgets the erased",
    Change.FIELD_REMOVED: "older readers need it or show its default as if it were a fact",
    Change.REQUIRED_FIELD_ADDED: "messages that lie in the topic do not have it",
    Change.OPTIONAL_MADE_REQUIRED: "messages that lie in the topic may not have it",
    Change.REQUIRED_MADE_OPTIONAL: "older readers refuse a message without it",
    Change.DEFAULT_CHANGED: "a message without the field would mean something else to older and newer readers",
    Change.TYPE_CHANGED: "neither side can read the other's messages",
    Change.NULL_ALLOWED: "older readers refuse null",
    Change.NULL_FORBIDDEN: "messages that lie in the topic may hold null",
    Change.FORMAT_CHANGED: "the same text would be read as something else, or not at all",
    Change.PATTERN_CHANGED: "one side refuses what the other writes",
    Change.ENUM_VALUE_REMOVED: "messages that lie in the topic may hold it",
    Change.ENUM_VALUE_ADDED: "older readers refuse a value that they do not know",
    Change.BOUND_NARROWED: "messages that lie in the topic may be outside of it",
    Change.BOUND_WIDENED: "older readers refuse what is outside of the old one",
}


@dataclass(frozen=True)
class Breach:
    """A forbidden change that was made."""

    change: Change
    path: str
    """Where: fields joined by `/`, `[]` for the items of a list."""
    detail: str = ""

    def __str__(self) -> str:
        """For people: what, where, and why it is forbidden."""
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.path or '/'}: {self.change}{detail}; forbidden, since {REASONS[self.change]}"


_LOWER_BOUNDS = ("minimum", "exclusiveMinimum", "minLength", "minItems", "x-minimum", "x-exclusiveMinimum")
_UPPER_BOUNDS = (
    "maximum",
    "exclusiveMaximum",
    "maxLength",
    "maxItems",
    "x-maximum",
    "x-exclusiveMaximum",
    "x-decimalPlaces",
)
_NULL = {"type": "null"}
_ABSENT = object()


def breaches(released: Schema, current: Schema) -> list[Breach]:
    """Compares the released schema of an event with the present one.

    Args:
        released: JSON Schema as it was released.
        current: JSON Schema as the code has it now.

    Returns:
        Every forbidden change; none when the present one only adds optional fields (or changes descriptions).
    """
    found: list[Breach] = []
    if released.get("x-topic") != current.get("x-topic"):
        found.append(Breach(Change.TOPIC_CHANGED, "", f"{released.get('x-topic')} → {current.get('x-topic')}"))
    if released.get("x-compacted") != current.get("x-compacted"):
        found.append(Breach(Change.COMPACTION_CHANGED, ""))
    found += _compare(_Node(released, released), _Node(current, current), "")
    return found


def catalogue_breaches(released: Mapping[str, Schema], current: Mapping[str, Schema]) -> dict[str, list[Breach]]:
    """Compares all events by their type; a new event is no breach, one that is gone is.

    Returns:
        The breaches of each event that has some.
    """
    found = {
        event: breaches(schema, current[event]) if event in current else [Breach(Change.EVENT_REMOVED, "")]
        for event, schema in released.items()
    }
    return {event: made for event, made in found.items() if made}


@dataclass(frozen=True)
class _Node:
    """A part of a schema, with the whole in which its references are found."""

    part: Schema
    whole: Schema

    def plain(self) -> "_Node":
        """Without references."""
        part = self.part
        while "$ref" in part:
            beside = {key: value for key, value in part.items() if key != "$ref"}
            part = {**self.whole["$defs"][part["$ref"].removeprefix("#/$defs/")], **beside}
        return _Node(part, self.whole)

    def options(self) -> "list[_Node]":
        """What a value may be, beside null."""
        return [_Node(one, self.whole).plain() for one in self.part.get("anyOf", [self.part]) if one != _NULL]

    @property
    def nullable(self) -> bool:
        """Whether null is allowed."""
        return _NULL in self.part.get("anyOf", []) or self.part == _NULL


def _compare(old: _Node, new: _Node, path: str) -> Iterator[Breach]:
    old, new = old.plain(), new.plain()
    if old.nullable != new.nullable:
        yield Breach(Change.NULL_ALLOWED if new.nullable else Change.NULL_FORBIDDEN, path)
    before, after = old.options(), new.options()
    if [_kind(one) for one in before] != [_kind(one) for one in after]:
        yield Breach(Change.TYPE_CHANGED, path, f"{_kinds(before)} → {_kinds(after)}")
        return
    for one, other in zip(before, after, strict=True):
        yield from _compare_values(one.part, other.part, path)
        yield from _compare_fields(one, other, path)
        if "items" in one.part and "items" in other.part:
            yield from _compare(
                _Node(one.part["items"], one.whole), _Node(other.part["items"], other.whole), f"{path}[]"
            )


def _kind(node: _Node) -> str:
    return str(node.part.get("type", "any"))


def _kinds(nodes: list[_Node]) -> str:
    return " or ".join(_kind(node) for node in nodes) or "null"


def _compare_values(old: Schema, new: Schema, path: str) -> Iterator[Breach]:
    if old.get("format") != new.get("format"):
        yield Breach(Change.FORMAT_CHANGED, path, f"{old.get('format')} → {new.get('format')}")
    if old.get("pattern") != new.get("pattern"):
        yield Breach(Change.PATTERN_CHANGED, path, f"{old.get('pattern')} → {new.get('pattern')}")
    yield from _compare_enums(old, new, path)
    for name in (*_LOWER_BOUNDS, *_UPPER_BOUNDS):
        yield from _compare_bound(name, old, new, path)


def _compare_enums(old: Schema, new: Schema, path: str) -> Iterator[Breach]:
    before, after = _allowed(old), _allowed(new)
    if before is None and after is None:
        return
    if before is None or after is None:
        change = Change.ENUM_VALUE_ADDED if after is None else Change.ENUM_VALUE_REMOVED
        yield Breach(change, path, "any value was allowed" if before is None else "any value is allowed")
        return
    for value in before:
        if value not in after:
            yield Breach(Change.ENUM_VALUE_REMOVED, path, str(value))
    for value in after:
        if value not in before:
            yield Breach(Change.ENUM_VALUE_ADDED, path, str(value))


def _allowed(schema: Schema) -> list[Any] | None:
    if "const" in schema:
        return [schema["const"]]
    values = schema.get("enum")
    return None if values is None else list(values)


def _compare_bound(name: str, old: Schema, new: Schema, path: str) -> Iterator[Breach]:
    before, after = old.get(name), new.get(name)
    if before == after:
        return
    if before is None or after is None:
        narrowed = before is None
    else:
        narrowed = (float(after) > float(before)) == (name in _LOWER_BOUNDS)
    change = Change.BOUND_NARROWED if narrowed else Change.BOUND_WIDENED
    yield Breach(change, path, f"{name} {before} → {after}")


def _compare_fields(old: _Node, new: _Node, path: str) -> Iterator[Breach]:
    before, after = old.part.get("properties", {}), new.part.get("properties", {})
    was, must = set(old.part.get("required", ())), set(new.part.get("required", ()))
    for name, field in before.items():
        here = f"{path}/{name}"
        if name not in after:
            yield Breach(Change.FIELD_REMOVED, here)
            continue
        if name in was and name not in must:
            yield Breach(Change.REQUIRED_MADE_OPTIONAL, here)
        elif name in must and name not in was:
            yield Breach(Change.OPTIONAL_MADE_REQUIRED, here)
        elif field.get("default", _ABSENT) != after[name].get("default", _ABSENT):
            yield Breach(Change.DEFAULT_CHANGED, here)
        yield from _compare(_Node(field, old.whole), _Node(after[name], new.whole), here)
    for name in after:
        if name not in before and name in must:
            yield Breach(Change.REQUIRED_FIELD_ADDED, f"{path}/{name}")
