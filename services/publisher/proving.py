"""The ledger as others get it: exported, checked with and without a database, and the proof of one result."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from pathlib import Path
from uuid import UUID

from chassis.database import DISTRICT, Database, Scope
from services.publisher.domain.ledger import Head, LedgerLine
from services.publisher.domain.ledger_check import Checker, Known
from services.publisher.domain.ledger_faults import Break, Fault
from services.publisher.domain.ledger_file import Counts, Day, Opening, Proof, Record, Way, read_line, write_line
from services.publisher.domain.merkle import path_of
from services.publisher.domain.roots import PublicKey, SchoolDay, SignedRoot
from services.publisher.queries import ledger as queries
from services.publisher.queries import roots

_COUNTED = {LedgerLine: "entries", Proof: "entries", Head: "heads", Day: "days", PublicKey: "keys", SignedRoot: "roots"}


@dataclass(frozen=True, slots=True)
class Verification:
    """What a check of ledgers found."""

    entries: int
    schools: int
    unsealed: int
    """Entries that no signed root covers yet."""
    last_root: tuple[date, bytes] | None
    """Day and digest of the last signed root: to be kept elsewhere, since only a known root or head shows that a
    ledger was rewritten as a whole."""
    keys: frozenset[str]
    """The ids of the keys that roots were signed with."""
    faults: list[Fault] = field(default_factory=list)
    """Up to a hundred, in the order of the file."""
    faults_in_all: int = 0

    @property
    def holds(self) -> bool:
        """Whether nothing was found."""
        return not self.faults_in_all


class _Numbers(dict[str, int]):
    """Counts what was written."""

    def count(self, record: Record) -> None:
        if name := _COUNTED.get(type(record)):
            self[name] = self.get(name, 0) + 1

    def closing(self) -> Counts:
        return Counts(**self)


async def records(database: Database, school_id: UUID | None = None, scope: Scope = DISTRICT) -> AsyncIterator[Record]:
    """The ledger from its first line to its last but one.

    Read page by page in transactions of their own, so that a slow reader holds nothing open; what is appended meanwhile
    is left to the next time. Roots and keys are public: they are read with the district's eyes whoever asks.

    Args:
        database: the publisher's.
        school_id: None for all schools.
        scope: for whom the entries are read.
    """
    async with database.transaction(DISTRICT) as conn:
        last = await roots.last(conn)
    until = last.told().day if last else None
    # After the last root: what is under it stands before these heads.
    async with database.transaction(scope) as conn:
        heads = await queries.heads(conn, school_id)
    yield Opening("school" if school_id else "district", school_id)
    for head in heads:
        async for record in _chain(database, head, until, scope, alone=school_id is not None):
            yield record
    if until is None:
        return
    async with database.transaction(DISTRICT) as conn:
        keys, signed = await roots.keys(conn), await roots.roots(conn, until=until)
    for key in keys:
        yield key
    for root in signed:
        yield root


async def _chain(
    database: Database, head: Head, until: date | None, scope: Scope, *, alone: bool
) -> AsyncIterator[Record]:
    async with database.transaction(scope) as conn:
        days = await roots.school_days(conn, head.school_id, until) if until else []
    waiting = iter([*days, None])
    day = next(waiting)
    after = 0
    while after < head.seq:
        async with database.transaction(scope) as conn:
            page = await queries.page(conn, head.school_id, after=after)
        for line in page:
            while day is not None and day.last_seq < line.seq:
                yield await _summary(database, day, alone=alone)
                day = next(waiting)
            if line.seq <= head.seq:
                yield line
        if not page:
            break
        after = page[-1].seq
    while day is not None:
        yield await _summary(database, day, alone=alone)
        day = next(waiting)
    yield head


async def _summary(database: Database, day: SchoolDay, *, alone: bool) -> Day:
    if not alone:
        return Day(day)
    async with database.transaction(DISTRICT) as conn:
        return Day(day, _way_to_district(await roots.days(conn, day.day), day.school_id))


def _way_to_district(days: Sequence[SchoolDay], school_id: UUID) -> Way:
    index = next(place for place, one in enumerate(days) if one.school_id == school_id)
    return Way(index, len(days), tuple(path_of([one.leaf() for one in days], index)))


async def export(database: Database, school_id: UUID | None = None, scope: Scope = DISTRICT) -> AsyncIterator[bytes]:
    """The ledger as lines of JSON (ledger_file.py)."""
    numbers, number = _Numbers(), 0
    async for record in records(database, school_id, scope):
        number += 1
        numbers.count(record)
        yield write_line(number, record)
    yield write_line(number + 1, numbers.closing())


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


async def verify_database(
    database: Database, school_id: UUID | None = None, known: Known | None = None
) -> Verification:
    """Checks every chain, or one school's, against itself, its head and the signed roots.

    Args:
        database: the publisher's.
        school_id: None for all schools.
        known: what is known from elsewhere.
    """
    checker = Checker(known)
    async with database.transaction(DISTRICT) as conn:
        for one, head, last in await queries.ends(conn, school_id):
            if head is None:
                checker.add(Fault(Break.NO_HEAD, None, one, last, {"school": one}))
            elif last > head.seq:
                checker.add(Fault(Break.BEHIND_HEAD, None, one, last, {"expected": head.seq}))
    async for record in records(database, school_id):
        checker.feed(record)
    checker.finish()
    return _verification(checker)


async def verify_file(path: Path, known: Known | None = None) -> Verification:
    """Checks an export, or the proof of a result, without a database.

    Args:
        path: what `export`, `proof_of` or the API wrote.
        known: heads, roots and keys known from elsewhere; without them a file that somebody rewrote from end to end,
            with keys of their own, holds.

    Raises:
        OSError: the file cannot be read.
    """
    return await asyncio.to_thread(_verify_file, path, known)


def _verify_file(path: Path, known: Known | None) -> Verification:
    checker = Checker(known)
    expected = 1
    position = 0
    with path.open("rb") as file:
        for position, raw in enumerate(file, start=1):
            try:
                number, record = read_line(raw)
            except ValueError:
                checker.unreadable(position)
                expected += 1
                continue
            checker.feed(record, position)
            if number != expected:
                checker.misnumbered(position, number, expected)
            expected = number + 1
    checker.finish(position + 1)
    return _verification(checker)


def _verification(checker: Checker) -> Verification:
    return Verification(
        checker.counts["entries"],
        checker.counts["heads"],
        checker.unsealed,
        checker.last_root,
        frozenset(checker.used_keys),
        checker.faults,
        checker.faults_in_all,
    )


@dataclass(frozen=True)
class ResultProof:
    """Everything that the ledger says about a result, with the way from each entry up to a signed root."""

    result_id: UUID
    keys: list[PublicKey]
    roots: list[SignedRoot]
    """Of the days on which something was said."""
    entries: list[Proof]

    def lines(self) -> list[bytes]:
        """As a file that `verify_file` checks."""
        numbers = _Numbers()
        told: list[Record] = [Opening("result", self.result_id), *self.keys, *self.roots, *self.entries]
        for record in told:
            numbers.count(record)
        return [write_line(number, record) for number, record in enumerate([*told, numbers.closing()], start=1)]

    @cached_property
    def key_ids(self) -> list[str]:
        """The ids of the keys."""
        return [one.key_id for one in self.keys]


async def proof_of(database: Database, result_id: UUID, scope: Scope = DISTRICT) -> ResultProof:
    """The proof of a result.

    Args:
        database: the publisher's.
        result_id: of a result; one of which nothing was said has no entries.
        scope: for whom the entries are read.
    """
    async with database.transaction(scope) as conn:
        lines = await queries.of_result(conn, result_id)
    proofs: list[Proof] = []
    trees: dict[tuple[UUID, date], list[bytes]] = {}
    ways: dict[tuple[UUID, date], Way] = {}
    signed: dict[date, SignedRoot] = {}
    async with database.transaction(DISTRICT) as conn:
        for line in lines:
            day = await roots.day_of_entry(conn, line.school_id, line.seq)
            if day is None:
                proofs.append(Proof(line, None, None))
                continue
            place = (day.school_id, day.day)
            if place not in trees:
                trees[place] = [one async for one in roots.hashes(conn, day.school_id, day.first_seq - 1, day.last_seq)]
                ways[place] = _way_to_district(await roots.days(conn, day.day), day.school_id)
                if (root := await roots.root(conn, day.day)) is not None:
                    signed[day.day] = root
            index = line.seq - day.first_seq
            way = Way(index, day.entries, tuple(path_of(trees[place], index)))
            proofs.append(Proof(line, Day(day, ways[place]), way))
        used = {root.told().key_id for root in signed.values()}
        keys = [key for key in await roots.keys(conn) if key.key_id in used]
    return ResultProof(result_id, keys, [signed[day] for day in sorted(signed)], proofs)
