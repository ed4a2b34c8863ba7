"""A dry run: what an import would do is found out by doing it, in a transaction that is taken back.

Records refer to records before them, so what was taken has to be there for what follows. But locks are held to the end
of a transaction, and nobody who works in the journal may wait for as long as somebody else only looks. Therefore:

* Records to which nothing refers are taken back after each batch, and their locks are free at once.
* Of all others only what made a difference is kept.
* After each batch, and between the pieces of a file that is being read, the dry run gives way when somebody waits for
  it, or when its transaction is old (the feed of changes and the cleaning of tables wait for old ones): it takes
  everything back, lets the others go first, and takes again what it has kept.

So a writer waits for one batch at the most, or for what was kept to be taken again.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from time import monotonic
from typing import Any, TypeAlias
from uuid import UUID

from chassis.database import Connection
from services.gradebook import queries
from services.gradebook.records import RecordKind
from services.gradebook.spool import Spool
from services.gradebook.taking import BATCH, Outcome, Placed

REFERRED_TO_BY_NONE = frozenset(
    {
        RecordKind.CURRICULUM,
        RecordKind.HOMEWORK,
        RecordKind.RECOMMENDATIONS,
        RecordKind.ATTENDANCE,
        RecordKind.MARKS,
        RecordKind.FINAL_GRADES,
        RecordKind.EXAM_RESULTS,
    }
)
"""Neither does a rule for records of the same kind or of a later one look at them."""

OLD_SECONDS = 5.0
"""From this age on a transaction is begun anew; later when taking again what was kept is long itself."""
_TIMES_THE_REBUILDING = 4

Rows: TypeAlias = Sequence[Placed[Any]]
Take = Callable[[Connection, RecordKind, UUID | None, Rows], Awaitable[Outcome]]


@dataclass(frozen=True)
class _Kept:
    kind: RecordKind
    school_id: UUID | None
    rows: Spool


class Trial:
    """A dry run under way."""

    def __init__(self, begin: Callable[[], AbstractAsyncContextManager[Connection]], take: Take) -> None:
        """Begins with nothing.

        Args:
            begin: a new transaction; what is done in it is taken back here.
            take: takes records in a transaction, as an import would.
        """
        self._begin = begin
        self._take = take
        self._stack = AsyncExitStack()
        self._conn: Connection | None = None
        self._old_at = 0.0
        self._kept: list[_Kept] = []

    async def connection(self) -> Connection:
        """The transaction, in which all that was kept is there."""
        if self._conn is None:
            begun = monotonic()
            conn = await self._stack.enter_async_context(self._begin())
            attempt = conn.transaction()
            await attempt.start()
            self._stack.push_async_callback(attempt.rollback)
            self._conn = conn
            for part in self._kept:
                for batch in part.rows.copies(part.kind, part.school_id, BATCH):
                    await self._take(conn, part.kind, part.school_id, batch)
            ready = monotonic()
            self._old_at = ready + OLD_SECONDS + _TIMES_THE_REBUILDING * (ready - begun)
        return self._conn

    async def attempt(self, kind: RecordKind, school_id: UUID | None, rows: Rows, take: Take | None = None) -> Outcome:
        """Takes a batch, and keeps of it what others may need.

        Args:
            kind: what the records are.
            school_id: the school of all of them.
            rows: the batch.
            take: takes them this time; None: in the same way as again later.
        """
        conn = await self.connection()
        savepoint = conn.transaction()
        await savepoint.start()
        try:
            outcome = await (take or self._take)(conn, kind, school_id, rows)
        except BaseException:
            await savepoint.rollback()
            raise
        if kind in REFERRED_TO_BY_NONE or not outcome.added + outcome.changed:
            await savepoint.rollback()
        else:
            await savepoint.commit()
            self._keep(kind, school_id, rows, outcome)
        await self.rest()
        return outcome

    def _keep(self, kind: RecordKind, school_id: UUID | None, rows: Rows, outcome: Outcome) -> None:
        # Facts do not say which of them are different; what is the same changes nothing when it is taken again.
        different = set(outcome.different)
        spool = Spool()
        for place, record in rows:
            if not different or place in different:
                spool.add(school_id, place, record)
        self._kept.append(_Kept(kind, school_id, spool))

    async def rest(self) -> None:
        """Gives way, if it is time to."""
        if self._conn is not None and (monotonic() > self._old_at or await queries.somebody_waits(self._conn)):
            await self.end()

    async def end(self) -> None:
        """Takes everything back."""
        self._conn = None
        await self._stack.aclose()
        self._stack = AsyncExitStack()
