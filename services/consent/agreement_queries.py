"""SQL about the agreement of students who are old enough to be asked too."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from uuid import UUID

from chassis.database import Connection
from services.consent.model import AgreementState

_BIRTH_DATE = "SELECT birth_date FROM students WHERE student_id = $1"
_DECIDED_SINCE = "SELECT since FROM student_agreements WHERE student_id = $1 AND state IN ('given', 'taken_back')"

# What the student decided later stays, whatever paper is found.
_SET = """
WITH changed AS (
    INSERT INTO student_agreements AS a (student_id, revision, state, since, document_number)
    SELECT n.student_id, 1, $2, max(n.since), max(n.document_number)
    FROM unnest($1::uuid[], $3::timestamptz[], $4::text[]) AS n (student_id, since, document_number)
    JOIN students AS s ON s.student_id = n.student_id
    WHERE $7::date IS NULL OR s.birth_date <= $7
    GROUP BY n.student_id
    ON CONFLICT (student_id) DO UPDATE SET
        revision = a.revision + 1, state = excluded.state, since = excluded.since,
        document_number = excluded.document_number
    WHERE a.state <> excluded.state AND (a.state NOT IN ('given', 'taken_back') OR a.since <= excluded.since)
    RETURNING student_id, revision, state, since, document_number
)
INSERT INTO student_agreement_history (
    student_id, revision, state, since, document_number, registered_at, registered_by
)
SELECT student_id, revision, state, since, document_number, $5, $6 FROM changed
RETURNING student_id
"""

_TO_ASK = """
SELECT s.student_id FROM students AS s
WHERE s.birth_date <= $1 AND s.birth_date > $2
    AND EXISTS (
        SELECT FROM consents AS c
        WHERE c.student_id = s.student_id AND c.cabinet = 'given' AND c.representative_id <> c.student_id
    )
    AND NOT EXISTS (SELECT FROM student_agreements AS a WHERE a.student_id = s.student_id)
ORDER BY s.student_id LIMIT $3 FOR UPDATE SKIP LOCKED
"""

_OVERDUE = """
SELECT s.student_id FROM students AS s
WHERE EXISTS (
    SELECT FROM student_agreements AS a
    WHERE a.student_id = s.student_id AND a.state = 'due' AND a.since <= $1
)
ORDER BY s.student_id LIMIT $2 FOR UPDATE SKIP LOCKED
"""

_NEXT = """
SELECT extract(epoch FROM min(since) + $1::interval - (clock_timestamp() + clock_shift()))::float
FROM student_agreements WHERE state = 'due'
"""


async def decided_since(conn: Connection, student_id: UUID) -> datetime | None:
    """When the student decided last; None for one who was at most asked."""
    since: datetime | None = await conn.fetchval(_DECIDED_SINCE, student_id)
    return since


async def birth_date(conn: Connection, student_id: UUID) -> date | None:
    """When a student was born, if the scope knows the student and the journal the day."""
    born: date | None = await conn.fetchval(_BIRTH_DATE, student_id)
    return born


async def set_state(
    conn: Connection,
    student_ids: Sequence[UUID],
    state: AgreementState,
    since: Sequence[datetime],
    numbers: Sequence[str],
    *,
    now: datetime,
    registered_by: UUID | None = None,
    born_by: date | None = None,
) -> list[UUID]:
    """Writes a state and a line of the history, where it is another one than before and not older than a decision.

    Args:
        conn: the transaction; the students are locked.
        student_ids: whose; one may be named more than once.
        state: the same for all.
        since: for each, when it was decided or first asked for.
        numbers: for each, the paper's number, or nothing.
        now: the instant of registration.
        registered_by: the API client, if one did it.
        born_by: leaves out those born later.

    Returns:
        Those for whom it changed.
    """
    rows = await conn.fetch(_SET, student_ids, state, since, numbers, now, registered_by, born_by)
    return [row["student_id"] for row in rows]


async def lock_students_to_ask(conn: Connection, born_by: date, adult_born_by: date, limit: int) -> list[UUID]:
    """Students who have come to the age, for whom somebody consented, and who were never asked; locked."""
    return [row["student_id"] for row in await conn.fetch(_TO_ASK, born_by, adult_born_by, limit)]


async def lock_students_overdue(conn: Connection, asked_by: datetime, limit: int) -> list[UUID]:
    """Students who were first asked by then and have not agreed; locked, others' locked ones left out."""
    return [row["student_id"] for row in await conn.fetch(_OVERDUE, asked_by, limit)]


async def seconds_to_next(conn: Connection, term: timedelta) -> float | None:
    """How long until the next term runs out."""
    seconds: float | None = await conn.fetchval(_NEXT, term)
    return seconds
