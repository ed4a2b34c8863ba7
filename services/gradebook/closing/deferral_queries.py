"""SQL of deferrals: their state and history, what is due, and which result they stand for."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

import asyncpg

from chassis.database import Connection
from services.gradebook.closing.deferrals import Deferral
from services.gradebook.closing.domain import Key
from services.gradebook.domain import FinalGrade

_COLUMNS = ", ".join(Deferral._fields)
_ARRAYS = (
    "$1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::uuid[], $7::text[], $8::text[], $9::text[],"
    " $10::date[], $11::date[], $12::timestamptz[], $13::text[], $14::uuid[], $15::text[], $16::timestamptz[],"
    " $17::bigint[]"
)

_INSERT = f"INSERT INTO deferrals ({_COLUMNS}) SELECT * FROM unnest({_ARRAYS}) ON CONFLICT DO NOTHING"
_UPDATE = f"""
WITH given AS (SELECT * FROM unnest({_ARRAYS}) AS g ({_COLUMNS})),
superseded AS (
    INSERT INTO deferral_history SELECT d.* FROM deferrals AS d JOIN given AS g USING (deferral_id)
)
UPDATE deferrals AS d
SET state = g.state, due_on = g.due_on, due_at = g.due_at, note = g.note, fulfilled_as = g.fulfilled_as,
    changed_by = g.changed_by, changed_at = g.changed_at, revision = g.revision
FROM given AS g
WHERE d.deferral_id = g.deferral_id
"""
_ONE = f"SELECT {_COLUMNS} FROM deferrals WHERE school_id = $1 AND deferral_id = $2 FOR UPDATE"


async def insert(conn: Connection, deferral: Deferral) -> bool:
    """Records a new deferral; false: another one runs for the same student, subject and period."""
    done = await conn.execute(_INSERT, *[[value] for value in deferral])
    return done.endswith(" 1")


async def update(conn: Connection, changed: Sequence[Deferral]) -> None:
    """Keeps the present revisions as history and records the next ones."""
    if changed:
        await conn.execute(_UPDATE, *zip(*changed, strict=True))


async def one(conn: Connection, school_id: UUID, deferral_id: UUID) -> Deferral | None:
    """A deferral of the school, locked until the end of the transaction."""
    row = await conn.fetchrow(_ONE, school_id, deferral_id)
    return None if row is None else Deferral(*row)


_LIST = """
SELECT d.deferral_id, d.student_id, p.external_id AS student, p.state -> 'name' AS name, d.subject_id,
       s.title AS subject, d.period_id, d.state, d.reason, d.document_number, d.document_date, d.due_on, d.note,
       d.changed_by, d.changed_at, d.revision
FROM deferrals AS d
JOIN persons AS p ON p.person_id = d.student_id
JOIN subjects AS s USING (subject_id)
WHERE d.school_id = $1 AND ($2::uuid IS NULL OR d.period_id = $2) AND ($3::text[] IS NULL OR d.state = ANY($3))
ORDER BY d.due_on, d.deferral_id
"""
_HISTORY = f"""
SELECT {_COLUMNS} FROM deferral_history WHERE school_id = $1 AND deferral_id = $2
UNION ALL SELECT {_COLUMNS} FROM deferrals WHERE school_id = $1 AND deferral_id = $2
ORDER BY revision
"""


async def listed(
    conn: Connection, school_id: UUID, period_id: UUID | None, states: Sequence[str] | None
) -> list[asyncpg.Record]:
    """A school's deferrals with names and titles, the next due ones first."""
    return await conn.fetch(_LIST, school_id, period_id, states)


async def history(conn: Connection, school_id: UUID, deferral_id: UUID) -> list[Deferral]:
    """Every revision of a deferral, the first one first."""
    return [Deferral(*row) for row in await conn.fetch(_HISTORY, school_id, deferral_id)]


_END_OF_DAY = """
SELECT ($2::date + 1)::timestamp AT TIME ZONE time_zone AS due_at,
       ($3::timestamptz AT TIME ZONE time_zone)::date AS today
FROM schools WHERE school_id = $1
"""


async def end_of_day(conn: Connection, school_id: UUID, day: date, now: datetime) -> tuple[datetime, date] | None:
    """When a day is over at the school, and which day it is there now; None: no such school."""
    row = await conn.fetchrow(_END_OF_DAY, school_id, day, now)
    return None if row is None else (row["due_at"], row["today"])


_DUE = f"""
SELECT {_COLUMNS} FROM deferrals WHERE state = 'approved' AND due_at <= $1
ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED
"""
_NEXT_DUE = "SELECT extract(epoch FROM min(due_at) - $1)::float8 FROM deferrals WHERE state = 'approved'"
_OVERDUE = "SELECT count(*) FROM deferrals WHERE state = 'due'"


async def due(conn: Connection, now: datetime, limit: int) -> list[Deferral]:
    """Approved deferrals whose last day is over, locked; what another process handles is left to it."""
    return [Deferral(*row) for row in await conn.fetch(_DUE, now, limit)]


async def next_due_seconds(conn: Connection, now: datetime) -> float | None:
    """How long until the next deferral is due; None when none runs."""
    seconds: float | None = await conn.fetchval(_NEXT_DUE, now)
    return seconds


async def overdue_count(conn: Connection) -> int:
    """How many deferrals are due and wait for their grade."""
    return int(await conn.fetchval(_OVERDUE))


# --- the result that a deferral stands for -------------------------------------------------------------------------

_STAND_INS = "SELECT fulfilled_as, result_id FROM deferrals WHERE fulfilled_as = ANY($1::uuid[])"
_RUNNING_FOR = f"""
SELECT {", ".join(f"d.{name}" for name in Deferral._fields)}
FROM unnest($2::uuid[], $3::uuid[], $4::uuid[]) AS g (student_id, subject_id, period_id)
JOIN deferrals AS d USING (student_id, subject_id, period_id)
WHERE d.school_id = $1 AND d.state IN ('requested', 'approved', 'due')
FOR UPDATE OF d
"""


async def stand_ins(conn: Connection, result_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """The results that stand for these ids, since a deferral had told of them before the journal named its grade."""
    return {row[0]: row[1] for row in await conn.fetch(_STAND_INS, result_ids)}


async def running_for(
    conn: Connection, school_id: UUID, wanted: Sequence[tuple[UUID, UUID, UUID]]
) -> dict[tuple[UUID, UUID, UUID], Deferral]:
    """The deferrals that have not ended, by student, subject and period; locked."""
    if not wanted:
        return {}
    rows = [Deferral(*row) for row in await conn.fetch(_RUNNING_FOR, school_id, *zip(*wanted, strict=True))]
    return {(row.student_id, row.subject_id, row.period_id): row for row in rows}


_GRADED = """
SELECT student_id, subject_id FROM final_grades
WHERE period_id = $1 AND student_id = $2 AND subject_id = $3 AND state = 'set'
"""
_GRADE_COLUMNS = ", ".join(FinalGrade._fields)
_INSERT_DEFERRED = f"""
INSERT INTO final_grades ({_GRADE_COLUMNS})
VALUES ({", ".join(f"${position}" for position in range(1, len(FinalGrade._fields) + 1))})
"""


async def is_graded(conn: Connection, period_id: UUID, key: Key) -> bool:
    """Whether the student has a final grade in the subject for the period."""
    return await conn.fetchval(_GRADED, period_id, *key) is not None


async def insert_deferred(conn: Connection, grade: FinalGrade) -> None:
    """Records a result that begins as a deferral."""
    await conn.execute(_INSERT_DEFERRED, *grade)
