"""The publisher's HTTP API: the deadline board, proofs, the ledger, and mails that wait for an operator."""

import base64
import binascii
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict

from chassis import access_log
from chassis.auth import Client, client_auth
from chassis.clock import Clock
from chassis.database import Database
from chassis.problems import Problem
from services.publisher import ledger, proving
from services.publisher.mail.listing import LISTED
from services.publisher.queries import board, delivery
from services.publisher.queries import ledger as ledger_queries


class _Answer(BaseModel):
    model_config = ConfigDict(from_attributes=True, use_attribute_docstrings=True)


class ObligationView(_Answer):
    """What is owed to one recipient about one version of a result."""

    obligation_id: UUID
    result_id: UUID
    value_revision: int
    student_id: UUID
    recipient_id: UUID
    route: str
    moved_reason: str | None
    """Why the clock moved it to paper, if it did."""
    state: str
    obtained_at: datetime
    due_at: datetime
    available_at: datetime | None
    late: str | None
    overdue_at: datetime | None
    request_id: UUID | None
    """The request for paper on which it stands."""


class ObligationPage(_Answer):
    """A page of the deadline board, the most urgent first."""

    items: list[ObligationView]
    next_cursor: str | None
    """For the next page; absent on the last one."""


class RouteSummaryView(_Answer):
    """What is open at a school by one route."""

    route: str
    open: int
    overdue: int
    due_within_4_hours: int
    in_print: int
    next_due_at: datetime


class SummaryView(_Answer):
    """What is open at a school."""

    school_id: UUID
    as_of: datetime
    routes: list[RouteSummaryView]


class ProofView(_Answer):
    """Everything that the ledger says about a result."""

    result_id: UUID
    school_id: UUID
    student_id: UUID
    value_revision: int
    entries: list[dict[str, Any]]
    """Ledger entries in order: who could have it, since when, by which route, on what ground."""


class ListedMailView(_Answer):
    """A mail that an operator should look at."""

    notification_id: UUID
    """Also the local part of its Message-ID."""
    school_id: UUID
    student_id: UUID
    recipient_id: UUID
    channel: str
    state: str
    reason: str | None
    attempts: int
    queued_at: datetime
    claimed_at: datetime | None
    settled_at: datetime


class ListedMailPage(_Answer):
    """Mails that an operator should look at, oldest first."""

    items: list[ListedMailView]
    next_cursor: str | None


Limit = Annotated[int, Query(ge=1, le=500, description="Items on a page.")]
Cursor = Annotated[str | None, Query(max_length=200, description="`next_cursor` of the page before.")]


def write_cursor(instant: datetime, number: UUID) -> str:
    """A place in a list that is ordered by an instant and an id."""
    return base64.urlsafe_b64encode(f"{instant.isoformat()}|{number}".encode()).decode().rstrip("=")


def read_cursor(cursor: str | None) -> tuple[datetime, UUID] | None:
    """Reads a cursor.

    Raises:
        Problem: 422, it is none of ours.
    """
    if cursor is None:
        return None
    try:
        text = base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)).decode()
        instant, _, number = text.partition("|")
        moment, identity = datetime.fromisoformat(instant), UUID(number)
    except (binascii.Error, UnicodeError, ValueError) as error:
        raise Problem(422, "invalid_cursor", "The cursor is not one of this list.") from error
    if moment.tzinfo is None:
        raise Problem(422, "invalid_cursor", "The cursor is not one of this list.")
    return moment, identity


def make_router(database: Database, clock: Clock) -> APIRouter:
    """The API over a database."""
    router = APIRouter(prefix="/v1")
    auth = Depends(client_auth(database))
    router.include_router(_schools(database, clock, auth))
    router.include_router(_district(database, auth))
    return router


def _schools(database: Database, clock: Clock, auth: Any) -> APIRouter:
    router = APIRouter(prefix="/schools/{school_id}", tags=["schools"])

    @router.get("/obligations")
    async def obligations(
        school_id: UUID,
        client: Annotated[Client, auth],
        *,
        state: Literal["open", "available", "superseded", "cancelled"] = "open",
        route: Literal["screen", "paper", "with_representative"] | None = None,
        due_within_hours: Annotated[float | None, Query(ge=0, le=8760)] = None,
        cursor: Cursor = None,
        limit: Limit = 100,
    ) -> ObligationPage:
        """The school's deadline board."""
        after = read_cursor(cursor)
        async with database.transaction(client.require_school(school_id)) as conn:
            now = await clock.now(conn)
            until = None if due_within_hours is None else now + timedelta(hours=due_within_hours)
            rows = await board.board(
                conn, school_id, state=state, route=route, due_before=until, after=after, limit=limit
            )
        more = len(rows) == limit
        return ObligationPage(
            items=[ObligationView.model_validate(row) for row in rows],
            next_cursor=write_cursor(rows[-1].due_at, rows[-1].obligation_id) if more else None,
        )

    @router.get("/summary")
    async def summary(school_id: UUID, client: Annotated[Client, auth]) -> SummaryView:
        """How many obligations are open at the school, by route."""
        async with database.transaction(client.require_school(school_id)) as conn:
            now = await clock.now(conn)
            rows = await board.summary(conn, school_id, now)
        return SummaryView(
            school_id=school_id, as_of=now, routes=[RouteSummaryView.model_validate(row) for row in rows]
        )

    @router.get("/ledger", response_class=StreamingResponse, responses={200: {"content": {"application/x-ndjson": {}}}})
    async def whole_ledger(school_id: UUID, client: Annotated[Client, auth]) -> StreamingResponse:
        """The school's ledger as NDJSON, with the signed roots over it. `sutki ledger verify` checks it."""
        scope = client.require_school(school_id)

        async def lines() -> AsyncIterator[bytes]:
            async for line in proving.export(database, school_id, scope):
                yield line

        return StreamingResponse(lines(), media_type="application/x-ndjson")

    return router


def _district(database: Database, auth: Any) -> APIRouter:
    router = APIRouter()

    @router.get("/results/{result_id}/proof", tags=["results"])
    async def proof(result_id: UUID, client: Annotated[Client, auth]) -> ProofView:
        """Who could have a result, since when, by which route, and on the ground of which consent or sheet."""
        async with database.transaction(client.scope()) as conn:
            row = await board.result(conn, result_id)
            if row is None:
                raise Problem(404, "unknown_result", "No such result is known here.")
            lines = await ledger_queries.of_result(conn, result_id)
            await access_log.looked(conn, access_log.client(client), "proof", [row.student_id], school_id=row.school_id)
        return ProofView(
            result_id=result_id,
            school_id=row.school_id,
            student_id=row.student_id,
            value_revision=row.value_revision,
            entries=list(ledger.entries_of(lines)),
        )

    @router.get("/notifications/undecided", tags=["notifications"])
    async def undecided(
        client: Annotated[Client, auth],
        state: Annotated[Literal["undecided", "failed"] | None, Query(description="Both when not given.")] = None,
        cursor: Cursor = None,
        limit: Limit = 100,
    ) -> ListedMailPage:
        """Mails of which a crash left open whether they were sent, and those that were refused for good."""
        after = read_cursor(cursor)
        states = [one for one in LISTED if state is None or one == state]
        async with database.transaction(client.scope()) as conn:
            rows = await delivery.listed(conn, states, after=after, limit=limit)
        return ListedMailPage(
            items=[ListedMailView.model_validate(row) for row in rows],
            next_cursor=write_cursor(rows[-1].settled_at, rows[-1].notification_id) if len(rows) == limit else None,
        )

    return router
