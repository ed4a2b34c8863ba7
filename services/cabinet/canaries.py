"""Canaries in the cabinet: an account that nobody can sign in to, and forgetting what has flown.

Everything between is what happens to every result: the same projection, the same rule of reading, the same
acknowledgement.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from chassis.database import Connection
from chassis.outbox import publish
from contracts.person_changed import PersonChanged, Role
from contracts.synthetic import FIRST, LAST
from services.cabinet.queries import accounts
from services.cabinet.queries.accounts import AccountRow

KEEP = timedelta(days=2)
"""How long the cabinet keeps a canary that has flown; the publisher has long noted its arrival."""

NO_PASSWORD = "no-password"  # noqa: S105 - the opposite of one
"""No hash of any password, so that none fits."""

_FORGET = (
    """
    DELETE FROM results r WHERE r.result_id BETWEEN $1 AND $2 AND r.projected_at < $3
      AND EXISTS (SELECT FROM results n WHERE n.result_id = r.result_id AND n.value_revision > r.value_revision)
    """,
    """
    DELETE FROM acknowledgements a WHERE a.result_id BETWEEN $1 AND $2 AND a.visible_at < $3
      AND NOT EXISTS (SELECT FROM results r WHERE r.result_id = a.result_id AND r.value_revision = a.value_revision)
    """,
    """
    DELETE FROM acknowledged_versions a WHERE a.result_id BETWEEN $1 AND $2 AND a.changed_at < $3
      AND NOT EXISTS (SELECT FROM results r WHERE r.result_id = a.result_id AND r.value_revision = a.value_revision)
    """,
)


async def open_accounts(conn: Connection, events: Sequence[PersonChanged], now: datetime) -> None:
    """Gives the synthetic representatives among persons an account; who has one keeps it."""
    wanted = [
        # A login that no form takes: it has a space.
        AccountRow(event.person_id, f"canary {event.person_id}", NO_PASSWORD)
        for event in events
        if event.synthetic and Role.REPRESENTATIVE in event.roles
    ]
    if wanted:
        await publish(conn, await accounts.activate(conn, wanted, now))


async def forget(conn: Connection, now: datetime) -> None:
    """Deletes what canaries left behind, but for the last of each."""
    for statement in _FORGET:
        await conn.execute(statement, FIRST, LAST, now - KEEP)
