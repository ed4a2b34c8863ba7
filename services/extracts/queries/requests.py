"""SQL of taking requests: what the publisher asks for becomes an extract with its items."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.database import Connection
from contracts.extract_requested import ExtractRequested
from services.extracts.domain import ExtractState, extract_id_of, newest_of_each

# In the order of ids, so that two transactions wait for each other instead of deadlocking.
_LOCK_KNOWN = """
SELECT extract_id, request_revision, state, number FROM extracts
WHERE extract_id = ANY ($1::uuid[]) ORDER BY extract_id FOR UPDATE
"""

# A conflict means that another process has just taken an older revision of the same new request.
_INSERT = """
INSERT INTO extracts AS known (
    extract_id, request_id, request_revision, school_id, student_id, recipient_id, state, due_at, requested_at,
    cancelled_at
)
SELECT extract_id, request_id, request_revision, school_id, student_id, recipient_id, state, due_at, requested_at,
    CASE WHEN state = 'cancelled' THEN $10::timestamptz END
FROM unnest(
    $1::uuid[], $2::uuid[], $3::integer[], $4::uuid[], $5::uuid[], $6::uuid[], $7::text[], $8::timestamptz[],
    $9::timestamptz[]
) AS asked (
    extract_id, request_id, request_revision, school_id, student_id, recipient_id, state, due_at, requested_at
)
ON CONFLICT (extract_id) DO UPDATE
SET request_revision = excluded.request_revision, state = excluded.state, due_at = excluded.due_at,
    cancelled_at = excluded.cancelled_at
WHERE excluded.request_revision > known.request_revision
RETURNING extract_id
"""

# A cancelled number is annulled for good.
_CHANGE = """
UPDATE extracts
SET request_revision = asked.request_revision,
    state = asked.state,
    due_at = asked.due_at,
    cancelled_at = CASE WHEN asked.state = 'cancelled' THEN $5::timestamptz END,
    number = CASE WHEN asked.state = 'numbered' THEN extracts.number END,
    year = CASE WHEN asked.state = 'numbered' THEN extracts.year END,
    ordinal = CASE WHEN asked.state = 'numbered' THEN extracts.ordinal END,
    failures = 0,
    retry_at = NULL
FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::timestamptz[])
    AS asked (extract_id, request_revision, state, due_at)
WHERE extracts.extract_id = asked.extract_id
"""

_NOTE_REVISIONS = """
UPDATE extracts SET request_revision = asked.request_revision
FROM unnest($1::uuid[], $2::integer[]) AS asked (extract_id, request_revision)
WHERE extracts.extract_id = asked.extract_id AND asked.request_revision > extracts.request_revision
"""

_DELETE_ITEMS = "DELETE FROM extract_items WHERE extract_id = ANY ($1::uuid[])"

_INSERT_ITEMS = """
INSERT INTO extract_items (extract_id, result_id, value_revision, school_id)
SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::integer[], $4::uuid[])
"""

_DELETE_SHEETS = "DELETE FROM sheets WHERE extract_id = ANY ($1::uuid[])"

_ANNUL = """
INSERT INTO hand_over_register (school_id, year, ordinal, number, extract_id, kind, made_by, at)
SELECT school_id, year, ordinal, number, extract_id, 'annulled', $2, $3 FROM extracts
WHERE extract_id = ANY ($1::uuid[]) AND number IS NOT NULL
ORDER BY school_id, year, ordinal
"""

_CANCEL_OF_PERSONS = """
SELECT extract_id FROM extracts
WHERE (student_id = ANY ($1::uuid[]) OR recipient_id = ANY ($1::uuid[]))
    AND state IN ('requested', 'numbered', 'rendered')
ORDER BY extract_id FOR UPDATE
"""

_CANCEL = """
UPDATE extracts SET state = 'cancelled', cancelled_at = $2, number = NULL, year = NULL, ordinal = NULL
WHERE extract_id = ANY ($1::uuid[])
"""

_DELETE_SHEETS_OF_PERSONS = """
DELETE FROM sheets WHERE extract_id IN (
    SELECT extract_id FROM extracts WHERE student_id = ANY ($1::uuid[]) OR recipient_id = ANY ($1::uuid[])
)
"""

_RENDER_AGAIN = """
UPDATE extracts SET state = 'numbered'
WHERE state = 'rendered' AND extract_id IN (
    SELECT item.extract_id
    FROM extract_items item
    JOIN extracts of ON of.extract_id = item.extract_id
    CROSS JOIN LATERAL (
        SELECT version.value_revision, version.state FROM result_versions version
        WHERE version.student_id = of.student_id AND version.result_id = item.result_id
            AND (
                version.value_revision = item.value_revision
                OR version.value_revision > item.value_revision
                AND (NOT version.held OR version.obtained_at <= $2)
            )
        ORDER BY version.value_revision DESC LIMIT 1
    ) newest
    WHERE item.result_id = ANY ($1::uuid[])
        AND (newest.value_revision, newest.state) IS DISTINCT FROM (item.carried_revision, item.carried_state)
)
"""

SYSTEM = "system"
"""Stands in the register for what no person did."""


@dataclass(frozen=True)
class Known:
    """An extract as a newer revision of its request finds it."""

    request_revision: int
    state: ExtractState
    number: str | None


@dataclass(frozen=True)
class Asked:
    """A request, and the state in which it leaves its extract."""

    event: ExtractRequested
    following: ExtractState

    @property
    def extract_id(self) -> UUID:
        """The extract that the request makes."""
        return extract_id_of(self.event.request_id)


async def lock_known(conn: Connection, events: Sequence[ExtractRequested]) -> Mapping[UUID, Known]:
    """The extracts that exist already, locked, by their ids."""
    rows = await conn.fetch(_LOCK_KNOWN, [extract_id_of(event.request_id) for event in events])
    return {
        row["extract_id"]: Known(row["request_revision"], ExtractState(row["state"]), row["number"]) for row in rows
    }


async def insert(conn: Connection, asked: Sequence[Asked], now: datetime) -> None:
    """Writes requests of which nothing was known."""
    if not asked:
        return
    rows = await conn.fetch(
        _INSERT,
        [one.extract_id for one in asked],
        [one.event.request_id for one in asked],
        [one.event.revision for one in asked],
        [one.event.school_id for one in asked],
        [one.event.student_id for one in asked],
        [one.event.recipient_id for one in asked],
        [one.following.value for one in asked],
        [one.event.due_at for one in asked],
        [one.event.requested_at for one in asked],
        now,
    )
    written = {row["extract_id"] for row in rows}
    await _replace_items(conn, [one for one in asked if one.extract_id in written])


async def change(conn: Connection, asked: Sequence[Asked], now: datetime) -> None:
    """Moves extracts that are not printed; the caller holds the locks of `lock_known`."""
    if not asked:
        return
    await conn.execute(
        _CHANGE,
        [one.extract_id for one in asked],
        [one.event.revision for one in asked],
        [one.following.value for one in asked],
        [one.event.due_at for one in asked],
        now,
    )
    await _replace_items(conn, asked)


async def _replace_items(conn: Connection, asked: Sequence[Asked]) -> None:
    items = [(one, item) for one in asked for item in newest_of_each(one.event.items)]
    await conn.execute(_DELETE_ITEMS, [one.extract_id for one in asked])
    await conn.execute(
        _INSERT_ITEMS,
        [one.extract_id for one, _ in items],
        [item.result_id for _, item in items],
        [item.value_revision for _, item in items],
        [one.event.school_id for one, _ in items],
    )


async def note_revisions(conn: Connection, events: Sequence[ExtractRequested]) -> None:
    """Remembers how far a request went whose sheet is printed already and stays as it is."""
    if not events:
        return
    await conn.execute(
        _NOTE_REVISIONS,
        [extract_id_of(event.request_id) for event in events],
        [event.revision for event in events],
    )


async def annul(conn: Connection, extract_ids: Sequence[UUID], now: datetime) -> None:
    """Enters in the register that the numbers of these extracts are annulled, and deletes their sheets."""
    if not extract_ids:
        return
    await conn.execute(_ANNUL, extract_ids, SYSTEM, now)
    await conn.execute(_DELETE_SHEETS, extract_ids)


async def cancel_of_persons(conn: Connection, person_ids: Sequence[UUID], now: datetime) -> None:
    """Cancels what is not printed yet for erased persons, and deletes every sheet that names them."""
    rows = await conn.fetch(_CANCEL_OF_PERSONS, person_ids)
    cancelled = [row["extract_id"] for row in rows]
    await annul(conn, cancelled, now)
    await conn.execute(_CANCEL, cancelled, now)
    await conn.execute(_DELETE_SHEETS_OF_PERSONS, person_ids)


async def render_again(conn: Connection, result_ids: Sequence[UUID], held_until: datetime) -> None:
    """Takes sheets out of the print queue that carry a result in a version which is not the newest any more.

    Args:
        conn: the transaction.
        result_ids: results that changed.
        held_until: results obtained until then are not held any more, whatever they say.
    """
    await conn.execute(_RENDER_AGAIN, result_ids, held_until)
