"""Who works on a school's closing, and with what."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from uuid import UUID

from chassis.clock import Clock
from chassis.database import Connection, Database, Scope


@dataclass(frozen=True)
class Desk:
    """The place of whoever closes periods and decides on deferrals of one school."""

    database: Database
    clock: Clock
    scope: Scope
    """What the transactions may see."""
    school_id: UUID
    by: str
    """Who is told in the history: a client's label, or the operator."""

    def transaction(self) -> AbstractAsyncContextManager[Connection]:
        """A transaction of this desk."""
        return self.database.transaction(self.scope)
