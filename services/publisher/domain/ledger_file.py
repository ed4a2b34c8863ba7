"""The lines of an exported ledger: JSON, one a line, each written in exactly one way.

The first says of what the file is, the last how much there is. Between them stand, for each school in the order of
their ids, its entries with a summary behind each day's last one, and its head; then the public keys, and the
district's signed roots by day. Each line carries its number. The proof of one result has its keys and roots first, and
then its entries, each with the way up to the root.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, Literal, TypeAlias
from uuid import UUID

import orjson

from services.publisher.domain.ledger import Head, LedgerLine
from services.publisher.domain.roots import PublicKey, SchoolDay, SignedRoot

VERSION: Final = 1

Of: TypeAlias = Literal["district", "school", "result"]


@dataclass(frozen=True, slots=True)
class Opening:
    """The first line."""

    of: Of
    id: UUID | None
    """The school's or the result's."""


@dataclass(frozen=True, slots=True)
class Way:
    """The way from a leaf up to its tree's root."""

    index: int
    size: int
    path: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Day:
    """A school's day; with the way to the district's root where the other schools' days are not in the file."""

    told: SchoolDay
    way: Way | None = None


@dataclass(frozen=True, slots=True)
class Proof:
    """One entry with its way up to the school's root of its day; without one while the day is not sealed."""

    entry: LedgerLine
    day: Day | None
    way: Way | None


@dataclass(frozen=True, slots=True)
class Counts:
    """The last line: how many there are of each."""

    entries: int = 0
    heads: int = 0
    days: int = 0
    keys: int = 0
    roots: int = 0


Record: TypeAlias = Opening | LedgerLine | Day | Head | PublicKey | SignedRoot | Proof | Counts


def write_line(number: int, record: Record) -> bytes:
    """One line of an export.

    Args:
        number: Of the line in the file, from 1.
        record: What stands on it.
    """
    kind, write = _WRITERS[type(record)]
    return orjson.dumps({"line": number, kind: write(record)}) + b"\n"


def read_line(raw: bytes) -> tuple[int, Record]:
    """Reads a line of an export.

    Raises:
        ValueError: it is none, or is not written as `write_line` writes it, to the byte.
    """
    try:
        data = orjson.loads(raw)
        number, kind = _int(data["line"]), next(name for name in data if name != "line")
        record = _READERS[kind](data[kind])
        same = write_line(number, record) == raw
    except (ValueError, KeyError, TypeError, AttributeError, StopIteration) as error:
        raise ValueError(f"not a line of a ledger ({type(error).__name__})") from error
    if not same:
        raise ValueError("not a line of a ledger in its one form")
    return number, record


def _int(value: Any) -> int:
    if type(value) is not int:
        raise TypeError("not a whole number")
    return value


def _str(value: Any) -> str:
    if type(value) is not str:
        raise TypeError("not a text")
    return value


def _write_opening(one: Opening) -> dict[str, Any]:
    return {"version": VERSION, "of": one.of, "id": str(one.id) if one.id else None}


def _read_opening(data: Mapping[str, Any]) -> Opening:
    if data["of"] not in {"district", "school", "result"}:
        raise ValueError("a file of something else")
    return Opening(data["of"], UUID(data["id"]) if data["id"] else None)


def _write_entry(one: LedgerLine) -> dict[str, Any]:
    return {
        "school_id": str(one.school_id),
        "seq": one.seq,
        "prev_hash": one.prev_hash.hex(),
        "hash": one.hash.hex(),
        "entry": one.entry,
    }


def _read_entry(data: Mapping[str, Any]) -> LedgerLine:
    return LedgerLine(
        UUID(data["school_id"]),
        _int(data["seq"]),
        bytes.fromhex(data["prev_hash"]),
        bytes.fromhex(data["hash"]),
        _str(data["entry"]),
    )


def _write_way(way: Way | None) -> dict[str, Any] | None:
    return None if way is None else {"index": way.index, "size": way.size, "path": [step.hex() for step in way.path]}


def _read_way(data: Mapping[str, Any] | None) -> Way | None:
    if data is None:
        return None
    return Way(_int(data["index"]), _int(data["size"]), tuple(bytes.fromhex(step) for step in data["path"]))


def _write_day(one: Day) -> dict[str, Any]:
    told = one.told
    written = {
        "day": told.day.isoformat(),
        "school_id": str(told.school_id),
        "first_seq": told.first_seq,
        "last_seq": told.last_seq,
        "head": told.head.hex(),
        "root": told.root.hex(),
    }
    return {**written, "way": _write_way(one.way)} if one.way else written


def _read_day(data: Mapping[str, Any]) -> Day:
    told = SchoolDay(
        UUID(data["school_id"]),
        date.fromisoformat(data["day"]),
        _int(data["first_seq"]),
        _int(data["last_seq"]),
        bytes.fromhex(data["head"]),
        bytes.fromhex(data["root"]),
    )
    return Day(told, _read_way(data.get("way")))


def _write_head(one: Head) -> dict[str, Any]:
    return {"school_id": str(one.school_id), "seq": one.seq, "hash": one.hash.hex()}


def _read_head(data: Mapping[str, Any]) -> Head:
    return Head(UUID(data["school_id"]), _int(data["seq"]), bytes.fromhex(data["hash"]))


def _write_proof(one: Proof) -> dict[str, Any]:
    return {
        "entry": _write_entry(one.entry),
        "way": _write_way(one.way),
        "day": _write_day(one.day) if one.day else None,
    }


def _read_proof(data: Mapping[str, Any]) -> Proof:
    day = data["day"]
    return Proof(_read_entry(data["entry"]), _read_day(day) if day else None, _read_way(data["way"]))


_WRITERS: Final[Mapping[type[Any], tuple[str, Callable[[Any], Any]]]] = {
    Opening: ("ledger", _write_opening),
    LedgerLine: ("entry", _write_entry),
    Day: ("day", _write_day),
    Head: ("head", _write_head),
    PublicKey: ("key", lambda one: {"id": one.key_id, "public_key": one.raw.hex()}),
    SignedRoot: ("root", lambda one: {"statement": one.statement, "signature": one.signature.hex()}),
    Proof: ("proof", _write_proof),
    Counts: (
        "end",
        lambda one: {
            "entries": one.entries,
            "heads": one.heads,
            "days": one.days,
            "keys": one.keys,
            "roots": one.roots,
        },
    ),
}
_READERS: Final[Mapping[str, Callable[[Any], Record]]] = {
    "ledger": _read_opening,
    "entry": _read_entry,
    "day": _read_day,
    "head": _read_head,
    "key": lambda data: PublicKey(bytes.fromhex(data["public_key"])),
    "root": lambda data: SignedRoot(_str(data["statement"]), bytes.fromhex(data["signature"])),
    "proof": _read_proof,
    "end": lambda data: Counts(*(_int(data[name]) for name in ("entries", "heads", "days", "keys", "roots"))),
}
