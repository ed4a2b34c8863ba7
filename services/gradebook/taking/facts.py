"""Taking the facts of the journal beside marks and results: one way for all kinds, whole batches at a time."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar
from uuid import UUID

from chassis.crash import crash_here
from chassis.database import Connection
from services.gradebook import queries, roster_queries
from services.gradebook.fact_tables import FactTable
from services.gradebook.facts import Fact, identity_kept, next_revision
from services.gradebook.records.journal import JournalRecord
from services.gradebook.rejections import Code, Fault
from services.gradebook.taking.common import Outcome, Placed, Taking, in_home, only_first
from services.gradebook.taking.references import Ref, References

F = TypeVar("F", bound=Fact)
R = TypeVar("R", bound=JournalRecord)


class Head(NamedTuple):
    """How every fact begins."""

    fact_id: UUID
    school_id: UUID
    source: str
    external_id: str


class Tail(NamedTuple):
    """How every fact ends."""

    author_id: UUID | None
    state: str
    changed_by: str
    changed_at: object
    revision: int


@dataclass(frozen=True)
class Change(Generic[R, F]):
    """A fact that is to be recorded, with what it was before."""

    place: int
    record: R
    before: F | None
    after: F


@dataclass(frozen=True)
class Book(Generic[R, F]):
    """How one kind of fact is read from its record, kept and told."""

    table: FactTable[F]
    identity: str
    """The kind under which ids are made."""
    refers: Mapping[str, Ref]
    stated: Callable[[R, References], Sequence[object]]
    """The fact's own fields, in their order between `Head` and `Tail`."""
    states: Callable[[R], str]
    """The state that the record states, as it is stored."""
    told: Callable[[Connection, Taking, Sequence[Change[R, F]], References], Awaitable[None]]
    """Publishes what changed, and keeps what follows from it."""
    fixed: tuple[str, ...] = ()
    """Fields that cannot change: a fact about another student or group is another fact."""
    refuse: Callable[[Connection, Taking, Sequence[Change[R, F]]], Awaitable[Mapping[int, Fault]]] | None = None
    """Rules over several facts: by place, why one cannot be recorded."""
    names_school: bool = False
    """Whether the record itself says its school."""
    lock: str = ""
    """What is locked while facts are written, where not the table's part of the school: `{school}` stands for its id.
    Kinds from which one state is composed share a lock, so that none is composed without the other's news."""


async def take_facts(conn: Connection, taking: Taking, rows: Sequence[Placed[R]], book: Book[R, F]) -> Outcome:
    """Takes records of one kind and school: what is new, what is a next revision, and their events."""
    outcome = Outcome()
    rows = only_first(rows, outcome)
    if book.names_school:
        rows = await _of_known_school(conn, taking, rows, outcome)
    if not rows:
        return outcome
    await queries.lock(conn, (book.lock or f"{book.table.name}/{{school}}").format(school=taking.home()))
    refers = {**book.refers, "author_id": Ref.TEACHER}
    references = await References.look_up(conn, taking, refers, [row.record for row in rows])
    changes = await _decide(conn, taking, rows, book, references=references, outcome=outcome)
    if changes and book.refuse is not None:
        faults = await book.refuse(conn, taking, changes)
        for place, fault in faults.items():
            outcome.reject(place, fault.code, fault.field)
        changes = [change for change in changes if change.place not in faults]
    written = await _write(conn, changes, book, outcome)
    if written:
        crash_here("gradebook.after_facts_before_outbox")
        await book.told(conn, taking, written, references)
        crash_here("gradebook.after_outbox_before_commit")
    return outcome


async def changes_of(
    conn: Connection, taking: Taking, rows: Sequence[Placed[R]], book: Book[R, F], outcome: Outcome
) -> list[Change[R, F]]:
    """What records would change, before any rule over several of them; nothing is written."""
    refers = {**book.refers, "author_id": Ref.TEACHER}
    references = await References.look_up(conn, taking, refers, [row.record for row in rows])
    return await _decide(conn, taking, rows, book, references=references, outcome=outcome)


async def _of_known_school(
    conn: Connection, taking: Taking, rows: Sequence[Placed[R]], outcome: Outcome
) -> list[Placed[R]]:
    rows = in_home(rows, taking, outcome, lambda record: record.school_id)  # type: ignore[attr-defined]
    if rows and not await roster_queries.school_exists(conn, taking.home()):
        for row in rows:
            outcome.reject(row.place, Code.ORPHAN_ROW, "school_id")
        return []
    return list(rows)


async def _decide(
    conn: Connection,
    taking: Taking,
    rows: Sequence[Placed[R]],
    book: Book[R, F],
    *,
    references: References,
    outcome: Outcome,
) -> list[Change[R, F]]:
    """What the records change; the rest is unchanged or rejected."""
    id_field = rows[0].record.KEY[0]
    ids = taking.identity.of_each(book.identity, (row.record.key()[0] for row in rows))
    current = await book.table.load(conn, list(ids.values()))
    changes = []
    for place, record in rows:
        fact_id = ids[record.key()[0]]
        present = current.get(fact_id)
        fault = references.fault(record)
        if fault is None and present is None and not record.active:
            fault = Fault(id_field, Code.ORPHAN_ROW)
        if fault is None:
            stated = _fact(taking, record, fact_id, book, references)
            if present is None:
                changes.append(Change(place, record, None, stated))
                continue
            fault = _mismatch(present, stated, book, id_field)
        if fault is not None:
            outcome.reject(place, fault.code, fault.field)
        elif present is not None and (following := next_revision(present, stated)) is not None:
            changes.append(Change(place, record, present, following))
        else:
            outcome.unchanged += 1
    return changes


def _mismatch(present: F, stated: F, book: Book[R, F], id_field: str) -> Fault | None:
    if present.school_id != stated.school_id:
        return Fault(id_field, Code.FOREIGN_ID)
    return None if identity_kept(present, stated, book.fixed) else Fault(id_field, Code.IDENTITY_CHANGED)


def _fact(taking: Taking, record: R, fact_id: UUID, book: Book[R, F], references: References) -> F:
    head = Head(fact_id, taking.home(), taking.source, record.key()[0])
    author_id = references.optional(record, "author_id")
    tail = Tail(author_id, book.states(record), taking.changed_by, taking.now, 1)
    return book.table.make((*head, *book.stated(record, references), *tail))


async def _write(
    conn: Connection, changes: Sequence[Change[R, F]], book: Book[R, F], outcome: Outcome
) -> list[Change[R, F]]:
    new = [change for change in changes if change.before is None]
    changed = [change for change in changes if change.before is not None]
    inserted = await book.table.insert(conn, [change.after for change in new]) if new else set()
    if changed:
        await book.table.update(conn, [change.after for change in changed])
    added = [change for change in new if change.after[0] in inserted]
    for change in new:
        if change.after[0] not in inserted:
            outcome.reject(change.place, Code.FOREIGN_ID, change.record.KEY[0])
    outcome.added += len(added)
    outcome.changed += len(changed)
    return added + changed
