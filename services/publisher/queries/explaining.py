"""What is owed about one result, as it stands now."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from chassis.database import Connection

_OF_RESULT = """
SELECT value_revision, recipient_id, student_id, school_id, route, moved_reason, state, due_at, available_at, late,
       overdue_at
FROM obligations WHERE result_id = $1 ORDER BY value_revision, recipient_id
"""


@dataclass(frozen=True, slots=True)
class ResultObligation:
    """What is or was owed to one recipient about one version of a result."""

    value_revision: int
    recipient_id: UUID
    student_id: UUID
    school_id: UUID
    route: str
    moved_reason: str | None
    state: str
    due_at: datetime
    available_at: datetime | None
    late: str | None
    overdue_at: datetime | None


async def obligations_of_result(conn: Connection, result_id: UUID) -> list[ResultObligation]:
    """Every obligation about a result, of each version."""
    return [ResultObligation(*row) for row in await conn.fetch(_OF_RESULT, result_id)]
