"""The HTTP application of a service: its routers, with health, metrics, problems and tracing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from chassis import metrics, problems, tracing
from chassis.database import DISTRICT
from chassis.errors import is_transient

if TYPE_CHECKING:
    from chassis.service import Service

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def make_app(service: Service) -> FastAPI:
    """The application: `/health/live`, `/health/ready`, `/metrics`, `/openapi.json`, and what the service offers."""
    # The interactive pages would load their scripts from elsewhere; the document itself is at /openapi.json.
    app = FastAPI(title=service.title, version="1", docs_url=None, redoc_url=None)
    problems.install(app)
    for router in service.routers:
        app.include_router(router)
    if service.configure is not None:
        service.configure(app)

    @app.get("/health/live", include_in_schema=False)
    async def live() -> JSONResponse:
        stuck = {
            consumer.name: round(consumer.stuck_for())
            for consumer in service.consumers
            if consumer.stuck_for() > service.settings.progress_deadline_seconds
        }
        return JSONResponse({"stuck_seconds": stuck}, status_code=503 if stuck else 200)

    @app.get("/health/ready", include_in_schema=False)
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

    @app.get("/metrics", include_in_schema=False)
    async def exposition() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    app.add_middleware(BodyLimit, max_bytes=service.settings.http_max_body_bytes)
    app.add_middleware(Observed)
    return app


class BodyLimit:
    """Refuses bodies that are too long, whether they say so or not; nobody's body is read whole before that."""

    def __init__(self, app: ASGIApp, *, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        length = Headers(scope=scope).get("content-length", "0") if scope["type"] == "http" else "0"
        if length.isdecimal() and int(length) > self._max_bytes:
            await self._problem().response()(scope, receive, send)
            return
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._max_bytes:
                raise self._problem()
            return message

        await self._app(scope, counted, send)

    def _problem(self) -> problems.Problem:
        return problems.Problem(413, "body_too_long", f"A request has at most {self._max_bytes} bytes.")


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
