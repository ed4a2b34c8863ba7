"""The disclosure ledger's chain: who could have which result, when, by which route and on what ground.

Each school has a chain of its own. An entry is a JSON object in canonical form (UTF-8, keys sorted, no white space),
and its hash is SHA-256 over the previous entry's hash and those bytes. The school and the number are part of the
entry, so that nothing can be changed, taken out, put in or moved without breaking the chain behind it. That the end
was cut off shows only against a head that is known from elsewhere.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import orjson

GENESIS: Final = bytes(32)
"""What stands for the hash before the first entry."""


class EntryKind(StrEnum):
    """What an entry tells."""

    AVAILABLE = "available"
    """A result became available to a recipient: by which route, since when, on what ground, late or not."""
    CLOSED = "closed"
    """A consent ended, and with it the electronic channels of a recipient."""
    VISIBLE_BEFORE_CLOSED = "visible_before_closed"
    """The cabinet had shown it under a consent that has ended since; the obligation stayed owed on paper."""
    EMAILED = "emailed"
    PRINTED = "printed"
    """A sheet with a result whose obligation was no longer open."""
    HANDED_OVER = "handed_over"
    OVERDUE = "overdue"


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """One entry as it stands in the database or in an export."""

    school_id: UUID
    seq: int
    prev_hash: bytes
    hash: bytes
    entry: str
    """The entry in canonical JSON."""


@dataclass(frozen=True, slots=True)
class Head:
    """The last entry of a school's chain."""

    school_id: UUID
    seq: int
    hash: bytes

    @classmethod
    def start(cls, school_id: UUID) -> "Head":
        """The head of a chain that has no entry yet."""
        return cls(school_id, 0, GENESIS)


@dataclass(frozen=True, slots=True)
class Fault:
    """One place where a chain does not hold."""

    school_id: UUID | None
    seq: int | None
    reason: str


def canonical(entry: Mapping[str, Any]) -> bytes:
    """The one way to write an entry: UTF-8 JSON, keys sorted, no white space. Ids and instants are strings already."""
    return orjson.dumps(entry, option=orjson.OPT_SORT_KEYS)


def chain_hash(prev_hash: bytes, entry: bytes) -> bytes:
    """SHA-256 over the previous hash and the entry's canonical bytes."""
    return hashlib.sha256(prev_hash + entry).digest()


def append(head: Head, contents: Iterable[Mapping[str, Any]]) -> tuple[Head, list[LedgerLine]]:
    """Chains entries behind a head.

    Args:
        head: The school's present head.
        contents: What each entry tells; school and number are added here.

    Returns:
        The new head and the lines to store.
    """
    lines: list[LedgerLine] = []
    seq, previous, school = head.seq, head.hash, str(head.school_id)
    for content in contents:
        seq += 1
        entry = canonical({**content, "school_id": school, "seq": seq})
        digest = chain_hash(previous, entry)
        lines.append(LedgerLine(head.school_id, seq, previous, digest, entry.decode()))
        previous = digest
    return Head(head.school_id, seq, previous), lines


class Verifier:
    """Checks chains line by line, so that a ledger of any length is verified in constant memory.

    Lines of several schools may be mixed as long as each school's own come in order.
    """

    def __init__(self) -> None:
        self.heads: dict[UUID, Head] = {}
        self.entries = 0
        self.faults: list[Fault] = []

    def feed(self, line: LedgerLine) -> None:
        """Checks one line against what came before it in its school."""
        self.entries += 1
        head = self.heads.get(line.school_id, Head.start(line.school_id))
        for reason in _reasons(head, line):
            self.faults.append(Fault(line.school_id, line.seq, reason))
        # Going on from what the line itself says keeps one fault from being reported in every line behind it.
        self.heads[line.school_id] = Head(line.school_id, line.seq, line.hash)

    def finish(self, heads: Iterable[Head] = ()) -> list[Fault]:
        """Compares the ends of the chains with heads known from elsewhere, and returns every fault that was found."""
        for known in heads:
            found = self.heads.get(known.school_id, Head.start(known.school_id))
            if found != known:
                reason = (
                    f"the chain ends at entry {found.seq}, its head says {known.seq}: entries are missing or foreign"
                )
                self.faults.append(Fault(known.school_id, found.seq, reason))
        return self.faults


def _reasons(head: Head, line: LedgerLine) -> Iterable[str]:
    if line.seq != head.seq + 1:
        yield f"entry {head.seq + 1} was expected here"
    if line.prev_hash != head.hash:
        yield "it does not follow the entry before it"
    entry = line.entry.encode()
    if chain_hash(line.prev_hash, entry) != line.hash:
        yield "its content does not fit its hash"
    try:
        content = orjson.loads(entry)
    except orjson.JSONDecodeError:
        yield "its content is no JSON"
        return
    if not isinstance(content, dict) or canonical(content) != entry:
        yield "its content is not in canonical form"
        return
    if content.get("school_id") != str(line.school_id) or content.get("seq") != line.seq:
        yield "its content belongs to another place of the ledger"


def verify(lines: Iterable[LedgerLine], heads: Iterable[Head] = ()) -> list[Fault]:
    """Every fault of a ledger; an empty list when it holds. Needs no database.

    Args:
        lines: The entries, each school's in order.
        heads: The heads known from elsewhere, without which a cut-off end cannot be noticed.
    """
    verifier = Verifier()
    for line in lines:
        verifier.feed(line)
    return verifier.finish(heads)
