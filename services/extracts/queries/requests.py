"""SQL of taking requests: what the publisher asks for becomes an extract with its items."""

from collections.abc import Mapping, Sequence
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

_UPSERT = """
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
SET request_revision = excluded.request_revision,
    state = excluded.state,
    due_at = excluded.due_at,
    cancelled_at = excluded.cancelled_at,
    -- A cancelled number is annulled for good.
    number = CASE WHEN excluded.state IN ('cancelled', 'requested') THEN NULL ELSE known.number END,
    year = CASE WHEN excluded.state IN ('cancelled', 'requested') THEN NULL ELSE known.year END,
    ordinal = CASE WHEN excluded.state IN ('cancelled', 'requested') THEN NULL ELSE known.ordinal END,
    failures = 0,
    retry_at = NULL
WHERE excluded.request_revision > known.request_revision
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


async def lock_known(
    conn: Connection, events: Sequence[ExtractRequested]
) -> Mapping[UUID, tuple[int, ExtractState, str | None]]:
    """The extracts that exist already, locked: revision of the request, state and number by extract id."""
    rows = await conn.fetch(_LOCK_KNOWN, [extract_id_of(event.request_id) for event in events])
    return {row["extract_id"]: (row["request_revision"], ExtractState(row["state"]), row["number"]) for row in rows}


async def upsert(
    conn: Connection, events: Sequence[ExtractRequested], states: Sequence[ExtractState], now: datetime
) -> None:
    """Writes requests that change an extract, and replaces their items.

    Args:
        conn: the transaction; it holds the locks of `lock_known`.
        events: requests whose extract is new or not printed.
        states: the state of each after the request.
        now: the present instant.
    """
    ids = [extract_id_of(event.request_id) for event in events]
    await conn.execute(
        _UPSERT,
        ids,
        [event.request_id for event in events],
        [event.revision for event in events],
        [event.school_id for event in events],
        [event.student_id for event in events],
        [event.recipient_id for event in events],
        [state.value for state in states],
        [event.due_at for event in events],
        [event.requested_at for event in events],
        now,
    )
    items = [
        (extract_id, item.result_id, item.value_revision, event.school_id)
        for extract_id, event in zip(ids, events, strict=True)
        for item in newest_of_each(event.items)
    ]
    await conn.execute(_DELETE_ITEMS, ids)
    await conn.execute(
        _INSERT_ITEMS,
        [item[0] for item in items],
        [item[1] for item in items],
        [item[2] for item in items],
        [item[3] for item in items],
    )


async def note_revisions(conn: Connection, events: Sequence[ExtractRequested]) -> None:
    """Remembers how far a request went whose sheet is printed already and stays as it is."""
    await conn.execute(
        _NOTE_REVISIONS,
        [extract_id_of(event.request_id) for event in events],
        [event.revision for event in events],
    )


async def annul(conn: Connection, extract_ids: Sequence[UUID], now: datetime) -> None:
    """Enters in the register that the numbers of these extracts are annulled, and deletes their sheets."""
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
