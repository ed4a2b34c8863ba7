"""What can be seen, by whom, since when: computed in sets, kept for good, and told to the publisher.

Two facts that are committed at the same time by two transactions could each miss the other (a result, and the consent
under which it may be seen). So whoever projects results holds a lock in share mode until its commit, and the loop,
which looks after everything else, takes it alone: it begins when no result is half written.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from chassis.database import Connection
from contracts.base import ConsentId, PersonId, ResultId, SchoolId, StudentId
from contracts.results_visible import ResultsVisible, Visibility

_LOCK_KEY = 0x5C_AB_1E
_LOCK_SHARED = f"SELECT pg_advisory_xact_lock_shared({_LOCK_KEY})"
_LOCK_ALONE = f"SELECT pg_advisory_xact_lock({_LOCK_KEY})"


async def lock_while_projecting(conn: Connection) -> None:
    """Taken before results are written, held to the commit; does not hinder others who do the same."""
    await conn.execute(_LOCK_SHARED)


async def lock_while_looking(conn: Connection) -> None:
    """Taken by the loop: waits for all who are projecting."""
    await conn.execute(_LOCK_ALONE)


_ACKNOWLEDGE = """
WITH shown AS (
    SELECT * FROM (
        SELECT DISTINCT ON (v.student_id, v.result_id) v.result_id, v.value_revision, v.student_id, v.state,
            greatest(v.projected_at, least(v.due_at, v.released_at)) AS since
        FROM results AS v
        WHERE v.{column} = ANY ($1::uuid[]) AND (NOT v.held OR v.due_at <= $2 OR v.state = 'withdrawn')
        ORDER BY v.student_id, v.result_id, v.value_revision DESC
    ) AS newest
    WHERE state <> 'withdrawn' AND (SELECT consent_view_is_fresh($2))
), readers AS (
    SELECT DISTINCT ON (g.student_id, g.reader_id) g.student_id, g.reader_id, g.consent_id, g.consent_revision,
        greatest(g.since, a.active_since) AS since
    FROM grounds_at($2) AS g JOIN accounts AS a ON a.person_id = g.reader_id AND a.active
    WHERE g.student_id = ANY (ARRAY(SELECT DISTINCT s.student_id FROM shown AS s))
    ORDER BY g.student_id, g.reader_id, g.since, g.consent_id
)
INSERT INTO acknowledgements (result_id, value_revision, recipient_id, visible_at, consent_id, consent_revision)
SELECT s.result_id, s.value_revision, r.reader_id,
    greatest(s.since, r.since, (SELECT consents_fresh_since FROM reading_rules)), r.consent_id, r.consent_revision
FROM shown AS s JOIN readers AS r ON r.student_id = s.student_id
WHERE NOT EXISTS (
    SELECT FROM acknowledgements AS k
    WHERE k.result_id = s.result_id AND k.value_revision = s.value_revision AND k.recipient_id = r.reader_id
)
ORDER BY s.result_id, s.value_revision, r.reader_id
ON CONFLICT DO NOTHING
RETURNING result_id, value_revision
"""
_ACKNOWLEDGE_RESULTS = _ACKNOWLEDGE.format(column="result_id")
_ACKNOWLEDGE_STUDENTS = _ACKNOWLEDGE.format(column="student_id")


async def acknowledge_results(conn: Connection, result_ids: Sequence[UUID], now: datetime) -> set[tuple[UUID, int]]:
    """Writes down who can see these results now, as far as it was not yet written.

    `visible_at` is the greatest of: when the version came to stand here and was no longer held (for one that the clock
    released exactly its `due_at`), when the ground of reading came to be, when the account did, and since when the
    view of consents has been fresh. With a stale view nothing is written.

    Returns:
        The versions that somebody more can see.
    """
    return _versions(await conn.fetch(_ACKNOWLEDGE_RESULTS, result_ids, now))


async def acknowledge_students(conn: Connection, student_ids: Sequence[UUID], now: datetime) -> set[tuple[UUID, int]]:
    """The same for all results of these students."""
    return _versions(await conn.fetch(_ACKNOWLEDGE_STUDENTS, student_ids, now))


def _versions(rows: Sequence[Any]) -> set[tuple[UUID, int]]:
    return {(row["result_id"], row["value_revision"]) for row in rows}


_BUMP = """
INSERT INTO acknowledged_versions (result_id, value_revision, revision, school_id, student_id, changed_at)
SELECT v.result_id, v.value_revision, 1, v.school_id, v.student_id, $3
FROM results AS v
JOIN unnest($1::uuid[], $2::bigint[]) AS n (result_id, value_revision)
    ON n.result_id = v.result_id AND n.value_revision = v.value_revision
ORDER BY v.result_id, v.value_revision
ON CONFLICT (result_id, value_revision) DO UPDATE SET
    revision = acknowledged_versions.revision + 1, changed_at = excluded.changed_at
"""
_EVENTS = """
SELECT a.result_id, a.value_revision, a.revision, a.school_id, a.student_id, a.changed_at,
    array_agg(k.recipient_id ORDER BY k.visible_at, k.recipient_id) AS recipient_ids,
    array_agg(k.visible_at ORDER BY k.visible_at, k.recipient_id) AS visible_ats,
    array_agg(k.consent_id ORDER BY k.visible_at, k.recipient_id) AS consent_ids,
    array_agg(k.consent_revision ORDER BY k.visible_at, k.recipient_id) AS consent_revisions
FROM acknowledged_versions AS a
JOIN acknowledgements AS k ON k.result_id = a.result_id AND k.value_revision = a.value_revision
{which}
GROUP BY a.result_id, a.value_revision
ORDER BY a.result_id, a.value_revision
{limit}
"""
_EVENTS_OF = _EVENTS.format(
    which="""JOIN unnest($1::uuid[], $2::bigint[]) AS n (result_id, value_revision)
    ON n.result_id = a.result_id AND n.value_revision = a.value_revision""",
    limit="",
)
_EVENTS_AFTER = _EVENTS.format(which="WHERE (a.result_id, a.value_revision) > ($1, $2)", limit="LIMIT $3")


async def next_revision(conn: Connection, versions: set[tuple[UUID, int]], now: datetime) -> list[ResultsVisible]:
    """Counts the revision of these versions on and returns the events that tell everyone who can see them.

    The counter's row is locked until the commit, and the list is read after it: no event lacks what one with a lower
    revision had.
    """
    ids, revisions = [item[0] for item in versions], [item[1] for item in versions]
    await conn.execute(_BUMP, ids, revisions, now)
    return [_event(row) for row in await conn.fetch(_EVENTS_OF, ids, revisions)]


async def events_after(conn: Connection, after: tuple[UUID, int], limit: int) -> list[ResultsVisible]:
    """The present state of all acknowledged versions in the order of their ids, page by page."""
    return [_event(row) for row in await conn.fetch(_EVENTS_AFTER, *after, limit)]


def _event(row: Any) -> ResultsVisible:
    columns = zip(row["recipient_ids"], row["visible_ats"], row["consent_ids"], row["consent_revisions"], strict=True)
    return ResultsVisible(
        revision=row["revision"],
        result_id=ResultId(row["result_id"]),
        value_revision=row["value_revision"],
        school_id=SchoolId(row["school_id"]),
        student_id=StudentId(row["student_id"]),
        visible=[
            Visibility(
                recipient_id=PersonId(recipient_id),
                visible_at=visible_at,
                consent_id=ConsentId(consent_id),
                consent_revision=consent_revision,
            )
            for recipient_id, visible_at, consent_id, consent_revision in columns
        ],
        changed_at=row["changed_at"],
    )


_LOOK_AT = """
INSERT INTO acknowledgement_due (student_id, due_at)
SELECT DISTINCT student_id, due_at FROM unnest($1::uuid[], $2::timestamptz[]) AS n (student_id, due_at)
ORDER BY student_id, due_at
-- Not DO NOTHING: the row is locked, so that the loop does not take it before we have committed.
ON CONFLICT (student_id, due_at) DO UPDATE SET due_at = excluded.due_at
"""


async def look_at(conn: Connection, whom: Sequence[tuple[UUID, datetime]]) -> None:
    """Notes at which instants the loop is to look at which students."""
    if whom:
        await conn.execute(_LOOK_AT, [item[0] for item in whom], [item[1] for item in whom])


_LOOK_AT_STUDENTS = """
INSERT INTO acknowledgement_due (student_id, due_at)
SELECT student_id, $2::timestamptz FROM unnest($1::uuid[]) AS n (student_id)
UNION
SELECT c.student_id, c.effective_from
FROM consents AS c
WHERE c.student_id = ANY ($1::uuid[]) AND c.cabinet = 'given' AND c.effective_from > $2
UNION
SELECT c.student_id, majority_at(s.birth_date, s.time_zone, u.majority_age_years)
FROM consents AS c
JOIN students AS s ON s.person_id = c.student_id
CROSS JOIN reading_rules AS u
WHERE c.student_id = ANY ($1::uuid[]) AND c.representative_id = c.student_id AND c.cabinet = 'given'
    AND majority_at(s.birth_date, s.time_zone, u.majority_age_years) > $2
ORDER BY 1, 2
ON CONFLICT (student_id, due_at) DO UPDATE SET due_at = excluded.due_at
"""


async def look_at_students(conn: Connection, student_ids: Sequence[UUID], now: datetime) -> None:
    """Has the loop look at students now, and again when a consent that is already known begins to hold."""
    if student_ids:
        await conn.execute(_LOOK_AT_STUDENTS, student_ids, now)


_LOOK_AT_STUDENTS_OF = """
INSERT INTO acknowledgement_due (student_id, due_at)
SELECT person_id, $2::timestamptz FROM unnest($1::uuid[]) AS n (person_id)
UNION
SELECT r.student_id, $2::timestamptz FROM representations AS r WHERE r.representative_id = ANY ($1::uuid[])
ORDER BY 1
ON CONFLICT (student_id, due_at) DO UPDATE SET due_at = excluded.due_at
"""


async def look_at_students_of(conn: Connection, person_ids: Sequence[UUID], now: datetime) -> None:
    """Has the loop look at everything that these people may read: about themselves and whom they represent."""
    await conn.execute(_LOOK_AT_STUDENTS_OF, person_ids, now)


_TAKE_DUE = """
DELETE FROM acknowledgement_due WHERE (student_id, due_at) IN (
    SELECT student_id, due_at FROM acknowledgement_due
    WHERE due_at <= $1 AND (SELECT consent_view_is_fresh($1))
    ORDER BY due_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
RETURNING student_id
"""


async def take_due(conn: Connection, now: datetime, limit: int) -> list[UUID]:
    """Takes students who are to be looked at now. While the view of consents is stale they wait."""
    rows = await conn.fetch(_TAKE_DUE, now, limit)
    return sorted({row["student_id"] for row in rows})


_SOMETHING_DUE = (
    "SELECT EXISTS (SELECT FROM acknowledgement_due WHERE due_at <= $1 AND (SELECT consent_view_is_fresh($1)))"
)


async def something_due(conn: Connection, now: datetime) -> bool:
    """Whether the loop has anything to do; asked without the lock."""
    due: bool = await conn.fetchval(_SOMETHING_DUE, now)
    return due


_NEXT_DUE = """
SELECT min(due_at) - (clock_timestamp() + clock_shift()) FROM acknowledgement_due
WHERE (SELECT consent_view_is_fresh(clock_timestamp() + clock_shift()))
"""


async def next_due_seconds(conn: Connection) -> float | None:
    """How long until the next student is to be looked at; None if nobody is, or the view of consents is stale."""
    wait: timedelta | None = await conn.fetchval(_NEXT_DUE)
    return None if wait is None else max(0.0, wait.total_seconds())


_STALE = "SELECT NOT consent_view_is_fresh($1)"


async def view_is_stale(conn: Connection, now: datetime) -> bool:
    """Whether nothing may be shown now because the registry of consents has been silent for too long."""
    stale: bool = await conn.fetchval(_STALE, now)
    return stale
