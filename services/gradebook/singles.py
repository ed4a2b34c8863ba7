"""One record of the journal at a time: read, written and withdrawn by its own id, so that nobody overwrites another.

Who writes says which revision was read (RFC 9110, section 13). A writer holds the lock of all who take records of this
kind and school from before the comparison until the commit: of two who have read the same revision one is told so.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from chassis.clock import Clock
from chassis.crash import crash_here
from chassis.database import Connection, Database, Scope
from services.gradebook import metrics, queries
from services.gradebook.bulk_taking import NothingTaken
from services.gradebook.closing.fulfilling import resolve
from services.gradebook.domain import Identity
from services.gradebook.exchange.exporting import cell
from services.gradebook.exchange.exporting_queries import RECORDS
from services.gradebook.handlers import Sender, taking_for
from services.gradebook.records import MODELS, Record, RecordKind, from_text
from services.gradebook.rejections import Code, Fault
from services.gradebook.taking import Outcome, Placed, Taking, take

_BEFORE_ALL = datetime(1900, 1, 1, tzinfo=UTC)
_SOURCE = re.compile(r"WHERE (\w+)\.source = \$1")
_TAG = re.compile(r'(W/)?"([^"]*)"')


@dataclass(frozen=True)
class Single:
    """A kind of record that is read and written one by one."""

    kind: RecordKind
    identity: str
    """The kind under which ids are made."""
    table: str
    """Its name is also the lock of those who write it."""

    @property
    def key(self) -> str:
        """The record's own id, which the table calls alike."""
        return MODELS[self.kind].KEY[0]

    def sql(self) -> str:
        """The query of one record ($3), withdrawn or not, in the columns of the export; its revision and its school."""
        columns, found = _SOURCE.subn(rf"WHERE \1.{self.key} = $3 AND \1.source = $1", RECORDS[self.kind])
        if found != 1:
            raise ValueError(f"the export of {self.kind} names its source in another way")
        return (
            f"SELECT r.*, k.revision AS present_revision, k.school_id AS home FROM ({columns}) AS r"
            f" JOIN {self.table} AS k ON k.{self.key} = $3"
        )


SINGLES = {
    "marks": Single(RecordKind.MARKS, "mark", "marks"),
    "final-grades": Single(RecordKind.FINAL_GRADES, "final_grade", "final_grades"),
    "exam-results": Single(RecordKind.EXAM_RESULTS, "exam_result", "exam_results"),
    "lessons": Single(RecordKind.LESSONS, "lesson", "lessons"),
    "homework": Single(RecordKind.HOMEWORK, "homework", "homework"),
    "recommendations": Single(RecordKind.RECOMMENDATIONS, "recommendation", "recommendations"),
}
"""The kinds, by their path."""
_SQL = {single.kind: single.sql() for single in SINGLES.values()}


@dataclass(frozen=True)
class Kept:
    """A record as it stands."""

    record: Record
    revision: int
    school_id: UUID
    added: bool = False

    @property
    def tag(self) -> str:
        """The entity tag."""
        return f'"{self.revision}"'


class Unknown(Exception):  # noqa: N818 - what it is
    """There is no such record."""


class Stale(Exception):  # noqa: N818 - what it is
    """The record is not as the caller has read it."""


class ConditionNeeded(Exception):  # noqa: N818 - what it is
    """The caller must say which revision was read."""


@dataclass(frozen=True)
class Condition:
    """What must hold for a record to be written."""

    if_match: str | None = None
    if_none_match: str | None = None

    def demand(self, present: Kept | None) -> None:
        """Compares with what is there.

        Raises:
            ConditionNeeded: there is something, and the caller does not say what was read.
            Stale: it is something else.
        """
        if present is not None and self.if_match is None and self.if_none_match is None:
            raise ConditionNeeded
        if self.if_match is not None and not named(self.if_match, present, weakly=False):
            raise Stale
        if self.if_none_match is not None and named(self.if_none_match, present, weakly=True):
            raise Stale


def named(tags: str, present: Kept | None, *, weakly: bool) -> bool:
    """Whether a header names what is there: by `*`, or in its list of entity tags."""
    if present is None or tags.strip() == "*":
        return present is not None
    return any(value == str(present.revision) and (weakly or not weak) for weak, value in _TAG.findall(tags))


async def read_one(
    database: Database, scope: Scope, school_id: UUID, source: str, *, single: Single, external_id: str
) -> Kept:
    """The record of that id.

    Raises:
        Unknown: this school has none.
    """
    async with database.transaction(scope) as conn:
        identity = Identity(await queries.identity_key(conn), source)
        present = await _read(conn, identity, source, single, external_id)
    if present is None or present.school_id != school_id:
        raise Unknown
    return present


async def write_one(
    database: Database, clock: Clock, sender: Sender, record: Record, *, single: Single, condition: Condition
) -> Kept:
    """Records or corrects it.

    Raises:
        ConditionNeeded: it is there, and the caller does not say what was read.
        Stale: it is something else.
        NothingTaken: the journal refuses it.
    """

    def following(present: Kept | None) -> Record:
        condition.demand(present)
        return record

    return await _write(database, clock, sender, single, external_id=record.key()[0], following=following)


async def withdraw_one(
    database: Database, clock: Clock, sender: Sender, external_id: str, *, single: Single, condition: Condition
) -> Kept:
    """Takes it back; it stays in the history.

    Raises:
        Unknown: this school has none.
        ConditionNeeded: the caller does not say what was read.
        Stale: it is something else.
        NothingTaken: the journal refuses it.
    """

    def following(present: Kept | None) -> Record:
        if present is None:
            raise Unknown
        condition.demand(present)
        return present.record.model_copy(update={"state": "withdrawn"})

    return await _write(database, clock, sender, single, external_id=external_id, following=following)


async def _write(
    database: Database,
    clock: Clock,
    sender: Sender,
    single: Single,
    *,
    external_id: str,
    following: Callable[[Kept | None], Record],
) -> Kept:
    async with database.transaction(sender.scope()) as conn:
        taking = await taking_for(conn, clock, sender)
        await queries.lock(conn, f"{single.table}/{sender.school_id}")
        present = await _read(conn, taking.identity, taking.source, single, external_id)
        if present is not None and present.school_id != sender.school_id:
            raise NothingTaken([(0, Fault(single.key, Code.FOREIGN_ID))])
        outcome = await _take(conn, taking, single, following(present))
        written = await _read(conn, taking.identity, taking.source, single, external_id)
    crash_here("gradebook.after_commit")
    metrics.count_outcome(single.kind, outcome)
    if written is None:
        raise RuntimeError("a record that was taken is not there")
    return Kept(written.record, written.revision, written.school_id, added=present is None)


async def _take(conn: Connection, taking: Taking, single: Single, record: Record) -> Outcome:
    outcome = await take(conn, single.kind, taking, [Placed(0, record)])
    if outcome.rejected:
        raise NothingTaken(outcome.rejected)
    return outcome


async def _read(conn: Connection, identity: Identity, source: str, single: Single, external_id: str) -> Kept | None:
    our_id = identity.of(single.identity, external_id)
    if single.kind is RecordKind.FINAL_GRADES:
        our_id = (await resolve(conn, [our_id]))[our_id]
    row = await conn.fetchrow(_SQL[single.kind], source, _BEFORE_ALL, our_id)
    if row is None:
        return None
    model = MODELS[single.kind]
    fields = {name: cell(row[name]) for name in model.model_fields} | {single.key: external_id}
    return Kept(from_text(model, fields), row["present_revision"], row["home"])
