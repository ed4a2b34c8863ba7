"""A school's settings: what is in force on a day, and stating them from a day on."""

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import BaseModel

from chassis.clock import Clock
from chassis.database import Database
from services.gradebook import policy_queries, roster_queries
from services.gradebook.api.common import Caller, sender_of
from services.gradebook.policy import SchoolPolicy


class PolicyAnswer(BaseModel):
    """The settings in force on a day."""

    on: date
    policy: SchoolPolicy


class PolicySet(BaseModel):
    """What a statement did."""

    changed: bool


def add_policies(router: APIRouter, database: Database, clock: Clock, caller: Caller) -> None:
    """Both endpoints."""

    @router.get("/schools/{school_id}/policy", summary="A school's settings")
    async def read(
        client: caller,
        school_id: UUID,
        on: Annotated[date | None, Query(description="Today if there is none.")] = None,
    ) -> PolicyAnswer:
        async with database.transaction(client.require_school(school_id)) as conn:
            day = on or await roster_queries.today_at(conn, school_id, await clock.now(conn))
            return PolicyAnswer(on=day, policy=await policy_queries.policy_on(conn, school_id, day))

    @router.put(
        "/schools/{school_id}/policy/{valid_from}",
        summary="State a school's settings",
        description="In force from that day until the next statement's; what is left out takes its default.",
    )
    async def state(body: SchoolPolicy, client: caller, school_id: UUID, valid_from: date) -> PolicySet:
        sender = await sender_of(database, client, school_id, "district")
        async with database.transaction(sender.scope()) as conn:
            changed = await policy_queries.set_policy(
                conn,
                school_id,
                valid_from=valid_from,
                policy=body,
                changed_by=sender.changed_by,
                now=await clock.now(conn),
            )
        return PolicySet(changed=changed)
