"""SQL of the secretary's lists: pairs of a school with their state, and people found by the beginnings of words."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from chassis.database import Connection
from contracts.base import SchoolId

PairKey = tuple[UUID, UUID]
"""Representative and student."""


class List(StrEnum):
    """Which pairs are asked for."""

    ALL = "all"
    UNANSWERED = "unanswered"
    RENEWAL_NEEDED = "renewal_needed"
    """The student came from another school, and consent to this one was not asked yet."""
    AGREEMENT_DUE = "agreement_due"
    """The student is old enough to be asked too, and has not agreed."""
    AUTHORITY_ENDING = "authority_ending"
    """The representative's authority runs out soon."""


@dataclass(frozen=True, slots=True)
class ListedPair:
    """Who decides, for whom, and how it stands."""

    representative_id: UUID
    student_id: UUID
    class_id: UUID | None
    class_name: str
    student_name: str
    representative_name: str
    kind: str
    """parent, guardian, other; `student` for one of age who decides alone."""
    authority: str
    valid_until: date | None
    consent_id: UUID | None
    cabinet: str
    email: str
    push: str
    no_internet: bool
    decided_at: datetime | None
    renewal_needed: bool
    agreement: str | None
    agreement_since: datetime | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a list is to have."""

    school_id: SchoolId
    adult_born_by: date
    """Students born by then decide for themselves."""
    now: datetime
    kind: List = List.ALL
    class_id: UUID | None = None
    ending_by: datetime | None = None
    """For `AUTHORITY_ENDING`: it runs out by then."""


_PAIRS = """
SELECT w.representative_id, w.student_id, s.class_id, s.class_name,
    coalesce(concat_ws(' ', n.family, n.given, nullif(n.patronymic, '')), '') AS student_name,
    coalesce(concat_ws(' ', m.family, m.given, nullif(m.patronymic, '')), '') AS representative_name,
    w.kind,
    CASE WHEN a.state = 'ended' OR a.expires_at <= $3 THEN 'ended' ELSE 'in_force' END AS authority, a.valid_until,
    c.consent_id, coalesce(c.cabinet, 'unanswered') AS cabinet, coalesce(c.email, 'unanswered') AS email,
    coalesce(c.push, 'unanswered') AS push, coalesce(c.no_internet, false) AS no_internet,
    CASE WHEN c.cabinet <> 'unanswered' THEN c.decided_at END AS decided_at,
    coalesce(c.renewal_needed, false) AS renewal_needed, g.state AS agreement, g.since AS agreement_since
FROM (
    SELECT r.representative_id, s.student_id, r.kind
    FROM students AS s JOIN representations AS r ON r.student_id = s.student_id
    WHERE s.school_id = $1 AND r.in_force AND (s.birth_date IS NULL OR s.birth_date > $2)
    UNION ALL
    SELECT s.student_id, s.student_id, 'student' FROM students AS s WHERE s.school_id = $1 AND s.birth_date <= $2
) AS w
JOIN students AS s ON s.student_id = w.student_id
LEFT JOIN people AS n ON n.person_id = w.student_id
LEFT JOIN people AS m ON m.person_id = w.representative_id
LEFT JOIN consents AS c ON c.student_id = w.student_id AND c.representative_id = w.representative_id
LEFT JOIN authorities AS a ON a.student_id = w.student_id AND a.representative_id = w.representative_id
LEFT JOIN student_agreements AS g ON g.student_id = w.student_id AND w.kind <> 'student'
WHERE ($4::uuid IS NULL OR s.class_id = $4)
    AND (w.student_id, w.representative_id) > ($5, $6)
    AND CASE $7
        WHEN 'all' THEN true
        WHEN 'unanswered' THEN
            (c.consent_id IS NULL OR c.cabinet = 'unanswered')
            AND NOT coalesce(a.state = 'ended' OR a.expires_at <= $3, false)
        WHEN 'renewal_needed' THEN c.renewal_needed
        WHEN 'agreement_due' THEN g.state IN ('due', 'missing')
        WHEN 'authority_ending' THEN a.state = 'in_force' AND a.expires_at <= $8
    END
ORDER BY w.student_id, w.representative_id
LIMIT $9
"""

_FOUND = """
SELECT f.* FROM (
    SELECT p.person_id, p.family, p.given, p.patronymic, 'student' AS role, s.student_id, s.class_id, s.class_name,
        p.words
    FROM students AS s JOIN people AS p ON p.person_id = s.student_id
    WHERE s.school_id = $1
    UNION ALL
    SELECT p.person_id, p.family, p.given, p.patronymic, 'representative', s.student_id, s.class_id, s.class_name,
        p.words
    FROM students AS s
    JOIN representations AS r ON r.student_id = s.student_id AND r.in_force
    JOIN people AS p ON p.person_id = r.representative_id
    WHERE s.school_id = $1
) AS f
WHERE NOT EXISTS (
        SELECT FROM unnest($2::text[]) AS w (beginning)
        WHERE NOT (
            f.words LIKE '% ' || w.beginning || '%'
            OR translate(lower(f.class_name), 'ё -', 'е') LIKE w.beginning || '%'
        )
    )
    AND (
        $3::uuid IS NULL
        OR (f.family, f.given, f.patronymic, f.person_id, f.student_id) > (
            SELECT p.family, p.given, p.patronymic, p.person_id, $4::uuid FROM people AS p WHERE p.person_id = $3
        )
    )
ORDER BY f.family, f.given, f.patronymic, f.person_id, f.student_id
LIMIT $5
"""


async def pairs(conn: Connection, wanted: Wanted, after: PairKey, limit: int) -> list[ListedPair]:
    """The pairs of a list in the order of student and representative.

    Args:
        conn: a transaction.
        wanted: which.
        after: representative and student of the last pair seen.
        limit: how many at the most.
    """
    rows = await conn.fetch(
        _PAIRS,
        wanted.school_id,
        wanted.adult_born_by,
        wanted.now,
        wanted.class_id,
        after[1],
        after[0],
        wanted.kind.value,
        wanted.ending_by,
        limit,
    )
    return [ListedPair(**row) for row in rows]


async def people(
    conn: Connection, school_id: SchoolId, beginnings: Sequence[str], after: PairKey | None, limit: int
) -> list[Any]:
    """Students and representatives of a school, each with each student, in the order of their names.

    Args:
        conn: a transaction.
        school_id: the school.
        beginnings: of words, in lower case and letters and digits only; each begins a part of the name or the class.
        after: person and student of the last one seen.
        limit: how many at the most.
    """
    person, student = after or (None, None)
    return await conn.fetch(_FOUND, school_id, beginnings, person, student, limit)
