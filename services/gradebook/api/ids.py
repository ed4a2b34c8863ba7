"""Our ids by the journal's."""

from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from chassis.database import Database
from services.gradebook import handlers
from services.gradebook.api.common import Caller
from services.gradebook.records import ExternalId


class ResolveRequest(BaseModel):
    """Ids of one kind as a journal has them."""

    model_config = ConfigDict(extra="forbid")

    source: Annotated[str, StringConstraints(max_length=100, pattern=r"^[\w.:-]+$")] = "district"
    kind: Literal["person", "group", "subject", "period", "school", "lesson", "control_work", "homework"] = "person"
    ids: list[ExternalId] = Field(min_length=1, max_length=5000)


class ResolveResponse(BaseModel):
    """Our ids by the journal's; those that are unknown to the caller are listed apart."""

    ids: dict[str, UUID]
    unknown: list[str]


def add_ids(router: APIRouter, database: Database, caller: Caller) -> None:
    """The endpoint."""

    @router.post("/ids:resolve", summary="Our ids by the journal's")
    async def resolve(body: ResolveRequest, client: caller) -> ResolveResponse:
        found = await handlers.resolve_ids(database, client.scope(), body.source, kind=body.kind, external_ids=body.ids)
        return ResolveResponse(ids=found, unknown=sorted(set(body.ids) - set(found)))
