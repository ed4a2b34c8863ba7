"""The disclosure ledger: appended in the transaction of what it tells."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson

from chassis.crash import crash_here
from chassis.database import Connection
from services.publisher import metrics
from services.publisher.domain import ledger as chain
from services.publisher.domain.ledger import EntryKind, Head, LedgerLine
from services.publisher.queries import ledger as queries


@dataclass(frozen=True, slots=True)
class Note:
    """Something that the ledger has to tell about a school's student."""

    kind: EntryKind
    school_id: UUID
    result_id: UUID | None
    content: Mapping[str, Any]
    """Ids, instants, numbers and texts; no names."""


def stamp(instant: datetime) -> str:
    """An instant as entries have it: ISO 8601 in UTC."""
    return instant.astimezone(UTC).isoformat()


async def append(conn: Connection, notes: Sequence[Note], now: datetime) -> None:
    """Appends to the chains of all schools concerned; their heads stay locked until the transaction ends."""
    if not notes:
        return
    by_school: dict[UUID, list[Note]] = {}
    for note in notes:
        by_school.setdefault(note.school_id, []).append(note)
    heads = await queries.lock_heads(conn, list(by_school), chain.GENESIS)
    new_heads: list[Head] = []
    lines: list[LedgerLine] = []
    results: list[UUID | None] = []
    for school_id, own in sorted(by_school.items()):
        head, added = chain.append(heads[school_id], (_content(note, now) for note in own))
        new_heads.append(head)
        lines += added
        results += [note.result_id for note in own]
    await queries.insert(conn, lines, results)
    await queries.move_heads(conn, new_heads)
    for kind, count in Counter(note.kind for note in notes).items():
        metrics.LEDGER_ENTRIES.labels(kind.value).inc(count)
    crash_here("publisher.after_ledger_before_commit")


def _content(note: Note, now: datetime) -> dict[str, Any]:
    told = {name: _plain(value) for name, value in note.content.items() if value is not None}
    if note.result_id is not None:
        told["result_id"] = str(note.result_id)
    return {**told, "kind": note.kind.value, "noted_at": stamp(now)}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return stamp(value)
    return str(value) if isinstance(value, UUID | str) else value


def entries_of(lines: Sequence[LedgerLine]) -> Iterator[dict[str, Any]]:
    """The contents of lines, each with its hash."""
    for line in lines:
        yield {**orjson.loads(line.entry), "hash": line.hash.hex()}
