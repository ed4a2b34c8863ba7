"""The ledger's days: the schools' summaries, the signed roots, the keys."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from chassis.database import Connection
from services.publisher.domain.roots import PublicKey, SchoolDay, SignedRoot, Told
from services.publisher.queries.ledger import PAGE

# One process works at a time; whoever does not get this lock leaves the day to the other.
_TRY_LOCK = "SELECT pg_try_advisory_xact_lock(hashtext('sutki.ledger_roots'))"

_LAST = "SELECT statement, signature FROM ledger_roots ORDER BY day DESC LIMIT 1"

_FIRST_DAY = """
SELECT min(((l.entry::jsonb ->> 'noted_at')::timestamptz AT TIME ZONE $1)::date)
FROM ledger_heads h JOIN ledger l ON l.school_id = h.school_id AND l.seq = 1
"""

# Up to the last entry that was noted before the day ended: an instant is taken before the chain is locked, so that two
# neighbours may stand in the other order, and what is appended after a day was sealed belongs to the next one.
_NEW = """
SELECT h.school_id, coalesce(p.last_seq, 0) AS before_seq, p.head,
       coalesce((SELECT max(l.seq) FROM ledger l
                 WHERE l.school_id = h.school_id AND l.seq > coalesce(p.last_seq, 0)
                   AND (l.entry::jsonb ->> 'noted_at')::timestamptz
                       < (($1::date + 1)::timestamp AT TIME ZONE $2)),
                p.last_seq) AS last_seq
FROM ledger_heads h
LEFT JOIN ledger_school_days p ON p.school_id = h.school_id AND p.day = $1::date - 1
ORDER BY h.school_id
"""
_HASHES = """
SELECT seq, hash FROM ledger WHERE school_id = $1 AND seq > $2 AND seq <= $3 ORDER BY seq LIMIT $4
"""

_INSERT_KEY = """
INSERT INTO ledger_keys (key_id, public_key, first_used_at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING
"""
_INSERT_ROOT = """
INSERT INTO ledger_roots (day, statement, signature, previous, key_id, sealed_at) VALUES ($1, $2, $3, $4, $5, $6)
"""
_INSERT_DAYS = """
INSERT INTO ledger_school_days (day, school_id, first_seq, last_seq, head, root)
SELECT $1, * FROM unnest($2::uuid[], $3::bigint[], $4::bigint[], $5::bytea[], $6::bytea[])
"""

_KEYS = "SELECT public_key FROM ledger_keys ORDER BY first_used_at, key_id"
_ROOTS = """
SELECT statement, signature FROM ledger_roots
WHERE ($1::date IS NULL OR day > $1) AND ($2::date IS NULL OR day <= $2) ORDER BY day LIMIT $3
"""
_ROOT = "SELECT statement, signature FROM ledger_roots WHERE day = $1"
_SCHOOL_DAYS = """
SELECT school_id, day, first_seq, last_seq, head, root FROM ledger_school_days
WHERE school_id = $1 AND ($2::date IS NULL OR day <= $2) ORDER BY day
"""
_DAY = """
SELECT school_id, day, first_seq, last_seq, head, root FROM ledger_school_days WHERE day = $1 ORDER BY school_id
"""
_DAY_OF_ENTRY = """
SELECT school_id, day, first_seq, last_seq, head, root FROM ledger_school_days
WHERE school_id = $1 AND first_seq <= $2 AND last_seq >= $2
"""

# The instant from which the first day without a root may be sealed.
_SECONDS_TO_NEXT = """
SELECT extract(epoch FROM (($1::date + 1)::timestamp AT TIME ZONE $2) + make_interval(secs => $3) - $4)::float8
"""


@dataclass(frozen=True, slots=True)
class NewEntries:
    """A school's entries that stand under no root yet and belong to a day."""

    school_id: UUID
    before_seq: int
    last_seq: int
    head: bytes | None
    """Of the day before; None on the school's first."""


async def try_lock(conn: Connection) -> bool:
    """Whether this process may seal a day; no other one does until the transaction ends."""
    locked: bool = await conn.fetchval(_TRY_LOCK)
    return locked


async def last(conn: Connection) -> SignedRoot | None:
    """The root of the last sealed day."""
    row = await conn.fetchrow(_LAST)
    return SignedRoot(row["statement"], row["signature"]) if row else None


async def first_day(conn: Connection, zone: str) -> date | None:
    """The day of the ledger's first entry; None while there is none."""
    day: date | None = await conn.fetchval(_FIRST_DAY, zone)
    return day


async def new_entries(conn: Connection, day: date, zone: str) -> list[NewEntries]:
    """What each school has appended since the day before, up to the end of the day."""
    return [
        NewEntries(row["school_id"], row["before_seq"], row["last_seq"], row["head"])
        for row in await conn.fetch(_NEW, day, zone)
        if row["last_seq"]
    ]


async def hashes(conn: Connection, school_id: UUID, after: int, until: int) -> AsyncIterator[bytes]:
    """The hashes of a school's entries in order, read page by page."""
    while rows := await conn.fetch(_HASHES, school_id, after, until, PAGE):
        for row in rows:
            yield row["hash"]
        after = rows[-1]["seq"]


async def insert(
    conn: Connection, root: SignedRoot, told: Told, *, key: PublicKey, days: Sequence[SchoolDay], now: datetime
) -> None:
    """Keeps a sealed day."""
    await conn.execute(_INSERT_KEY, key.key_id, key.raw, now)
    await conn.execute(_INSERT_ROOT, told.day, root.statement, root.signature, told.previous, key.key_id, now)
    await conn.execute(
        _INSERT_DAYS,
        told.day,
        [one.school_id for one in days],
        [one.first_seq for one in days],
        [one.last_seq for one in days],
        [one.head for one in days],
        [one.root for one in days],
    )


async def keys(conn: Connection) -> list[PublicKey]:
    """Every key that a root was signed with, the oldest first."""
    return [PublicKey(row["public_key"]) for row in await conn.fetch(_KEYS)]


async def roots(
    conn: Connection, *, after: date | None = None, until: date | None = None, limit: int | None = None
) -> list[SignedRoot]:
    """Signed roots in order.

    Args:
        conn: the transaction.
        after: only later days.
        until: no later days.
        limit: at most so many.
    """
    return [SignedRoot(row["statement"], row["signature"]) for row in await conn.fetch(_ROOTS, after, until, limit)]


async def root(conn: Connection, day: date) -> SignedRoot | None:
    """The signed root of a day."""
    row = await conn.fetchrow(_ROOT, day)
    return SignedRoot(row["statement"], row["signature"]) if row else None


async def school_days(conn: Connection, school_id: UUID, until: date | None = None) -> list[SchoolDay]:
    """A school's summaries in order."""
    return [_day(row) for row in await conn.fetch(_SCHOOL_DAYS, school_id, until)]


async def days(conn: Connection, day: date) -> list[SchoolDay]:
    """All schools' summaries of a day, in the order of the tree's leaves."""
    return [_day(row) for row in await conn.fetch(_DAY, day)]


async def day_of_entry(conn: Connection, school_id: UUID, seq: int) -> SchoolDay | None:
    """The day under which an entry was sealed."""
    row = await conn.fetchrow(_DAY_OF_ENTRY, school_id, seq)
    return _day(row) if row else None


async def seconds_to_next(conn: Connection, day: date, zone: str, delay_seconds: float, now: datetime) -> float:
    """How long until a day may be sealed."""
    seconds: float = await conn.fetchval(_SECONDS_TO_NEXT, day, zone, delay_seconds, now)
    return seconds


def _day(row: Any) -> SchoolDay:
    return SchoolDay(row["school_id"], row["day"], row["first_seq"], row["last_seq"], row["head"], row["root"])
