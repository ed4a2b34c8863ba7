"""Ledgers for tests: a district's chains over some days, with signed roots, as a file has them."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.publisher.domain.ledger import Head, append
from services.publisher.domain.ledger_file import Counts, Day, Opening, Record, write_line
from services.publisher.domain.merkle import root_of
from services.publisher.domain.roots import FIRST, PublicKey, SchoolDay, SignedRoot, Signer, Told

FIRST_DAY = date(2026, 10, 23)


def a_signer(seed: int = 1) -> Signer:
    """A key that is the same in every run."""
    return Signer(Ed25519PrivateKey.from_private_bytes(seed.to_bytes(32)))


def a_ledger(
    schools: Mapping[UUID, Sequence[Sequence[Mapping[str, Any]]]],
    *,
    sealed: int,
    signer: Signer | None = None,
    keys: Sequence[PublicKey] | None = None,
) -> list[Record]:
    """The records of a district's ledger.

    Args:
        schools: For each, what it appended on each day.
        sealed: How many of the days have a signed root.
        signer: Signs them.
        keys: Those in the file; the signer's when not given.
    """
    signer = signer or a_signer()
    made: list[Record] = [Opening("district", None)]
    leaves: dict[int, list[SchoolDay]] = {}
    for school_id in sorted(schools):
        head = Head.start(school_id)
        for number, contents in enumerate(schools[school_id]):
            before = head
            head, lines = append(head, contents)
            made += lines
            if number < sealed and head.seq:
                summary = SchoolDay(
                    school_id,
                    FIRST_DAY + timedelta(days=number),
                    before.seq + 1,
                    head.seq,
                    head.hash,
                    root_of(line.hash for line in lines),
                )
                leaves.setdefault(number, []).append(summary)
                made.append(Day(summary))
        made.append(head)
    made += (keys if keys is not None else [signer.public]) if sealed else []
    made += _roots([leaves.get(number, []) for number in range(sealed)], signer)
    return [*made, closing(made)]


def _roots(days: Sequence[Sequence[SchoolDay]], signer: Signer) -> list[SignedRoot]:
    made: list[SignedRoot] = []
    for number, schools in enumerate(days):
        told = Told(
            FIRST_DAY + timedelta(days=number),
            sum(one.entries for one in schools),
            len(schools),
            root_of(one.leaf() for one in schools),
            made[-1].digest() if made else FIRST,
            signer.public.key_id,
        )
        made.append(signer.sign(told))
    return made


def closing(records: Sequence[Record]) -> Counts:
    """The last line of a file."""
    kinds = [type(one).__name__ for one in records]
    return Counts(*(kinds.count(name) for name in ("LedgerLine", "Head", "Day", "PublicKey", "SignedRoot")))


def as_lines(records: Sequence[Record]) -> list[bytes]:
    """As they stand in a file."""
    return [write_line(number, record) for number, record in enumerate(records, start=1)]
