"""Requests for paper, and what was missed: the publisher's own facts that travel as events."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis.database import Connection
from contracts.disclosure_overdue import DisclosureOverdue
from contracts.extract_requested import ExtractRequested
from contracts.values import ResultVersion, Route

_INSERT = """
INSERT INTO extract_requests (request_id, revision, school_id, student_id, recipient_id, result_ids, value_revisions,
                              state, due_at, changed_at)
SELECT v.request_id, 1, v.school_id, v.student_id, v.recipient_id,
       string_to_array(v.result_ids, ',')::uuid[], string_to_array(v.value_revisions, ',')::bigint[],
       'requested', v.due_at, $8
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::timestamptz[])
    AS v (request_id, school_id, student_id, recipient_id, result_ids, value_revisions, due_at)
"""

_CANCEL = """
WITH found AS (
    SELECT request_id FROM extract_requests WHERE request_id = ANY ($1::uuid[]) AND state = 'requested'
    ORDER BY request_id FOR UPDATE
)
UPDATE extract_requests r SET state = 'cancelled', revision = r.revision + 1, changed_at = $2
FROM found WHERE r.request_id = found.request_id
RETURNING r.*
"""

_MARK_PRINTED = """
UPDATE extract_requests SET state = 'printed' WHERE request_id = ANY ($1::uuid[]) AND state <> 'printed'
"""

_AFTER = """
SELECT * FROM extract_requests WHERE request_id > $1 ORDER BY request_id LIMIT $2
"""

_OVERDUE_AFTER = """
SELECT obligation_id, result_id, value_revision, school_id, student_id, recipient_id, overdue_route, due_at, overdue_at
FROM obligations
WHERE overdue_at IS NOT NULL AND (overdue_at, obligation_id) > ($1, $2)
ORDER BY overdue_at, obligation_id LIMIT $3
"""


async def insert(conn: Connection, requests: Sequence[ExtractRequested], now: datetime) -> None:
    """Keeps new requests."""
    await conn.execute(
        _INSERT,
        [one.request_id for one in requests],
        [one.school_id for one in requests],
        [one.student_id for one in requests],
        [one.recipient_id for one in requests],
        # Arrays of arrays must be rectangular in PostgreSQL, and sheets are of different lengths.
        [",".join(str(item.result_id) for item in one.items) for one in requests],
        [",".join(str(item.value_revision) for item in one.items) for one in requests],
        [one.due_at for one in requests],
        now,
    )


async def cancel(conn: Connection, request_ids: Sequence[UUID], now: datetime) -> list[ExtractRequested]:
    """Cancels those that are not printed yet, and returns their new states."""
    return [_event(row) for row in await conn.fetch(_CANCEL, request_ids, now)]


async def mark_printed(conn: Connection, request_ids: Sequence[UUID]) -> None:
    """Notes that a sheet exists: it cannot be cancelled any more."""
    await conn.execute(_MARK_PRINTED, request_ids)


async def after(conn: Connection, request_id: UUID, limit: int) -> list[ExtractRequested]:
    """The last state of each request, in the order of their ids."""
    return [_event(row) for row in await conn.fetch(_AFTER, request_id, limit)]


async def overdue_after(
    conn: Connection, overdue_at: datetime, obligation_id: UUID, limit: int
) -> list[DisclosureOverdue]:
    """Every obligation that was missed, in the order in which that was noticed."""
    return [
        DisclosureOverdue(
            revision=1,
            obligation_id=row["obligation_id"],
            result_id=row["result_id"],
            value_revision=row["value_revision"],
            school_id=row["school_id"],
            student_id=row["student_id"],
            recipient_id=row["recipient_id"],
            route=Route(row["overdue_route"]),
            due_at=row["due_at"],
            noticed_at=row["overdue_at"],
        )
        for row in await conn.fetch(_OVERDUE_AFTER, overdue_at, obligation_id, limit)
    ]


def _event(row: Any) -> ExtractRequested:
    return ExtractRequested(
        revision=row["revision"],
        request_id=row["request_id"],
        school_id=row["school_id"],
        student_id=row["student_id"],
        recipient_id=row["recipient_id"],
        items=[
            ResultVersion(result_id=one, value_revision=number)
            for one, number in zip(row["result_ids"], row["value_revisions"], strict=True)
        ],
        # A printed request stands as it was asked for; that it was printed is the extracts' own event.
        state="cancelled" if row["state"] == "cancelled" else "requested",
        due_at=row["due_at"],
        requested_at=row["changed_at"],
    )
