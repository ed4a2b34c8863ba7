"""Control works that would clash, before they are saved."""

from uuid import UUID

from fastapi import APIRouter, Request
from pydantic import BaseModel

from chassis.clock import Clock
from chassis.database import Database
from services.gradebook import handlers
from services.gradebook.api.common import Caller, Source, sender_of
from services.gradebook.api.describing import problems
from services.gradebook.bodies import Rejected, parse, read_body, rejected, request_body
from services.gradebook.control_works import Rule
from services.gradebook.records import ControlWorkRecord

MAX_BYTES = 4 << 20


class ClashAnswer(BaseModel):
    """A control work that cannot stand beside others."""

    control_work_id: str
    """The journal's id."""
    rule: Rule
    class_id: UUID
    with_ids: list[UUID]


class ClashesAnswer(BaseModel):
    """What would clash, and what could not be judged."""

    clashes: list[ClashAnswer]
    rejected: list[Rejected]


def add_clashes(router: APIRouter, database: Database, clock: Clock, caller: Caller) -> None:
    """The endpoint."""

    @router.post(
        "/schools/{school_id}/control-works/check",
        summary="Check control works for clashes",
        description="Judges the records as sending them would, and saves nothing.",
        responses=problems(415),
        openapi_extra=request_body(ControlWorkRecord),
    )
    async def check(request: Request, client: caller, school_id: UUID, source: Source = "district") -> ClashesAnswer:
        sender = await sender_of(database, client, school_id, source)
        body = await read_body(request, MAX_BYTES)
        parsed = parse(body, request.headers.get("content-type", ""), ControlWorkRecord)
        found, faults = await handlers.check_control_works(database, clock, sender, parsed.rows)
        answers = [
            ClashAnswer(control_work_id=name, rule=clash.rule, class_id=clash.class_id, with_ids=list(clash.with_ids))
            for name, clash in found
        ]
        return ClashesAnswer(clashes=answers, rejected=rejected(parsed.faults + faults))
