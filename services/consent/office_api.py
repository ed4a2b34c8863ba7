"""The office's part of the HTTP API: papers, authority, agreements, search and lists."""

import secrets
from dataclasses import dataclass, replace
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response

from chassis import access_log
from chassis.auth import Client, client_auth
from chassis.clock import Clock
from chassis.crash import crash_here
from chassis.database import Database
from chassis.describing import problems
from chassis.problems import Fault as Pointer
from chassis.problems import Problem
from contracts.base import PersonId, SchoolId, StudentId
from services.consent import (
    agreements,
    authorities,
    authority_queries,
    invitations,
    list_queries,
    lists,
    metrics,
    papers,
)
from services.consent.api import cursor, next_page, problem_of
from services.consent.document import ConsentDocument
from services.consent.faults import Refused
from services.consent.list_queries import List
from services.consent.model import Policy
from services.consent.office_requests import (
    AgreementIn,
    AgreementOut,
    AuthorityEndIn,
    AuthorityIn,
    AuthorityOut,
    Found,
    Page,
    PairIn,
    People,
    SearchIn,
    listed,
)

PAGE = 1000
_PDF: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/pdf": {"schema": {"type": "string", "format": "binary"}}}, "description": "A PDF."}
}
_CSV: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/csv": {"schema": {"type": "string"}}}, "description": "A table."}
}


@dataclass(frozen=True, slots=True)
class Office:
    """What the office's routes work with."""

    database: Database
    clock: Clock
    policy: Policy
    cabinet_url: str
    """Where families open the cabinet, as it stands on receipts."""
    invitation_days: float


class _Pdf(Response):
    """A page to be printed. It has names on it, so nothing on the way may keep it."""

    media_type = "application/pdf"

    def __init__(self, content: bytes, name: str) -> None:
        headers = {"Cache-Control": "no-store", "Content-Disposition": f'inline; filename="{name}.pdf"'}
        super().__init__(content, headers=headers)


def make_office_router(office: Office) -> APIRouter:
    """The routes of papers, authority, agreements, search and lists."""
    router = APIRouter(prefix="/v1", tags=["office"])
    authenticate = client_auth(office.database)
    _add_papers(router, office, authenticate)
    _add_standing(router, office, authenticate)
    _add_lists(router, office, authenticate)
    return router


def _add_papers(router: APIRouter, office: Office, authenticate: Any) -> None:
    @router.post("/forms", response_class=Response, responses=_PDF)
    async def form(body: PairIn, client: Annotated[Client, Depends(authenticate)]) -> Response:
        """The form of consent for a pair, to be signed: one page, filled in with what the journal knows."""
        try:
            async with office.database.transaction(client.scope()) as conn:
                facts, _, now = await papers.facts_of(conn, *_pair(body), clock=office.clock, policy=office.policy)
                await access_log.looked(conn, access_log.client(client), "consent_form", _pair(body))
        except Refused as refused:
            raise problem_of(refused) from None
        return _Pdf(await papers.form(papers.form_sheet(facts, now, office.policy), now), "consent")

    @router.post("/forms/contents")
    async def contents(body: PairIn, client: Annotated[Client, Depends(authenticate)]) -> ConsentDocument:
        """What that form says, as the `document` of a decision; the signer's part is to be added."""
        try:
            async with office.database.transaction(client.scope()) as conn:
                facts, _, _ = await papers.facts_of(conn, *_pair(body), clock=office.clock, policy=office.policy)
                await access_log.looked(conn, access_log.client(client), "consent_form", _pair(body))
        except Refused as refused:
            raise problem_of(refused) from None
        return papers.contents(facts)

    @router.post("/receipts", response_class=Response, responses=_PDF | problems(409))
    async def receipt(body: PairIn, client: Annotated[Client, Depends(authenticate)]) -> Response:
        """The receipt for the present decision. Where the cabinet is consented to, it bears a new invitation code.

        Every receipt has a code of its own, and the person's codes before it can no longer be used.
        """
        return await _receipt(office, body, client)


def _add_standing(router: APIRouter, office: Office, authenticate: Any) -> None:
    @router.post("/authorities")
    async def register(body: AuthorityIn, client: Annotated[Client, Depends(authenticate)]) -> AuthorityOut:
        """Registers, renews or restores a representative's authority by its document."""
        try:
            async with office.database.transaction(client.scope()) as conn:
                after = await authorities.register(
                    conn,
                    *_pair(body),
                    body.proof(),
                    clock=office.clock,
                    policy=office.policy,
                    registered_by=client.client_id,
                )
        except Refused as refused:
            raise problem_of(refused) from None
        return AuthorityOut.of(after)

    @router.post("/authorities/end")
    async def end(body: AuthorityEndIn, client: Annotated[Client, Depends(authenticate)]) -> AuthorityOut:
        """Ends a representative's authority at once: access ends, on the screen and on paper."""
        try:
            async with office.database.transaction(client.scope()) as conn:
                after = await authorities.end(
                    conn,
                    *_pair(body),
                    body.why(),
                    body.proof(),
                    clock=office.clock,
                    registered_by=client.client_id,
                )
        except Refused as refused:
            raise problem_of(refused) from None
        if after is not None:
            metrics.AUTHORITIES_ENDED.labels(body.reason).inc()
        return AuthorityOut.of(after)

    @router.get("/students/{student_id}/authorities")
    async def of_student(student_id: UUID, client: Annotated[Client, Depends(authenticate)]) -> list[dict[str, Any]]:
        """Every step of every authority for a student, as far as the registry was told."""
        async with office.database.transaction(client.scope()) as conn:
            return [dict(row) for row in await authority_queries.history(conn, StudentId(student_id))]

    @router.post("/agreements")
    async def agree(body: AgreementIn, client: Annotated[Client, Depends(authenticate)]) -> AgreementOut:
        """Registers the own agreement of a student of 14–17; taken back, it ends the representatives' consents."""
        try:
            async with office.database.transaction(client.scope()) as conn:
                status = await agreements.register(
                    conn,
                    StudentId(body.student_id),
                    agreed=body.agreed,
                    document_number=body.document_number,
                    decided_at=body.decided_at,
                    clock=office.clock,
                    policy=office.policy,
                    registered_by=client.client_id,
                )
        except Refused as refused:
            raise problem_of(refused) from None
        return AgreementOut(status=status)


def _add_lists(router: APIRouter, office: Office, authenticate: Any) -> None:
    @router.post("/schools/{school_id}/people/search")
    async def search(school_id: UUID, body: SearchIn, client: Annotated[Client, Depends(authenticate)]) -> People:
        """Students of a school and whoever represents them, by the beginnings of names and class."""
        return await _search(office, SchoolId(school_id), body, client)

    @router.get("/schools/{school_id}/pairs")
    async def pairs(  # noqa: PLR0917 - a parameter for each part of the query
        school_id: UUID,
        client: Annotated[Client, Depends(authenticate)],
        kind: Annotated[List, Query(alias="list")] = List.ALL,
        class_id: UUID | None = None,
        days: Annotated[int, Query(ge=0, le=3660)] = 30,
        after: Annotated[str, Query(max_length=80)] = "",
        limit: Annotated[int, Query(ge=1, le=PAGE)] = PAGE,
    ) -> Page:
        """A list of a school, or of one class.

        All pairs; no answer yet; to be asked anew; agreement due; authority that ends within so many days.
        """
        async with office.database.transaction(client.require_school(school_id)) as conn:
            asked = await lists.wanted(conn, SchoolId(school_id), kind, office.clock, office.policy, days=days)
            found = await list_queries.pairs(conn, replace(asked, class_id=class_id), cursor(after), limit)
        return Page(kind=kind, pairs=listed(lists.in_order(found)), next=next_page(found, limit))

    @router.get("/schools/{school_id}/pairs.csv", response_class=Response, responses=_CSV)
    async def table(
        school_id: UUID,
        client: Annotated[Client, Depends(authenticate)],
        kind: Annotated[List, Query(alias="list")] = List.ALL,
        class_id: UUID | None = None,
        days: Annotated[int, Query(ge=0, le=3660)] = 30,
    ) -> Response:
        """The whole list as a table for a spreadsheet, in Russian."""
        async with office.database.transaction(client.require_school(school_id)) as conn:
            asked = await lists.wanted(conn, SchoolId(school_id), kind, office.clock, office.policy, days=days)
            found = await lists.whole(conn, replace(asked, class_id=class_id))
        headers = {"Cache-Control": "no-store", "Content-Disposition": f'attachment; filename="{kind.value}.csv"'}
        return Response(lists.as_csv(found, office.policy), media_type="text/csv", headers=headers)


async def _receipt(office: Office, body: PairIn, client: Client) -> Response:
    try:
        async with office.database.transaction(client.scope()) as conn:
            facts, _, now = await papers.facts_of(conn, *_pair(body), clock=office.clock, policy=office.policy)
            await access_log.looked(conn, access_log.client(client), "consent_receipt", _pair(body))
            if facts.cabinet == "unanswered":
                raise Problem(409, "nothing_decided", "There is no decision yet that could be receipted.")
            invitation = None
            if facts.cabinet == "given":
                invitation = await invitations.issue(
                    conn,
                    PersonId(body.representative_id),
                    pick=secrets.choice,
                    days=office.invitation_days,
                    clock=office.clock,
                    issued_by=client.client_id,
                )
    except Refused as refused:
        raise problem_of(refused) from None
    crash_here("consent.invitation_issued")
    metrics.INVITATIONS.inc(invitation is not None)
    sheet = papers.receipt_sheet(facts, invitation, office.cabinet_url.rstrip("/"), now, office.policy)
    return _Pdf(await papers.receipt(sheet, now), "receipt")


async def _search(office: Office, school_id: SchoolId, body: SearchIn, client: Client) -> People:
    words = lists.beginnings(body.query)
    if not words:
        fault = Pointer("/query", "no_words", "Нужны буквы или цифры. / Letters or digits are needed.")
        raise Problem(422, "no_words", "There is nothing to look for.", errors=[fault])
    async with office.database.transaction(client.require_school(school_id)) as conn:
        after = cursor(body.after) if body.after else None
        rows = await list_queries.people(conn, school_id, words, after, body.limit)
        await access_log.listed(conn, access_log.client(client), "search", len(rows), school_id=school_id)
    found = [Found.model_validate({name: row[name] for name in Found.model_fields}) for row in rows]
    full = len(found) == body.limit
    return People(people=found, next=f"{found[-1].person_id}/{found[-1].student_id}" if full else None)


def _pair(body: PairIn) -> tuple[PersonId, StudentId]:
    return PersonId(body.representative_id), StudentId(body.student_id)
