"""SQL of marks and results: what is recorded, its history, its disclosure, and reading it back."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from chassis.database import Connection
from contracts.values import Period, Subject
from services.gradebook.domain import ExamResult, FinalGrade, Mark

Columns = list[tuple[Any, ...]]


def columns(rows: Sequence[tuple[Any, ...]]) -> Columns:
    """Rows as arrays for `unnest`, one for each column."""
    return list(zip(*rows, strict=True))


_IDENTITY_KEY = "SELECT key FROM identity_key"


async def identity_key(conn: Connection) -> bytes:
    """The key from which our ids are made."""
    return bytes(await conn.fetchval(_IDENTITY_KEY))


_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))"


async def lock(conn: Connection, what: str) -> None:
    """Waits until no other transaction writes the same part of the journal; held until the end of the transaction."""
    await conn.execute(_LOCK, f"gradebook/{what}")


_SOMEBODY_WAITS = """
SELECT EXISTS (
    SELECT FROM pg_locks AS wanted WHERE NOT wanted.granted AND pg_backend_pid() = ANY (pg_blocking_pids(wanted.pid))
)
"""


async def somebody_waits(conn: Connection) -> bool:
    """Whether another transaction waits for a lock of this one."""
    return bool(await conn.fetchval(_SOMEBODY_WAITS))


_PLAN_ANEW = "SET LOCAL plan_cache_mode = force_custom_plan"


async def plan_anew(conn: Connection) -> None:
    """For the rest of the transaction each statement is planned for the tables as they are.

    A connection keeps its plans: one made while a table was nearly empty would read all of it for every batch of an
    import.
    """
    await conn.execute(_PLAN_ANEW)


_SUBJECTS = "SELECT subject_id, title FROM subjects WHERE subject_id = ANY($1::uuid[])"


async def subjects(conn: Connection, subject_ids: Sequence[UUID]) -> dict[UUID, Subject]:
    """The subjects that are known, as events carry them."""
    rows = await conn.fetch(_SUBJECTS, subject_ids)
    return {row["subject_id"]: Subject(id=row["subject_id"], title=row["title"]) for row in rows}


_PERIODS = """
SELECT period_id, school_id, kind, number, school_year, starts_on, ends_on
FROM periods WHERE period_id = ANY($1::uuid[])
"""


async def periods(conn: Connection, period_ids: Sequence[UUID]) -> dict[UUID, tuple[UUID, Period]]:
    """School and contract form of the periods that are known."""
    found = {}
    for period_id, school_id, *rest in await conn.fetch(_PERIODS, period_ids):
        fields = dict(zip(("kind", "number", "school_year", "starts_on", "ends_on"), rest, strict=True))
        found[period_id] = (school_id, Period.model_validate(fields))
    return found


_MARK_COLUMNS = ", ".join(Mark._fields)
_MARK_ARRAYS = (
    "$1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::date[], $9::text[],"
    " $10::numeric[], $11::text[], $12::text[], $13::timestamptz[], $14::bigint[], $15::uuid[], $16::uuid[],"
    " $17::text[], $18::text[], $19::text[]"
)
_MARKS = f"SELECT {_MARK_COLUMNS} FROM marks WHERE mark_id = ANY($1::uuid[]) FOR UPDATE"
_INSERT_MARKS = """
INSERT INTO marks (
    mark_id, student_id, subject_id, group_id, external_id, lesson_on, work_type, weight, value, lesson_id, author_id,
    comment, reason, school_id, source, recorded_at, changed_by, state, revision
)
SELECT g.*, $14, $15, $16, $17, 'recorded', 1
FROM unnest(
    $1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::date[], $7::text[], $8::numeric[], $9::text[],
    $10::uuid[], $11::uuid[], $12::text[], $13::text[]
) AS g
ON CONFLICT DO NOTHING
RETURNING mark_id
"""
_UPDATE_MARKS = f"""
WITH given AS (SELECT * FROM unnest({_MARK_ARRAYS}) AS g ({_MARK_COLUMNS})),
superseded AS (
    INSERT INTO mark_history SELECT m.* FROM marks AS m JOIN given AS g USING (mark_id)
)
UPDATE marks AS m
SET subject_id = g.subject_id, group_id = g.group_id, lesson_on = g.lesson_on, work_type = g.work_type,
    weight = g.weight, value = g.value, state = g.state, recorded_at = g.recorded_at, revision = g.revision,
    lesson_id = g.lesson_id, author_id = g.author_id, comment = g.comment, reason = g.reason, changed_by = g.changed_by
FROM given AS g
WHERE m.mark_id = g.mark_id
"""


async def marks(conn: Connection, mark_ids: Sequence[UUID]) -> dict[UUID, Mark]:
    """The marks that are recorded, locked until the end of the transaction."""
    return {row["mark_id"]: Mark(*row) for row in await conn.fetch(_MARKS, mark_ids)}


async def insert_marks(conn: Connection, new: Sequence[Mark]) -> set[UUID]:
    """Records new marks of one batch; returns the ids that were not taken by another school."""
    rows = [(m[0], m.student_id, m.subject_id, m.group_id, m.external_id, *m[7:11], *m[14:18]) for m in new]
    first = new[0]
    shared = first.school_id, first.source, first.recorded_at, first.changed_by
    found = await conn.fetch(_INSERT_MARKS, *columns(rows), *shared)
    return {row["mark_id"] for row in found}


async def update_marks(conn: Connection, changed: Sequence[Mark]) -> None:
    """Keeps the present revision as history and records the next one."""
    await conn.execute(_UPDATE_MARKS, *columns(changed))


_GRADE_COLUMNS = ", ".join(FinalGrade._fields)
_GRADE_ARRAYS = (
    "$1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::text[], $9::text[],"
    " $10::boolean[], $11::timestamptz[], $12::timestamptz[], $13::timestamptz[], $14::timestamptz[],"
    " $15::bigint[], $16::bigint[], $17::date[],"
    " $18::text[]"
)
_GRADES = f"SELECT {_GRADE_COLUMNS} FROM final_grades WHERE result_id = ANY($1::uuid[]) FOR UPDATE"
_INSERT_GRADES = """
WITH added AS (
    INSERT INTO final_grades (
        result_id, student_id, subject_id, period_id, external_id, value, held, obtained_at, stated_obtained_at,
        school_id, source, recorded_at, changed_at, state, revision, value_revision
    )
    SELECT g.*, g.obtained_at, $9, $10, $11, $11, 'set', 1, 1
    FROM unnest(
        $1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::boolean[], $8::timestamptz[]
    ) AS g (result_id, student_id, subject_id, period_id, external_id, value, held, obtained_at)
    ON CONFLICT DO NOTHING
    RETURNING result_id, school_id, obtained_at, held
),
awaited AS (
    INSERT INTO disclosures (result_id, value_revision, school_id, kind, obtained_at, held)
    SELECT result_id, 1, school_id, 'final_grade', obtained_at, held FROM added
)
SELECT result_id FROM added
"""
_UPDATE_GRADES = f"""
WITH given AS (SELECT * FROM unnest({_GRADE_ARRAYS}) AS g ({_GRADE_COLUMNS})),
superseded AS (
    INSERT INTO final_grade_history SELECT f.* FROM final_grades AS f JOIN given AS g USING (result_id)
)
UPDATE final_grades AS f
SET subject_id = g.subject_id, period_id = g.period_id, source = g.source, external_id = g.external_id,
    state = g.state, value = g.value, held = g.held, deferred_until = g.deferred_until, reason = g.reason,
    obtained_at = g.obtained_at, stated_obtained_at = g.stated_obtained_at, recorded_at = g.recorded_at,
    changed_at = g.changed_at, revision = g.revision, value_revision = g.value_revision
FROM given AS g
WHERE f.result_id = g.result_id
"""


async def final_grades(conn: Connection, result_ids: Sequence[UUID]) -> dict[UUID, FinalGrade]:
    """The final grades that are recorded, locked until the end of the transaction."""
    return {row["result_id"]: FinalGrade(*row) for row in await conn.fetch(_GRADES, result_ids)}


async def insert_final_grades(conn: Connection, new: Sequence[FinalGrade]) -> set[UUID]:
    """Records new final grades of one batch and watches them; returns the ids that no other school has taken."""
    rows = [
        (g.result_id, g.student_id, g.subject_id, g.period_id, g.external_id, g.value, g.held, g.obtained_at)
        for g in new
    ]
    first = new[0]
    found = await conn.fetch(_INSERT_GRADES, *columns(rows), first.school_id, first.source, first.recorded_at)
    return {row["result_id"] for row in found}


async def update_final_grades(conn: Connection, changed: Sequence[FinalGrade]) -> None:
    """Keeps the present revision as history and records the next one."""
    await conn.execute(_UPDATE_GRADES, *columns(changed))


_HELD_OF_CLASS = f"""
SELECT {_GRADE_COLUMNS} FROM final_grades AS f
WHERE f.period_id = $1 AND f.held AND f.state = 'set'
  AND EXISTS (
      SELECT FROM group_members AS m WHERE m.group_id = $2 AND m.person_id = f.student_id AND m.active
  )
ORDER BY f.result_id
FOR UPDATE
"""


async def held_grades_of_class(conn: Connection, period_id: UUID, class_id: UUID) -> dict[UUID, FinalGrade]:
    """The final grades of a class that wait for the council, locked until the end of the transaction."""
    return {row["result_id"]: FinalGrade(*row) for row in await conn.fetch(_HELD_OF_CLASS, period_id, class_id)}


_EXAM_COLUMNS = ", ".join(ExamResult._fields)
_EXAM_ARRAYS = (
    "$1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[],"
    " $10::numeric[], $11::numeric[], $12::text[], $13::timestamptz[], $14::timestamptz[], $15::timestamptz[],"
    " $16::timestamptz[], $17::bigint[], $18::bigint[]"
)
_EXAMS = f"SELECT {_EXAM_COLUMNS} FROM exam_results WHERE result_id = ANY($1::uuid[]) FOR UPDATE"
_INSERT_EXAMS = f"""
WITH added AS (
    INSERT INTO exam_results ({_EXAM_COLUMNS}) SELECT * FROM unnest({_EXAM_ARRAYS})
    ON CONFLICT DO NOTHING
    RETURNING result_id, school_id, obtained_at
),
awaited AS (
    INSERT INTO disclosures (result_id, value_revision, school_id, kind, obtained_at, held)
    SELECT result_id, 1, school_id, 'exam_result', obtained_at, false FROM added
)
SELECT result_id FROM added
"""
_UPDATE_EXAMS = f"""
WITH given AS (SELECT * FROM unnest({_EXAM_ARRAYS}) AS g ({_EXAM_COLUMNS})),
superseded AS (
    INSERT INTO exam_result_history SELECT e.* FROM exam_results AS e JOIN given AS g USING (result_id)
)
UPDATE exam_results AS e
SET subject_id = g.subject_id, kind = g.kind, title = g.title, state = g.state, score = g.score,
    max_score = g.max_score, grade = g.grade, obtained_at = g.obtained_at,
    stated_obtained_at = g.stated_obtained_at, recorded_at = g.recorded_at, changed_at = g.changed_at,
    revision = g.revision, value_revision = g.value_revision
FROM given AS g
WHERE e.result_id = g.result_id
"""


async def exam_results(conn: Connection, result_ids: Sequence[UUID]) -> dict[UUID, ExamResult]:
    """The exam results that are recorded, locked until the end of the transaction."""
    return {row["result_id"]: ExamResult(*row) for row in await conn.fetch(_EXAMS, result_ids)}


async def insert_exam_results(conn: Connection, new: Sequence[ExamResult]) -> set[UUID]:
    """Records new exam results and watches them; returns the ids that were not taken by another school."""
    return {row["result_id"] for row in await conn.fetch(_INSERT_EXAMS, *columns(new))}


async def update_exam_results(conn: Connection, changed: Sequence[ExamResult]) -> None:
    """Keeps the present revision as history and records the next one."""
    await conn.execute(_UPDATE_EXAMS, *columns(changed))


Awaited = tuple[UUID, int, UUID, str, datetime, bool]
"""result_id, value_revision, school_id, kind, obtained_at, held."""

_AWAIT = """
INSERT INTO disclosures (result_id, value_revision, school_id, kind, obtained_at, held)
SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::text[], $5::timestamptz[], $6::boolean[])
ON CONFLICT (result_id, value_revision)
DO UPDATE SET obtained_at = excluded.obtained_at, held = excluded.held
"""
_AWAIT_NO_MORE = """
DELETE FROM disclosures AS d
USING unnest($1::uuid[], $2::bigint[]) AS g (result_id, below)
WHERE d.result_id = g.result_id AND d.value_revision < g.below AND d.disclosed_at IS NULL
"""


async def await_disclosure(conn: Connection, versions: Sequence[Awaited]) -> None:
    """Watches these values on their way to the family; a release or an earlier date is noted."""
    await conn.execute(_AWAIT, *columns(versions))


async def await_no_more(conn: Connection, result_ids: Sequence[UUID], below: Sequence[int]) -> None:
    """Stops watching values that were superseded or withdrawn before anybody saw them.

    Args:
        conn: the transaction.
        result_ids: the results.
        below: for each, the first value revision that is still awaited.
    """
    await conn.execute(_AWAIT_NO_MORE, result_ids, below)


_DISCLOSED = """
UPDATE disclosures AS d
SET disclosed_at = g.disclosed_at
FROM unnest($1::uuid[], $2::bigint[], $3::timestamptz[]) AS g (result_id, value_revision, disclosed_at)
WHERE d.result_id = g.result_id AND d.value_revision = g.value_revision
  AND (d.disclosed_at IS NULL OR d.disclosed_at > g.disclosed_at)
RETURNING d.kind, d.obtained_at, d.disclosed_at
"""


async def disclosed(
    conn: Connection, result_ids: Sequence[UUID], value_revisions: Sequence[int], since: Sequence[datetime]
) -> list[asyncpg.Record]:
    """Notes when the first recipient could have each value; returns the rows that this made earlier."""
    return await conn.fetch(_DISCLOSED, result_ids, value_revisions, since)


_OLDEST_AWAITED = """
SELECT min(obtained_at) AS obtained_at FROM (
    (SELECT obtained_at FROM disclosures WHERE disclosed_at IS NULL AND NOT held ORDER BY obtained_at LIMIT 1)
    UNION ALL
    (SELECT obtained_at FROM disclosures
     WHERE disclosed_at IS NULL AND held AND obtained_at <= $1::timestamptz - interval '24 hours'
     ORDER BY obtained_at LIMIT 1)
) AS released
"""


async def oldest_awaited(conn: Connection, now: datetime) -> datetime | None:
    """When the oldest value was obtained that is released and that no recipient has yet."""
    oldest: datetime | None = await conn.fetchval(_OLDEST_AWAITED, now)
    return oldest


_AWAITED_COUNT = """
SELECT count(*) FROM disclosures
WHERE disclosed_at IS NULL AND (NOT held OR obtained_at <= $1::timestamptz - interval '24 hours')
"""


async def awaited_count(conn: Connection, now: datetime) -> int:
    """How many values are released and not yet with any recipient."""
    return int(await conn.fetchval(_AWAITED_COUNT, now))


_RESULTS_OF_STUDENT = """
SELECT r.*, s.title AS subject, d.disclosed_at
FROM (
    SELECT result_id, external_id, source, 'final_grade' AS kind, subject_id, period_id, NULL AS title, state,
           value AS grade, NULL::numeric AS score, NULL::numeric AS max_score, held, obtained_at, recorded_at,
           revision, value_revision
    FROM final_grades WHERE student_id = $1 AND school_id = $2
    UNION ALL
    SELECT result_id, external_id, source, kind, subject_id, NULL, title, state, grade,
           score, max_score, false, obtained_at, recorded_at, revision, value_revision
    FROM exam_results WHERE student_id = $1 AND school_id = $2
) AS r
JOIN subjects AS s USING (subject_id)
LEFT JOIN disclosures AS d USING (result_id, value_revision)
ORDER BY r.obtained_at, r.result_id
"""


async def results_of_student(conn: Connection, student_id: UUID, school_id: UUID) -> list[asyncpg.Record]:
    """Final grades and exam results of a student at a school, with when the family first could have each."""
    return await conn.fetch(_RESULTS_OF_STUDENT, student_id, school_id)


# Who was erased is told of no more: readers have destroyed it, and the act says so. The journal itself keeps it.
_PAGE = """
SELECT {columns} FROM {table} AS t
WHERE {key} > $1 AND NOT EXISTS (
    SELECT FROM persons AS p WHERE p.person_id = t.student_id AND p.erased_at IS NOT NULL
)
ORDER BY {key} LIMIT $2 FOR SHARE OF t
"""
_MARKS_PAGE = _PAGE.format(columns=_MARK_COLUMNS, table="marks", key="mark_id")
_GRADES_PAGE = _PAGE.format(columns=_GRADE_COLUMNS, table="final_grades", key="result_id")
_EXAMS_PAGE = _PAGE.format(columns=_EXAM_COLUMNS, table="exam_results", key="result_id")


async def marks_after(conn: Connection, mark_id: UUID, limit: int) -> list[Mark]:
    """The next marks by id, for replay; locked, so that no newer revision gets ahead of a replayed one."""
    return [Mark(*row) for row in await conn.fetch(_MARKS_PAGE, mark_id, limit)]


async def final_grades_after(conn: Connection, result_id: UUID, limit: int) -> list[FinalGrade]:
    """The next final grades by id, for replay; locked against change."""
    return [FinalGrade(*row) for row in await conn.fetch(_GRADES_PAGE, result_id, limit)]


_VALUES_BEFORE = f"""
SELECT DISTINCT ON (h.result_id, h.value_revision) {", ".join(f"h.{name}" for name in FinalGrade._fields)}
FROM unnest($1::uuid[], $2::bigint[]) AS g (result_id, below)
JOIN final_grade_history AS h ON h.result_id = g.result_id AND h.value_revision < g.below
ORDER BY h.result_id, h.value_revision, h.revision DESC
"""


async def values_before(conn: Connection, grades: Sequence[FinalGrade]) -> list[FinalGrade]:
    """The values that these final grades had before, each as it was last, the oldest first."""
    rows = [(grade.result_id, grade.value_revision) for grade in grades]
    return [FinalGrade(*row) for row in await conn.fetch(_VALUES_BEFORE, *columns(rows))] if rows else []


async def exam_results_after(conn: Connection, result_id: UUID, limit: int) -> list[ExamResult]:
    """The next exam results by id, for replay; locked against change."""
    return [ExamResult(*row) for row in await conn.fetch(_EXAMS_PAGE, result_id, limit)]
