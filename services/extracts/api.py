"""The HTTP API for the school's office: queue, sheets, print runs, hand-over, register.

A school's client sees its own school only; what belongs to another does not exist for it (404).
"""

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from chassis import access_log
from chassis.auth import Client, client_auth
from chassis.clock import Clock
from chassis.database import Database, Scope, school
from chassis.problems import Fault, Problem
from services.extracts import handlers
from services.extracts.api_models import (
    ExtractView,
    HandOver,
    Ids,
    NewPrintRun,
    OutcomeView,
    PrintQueue,
    PrintRunView,
    QueuedSheet,
    RefusedExtract,
    Register,
    RegisterEntry,
)
from services.extracts.domain import HandOverFault, Lack
from services.extracts.handlers import HandOverRefused, Outcome
from services.extracts.queries.printing import Extract, Queued
from services.extracts.rendering import Renderer
from services.extracts.settings import Settings

FIRST_DAY, LAST_DAY = date(2000, 1, 1), date(2999, 12, 31)
REGISTER_DAYS = 366
REGISTER_PAGE = 1000

Authenticate = Callable[..., Awaitable[Client]]

_FAULTS = {
    HandOverFault.NOT_PRINTED: (409, "The extract is not printed; print and register it first."),
    HandOverFault.ALREADY_HANDED_OVER: (409, "The extract was handed over before, in another way."),
    HandOverFault.BEFORE_PRINTING: (422, "It cannot have been handed over before it was printed."),
    HandOverFault.IN_THE_FUTURE: (422, "It cannot be handed over in the future."),
}


def make_router(database: Database, clock: Clock, renderer: Renderer, settings: Settings) -> APIRouter:
    """The routes of the API, under `/v1`."""
    router = APIRouter(prefix="/v1")
    authenticate = client_auth(database)
    _add_queue_and_register(router, authenticate, database, clock)
    _add_print_runs(router, authenticate, database, clock, renderer=renderer, settings=settings)
    _add_printing(router, authenticate, database, clock)
    _add_extracts(router, authenticate, database, clock)
    return router


def _add_queue_and_register(router: APIRouter, authenticate: Authenticate, database: Database, clock: Clock) -> None:
    @router.get("/schools/{school_id}/print-queue", tags=["print queue"])
    async def print_queue(
        school_id: UUID,
        client: Annotated[Client, Depends(authenticate)],
        due_within_hours: Annotated[float | None, Query(ge=0, le=8760)] = None,
    ) -> PrintQueue:
        """Sheets that wait for the school's printer, the most urgent first."""
        within = None if due_within_hours is None else timedelta(hours=due_within_hours)
        queued = await handlers.print_queue(database, clock, _scope(client, school_id), school_id, due_within=within)
        return PrintQueue(sheets=[_queued(one) for one in queued])

    @router.get("/schools/{school_id}/register", tags=["register"])
    async def register(
        school_id: UUID,
        client: Annotated[Client, Depends(authenticate)],
        since: Annotated[date, Query(alias="from", description="First day (UTC).", ge=FIRST_DAY, le=LAST_DAY)],
        until: Annotated[date, Query(alias="to", description="Last day (UTC), at most 366 days on.", le=LAST_DAY)],
        after: Annotated[int, Query(ge=0, lt=2**63)] = 0,
    ) -> Register:
        """The hand-over register: every number given, printed, jammed, handed over or annulled."""
        scope = _scope(client, school_id)
        if not since <= until <= since + timedelta(days=REGISTER_DAYS):
            fault = Fault("#/query/to", "out_of_range", f"must not be before `from` nor over {REGISTER_DAYS} days on")
            raise Problem(422, "invalid_request", "The dates do not make a period.", errors=[fault])
        entries = await handlers.register(
            database,
            scope,
            school_id,
            since=datetime.combine(since, time(), UTC),
            before=datetime.combine(until, time(), UTC) + timedelta(days=1),
            after_entry=after,
            limit=REGISTER_PAGE,
        )
        return Register(
            entries=[RegisterEntry.model_validate(entry) for entry in entries],
            next_after=entries[-1].entry_id if len(entries) == REGISTER_PAGE else None,
        )


def _add_print_runs(
    router: APIRouter,
    authenticate: Authenticate,
    database: Database,
    clock: Clock,
    *,
    renderer: Renderer,
    settings: Settings,
) -> None:
    @router.post("/schools/{school_id}/print-runs", status_code=201, tags=["print queue"])
    async def open_print_run(
        school_id: UUID, body: NewPrintRun, client: Annotated[Client, Depends(authenticate)]
    ) -> PrintRunView:
        """Takes sheets from the queue for one print job; nothing counts as printed yet."""
        run = await handlers.open_print_run(
            database,
            clock,
            _scope(client, school_id),
            school_id,
            due_within=None if body.due_within_hours is None else timedelta(hours=body.due_within_hours),
            keep=timedelta(minutes=settings.print_run_minutes),
            limit=min(body.limit or settings.print_run_sheets, settings.print_run_sheets),
        )
        return PrintRunView(
            id=run.run_id,
            extract_ids=run.extract_ids,
            taken_until=run.taken_until,
            pdf=f"/v1/print-runs/{run.run_id}.pdf",
        )

    @router.get("/print-runs/{run_id}.pdf", tags=["print queue"], response_class=Response)
    async def print_run_pdf(run_id: UUID, client: Annotated[Client, Depends(authenticate)]) -> Response:
        """All sheets of a run in one PDF."""
        sheets = await handlers.sheets_of_run(database, client.scope(), run_id, actor=access_log.client(client))
        if not sheets:
            raise _not_found()
        return _pdf(await renderer.combined(sheets), run_id)

    @router.delete("/print-runs/{run_id}", status_code=204, tags=["print queue"])
    async def give_back(run_id: UUID, client: Annotated[Client, Depends(authenticate)]) -> None:
        """Gives back to the queue what the run has not printed."""
        await handlers.give_back(database, client.scope(), run_id)


def _add_printing(router: APIRouter, authenticate: Authenticate, database: Database, clock: Clock) -> None:
    @router.post("/extracts/printed", tags=["extracts"])
    async def printed(body: Ids, client: Annotated[Client, Depends(authenticate)]) -> OutcomeView:
        """Registers that these sheets came out of the printer. What is refused must be destroyed, not handed over."""
        by = _by(client, body.desk)
        return _outcome(await handlers.mark_printed(database, clock, client.scope(), body.ids, by=by))

    @router.post("/extracts/jammed", tags=["extracts"])
    async def jammed(body: Ids, client: Annotated[Client, Depends(authenticate)]) -> OutcomeView:
        """Puts printed sheets back into the queue, since the paper was spoilt."""
        by = _by(client, body.desk)
        return _outcome(await handlers.report_jam(database, clock, client.scope(), body.ids, by=by))


def _add_extracts(router: APIRouter, authenticate: Authenticate, database: Database, clock: Clock) -> None:
    @router.get("/extracts/{extract_id}.pdf", tags=["extracts"], response_class=Response)
    async def pdf(extract_id: UUID, client: Annotated[Client, Depends(authenticate)]) -> Response:
        """The sheet. 404 before it is rendered, and after it was deleted at the end of its term."""
        content = await handlers.pdf_of(database, client.scope(), extract_id, actor=access_log.client(client))
        if content is None:
            raise _not_found()
        return _pdf(content, extract_id)

    @router.get("/extracts/{extract_id}", tags=["extracts"])
    async def extract(extract_id: UUID, client: Annotated[Client, Depends(authenticate)]) -> ExtractView:
        """Where an extract stands, and what it waits for."""
        found = await handlers.find(database, clock, client.scope(), extract_id)
        if found is None:
            raise _not_found()
        return _view(*found)

    @router.post("/extracts/{extract_id}/handed-over", tags=["extracts"])
    async def handed_over(
        extract_id: UUID, body: HandOver, client: Annotated[Client, Depends(authenticate)]
    ) -> ExtractView:
        """Registers that a sheet left the school."""
        by = _by(client, body.desk)
        try:
            found = await handlers.mark_handed_over(
                database, clock, client.scope(), extract_id, way=body.way, by=by, at=body.at
            )
        except HandOverRefused as refused:
            status, title = _FAULTS[refused.fault]
            raise Problem(status, refused.fault.value, title) from None
        if found is None:
            raise _not_found()
        return _view(found, [])


def _not_found() -> Problem:
    return Problem(404, "not_found", "There is no such thing here.")


def _scope(client: Client, school_id: UUID) -> Scope:
    if client.school_id not in (None, school_id):
        raise _not_found()
    return school(school_id)


def _by(client: Client, desk: str) -> str:
    return desk.strip() or f"client {client.client_id}"


def _pdf(content: bytes, name: UUID) -> Response:
    headers = {"Cache-Control": "no-store", "Content-Disposition": f'inline; filename="{name}.pdf"'}
    return Response(content, media_type="application/pdf", headers=headers)


def _queued(one: Queued) -> QueuedSheet:
    return QueuedSheet(
        id=one.extract.extract_id,
        number=str(one.extract.number),
        student_id=one.extract.student_id,
        student=one.student,
        class_name=one.class_name,
        recipient_id=one.extract.recipient_id,
        recipient=one.recipient,
        due_at=one.extract.due_at,
        taken_until=one.extract.taken_until,
    )


def _outcome(outcome: Outcome) -> OutcomeView:
    refused = [RefusedExtract(id=extract_id, reason=reason) for extract_id, reason in outcome.refused.items()]
    return OutcomeView(done=outcome.done, already=outcome.already, refused=refused)


def _view(extract: Extract, lacks: list[Lack]) -> ExtractView:
    return ExtractView(
        id=extract.extract_id,
        request_id=extract.request_id,
        school_id=extract.school_id,
        student_id=extract.student_id,
        recipient_id=extract.recipient_id,
        state=extract.state,
        number=extract.number,
        due_at=extract.due_at,
        content_sha256=extract.content_sha256,
        printed_at=extract.printed_at,
        handed_over_at=extract.handed_over_at,
        way=extract.way,
        waits_for=lacks,
    )
