"""The HTTP API of erasures: ask, carry out before the term, stop, list, and take the act."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Annotated, Literal
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel, ConfigDict

from chassis import access_log
from chassis.auth import Client, client_auth
from chassis.clock import Clock
from chassis.database import DISTRICT, Database
from chassis.problems import Problem
from services.consent import erasing, erasure_metrics, erasure_queries
from services.consent.erasing import EVERYBODY, CannotErase
from services.consent.erasure_queries import Listed
from services.consent.erasure_terms import Demand, Terms

NDJSON = "application/x-ndjson"
_PROBLEMS = {
    "unknown": (404, "There is no such erasure."),
    "too_late": (409, "It was carried out already."),
    "cancelled": (409, "It was stopped; ask anew."),
    "follows_decision": (
        409,
        "Согласие прекращено: уничтожение отменит только новое согласие. / Only a new consent stops this erasure.",
    ),
    "id_used": (409, "This id belongs to another erasure."),
}


class ErasureIn(BaseModel):
    """A demand to erase a person as far as the law allows."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    erasure_id: UUID | None = None
    """Chosen by the caller, so that the same demand sent twice is one; made here if left out."""
    person_id: UUID
    ground: Demand
    at_once: bool = False
    """Without waiting for the term."""


class ErasureView(BaseModel):
    """An erasure and how far it is."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    erasure_id: UUID
    person_id: UUID
    student_id: UUID | None
    scope: Literal["electronic_contact", "person"]
    parts: list[str]
    ground: str
    state: Literal["scheduled", "requested", "erased", "cancelled"]
    scheduled_at: datetime
    due_at: datetime
    """The end of the law's term."""
    requested_at: datetime | None
    erased_at: datetime | None
    waits_for: list[str]
    """Services that have not confirmed yet."""
    has_act: bool


def make_router(database: Database, clock: Clock, terms: Terms, confirmation: timedelta) -> APIRouter:
    """The routes.

    Args:
        database: the registry's.
        clock: the installation's.
        terms: the law's terms, as the district has set them.
        confirmation: a service that takes longer to confirm is listed.
    """
    router = APIRouter(prefix="/v1", tags=["privacy"])
    caller = Annotated[Client, Depends(client_auth(database))]
    desk = _Desk(database, clock, terms, confirmation)

    @router.post("/erasures", status_code=202)
    async def ask(body: ErasureIn, client: caller) -> ErasureView:
        """Starts the term of a person's erasure, or carries it out at once; for clients of the district."""
        return await desk.ask(body, client)

    @router.post("/erasures/{erasure_id}/carry-out", status_code=202)
    async def carry_out(erasure_id: UUID, client: caller) -> ErasureView:
        """Carries out an erasure before its term is over."""
        return await desk.carry_out(erasure_id, client)

    @router.post("/erasures/{erasure_id}/cancel")
    async def cancel(erasure_id: UUID, client: caller) -> ErasureView:
        """Stops a demanded erasure that was not carried out yet; after a withdrawal only a new consent stops it."""
        return await desk.cancel(erasure_id, client)

    @router.get("/erasures")
    async def listing(
        client: caller,
        person_id: UUID | None = None,
        state: Annotated[list[Literal["scheduled", "requested", "erased", "cancelled"]] | None, Query()] = None,
        unconfirmed: Annotated[bool, Query(description="Only those that wait too long for a service.")] = False,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> list[ErasureView]:
        """Erasures, the newest first: a school's client sees those of its school."""
        return await desk.listing(client, person_id, state, unconfirmed=unconfirmed, limit=limit)

    @router.get("/erasures/{erasure_id}/act", response_class=Response)
    async def act(
        erasure_id: UUID,
        client: caller,
        form: Annotated[Literal["pdf", "log"], Query(description="The act, or the event log's extract.")] = "pdf",
    ) -> Response:
        """The destruction act as PDF, or the extract of the event log as JSON lines."""
        return await desk.act(erasure_id, client, form)

    return router


class _Desk:
    """The routes' work."""

    def __init__(self, database: Database, clock: Clock, terms: Terms, confirmation: timedelta) -> None:
        self._database = database
        self._clock = clock
        self._terms = terms
        self._confirmation = confirmation

    async def ask(self, body: ErasureIn, client: Client) -> ErasureView:
        erasure_id = body.erasure_id or uuid4()
        try:
            async with self._database.transaction(client.require_district()) as conn:
                await erasing.schedule(
                    conn,
                    erasure_id=erasure_id,
                    person_id=body.person_id,
                    demand=body.ground,
                    terms=self._terms,
                    clock=self._clock,
                    ordered_by=client.client_id,
                )
        except CannotErase as refused:
            raise _problem(refused) from None
        return await (self.carry_out if body.at_once else self._view)(erasure_id, client)

    async def carry_out(self, erasure_id: UUID, client: Client) -> ErasureView:
        await self._view(erasure_id, client)
        try:
            # What is erased beside the school's own (copies in the outbox) is seen by whole-district work alone.
            async with self._database.transaction(DISTRICT) as conn:
                _, began = await erasing.carry_out(conn, erasure_id, clock=self._clock, ordered_by=client.client_id)
        except CannotErase as refused:
            raise _problem(refused) from None
        erasure_metrics.REQUESTED.labels("by_somebody").inc(began)
        return await self._view(erasure_id, client)

    async def cancel(self, erasure_id: UUID, client: Client) -> ErasureView:
        try:
            async with self._database.transaction(client.scope()) as conn:
                await erasing.cancel(conn, erasure_id, "demand_taken_back", clock=self._clock)
        except CannotErase as refused:
            raise _problem(refused) from None
        return await self._view(erasure_id, client)

    async def listing(
        self, client: Client, person_id: UUID | None, states: Sequence[str] | None, *, unconfirmed: bool, limit: int
    ) -> list[ErasureView]:
        async with self._database.transaction(client.scope()) as conn:
            before = await self._clock.now(conn) - self._confirmation if unconfirmed else None
            found = await erasure_queries.listed(
                conn,
                person_id=person_id,
                states=["requested"] if unconfirmed else states,
                requested_before=before,
                limit=limit,
            )
            people = [one.erasure.person_id for one in found]
            await access_log.looked(conn, access_log.client(client), "erasures", people, school_id=client.school_id)
        return [view(one) for one in found]

    async def act(self, erasure_id: UUID, client: Client, form: Literal["pdf", "log"]) -> Response:
        async with self._database.transaction(client.scope()) as conn:
            one = await erasure_queries.read(conn, erasure_id)
            found = await erasure_queries.act(conn, erasure_id)
            if one is None or found is None:
                raise Problem(404, "no_act", "There is no act (yet): every service must confirm first.")
            await access_log.looked(
                conn, access_log.client(client), "destruction_act", [one.person_id], school_id=client.school_id
            )
        if form == "log":
            return Response(found.log_extract, media_type=NDJSON)
        return Response(found.pdf, media_type="application/pdf")

    async def _view(self, erasure_id: UUID, client: Client) -> ErasureView:
        """The erasure, if the client may see it.

        Raises:
            Problem: 404, there is none that it may see.
        """
        async with self._database.transaction(client.scope()) as conn:
            found = await erasure_queries.listed(conn, erasure_id=erasure_id, limit=1)
        if not found:
            raise _problem(CannotErase("unknown"))
        return view(found[0])


def view(one: Listed) -> ErasureView:
    """An erasure as it is shown."""
    erasure = one.erasure
    waits = EVERYBODY - set(one.confirmed) if erasure.state == "requested" else frozenset()
    return ErasureView(
        erasure_id=erasure.erasure_id,
        person_id=erasure.person_id,
        student_id=erasure.student_id,
        scope=erasure.scope,
        parts=erasure.parts,
        ground=erasure.ground,
        state=erasure.state,
        scheduled_at=erasure.scheduled_at,
        due_at=erasure.due_at,
        requested_at=erasure.requested_at,
        erased_at=erasure.erased_at,
        waits_for=sorted(waits),
        has_act=one.has_act,
    )


def _problem(refused: CannotErase) -> Problem:
    status, text = _PROBLEMS[refused.code]
    return Problem(status, refused.code, text)
