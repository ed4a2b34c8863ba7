"""What goes wrong: as a page for people, as problem details for machines."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlencode

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse, Response
from starlette.exceptions import HTTPException

from services.cabinet.web.rendering import render
from services.cabinet.web.security import harden

MACHINE_PATHS = ("/v1/", "/health/", "/metrics", "/openapi.json")
_PAGES = (403, 404, 429, 500)

Handler = Callable[[Request, Any], Awaitable[Response]]


class NotSignedIn(Exception):  # noqa: N818 - a state, no fault
    """The page needs a signed-in reader."""


class NotFound(HTTPException):
    """There is no such page, or it is not this reader's."""

    def __init__(self) -> None:
        super().__init__(404)


class Forbidden(HTTPException):
    """The form was not one of ours, or it was too old."""

    def __init__(self) -> None:
        super().__init__(403)


def error_page(request: Request, status: int) -> Response:
    """The page for a status; those without a page of their own look like 404 (the reader's) or 500 (ours)."""
    code = status if status in _PAGES else 500 if status >= 500 else 404
    return render(request, "error.html", status_code=status, code=code, minutes=0)


def install(app: FastAPI) -> None:
    """People get pages; what is under a machine's path keeps its problem details."""
    for kind, page in ((HTTPException, _http_page), (RequestValidationError, _invalid_page), (Exception, _failed_page)):
        app.add_exception_handler(kind, _for_people(page, app.exception_handlers[kind]))
    app.add_exception_handler(NotSignedIn, _to_sign_in)


def _for_people(page: Handler, problem: Any) -> Handler:
    async def answer(request: Request, error: Any) -> Response:
        # The problem's handler first: it also writes the log.
        machines: Response = await problem(request, error)
        response = machines if request.url.path.startswith(MACHINE_PATHS) else await page(request, error)
        # An unexpected error is answered outside of the middleware.
        harden(response.headers, secure=request.app.state.doors.settings.cookie_secure)
        return response

    return answer


async def _http_page(request: Request, error: HTTPException) -> Response:
    return error_page(request, error.status_code)


async def _invalid_page(request: Request, _: RequestValidationError) -> Response:
    return error_page(request, 404 if request.method == "GET" else 403)


async def _failed_page(request: Request, _: Exception) -> Response:
    return error_page(request, 500)


async def _to_sign_in(request: Request, _: Exception) -> Response:
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    return RedirectResponse("/sign-in" if path == "/" else f"/sign-in?{urlencode({'next': path})}", status_code=303)
