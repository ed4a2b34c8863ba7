"""Consents for canaries: the system gives them itself, for the cabinet alone and without any contact.

They are no part of the registry; no list, count, form or export of consents knows them. They go the same way as a
consent that was given by a person, so that a canary arrives only while that way is open.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from chassis import outbox
from chassis.database import Connection
from contracts.base import ConsentId, PersonId, SchoolId, StudentId
from contracts.consent_changed import ConsentChanged, Decisions
from contracts.person_changed import PersonChanged
from contracts.synthetic import synthetic_id
from contracts.values import Decision
from services.consent import queries

_TAKE = """
INSERT INTO canaries AS c (student_id, representative_id, school_id, revision, effective_from, decided_at)
SELECT student_id, representative_id, school_id, revision, decided_at, decided_at
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::bigint[], $5::timestamptz[])
    AS v (student_id, representative_id, school_id, revision, decided_at)
ORDER BY student_id
ON CONFLICT (student_id) DO UPDATE SET revision = excluded.revision, decided_at = excluded.decided_at
WHERE excluded.revision > c.revision
RETURNING student_id, representative_id, school_id, revision, effective_from, decided_at
"""
_AFTER = """
SELECT student_id, representative_id, school_id, revision, effective_from, decided_at FROM canaries
WHERE student_id > $1 ORDER BY student_id LIMIT $2
"""


@dataclass(frozen=True, slots=True)
class _Given:
    student_id: UUID
    representative_id: UUID
    school_id: UUID
    revision: int
    effective_from: datetime
    decided_at: datetime

    def event(self) -> ConsentChanged:
        """What is told of it; it follows from the row alone."""
        return ConsentChanged(
            revision=self.revision,
            consent_id=ConsentId(synthetic_id("consent", self.student_id)),
            representative_id=PersonId(self.representative_id),
            student_id=StudentId(self.student_id),
            school_id=SchoolId(self.school_id),
            decisions=Decisions(cabinet=Decision.GIVEN, email=Decision.UNANSWERED, push=Decision.UNANSWERED),
            document="electronic",
            decided_at=self.decided_at,
            effective_from=self.effective_from,
        )


async def give(conn: Connection, events: Sequence[PersonChanged]) -> None:
    """Gives the consent for synthetic students, anew with every flight.

    Args:
        conn: the transaction.
        events: synthetic persons; of those who are no students nothing is kept.
    """
    students = [
        (event.person_id, event.enrolment.representatives[0].representative_id, event.enrolment.school_id, event)
        for event in events
        if event.enrolment is not None and event.enrolment.representatives
    ]
    if not students:
        return
    # What is told within this transaction the heartbeat's proof must know of, as of any registration.
    await queries.begin_registration(conn)
    rows = await conn.fetch(
        _TAKE,
        [one[0] for one in students],
        [one[1] for one in students],
        [one[2] for one in students],
        [one[3].revision for one in students],
        [one[3].changed_at for one in students],
    )
    await outbox.publish(conn, _events(rows))


async def events_after(conn: Connection, after: UUID, limit: int) -> tuple[list[ConsentChanged], list[UUID]]:
    """The present consents of canaries in the order of their students, for a replay; and the students."""
    rows = await conn.fetch(_AFTER, after, limit)
    return _events(rows), [row["student_id"] for row in rows]


def _events(rows: Sequence[Any]) -> list[ConsentChanged]:
    return [_Given(**dict(row)).event() for row in rows]
