"""The disclosure ledger's chain: who could have which result, when, by which route and on what ground.

Each school has a chain of its own. An entry is a JSON object in canonical form (UTF-8, keys sorted, no white space),
and its hash is SHA-256 over the previous entry's hash and those bytes. The school and the number are part of the
entry, so that nothing can be changed, taken out, put in or moved without breaking the chain behind it. That the end
was cut off shows against a head that is known from elsewhere, or against a signed root of the day (roots.py).
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
    MOVED = "moved"
    """The clock moved what was still owed from the screen to paper, and why."""
    EMAILED = "emailed"
    BOUNCED = "bounced"
    """A mail that was accepted came back: it reached nobody."""
    UNSUBSCRIBED = "unsubscribed"
    """A recipient ended the mails about a child by one click; the consent and the other routes stay."""
    PUSHED = "pushed"
    FELL_TO_PAPER = "fell_to_paper"
    """No electronic channel could tell what the screen shows, so a sheet was asked for."""
    PRINTED = "printed"
    """A sheet with a result whose obligation was no longer open."""
    HANDED_OVER = "handed_over"
    OVERDUE = "overdue"
    RELEASED_BY_CLOCK = "released_by_clock"
    """Nobody released a held result before its 24 hours were over, so the clock did."""


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
