"""Invitations to the cabinet: a code for the receipt, of which nothing but the digest is kept and told."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from chassis.clock import Clock
from chassis.database import Connection
from chassis.outbox import publish
from contracts.base import PersonId
from contracts.invitation_issued import CODE_ALPHABET, InvitationIssued, code_digest
from services.consent import invitation_queries

CODE_LENGTH = 16
"""78 bits: its digest travels, and may be tried out of reach of the cabinet's rate limit."""
_GROUP = 4

Pick = Callable[[str], str]
"""Picks one letter at random, as `secrets.choice` does."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """What is printed once."""

    code: str = field(repr=False)
    expires_at: datetime


def make_code(pick: Pick) -> str:
    """A new code, in groups for print: `7K3M-XQ2P-94TH-V6WC`."""
    letters = "".join(pick(CODE_ALPHABET) for _ in range(CODE_LENGTH))
    return "-".join(letters[at : at + _GROUP] for at in range(0, CODE_LENGTH, _GROUP))


async def issue(
    conn: Connection, person_id: PersonId, *, pick: Pick, days: float, clock: Clock, issued_by: UUID | None = None
) -> Invitation:
    """Issues an invitation; the person's codes before it can no longer be used once the cabinet hears of it.

    Args:
        conn: the transaction.
        person_id: who is invited.
        pick: the randomness.
        days: how long the code can be used.
        clock: tells the instant.
        issued_by: the API client.
    """
    now = await clock.now(conn)
    code, expires_at = make_code(pick), now + timedelta(days=days)
    event = await invitation_queries.save(
        conn, person_id, code_digest(code), issued_at=now, expires_at=expires_at, issued_by=issued_by
    )
    await publish(conn, [event])
    return Invitation(code, expires_at)


async def page(conn: Connection, after: UUID, limit: int) -> list[InvitationIssued]:
    """The newest invitation of each person, in the order of the persons: for a replay."""
    return await invitation_queries.page(conn, after, limit)
