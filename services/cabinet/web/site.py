"""Puts the pages onto the HTTP application: static files, headers, error pages."""

from fastapi import APIRouter, FastAPI
from fastapi.responses import Response

from services.cabinet.handlers import Doors
from services.cabinet.web import doors as doors_pages
from services.cabinet.web import errors, pages
from services.cabinet.web.errors import NotFound
from services.cabinet.web.rendering import STATIC_BY_URL_NAME
from services.cabinet.web.security import Cookies, Guard

FOR_GOOD = "public, max-age=31536000, immutable"
# FastAPI's own pages about the API load scripts from elsewhere.
_FOREIGN_PAGES = {"/docs", "/docs/oauth2-redirect", "/redoc"}

static_files = APIRouter(include_in_schema=False)


@static_files.get("/static/{name}")
async def static_file(name: str) -> Response:
    """A file by the name that bears its hash."""
    file = STATIC_BY_URL_NAME.get(name)
    if file is None:
        raise NotFound
    return Response(file.content, media_type=file.media_type, headers={"Cache-Control": FOR_GOOD})


@static_files.get("/robots.txt")
async def robots() -> Response:
    """Nothing here is for search engines."""
    return Response("User-agent: *\nDisallow: /\n", media_type="text/plain", headers={"Cache-Control": FOR_GOOD})


ROUTERS = [doors_pages.router, pages.router, static_files]


def configure(app: FastAPI, doors: Doors) -> None:
    """The last word on the application."""
    app.state.doors = doors
    app.state.cookies = Cookies(secure=doors.settings.cookie_secure)
    app.router.routes[:] = [route for route in app.router.routes if getattr(route, "path", "") not in _FOREIGN_PAGES]
    errors.install(app)
    app.add_middleware(Guard, secure=doors.settings.cookie_secure)
