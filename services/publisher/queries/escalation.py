"""Escalations: finding what is not met, taking a step once, and reading what was told."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from chassis.database import Connection
from services.publisher.domain.escalation import LADDER, Leads, StaffRole, Step, stage

_COLUMN = {Step.SCHOOL: "school_hours", Step.HEAD: "head_hours", Step.DISTRICT: "district_hours"}

# Schools with terms of their own are looked up one by one: what is late for the others must not be read for their sake.
_REACHED = """
SELECT DISTINCT o.school_id FROM obligations o
WHERE o.state = 'open' AND o.escalation = $1 AND o.due_at <= $2::timestamptz + $3::interval AND o.opened_at <= $4
  AND NOT EXISTS (SELECT FROM escalation_terms t WHERE t.school_id = o.school_id AND t.{column} IS NOT NULL)
UNION
SELECT t.school_id FROM escalation_terms t
WHERE t.{column} IS NOT NULL AND EXISTS (
    SELECT FROM obligations o
    WHERE o.school_id = t.school_id AND o.state = 'open' AND o.escalation = $1 AND o.opened_at <= $4
      AND o.due_at <= $2::timestamptz + t.{column} * interval '1 hour'
)
"""
_OVERDUE_SCHOOLS = """
SELECT DISTINCT school_id FROM obligations
WHERE state = 'open' AND escalation = ANY ('{0,1,2,3}') AND due_at <= $1 AND opened_at <= $2
"""

_TURNS = """
INSERT INTO escalation_turns (school_id, step) SELECT school_id, $2 FROM unnest($1::uuid[]) AS s (school_id)
ORDER BY school_id ON CONFLICT DO NOTHING
"""
# One school at a time: whoever holds its row raises its message, everybody else goes on to the next school.
_TAKE_TURN = """
SELECT school_id, rounds FROM escalation_turns
WHERE step = $2 AND school_id = ANY ($1::uuid[]) AND (raised_at IS NULL OR raised_at <= $3)
ORDER BY raised_at NULLS FIRST, school_id LIMIT 1 FOR UPDATE SKIP LOCKED
"""
_TURN_TAKEN = """
UPDATE escalation_turns SET rounds = $3, raised_at = $4 WHERE school_id = $1 AND step = $2
"""

# `waits` says where the sheet or the screen stands; the request is read for since when it lies in the queue.
_TAKE_STEP = """
WITH found AS (
    SELECT result_id, value_revision, recipient_id FROM obligations
    WHERE school_id = $1 AND state = 'open' AND escalation = ANY ($2::smallint[]) AND due_at <= $3 AND opened_at <= $4
    ORDER BY due_at, obligation_id LIMIT $5 FOR UPDATE SKIP LOCKED
), taken AS (
    UPDATE obligations o SET escalation = coalesce($6, o.escalation)
    FROM found f
    WHERE o.result_id = f.result_id AND o.value_revision = f.value_revision AND o.recipient_id = f.recipient_id
    RETURNING o.*
)
INSERT INTO escalated_obligations (obligation_id, step, round, escalation_id, school_id, result_id, value_revision,
                                   student_id, recipient_id, route, waits, request_id, waiting_since, due_at, held,
                                   late_at_source)
SELECT t.obligation_id, $7, $8, $9, t.school_id, t.result_id, t.value_revision, t.student_id, t.recipient_id, t.route,
       CASE t.route WHEN 'paper' THEN CASE WHEN t.request_id IS NULL THEN 'not_asked' ELSE 'print_queue' END
                    ELSE t.route END,
       t.request_id, coalesce(q.changed_at, t.opened_at), t.due_at,
       coalesce(r.held AND r.value_revision = t.value_revision AND t.due_at > $10, false),
       t.recorded_at > t.obtained_at + interval '24 hours'
FROM taken t
LEFT JOIN results r ON r.result_id = t.result_id
LEFT JOIN extract_requests q ON q.request_id = t.request_id
"""
_RAISE = """
INSERT INTO escalations (escalation_id, school_id, step, round, raised_at, obligations, late_at_source, held,
                         first_due_at, printer)
SELECT $1, $2, $3, $4, $5, count(*), count(*) FILTER (WHERE late_at_source), count(*) FILTER (WHERE held), min(due_at),
       (SELECT t.printer FROM escalation_terms t WHERE t.school_id = $2)
FROM escalated_obligations WHERE escalation_id = $1
"""
_QUEUE_MESSAGES = """
INSERT INTO staff_messages (message_id, escalation_id, school_id, role, address, state, queued_at, send_after)
SELECT gen_random_uuid(), $1, $2, a.role, a.address, 'queued', $4, $4
FROM escalation_addresses a
WHERE a.role = ANY ($3::text[]) AND (a.school_id = $2 OR a.school_id IS NULL)
ORDER BY a.role, a.address
ON CONFLICT DO NOTHING
"""

_LISTED = """
SELECT * FROM escalations
WHERE ($1::uuid IS NULL OR school_id = $1) AND ($2::text IS NULL OR step = $2)
  AND ($3::timestamptz IS NULL OR (raised_at, escalation_id) < ($3, $4))
ORDER BY raised_at DESC, escalation_id DESC LIMIT $5
"""
_ONE = "SELECT * FROM escalations WHERE escalation_id = $1"
_ITEMS = """
SELECT obligation_id, result_id, value_revision, student_id, recipient_id, route, waits, request_id, waiting_since,
       due_at, held, late_at_source
FROM escalated_obligations
WHERE escalation_id = $1 AND ($2::timestamptz IS NULL OR (due_at, obligation_id) > ($2, $3))
ORDER BY due_at, obligation_id LIMIT $4
"""

_ADDRESSES = """
SELECT address_id, school_id, role, address FROM escalation_addresses
WHERE $1::uuid IS NULL OR school_id = $1 ORDER BY school_id NULLS FIRST, role, address
"""
_ADD_ADDRESS = """
INSERT INTO escalation_addresses (address_id, school_id, role, address, created_at) VALUES ($1, $2, $3, $4, $5)
ON CONFLICT (school_id, role, address) DO UPDATE SET role = excluded.role
RETURNING address_id, school_id, role, address
"""
_REMOVE_ADDRESS = "DELETE FROM escalation_addresses WHERE address_id = $1 RETURNING address_id"

_TERMS = "SELECT school_hours, head_hours, district_hours, printer FROM escalation_terms WHERE school_id = $1"
_SET_TERMS = """
INSERT INTO escalation_terms (school_id, school_hours, head_hours, district_hours, printer, changed_at)
VALUES ($1, $2, $3, $4, $5, $6)
ON CONFLICT (school_id) DO UPDATE SET school_hours = excluded.school_hours, head_hours = excluded.head_hours,
    district_hours = excluded.district_hours, printer = excluded.printer, changed_at = excluded.changed_at
"""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a school does otherwise than the district; None: as the district."""

    school_hours: float | None = None
    head_hours: float | None = None
    district_hours: float | None = None
    printer: str | None = None

    def lead(self, step: Step, district: Leads) -> timedelta:
        """How long before the deadline the school takes a step."""
        own = {Step.SCHOOL: self.school_hours, Step.HEAD: self.head_hours, Step.DISTRICT: self.district_hours}[step]
        return district.of(step) if own is None else timedelta(hours=own)

    def leads(self, district: Leads) -> Leads:
        """The leads of the school.

        Raises:
            LadderOutOfOrder: together with the district's they are in the wrong order.
        """
        return Leads(*(self.lead(step, district) for step in LADDER))


@dataclass(frozen=True, slots=True)
class Escalation:
    """One message of the ladder."""

    escalation_id: UUID
    school_id: UUID
    step: str
    round: int
    raised_at: datetime
    obligations: int
    late_at_source: int
    held: int
    first_due_at: datetime
    printer: str | None


@dataclass(frozen=True, slots=True)
class Escalated:
    """One obligation of a message: whose it is, where it waits, since when and until when."""

    obligation_id: UUID
    result_id: UUID
    value_revision: int
    student_id: UUID
    recipient_id: UUID
    route: str
    waits: str
    request_id: UUID | None
    waiting_since: datetime
    due_at: datetime
    held: bool
    late_at_source: bool


@dataclass(frozen=True, slots=True)
class Address:
    """Where the staff of a role is reached."""

    address_id: UUID
    school_id: UUID | None
    role: str
    address: str


async def schools_that_reached(
    conn: Connection, step: Step, now: datetime, lead: timedelta, opened_before: datetime
) -> list[UUID]:
    """Schools where something unmet has come to a step and was not told yet."""
    rows = await conn.fetch(_REACHED.format(column=_COLUMN[step]), stage(step) - 1, now, lead, opened_before)
    return [row["school_id"] for row in rows]


async def overdue_schools(conn: Connection, due_before: datetime, opened_before: datetime) -> list[UUID]:
    """Schools where something is owed after its 24 hours."""
    return [row["school_id"] for row in await conn.fetch(_OVERDUE_SCHOOLS, due_before, opened_before)]


async def take_turn(
    conn: Connection, step: Step, school_ids: Sequence[UUID], raised_before: datetime
) -> tuple[UUID, int] | None:
    """Locks one of the schools whose last message is old enough and nobody else is about; with its number of rounds."""
    await conn.execute(_TURNS, school_ids, step.value)
    row = await conn.fetchrow(_TAKE_TURN, school_ids, step.value, raised_before)
    return (row["school_id"], row["rounds"]) if row else None


async def turn_taken(conn: Connection, school_id: UUID, step: Step, rounds: int, now: datetime) -> None:
    """Notes that the school's message was raised."""
    await conn.execute(_TURN_TAKEN, school_id, step.value, rounds, now)


async def take_step(
    conn: Connection,
    escalation_id: UUID,
    step: Step,
    turn: tuple[UUID, int],
    *,
    due_before: datetime,
    opened_before: datetime,
    now: datetime,
    limit: int,
) -> int:
    """Takes a step for everything unmet of a school, and writes down what; returns how many obligations.

    Args:
        conn: the transaction; the school's turn is locked in it.
        escalation_id: of the message.
        step: which.
        turn: the school, and the number of this round.
        due_before: what is due by then.
        opened_before: what is newer has still time to be met by itself.
        now: the present instant.
        limit: more wait for the next message.
    """
    overdue = step is Step.OVERDUE
    before = list(range(len(LADDER) + 1)) if overdue else [stage(step) - 1]
    status = await conn.execute(
        _TAKE_STEP,
        turn[0],
        before,
        due_before,
        opened_before,
        limit,
        None if overdue else stage(step),
        step.value,
        turn[1],
        escalation_id,
        now,
    )
    return int(status.rsplit(maxsplit=1)[-1])


async def raise_it(
    conn: Connection, escalation_id: UUID, step: Step, turn: tuple[UUID, int], now: datetime
) -> Escalation:
    """Appends the message to the log, with what its obligations come to."""
    await conn.execute(_RAISE, escalation_id, turn[0], step.value, turn[1], now)
    found = await one(conn, escalation_id)
    if found is None:
        raise LookupError("an escalation that was just written is not there")
    return found


async def queue_messages(
    conn: Connection, escalation_id: UUID, school_id: UUID, roles: Sequence[StaffRole], now: datetime
) -> int:
    """Queues a mail to everyone who has one of the roles; returns how many."""
    status = await conn.execute(_QUEUE_MESSAGES, escalation_id, school_id, [role.value for role in roles], now)
    return int(status.rsplit(maxsplit=1)[-1])


async def listed(
    conn: Connection, school_id: UUID | None, step: str | None, *, before: tuple[datetime, UUID] | None, limit: int
) -> list[Escalation]:
    """A page of the log, the latest first."""
    rows = await conn.fetch(_LISTED, school_id, step, *(before or (None, None)), limit)
    return [Escalation(**dict(row)) for row in rows]


async def one(conn: Connection, escalation_id: UUID) -> Escalation | None:
    """A message, if it is visible in the transaction's scope."""
    row = await conn.fetchrow(_ONE, escalation_id)
    return Escalation(**dict(row)) if row else None


async def items(
    conn: Connection, escalation_id: UUID, *, after: tuple[datetime, UUID] | None, limit: int
) -> list[Escalated]:
    """A page of what a message lists, the most urgent first."""
    rows: Sequence[Any] = await conn.fetch(_ITEMS, escalation_id, *(after or (None, None)), limit)
    return [Escalated(**dict(row)) for row in rows]


async def addresses(conn: Connection, school_id: UUID | None) -> list[Address]:
    """The addresses of a school's staff, or all that the transaction's scope shows."""
    return [Address(**dict(row)) for row in await conn.fetch(_ADDRESSES, school_id)]


async def add_address(conn: Connection, address: Address, now: datetime) -> Address:
    """Keeps an address; the same again stays what it is."""
    row = await conn.fetchrow(_ADD_ADDRESS, address.address_id, address.school_id, address.role, address.address, now)
    if row is None:
        raise LookupError("an address that was just kept is not there")
    return Address(**dict(row))


async def remove_address(conn: Connection, address_id: UUID) -> bool:
    """Forgets an address; False: there is none in the transaction's scope."""
    return await conn.fetchval(_REMOVE_ADDRESS, address_id) is not None


async def terms(conn: Connection, school_id: UUID) -> Terms:
    """What a school does otherwise than the district."""
    row = await conn.fetchrow(_TERMS, school_id)
    return Terms(**dict(row)) if row else Terms()


async def set_terms(conn: Connection, school_id: UUID, wanted: Terms, now: datetime) -> None:
    """Replaces what a school does otherwise than the district."""
    await conn.execute(
        _SET_TERMS, school_id, wanted.school_hours, wanted.head_hours, wanted.district_hours, wanted.printer, now
    )
