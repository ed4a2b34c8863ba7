"""The disclosure ledger: appended in the transaction of what it tells, exported, verified, also without a database."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson

from chassis.crash import crash_here
from chassis.database import DISTRICT, Connection, Database, Scope
from services.publisher import metrics
from services.publisher.domain import ledger as chain
from services.publisher.domain.ledger import EntryKind, Fault, Head, LedgerLine, Verifier
from services.publisher.queries import ledger as queries


@dataclass(frozen=True, slots=True)
class Note:
    """Something that the ledger has to tell about a school's student."""

    kind: EntryKind
    school_id: UUID
    result_id: UUID | None
    content: Mapping[str, Any]
    """Ids, instants, numbers and texts; no names."""


@dataclass(frozen=True, slots=True)
class Verification:
    """What a check of ledgers found."""

    entries: int
    heads: list[Head]
    """Where each chain ends: to be kept elsewhere, since only a known head shows that an end was cut off."""
    faults: list[Fault] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing was found."""
        return not self.faults


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


async def verify_database(database: Database, school_id: UUID | None = None) -> Verification:
    """Checks every chain, or one school's, against itself and against its head.

    Args:
        database: the publisher's.
        school_id: None for all schools.
    """
    verifier = Verifier()
    faults: list[Fault] = []
    known: list[Head] = []
    async with database.transaction(DISTRICT) as conn:
        for one, head, last in await queries.ends(conn, school_id):
            if head is None:
                faults.append(Fault(one, last, "the school has entries but no head"))
            else:
                known.append(head)
                if last > head.seq:
                    faults.append(Fault(one, last, f"there are entries behind the head, which is {head.seq}"))
            # What is appended while this runs stands behind the head and is left to the next check.
            async for line in queries.lines(conn, one):
                if line.seq > (head.seq if head else last):
                    break
                verifier.feed(line)
    return Verification(verifier.entries, list(verifier.heads.values()), verifier.finish(known) + faults)


async def verify_file(path: Path, heads: Sequence[Head] | None = None) -> Verification:
    """Checks an export (NDJSON) without a database.

    Args:
        path: what `export` or `GET /v1/schools/{school_id}/ledger` wrote. It may hold several schools.
        heads: heads known from elsewhere; without them those in the file itself are taken, which shows a
            damaged end, but not one that somebody rewrote together with its head.

    Raises:
        OSError: the file cannot be read.
    """
    return await asyncio.to_thread(_verify_file, path, heads)


def _verify_file(path: Path, heads: Sequence[Head] | None) -> Verification:
    verifier = Verifier()
    told_heads: list[Head] = []
    faults: list[Fault] = []
    with path.open("rb") as file:
        for number, raw in enumerate(file, start=1):
            try:
                parsed = read_line(raw)
            except ValueError as error:
                faults.append(Fault(None, None, f"line {number} cannot be read: {error}"))
                continue
            if isinstance(parsed, Head):
                told_heads.append(parsed)
            else:
                verifier.feed(parsed)
    ended = {head.school_id for head in told_heads}
    if heads is None:
        faults += [
            Fault(one, head.seq, "the file has no head for this school: it may have been cut off")
            for one, head in verifier.heads.items()
            if one not in ended
        ]
    found = verifier.finish(told_heads if heads is None else heads)
    return Verification(verifier.entries, list(verifier.heads.values()), faults + found)


def write_line(line: LedgerLine | Head) -> bytes:
    """One line of an export: an entry, or the head that ends a school's chain."""
    if isinstance(line, Head):
        head = {"school_id": str(line.school_id), "seq": line.seq, "hash": line.hash.hex()}
        return orjson.dumps({"head": head}) + b"\n"
    return (
        orjson.dumps(
            {
                "school_id": str(line.school_id),
                "seq": line.seq,
                "prev_hash": line.prev_hash.hex(),
                "hash": line.hash.hex(),
                "entry": line.entry,
            }
        )
        + b"\n"
    )


def read_line(raw: bytes) -> LedgerLine | Head:
    """Reads a line of an export.

    Raises:
        ValueError: it is none.
    """
    try:
        data = orjson.loads(raw)
        if "head" in data:
            head = data["head"]
            return Head(UUID(head["school_id"]), int(head["seq"]), bytes.fromhex(head["hash"]))
        return LedgerLine(
            UUID(data["school_id"]),
            int(data["seq"]),
            bytes.fromhex(data["prev_hash"]),
            bytes.fromhex(data["hash"]),
            str(data["entry"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a line of a ledger ({type(error).__name__})") from error


async def export(database: Database, school_id: UUID | None = None, scope: Scope = DISTRICT) -> AsyncIterator[bytes]:
    """The ledger as NDJSON: each school's entries in order, and then its head.

    Read page by page in transactions of their own, so that a slow reader holds nothing open; what is appended meanwhile
    is left to the next export.
    """
    async with database.transaction(scope) as conn:
        heads = await queries.heads(conn, school_id)
    for head in heads:
        after = 0
        while after < head.seq:
            async with database.transaction(scope) as conn:
                page = await queries.page(conn, head.school_id, after=after)
            if not page:
                break
            for line in page:
                if line.seq <= head.seq:
                    yield write_line(line)
            after = page[-1].seq
        yield write_line(head)


async def export_file(database: Database, path: Path, school_id: UUID | None = None) -> int:
    """Writes an export into a file; returns the number of lines.

    Raises:
        OSError: the file cannot be written.
    """
    count = 0
    with path.open("wb") as file:
        async for line in export(database, school_id):
            file.write(line)
            count += 1
    return count


def entries_of(lines: Sequence[LedgerLine]) -> Iterator[dict[str, Any]]:
    """The contents of lines, each with its hash."""
    for line in lines:
        yield {**orjson.loads(line.entry), "hash": line.hash.hex()}
