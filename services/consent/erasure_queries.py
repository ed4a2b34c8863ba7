"""SQL of erasures: what is scheduled, who confirmed, the log, the acts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import asyncpg

from chassis.database import Connection
from contracts.consent_changed import ConsentChanged
from contracts.data_erased import DataErased
from contracts.erasure_requested import ErasureRequested

Scope = Literal["electronic_contact", "person"]

_COLUMNS = """
erasure_id, person_id, student_id, school_id, scope, parts, ground, state, scheduled_at, due_at, start_at, requested_at,
erased_at, ordered_by
"""

_SET_RULES = """
UPDATE erasure_rules SET withdrawal_days = $1, lead_hours = $2 WHERE (withdrawal_days, lead_hours) <> ($1, $2)
"""
_ADD = f"""
INSERT INTO erasures ({_COLUMNS})
VALUES ($1, $2, $3, $4, $5, $6, $7, 'scheduled', $8, $9, $10, NULL, NULL, $11)
ON CONFLICT (erasure_id) DO NOTHING RETURNING erasure_id
"""
_LOCK = f"SELECT {_COLUMNS} FROM erasures WHERE erasure_id = $1 FOR UPDATE"
_READ = f"SELECT {_COLUMNS} FROM erasures WHERE erasure_id = $1"
_DUE = f"""
SELECT {_COLUMNS} FROM erasures WHERE state = 'scheduled' AND start_at <= $1
ORDER BY start_at, erasure_id LIMIT 1 FOR UPDATE SKIP LOCKED
"""
_NEXT = """
SELECT extract(epoch FROM min(start_at) - (clock_timestamp() + clock_shift()))::float8
FROM erasures WHERE state = 'scheduled'
"""
_MOVE = """
UPDATE erasures SET state = $2,
    requested_at = CASE WHEN $2 = 'requested' THEN $3::timestamptz ELSE requested_at END,
    erased_at = CASE WHEN $2 = 'erased' THEN $3::timestamptz ELSE erased_at END,
    ordered_by = coalesce($4, ordered_by)
WHERE erasure_id = $1
"""
_NOTE = "INSERT INTO erasure_log (erasure_id, at, happened, details) VALUES ($1, $2, $3, $4::jsonb)"
_LOG = "SELECT at, happened, details FROM erasure_log WHERE erasure_id = $1 ORDER BY entry_id"
_CONFIRM = """
INSERT INTO erasure_confirmations (erasure_id, service, erased, kept, erased_at, received_at)
SELECT $1, $2, $3::jsonb, $4::jsonb, $5, $6 WHERE EXISTS (SELECT FROM erasures WHERE erasure_id = $1)
ON CONFLICT DO NOTHING RETURNING service
"""
_CONFIRMATIONS = """
SELECT service, erased, kept, erased_at FROM erasure_confirmations WHERE erasure_id = $1 ORDER BY service
"""
_LISTED = f"""
SELECT {_COLUMNS},
    ARRAY(SELECT c.service FROM erasure_confirmations AS c WHERE c.erasure_id = e.erasure_id ORDER BY 1) AS confirmed,
    EXISTS (SELECT FROM destruction_acts AS a WHERE a.erasure_id = e.erasure_id) AS has_act
FROM erasures AS e
WHERE ($5::uuid IS NULL OR erasure_id = $5)
    AND ($1::uuid IS NULL OR person_id = $1 OR student_id = $1) AND ($2::text[] IS NULL OR state = ANY ($2))
    AND ($3::timestamptz IS NULL OR requested_at < $3)
ORDER BY scheduled_at DESC, erasure_id LIMIT $4
"""
_UNCONFIRMED = """
SELECT count(*) FROM erasures
WHERE state = 'requested' AND requested_at < (clock_timestamp() + clock_shift()) - make_interval(secs => $1)
"""
_PAST_DUE = """
SELECT count(*) FROM erasures WHERE state IN ('scheduled', 'requested') AND due_at < clock_timestamp() + clock_shift()
"""
_WITHOUT_ACT = f"""
SELECT {_COLUMNS} FROM erasures AS e
WHERE state = 'erased' AND erased_at > $1
    AND NOT EXISTS (SELECT FROM destruction_acts AS a WHERE a.erasure_id = e.erasure_id)
ORDER BY erased_at LIMIT 1 FOR UPDATE SKIP LOCKED
"""
_OPERATOR = "SELECT name, address FROM schools WHERE school_id = $1"
_NEXT_NUMBER = "SELECT nextval(pg_get_serial_sequence('destruction_acts', 'number'))"
_KEEP_ACT = """
INSERT INTO destruction_acts (
    erasure_id, number, made_at, keep_until, pdf, pdf_sha256, log_extract, log_sha256
) OVERRIDING SYSTEM VALUE VALUES ($1, $2, $3, $4, $5, sha256($5), $6, sha256($6))
"""
_ACT = """
SELECT number, made_at, keep_until, pdf, pdf_sha256, log_extract, log_sha256
FROM destruction_acts WHERE erasure_id = $1
"""
_FORGET_ACTS = "DELETE FROM destruction_acts WHERE keep_until < clock_timestamp() + clock_shift()"
# By the history, not by the present state: a repetition says the same, and a consent given since covers again.
_REQUESTED = f"""
SELECT {_COLUMNS}, (
    SELECT max(d.revision) FROM consents AS c JOIN consent_decisions AS d USING (consent_id)
    WHERE e.scope = 'electronic_contact' AND c.representative_id = e.person_id AND c.student_id = e.student_id
        AND d.registered_at <= e.requested_at
) AS consent_revision
FROM erasures AS e WHERE state = 'requested'
"""
_REQUEST = f"{_REQUESTED} AND erasure_id = $1"
_AFTER = f"{_REQUESTED} AND erasure_id > $1 ORDER BY erasure_id LIMIT $2"
# A later revision of the same consent says all that an earlier one said, so that even one that was not sent yet may go.
_FORGET_TOLD = """
DELETE FROM outbox AS o USING consents AS c
WHERE c.representative_id = $1 AND ($2::uuid IS NULL OR c.student_id = $2)
    AND o.type = $3 AND o.aggregateid = c.student_id::text
    AND o.payload::jsonb ->> 'consent_id' = c.consent_id::text
    AND (o.payload::jsonb ->> 'revision')::bigint < c.revision
    AND o.payload::jsonb -> 'contact' ->> 'email' IS NOT NULL
"""
# The row stays: a revision that began again at 1 would be an old event to whoever heard of the first one.
_INVITATION = """
UPDATE invitations AS i SET code_sha256 = ''::bytea, expires_at = i.issued_at, issued_by = NULL
WHERE i.person_id = $1 AND i.code_sha256 <> ''::bytea AND NOT EXISTS (
    SELECT FROM consents AS c
    WHERE (c.representative_id = $1 OR c.student_id = $1) AND c.cabinet = 'given'
)
"""
_HISTORY = """
SELECT count(*) AS decisions, count(d.consent_id) AS documents
FROM consents AS c JOIN consent_decisions AS n USING (consent_id)
LEFT JOIN consent_documents AS d ON d.consent_id = n.consent_id AND d.revision = n.revision
WHERE (c.representative_id = $1 OR c.student_id = $1) AND ($2::uuid IS NULL OR c.student_id = $2)
"""


@dataclass(frozen=True, slots=True)
class Erasure:
    """An erasure: whose data, of what extent, and how far it is."""

    erasure_id: UUID
    person_id: UUID
    student_id: UUID | None
    school_id: UUID | None
    scope: Scope
    parts: list[str]
    ground: str
    state: Literal["scheduled", "requested", "erased", "cancelled"]
    scheduled_at: datetime
    due_at: datetime
    start_at: datetime
    requested_at: datetime | None
    erased_at: datetime | None
    ordered_by: UUID | None


@dataclass(frozen=True, slots=True)
class Listed:
    """A line of the list of erasures."""

    erasure: Erasure
    confirmed: list[str]
    has_act: bool


@dataclass(frozen=True, slots=True)
class Act:
    """What was generated when every service had confirmed."""

    number: int
    made_at: datetime
    keep_until: datetime
    pdf: bytes
    pdf_sha256: bytes
    log_extract: bytes
    log_sha256: bytes


async def set_rules(conn: Connection, withdrawal_days: float, lead_hours: float) -> None:
    """By these terms the trigger schedules."""
    await conn.execute(_SET_RULES, withdrawal_days, lead_hours)


async def add(conn: Connection, one: Erasure) -> bool:
    """Schedules an erasure; false when it is there."""
    added = await conn.fetchval(
        _ADD,
        one.erasure_id,
        one.person_id,
        one.student_id,
        one.school_id,
        one.scope,
        one.parts,
        one.ground,
        one.scheduled_at,
        one.due_at,
        one.start_at,
        one.ordered_by,
    )
    return added is not None


async def lock(conn: Connection, erasure_id: UUID) -> Erasure | None:
    """The erasure, held until the transaction ends."""
    return _erasure(await conn.fetchrow(_LOCK, erasure_id))


async def read(conn: Connection, erasure_id: UUID) -> Erasure | None:
    """The erasure."""
    return _erasure(await conn.fetchrow(_READ, erasure_id))


async def lock_due(conn: Connection, now: datetime) -> Erasure | None:
    """One whose time has come and that nobody works on."""
    return _erasure(await conn.fetchrow(_DUE, now))


async def seconds_to_next(conn: Connection) -> float | None:
    """How long until the next one begins."""
    seconds: float | None = await conn.fetchval(_NEXT)
    return seconds


async def move(
    conn: Connection,
    erasure_id: UUID,
    state: Literal["requested", "erased", "cancelled"],
    now: datetime,
    ordered_by: UUID | None = None,
) -> None:
    """The erasure is further now."""
    await conn.execute(_MOVE, erasure_id, state, now, ordered_by)


async def note(conn: Connection, erasure_id: UUID, at: datetime, happened: str, details: Mapping[str, Any]) -> None:
    """A line of the event log."""
    await conn.execute(_NOTE, erasure_id, at, happened, dict(details))


async def log_of(conn: Connection, erasure_id: UUID) -> list[asyncpg.Record]:
    """The event log of an erasure: `at`, `happened`, `details`."""
    return await conn.fetch(_LOG, erasure_id)


async def confirm(conn: Connection, event: DataErased, now: datetime) -> bool:
    """Keeps what a service confirmed; false when it was known, or no such erasure is."""
    said = event.model_dump(mode="json")
    service = await conn.fetchval(
        _CONFIRM, event.erasure_id, event.service(), said["erased"], said["kept"], event.erased_at, now
    )
    return service is not None


async def confirmations(conn: Connection, erasure_id: UUID) -> list[asyncpg.Record]:
    """Who confirmed: `service`, `erased`, `kept`, `erased_at`."""
    return await conn.fetch(_CONFIRMATIONS, erasure_id)


async def listed(
    conn: Connection,
    *,
    person_id: UUID | None = None,
    states: Sequence[str] | None = None,
    requested_before: datetime | None = None,
    erasure_id: UUID | None = None,
    limit: int = 500,
) -> list[Listed]:
    """Erasures that the scope may see, the newest first."""
    rows = await conn.fetch(_LISTED, person_id, states, requested_before, limit, erasure_id)
    return [
        Listed(Erasure(**{name: row[name] for name in Erasure.__slots__}), row["confirmed"], row["has_act"])
        for row in rows
    ]


async def overdue_counts(conn: Connection, confirmation_seconds: float) -> tuple[int, int]:
    """How many wait too long for a confirmation, and how many are past the law's term."""
    waiting: int = await conn.fetchval(_UNCONFIRMED, confirmation_seconds)
    past: int = await conn.fetchval(_PAST_DUE)
    return waiting, past


async def lock_without_act(conn: Connection, since: datetime) -> Erasure | None:
    """One that is done and has no act yet; acts older than they are kept are not made again."""
    return _erasure(await conn.fetchrow(_WITHOUT_ACT, since))


async def operator_of(conn: Connection, school_id: UUID | None) -> tuple[str, str] | None:
    """Name and address of the school that answers for the data, if it is one and known."""
    row = await conn.fetchrow(_OPERATOR, school_id)
    return (row["name"], row["address"]) if row is not None else None


async def next_act_number(conn: Connection) -> int:
    """The number of the next act."""
    number: int = await conn.fetchval(_NEXT_NUMBER)
    return number


async def keep_act(conn: Connection, erasure_id: UUID, act: Act) -> None:
    """Keeps an act with its event log; the digests are the database's."""
    await conn.execute(_KEEP_ACT, erasure_id, act.number, act.made_at, act.keep_until, act.pdf, act.log_extract)


async def act(conn: Connection, erasure_id: UUID) -> Act | None:
    """The act of an erasure."""
    row = await conn.fetchrow(_ACT, erasure_id)
    return Act(**dict(row)) if row is not None else None


async def forget_acts(conn: Connection) -> int:
    """Deletes acts whose time is over."""
    return int((await conn.execute(_FORGET_ACTS)).split()[-1])


async def requested_after(conn: Connection, after: UUID, limit: int) -> list[ErasureRequested]:
    """Erasures that somebody has not confirmed yet, by id, for replay."""
    rows = await conn.fetch(_AFTER, after, limit)
    return [_event(row) for row in rows]


async def request(conn: Connection, erasure_id: UUID) -> list[ErasureRequested]:
    """What every service is asked to do; nothing unless the erasure is requested."""
    return [_event(row) for row in await conn.fetch(_REQUEST, erasure_id)]


def _event(row: asyncpg.Record) -> ErasureRequested:
    told = {name: row[name] for name in ErasureRequested.model_fields if name != "revision"}
    return ErasureRequested.model_validate({"revision": 1, **told})


async def forget_told(conn: Connection, person_id: UUID, student_id: UUID | None) -> int:
    """Deletes copies of the address in the outbox; returns how many."""
    status = await conn.execute(_FORGET_TOLD, person_id, student_id, ConsentChanged.TOPIC)
    return int(status.split()[-1])


async def forget_invitation(conn: Connection, person_id: UUID) -> int:
    """Erases the code of a person's invitation, unless a consent in force lets it open something."""
    return int((await conn.execute(_INVITATION, person_id)).split()[-1])


async def history_counts(conn: Connection, person_id: UUID, student_id: UUID | None) -> tuple[int, int]:
    """How many decisions and documents the registry holds by or for a person."""
    row = await conn.fetchrow(_HISTORY, person_id, student_id)
    return (row["decisions"], row["documents"]) if row is not None else (0, 0)


def _erasure(row: asyncpg.Record | None) -> Erasure | None:
    return Erasure(**dict(row)) if row is not None else None
