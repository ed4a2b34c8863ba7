"""Programs that call an API: a bearer token of which only a hash is kept, for one school or the district."""

import hmac
import secrets
from dataclasses import dataclass
from hashlib import sha256
from typing import Annotated
from uuid import UUID, uuid4

from fastapi import Header, Request
from fastapi.routing import APIRoute

from chassis import access_log
from chassis.database import DISTRICT, Connection, Database, Scope, school
from chassis.problems import Problem

_KNOWN = "sutki.client"
_INSERT = "INSERT INTO api_clients (client_id, school_id, label, secret_sha256) VALUES ($1, $2, $3, $4)"
_FIND = "SELECT school_id, secret_sha256 FROM api_clients WHERE client_id = $1 AND revoked_at IS NULL"
_REVOKE = "UPDATE api_clients SET revoked_at = clock_timestamp() WHERE client_id = $1 AND revoked_at IS NULL"


@dataclass(frozen=True)
class Client:
    """Who calls."""

    client_id: UUID
    school_id: UUID | None
    """None: the whole district."""

    def require_school(self, school_id: UUID) -> Scope:
        """The scope in which this client may work on that school.

        Raises:
            Problem: 403, it is another school's client.
        """
        if self.school_id is not None and self.school_id != school_id:
            raise Problem(403, "foreign_school", "This client belongs to another school.")
        return school(school_id)

    def scope(self) -> Scope:
        """Everything that this client may see."""
        return DISTRICT if self.school_id is None else school(self.school_id)

    def require_district(self) -> Scope:
        """The whole district.

        Raises:
            Problem: 403, it is a school's client.
        """
        if self.school_id is not None:
            raise Problem(403, "district_only", "Only a client of the district may do this.")
        return DISTRICT


async def create_client(conn: Connection, *, school_id: UUID | None, label: str) -> str:
    """Registers a client and returns its token, which is shown this once."""
    client_id, secret = uuid4(), secrets.token_urlsafe(32)
    await conn.execute(_INSERT, client_id, school_id, label, sha256(secret.encode()).digest())
    return f"{client_id}.{secret}"


async def revoke_client(conn: Connection, client_id: UUID) -> bool:
    """Ends a client's access; false when there was none."""
    return (await conn.execute(_REVOKE, client_id)).endswith(" 1")


class ClientAuth:
    """A FastAPI dependency that knows the caller by `Authorization: Bearer <token>`, or answers 401.

    FastAPI reads the body before it asks any dependency. `chassis.http.BodyGuard` therefore looks for this one in the
    route and asks it before the first byte of the body is read; the dependency then has the answer already.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(self, request: Request, authorization: Annotated[str, Header()] = "") -> Client:
        """The caller.

        Raises:
            Problem: 401, the token is missing, wrong or revoked.
        """
        known: Client | None = request.scope.get(_KNOWN)
        if known is None:
            known = await self._find(authorization)
            await access_log.called(self._database, request, known.client_id, known.school_id)
            request.scope[_KNOWN] = known
        return known

    async def _find(self, authorization: str) -> Client:
        scheme, _, token = authorization.partition(" ")
        name, _, secret = token.partition(".")
        refusal = Problem(401, "unauthenticated", "A valid client token is needed.")
        try:
            client_id = UUID(name)
        except ValueError:
            raise refusal from None
        if scheme.lower() != "bearer":
            raise refusal
        async with self._database.transaction(DISTRICT) as conn:
            row = await conn.fetchrow(_FIND, client_id)
        if row is None or not hmac.compare_digest(row["secret_sha256"], sha256(secret.encode()).digest()):
            raise refusal
        return Client(client_id, row["school_id"])


def client_auth(database: Database) -> ClientAuth:
    """The dependency for a service's database."""
    return ClientAuth(database)


def required_by(route: object) -> ClientAuth | None:
    """The dependency by which a matched route knows its caller, wherever in its tree it stands."""
    open_ends = [route.dependant] if isinstance(route, APIRoute) else []
    while open_ends:
        dependant = open_ends.pop()
        if isinstance(dependant.call, ClientAuth):
            return dependant.call
        open_ends += dependant.dependencies
    return None
