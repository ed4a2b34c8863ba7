"""Cookies, form tokens and headers of the pages."""

import hmac
import secrets
from hashlib import sha256

from fastapi import Request
from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.cabinet.handlers import Doors

MAX_BODY_BYTES = 16_384
FORM_COOKIE_SECONDS = 86_400
LANGUAGE_COOKIE_SECONDS = 365 * 86_400
LANGUAGE_COOKIE = "sutki_language"
_TOKEN_LENGTH = 43

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
STRICT_TRANSPORT = "max-age=63072000; includeSubDomains"


class Guard:
    """On every answer the headers that keep it private; on every request a limit to what may be sent."""

    def __init__(self, app: ASGIApp, *, secure: bool) -> None:
        self._app = app
        self._secure = secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                harden(MutableHeaders(scope=message), secure=self._secure)
            await send(message)

        refused = _too_much(scope)
        if refused is not None:
            await refused(scope, receive, guarded)
            return
        await self._app(scope, receive, guarded)


def harden(headers: MutableHeaders, *, secure: bool) -> None:
    """Adds the protecting headers; what names no other policy is never stored."""
    for name, value in HEADERS.items():
        headers.setdefault(name, value)
    headers.setdefault("Cache-Control", "no-store")
    if secure:
        headers.setdefault("Strict-Transport-Security", STRICT_TRANSPORT)


def _too_much(scope: Scope) -> Response | None:
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"0")
    if b"transfer-encoding" in headers or not length.isdigit():
        return PlainTextResponse("Length required", status_code=411)
    return PlainTextResponse("Content too large", status_code=413) if int(length) > MAX_BODY_BYTES else None


class Cookies:
    """The cabinet's cookies. `__Host-` where there is https: then no other host can set or read them."""

    def __init__(self, *, secure: bool) -> None:
        prefix = "__Host-" if secure else ""
        self._secure = secure
        self._session = f"{prefix}sutki_session"
        self._form = f"{prefix}sutki_form"

    def session(self, request: Request) -> str | None:
        """The token of the sign-in, if the browser sent one that could be ours."""
        token = request.cookies.get(self._session, "")
        return token if len(token) == _TOKEN_LENGTH else None

    def start_session(self, response: Response, token: str, seconds: int) -> None:
        """Has the browser keep the token; scripts cannot read it."""
        self._set(response, self._session, token, seconds)

    def end_session(self, response: Response) -> None:
        """Has the browser forget the token."""
        response.delete_cookie(self._session, path="/", secure=self._secure, httponly=True, samesite="lax")

    def language(self, response: Response, language: str) -> None:
        """Remembers the language."""
        self._set(response, LANGUAGE_COOKIE, language, LANGUAGE_COOKIE_SECONDS)

    def form_secret(self, request: Request) -> str:
        """What the browser's forms are bound to; made on the first page."""
        known: str | None = getattr(request.state, "form_secret", None) or request.cookies.get(self._form)
        if known is None or len(known) != _TOKEN_LENGTH:
            known = secrets.token_urlsafe(32)
            request.state.new_form_secret = known
        request.state.form_secret = known
        return known

    def keep_form_secret(self, request: Request, response: Response) -> None:
        """Sends the secret along if it is new."""
        fresh: str | None = getattr(request.state, "new_form_secret", None)
        if fresh is not None:
            self._set(response, self._form, fresh, FORM_COOKIE_SECONDS)

    def form_token(self, request: Request) -> str:
        """The hidden field of every form: bound to this browser and to this sign-in."""
        message = (self.session(request) or "").encode()
        return hmac.new(self.form_secret(request).encode(), message, sha256).hexdigest()

    def is_own_form(self, request: Request, token: str) -> bool:
        """Whether a form that was sent is one that we gave to this browser."""
        if request.headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            return False
        return hmac.compare_digest(self.form_token(request).encode(), token.encode())

    def _set(self, response: Response, name: str, value: str, seconds: int) -> None:
        response.set_cookie(name, value, max_age=seconds, path="/", secure=self._secure, httponly=True, samesite="lax")


def doors_of(request: Request) -> Doors:
    """The parts that the application was put together with."""
    doors: Doors = request.app.state.doors
    return doors


def cookies_of(request: Request) -> Cookies:
    """The same for the cookies."""
    cookies: Cookies = request.app.state.cookies
    return cookies


def local_path(path: str) -> str:
    """A path of ours to go on to; anything else becomes the first page."""
    safe = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() and "\\" not in path
    return path if safe else "/"
