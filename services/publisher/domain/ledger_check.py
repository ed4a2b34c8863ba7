"""Checks a ledger line by line, in memory that does not grow with its length, and says where it breaks and how."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any, Final
from uuid import UUID

import orjson

from services.publisher.domain.ledger import Head, LedgerLine, canonical, chain_hash
from services.publisher.domain.ledger_faults import Break, Fault
from services.publisher.domain.ledger_file import Counts, Day, Opening, Proof, Record
from services.publisher.domain.merkle import Frontier, root_by_path
from services.publisher.domain.roots import FIRST, PublicKey, SchoolDay, SignedRoot, Told

FAULTS_KEPT: Final = 100
"""More are only counted."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known from elsewhere, and cannot have been rewritten together with the ledger."""

    heads: Sequence[Head] = ()
    """Entries that once were the last of their chains."""
    roots: Mapping[date, bytes] = field(default_factory=dict)
    """Digests of signed roots by day."""
    keys: Sequence[PublicKey] | None = None
    """Only these are trusted; None: whichever the ledger itself brings."""


@dataclass(slots=True)
class _Chain:
    """Where the check stands in one school's chain."""

    head: Head
    tree: Frontier = field(default_factory=Frontier)
    """Over the entries since the last day that was summed up."""
    first_seq: int = 1
    day: date | None = None


@dataclass(slots=True)
class _DistrictDay:
    """What the schools' summaries of a day come to."""

    tree: Frontier = field(default_factory=Frontier)
    entries: int = 0
    by_way: bytes | None = None
    """The root to which a single school's summary leads."""
    whole: bool = True


class Checker:
    """Takes the records of a ledger in order, and tells at the end everything that does not hold."""

    def __init__(self, known: Known | None = None) -> None:
        self.known = known or Known()
        self.opening: Opening | None = None
        self.counts: Counter[str] = Counter()
        self.faults: list[Fault] = []
        self.faults_in_all = 0
        self.last_root: tuple[date, bytes] | None = None
        self.unsealed = 0
        """Entries that stand under no signed root yet."""
        self.keys: dict[str, PublicKey] = {}
        self.used_keys: set[str] = set()
        self._heads_to_find: dict[UUID, dict[int, bytes]] = {}
        for head in self.known.heads:
            self._heads_to_find.setdefault(head.school_id, {})[head.seq] = head.hash
        self._roots_to_find = dict(self.known.roots)
        self._chain: _Chain | None = None
        self._last_school = -1
        self._days: dict[date, _DistrictDay] = {}
        self._told: dict[date, Told] = {}
        self._ended = False
        self._line: int | None = None

    def feed(self, record: Record, line: int | None = None) -> None:
        """Checks one record against what came before it.

        Args:
            record: Of a file or a database.
            line: Its number in the file.
        """
        self._line = line
        if self._ended:
            self._fault(Break.AFTER_END)
        elif self.opening is None and not isinstance(record, Opening):
            self._fault(Break.ORDER)
            # One missing first line is one fault.
            self.opening = Opening("district", None)
            self._take(record)
        else:
            self._take(record)

    def _take(self, record: Record) -> None:
        match record:
            case LedgerLine():
                self._entry(record)
            case Day():
                self._day(record)
            case Head():
                self._head(record)
            case SignedRoot():
                self._root(record)
            case PublicKey():
                self._close_chain()
                self.counts["keys"] += 1
                self.keys[record.key_id] = record
            case Proof():
                self._proof(record)
            case Counts():
                self._end(record)
            case Opening():
                if self.opening is not None:
                    self._fault(Break.ORDER)
                self.opening = record

    def unreadable(self, line: int) -> None:
        """Notes a line that is none of a ledger."""
        self._line = line
        self._fault(Break.UNREADABLE)

    def misnumbered(self, line: int, found: int, expected: int) -> None:
        """Notes a line whose number is not the next, if nothing worse was found on it."""
        if not (self.faults and self.faults[-1].line == line):
            self._line = line
            self._fault(Break.NUMBER, found=found, expected=expected)

    def finish(self, line: int | None = None) -> list[Fault]:
        """Ends the check and returns every fault that was found.

        Args:
            line: The number that a further line of the file would have; None for a database.
        """
        self._line = line
        self._close_chain()
        if line is not None and not self._ended:
            self._fault(Break.CUT)
        for day in sorted(self._days.keys() - self._told.keys()):
            self._fault(Break.NO_ROOT, day=day)
        for school_id, heads in self._heads_to_find.items():
            for seq in sorted(heads):
                self._fault(Break.KNOWN_HEAD, school_id, seq, expected=seq)
        for day in sorted(self._roots_to_find):
            self._fault(Break.KNOWN_ROOT, day=day)
        return self.faults

    def add(self, fault: Fault) -> None:
        """Notes a fault that was found elsewhere."""
        self.faults_in_all += 1
        if len(self.faults) < FAULTS_KEPT:
            self.faults.append(fault)

    def _fault(self, code: Break, school_id: UUID | None = None, seq: int | None = None, **values: Any) -> None:
        self.add(Fault(code, self._line, school_id, seq, values))

    def _entry(self, line: LedgerLine) -> None:
        self.counts["entries"] += 1
        chain = self._chain_of(line.school_id)
        for code in _breaks(chain.head, line):
            self._fault(code, line.school_id, line.seq, expected=chain.head.seq + 1, found=line.seq)
        # Going on from what the line itself says keeps one fault from being reported in every line behind it.
        chain.head = Head(line.school_id, line.seq, line.hash)
        chain.tree.add(line.hash)
        self.unsealed += 1
        wanted = self._heads_to_find.get(line.school_id)
        if wanted and line.seq in wanted and wanted.pop(line.seq) != line.hash:
            self._fault(Break.KNOWN_HEAD, line.school_id, line.seq, expected=line.seq)

    def _chain_of(self, school_id: UUID) -> _Chain:
        chain = self._chain
        if chain is not None:
            if chain.head.school_id == school_id:
                return chain
            self._fault(Break.FOREIGN, school_id, school=chain.head.school_id)
        elif school_id.int <= self._last_school or self._told or self.keys or not self._is_of(school_id):
            self._fault(Break.ORDER, school_id)
        self._chain = chain = _Chain(Head.start(school_id))
        self._last_school = school_id.int
        return chain

    def _is_of(self, school_id: UUID) -> bool:
        return self.opening is None or self.opening.of == "district" or self.opening.id == school_id

    def _close_chain(self) -> None:
        if self._chain is not None:
            self._fault(Break.NO_HEAD, self._chain.head.school_id, school=self._chain.head.school_id)
            self._chain = None

    def _day(self, record: Day) -> None:
        self.counts["days"] += 1
        told = record.told
        chain = self._chain_of(told.school_id)
        if (told.first_seq, told.last_seq, told.head) != (chain.first_seq, chain.head.seq, chain.head.hash) or (
            chain.day is not None and told.day != chain.day + timedelta(days=1)
        ):
            self._fault(Break.DAY, told.school_id, told.last_seq, day=told.day)
        elif told.root != chain.tree.root():
            self._fault(Break.DAY_ROOT, told.school_id, told.last_seq, day=told.day)
        self.unsealed -= chain.tree.size
        chain.tree, chain.first_seq, chain.day = Frontier(), told.last_seq + 1, told.day
        self._sum_up(record)

    def _sum_up(self, record: Day) -> None:
        told, way = record.told, record.way
        day = self._days.setdefault(told.day, _DistrictDay())
        if way is not None:
            day.whole = False
            day.by_way = root_by_path(told.leaf(), way.index, way.size, way.path)
        else:
            day.tree.add(told.leaf())
            day.entries += told.entries

    def _head(self, head: Head) -> None:
        self.counts["heads"] += 1
        chain = self._chain_of(head.school_id)
        if chain.head != head:
            self._fault(Break.HEAD, head.school_id, chain.head.seq, found=chain.head.seq, expected=head.seq)
        self._chain = None

    def _root(self, root: SignedRoot) -> None:
        self.counts["roots"] += 1
        self._close_chain()
        try:
            told = root.told()
        except ValueError:
            self._fault(Break.UNREADABLE)
            return
        for code in self._breaks_of_root(root, told):
            self._fault(code, day=told.day, key=told.key_id)
        self._told[told.day] = told
        self.last_root = (told.day, root.digest())
        known = self._roots_to_find.pop(told.day, None)
        if known is not None and known != root.digest():
            self._fault(Break.KNOWN_ROOT, day=told.day)

    def _breaks_of_root(self, root: SignedRoot, told: Told) -> Iterable[Break]:
        proof = self.opening is not None and self.opening.of == "result"
        if self.last_root is None:
            if not proof and told.previous != FIRST:
                yield Break.ROOT_CHAIN
        elif told.day <= self.last_root[0] or (
            not proof and (told.day != self.last_root[0] + timedelta(days=1) or told.previous != self.last_root[1])
        ):
            yield Break.ROOT_CHAIN
        if not proof and not self._fits(told):
            yield Break.ROOT
        trusted = self.keys if self.known.keys is None else {one.key_id: one for one in self.known.keys}
        key = trusted.get(told.key_id)
        if key is None or told.key_id not in self.keys:
            yield Break.KEY
        elif not key.accepts(root.statement, root.signature):
            yield Break.SIGNATURE
        else:
            self.used_keys.add(told.key_id)

    def _fits(self, told: Told) -> bool:
        day = self._days.get(told.day, _DistrictDay())
        if self.opening is not None and self.opening.of == "school":
            # The school's chain may have begun after the district's first day.
            return not day.tree.size and (told.day not in self._days or day.by_way == told.root)
        return day.whole and (day.tree.root(), day.tree.size, day.entries) == (told.root, told.schools, told.entries)

    def _proof(self, proof: Proof) -> None:
        self.counts["entries"] += 1
        line = proof.entry
        for code in _content_breaks(line):
            self._fault(code, line.school_id, line.seq)
        if self.opening is None or self.opening.of != "result":
            self._fault(Break.ORDER, line.school_id, line.seq)
        if proof.day is None or proof.way is None:
            self.unsealed += 1
        elif not self._leads_to_root(proof.day.told, proof):
            self._fault(Break.PROOF, line.school_id, line.seq, found=line.seq)

    def _leads_to_root(self, day: SchoolDay, proof: Proof) -> bool:
        way, up, told = proof.way, proof.day.way if proof.day else None, self._told.get(day.day)
        if way is None or up is None or told is None or day.school_id != proof.entry.school_id:
            return False
        return (
            (way.index, way.size) == (proof.entry.seq - day.first_seq, day.entries)
            and root_by_path(proof.entry.hash, way.index, way.size, way.path) == day.root
            and up.size == told.schools
            and root_by_path(day.leaf(), up.index, up.size, up.path) == told.root
        )

    def _end(self, told: Counts) -> None:
        self._close_chain()
        self._ended = True
        for what in ("entries", "heads", "days", "keys", "roots"):
            if getattr(told, what) != self.counts[what]:
                self._fault(Break.COUNTS, what=what, found=self.counts[what], expected=getattr(told, what))


def _breaks(head: Head, line: LedgerLine) -> Iterable[Break]:
    if line.seq > head.seq + 1:
        yield Break.MISSING
    elif line.seq <= head.seq:
        yield Break.AGAIN
    elif line.prev_hash != head.hash:
        yield Break.LINK
    yield from _content_breaks(line)


def _content_breaks(line: LedgerLine) -> Iterable[Break]:
    entry = line.entry.encode()
    if chain_hash(line.prev_hash, entry) != line.hash:
        yield Break.CONTENT
    try:
        content = orjson.loads(entry)
    except orjson.JSONDecodeError:
        yield Break.NOT_CANONICAL
        return
    if not isinstance(content, dict) or canonical(content) != entry:
        yield Break.NOT_CANONICAL
        return
    if content.get("school_id") != str(line.school_id) or content.get("seq") != line.seq:
        yield Break.PLACE


def verify(lines: Iterable[LedgerLine], heads: Iterable[Head] = ()) -> list[Fault]:
    """Every fault of one school's chain and its head; an empty list when it holds."""
    checker = Checker()
    checker.feed(Opening("district", None))
    for line in lines:
        checker.feed(line)
    for head in heads:
        checker.feed(head)
    return checker.finish()
