"""Schools, students, who represents them, who has an account: what the routes follow from."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from chassis.database import Connection
from contracts.account_changed import AccountChanged
from contracts.school_changed import SchoolChanged
from services.publisher.domain.policy import Policy
from services.publisher.domain.routes import Ground, Household, Recipient, recipients_in_law

_UPSERT_SCHOOLS = """
INSERT INTO schools AS s (school_id, revision, name, time_zone)
SELECT school_id, revision, name,
       -- A time zone that the server does not know would break every date of that school.
       CASE WHEN EXISTS (SELECT FROM pg_timezone_names z WHERE z.name = v.time_zone) THEN v.time_zone
            ELSE 'Europe/Moscow' END
FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::text[]) AS v (school_id, revision, name, time_zone)
ON CONFLICT (school_id) DO UPDATE
SET revision = excluded.revision, name = excluded.name, time_zone = excluded.time_zone
WHERE excluded.revision > s.revision
"""

_LOCK_STUDENTS = """
SELECT student_id, revision > 0 AND erased_at IS NULL AS known
FROM students WHERE student_id = ANY ($1::uuid[]) ORDER BY student_id FOR NO KEY UPDATE
"""

_FIRST_SEEN = "INSERT INTO students (student_id) SELECT unnest($1::uuid[]) ON CONFLICT DO NOTHING"

_LOCK_FREE_STUDENTS = """
SELECT student_id FROM students WHERE student_id = ANY ($1::uuid[]) ORDER BY student_id
FOR NO KEY UPDATE SKIP LOCKED
"""

_UPSERT_STUDENTS = """
UPDATE students AS s
SET revision = v.revision, school_id = v.school_id, given_name = v.given_name, erased_at = NULL,
    adult_on = v.adult_on,
    majority_noticed = s.majority_noticed AND s.adult_on IS NOT DISTINCT FROM v.adult_on
FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::text[], $5::date[])
    AS v (student_id, revision, school_id, given_name, adult_on)
WHERE s.student_id = v.student_id AND v.revision > s.revision
RETURNING s.student_id
"""

_REPLACE_REPRESENTATIONS = """
WITH now_in_force AS (
    SELECT * FROM unnest($2::uuid[], $3::uuid[], $4::uuid[]) AS v (student_id, representative_id, school_id)
), ended AS (
    DELETE FROM representations r WHERE r.student_id = ANY ($1::uuid[]) AND NOT EXISTS (
        SELECT FROM now_in_force n
        WHERE n.student_id = r.student_id AND n.representative_id = r.representative_id
    )
)
INSERT INTO representations (student_id, representative_id, school_id)
SELECT student_id, representative_id, school_id FROM now_in_force
ON CONFLICT (student_id, representative_id) DO UPDATE SET school_id = excluded.school_id
WHERE representations.school_id <> excluded.school_id
"""

_NAME_ACCOUNTS = "INSERT INTO accounts (person_id) SELECT unnest($1::uuid[]) ON CONFLICT DO NOTHING"
_LOCK_ACCOUNTS = (
    "SELECT person_id FROM accounts WHERE person_id = ANY ($1::uuid[]) ORDER BY person_id FOR NO KEY UPDATE"
)

_UPSERT_ACCOUNTS = """
INSERT INTO accounts AS a (person_id, revision, active, changed_at)
SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::boolean[], $4::timestamptz[])
ON CONFLICT (person_id) DO UPDATE
SET revision = excluded.revision, active = excluded.active, changed_at = excluded.changed_at
WHERE excluded.revision > a.revision
RETURNING person_id
"""

_STUDENTS_OF = """
SELECT student_id FROM representations WHERE representative_id = ANY ($1::uuid[])
UNION SELECT student_id FROM students WHERE student_id = ANY ($1::uuid[])
UNION SELECT student_id FROM consents WHERE representative_id = ANY ($1::uuid[])
"""

_HOUSEHOLDS = """
SELECT s.student_id, s.school_id, r.recipient_id, r.is_student,
       coalesce(s.adult_on <= ($2::timestamptz AT TIME ZONE coalesce(h.time_zone, 'Europe/Moscow'))::date, false)
           AS adult,
       coalesce(a.active, false) AS has_account, a.changed_at AS account_since,
       c.consent_id, c.revision, c.effective_from,
       coalesce(c.cabinet = 'given' AND c.effective_from <= $2, false) AS cabinet_in_force,
       coalesce(c.cabinet = 'given' AND c.email_decision = 'given' AND c.email IS NOT NULL AND c.effective_from <= $2,
                false) AS email_in_force,
       coalesce(c.cabinet = 'given' AND c.push_decision = 'given' AND c.effective_from <= $2, false) AS push_in_force,
       coalesce(c.no_internet, false) AS no_internet
FROM students s
LEFT JOIN schools h ON h.school_id = s.school_id
CROSS JOIN LATERAL (
    SELECT s.student_id AS recipient_id, true AS is_student
    UNION ALL
    SELECT p.representative_id, false FROM representations p
    WHERE p.student_id = s.student_id AND NOT EXISTS (
        SELECT FROM consents e
        WHERE e.student_id = p.student_id AND e.representative_id = p.representative_id AND e.authority = 'ended'
    )
) r
LEFT JOIN consents c ON c.student_id = s.student_id AND c.representative_id = r.recipient_id
LEFT JOIN accounts a ON a.person_id = r.recipient_id
WHERE s.student_id = ANY ($1::uuid[]) AND s.revision > 0 AND s.erased_at IS NULL
ORDER BY s.student_id, r.is_student, r.recipient_id
"""

_COME_OF_AGE = """
SELECT s.student_id FROM students s LEFT JOIN schools h ON h.school_id = s.school_id
WHERE NOT s.majority_noticed AND s.adult_on IS NOT NULL
  AND s.adult_on <= ($1::timestamptz AT TIME ZONE coalesce(h.time_zone, 'Europe/Moscow'))::date
ORDER BY s.adult_on LIMIT $2
"""
_NOTICED = "UPDATE students SET majority_noticed = true WHERE student_id = ANY ($1::uuid[])"
_ERASE_STUDENTS = """
UPDATE students SET given_name = NULL, adult_on = NULL, school_id = NULL, erased_at = $2
WHERE student_id = ANY ($1::uuid[])
"""
_ERASE_REPRESENTATIONS = """
DELETE FROM representations WHERE student_id = ANY ($1::uuid[]) OR representative_id = ANY ($1::uuid[])
"""
_ERASE_CONSENTS = "DELETE FROM consents WHERE student_id = ANY ($1::uuid[]) OR representative_id = ANY ($1::uuid[])"
_ERASE_ACCOUNTS = "UPDATE accounts SET active = false WHERE person_id = ANY ($1::uuid[])"


@dataclass(frozen=True, slots=True)
class StudentRow:
    """A student as told by the journal."""

    student_id: UUID
    revision: int
    school_id: UUID
    given_name: str
    adult_on: date | None
    representative_ids: tuple[UUID, ...]
    """Those whose authority is in force."""


async def upsert_schools(conn: Connection, schools: Sequence[SchoolChanged]) -> None:
    """Keeps the higher revision of each school."""
    await conn.execute(
        _UPSERT_SCHOOLS,
        [one.school_id for one in schools],
        [one.revision for one in schools],
        [one.name for one in schools],
        [one.time_zone for one in schools],
    )


async def lock_students(conn: Connection, student_ids: Sequence[UUID]) -> set[UUID]:
    """Locks students against every other handler and loop, and returns those whose person data is known.

    A student of whom nothing was known gets a row, so that there is something to lock.
    """
    wanted = sorted(set(student_ids))
    rows = await conn.fetch(_LOCK_STUDENTS, wanted)
    if len(rows) < len(wanted):
        await conn.execute(_FIRST_SEEN, wanted)
        rows = await conn.fetch(_LOCK_STUDENTS, wanted)
    return {row["student_id"] for row in rows if row["known"]}


async def lock_free_students(conn: Connection, student_ids: Sequence[UUID]) -> list[UUID]:
    """Locks those students on whom nobody works at this moment."""
    return [row["student_id"] for row in await conn.fetch(_LOCK_FREE_STUDENTS, student_ids)]


async def update_students(conn: Connection, students: Sequence[StudentRow]) -> set[UUID]:
    """Keeps the higher revision of each (locked, so present) student; returns those that changed."""
    rows = await conn.fetch(
        _UPSERT_STUDENTS,
        [one.student_id for one in students],
        [one.revision for one in students],
        [one.school_id for one in students],
        [one.given_name for one in students],
        [one.adult_on for one in students],
    )
    return {row["student_id"] for row in rows}


async def replace_representations(conn: Connection, students: Sequence[StudentRow]) -> None:
    """Makes the representatives in force exactly those that are named."""
    pairs = [(one, person) for one in students for person in one.representative_ids]
    await conn.execute(
        _REPLACE_REPRESENTATIONS,
        [one.student_id for one in students],
        [one.student_id for one, _ in pairs],
        [person for _, person in pairs],
        [one.school_id for one, _ in pairs],
    )


async def lock_accounts(conn: Connection, person_ids: Sequence[UUID]) -> None:
    """Locks accounts, known or not: who represents whom and who has an account must be seen together."""
    wanted = sorted(set(person_ids))
    # PostgreSQL lets this insert wait for whoever changes such a row already, but does not promise it: hence the lock.
    await conn.execute(_NAME_ACCOUNTS, wanted)
    await conn.execute(_LOCK_ACCOUNTS, wanted)


async def upsert_accounts(conn: Connection, accounts: Sequence[AccountChanged]) -> list[UUID]:
    """Keeps the higher revision of each account; returns the persons whose account changed."""
    ordered = sorted(accounts, key=lambda one: one.person_id)
    rows = await conn.fetch(
        _UPSERT_ACCOUNTS,
        [one.person_id for one in ordered],
        [one.revision for one in ordered],
        [one.active for one in ordered],
        [one.changed_at for one in ordered],
    )
    return [row["person_id"] for row in rows]


async def students_of(conn: Connection, person_ids: Sequence[UUID]) -> list[UUID]:
    """The students whom these persons are or represent."""
    return [row["student_id"] for row in await conn.fetch(_STUDENTS_OF, person_ids)]


async def households(
    conn: Connection, student_ids: Sequence[UUID], now: datetime, policy: Policy
) -> dict[UUID, Household]:
    """What decides about the routes of students' results, for those students whose person data is known."""
    gathered: dict[UUID, list[Any]] = {}
    for row in await conn.fetch(_HOUSEHOLDS, list(set(student_ids)), now):
        gathered.setdefault(row["student_id"], []).append(row)
    return {student_id: _household(student_id, rows, policy) for student_id, rows in gathered.items()}


def _household(student_id: UUID, rows: Sequence[Any], policy: Policy) -> Household:
    adult = rows[0]["adult"]
    recipients = recipients_in_law(
        map(_recipient, rows), adult=adult, representation_ends_at_majority=policy.representation_ends_at_majority
    )
    return Household(student_id, rows[0]["school_id"], adult, recipients)


def _recipient(row: Any) -> Recipient:
    return Recipient(
        row["recipient_id"],
        row["is_student"],
        row["has_account"],
        row["account_since"],
        Ground(row["consent_id"], row["revision"]) if row["consent_id"] else None,
        row["cabinet_in_force"],
        row["email_in_force"],
        row["no_internet"],
        row["effective_from"],
        row["push_in_force"],
    )


async def students_come_of_age(conn: Connection, now: datetime, limit: int) -> list[UUID]:
    """Students whose 18th birthday has begun in their school's time zone."""
    return [row["student_id"] for row in await conn.fetch(_COME_OF_AGE, now, limit)]


async def mark_majority(conn: Connection, student_ids: Sequence[UUID]) -> None:
    """Notes that the routes follow the majority from now on."""
    await conn.execute(_NOTICED, student_ids)


async def erase(conn: Connection, person_ids: Sequence[UUID], now: datetime) -> None:
    """Removes names, birthdays, representation, addresses and consents of persons; ids stay."""
    await conn.execute(_ERASE_STUDENTS, person_ids, now)
    await conn.execute(_ERASE_REPRESENTATIONS, person_ids)
    await conn.execute(_ERASE_CONSENTS, person_ids)
    await conn.execute(_ERASE_ACCOUNTS, person_ids)
