"""SQL of the gauges."""

from datetime import datetime
from uuid import UUID

from chassis.database import Connection
from services.extracts.domain import ExtractState

# Each state by its own partial index; what is handed over or cancelled is never counted, however long the history.
_STATES = """
SELECT state, count(*) AS extracts, extract(epoch FROM $1 - min(since))::float8 AS oldest_seconds
FROM (
    SELECT state, requested_at AS since FROM extracts WHERE state = 'requested'
    UNION ALL SELECT state, numbered_at FROM extracts WHERE state = 'numbered'
    UNION ALL SELECT state, rendered_at FROM extracts WHERE state = 'rendered'
    UNION ALL SELECT state, printed_at FROM extracts WHERE state = 'printed'
) waiting
GROUP BY state
"""

_PRINT_QUEUES = "SELECT school_id, count(*) AS sheets FROM extracts WHERE state = 'rendered' GROUP BY school_id"

_EARLIEST_DUE = """
SELECT extract(epoch FROM min(due_at) - $1)::float8 FROM (
    SELECT min(due_at) AS due_at FROM extracts WHERE state = 'requested'
    UNION ALL SELECT min(due_at) FROM extracts WHERE state = 'numbered'
    UNION ALL SELECT min(due_at) FROM extracts WHERE state = 'rendered'
) unprinted
"""


async def states(conn: Connection, now: datetime) -> dict[ExtractState, tuple[int, float]]:
    """How many extracts wait in each state, and for how many seconds the oldest does."""
    rows = await conn.fetch(_STATES, now)
    return {ExtractState(row["state"]): (row["extracts"], row["oldest_seconds"]) for row in rows}


async def print_queues(conn: Connection) -> dict[UUID, int]:
    """How many sheets wait for the printer of each school."""
    return {row["school_id"]: row["sheets"] for row in await conn.fetch(_PRINT_QUEUES)}


async def earliest_due_seconds(conn: Connection, now: datetime) -> float | None:
    """Time left until the first extract that is not printed is due; None when all are printed."""
    seconds: float | None = await conn.fetchval(_EARLIEST_DUE, now)
    return seconds
