"""The access log: who looked at whose data. Nobody reads without a line in it.

Two things write it. Whoever is let in as a client is noted before the endpoint runs, with the route and the person that
the address names (`chassis.auth`): an endpoint that is added later is noted as well. Whoever knows more, such as whose
result a proof tells about, notes that in the transaction that reads.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal
from uuid import UUID

from chassis.database import DISTRICT, Connection, Database

if TYPE_CHECKING:
    from fastapi import Request

    from chassis.auth import Client

PRUNE_ROWS = 5000

_LOOKED = """
INSERT INTO access_log (actor_kind, actor_id, action, person_id, school_id, people)
SELECT $1, $2, $3, p.person_id, $4, 1 FROM (SELECT DISTINCT unnest($5::uuid[]) AS person_id) AS p
"""
# What a program asks again and again is noted once a minute where it names nobody.
_CALLED = """
INSERT INTO access_log (actor_kind, actor_id, action, person_id, school_id, people)
SELECT 'client', $1, $2, $3, $4, CASE WHEN $3::uuid IS NOT NULL THEN 1 END
WHERE $3::uuid IS NOT NULL OR NOT EXISTS (
    SELECT FROM access_log AS l
    WHERE l.actor_id = $1 AND l.action = $2 AND l.person_id IS NULL AND l.school_id IS NOT DISTINCT FROM $4
        AND l.at > clock_timestamp() + clock_shift() - interval '1 minute'
)
"""
_LISTED = """
INSERT INTO access_log (actor_kind, actor_id, action, school_id, people) VALUES ($1, $2, $3, $4, $5)
"""
_LOOKS = """
SELECT at, actor_kind, actor_id, action, school_id FROM access_log
WHERE person_id = $1 ORDER BY at DESC, id DESC LIMIT $2
"""
_PRUNE = """
WITH old AS MATERIALIZED (
    SELECT id FROM access_log WHERE at < clock_timestamp() + clock_shift() - make_interval(secs => $1)
    ORDER BY at LIMIT $2 FOR UPDATE SKIP LOCKED
)
DELETE FROM access_log AS a USING old WHERE a.id = old.id
"""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who looks."""

    kind: Literal["client", "person", "operator"]
    id: UUID | None = None
    """None for the operator's command line, which signs nobody in."""


OPERATOR = Actor("operator")


@dataclass(frozen=True, slots=True)
class Look:
    """One line of the log about a person."""

    at: datetime
    actor_kind: str
    actor_id: UUID | None
    action: str
    school_id: UUID | None


_PERSON: Final = ("person_id", "student_id", "representative_id", "recipient_id")
"""How addresses name whom they are about, the most telling first."""


async def called(database: Database, request: "Request", client_id: UUID, school_id: UUID | None) -> None:
    """Notes that a client reads by an address: the route as it is declared, and the person and school it names.

    Args:
        database: the service's.
        request: with its route known.
        client_id: who calls.
        school_id: whose client it is; None: the district's.
    """
    if request.method != "GET":
        return
    named = {**request.query_params, **request.path_params}
    person_id = next((found for name in _PERSON if (found := _id(named.get(name))) is not None), None)
    route = getattr(request.scope.get("route"), "path", "unknown")
    async with database.transaction(DISTRICT) as conn:
        await conn.execute(_CALLED, client_id, route, person_id, _id(named.get("school_id")) or school_id)


def _id(value: Any) -> UUID | None:
    try:
        return UUID(str(value))
    except ValueError:
        return None


def client(caller: "Client") -> Actor:
    """A program that calls an API."""
    return Actor("client", caller.client_id)


def person(person_id: UUID) -> Actor:
    """Somebody who is signed in."""
    return Actor("person", person_id)


async def looked(
    conn: Connection, actor: Actor, action: str, people: Iterable[UUID | None], *, school_id: UUID | None = None
) -> None:
    """Notes that the data of these people was read: a line for each.

    Args:
        conn: the transaction that reads; it may be one of few rights, whose role may append.
        actor: who reads.
        action: what is read, as a code of words with underscores.
        people: about whom; those that are None are left out.
        school_id: where the reading is limited to a school.
    """
    about = [one for one in people if one is not None]
    if about:
        await conn.execute(_LOOKED, actor.kind, actor.id, action, school_id, about)


async def listed(conn: Connection, actor: Actor, action: str, count: int, *, school_id: UUID | None = None) -> None:
    """Notes that a list of many people was read: one line, with how many it named. An empty list names nobody.

    Args:
        conn: the transaction that reads.
        actor: who reads.
        action: the list's name, as a code.
        count: lines of the list.
        school_id: whose list it is.
    """
    if count:
        await conn.execute(_LISTED, actor.kind, actor.id, action, school_id, count)


async def looks(conn: Connection, person_id: UUID, *, limit: int = 10_000) -> Sequence[Look]:
    """Who looked at a person's data, the last first; lists of many do not name whom they showed."""
    return [Look(**dict(row)) for row in await conn.fetch(_LOOKS, person_id, limit)]


async def prune(conn: Connection, *, keep_days: float, limit: int = PRUNE_ROWS) -> int:
    """Deletes lines whose time is over.

    Returns:
        How many went.
    """
    return int((await conn.execute(_PRUNE, keep_days * 86_400, limit)).split()[-1])
