"""The HTTP API: register decisions, withdraw, look at a student's consents, list who has not answered."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Query, Request
from pydantic import BaseModel, ValidationError

from chassis.auth import Client, client_auth
from chassis.clock import Clock
from chassis.crash import crash_here
from chassis.database import Database
from chassis.describing import problems
from chassis.problems import Fault as Pointer
from chassis.problems import Problem, pointer
from contracts.base import ConsentId, SchoolId, StudentId
from contracts.consent_changed import ConsentChanged
from services.consent import handlers, list_queries, lists, metrics, queries
from services.consent.events import consent_changed
from services.consent.faults import Refused
from services.consent.handlers import Outcome
from services.consent.list_queries import List, ListedPair
from services.consent.model import Policy
from services.consent.requests import DecisionIn, WithdrawalIn, pointers

BULK_MAX_RECORDS = 5000
BULK_MAX_BYTES = 32 * 1024 * 1024
UNANSWERED_PAGE = 1000
NDJSON = "application/x-ndjson"


class Registration(BaseModel):
    """What was registered."""

    status: str
    """`registered`, or `unchanged` when the same document was registered before."""
    consent: ConsentChanged


class Rejected(BaseModel):
    """A record of a bulk request that was not taken."""

    index: int
    """Its place in the request, from 0."""
    errors: list[dict[str, str]]


class BulkReport(BaseModel):
    """What became of a bulk request."""

    registered: int
    unchanged: int
    rejected: list[Rejected]


class StudentConsents(BaseModel):
    """Every consent for a student, each with its history."""

    student_id: UUID
    consents: list[dict[str, Any]]


class UnansweredPair(BaseModel):
    """A representative who has not answered for a student."""

    representative_id: UUID
    student_id: UUID
    class_id: UUID | None = None
    class_name: str = ""
    student_name: str = ""
    representative_name: str = ""


class Unanswered(BaseModel):
    """A page of those who have not answered; `next` continues."""

    pairs: list[UnansweredPair]
    next: str | None = None


def make_router(database: Database, clock: Clock, policy: Policy) -> APIRouter:
    """The API's routes."""
    router = APIRouter(prefix="/v1", tags=["consents"])
    authenticate = client_auth(database)
    api = _Api(database, clock, policy)

    @router.post("/decisions", responses=problems(409))
    async def register(body: DecisionIn, client: Annotated[Client, Depends(authenticate)]) -> Registration:
        """Registers a consent or a refusal. The same document number again changes nothing."""
        return await api.register(body, client)

    @router.post("/decisions/bulk")
    async def register_bulk(request: Request, client: Annotated[Client, Depends(authenticate)]) -> BulkReport:
        """Registers up to 5,000 decisions, as a JSON array or as NDJSON; takes what is right and reports the rest."""
        return await api.register_bulk(request, client)

    @router.post("/consents/{consent_id}/withdraw", responses=problems(409))
    async def withdraw(
        consent_id: UUID, body: WithdrawalIn, client: Annotated[Client, Depends(authenticate)]
    ) -> Registration:
        """Takes consent back; the electronic channels close at once."""
        return await api.withdraw(ConsentId(consent_id), body, client)

    @router.get("/students/{student_id}/consents")
    async def of_student(student_id: UUID, client: Annotated[Client, Depends(authenticate)]) -> StudentConsents:
        """The consents for a student with all decisions; empty when there are none that the client may see."""
        async with database.transaction(client.scope()) as conn:
            rows = await queries.history_of_student(conn, StudentId(student_id))
        return StudentConsents(student_id=student_id, consents=[dict(row) for row in rows])

    @router.get("/schools/{school_id}/unanswered")
    async def unanswered(
        school_id: UUID,
        client: Annotated[Client, Depends(authenticate)],
        class_id: UUID | None = None,
        after: Annotated[str, Query(max_length=80)] = "",
        limit: Annotated[int, Query(ge=1, le=UNANSWERED_PAGE)] = UNANSWERED_PAGE,
    ) -> Unanswered:
        """Pairs of a school, or of one of its classes, with authority in force and no answer yet."""
        return await api.unanswered(SchoolId(school_id), client, class_id, after, limit)

    return router


class _Api:
    """The routes' work."""

    def __init__(self, database: Database, clock: Clock, policy: Policy) -> None:
        self._database = database
        self._clock = clock
        self._policy = policy

    async def register(self, body: DecisionIn, client: Client) -> Registration:
        try:
            async with self._database.transaction(client.scope()) as conn:
                outcome = await handlers.register_decision(
                    conn, body.answer(), clock=self._clock, policy=self._policy, registered_by=client.client_id
                )
        except Refused as refused:
            raise problem_of(refused) from None
        return _registration(outcome)

    async def register_bulk(self, request: Request, client: Client) -> BulkReport:
        records = await _records(request)
        rejected: dict[int, list[Pointer]] = {}
        readable: dict[int, DecisionIn] = {}
        for index, record in enumerate(records):
            try:
                readable[index] = _decoded(record)
            except ValidationError as error:
                rejected[index] = [Pointer(pointer(e["loc"]), e["type"], e["msg"]) for e in error.errors()]
            except orjson.JSONDecodeError:
                rejected[index] = [Pointer("", "json_invalid", "Это не JSON. / This is not JSON.")]
        async with self._database.transaction(client.scope()) as conn:
            outcomes = await handlers.register_decisions(
                conn,
                [body.answer() for body in readable.values()],
                clock=self._clock,
                policy=self._policy,
                registered_by=client.client_id,
            )
        crash_here("consent.after_commit")
        metrics.count(outcomes)
        for index, outcome in zip(readable, outcomes, strict=True):
            if outcome.faults:
                rejected[index] = pointers(outcome.faults)
        return _report(outcomes, rejected)

    async def withdraw(self, consent_id: ConsentId, body: WithdrawalIn, client: Client) -> Registration:
        try:
            async with self._database.transaction(client.scope()) as conn:
                consent = await queries.consent_by_id(conn, consent_id)
                if consent is None:
                    raise Problem(404, "unknown_consent", "There is no consent with this id.")
                outcome = await handlers.withdraw(
                    conn,
                    body.withdrawal(consent),
                    clock=self._clock,
                    policy=self._policy,
                    registered_by=client.client_id,
                )
        except Refused as refused:
            raise problem_of(refused) from None
        return _registration(outcome)

    async def unanswered(
        self, school_id: SchoolId, client: Client, class_id: UUID | None, after: str, limit: int
    ) -> Unanswered:
        async with self._database.transaction(client.require_school(school_id)) as conn:
            asked = await lists.wanted(conn, school_id, List.UNANSWERED, self._clock, self._policy, days=0)
            pairs = await list_queries.pairs(conn, replace(asked, class_id=class_id), cursor(after), limit)
        shown = [
            UnansweredPair.model_validate({name: getattr(pair, name) for name in UnansweredPair.model_fields})
            for pair in pairs
        ]
        return Unanswered(pairs=shown, next=next_page(pairs, limit))


def _registration(outcome: Outcome) -> Registration:
    crash_here("consent.after_commit")
    metrics.count([outcome])
    if outcome.consent is None:
        raise RuntimeError("a registered decision has a state")
    return Registration(status=outcome.status, consent=consent_changed(outcome.consent))


def problem_of(refused: Refused) -> Problem:
    """A conflict where the present state forbids it, an unprocessable body where the document is at fault."""
    metrics.count([Outcome("rejected", faults=refused.faults)])
    codes = {fault.code for fault in refused.faults}
    status = 409 if codes <= {"nothing_to_withdraw", "document_number_used", "older_than_current"} else 422
    code = next(iter(codes)) if len(codes) == 1 else "decision_refused"
    return Problem(status, code, "The decision cannot be registered.", errors=pointers(refused.faults))


def _report(outcomes: Sequence[Outcome], rejected: dict[int, list[Pointer]]) -> BulkReport:
    return BulkReport(
        registered=sum(outcome.status == "registered" for outcome in outcomes),
        unchanged=sum(outcome.status == "unchanged" for outcome in outcomes),
        rejected=[
            Rejected(
                index=index,
                errors=[{"pointer": one.pointer, "code": one.code, "detail": one.detail} for one in faults],
            )
            for index, faults in sorted(rejected.items())
        ],
    )


def next_page(pairs: Sequence[ListedPair], limit: int) -> str | None:
    """The cursor behind a full page of a list."""
    return f"{pairs[-1].representative_id}/{pairs[-1].student_id}" if len(pairs) == limit else None


def cursor(text: str) -> queries.PairKey:
    """The two ids of a cursor.

    Raises:
        Problem: 422, it is none.
    """
    if not text:
        return UUID(int=0), UUID(int=0)
    representative, _, student = text.partition("/")
    try:
        return UUID(representative), UUID(student)
    except ValueError:
        raise Problem(
            422,
            "bad_cursor",
            "Take `after` from `next` of the page before.",
            errors=[Pointer("#/query/after", "bad_cursor", "two ids with a slash between them")],
        ) from None


async def _records(request: Request) -> list[Any]:
    """The records of a bulk body: lines of NDJSON as bytes, or the members of an array."""
    body = bytearray()
    chunks: AsyncIterator[bytes] = request.stream()
    async for chunk in chunks:
        body += chunk
        if len(body) > BULK_MAX_BYTES:
            raise Problem(413, "too_large", f"A bulk request has at most {BULK_MAX_BYTES} bytes.")
    if request.headers.get("content-type", "").startswith(NDJSON):
        records: list[Any] = [line for line in bytes(body).splitlines() if line.strip()]
    else:
        try:
            records = orjson.loads(bytes(body))
        except orjson.JSONDecodeError:
            raise Problem(422, "json_invalid", f"The body is neither a JSON array nor {NDJSON}.") from None
        if not isinstance(records, list):
            raise Problem(422, "not_an_array", f"Send an array of decisions, or NDJSON as {NDJSON}.")
    if len(records) > BULK_MAX_RECORDS:
        raise Problem(413, "too_many", f"A bulk request has at most {BULK_MAX_RECORDS} decisions.")
    return records


def _decoded(record: Any) -> DecisionIn:
    if isinstance(record, bytes):
        return DecisionIn.model_validate_json(record)
    # Through JSON, so that both forms of a bulk request are read by the same rules as a single one.
    return DecisionIn.model_validate_json(orjson.dumps(record))
