"""Bodies of bulk requests: a JSON array or NDJSON, record by record: one bad record does not cost the others."""

import re
from dataclasses import dataclass, field
from typing import Any

import orjson
from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from chassis.problems import Fault, Problem, pointer
from services.gradebook import rejections
from services.gradebook.records import Record
from services.gradebook.rejections import Code
from services.gradebook.taking import BATCH, Outcome, Placed

NDJSON = "application/x-ndjson"
MAX_RECORDS = BATCH


class Rejected(BaseModel):
    """One record, or one field of it, that was not taken."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    pointer: str
    """JSON pointer: the record's index (from 0; for NDJSON the line's), and the field."""
    field: str
    """Empty when no single field is at fault."""
    code: str
    detail: str


class Taken(BaseModel):
    """What became of a bulk request."""

    added: int
    changed: int
    unchanged: int
    rejected: list[Rejected] = Field(default_factory=list)


@dataclass
class Parsed:
    """The records of a body, and the faults of those that do not fit."""

    rows: list[Placed[Record]] = field(default_factory=list)
    faults: list[tuple[int, rejections.Fault]] = field(default_factory=list)


async def read_body(request: Request, max_bytes: int) -> bytes:
    """The body.

    Raises:
        Problem: 413, it is too large.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > max_bytes:
            raise Problem(413, "body_too_large", f"The body is larger than {max_bytes} bytes; send it in parts.")
    return bytes(body)


def parse(body: bytes, media_type: str, model: type[Record]) -> Parsed:
    """The records of a body.

    Raises:
        Problem: 415, 422 or 413, the body as a whole does not fit.
    """
    kind = media_type.partition(";")[0].strip().lower()
    if kind == NDJSON:
        items: list[Any] = [line for line in body.split(b"\n") if line.strip()]
    elif kind in ("", "application/json"):
        items = _array(body)
    else:
        raise Problem(415, "unsupported_media_type", f"Send application/json or {NDJSON}.")
    if len(items) > MAX_RECORDS:
        raise Problem(413, "too_many_records", f"At most {MAX_RECORDS} records in one request; send them in parts.")
    parsed = Parsed()
    for place, item in enumerate(items):
        try:
            # A misspelt field must not silently leave a grade released that was to be held.
            record = (
                model.model_validate_json(item, extra="forbid")
                if kind == NDJSON
                else model.model_validate(item, extra="forbid")
            )
        except ValidationError as error:
            parsed.faults += [(place, fault) for fault in rejections.faults_of(error)]
        else:
            parsed.rows.append(Placed(place, record))
    return parsed


def _array(body: bytes) -> list[Any]:
    try:
        items = orjson.loads(body)
    except orjson.JSONDecodeError:
        items = None
    if not isinstance(items, list):
        fault = Fault("", Code.BAD_JSON, "A JSON array of records is needed.")
        raise Problem(422, "invalid_body", "The body is no JSON array.", errors=[fault])
    return items


def answer(outcome: Outcome, faults: list[tuple[int, rejections.Fault]]) -> dict[str, Any]:
    """The response as JSON has it."""
    taken = Taken(added=outcome.added, changed=outcome.changed, unchanged=outcome.unchanged, rejected=rejected(faults))
    return taken.model_dump(mode="json")


def nothing_taken(faults: list[tuple[int, rejections.Fault]]) -> Problem:
    """The problem of a request whose records do not all fit."""
    errors = [Fault(item.pointer, item.code, item.detail) for item in rejected(faults)]
    title = "Some records do not fit, so that none was taken; see errors, or send with ?partial=true."
    told = "Часть записей не подходит, поэтому не принята ни одна: смотрите errors или отправьте с ?partial=true."
    return Problem(422, "nothing_taken", title, told, errors=errors)


def rejected(faults: list[tuple[int, rejections.Fault]]) -> list[Rejected]:
    """What was not taken, in the order of the records."""
    return [_rejected(place, fault) for place, fault in sorted(faults, key=lambda item: item[0])]


def _rejected(place: int, fault: rejections.Fault) -> Rejected:
    where = [place, fault.field] if fault.field else [place]
    return Rejected(
        pointer=pointer(where), field=fault.field, code=fault.code, detail=rejections.text(fault.code, "en")
    )


def request_body(model: type[Record]) -> dict[str, Any]:
    """What OpenAPI says of the body."""
    schema = _schema(model)
    return {
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": {"type": "array", "maxItems": MAX_RECORDS, "items": schema}},
                NDJSON: {"schema": {"type": "string", "description": "One record a line."}},
            },
        }
    }


def record_body(model: type[Record], key: str) -> dict[str, Any]:
    """What OpenAPI says of the body of one record, whose id the address has already."""
    schema = _schema(model)
    schema["required"] = [name for name in schema["required"] if name != key]
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}


def _schema(model: type[Record]) -> dict[str, Any]:
    schema = model.model_json_schema(mode="validation")
    inlined: dict[str, Any] = _inlined(schema, schema.pop("$defs", {}))
    return inlined | {"additionalProperties": False}


def _inlined(part: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(part, dict):
        reference = part.get("$ref", "")
        if match := re.fullmatch(r"#/\$defs/(.+)", str(reference)):
            return _inlined(definitions[match[1]], definitions)
        return {name: _inlined(value, definitions) for name, value in part.items()}
    return [_inlined(item, definitions) for item in part] if isinstance(part, list) else part
