"""Releasing and withdrawing final grades, and reading results back."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter
from fastapi import Path as InPath
from pydantic import BaseModel, ConfigDict, Field, model_validator

from chassis.clock import Clock
from chassis.database import Database
from chassis.problems import Problem
from services.gradebook import handlers, queries
from services.gradebook.api.common import Caller, Source, answered, sender_of
from services.gradebook.api.describing import problems
from services.gradebook.reading import StudentResults, student_results
from services.gradebook.records import ExternalId


class ReleaseRequest(BaseModel):
    """Which final grades are released: by their ids, or a class for a period. All ids are the journal's."""

    model_config = ConfigDict(extra="forbid")

    result_ids: list[ExternalId] | None = Field(default=None, min_length=1, max_length=5000)
    period_id: ExternalId | None = None
    class_id: ExternalId | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> "ReleaseRequest":
        by_class = self.period_id is not None and self.class_id is not None
        named = self.result_ids is not None
        if by_class == named or (named and (self.period_id or self.class_id)):
            raise ValueError("give either result_ids, or period_id together with class_id")
        return self


class ReleaseResponse(BaseModel):
    """What was released."""

    released: int
    unknown: list[str]


def add_results(router: APIRouter, database: Database, clock: Clock, caller: Caller) -> None:
    """Release, withdrawal and reading."""

    @router.post("/schools/{school_id}/final-grades/release", summary="Release held final grades")
    async def release(
        body: ReleaseRequest, client: caller, school_id: UUID, source: Source = "district"
    ) -> ReleaseResponse:
        sender = await sender_of(database, client, school_id, source)
        if body.period_id is not None and body.class_id is not None:
            released = await handlers.release_class(
                database, clock, sender, period_id=body.period_id, class_id=body.class_id
            )
            return ReleaseResponse(released=released, unknown=[])
        done = await handlers.release_results(database, clock, sender, body.result_ids or [])
        return ReleaseResponse(released=done.released, unknown=done.unknown)

    @router.post(
        "/schools/{school_id}/final-grades/{result_id:path}/withdraw",
        summary="Withdraw a final grade",
        status_code=204,
        responses=problems(409),
    )
    async def withdraw(
        result_id: Annotated[ExternalId, InPath(description="The journal's id.")],
        client: caller,
        school_id: UUID,
        source: Source = "district",
    ) -> None:
        sender = await sender_of(database, client, school_id, source)
        if not await answered(handlers.withdraw_result(database, clock, sender, result_id)):
            raise Problem(404, "unknown_result", "This school has no final grade of that id and source.")

    @router.get("/schools/{school_id}/students/{student_id}/results", summary="Results of a student")
    async def results(client: caller, school_id: UUID, student_id: UUID) -> StudentResults:
        scope = client.require_school(school_id)
        async with database.transaction(scope) as conn:
            rows = [dict(row) for row in await queries.results_of_student(conn, student_id, school_id)]
        return student_results(student_id, rows)
