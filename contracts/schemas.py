"""The JSON Schema of what travels, made from the contracts.

It describes messages as a reader has to take them: unknown fields are allowed, since a newer writer may add some, and a
decimal number is a string, as it stands on the wire.
"""

from typing import Any

from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from contracts.base import Event
from contracts.catalogue import carrier

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
_BOUNDS = {"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"}


class WireSchema(GenerateJsonSchema):
    """Says how values stand on the wire."""

    def decimal_schema(self, schema: core_schema.DecimalSchema) -> JsonSchemaValue:
        """A decimal is a string; JSON Schema cannot bound it, so its bounds stand as extensions (`x-minimum` …)."""
        bounds = {f"x-{name}": str(schema[key]) for key, name in _BOUNDS.items() if key in schema}  # type: ignore[literal-required]
        if "decimal_places" in schema:
            bounds["x-decimalPlaces"] = str(schema["decimal_places"])
        return {"type": "string", "format": "decimal", "pattern": r"^-?\d+(\.\d+)?([eE][+-]?\d+)?$", **bounds}


def schema_of(event: type[Event]) -> Schema:
    """The JSON Schema of one event's value, with the topic and whether it is compacted as extensions."""
    schema = event.model_json_schema(mode="serialization", schema_generator=WireSchema)
    return {
        "$schema": DIALECT,
        "$id": f"urn:sutki:event:{event.TOPIC}",
        "x-topic": carrier(event),
        "x-compacted": event.COMPACTED,
        **_opened(schema),
    }


def _opened(node: Any) -> Any:
    """Without titles that only repeat a field's name, and open for what newer writers add."""
    if isinstance(node, list):
        return [_opened(item) for item in node]
    if not isinstance(node, dict):
        return node
    opened = {}
    for key, value in node.items():
        if key == "additionalProperties" and value is False:
            continue
        if key in ("properties", "$defs") and isinstance(value, dict):
            opened[key] = {name: _without_title(_opened(part)) for name, part in value.items()}
        else:
            opened[key] = _opened(value)
    return opened


def _without_title(part: Any) -> Any:
    return {key: value for key, value in part.items() if key != "title"} if isinstance(part, dict) else part
