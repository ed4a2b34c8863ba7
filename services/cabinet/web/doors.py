"""In and out: signing in with login and password, joining with an invitation, signing out, the language."""

from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from chassis.addresses import asker
from contracts.values import Language
from services.cabinet.handlers import Refusal, Refused, join, person_of_session, sign_in, sign_out
from services.cabinet.web.errors import Forbidden
from services.cabinet.web.rendering import render
from services.cabinet.web.security import cookies_of, doors_of, local_path

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)

Field = Annotated[str, Form(max_length=1000)]
_SEE_OTHER = 303


def _require_own_form(request: Request, token: str) -> None:
    if not cookies_of(request).is_own_form(request, token):
        raise Forbidden


def _address(request: Request) -> str:
    return asker(request, doors_of(request).settings.trusted_proxies)


def _go_in(request: Request, token: str, onwards: str) -> Response:
    response = RedirectResponse(local_path(onwards), status_code=_SEE_OTHER)
    cookies_of(request).start_session(response, token, int(doors_of(request).settings.session_hours * 3600))
    return response


def _refuse(request: Request, template: str, refusal: Refusal, **values: str) -> Response:
    if refusal is Refusal.TOO_MANY_ATTEMPTS:
        seconds = int(doors_of(request).settings.sign_in_window_seconds)
        response = render(request, "error.html", status_code=429, code=429, minutes=-(-seconds // 60))
        response.headers["Retry-After"] = str(seconds)
        return response
    return _form(request, template, status_code=422, refusal=refusal, **values)


def _form(
    request: Request, template: str, *, refusal: Refusal | None = None, status_code: int = 200, **values: str
) -> Response:
    return render(
        request,
        template,
        status_code=status_code,
        refusal=refusal and refusal.value,
        password_min_length=doors_of(request).settings.password_min_length,
        **values,
    )


@router.get("/sign-in")
async def sign_in_form(
    request: Request, onwards: Annotated[str, Query(alias="next", max_length=500)] = "/"
) -> Response:
    """The form; whoever is signed in goes on at once."""
    token = cookies_of(request).session(request)
    if token and await person_of_session(doors_of(request), token):
        return RedirectResponse(local_path(onwards), status_code=_SEE_OTHER)
    return _form(request, "sign_in.html", login="", onwards=local_path(onwards))


@router.post("/sign-in")
async def sign_in_sent(
    request: Request,
    form_token: Field = "",
    login: Field = "",
    password: Field = "",
    onwards: Annotated[str, Form(alias="next", max_length=500)] = "/",
) -> Response:
    """Signs in, or says why not."""
    _require_own_form(request, form_token)
    try:
        token = await sign_in(doors_of(request), login=login, password=password, address=_address(request))
    except Refused as refused:
        return _refuse(request, "sign_in.html", refused.reason, login=login, onwards=local_path(onwards))
    return _go_in(request, token, onwards)


@router.get("/join")
async def join_form(request: Request) -> Response:
    """The form for an invitation code."""
    return _form(request, "join.html", login="", code="")


@router.post("/join")
async def join_sent(
    request: Request, form_token: Field = "", code: Field = "", login: Field = "", password: Field = ""
) -> Response:
    """Makes the account and signs in, or says why not."""
    _require_own_form(request, form_token)
    try:
        token = await join(doors_of(request), code=code, login=login, password=password, address=_address(request))
    except Refused as refused:
        return _refuse(request, "join.html", refused.reason, login=login, code=code)
    return _go_in(request, token, "/")


@router.post("/sign-out")
async def sign_out_sent(request: Request, form_token: Field = "") -> Response:
    """Ends this sign-in."""
    _require_own_form(request, form_token)
    token = cookies_of(request).session(request)
    if token:
        await sign_out(doors_of(request), token)
    response = RedirectResponse("/sign-in", status_code=_SEE_OTHER)
    cookies_of(request).end_session(response)
    # What the browser kept of the pages goes too.
    response.headers["Clear-Site-Data"] = '"cache"'
    return response


@router.post("/language")
async def language_sent(
    request: Request,
    language: Annotated[Language, Form()],
    form_token: Field = "",
    onwards: Annotated[str, Form(alias="next", max_length=500)] = "/",
) -> Response:
    """Remembers the language and goes back to the page."""
    _require_own_form(request, form_token)
    response = RedirectResponse(local_path(onwards), status_code=_SEE_OTHER)
    cookies_of(request).language(response, language.value)
    return response
