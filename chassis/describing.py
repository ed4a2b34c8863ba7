"""What the OpenAPI document says of every endpoint alike: its id, and the problems with which it may answer."""

from http import HTTPStatus
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field

from chassis.problems import MEDIA_TYPE

Responses = dict[int | str, dict[str, Any]]


class FaultBody(BaseModel):
    """One thing that is wrong with a request."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    pointer: str
    """JSON pointer (RFC 6901) into the body, or `#/query/…`."""
    code: str
    detail: str


class ProblemBody(BaseModel):
    """Problem details (RFC 9457)."""

    model_config = ConfigDict(use_attribute_docstrings=True, title="Problem")

    type: str
    title: str
    """A sentence in English."""
    status: int = Field(ge=400, le=599)
    code: str
    """Stable, for programs."""
    detail: str = ""
    """More, or the sentence in Russian."""
    errors: list[FaultBody] = Field(default_factory=list)
    """Each thing that is wrong."""


def _schema() -> dict[str, Any]:
    schema = ProblemBody.model_json_schema(mode="validation")
    faults = schema.pop("$defs")["FaultBody"]
    schema["properties"]["errors"]["items"] = faults
    return schema


def problems(*statuses: int) -> Responses:
    """The problems of these statuses, as an endpoint's `responses`."""
    return {
        status: {"description": HTTPStatus(status).phrase, "content": {MEDIA_TYPE: {"schema": _schema()}}}
        for status in statuses
    }


ALWAYS = problems(400, 401, 403, 404, 413, 422)
"""What every endpoint may answer: nobody it knows, another school's, nothing there, or a request that does not fit."""


def operation_id(route: APIRoute) -> str:
    """The id of an operation that states none: what it does to which part of the address."""
    method = min(route.methods or {"GET"})
    parts = [part.replace("-", "_").replace(".", "_").replace(":", "_") for part in route.path.split("/")]
    return "_".join([method.lower(), *(part for part in parts[2:] if part and not part.startswith("{"))])


def described(*routers: APIRouter) -> APIRouter:
    """The routers as one, each endpoint with the problems that every endpoint may answer."""
    together = APIRouter(responses=ALWAYS)
    for router in routers:
        together.include_router(router)
    return together
