"""The ledger's public side: the signed roots and the keys that they are checked with. No personal data, no sign-in."""

from datetime import date
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict

from chassis.database import DISTRICT, Database
from chassis.problems import Problem
from services.publisher.domain.roots import SchoolDay, SignedRoot
from services.publisher.queries import roots

PUBLIC_FOR_SECONDS = 300


class _Answer(BaseModel):
    model_config = ConfigDict(use_attribute_docstrings=True)


class RootView(_Answer):
    """The signed root of one day."""

    day: date
    statement: str
    """What is signed, to the byte: canonical JSON with the day, the root, and the digest of the day before."""
    signature: str
    """Ed25519 over `sutki ledger root`, a line feed, and the statement; hexadecimal."""
    digest: str
    """SHA-256 of the statement, by which the next day names it. Keep it: `sutki ledger verify --root DAY:DIGEST`."""
    key_id: str


class RootPage(_Answer):
    """Signed roots by day."""

    items: list[RootView]
    next_after: date | None
    """Give it as `after` for the next page; absent on the last one."""


class SchoolDayView(_Answer):
    """One leaf under the root of a day: what a school appended."""

    school_id: UUID
    first_seq: int
    last_seq: int
    head: str
    root: str


class DayView(RootView):
    """The signed root of a day with its leaves, in their order."""

    schools: list[SchoolDayView]


class KeyView(_Answer):
    """A public key as JSON Web Key (RFC 8037)."""

    kty: str
    crv: str
    use: str
    alg: str
    kid: str
    x: str


class KeySet(_Answer):
    """Every key that a root was ever signed with, the present one last."""

    keys: list[KeyView]


def make_ledger_router(database: Database) -> APIRouter:
    """The public API over a database."""
    router = APIRouter(tags=["ledger"])

    @router.get("/v1/ledger/roots")
    async def signed_roots(
        response: Response,
        *,
        after: Annotated[date | None, Query(description="Only later days.")] = None,
        limit: Annotated[int, Query(ge=1, le=1000, description="Items on a page.")] = 366,
    ) -> RootPage:
        """The signed roots of the ledger by day."""
        _public(response)
        async with database.transaction(DISTRICT) as conn:
            found = await roots.roots(conn, after=after, limit=limit)
        items = [_root(one) for one in found]
        return RootPage(items=items, next_after=items[-1].day if len(items) == limit else None)

    @router.get("/v1/ledger/roots/{day}", responses={404: {"description": "No root for this day."}})
    async def signed_root(day: date, response: Response) -> DayView:
        """The signed root of a day with what it is made of: each school's number of entries, head and root."""
        _public(response)
        async with database.transaction(DISTRICT) as conn:
            found = await roots.root(conn, day)
            days = await roots.days(conn, day)
        if found is None:
            raise Problem(404, "unknown_day", "There is no root for this day.")
        return DayView(**_root(found).model_dump(), schools=[_school(one) for one in days])

    @router.get("/.well-known/sutki-ledger-keys.json")
    async def keys(response: Response) -> KeySet:
        """The public keys of the ledger's roots (RFC 7517)."""
        _public(response)
        async with database.transaction(DISTRICT) as conn:
            known = await roots.keys(conn)
        return KeySet(keys=[KeyView(**one.jwk()) for one in known])

    return router


def _public(response: Response) -> None:
    response.headers["Cache-Control"] = f"public, max-age={PUBLIC_FOR_SECONDS}"


def _root(one: SignedRoot) -> RootView:
    told = one.told()
    return RootView(
        day=told.day,
        statement=one.statement,
        signature=one.signature.hex(),
        digest=one.digest().hex(),
        key_id=told.key_id,
    )


def _school(one: SchoolDay) -> SchoolDayView:
    return SchoolDayView(
        school_id=one.school_id,
        first_seq=one.first_seq,
        last_seq=one.last_seq,
        head=one.head.hex(),
        root=one.root.hex(),
    )
