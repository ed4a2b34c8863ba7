"""Obligations: opening, changing, meeting and finding them."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from chassis.database import Connection
from contracts.values import Route
from services.publisher.domain.deadlines import Late
from services.publisher.domain.obligations import (
    Availability,
    MovedReason,
    Obligation,
    Opening,
    RouteChange,
    Version,
    with_representative,
)
from services.publisher.domain.routes import Ground
from services.publisher.domain.states import ObligationState, check_obligation

_COLUMNS = """o.result_id, o.value_revision, o.recipient_id, o.obligation_id, o.student_id, o.school_id, o.obtained_at,
       o.recorded_at, o.due_at, o.route, o.moved_reason, o.state, o.request_id"""

# The id follows from what the obligation is about (UUIDv8 made from SHA-256), so that a rebuild gives the same ids.
_OPEN = """
INSERT INTO obligations AS o (result_id, value_revision, recipient_id, obligation_id, student_id, school_id,
                              obtained_at, recorded_at, opened_at, due_at, route, ask_paper_at, fall_back_at)
SELECT v.result_id, v.value_revision, v.recipient_id,
       overlay(overlay(
           substr(encode(sha256(
               convert_to(v.result_id || '/' || v.value_revision || '/' || v.recipient_id, 'UTF8')), 'hex'), 1, 32)
           placing '8' from 13) placing '8' from 17)::uuid,
       r.student_id, r.school_id, r.obtained_at, r.recorded_at, $8, v.due_at, v.route, v.ask_paper_at, v.fall_back_at
FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::timestamptz[], $5::text[], $6::timestamptz[], $7::timestamptz[])
    AS v (result_id, value_revision, recipient_id, due_at, route, ask_paper_at, fall_back_at)
JOIN results r ON r.result_id = v.result_id
ON CONFLICT (result_id, value_revision, recipient_id) DO UPDATE
SET state = 'open', opened_at = excluded.opened_at, due_at = least(o.due_at, excluded.due_at), route = excluded.route,
    ask_paper_at = excluded.ask_paper_at, fall_back_at = excluded.fall_back_at, moved_reason = NULL, closed_at = NULL
WHERE o.state = 'cancelled'
"""

_LOCK_OF_RESULTS = f"""
SELECT {_COLUMNS}, r.held AND r.value_revision = o.value_revision AS held
FROM obligations o JOIN results r ON r.result_id = o.result_id
WHERE o.result_id = ANY ($1::uuid[])
ORDER BY o.result_id, o.value_revision, o.recipient_id FOR UPDATE OF o
"""

_LOCK_OPEN_OF_STUDENTS = f"""
SELECT {_COLUMNS}, r.held AND r.value_revision = o.value_revision AS held
FROM obligations o JOIN results r ON r.result_id = o.result_id
WHERE o.student_id = ANY ($1::uuid[]) AND o.state = 'open'
ORDER BY o.result_id, o.value_revision, o.recipient_id FOR UPDATE OF o
"""

# LATERAL, so that each version is looked up by the primary key whatever the planner believes about open rows: in a
# quarter's last days there may be millions of them, and in the nights none.
_LOCK_OPEN_OF_VERSIONS = f"""
SELECT o.* FROM unnest($1::uuid[], $2::bigint[]) WITH ORDINALITY AS v (result_id, value_revision, position)
CROSS JOIN LATERAL (
    SELECT {_COLUMNS}, false AS held FROM obligations o
    WHERE o.result_id = v.result_id AND o.value_revision = v.value_revision AND o.state = 'open'
    ORDER BY o.recipient_id FOR UPDATE OF o
) o
"""

_LOCK_TO_ASK_PAPER = f"""
SELECT {_COLUMNS}, false AS held FROM obligations o
WHERE o.student_id = ANY ($1::uuid[]) AND o.state = 'open' AND o.route = 'paper' AND o.request_id IS NULL
  AND o.ask_paper_at <= $2
ORDER BY o.result_id, o.value_revision, o.recipient_id FOR UPDATE OF o
"""

# The following change rows that their callers have locked and know to be open; looking at the state again would only
# lead the planner to the indexes of open rows. What must not happen, the trigger prevents.
_CHANGE_ROUTES = """
UPDATE obligations o
SET route = v.route, ask_paper_at = v.ask_paper_at, fall_back_at = v.fall_back_at, request_id = NULL,
    moved_reason = NULL
FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::text[], $5::timestamptz[], $6::timestamptz[])
    AS v (result_id, value_revision, recipient_id, route, ask_paper_at, fall_back_at)
WHERE o.result_id = v.result_id AND o.value_revision = v.value_revision AND o.recipient_id = v.recipient_id
"""

_RETIME = """
UPDATE obligations o
SET due_at = v.due_at, fall_back_at = v.fall_back_at,
    -- Held again it waits; otherwise a further revision of the same value must not put the sheet off.
    ask_paper_at = CASE WHEN v.held THEN v.ask_paper_at ELSE least(o.ask_paper_at, v.ask_paper_at) END,
    request_id = CASE WHEN v.leaves_request THEN NULL ELSE o.request_id END
FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::timestamptz[], $5::timestamptz[], $6::boolean[],
            $7::boolean[], $8::timestamptz[])
    AS v (result_id, value_revision, recipient_id, ask_paper_at, fall_back_at, held, leaves_request, due_at)
WHERE o.result_id = v.result_id AND o.value_revision = v.value_revision AND o.recipient_id = v.recipient_id
"""

_LOCK_OPEN_OLDER = f"""
SELECT o.* FROM unnest($1::uuid[], $2::bigint[], $3::uuid[]) WITH ORDINALITY
    AS v (result_id, value_revision, recipient_id, position)
CROSS JOIN LATERAL (
    SELECT {_COLUMNS}, false AS held FROM obligations o
    WHERE o.result_id = v.result_id AND o.value_revision < v.value_revision AND o.recipient_id = v.recipient_id
      AND o.state = 'open'
    ORDER BY o.value_revision FOR UPDATE OF o
) o
"""

_CLOSE = """
UPDATE obligations o SET state = $4, closed_at = $5, request_id = NULL
FROM unnest($1::uuid[], $2::bigint[], $3::uuid[]) AS v (result_id, value_revision, recipient_id)
WHERE o.result_id = v.result_id AND o.value_revision = v.value_revision AND o.recipient_id = v.recipient_id
"""

_MEET = """
UPDATE obligations o
SET state = 'available', route = v.route, available_at = v.available_at, late = v.late, consent_id = v.consent_id,
    consent_revision = v.consent_revision, extract_number = v.extract_number,
    request_id = CASE WHEN v.route = 'paper' THEN o.request_id END
FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::text[], $5::timestamptz[], $6::text[], $7::uuid[], $8::bigint[],
            $9::text[])
    AS v (result_id, value_revision, recipient_id, route, available_at, late, consent_id, consent_revision,
          extract_number)
WHERE o.result_id = v.result_id AND o.value_revision = v.value_revision AND o.recipient_id = v.recipient_id
"""

_SERVED_STUDENTS = f"""
SELECT {_COLUMNS}, false AS held, f.recipient_id AS first_recipient_id, f.route AS first_route, f.available_at,
       f.consent_id, f.consent_revision, f.extract_number
FROM obligations o
CROSS JOIN LATERAL (
    SELECT r.* FROM obligations r
    WHERE r.result_id = o.result_id AND r.value_revision = o.value_revision AND r.recipient_id <> o.student_id
      AND r.state = 'available'
    ORDER BY r.available_at, r.recipient_id LIMIT 1
) f
WHERE o.student_id = ANY ($1::uuid[]) AND o.state = 'open' AND o.route = 'with_representative'
ORDER BY o.result_id, o.value_revision, o.recipient_id FOR UPDATE OF o
"""

_ASK_PAPER_CANDIDATES = """
SELECT DISTINCT student_id FROM (
    SELECT student_id FROM obligations
    WHERE state = 'open' AND route = 'paper' AND request_id IS NULL AND ask_paper_at <= $1
    ORDER BY ask_paper_at LIMIT $2
) AS due
"""
_ASSIGN_REQUEST = """
UPDATE obligations o SET request_id = v.request_id
FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::uuid[]) AS v (result_id, value_revision, recipient_id, request_id)
WHERE o.result_id = v.result_id AND o.value_revision = v.value_revision AND o.recipient_id = v.recipient_id
"""
_LEAVE_REQUESTS = """
UPDATE obligations SET request_id = NULL, ask_paper_at = least($2::timestamptz, due_at - $3::interval)
WHERE request_id = ANY ($1::uuid[]) AND state = 'open'
"""

_FALL_BACK = f"""
WITH found AS (
    SELECT result_id, value_revision, recipient_id FROM obligations
    WHERE state = 'open' AND route = 'screen' AND fall_back_at <= $1
    ORDER BY fall_back_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE obligations o SET route = 'paper', moved_reason = $3, ask_paper_at = $1, fall_back_at = NULL
FROM found f
WHERE o.result_id = f.result_id AND o.value_revision = f.value_revision AND o.recipient_id = f.recipient_id
RETURNING {_COLUMNS}, false AS held
"""
_FALL_BACK_STALE = f"""
WITH found AS (
    SELECT result_id, value_revision, recipient_id FROM obligations
    WHERE state = 'open' AND route = 'screen' AND due_at <= $1::timestamptz + $4::interval
    ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE obligations o SET route = 'paper', moved_reason = $3, ask_paper_at = $1, fall_back_at = NULL
FROM found f
WHERE o.result_id = f.result_id AND o.value_revision = f.value_revision AND o.recipient_id = f.recipient_id
RETURNING {_COLUMNS}, false AS held
"""

_NOTICE_OVERDUE = f"""
WITH found AS (
    SELECT result_id, value_revision, recipient_id FROM obligations
    WHERE state = 'open' AND overdue_at IS NULL AND due_at <= $2 AND opened_at <= $2
    ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED
)
UPDATE obligations o SET overdue_at = $1, overdue_route = o.route
FROM found f
WHERE o.result_id = f.result_id AND o.value_revision = f.value_revision AND o.recipient_id = f.recipient_id
RETURNING {_COLUMNS}, false AS held
"""

_NEXT_ASK = """
SELECT extract(epoch FROM min(ask_paper_at) - $1)::float8 FROM obligations
WHERE state = 'open' AND route = 'paper' AND request_id IS NULL
"""
_NEXT_FALL_BACK = """
SELECT extract(epoch FROM min(fall_back_at) - $1)::float8 FROM obligations
WHERE state = 'open' AND route = 'screen' AND fall_back_at IS NOT NULL
"""
_NEXT_OVERDUE = """
SELECT extract(epoch FROM min(due_at) - $1)::float8 FROM obligations WHERE state = 'open' AND overdue_at IS NULL
"""


def _obligation(row: Any) -> Obligation:
    return Obligation(
        row["result_id"],
        row["value_revision"],
        row["recipient_id"],
        row["obligation_id"],
        row["student_id"],
        row["school_id"],
        row["obtained_at"],
        row["recorded_at"],
        row["due_at"],
        Route(row["route"]),
        row["moved_reason"],
        row["state"],
        row["request_id"],
        row["held"],
    )


def _keys(obligations: Sequence[Obligation]) -> tuple[list[UUID], list[int], list[UUID]]:
    return (
        [one.result_id for one in obligations],
        [one.value_revision for one in obligations],
        [one.recipient_id for one in obligations],
    )


async def open_all(conn: Connection, openings: Sequence[Opening], now: datetime) -> None:
    """Opens obligations; one that exists stays as it is, unless it had been cancelled."""
    if not openings:
        return
    ordered = sorted(openings, key=lambda one: (one.result_id, one.value_revision, one.recipient_id))
    await conn.execute(
        _OPEN,
        [one.result_id for one in ordered],
        [one.value_revision for one in ordered],
        [one.recipient_id for one in ordered],
        [one.due_at for one in ordered],
        [one.route.value for one in ordered],
        [one.ask_paper_at for one in ordered],
        [one.fall_back_at for one in ordered],
        now,
    )


async def lock_of_results(conn: Connection, result_ids: Sequence[UUID]) -> list[Obligation]:
    """All obligations of results, of every version and in every state."""
    return [_obligation(row) for row in await conn.fetch(_LOCK_OF_RESULTS, result_ids)]


async def lock_open_of_students(conn: Connection, student_ids: Sequence[UUID]) -> list[Obligation]:
    """The open obligations about students."""
    return [_obligation(row) for row in await conn.fetch(_LOCK_OPEN_OF_STUDENTS, student_ids)]


async def lock_open_of_versions(conn: Connection, versions: Sequence[Version]) -> list[Obligation]:
    """The open obligations of versions of results, to whomever."""
    ordered = sorted(set(versions))
    rows = await conn.fetch(_LOCK_OPEN_OF_VERSIONS, [one for one, _ in ordered], [number for _, number in ordered])
    return [_obligation(row) for row in rows]


async def lock_open_older(conn: Connection, met: Sequence[Obligation]) -> list[Obligation]:
    """What is still owed of older versions to those who got a later one."""
    later = {one.key: one for one in met if one.value_revision > 1}
    if not later:
        return []
    found = await conn.fetch(_LOCK_OPEN_OLDER, *_keys([later[key] for key in sorted(later)]))
    return list({one.key: one for one in map(_obligation, found)}.values())


async def lock_served_students(conn: Connection, student_ids: Sequence[UUID]) -> list[Availability]:
    """Students who wait for a representative although one was served before."""
    return [_served(row) for row in await conn.fetch(_SERVED_STUDENTS, student_ids)]


def _served(row: Any) -> Availability:
    student = _obligation(row)
    ground = Ground(row["consent_id"], row["consent_revision"]) if row["consent_id"] else None
    first = Availability(
        _obligation({**row, "recipient_id": row["first_recipient_id"]}),
        Route(row["first_route"]),
        row["available_at"],
        ground,
        row["extract_number"],
    )
    return with_representative(student, first)


async def change_routes(conn: Connection, changes: Sequence[RouteChange]) -> None:
    """Sends open obligations another way; they leave their paper requests."""
    if changes:
        await conn.execute(
            _CHANGE_ROUTES,
            *_keys([one.obligation for one in changes]),
            [one.route.value for one in changes],
            [one.ask_paper_at for one in changes],
            [one.fall_back_at for one in changes],
        )


async def retime(
    conn: Connection,
    changes: Sequence[RouteChange],
    *,
    held: Sequence[bool],
    leave_request: Sequence[bool],
    due: Sequence[datetime],
) -> None:
    """Sets the timers of open obligations after a hold or a release."""
    if changes:
        await conn.execute(
            _RETIME,
            *_keys([one.obligation for one in changes]),
            [one.ask_paper_at for one in changes],
            [one.fall_back_at for one in changes],
            held,
            leave_request,
            due,
        )


async def close(conn: Connection, obligations: Sequence[Obligation], state: ObligationState, now: datetime) -> None:
    """Ends open obligations without their having been met."""
    check_obligation(ObligationState.OPEN, state)
    if obligations:
        await conn.execute(_CLOSE, *_keys(obligations), state.value, now)


async def meet(conn: Connection, met: Sequence[Availability], late: Sequence[Late]) -> None:
    """Makes open obligations available."""
    await conn.execute(
        _MEET,
        *_keys([one.obligation for one in met]),
        [one.route.value for one in met],
        [one.available_at for one in met],
        [one.value for one in late],
        [one.ground.consent_id if one.ground else None for one in met],
        [one.ground.revision if one.ground else None for one in met],
        [one.extract_number for one in met],
    )


async def students_to_ask_paper_for(conn: Connection, now: datetime, limit: int) -> list[UUID]:
    """Students with paper that has to be asked for."""
    return [row["student_id"] for row in await conn.fetch(_ASK_PAPER_CANDIDATES, now, limit)]


async def lock_to_ask_paper(conn: Connection, student_ids: Sequence[UUID], until: datetime) -> list[Obligation]:
    """Everything that may go on the sheets of students, with what would be asked for until an instant."""
    return [_obligation(row) for row in await conn.fetch(_LOCK_TO_ASK_PAPER, student_ids, until)]


async def assign_requests(conn: Connection, obligations: Sequence[Obligation], request_ids: Sequence[UUID]) -> None:
    """Notes on which request each obligation stands."""
    await conn.execute(_ASSIGN_REQUEST, *_keys(obligations), request_ids)


async def leave_requests(conn: Connection, request_ids: Sequence[UUID], ask_at: datetime, lead: timedelta) -> None:
    """Takes the open obligations off requests that came to nothing, and has paper asked for anew."""
    await conn.execute(_LEAVE_REQUESTS, request_ids, ask_at, lead)


async def fall_back_unacknowledged(conn: Connection, now: datetime, limit: int) -> list[Obligation]:
    """Moves to paper what the screen has not shown in time."""
    rows = await conn.fetch(_FALL_BACK, now, limit, MovedReason.NOT_ACKNOWLEDGED.value)
    return sorted(map(_obligation, rows), key=lambda one: one.key)


async def fall_back_stale(conn: Connection, now: datetime, limit: int, lead: timedelta) -> list[Obligation]:
    """Moves to paper every screen obligation due soon, since nobody knows which consents hold."""
    rows = await conn.fetch(_FALL_BACK_STALE, now, limit, MovedReason.CONSENTS_STALE.value, lead)
    return sorted(map(_obligation, rows), key=lambda one: one.key)


async def notice_overdue(conn: Connection, now: datetime, due_before: datetime, limit: int) -> list[Obligation]:
    """Flags what is still open although its 24 hours have passed."""
    rows = await conn.fetch(_NOTICE_OVERDUE, now, due_before, limit)
    return sorted(map(_obligation, rows), key=lambda one: one.key)


async def seconds_to_next_ask(conn: Connection, now: datetime) -> float | None:
    """How long until paper must be asked for."""
    seconds: float | None = await conn.fetchval(_NEXT_ASK, now)
    return seconds


async def seconds_to_next_fall_back(conn: Connection, now: datetime) -> float | None:
    """How long until a screen obligation must move to paper."""
    seconds: float | None = await conn.fetchval(_NEXT_FALL_BACK, now)
    return seconds


async def seconds_to_next_overdue(conn: Connection, now: datetime) -> float | None:
    """How long until the next open obligation is due."""
    seconds: float | None = await conn.fetchval(_NEXT_OVERDUE, now)
    return seconds
