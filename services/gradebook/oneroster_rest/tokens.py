"""OAuth 2 client credentials (RFC 6749 §4.4): who may read and write what, and for how long."""

import base64
import binascii
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Annotated
from urllib.parse import parse_qsl, unquote_plus
from uuid import UUID

import asyncpg
from fastapi import Header, Request
from fastapi.responses import JSONResponse

from chassis import access_log
from chassis.auth import Client, ClientAuth
from chassis.clock import Clock
from chassis.database import DISTRICT, Connection, Database
from services.gradebook.oneroster_rest import token_queries as queries
from services.gradebook.oneroster_rest.statuses import Minor, StatusInfo
from services.gradebook.oneroster_rest.token_limits import TokenLimits, asking, demand_room, note

TOKEN_SECONDS = 3600
MAX_TOKENS = 200
"""A client that asks for more within the hour loses the oldest."""
MAX_FORM_BYTES = 16 << 10
_PREFIX = "https://purl.imsglobal.org/spec/or/v1p2/scope/"

ROSTER_CORE = _PREFIX + "roster-core.readonly"
ROSTER = _PREFIX + "roster.readonly"
DEMOGRAPHICS = _PREFIX + "roster-demographics.readonly"
GRADEBOOK_CORE = _PREFIX + "gradebook-core.readonly"
GRADEBOOK = _PREFIX + "gradebook.readonly"
GRADEBOOK_WRITE = _PREFIX + "gradebook.createput"
GRADEBOOK_DELETE = _PREFIX + "gradebook.delete"
SCOPES = {
    ROSTER_CORE: "Schools, periods, courses, classes, people and enrollments",
    ROSTER: "The same",
    DEMOGRAPHICS: "Birth dates",
    GRADEBOOK_CORE: "Categories, scales, line items and results",
    GRADEBOOK: "The same",
    GRADEBOOK_WRITE: "Making line items, and writing results; withdrawing neither",
    GRADEBOOK_DELETE: "Withdrawing results; with the one for writing also line items",
}
"""The scopes of version 1.2 that are offered here."""


@dataclass(frozen=True)
class Caller(Client):
    """Who calls, with what the token allows."""

    source: str = "district"
    """The namespace of the ids that it speaks."""
    scopes: frozenset[str] = frozenset()

    def require(self, *needed: str) -> None:
        """Lets only those on who have one of these scopes.

        Raises:
            StatusInfo: 403, the token has none of them.
        """
        if self.scopes.isdisjoint(needed):
            challenge = f'Bearer realm="sutki", error="insufficient_scope", scope="{" ".join(needed)}"'
            raise StatusInfo(
                403,
                Minor.FORBIDDEN,
                "Токену не хватает прав. / The token lacks the scope.",
                headers={"WWW-Authenticate": challenge},
            )


class TokenError(Exception):
    """A token was not given out; RFC 6749 §5.2 has the codes."""

    def __init__(self, code: str, description: str, *, status: int = 400, basic: bool = False) -> None:
        super().__init__(code)
        self.code = code
        self.description = description
        self.status = status
        self.basic = basic

    def response(self) -> JSONResponse:
        """The answer."""
        headers = _UNCACHED | ({"WWW-Authenticate": 'Basic realm="sutki"'} if self.status == 401 else {})
        content = {"error": self.code, "error_description": self.description}
        return JSONResponse(content, status_code=self.status, headers=headers)


_UNCACHED = {"Cache-Control": "no-store", "Pragma": "no-cache"}
_UNKNOWN_SECRET = sha256(secrets.token_bytes(32)).digest()


@dataclass(frozen=True)
class Asked:
    """What a client asks the token endpoint."""

    client_id: str
    secret: str
    scopes: tuple[str, ...]
    """Empty: all that it may."""


def read_form(body: bytes, content_type: str, authorization: str) -> Asked:
    """Reads a token request.

    Raises:
        TokenError: it is no such request, or of another grant.
    """
    if content_type.partition(";")[0].strip().lower() != "application/x-www-form-urlencoded":
        raise TokenError("invalid_request", "the body is a form: application/x-www-form-urlencoded")
    try:
        pairs = parse_qsl(body.decode("ascii"), keep_blank_values=True, max_num_fields=20)
    except ValueError:
        raise TokenError("invalid_request", "the form cannot be read") from None
    form = dict(pairs)
    if len(form) != len(pairs):
        raise TokenError("invalid_request", "a parameter is repeated")
    if "grant_type" not in form:
        raise TokenError("invalid_request", "grant_type is missing")
    if form["grant_type"] != "client_credentials":
        raise TokenError("unsupported_grant_type", "only client_credentials is offered")
    client_id, secret = _credentials(form, authorization)
    return Asked(client_id, secret, tuple(_PREFIX + _short(name) for name in form.get("scope", "").split()))


def _short(scope: str) -> str:
    # Also met with http, which names the same.
    for prefix in (_PREFIX, _PREFIX.replace("https", "http", 1)):
        if scope.startswith(prefix):
            return scope.removeprefix(prefix)
    raise TokenError("invalid_scope", "a scope is unknown here")


def _credentials(form: Mapping[str, str], authorization: str) -> tuple[str, str]:
    in_body = "client_secret" in form
    if not authorization:
        if not in_body or "client_id" not in form:
            raise TokenError("invalid_client", "the client's id and secret are missing", status=401)
        return form["client_id"], form["client_secret"]
    if in_body:
        raise TokenError("invalid_request", "the credentials are given twice")
    scheme, _, encoded = authorization.partition(" ")
    refusal = TokenError("invalid_client", "the Authorization header is no Basic one", status=401)
    if scheme.lower() != "basic":
        raise refusal
    try:
        name, colon, secret = base64.b64decode(encoded.strip(), validate=True).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise refusal from None
    if not colon:
        raise refusal
    # RFC 6749 §2.3.1 encodes both like a form.
    return unquote_plus(name), unquote_plus(secret)


async def give_token(database: Database, clock: Clock, limits: TokenLimits, asked: Asked, address: str) -> JSONResponse:
    """Gives out an access token, of which only a hash is kept.

    Args:
        database: the gradebook's.
        clock: tells when.
        limits: how often a client may ask.
        asked: the request.
        address: from where it comes.

    Raises:
        TokenError: the client is unknown or revoked, its secret is wrong, or it may not have a scope.
        StatusInfo: 429, there were too many requests.
    """
    who = asking(asked.client_id, address)
    async with database.transaction(DISTRICT) as conn:
        now = await clock.now(conn)
        await demand_room(conn, limits, who, now)
        known = await _client_of(conn, asked)
        await note(conn, who, now, known=known is not None)
        answer = None if known is None else await _token_for(conn, known, asked, now)
    # What was counted stays so when the request is refused.
    if answer is None:
        raise TokenError("invalid_client", "the client is unknown or the secret is wrong", status=401)
    if isinstance(answer, TokenError):
        raise answer
    return answer


async def _client_of(conn: Connection, asked: Asked) -> asyncpg.Record | None:
    """The client, if the secret is its own. Which of both is unknown takes the same time."""
    try:
        client_id = UUID(asked.client_id)
    except ValueError:
        client_id = UUID(int=0)
    known = await queries.client(conn, client_id)
    expected = _UNKNOWN_SECRET if known is None else known["secret_sha256"]
    return known if hmac.compare_digest(expected, sha256(asked.secret.encode()).digest()) else None


async def _token_for(
    conn: Connection, client: asyncpg.Record, asked: Asked, now: datetime
) -> JSONResponse | TokenError:
    try:
        scopes = granted(asked.scopes, client["scopes"])
    except TokenError as refusal:
        return refusal
    client_id = client["client_id"]
    await queries.prune_tokens(conn, now)
    await queries.keep_newest(conn, client_id, MAX_TOKENS - 1)
    token = secrets.token_urlsafe(32)
    await queries.store_token(conn, _digest(token), client_id, scopes, now + timedelta(seconds=TOKEN_SECONDS))
    content = {"access_token": token, "token_type": "bearer", "expires_in": TOKEN_SECONDS, "scope": " ".join(scopes)}
    return JSONResponse(content, headers=_UNCACHED)


def granted(asked: Sequence[str], allowed: Sequence[str] | None) -> list[str]:
    """The scopes of a token: those asked for, or all that the client may have.

    Raises:
        TokenError: a scope is unknown, or not for this client.
    """
    offered = list(SCOPES) if allowed is None else [scope for scope in SCOPES if scope in allowed]
    if not set(asked) <= set(offered):
        raise TokenError("invalid_scope", "a scope is unknown here or not for this client")
    scopes = [scope for scope in offered if not asked or scope in asked]
    if not scopes:
        raise TokenError("invalid_scope", "this client may ask for nothing")
    return scopes


def _digest(token: str) -> bytes:
    return sha256(token.encode()).digest()


class TokenAuth(ClientAuth):
    """A FastAPI dependency that knows the caller by an access token with one of the scopes it needs (RFC 6750)."""

    def __init__(self, database: Database, clock: Clock, needed: Sequence[str]) -> None:
        super().__init__(database)
        self._tokens = database
        self._clock = clock
        self._needed = tuple(needed)

    async def __call__(self, request: Request, authorization: Annotated[str, Header()] = "") -> Caller:
        """The caller.

        Raises:
            StatusInfo: 401, there is no token, or none in force; 403, it lacks the scope.
        """
        known: Caller | None = request.scope.get("sutki.oneroster")
        if known is None:
            known = await self._holder(authorization)
            await access_log.called(self._tokens, request, known.client_id, known.school_id)
            request.scope["sutki.oneroster"] = known
        known.require(*self._needed)
        return known

    async def _holder(self, authorization: str) -> Caller:
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise _unauthorised("Нужен токен доступа. / An access token is needed.", 'Bearer realm="sutki"')
        async with self._tokens.transaction(DISTRICT) as conn:
            row = await queries.holder(conn, _digest(token.strip()), await self._clock.now(conn))
        if row is None:
            challenge = 'Bearer realm="sutki", error="invalid_token"'
            raise _unauthorised("Токен недействителен или истёк. / The token is invalid or has expired.", challenge)
        return Caller(row["client_id"], row["school_id"], row["source"], frozenset(row["scopes"]))


def _unauthorised(description: str, challenge: str) -> StatusInfo:
    return StatusInfo(401, Minor.UNAUTHORISED, description, headers={"WWW-Authenticate": challenge})
