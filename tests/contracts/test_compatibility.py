"""The table of forbidden changes: each is noticed, named with its place and reason, and additions pass."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from contracts import generate
from contracts.compatibility import REASONS, Change, breaches, catalogue_breaches
from contracts.generate import current_schemas, main, released_schemas

Schema = dict[str, Any]
Edit = Callable[[Schema], object]

RELEASED: Schema = {
    "$id": "urn:sutki:event:test.thing-changed.v1",
    "x-topic": "test.thing-changed.v1",
    "x-compacted": False,
    "type": "object",
    "required": ["id", "kind", "part", "parts", "count", "on"],
    "properties": {
        "id": {"type": "string", "format": "uuid"},
        "kind": {"$ref": "#/$defs/Kind"},
        "part": {"$ref": "#/$defs/Part"},
        "parts": {"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/Part"}},
        "count": {"type": "integer", "minimum": 1, "maximum": 4},
        "on": {"type": "string", "format": "date"},
        "year": {"type": "string", "pattern": r"^\d{4}$"},
        "note": {"anyOf": [{"type": "string", "maxLength": 50}, {"type": "null"}], "default": None},
        "language": {"type": "string", "default": "ru"},
        "weight": {"type": "string", "format": "decimal", "x-maximum": "10", "x-exclusiveMinimum": "0"},
    },
    "$defs": {
        "Kind": {"type": "string", "enum": ["a", "b"]},
        "Part": {
            "type": "object",
            "required": ["name"],
            "properties": {"name": {"type": "string", "minLength": 1}, "only": {"type": "string", "const": "x"}},
        },
    },
}


def remove(schema: Schema, name: str) -> None:
    del schema["properties"][name]
    if name in schema["required"]:
        schema["required"].remove(name)


def put(*path: str, value: Any) -> Edit:
    """An edit that sets one value."""

    def edit(schema: Schema) -> None:
        node = schema
        for part in path[:-1]:
            node = node[part]
        node[path[-1]] = value

    return edit


def field(name: str, **changes: Any) -> Edit:
    """An edit of one field."""

    def edit(schema: Schema) -> None:
        schema["properties"][name].update(changes)

    return edit


def part(**changes: Any) -> Edit:
    """An edit of the nested object that stands alone and in a list."""

    def edit(schema: Schema) -> None:
        schema["$defs"]["Part"].update(changes)

    return edit


NAME = {"name": {"type": "string", "minLength": 1}}
ONLY = {"only": {"type": "string", "const": "x"}}
NULLABLE_COUNT = {"anyOf": [{"type": "integer", "minimum": 1, "maximum": 4}, {"type": "null"}]}

FORBIDDEN: list[tuple[Change, str, Edit]] = [
    (Change.TOPIC_CHANGED, "", put("x-topic", value="test.other.v1")),
    (Change.COMPACTION_CHANGED, "", put("x-compacted", value=True)),
    (Change.FIELD_REMOVED, "/id", lambda schema: remove(schema, "id")),
    (Change.FIELD_REMOVED, "/note", lambda schema: remove(schema, "note")),
    (Change.FIELD_REMOVED, "/part/only", part(properties=NAME)),
    (Change.FIELD_REMOVED, "/parts[]/only", part(properties=NAME)),
    (
        Change.REQUIRED_FIELD_ADDED,
        "/new",
        lambda schema: (schema["properties"].update(new={"type": "string"}), schema["required"].append("new")),
    ),
    (
        Change.REQUIRED_FIELD_ADDED,
        "/parts[]/new",
        part(properties={**NAME, **ONLY, "new": {"type": "string"}}, required=["name", "new"]),
    ),
    (Change.OPTIONAL_MADE_REQUIRED, "/note", lambda schema: schema["required"].append("note")),
    (Change.REQUIRED_MADE_OPTIONAL, "/count", lambda schema: schema["required"].remove("count")),
    (Change.REQUIRED_MADE_OPTIONAL, "/part/name", part(required=[])),
    (Change.DEFAULT_CHANGED, "/language", field("language", default="en")),
    (Change.DEFAULT_CHANGED, "/language", lambda schema: schema["properties"]["language"].pop("default")),
    (Change.TYPE_CHANGED, "/count", field("count", type="string")),
    (Change.TYPE_CHANGED, "/part", put("properties", "part", value={"type": "string"})),
    (
        Change.TYPE_CHANGED,
        "/note",
        field("note", anyOf=[{"type": "string", "maxLength": 50}, {"type": "integer"}, {"type": "null"}]),
    ),
    (Change.NULL_ALLOWED, "/count", put("properties", "count", value=NULLABLE_COUNT)),
    (
        Change.NULL_FORBIDDEN,
        "/note",
        put("properties", "note", value={"type": "string", "maxLength": 50, "default": None}),
    ),
    (Change.FORMAT_CHANGED, "/on", field("on", format="date-time")),
    (Change.FORMAT_CHANGED, "/id", lambda schema: schema["properties"]["id"].pop("format")),
    (Change.PATTERN_CHANGED, "/year", field("year", pattern=r"^\d{4}/\d{4}$")),
    (Change.ENUM_VALUE_REMOVED, "/kind", put("$defs", "Kind", "enum", value=["a"])),
    (Change.ENUM_VALUE_ADDED, "/kind", put("$defs", "Kind", "enum", value=["a", "b", "c"])),
    (Change.ENUM_VALUE_ADDED, "/kind", put("$defs", "Kind", value={"type": "string"})),
    (Change.ENUM_VALUE_REMOVED, "/language", field("language", enum=["ru", "en"])),
    (
        Change.ENUM_VALUE_ADDED,
        "/part/only",
        part(properties={**NAME, "only": {"type": "string", "enum": ["x", "y"]}}),
    ),
    (Change.BOUND_NARROWED, "/count", field("count", minimum=2)),
    (Change.BOUND_NARROWED, "/count", field("count", maximum=3)),
    (Change.BOUND_NARROWED, "/language", field("language", maxLength=5)),
    (Change.BOUND_NARROWED, "/parts", field("parts", minItems=2)),
    (Change.BOUND_NARROWED, "/parts", field("parts", maxItems=9)),
    (Change.BOUND_NARROWED, "/weight", put("properties", "weight", "x-maximum", value="9.5")),
    (Change.BOUND_NARROWED, "/note", field("note", anyOf=[{"type": "string", "maxLength": 49}, {"type": "null"}])),
    (Change.BOUND_WIDENED, "/count", field("count", minimum=0)),
    (Change.BOUND_WIDENED, "/count", field("count", maximum=5)),
    (Change.BOUND_WIDENED, "/part/name", part(properties={"name": {"type": "string"}, **ONLY})),
    (Change.BOUND_WIDENED, "/weight", put("properties", "weight", "x-maximum", value="100")),
]

ALLOWED: list[tuple[str, Edit]] = [
    ("nothing", lambda schema: schema),
    ("an optional field", field("note")),
    ("a new optional field", put("properties", "new", value={"type": "string", "default": ""})),
    ("a new optional field in a part", part(properties={**NAME, **ONLY, "new": {"type": "string", "default": ""}})),
    ("a description", field("count", description="How many there are.")),
    ("a title", put("title", value="Thing")),
    ("the order of enum values", put("$defs", "Kind", "enum", value=["b", "a"])),
    ("the order of required fields", lambda schema: schema["required"].reverse()),
    ("a reference written out", put("properties", "kind", value={"type": "string", "enum": ["a", "b"]})),
    (
        "a definition's name",
        lambda schema: (
            schema["$defs"].update(Sort=schema["$defs"].pop("Kind")),
            schema["properties"].update(kind={"$ref": "#/$defs/Sort"}),
        ),
    ),
]


def edited(edit: Edit) -> Schema:
    schema = deepcopy(RELEASED)
    edit(schema)
    return schema


@pytest.mark.parametrize(("change", "path", "edit"), FORBIDDEN, ids=[f"{row[0]} {row[1]}" for row in FORBIDDEN])
def test_a_forbidden_change_is_noticed(change, path, edit):
    found = breaches(RELEASED, edited(edit))
    assert (change, path) in [(breach.change, breach.path) for breach in found]
    assert {breach.change for breach in found} == {change}


@pytest.mark.parametrize("edit", [row[1] for row in ALLOWED], ids=[row[0] for row in ALLOWED])
def test_an_addition_is_no_breach(edit):
    assert breaches(RELEASED, edited(edit)) == []


def test_every_forbidden_change_has_a_row_and_a_reason():
    assert {row[0] for row in FORBIDDEN} | {Change.EVENT_REMOVED} == set(Change) == set(REASONS)


def test_an_event_may_come_and_may_not_go():
    added = {"a": RELEASED, "b": RELEASED}
    assert catalogue_breaches({"a": RELEASED}, added) == {}
    found = catalogue_breaches(added, {"a": RELEASED})
    assert [breach.change for breach in found["b"]] == [Change.EVENT_REMOVED]


def test_a_breach_says_what_where_and_why():
    (breach,) = breaches(RELEASED, edited(field("count", maximum=3)))
    assert str(breach) == (
        "/count: bound narrowed (maximum 4 → 3); forbidden, since messages that lie in the topic may be outside of it"
    )


def test_no_contract_breaks_what_was_released():
    assert released_schemas() != {}
    assert catalogue_breaches(released_schemas(), current_schemas()) == {}


@pytest.mark.parametrize("name", sorted(current_schemas()))
def test_a_change_of_any_real_event_would_be_noticed(name):
    schema = current_schemas()[name]
    required = schema["required"][-1]
    broken = deepcopy(schema)
    remove(broken, required)
    assert [(breach.change, breach.path) for breach in breaches(schema, broken)] == [
        (Change.FIELD_REMOVED, f"/{required}")
    ]


def test_a_release_with_a_forbidden_change_is_refused(monkeypatch, tmp_path, capsys):
    assert generate.release(tmp_path) == {}
    assert released_schemas(tmp_path) == current_schemas()
    broken = current_schemas()
    remove(broken["gradebook.mark-recorded.v1"], "weight")
    monkeypatch.setattr(generate, "current_schemas", lambda: broken)
    assert list(generate.release(tmp_path)) == ["gradebook.mark-recorded.v1"]
    assert "weight" in released_schemas(tmp_path)["gradebook.mark-recorded.v1"]["properties"]
    assert main(["--check"]) == 1
    assert "/weight: field removed; forbidden" in capsys.readouterr().err
