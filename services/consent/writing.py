"""How every use case begins and what it writes: states, history and events in one transaction.

Every use case begins with `begin`, which the heartbeat's proof stands on (see `heartbeat.py`).
"""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from chassis.clock import Clock
from chassis.crash import crash_here
from chassis.database import Connection
from chassis.outbox import publish
from services.consent import queries
from services.consent.events import consent_changed
from services.consent.model import Consent, Entry


async def begin(conn: Connection, student_ids: Sequence[UUID], clock: Clock) -> datetime:
    """Announces the registration, locks its students, and only then takes the instant of registration."""
    await queries.begin_registration(conn)
    await queries.lock_students(conn, student_ids)
    return await clock.now(conn)


async def write(
    conn: Connection,
    entries: Sequence[Entry],
    now: datetime,
    registered_by: UUID | None,
    *,
    also: Sequence[Consent] = (),
) -> None:
    """Writes states, history and events; `also` are states that no decision led to."""
    states = [*(entry.consent for entry in entries), *also]
    if not states:
        return
    last = {state.consent_id: state for state in states}
    await queries.save_consents(conn, list(last.values()), now)
    if entries:
        await queries.add_decisions(conn, entries, now, registered_by)
    crash_here("consent.after_facts")
    await publish(conn, [consent_changed(state) for state in states])
    crash_here("consent.after_outbox")


async def write_changes(
    conn: Connection, changes: Sequence[Entry | Consent | None], now: datetime, registered_by: UUID | None = None
) -> list[Entry]:
    """Writes what a rule made of consents, whichever it was.

    Returns:
        Those that are entries of the history.
    """
    entries = [change for change in changes if isinstance(change, Entry)]
    await write(conn, entries, now, registered_by, also=[change for change in changes if isinstance(change, Consent)])
    return entries
