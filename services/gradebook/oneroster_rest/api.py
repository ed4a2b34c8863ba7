"""The HTTP API: the token endpoint, the reading paths, and writing results."""

from collections.abc import Callable, Coroutine, Mapping
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, create_model
from starlette.exceptions import HTTPException

from chassis.addresses import asker
from chassis.clock import Clock
from chassis.database import Connection, Database
from chassis.problems import Problem
from services.gradebook import queries
from services.gradebook.domain import Identity
from services.gradebook.oneroster_rest import bodies, columns, documents, writing
from services.gradebook.oneroster_rest.collections import Collection, as_json
from services.gradebook.oneroster_rest.filters import FilterError, parse
from services.gradebook.oneroster_rest.reading import Asked, Page, Reader, bad_filter
from services.gradebook.oneroster_rest.routes import READS, Read, parents_of
from services.gradebook.oneroster_rest.shapes import GRADEBOOK, Shapes
from services.gradebook.oneroster_rest.statuses import Minor, StatusInfo, invalid_data, of_problem
from services.gradebook.oneroster_rest.token_limits import USUAL_LIMITS, TokenLimits
from services.gradebook.oneroster_rest.tokens import (
    GRADEBOOK_DELETE,
    GRADEBOOK_WRITE,
    MAX_FORM_BYTES,
    Caller,
    TokenAuth,
    TokenError,
    give_token,
    read_form,
)

MAX_LIMIT = 5000
"""Widespread consumers ask for pages of this size and count on getting them: a smaller page than asked for would make
them skip rows."""
DEFAULT_LIMIT = 100


class OneRosterRoute(APIRoute):
    """Makes every error of a route a status of the binding."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler with its errors translated."""
        handle = super().get_route_handler()

        async def translated(request: Request) -> Response:
            try:
                return await handle(request)
            except TokenError as error:
                return error.response()
            except Problem as problem:
                return of_problem(problem).response()
            except RequestValidationError as error:
                return _invalid(error).response()
            except HTTPException as error:
                return of_problem(Problem(error.status_code, "http_error", str(error.detail))).response()

        return translated


def _invalid(error: RequestValidationError) -> StatusInfo:
    faults = error.errors()
    # Never the value itself: it may be personal.
    told = "; ".join(f"{'/'.join(str(part) for part in fault['loc'])}: {fault['msg']}" for fault in faults[:5])
    in_body = any(fault["loc"][0] == "body" for fault in faults)
    return StatusInfo(
        422 if in_body else 400, Minor.INVALID_DATA, f"Запрос не подходит. / The request does not fit: {told}"
    )


class PageQuery(BaseModel):
    """The query of a collection."""

    limit: int = DEFAULT_LIMIT
    offset: int = 0
    sort: str = ""
    order_by: Literal["asc", "desc"] = "asc"
    filter: str = ""
    fields: str | None = None
    after: str = ""

    def asked(self) -> Asked:
        """What is asked of the collection.

        Raises:
            StatusInfo: 400, the filter is none.
        """
        try:
            wanted = parse(self.filter) if self.filter.strip() else None
        except FilterError as error:
            raise bad_filter(error) from None
        return Asked(self.limit, self.offset, self.sort, self.order_by == "desc", wanted, self.after)


_FieldsQuery = Annotated[
    str | None, Query(max_length=1000, description="Which fields to send, with commas between; all by default.")
]


async def _page_query(  # noqa: PLR0917 - one for each parameter of the query
    limit: Annotated[int, Query(ge=1, le=MAX_LIMIT, description="How many at most.")] = DEFAULT_LIMIT,
    offset: Annotated[int, Query(ge=0, le=2**31, description="How many to leave out.")] = 0,
    sort: Annotated[
        str, Query(max_length=100, description="A field with one value; any other leaves the default order.")
    ] = "",
    order_by: Annotated[Literal["asc", "desc"], Query(alias="orderBy")] = "asc",
    filter_: Annotated[
        str,
        Query(
            alias="filter",
            max_length=1000,
            description="`field='value'`, with = != > >= < <= ~; at most two, joined by AND or OR.",
        ),
    ] = "",
    fields: _FieldsQuery = None,
    after: Annotated[
        str,
        Query(
            max_length=1000,
            description="Where the `next` link goes on; in this way rows that are added meanwhile shift nothing.",
        ),
    ] = "",
) -> PageQuery:
    return PageQuery(
        limit=limit, offset=offset, sort=sort, order_by=order_by, filter=filter_, fields=fields, after=after
    )


def make_router(
    database: Database, clock: Clock, public_url: str = "", limits: TokenLimits = USUAL_LIMITS
) -> APIRouter:
    """All endpoints.

    Args:
        database: the gradebook's.
        clock: tells when.
        public_url: where clients reach this service; empty: where they asked.
        limits: how often they may ask for a token.
    """
    router = APIRouter(tags=["oneroster"], route_class=OneRosterRoute)
    _add_token(router, database, clock, limits)
    # A path with more parts first: an id may have a slash in it, where nothing follows the id.
    for read in sorted(READS, key=lambda read: -read.path.count("/")):
        auth = TokenAuth(database, clock, read.scopes)
        _add_page(router, read, database, auth, public_url)
    for read in READS:
        if read.single:
            _add_one(router, read, database, TokenAuth(database, clock, read.scopes), public_url)
    _add_writing(router, database, clock)
    return router


def _add_token(router: APIRouter, database: Database, clock: Clock, limits: TokenLimits) -> None:
    @router.post(
        "/ims/oneroster/token",
        operation_id="giveToken",
        summary="An access token",
        description="OAuth 2 client credentials (RFC 6749 §4.4): the client's id and secret as Basic or in the form.",
        response_model=documents.Token,
        openapi_extra=documents.TOKEN_REQUEST,
        responses=documents.TOKEN_ERRORS,
    )
    async def token(request: Request) -> JSONResponse:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_FORM_BYTES:
                raise TokenError("invalid_request", "the form is too long")
        asked = read_form(
            bytes(body), request.headers.get("content-type", ""), request.headers.get("authorization", "")
        )
        return await give_token(database, clock, limits, asked, asker(request, limits.trusted_proxies))


def _add_page(router: APIRouter, read: Read, database: Database, auth: TokenAuth, public_url: str) -> None:
    collection = read.collection

    async def many(
        request: Request,
        caller: Annotated[Caller, Depends(auth)],
        query: Annotated[PageQuery, Depends(_page_query)],
    ) -> JSONResponse:
        names = _selected(collection, query.fields)
        async with database.transaction(caller.scope()) as conn:
            reader = await _reader(conn, caller)
            parents = await parents_of(reader, read.parents, request.path_params)
            page = await reader.page(collection, query.asked(), read.place, parents)
        shapes = Shapes(public_url or str(request.base_url))
        items = [_told(collection, shapes, row, names) for row in page.rows]
        headers = {"X-Total-Count": str(page.total)} | _links(request, query, page, public_url)
        return JSONResponse({collection.many: items}, headers=headers)

    router.add_api_route(
        f"{read.base}/{read.path}",
        many,
        operation_id=f"getAll{read.operation}" if not read.parents else f"get{read.operation}",
        summary=f"{collection.many} of {read.path}",
        response_model=create_model(f"{read.operation}Page", **{collection.many: (list[collection.model], ...)}),  # type: ignore[call-overload, name-defined]
        responses=documents.page_responses(nested=bool(read.parents)),
        openapi_extra=documents.path_parameters(read.parents),
    )


async def _reader(conn: Connection, caller: Caller) -> Reader:
    return Reader(conn, Identity(await queries.identity_key(conn), caller.source), caller.source, caller.school_id)


def _add_one(router: APIRouter, read: Read, database: Database, auth: TokenAuth, public_url: str) -> None:
    collection = read.collection

    async def one(
        request: Request, caller: Annotated[Caller, Depends(auth)], fields: _FieldsQuery = None
    ) -> JSONResponse:
        names = _selected(collection, fields)
        async with database.transaction(caller.scope()) as conn:
            reader = await _reader(conn, caller)
            row = await reader.one(collection, request.path_params["sourcedId"], read.place)
        shapes = Shapes(public_url or str(request.base_url))
        return JSONResponse({collection.one: _told(collection, shapes, row, names)})

    router.add_api_route(
        f"{read.base}/{read.path}/{{sourcedId:path}}",
        one,
        operation_id=f"getOneOf{read.operation}",
        summary=f"One of {read.path}",
        response_model=create_model(f"{read.operation}One", **{collection.one: (collection.model, ...)}),  # type: ignore[call-overload]
        responses=documents.ONE_RESPONSES,
        openapi_extra=documents.path_parameters(["sourcedId"]),
    )


def _add_writing(router: APIRouter, database: Database, clock: Clock) -> None:
    write = Annotated[Caller, Depends(TokenAuth(database, clock, [GRADEBOOK_WRITE]))]
    delete = Annotated[Caller, Depends(TokenAuth(database, clock, [GRADEBOOK_DELETE]))]
    errors = documents.statuses(400, 401, 403, 404, 422)
    path_id = documents.path_parameters(["sourcedId"])
    replaced: dict[int | str, dict[str, Any]] = {200: {"description": "It was there and is now as sent."}, **errors}

    async def put_result(request: Request, body: bodies.PutResult, caller: write) -> Response:
        sourced_id = _path_id(request)
        new = await writing.put_result(database, clock, caller, sourced_id, body.result)
        return Response(status_code=201 if new else 200)

    async def delete_result(request: Request, caller: delete) -> Response:
        await writing.withdraw_result(database, clock, caller, _path_id(request))
        return Response(status_code=204)

    async def put_line_item(request: Request, body: bodies.PutLineItem, caller: write) -> Response:
        new = await columns.put_line_item(database, clock, caller, _path_id(request), body.line_item)
        return Response(status_code=201 if new else 200)

    async def post_results(request: Request, body: bodies.PostResults, caller: write) -> JSONResponse:
        ids = await writing.post_results(database, clock, caller, _path_id(request), body.results)
        pairs = [
            bodies.SourcedIdPair(supplied_sourced_id=sent.sourced_id or "", allocated_sourced_id=name)
            for sent, name in zip(body.results, ids, strict=True)
        ]
        return JSONResponse(bodies.told(pairs), status_code=201)

    def add(path: str, endpoint: Callable[..., Any], method: str, operation: str, **more: Any) -> None:
        router.add_api_route(
            f"{GRADEBOOK}/{path}", endpoint, methods=[method], operation_id=operation, openapi_extra=path_id, **more
        )

    add(
        "results/{sourcedId:path}",
        put_result,
        "PUT",
        "putResult",
        summary="Record, correct or withdraw a result",
        status_code=201,
        response_class=Response,
        responses=replaced,
    )
    add(
        "results/{sourcedId:path}",
        delete_result,
        "DELETE",
        "deleteResult",
        summary="Withdraw a result",
        status_code=204,
        response_class=Response,
        responses=documents.statuses(401, 403, 404, 422),
    )
    add(
        "lineItems/{sourcedId}/results",
        post_results,
        "POST",
        "postResultsForLineItem",
        summary="Record results in a line item, all or none",
        status_code=201,
        response_model=bodies.SourcedIdPairs,
        responses=errors,
    )
    add(
        "lineItems/{sourcedId:path}",
        put_line_item,
        "PUT",
        "putLineItem",
        summary="Make a line item, or state it anew",
        status_code=201,
        response_class=Response,
        responses=replaced,
    )


def _path_id(request: Request) -> str:
    """The id in the path.

    Raises:
        StatusInfo: 422, it is longer than any, or has characters that no id has.
    """
    sourced_id: str = request.path_params["sourcedId"]
    if len(sourced_id) > 200 or not sourced_id.isprintable():
        raise invalid_data("sourcedId: не длиннее 200 печатных знаков / at most 200 printable characters")
    return sourced_id


def _selected(collection: Collection, fields: str | None) -> frozenset[str]:
    """The names of the fields to send.

    Raises:
        StatusInfo: 400, one of them is unknown or none is named.
    """
    if fields is None:
        return collection.names
    names = frozenset(name.strip() for name in fields.split(","))
    if not names <= collection.names:
        raise StatusInfo(
            400, Minor.INVALID_SELECTION_FIELD, "Поля в fields нет. / There is no such field to select in fields."
        )
    return names


def _told(collection: Collection, shapes: Shapes, row: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    told = as_json(collection.shape(shapes, row))
    return told if names == collection.names else {name: value for name, value in told.items() if name in names}


def _links(request: Request, query: PageQuery, page: Page, public_url: str) -> dict[str, str]:
    """The Link header (RFC 8288): first, prev, next, last, as far as they are there."""
    last = max(0, (page.total - 1) // query.limit * query.limit)
    places: dict[str, dict[str, str]] = {"first": {"offset": "0"}, "last": {"offset": str(last)}}
    if query.offset:
        places["prev"] = {"offset": str(max(0, query.offset - query.limit))}
    if page.next_cursor is not None:
        places["next"] = {"offset": str(query.offset + query.limit), "after": page.next_cursor}
    kept = {name: value for name, value in request.query_params.items() if name not in ("offset", "after", "limit")}
    where = (public_url.rstrip("/") + request.url.path) if public_url else str(request.url.replace(query=""))
    links = [
        f'<{where}?{urlencode(kept | {"limit": str(query.limit)} | place)}>; rel="{name}"'
        for name, place in places.items()
    ]
    return {"Link": ", ".join(links)}
