"""The HTTP application of a service: its routers, with health, metrics, problems and tracing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis import auth, metrics, problems, tracing
from chassis.database import DISTRICT
from chassis.errors import is_transient

if TYPE_CHECKING:
    from chassis.service import Service

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def make_app(service: Service) -> FastAPI:
    """The application: what the service offers, with its description at `/openapi.json`.

    `/health` and `/metrics` are here as well, unless they have a port of their own.
    """
    described = any(getattr(route, "include_in_schema", True) for router in service.routers for route in router.routes)
    # The interactive pages would load their scripts from elsewhere.
    app = FastAPI(
        title=service.title,
        version="1",
        docs_url=None,
        redoc_url=None,
        openapi_url="/openapi.json" if described else None,
    )
    problems.install(app)
    for router in service.routers:
        app.include_router(router)
    if service.configure is not None:
        service.configure(app)
    if service.settings.internal_port is None:
        app.include_router(_health_and_metrics(service))
    app.add_middleware(BodyGuard, max_bytes=service.settings.http_max_body_bytes)
    app.add_middleware(Observed)
    return app


def make_internal_app(service: Service) -> FastAPI:
    """What the district's own machines ask: `/health/live`, `/health/ready` and `/metrics`."""
    app = FastAPI(title=service.title, docs_url=None, redoc_url=None, openapi_url=None)
    problems.install(app)
    app.include_router(_health_and_metrics(service))
    return app


def _health_and_metrics(service: Service) -> APIRouter:
    router = APIRouter(include_in_schema=False)

    @router.get("/health/live")
    async def live() -> JSONResponse:
        stuck = {
            consumer.name: round(consumer.progress.stuck_for())
            for consumer in service.consumers
            if consumer.progress.stuck_for() > service.settings.progress_deadline_seconds
        }
        return JSONResponse({"stuck_seconds": stuck}, status_code=503 if stuck else 200)

    @router.get("/health/ready")
    async def ready() -> JSONResponse:
        waits = []
        if "consumers" in service.roles and service.consumers and not service.consuming:
            waits.append("broker")
        try:
            async with service.database.transaction(DISTRICT) as conn:
                await conn.fetchval("SELECT 1")
        except Exception as error:
            if not is_transient(error):
                raise
            waits.append("database")
        return JSONResponse({"waits_for": waits}, status_code=503 if waits else 200)

    @router.get("/metrics")
    async def exposition() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router


class BodyGuard:
    """Reads nobody's body before it is known who sends it, and no more of it than is allowed.

    It works where the body is first asked for: by then the route is known, and neither its dependencies nor its
    endpoint have run. What the application makes of the refusal is dropped, and the refusal is the answer.
    """

    def __init__(self, app: ASGIApp, *, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        length = Headers(scope=scope).get("content-length", "0")
        if length.isdecimal() and int(length) > self._max_bytes:
            await _too_long(self._max_bytes).response()(scope, receive, send)
            return
        reading = _Reading(scope, receive, send, self._max_bytes)
        try:
            await self._app(scope, reading.receive, reading.send)
        except Exception:
            if not isinstance(reading.failure, problems.Problem) or reading.answering:
                raise
        if reading.failure is None or reading.answering:
            return
        if not isinstance(reading.failure, problems.Problem):
            raise reading.failure
        await reading.failure.response()(scope, receive, send)


class _Reading:
    """One request's body as the application reads it."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, max_bytes: int) -> None:
        self.failure: Exception | None = None
        """Why there is no body: a refusal, or that the caller could not be looked up."""
        self.answering = False
        """The application had begun its answer before anything failed."""
        self._scope, self._receive, self._send = scope, receive, send
        self._max_bytes = max_bytes
        self._read: int | None = None

    async def receive(self) -> Message:
        """The next piece of the body.

        Raises:
            Exception: the failure.
        """
        try:
            return await self._next()
        except Exception as error:
            self.failure = error
            raise

    async def _next(self) -> Message:
        if self._read is None:
            self._read = 0
            caller = auth.required_by(self._scope.get("route"))
            if caller is not None:
                await caller(Request(self._scope), Headers(scope=self._scope).get("authorization", ""))
        message = await self._receive()
        self._read += len(message.get("body", b""))
        if self._read > self._max_bytes:
            raise _too_long(self._max_bytes)
        return message

    async def send(self, message: Message) -> None:
        """What the application answers, unless something failed before it began to."""
        if self.failure is None or self.answering:
            self.answering = True
            await self._send(message)


def _too_long(max_bytes: int) -> problems.Problem:
    return problems.Problem(413, "body_too_long", f"A request has at most {max_bytes} bytes.")


class Observed:
    """Measures every request by its route's template and joins it to its caller's trace."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http" or scope["path"].startswith(("/health/", "/metrics")):
            await self._app(scope, receive, send)
            return
        status = 500
        started = time.perf_counter()

        async def note(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        with tracing.span(f"HTTP {scope['method']}", [Headers(scope=scope).get("traceparent")]):
            try:
                await self._app(scope, receive, note)
            finally:
                route = getattr(scope.get("route"), "path", "unmatched")
                # The method is the caller's word: an unknown one must not make a time series of its own.
                method = scope["method"] if scope["method"] in METHODS else "other"
                metrics.HTTP_SECONDS.labels(method, route, str(status)).observe(time.perf_counter() - started)
