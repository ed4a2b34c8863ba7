"""What a service holds about a person: every table that has such an id, declared in one place and read alike.

The statements are made from the declarations, which are constants of the code: a table that is declared is exported
whole, so that a column added later cannot be forgotten. That no table is forgotten is a test's business.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel

from chassis import access_log
from chassis.access_log import Actor
from chassis.auth import Client, client_auth
from chassis.database import Connection, Database

EXPORTED = "everything_exported"
PRESENT = "***"
"""Stands for a secret: that it is there, and not what it is."""

Everything = dict[str, list[dict[str, Any]]]
"""By table: its rows about a person."""


@dataclass(frozen=True, slots=True)
class Holding:
    """A table with data of people."""

    table: str
    people: tuple[str, ...] = ()
    """The columns with the person's id; a row is theirs if any of them is."""
    where: str = ""
    """Instead: a condition over `t` and the person `$1`."""
    secret: tuple[str, ...] = ()
    """Columns of which only the presence is told."""
    without: tuple[str, ...] = ()
    """Columns that say nothing about the person, such as a file's bytes, or that are about somebody else."""
    named: str = ""
    """The name in the export, where a table is there twice."""

    @property
    def name(self) -> str:
        """Under which its rows are exported."""
        return self.named or self.table

    def statement(self) -> str:
        """The query for one person's rows."""
        condition = self.where or " OR ".join(f"t.{column} = $1" for column in self.people)
        return f"SELECT to_jsonb(t) AS row FROM {self.table} AS t WHERE {condition}"


@dataclass(frozen=True, slots=True)
class Holdings:
    """Everything of a service."""

    tables: Sequence[Holding]
    exempt: Mapping[str, str]
    """`table.column` that may look like a person's, and why it is not exported."""

    async def about(self, conn: Connection, person_id: UUID, actor: Actor) -> Everything:
        """Every row about a person by table, secrets left out; that it was read is noted.

        Args:
            conn: a transaction of whole-district scope.
            person_id: about whom.
            actor: who reads.
        """
        found = {held.name: await _rows(conn, held, person_id) for held in self.tables}
        await access_log.looked(conn, actor, EXPORTED, [person_id])
        return {table: rows for table, rows in found.items() if rows}


async def _rows(conn: Connection, held: Holding, person_id: UUID) -> list[dict[str, Any]]:
    return [_shown(held, row["row"]) for row in await conn.fetch(held.statement(), person_id)]


def _shown(held: Holding, row: dict[str, Any]) -> dict[str, Any]:
    return {
        name: (PRESENT if value is not None else None) if name in held.secret else value
        for name, value in row.items()
        if name not in held.without
    }


ACCESS_LOG = Holding(
    "access_log",
    where="t.person_id = $1 OR (t.actor_kind = 'person' AND t.actor_id = $1)",
)
"""Every service has it: who looked at the person, and at whom the person looked."""


class PersonData(BaseModel):
    """Everything that a service holds about a person."""

    service: str
    person_id: UUID
    tables: Everything


def make_router(database: Database, service: str, holdings: Holdings) -> APIRouter:
    """The endpoint by which a district's client, or the cabinet on behalf of a person, gets that person's data."""
    router = APIRouter(prefix="/v1", tags=["privacy"])
    authenticate = client_auth(database)

    @router.get("/people/{person_id}/data")
    async def data(person_id: UUID, client: Annotated[Client, Depends(authenticate)]) -> PersonData:
        """Everything that this service holds about a person; for clients of the district."""
        async with database.transaction(client.require_district()) as conn:
            tables = await holdings.about(conn, person_id, access_log.client(client))
        return PersonData(service=service, person_id=person_id, tables=tables)

    return router
