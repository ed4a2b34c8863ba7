"""SQL of the schools' settings."""

from datetime import date, datetime
from typing import Any
from uuid import UUID

from chassis.database import Connection
from services.gradebook.policy import DEFAULT, Policies, SchoolPolicy

_POLICIES = "SELECT valid_from, policy FROM school_policies WHERE school_id = $1 ORDER BY valid_from"


async def policies(conn: Connection, school_id: UUID) -> Policies:
    """All versions of a school's settings."""
    rows = await conn.fetch(_POLICIES, school_id)
    return Policies([(row["valid_from"], SchoolPolicy.model_validate(row["policy"])) for row in rows])


_POLICY_ON = """
SELECT policy FROM school_policies WHERE school_id = $1 AND valid_from <= $2 ORDER BY valid_from DESC LIMIT 1
"""


async def policy_on(conn: Connection, school_id: UUID, day: date) -> SchoolPolicy:
    """The settings of a school that are in force on a day."""
    policy = await conn.fetchval(_POLICY_ON, school_id, day)
    return DEFAULT if policy is None else SchoolPolicy.model_validate(policy)


_SET_POLICY = """
WITH superseded AS (
    INSERT INTO school_policy_history
    SELECT p.* FROM school_policies AS p
    WHERE p.school_id = $1 AND p.valid_from = $2 AND p.policy IS DISTINCT FROM $3
)
INSERT INTO school_policies (school_id, valid_from, policy, changed_by, changed_at, revision)
VALUES ($1, $2, $3, $4, $5, 1)
ON CONFLICT (school_id, valid_from) DO UPDATE
SET policy = excluded.policy, changed_by = excluded.changed_by, changed_at = excluded.changed_at,
    revision = school_policies.revision + 1
WHERE school_policies.policy IS DISTINCT FROM excluded.policy
RETURNING revision
"""


async def set_policy(
    conn: Connection, school_id: UUID, *, valid_from: date, policy: SchoolPolicy, changed_by: str, now: datetime
) -> bool:
    """States the settings from a day on; the version before it of that day is kept. False: they were the same."""
    settings: dict[str, Any] = policy.model_dump(mode="json")
    return await conn.fetchval(_SET_POLICY, school_id, valid_from, settings, changed_by, now) is not None
