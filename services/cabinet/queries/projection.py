"""The read model: batches of events become rows; of each aggregate only a higher revision changes anything."""

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

from chassis.database import Connection
from contracts.consent_changed import ConsentChanged
from contracts.consent_heartbeat import ConsentHeartbeat
from contracts.mark_recorded import MarkRecorded
from contracts.person_changed import PersonChanged
from contracts.school_changed import SchoolChanged
from services.cabinet.domain import Rules, time_zone_or_default

_UPSERT_SCHOOLS = """
INSERT INTO schools (school_id, revision, name, time_zone)
SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[])
ON CONFLICT (school_id) DO UPDATE SET revision = excluded.revision, name = excluded.name, time_zone = excluded.time_zone
WHERE excluded.revision > schools.revision
"""


async def upsert_schools(conn: Connection, events: Sequence[SchoolChanged]) -> None:
    """Schools as they are named, and where their clocks stand."""
    await conn.execute(
        _UPSERT_SCHOOLS,
        [event.school_id for event in events],
        [event.revision for event in events],
        [event.name for event in events],
        [time_zone_or_default(event.time_zone) for event in events],
    )


_UPSERT_PERSONS = """
INSERT INTO persons
    (person_id, revision, family, given, patronymic, birth_date, school_id, class_name, grade_level)
SELECT * FROM unnest(
    $1::uuid[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::date[], $7::uuid[], $8::text[], $9::integer[]
)
ON CONFLICT (person_id) DO UPDATE SET
    revision = excluded.revision, family = excluded.family, given = excluded.given, patronymic = excluded.patronymic,
    birth_date = excluded.birth_date, school_id = excluded.school_id, class_name = excluded.class_name,
    grade_level = excluded.grade_level
WHERE excluded.revision > persons.revision
RETURNING person_id
"""


async def upsert_persons(conn: Connection, events: Sequence[PersonChanged]) -> set[UUID]:
    """People by name, and for students where they study.

    Returns:
        Whose state was new.
    """
    enrolments = [event.enrolment for event in events]
    rows = await conn.fetch(
        _UPSERT_PERSONS,
        [event.person_id for event in events],
        [event.revision for event in events],
        [event.name.family for event in events],
        [event.name.given for event in events],
        [event.name.patronymic for event in events],
        [event.birth_date for event in events],
        [enrolment and enrolment.school_id for enrolment in enrolments],
        [enrolment and enrolment.class_name for enrolment in enrolments],
        [enrolment and enrolment.grade_level for enrolment in enrolments],
    )
    return {row["person_id"] for row in rows}


_DROP_REPRESENTATIONS = """
DELETE FROM representations AS r
WHERE r.student_id = ANY ($1::uuid[]) AND NOT EXISTS (
    SELECT FROM unnest($2::uuid[], $3::uuid[]) AS k (student_id, representative_id)
    WHERE k.student_id = r.student_id AND k.representative_id = r.representative_id
)
"""
_UPSERT_REPRESENTATIONS = """
INSERT INTO representations (student_id, representative_id, kind, in_force, since)
SELECT DISTINCT ON (student_id, representative_id) student_id, representative_id, kind, in_force, $5
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::boolean[]) AS n (student_id, representative_id, kind, in_force)
ORDER BY student_id, representative_id, in_force
ON CONFLICT (student_id, representative_id) DO UPDATE SET
    kind = excluded.kind, in_force = excluded.in_force, since = CASE
        WHEN representations.in_force = excluded.in_force THEN representations.since ELSE excluded.since
    END
"""


async def replace_representations(conn: Connection, students: Sequence[PersonChanged], now: datetime) -> None:
    """Who represents these students, in whole: whoever is not named does not represent them any more.

    Named twice, and once without authority, counts as without.
    """
    pairs = [
        (event.person_id, item.representative_id, item.kind, item.in_force)
        for event in students
        for item in (event.enrolment.representatives if event.enrolment else ())
    ]
    ids, representatives = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    await conn.execute(_DROP_REPRESENTATIONS, [event.person_id for event in students], ids, representatives)
    await conn.execute(
        _UPSERT_REPRESENTATIONS, ids, representatives, [pair[2] for pair in pairs], [pair[3] for pair in pairs], now
    )


_UPSERT_CONSENTS = """
INSERT INTO consents (
    consent_id, revision, representative_id, student_id, school_id, cabinet, decided_at, effective_from, authority,
    given_since
)
SELECT consent_id, revision, representative_id, student_id, school_id, cabinet, decided_at, effective_from, authority,
    CASE WHEN cabinet = 'given' THEN $10::timestamptz END
FROM unnest(
    $1::uuid[], $2::bigint[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::timestamptz[], $8::timestamptz[],
    $9::text[]
) AS n (consent_id, revision, representative_id, student_id, school_id, cabinet, decided_at, effective_from, authority)
ON CONFLICT (consent_id) DO UPDATE SET
    revision = excluded.revision, representative_id = excluded.representative_id, student_id = excluded.student_id,
    school_id = excluded.school_id, cabinet = excluded.cabinet, decided_at = excluded.decided_at,
    effective_from = excluded.effective_from, authority = excluded.authority, given_since = CASE
        WHEN excluded.cabinet = consents.cabinet THEN consents.given_since ELSE excluded.given_since
    END
WHERE excluded.revision > consents.revision
RETURNING student_id
"""


async def upsert_consents(conn: Connection, events: Sequence[ConsentChanged], now: datetime) -> set[UUID]:
    """What was decided about the cabinet. Contacts are none of the cabinet's business and are not kept.

    Returns:
        The students about whom a decision was new.
    """
    rows = await conn.fetch(
        _UPSERT_CONSENTS,
        [event.consent_id for event in events],
        [event.revision for event in events],
        [event.representative_id for event in events],
        [event.student_id for event in events],
        [event.school_id for event in events],
        [event.decisions.cabinet.value for event in events],
        [event.decided_at for event in events],
        [event.effective_from for event in events],
        [event.authority for event in events],
        now,
    )
    return {row["student_id"] for row in rows}


_IS_FRESH = "SELECT consent_view_is_fresh($1)"
_HEAR = """
INSERT INTO consent_freshness (partition, as_of, partitions)
SELECT * FROM unnest($1::integer[], $2::timestamptz[], $3::integer[])
ON CONFLICT (partition) DO UPDATE SET
    as_of = greatest(consent_freshness.as_of, excluded.as_of),
    partitions = CASE
        WHEN excluded.as_of >= consent_freshness.as_of THEN excluded.partitions ELSE consent_freshness.partitions
    END
"""
_FRESH_SINCE = "UPDATE reading_rules SET consents_fresh_since = $1 WHERE consent_view_is_fresh($1)"


async def hear_heartbeats(conn: Connection, events: Sequence[ConsentHeartbeat], now: datetime) -> None:
    """How far the consents' topic has been read. Staleness ends only here, so the end of a gap is never missed."""
    was_fresh = await conn.fetchval(_IS_FRESH, now)
    await conn.execute(
        _HEAR,
        [event.partition for event in events],
        [event.as_of for event in events],
        [event.partitions for event in events],
    )
    if not was_fresh:
        await conn.execute(_FRESH_SINCE, now)


_UPSERT_MARKS = """
INSERT INTO marks (
    mark_id, revision, school_id, student_id, subject_id, subject_title, lesson_on, work_type, weight, value, withdrawn,
    recorded_at
)
SELECT * FROM unnest(
    $1::uuid[], $2::bigint[], $3::uuid[], $4::uuid[], $5::uuid[], $6::text[], $7::date[], $8::text[], $9::numeric[],
    $10::text[], $11::boolean[], $12::timestamptz[]
)
ON CONFLICT (mark_id) DO UPDATE SET
    revision = excluded.revision, school_id = excluded.school_id, student_id = excluded.student_id,
    subject_id = excluded.subject_id, subject_title = excluded.subject_title, lesson_on = excluded.lesson_on,
    work_type = excluded.work_type, weight = excluded.weight, value = excluded.value, withdrawn = excluded.withdrawn,
    recorded_at = excluded.recorded_at
WHERE excluded.revision > marks.revision
"""


async def upsert_marks(conn: Connection, events: Sequence[MarkRecorded]) -> None:
    """Marks; a withdrawn one stays as a row, so that an older event cannot bring it back."""
    await conn.execute(
        _UPSERT_MARKS,
        [event.mark_id for event in events],
        [event.revision for event in events],
        [event.school_id for event in events],
        [event.student_id for event in events],
        [event.subject.id for event in events],
        [event.subject.title for event in events],
        [event.lesson_on for event in events],
        [event.work_type.value for event in events],
        [event.weight for event in events],
        [event.value for event in events],
        [event.state == "withdrawn" for event in events],
        [event.recorded_at for event in events],
    )


@dataclass(frozen=True)
class ResultRow:
    """One version of a final grade or exam result, in the order of the columns below."""

    result_id: UUID
    value_revision: int
    revision: int
    school_id: UUID
    student_id: UUID
    kind: str
    subject_id: UUID
    subject_title: str
    title: str | None
    period_kind: str | None
    period_number: int | None
    school_year: str | None
    period_starts_on: date | None
    period_ends_on: date | None
    state: str
    grade: str | None
    score: Decimal | None
    max_score: Decimal | None
    deferred_until: date | None
    held: bool
    obtained_at: datetime
    due_at: datetime
    recorded_at: datetime


_UPSERT_RESULTS = """
INSERT INTO results (
    result_id, value_revision, revision, school_id, student_id, kind, subject_id, subject_title, title, period_kind,
    period_number, school_year, period_starts_on, period_ends_on, state, grade, score, max_score, deferred_until, held,
    obtained_at, due_at, recorded_at, projected_at, released_at
)
SELECT n.*, $24::timestamptz, CASE WHEN NOT n.held THEN $24::timestamptz END
FROM unnest(
    $1::uuid[], $2::bigint[], $3::bigint[], $4::uuid[], $5::uuid[], $6::text[], $7::uuid[], $8::text[], $9::text[],
    $10::text[], $11::integer[], $12::text[], $13::date[], $14::date[], $15::text[], $16::text[], $17::numeric[],
    $18::numeric[], $19::date[], $20::boolean[], $21::timestamptz[], $22::timestamptz[], $23::timestamptz[]
) AS n (
    result_id, value_revision, revision, school_id, student_id, kind, subject_id, subject_title, title, period_kind,
    period_number, school_year, period_starts_on, period_ends_on, state, grade, score, max_score, deferred_until, held,
    obtained_at, due_at, recorded_at
)
ORDER BY n.result_id, n.value_revision
ON CONFLICT (result_id, value_revision) DO UPDATE SET
    revision = excluded.revision, school_id = excluded.school_id, student_id = excluded.student_id,
    kind = excluded.kind, subject_id = excluded.subject_id, subject_title = excluded.subject_title,
    title = excluded.title, period_kind = excluded.period_kind, period_number = excluded.period_number,
    school_year = excluded.school_year, period_starts_on = excluded.period_starts_on,
    period_ends_on = excluded.period_ends_on, state = excluded.state, grade = excluded.grade, score = excluded.score,
    max_score = excluded.max_score, deferred_until = excluded.deferred_until, held = excluded.held,
    obtained_at = excluded.obtained_at, due_at = excluded.due_at, recorded_at = excluded.recorded_at,
    released_at = CASE WHEN NOT excluded.held THEN coalesce(results.released_at, excluded.released_at) END
WHERE excluded.revision > results.revision
"""


async def upsert_results(conn: Connection, rows: Sequence[ResultRow], now: datetime) -> None:
    """Versions of results, each with the instant at which it first stood here and at which it was no longer held."""
    await conn.execute(_UPSERT_RESULTS, *map(list, zip(*map(astuple, rows), strict=True)), now)


_FORGET_PERSONS = "DELETE FROM persons WHERE person_id = ANY ($1::uuid[])"
_FORGET_REPRESENTATIONS = """
DELETE FROM representations WHERE student_id = ANY ($1::uuid[]) OR representative_id = ANY ($1::uuid[])
"""
_FORGET_MARKS = "DELETE FROM marks WHERE student_id = ANY ($1::uuid[])"
_FORGET_RESULTS = "DELETE FROM results WHERE student_id = ANY ($1::uuid[])"


async def forget_persons(conn: Connection, person_ids: Sequence[UUID]) -> None:
    """Erases people from the read model: their names, their marks and results, and who represented them.

    Consents stay: they bear opaque ids only, and a withdrawal must outlast a repeated older event.
    """
    for query in (_FORGET_PERSONS, _FORGET_REPRESENTATIONS, _FORGET_MARKS, _FORGET_RESULTS):
        await conn.execute(query, person_ids)


_SET_RULES = """
UPDATE reading_rules SET consent_stale_after_seconds = $1, majority_age_years = $2
WHERE (consent_stale_after_seconds, majority_age_years) IS DISTINCT FROM ($1, $2)
"""


async def set_rules(conn: Connection, rules: Rules) -> None:
    """Tells the policies of the database what the settings say."""
    await conn.execute(_SET_RULES, rules.consent_stale_after.total_seconds(), rules.majority_age_years)


_CONSENT_VIEW_AGE = """
SELECT extract(epoch FROM clock_timestamp() + clock_shift() - min(as_of))::float8
FROM consent_freshness WHERE partition < partitions
"""


async def consent_view_age_seconds(conn: Connection) -> float | None:
    """How old the view of consents is; None if nothing was heard yet."""
    age: float | None = await conn.fetchval(_CONSENT_VIEW_AGE)
    return age


_READ_MODEL = (
    "schools",
    "persons",
    "representations",
    "consents",
    "consent_freshness",
    "marks",
    "results",
    "acknowledgement_due",
)
_EMPTY = tuple(f"DELETE FROM {table}" for table in _READ_MODEL)
_NOT_FRESH = "UPDATE reading_rules SET consents_fresh_since = NULL"
_EMPTY_INBOX = "DELETE FROM inbox WHERE consumer = $1"


async def empty_read_model(conn: Connection, consumer: str) -> None:
    """Deletes all that was projected and the memory of having projected it; own facts stay."""
    for query in _EMPTY:
        await conn.execute(query)
    await conn.execute(_NOT_FRESH)
    await conn.execute(_EMPTY_INBOX, consumer)
