"""The desks' HTTP API: what is owed and how long it has, about whom, who was told, who waits for paper."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends

from chassis.auth import Client, client_auth
from chassis.clock import Clock
from chassis.database import DISTRICT, Connection, Database, Scope
from chassis.problems import Problem
from contracts.values import Route, due_at
from services.publisher.api import Cursor, Limit, ObligationPage, ObligationView, read_cursor, write_cursor
from services.publisher.api_desk_models import (
    AddressView,
    CellView,
    DeadlinesView,
    DeliveryView,
    DueOnView,
    EscalatedView,
    EscalationDetail,
    EscalationPage,
    EscalationView,
    ForecastBody,
    ForecastView,
    NewAddress,
    NewDistrictAddress,
    PaperPaceView,
    State,
    StepName,
    TermsBody,
)
from services.publisher.domain.escalation import DEFAULT_PRINTER, Ladder, LadderOutOfOrder
from services.publisher.domain.policy import Policy
from services.publisher.domain.preferences import zone_of
from services.publisher.figures import DISTRICT_ZONE
from services.publisher.queries import desk, escalation, people, staff_messages
from services.publisher.queries.board import BoardRow
from services.publisher.queries.desk import PaperPace
from services.publisher.queries.escalation import Address, Terms

PACE = timedelta(hours=2)
"""Over this time it is counted how fast paper is printed."""
FORECAST_REACH = timedelta(days=400)
"""How far from now the results of a forecast may have been obtained."""


def make_desk_router(
    database: Database, clock: Clock, policy: Policy, ladder: Ladder, *, closed_weekdays: Sequence[int] = (6, 7)
) -> APIRouter:
    """The desks' API over a database."""
    router = APIRouter(prefix="/v1")
    auth = Depends(client_auth(database))
    router.include_router(_boards(database, clock, auth))
    router.include_router(_owed(database, auth))
    router.include_router(_escalations(database, auth))
    router.include_router(_staff(database, clock, auth, ladder))
    router.include_router(_forecast(database, clock, auth, policy, closed_weekdays))
    return router


def _boards(database: Database, clock: Clock, auth: Any) -> APIRouter:
    router = APIRouter(tags=["deadlines"])

    async def board(scope: Scope, school_id: UUID | None) -> DeadlinesView:
        async with database.transaction(scope) as conn:
            now = await clock.now(conn)
            zone = zone_of((await staff_messages.school(conn, school_id)).time_zone) if school_id else DISTRICT_ZONE
            oldest = await desk.oldest(conn, school_id)
            return DeadlinesView(
                as_of=now,
                school_id=school_id,
                open=[CellView.model_validate(one) for one in await desk.cells(conn, school_id, now)],
                oldest=None if oldest is None else ObligationView.model_validate(oldest),
                paper=[
                    _pace(one, now) for one in await desk.paper(conn, school_id, now - PACE, now + timedelta(hours=25))
                ],
                due_today=DueOnView.model_validate(await desk.due_on(conn, school_id, now.astimezone(zone).date())),
            )

    @router.get("/schools/{school_id}/deadlines")
    async def school_deadlines(school_id: UUID, client: Annotated[Client, auth]) -> DeadlinesView:
        """The school's deadline board: what is open by route and time left, the most urgent, how paper gets on."""
        return await board(client.require_school(school_id), school_id)

    @router.get("/deadlines")
    async def district_deadlines(client: Annotated[Client, auth]) -> DeadlinesView:
        """The same of the whole district, for its own clients."""
        return await board(client.require_district(), None)

    return router


def _pace(paper: PaperPace, now: datetime) -> PaperPaceView:
    done_at = now + PACE * (paper.waiting / paper.met_lately) if paper.met_lately else None
    return PaperPaceView(school_id=paper.school_id, waiting=paper.waiting, met_lately=paper.met_lately, done_at=done_at)


def _page(rows: Sequence[BoardRow], limit: int) -> ObligationPage:
    return ObligationPage(
        items=[ObligationView.model_validate(row) for row in rows],
        next_cursor=write_cursor(rows[-1].due_at, rows[-1].obligation_id) if len(rows) == limit else None,
    )


def _owed(database: Database, auth: Any) -> APIRouter:
    router = APIRouter()

    @router.get("/results/{result_id}/obligations", tags=["results"])
    async def of_result(
        result_id: UUID,
        client: Annotated[Client, auth],
        *,
        state: State | None = None,
        cursor: Cursor = None,
        limit: Limit = 100,
    ) -> ObligationPage:
        """What is or was owed about a result: every version of it, every recipient."""
        async with database.transaction(client.scope()) as conn:
            rows = await desk.of_result(conn, result_id, state, after=read_cursor(cursor), limit=limit)
            if not rows and cursor is None and state is None:
                raise Problem(404, "unknown_result", "Nothing is or was owed here about such a result.")
        return _page(rows, limit)

    @router.get("/students/{student_id}/obligations", tags=["students"])
    async def of_student(
        student_id: UUID,
        client: Annotated[Client, auth],
        *,
        state: State | None = None,
        cursor: Cursor = None,
        limit: Limit = 100,
    ) -> ObligationPage:
        """What is or was owed about a student's results, by deadline."""
        async with database.transaction(client.scope()) as conn:
            if not await desk.has_results(conn, student_id):
                raise Problem(404, "unknown_student", "No result of such a student is known here.")
            rows = await desk.of_student(conn, student_id, state, after=read_cursor(cursor), limit=limit)
        return _page(rows, limit)

    return router


def _escalations(database: Database, auth: Any) -> APIRouter:
    router = APIRouter(tags=["escalations"])

    async def page(
        scope: Scope, school_id: UUID | None, step: str | None, cursor: str | None, limit: int
    ) -> EscalationPage:
        before = read_cursor(cursor)
        async with database.transaction(scope) as conn:
            rows = await escalation.listed(conn, school_id, step, before=before, limit=limit)
        return EscalationPage(
            items=[EscalationView.model_validate(row) for row in rows],
            next_cursor=write_cursor(rows[-1].raised_at, rows[-1].escalation_id) if len(rows) == limit else None,
        )

    @router.get("/schools/{school_id}/escalations")
    async def of_school(
        school_id: UUID,
        client: Annotated[Client, auth],
        *,
        step: StepName | None = None,
        cursor: Cursor = None,
        limit: Limit = 100,
    ) -> EscalationPage:
        """What was told to the school's staff and about the school, the latest first."""
        return await page(client.require_school(school_id), school_id, step, cursor, limit)

    @router.get("/escalations")
    async def of_district(
        client: Annotated[Client, auth], *, step: StepName | None = None, cursor: Cursor = None, limit: Limit = 100
    ) -> EscalationPage:
        """What was told in the whole district, for its own clients."""
        return await page(client.require_district(), None, step, cursor, limit)

    @router.get("/escalations/{escalation_id}")
    async def one(
        escalation_id: UUID, client: Annotated[Client, auth], *, cursor: Cursor = None, limit: Limit = 100
    ) -> EscalationDetail:
        """A message with exactly what it lists."""
        after = read_cursor(cursor)
        async with database.transaction(client.scope()) as conn:
            found = await escalation.one(conn, escalation_id)
            items = await escalation.items(conn, escalation_id, after=after, limit=limit)
        if found is None:
            raise Problem(404, "unknown_escalation", "No such escalation is known here.")
        # Staff mails are the district's table, since it holds addresses; of a message that the client may see, what
        # became of its mails says nothing more than that.
        async with database.transaction(DISTRICT) as conn:
            mails = await staff_messages.of_escalation(conn, escalation_id)
        return EscalationDetail(
            **EscalationView.model_validate(found).model_dump(),
            mails=[DeliveryView.model_validate(mail) for mail in mails],
            items=[EscalatedView.model_validate(item) for item in items],
            next_cursor=write_cursor(items[-1].due_at, items[-1].obligation_id) if len(items) == limit else None,
        )

    return router


def _staff(database: Database, clock: Clock, auth: Any, ladder: Ladder) -> APIRouter:
    router = APIRouter(tags=["escalations"])

    async def add(scope: Scope, address: Address) -> AddressView:
        async with database.transaction(scope) as conn:
            kept = await escalation.add_address(conn, address, await clock.now(conn))
        return AddressView.model_validate(kept)

    @router.get("/escalation-addresses")
    async def addresses(client: Annotated[Client, auth]) -> list[AddressView]:
        """Where staff is reached: a school's client sees its school's, the district's all."""
        async with database.transaction(client.scope()) as conn:
            return [AddressView.model_validate(one) for one in await escalation.addresses(conn, client.school_id)]

    @router.post("/escalation-addresses", status_code=201)
    async def add_of_district(body: NewDistrictAddress, client: Annotated[Client, auth]) -> AddressView:
        """Adds an address of the district's duty; the same again changes nothing."""
        return await add(client.require_district(), Address(uuid4(), None, "district", body.address))

    @router.post("/schools/{school_id}/escalation-addresses", status_code=201)
    async def add_of_school(school_id: UUID, body: NewAddress, client: Annotated[Client, auth]) -> AddressView:
        """Adds an address of a role at the school; the same again changes nothing."""
        return await add(client.require_school(school_id), Address(uuid4(), school_id, body.role, body.address))

    @router.delete("/escalation-addresses/{address_id}", status_code=204)
    async def remove(address_id: UUID, client: Annotated[Client, auth]) -> None:
        """Removes an address."""
        async with database.transaction(client.scope()) as conn:
            if not await escalation.remove_address(conn, address_id):
                raise Problem(404, "unknown_address", "No such address is known here.")

    @router.get("/schools/{school_id}/escalation-terms")
    async def terms(school_id: UUID, client: Annotated[Client, auth]) -> TermsBody:
        """What the school does otherwise than the district."""
        async with database.transaction(client.require_school(school_id)) as conn:
            return TermsBody.model_validate(await escalation.terms(conn, school_id))

    @router.put("/schools/{school_id}/escalation-terms")
    async def set_terms(school_id: UUID, body: TermsBody, client: Annotated[Client, auth]) -> TermsBody:
        """Replaces that."""
        wanted = Terms(body.school_hours, body.head_hours, body.district_hours, body.printer)
        try:
            wanted.leads(ladder.leads)
        except LadderOutOfOrder as error:
            raise Problem(422, "ladder_out_of_order", "The steps are in the wrong order.", str(error)) from error
        async with database.transaction(client.require_school(school_id)) as conn:
            await escalation.set_terms(conn, school_id, wanted, await clock.now(conn))
        return body

    return router


def _forecast(database: Database, clock: Clock, auth: Any, policy: Policy, closed_weekdays: Sequence[int]) -> APIRouter:
    router = APIRouter(tags=["deadlines"])

    @router.post("/schools/{school_id}/paper-forecast")
    async def paper_forecast(school_id: UUID, body: ForecastBody, client: Annotated[Client, auth]) -> ForecastView:
        """How many families would wait for paper, and until when, if results of these students were set at an instant.

        For whoever is about to set final grades on a Friday evening: the 24 hours know no weekend.
        """
        client.require_school(school_id)
        # Accounts and consents are the district's to see; only numbers of the client's own school are told.
        async with database.transaction(DISTRICT) as conn:
            now = await clock.now(conn)
            obtained_at = body.obtained_at or now
            if abs(obtained_at - now) > FORECAST_REACH:
                raise Problem(422, "instant_out_of_reach", "The instant is too far from now.")
            obtained_at = obtained_at.astimezone(UTC)
            return await _forecast_of(
                conn, school_id, set(body.student_ids), obtained_at, now, policy=policy, closed_weekdays=closed_weekdays
            )

    return router


async def _forecast_of(
    conn: Connection,
    school_id: UUID,
    student_ids: set[UUID],
    obtained_at: datetime,
    now: datetime,
    *,
    policy: Policy,
    closed_weekdays: Sequence[int],
) -> ForecastView:
    households = await people.households(conn, sorted(student_ids), now, policy)
    own = [one for one in households.values() if one.school_id == school_id]
    sheets = [sum(route is Route.PAPER for route in one.routes().values()) for one in own]
    on_paper = sum(count > 0 for count in sheets)
    school = await staff_messages.school(conn, school_id)
    local = due_at(obtained_at).astimezone(zone_of(school.time_zone))
    printer = (await escalation.terms(conn, school_id)).printer or DEFAULT_PRINTER
    until = local.strftime("%d.%m.%Y %H:%M")
    return ForecastView(
        obtained_at=obtained_at,
        due_at=due_at(obtained_at),
        due_at_local=f"{until} ({local.isoweekday()})",
        on_closed_day=local.isoweekday() in closed_weekdays,
        students=len(student_ids),
        unknown_students=len(student_ids) - len(own),
        families_on_paper=on_paper,
        sheets=sum(sheets),
        families_on_screen=len(own) - on_paper,
        printer=printer,
        said=f"Бумаги ждут семьи: {on_paper}, до {until}. / Families waiting for paper: {on_paper}, until {until}.",
    )
