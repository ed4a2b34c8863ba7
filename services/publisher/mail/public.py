"""The public page by which mails are ended: no sign-in, since RFC 8058 allows none; the token is the whole key.

Looking at it changes nothing, whoever prefetches it. Every true token gets the same answer, whatever became of the
people it names; every other one gets the same refusal. The body of a request is never read.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

from fastapi import APIRouter, Header
from fastapi import Path as InPath
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from chassis.clock import Clock
from chassis.database import Database
from services.publisher.mail.unsubscribe import Tokens
from services.publisher.mail.unsubscribing import unsubscribe
from services.publisher.mail.wording import PAGE_WORDS

_PAGE: Final = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
).get_template("unsubscribe.html.j2")
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
}

Token = Annotated[str, InPath(max_length=200)]


@dataclass
class Limiter:
    """So many requests a second, and a reserve after a quiet time: enough for a provider that clicks for many."""

    rate: float
    reserve: float
    now: Callable[[], float] = time.monotonic
    _left: float = field(init=False)
    _at: float = field(init=False)

    def __post_init__(self) -> None:
        """Begins with the whole reserve."""
        self._left, self._at = self.reserve, self.now()

    def admit(self) -> bool:
        """Whether one more is allowed now."""
        at = self.now()
        self._left = min(self.reserve, self._left + (at - self._at) * self.rate)
        self._at = at
        if self._left < 1:
            return False
        self._left -= 1
        return True


def make_unsubscribe_router(
    database: Database, clock: Clock, tokens: Tokens, cabinet_url: str, limiter: Limiter | None = None
) -> APIRouter:
    """The page over a database.

    Args:
        database: the publisher's.
        clock: its clock.
        tokens: that are believed.
        cabinet_url: where mails are switched on again.
        limiter: of requests with true tokens, of this process; a generous one by default. Others cost no more than a
            look at their signature, and must not use up what real ones need.
    """
    router = APIRouter(prefix="/unsubscribe", include_in_schema=False)
    allowed = limiter or Limiter(rate=50, reserve=500)

    def page(state: str, languages: str, status: int = 200) -> HTMLResponse:
        language = _language(languages)
        text = _PAGE.render(state=state, language=language, words=PAGE_WORDS[language], cabinet_url=cabinet_url)
        retry = {"Retry-After": "10"} if status == 429 else {}
        return HTMLResponse(text, status_code=status, headers={**_HEADERS, **retry, "Content-Language": language})

    @router.api_route("/{token}", methods=["GET", "HEAD"])
    async def ask(token: Token, accept_language: Annotated[str, Header()] = "") -> HTMLResponse:
        """Asks whether mails are to end."""
        if tokens.read(token) is None:
            return page("unknown", accept_language, 404)
        if not allowed.admit():
            return page("busy", accept_language, 429)
        return page("ask", accept_language)

    @router.post("/{token}")
    async def end(token: Token, accept_language: Annotated[str, Header()] = "") -> HTMLResponse:
        """Ends them: by the button of that page, or by the one click of a mail program."""
        who = tokens.read(token)
        if who is None:
            return page("unknown", accept_language, 404)
        if not allowed.admit():
            return page("busy", accept_language, 429)
        await unsubscribe(database, clock, who, way="one_click")
        return page("done", accept_language)

    return router


def _language(accepted: str) -> str:
    """Russian, unless English is asked for first."""
    first = accepted.split(",", maxsplit=1)[0].strip().lower()
    return "en" if first.startswith("en") else "ru"
