"""Errors for machines: RFC 9457 problem details with a stable code and JSON pointers to the faults."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from chassis.logging import log

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a request."""

    pointer: str
    """JSON pointer (RFC 6901) into the body, or `#/query/…`."""
    code: str
    detail: str


class Problem(Exception):  # noqa: N818 - RFC 9457's word
    """Ends a request with problem details."""

    def __init__(
        self, status: int, code: str, title: str, detail: str = "", errors: Sequence[Fault] | None = None
    ) -> None:
        super().__init__(f"{code}: {title}")
        self.status = status
        self.code = code
        self.title = title
        self.detail = detail
        self.errors = list(errors or [])

    def body(self) -> dict[str, Any]:
        """The JSON object that is sent."""
        body: dict[str, Any] = {
            "type": f"urn:sutki:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "code": self.code,
        }
        if self.detail:
            body["detail"] = self.detail
        if self.errors:
            body["errors"] = [asdict(fault) for fault in self.errors]
        return body

    def response(self) -> JSONResponse:
        """The answer."""
        headers = {"WWW-Authenticate": "Bearer"} if self.status == 401 else None
        return JSONResponse(self.body(), status_code=self.status, media_type=MEDIA_TYPE, headers=headers)


def pointer(location: Sequence[object]) -> str:
    """A JSON pointer from the place that pydantic names."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in location)


def install(app: FastAPI) -> None:
    """Makes every error of an API a problem."""

    @app.exception_handler(Problem)
    async def _problem(_: Request, error: Problem) -> JSONResponse:
        return error.response()

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        return Problem(
            422, "invalid_request", "The request does not fit the contract.", errors=[_fault(e) for e in error.errors()]
        ).response()

    @app.exception_handler(HTTPException)
    async def _http(_: Request, error: HTTPException) -> JSONResponse:
        code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
        return Problem(error.status_code, code, str(error.detail)).response()

    @app.exception_handler(Exception)
    async def _unexpected(request: Request, error: Exception) -> JSONResponse:
        route = request.scope.get("route")
        log.error("request_failed", route=getattr(route, "path", "-"), error=type(error).__name__, exc_info=error)
        return Problem(500, "internal_error", "Something failed here; nothing was changed. Try again later.").response()


def _fault(error: dict[str, Any]) -> Fault:
    where, *rest = error["loc"]
    place = pointer(rest) if where == "body" else f"#/{where}{pointer(rest)}"
    return Fault(place, str(error["type"]), str(error["msg"]))
