"""SQL of the read model: schools, persons and result versions, as the events told."""

from collections.abc import Sequence
from uuid import UUID

from chassis.database import Connection
from contracts.exam_result_recorded import ExamResultRecorded
from contracts.final_grade_set import FinalGradeSet
from contracts.person_changed import PersonChanged
from contracts.school_changed import SchoolChanged
from services.extracts.domain import full_name

_UPSERT_SCHOOLS = """
INSERT INTO schools AS known (school_id, name, address, time_zone, revision)
SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::integer[])
ON CONFLICT (school_id) DO UPDATE
SET name = excluded.name, address = excluded.address, time_zone = excluded.time_zone, revision = excluded.revision
WHERE excluded.revision > known.revision
"""

# A person's schools travel as text, since an array of arrays must be rectangular.
_UPSERT_PERSONS = """
INSERT INTO persons AS known (person_id, school_ids, name, class_name, revision)
SELECT person_id, school_ids::uuid[], name, class_name, revision
FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::integer[])
    AS told (person_id, school_ids, name, class_name, revision)
ON CONFLICT (person_id) DO UPDATE
SET school_ids = excluded.school_ids, name = excluded.name, class_name = excluded.class_name,
    revision = excluded.revision
WHERE excluded.revision > known.revision
"""

_UPSERT_FINAL_GRADES = """
INSERT INTO result_versions AS known (
    student_id, result_id, value_revision, revision, school_id, kind, subject_title, state, value, held,
    deferred_until, period_kind, period_number, school_year, obtained_at
)
SELECT student_id, result_id, value_revision, revision, school_id, 'final_grade', subject_title, state, value, held,
    deferred_until, period_kind, period_number, school_year, obtained_at
FROM unnest(
    $1::uuid[], $2::uuid[], $3::integer[], $4::integer[], $5::uuid[], $6::text[], $7::text[], $8::text[], $9::boolean[],
    $10::date[], $11::text[], $12::smallint[], $13::text[], $14::timestamptz[]
) AS told (
    student_id, result_id, value_revision, revision, school_id, subject_title, state, value, held, deferred_until,
    period_kind, period_number, school_year, obtained_at
)
ON CONFLICT (student_id, result_id, value_revision) DO UPDATE
SET revision = excluded.revision, school_id = excluded.school_id, subject_title = excluded.subject_title,
    state = excluded.state, value = excluded.value, held = excluded.held, deferred_until = excluded.deferred_until,
    period_kind = excluded.period_kind, period_number = excluded.period_number, school_year = excluded.school_year,
    obtained_at = excluded.obtained_at
WHERE excluded.revision > known.revision
"""

_UPSERT_EXAM_RESULTS = """
INSERT INTO result_versions AS known (
    student_id, result_id, value_revision, revision, school_id, kind, subject_title, state, value, held,
    exam_title, score, max_score, obtained_at
)
SELECT student_id, result_id, value_revision, revision, school_id, 'exam', subject_title, state, value, false,
    exam_title, score, max_score, obtained_at
FROM unnest(
    $1::uuid[], $2::uuid[], $3::integer[], $4::integer[], $5::uuid[], $6::text[], $7::text[], $8::text[], $9::text[],
    $10::numeric[], $11::numeric[], $12::timestamptz[]
) AS told (
    student_id, result_id, value_revision, revision, school_id, subject_title, state, value, exam_title, score,
    max_score, obtained_at
)
ON CONFLICT (student_id, result_id, value_revision) DO UPDATE
SET revision = excluded.revision, school_id = excluded.school_id, subject_title = excluded.subject_title,
    state = excluded.state, value = excluded.value, exam_title = excluded.exam_title, score = excluded.score,
    max_score = excluded.max_score, obtained_at = excluded.obtained_at
WHERE excluded.revision > known.revision
"""

_DELETE_PERSONS = "DELETE FROM persons WHERE person_id = ANY ($1::uuid[])"
_DELETE_RESULTS = "DELETE FROM result_versions WHERE student_id = ANY ($1::uuid[])"
_DROP = "SELECT drop_read_model()"
_FORGET_EVENTS = "DELETE FROM inbox WHERE consumer = $1"


async def upsert_schools(conn: Connection, events: Sequence[SchoolChanged]) -> None:
    """Keeps the newest state of each school."""
    await conn.execute(
        _UPSERT_SCHOOLS,
        [event.school_id for event in events],
        [event.name for event in events],
        [event.address for event in events],
        [event.time_zone for event in events],
        [event.revision for event in events],
    )


async def upsert_persons(conn: Connection, events: Sequence[PersonChanged]) -> None:
    """Keeps the newest state of each person, as it is printed."""
    await conn.execute(
        _UPSERT_PERSONS,
        [event.person_id for event in events],
        ["{" + ",".join(str(school_id) for school_id in event.school_ids) + "}" for event in events],
        [full_name(event.name.family, event.name.given, event.name.patronymic) for event in events],
        [event.enrolment.class_name if event.enrolment else "" for event in events],
        [event.revision for event in events],
    )


async def upsert_final_grades(conn: Connection, events: Sequence[FinalGradeSet]) -> None:
    """Keeps the newest state of each version of each final grade."""
    await conn.execute(
        _UPSERT_FINAL_GRADES,
        [event.student_id for event in events],
        [event.result_id for event in events],
        [event.value_revision for event in events],
        [event.revision for event in events],
        [event.school_id for event in events],
        [event.subject.title for event in events],
        [event.state for event in events],
        [event.value for event in events],
        [event.held for event in events],
        [event.deferred_until for event in events],
        [event.period.kind.value for event in events],
        [event.period.number for event in events],
        [event.period.school_year for event in events],
        [event.obtained_at for event in events],
    )


async def upsert_exam_results(conn: Connection, events: Sequence[ExamResultRecorded]) -> None:
    """Keeps the newest state of each version of each exam result."""
    await conn.execute(
        _UPSERT_EXAM_RESULTS,
        [event.student_id for event in events],
        [event.result_id for event in events],
        [event.value_revision for event in events],
        [event.revision for event in events],
        [event.school_id for event in events],
        [event.subject.title for event in events],
        [event.state for event in events],
        [event.grade for event in events],
        [event.title for event in events],
        [event.score for event in events],
        [event.max_score for event in events],
        [event.obtained_at for event in events],
    )


async def erase_persons(conn: Connection, person_ids: Sequence[UUID]) -> None:
    """Deletes names, and the results of those who are students."""
    await conn.execute(_DELETE_PERSONS, person_ids)
    await conn.execute(_DELETE_RESULTS, person_ids)


async def drop(conn: Connection, consumer: str) -> None:
    """Empties the read model, and forgets which events had made it."""
    await conn.execute(_DROP)
    await conn.execute(_FORGET_EVENTS, consumer)
