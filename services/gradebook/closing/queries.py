"""SQL of closing: whom a period concerns, what they have, and the state of the closing itself."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from chassis.database import Connection
from contracts.values import PeriodKind
from services.gradebook.closing.domain import Deferred, Given, Key, Member


class PeriodRow(NamedTuple):
    """A period of a school."""

    period_id: UUID
    kind: PeriodKind
    number: int
    school_year: str
    starts_on: date
    ends_on: date
    closed_at: datetime | None
    begun: bool
    """By the school's own calendar day."""


_PERIOD = """
SELECT p.period_id, p.kind, p.number, p.school_year, p.starts_on, p.ends_on, p.closed_at,
       p.starts_on <= ($3::timestamptz AT TIME ZONE s.time_zone)::date AS begun
FROM periods AS p JOIN schools AS s USING (school_id)
WHERE p.school_id = $1 AND p.period_id = $2
"""


async def period(conn: Connection, school_id: UUID, period_id: UUID, now: datetime) -> PeriodRow | None:
    """The period, if it is this school's."""
    row = await conn.fetchrow(_PERIOD, school_id, period_id, now)
    return None if row is None else PeriodRow(row[0], PeriodKind(row[1]), *row[2:])


class GroupRow(NamedTuple):
    """A class or another group."""

    group_id: UUID
    kind: str
    name: str
    grade_level: int


_GROUPS = """
SELECT group_id, kind, name, grade_level FROM study_groups
WHERE school_id = $1 AND open ORDER BY grade_level, name, group_id
"""


async def groups(conn: Connection, school_id: UUID) -> list[GroupRow]:
    """A school's groups, the classes in the order of a school's list."""
    return [GroupRow(*row) for row in await conn.fetch(_GROUPS, school_id)]


# Each group is looked up by the primary key: there is no index by school, and a school has a hundred groups.
_MEMBERS = """
SELECT DISTINCT m.person_id, m.group_id
FROM study_groups AS g
CROSS JOIN LATERAL (
    SELECT group_id, person_id, joined_on, left_on FROM group_members
    WHERE group_id = g.group_id AND (active OR left_on IS NOT NULL)
    UNION ALL
    SELECT group_id, person_id, joined_on, left_on FROM former_memberships WHERE group_id = g.group_id
) AS m
WHERE g.school_id = $1 AND g.open
  AND (m.joined_on IS NULL OR m.joined_on <= $2) AND (m.left_on IS NULL OR m.left_on >= $2)
"""


async def members_on(conn: Connection, school_id: UUID, day: date) -> list[Member]:
    """Who is in which group of the school on a day."""
    return [Member(*row) for row in await conn.fetch(_MEMBERS, school_id, day)]


_PLANNED = """
SELECT DISTINCT c.group_id, c.subject_id
FROM curriculum_plan AS c JOIN periods AS p USING (period_id)
WHERE c.school_id = $1 AND c.state = 'active' AND c.hours > 0
  AND (c.period_id = $2 OR ($3 AND p.school_year = $4))
"""


async def planned(conn: Connection, school_id: UUID, of: PeriodRow) -> list[tuple[UUID, UUID]]:
    """Group and subject of the curriculum plan of a period; the plan of the whole year for what ends the year."""
    whole_year = of.kind in {PeriodKind.YEAR, PeriodKind.FINAL}
    rows = await conn.fetch(_PLANNED, school_id, of.period_id, whole_year, of.school_year)
    return [(row["group_id"], row["subject_id"]) for row in rows]


_TAUGHT = """
SELECT group_id, subject_id FROM teaching
WHERE school_id = $1 AND state = 'active' AND subject_id IS NOT NULL
  AND (starts_on IS NULL OR starts_on <= $3) AND (ends_on IS NULL OR ends_on >= $2)
UNION
SELECT group_id, subject_id FROM study_groups WHERE school_id = $1 AND open AND subject_id IS NOT NULL
"""


async def taught(conn: Connection, school_id: UUID, starts_on: date, ends_on: date) -> list[tuple[UUID, UUID]]:
    """Group and subject of what groups are taught at some time of a period."""
    rows = await conn.fetch(_TAUGHT, school_id, starts_on, ends_on)
    return [(row["group_id"], row["subject_id"]) for row in rows]


class MarkSum(NamedTuple):
    """A student's marks in a subject that count for the mean."""

    marks: int
    weighted: Decimal
    weight: Decimal


_MARK_SUMS = """
SELECT student_id, subject_id,
       count(*) FILTER (WHERE value IN ('1', '2', '3', '4', '5')) AS marks,
       coalesce(sum(weight * CASE WHEN value IN ('1', '2', '3', '4', '5') THEN value::int ELSE 0 END), 0) AS weighted,
       coalesce(sum(weight) FILTER (WHERE value IN ('1', '2', '3', '4', '5')), 0) AS weight
FROM marks
WHERE school_id = $1 AND state = 'recorded' AND lesson_on BETWEEN $2 AND $3
  AND ($4::uuid[] IS NULL OR student_id = ANY($4))
GROUP BY student_id, subject_id
"""


async def mark_sums(
    conn: Connection, school_id: UUID, starts_on: date, ends_on: date, students: Sequence[UUID] | None = None
) -> dict[Key, MarkSum]:
    """The exact sums of the marks of a period by student and subject; of some students only, when given."""
    rows = await conn.fetch(_MARK_SUMS, school_id, starts_on, ends_on, students)
    return {(row[0], row[1]): MarkSum(*row[2:]) for row in rows}


PARTS: dict[PeriodKind, tuple[PeriodKind, ...]] = {
    PeriodKind.YEAR: (PeriodKind.QUARTER, PeriodKind.HALF_YEAR),
    PeriodKind.FINAL: (PeriodKind.YEAR, PeriodKind.EXAM),
}
"""Grades that follow from earlier final grades, and from which; the others follow from marks."""

_PART_SUMS = """
SELECT f.student_id, f.subject_id, count(*) AS grades, sum(f.value::int) AS total
FROM periods AS p JOIN final_grades AS f USING (period_id)
WHERE p.school_id = $1 AND p.school_year = $2 AND p.kind = ANY($3) AND f.school_id = $1
  AND f.state = 'set' AND f.value IN ('1', '2', '3', '4', '5') AND f.student_id = ANY($4)
GROUP BY f.student_id, f.subject_id
"""


async def part_sums(conn: Connection, school_id: UUID, of: PeriodRow, students: Sequence[UUID]) -> dict[Key, MarkSum]:
    """The sums of the final grades that make up this period's; each counts once."""
    rows = await conn.fetch(_PART_SUMS, school_id, of.school_year, PARTS[of.kind], students)
    return {(row[0], row[1]): MarkSum(row[2], Decimal(row[3]), Decimal(row[2])) for row in rows}


_GIVEN = """
SELECT f.student_id, f.subject_id, f.result_id, f.value, f.held, r.reason
FROM final_grades AS f
LEFT JOIN LATERAL (
    SELECT reason FROM grade_reasons AS r
    WHERE r.result_id = f.result_id AND r.value_revision = f.value_revision ORDER BY stated_at DESC LIMIT 1
) AS r ON true
WHERE f.period_id = $2 AND f.school_id = $1 AND f.state = 'set'
ORDER BY f.changed_at
"""


async def given(conn: Connection, school_id: UUID, period_id: UUID) -> dict[Key, Given]:
    """The final grades that are set for a period; of two for the same, the one changed last."""
    return {(row[0], row[1]): Given(*row[2:]) for row in await conn.fetch(_GIVEN, school_id, period_id)}


_RUNNING = """
SELECT student_id, subject_id, deferral_id, state, due_on, reason FROM deferrals
WHERE period_id = $2 AND school_id = $1 AND state IN ('requested', 'approved', 'due')
"""


async def running(conn: Connection, school_id: UUID, period_id: UUID) -> dict[Key, Deferred]:
    """The deferrals that have not ended."""
    return {(row[0], row[1]): Deferred(*row[2:]) for row in await conn.fetch(_RUNNING, school_id, period_id)}


_NAMES = """
SELECT person_id, external_id, state -> 'name' AS name FROM persons WHERE person_id = ANY($1::uuid[])
"""


class StudentName(NamedTuple):
    """Who a student is, for the school's own staff."""

    external_id: str
    family: str
    given: str
    patronymic: str

    def full(self) -> str:
        """Family name first, as in a school's list."""
        return " ".join(part for part in (self.family, self.given, self.patronymic) if part)


async def names(conn: Connection, students: Sequence[UUID]) -> dict[UUID, StudentName]:
    """Names of students."""
    found = {}
    for row in await conn.fetch(_NAMES, students):
        name = row["name"] or {}
        parts = [str(name.get(part) or "") for part in ("family", "given", "patronymic")]
        found[row["person_id"]] = StudentName(row["external_id"], *parts)
    return found


# --- the state of closings ------------------------------------------------------------------------------------------


class ClosingRow(NamedTuple):
    """A closing at one revision. The fields follow the table's columns."""

    closing_id: UUID
    school_id: UUID
    period_id: UUID
    class_id: UUID | None
    state: str
    reason: str
    changed_by: str
    changed_at: datetime
    revision: int


_CLOSING_COLUMNS = ", ".join(ClosingRow._fields)
_CLOSINGS = f"SELECT {_CLOSING_COLUMNS} FROM period_closings WHERE school_id = $1 AND period_id = $2"
_CLOSING_HISTORY = f"""
SELECT {_CLOSING_COLUMNS} FROM period_closings WHERE school_id = $1 AND period_id = $2
UNION ALL SELECT {_CLOSING_COLUMNS} FROM period_closing_history WHERE school_id = $1 AND period_id = $2
ORDER BY changed_at, class_id, revision
"""
_MOVE_CLOSINGS = f"""
WITH given AS (
    SELECT * FROM unnest(
        $1::uuid[], $2::uuid[], $3::uuid[], $4::uuid[], $5::text[], $6::text[], $7::text[], $8::timestamptz[],
        $9::bigint[]
    ) AS g ({_CLOSING_COLUMNS})
),
superseded AS (
    INSERT INTO period_closing_history SELECT c.* FROM period_closings AS c JOIN given AS g USING (closing_id)
)
INSERT INTO period_closings ({_CLOSING_COLUMNS}) SELECT * FROM given
ON CONFLICT (closing_id) DO UPDATE
SET state = excluded.state, reason = excluded.reason, changed_by = excluded.changed_by,
    changed_at = excluded.changed_at, revision = excluded.revision
"""
_CLOSED_AT = "UPDATE periods SET closed_at = $3 WHERE school_id = $1 AND period_id = $2"


async def closings(conn: Connection, school_id: UUID, period_id: UUID) -> dict[UUID | None, ClosingRow]:
    """What was ever closed of a period, by class."""
    rows = [ClosingRow(*row) for row in await conn.fetch(_CLOSINGS, school_id, period_id)]
    return {row.class_id: row for row in rows}


async def closing_history(conn: Connection, school_id: UUID, period_id: UUID) -> list[ClosingRow]:
    """Every closing and reopening of a period, the first one first."""
    return [ClosingRow(*row) for row in await conn.fetch(_CLOSING_HISTORY, school_id, period_id)]


async def move_closings(conn: Connection, rows: Sequence[ClosingRow]) -> None:
    """Keeps the present revisions as history and records the next ones."""
    await conn.execute(_MOVE_CLOSINGS, *zip(*rows, strict=True))


async def note_closed(conn: Connection, school_id: UUID, period_id: UUID, at: datetime | None) -> None:
    """Notes since when a period is closed for the whole school; None: it is not."""
    await conn.execute(_CLOSED_AT, school_id, period_id, at)


_CLOSED_FOR = """
SELECT g.student_id, g.period_id
FROM unnest($2::uuid[], $3::uuid[]) AS g (student_id, period_id)
JOIN period_closings AS c ON c.period_id = g.period_id AND c.school_id = $1 AND c.state = 'closed'
JOIN periods AS p ON p.period_id = g.period_id
WHERE p.closed_at IS NOT NULL
   OR c.class_id IN (SELECT group_id FROM group_members WHERE person_id = g.student_id AND active)
   OR (c.class_id IS NULL AND NOT EXISTS (
       SELECT FROM group_members AS m JOIN study_groups AS s USING (group_id)
       WHERE m.person_id = g.student_id AND m.active AND s.kind = 'class' AND s.open
   ))
"""


async def closed_for(conn: Connection, school_id: UUID, pairs: Sequence[tuple[UUID, UUID]]) -> set[tuple[UUID, UUID]]:
    """For which of these students and periods the period is closed: for the school, or for the student's class."""
    if not pairs:
        return set()
    rows = await conn.fetch(_CLOSED_FOR, school_id, *zip(*pairs, strict=True))
    return {(row["student_id"], row["period_id"]) for row in rows}


class GradeReason(NamedTuple):
    """Why one value of one result is what it is. The fields follow the table's columns."""

    result_id: UUID
    value_revision: int
    school_id: UUID
    reason: str
    stated_by: str
    stated_at: datetime


_STATE_REASON = f"INSERT INTO grade_reasons ({', '.join(GradeReason._fields)}) VALUES ($1, $2, $3, $4, $5, $6)"


_KEEP_REASONS = """
INSERT INTO grade_reasons (result_id, value_revision, school_id, reason, stated_by, stated_at)
SELECT f.result_id, f.value_revision, f.school_id, g.reason, $5, $6
FROM unnest($2::uuid[], $3::text[], $4::text[]) AS g (result_id, value, reason)
JOIN final_grades AS f ON f.result_id = g.result_id AND f.school_id = $1 AND f.state = 'set' AND f.value = g.value
WHERE g.reason IS DISTINCT FROM (
    SELECT r.reason FROM grade_reasons AS r
    WHERE r.result_id = f.result_id AND r.value_revision = f.value_revision ORDER BY r.stated_at DESC LIMIT 1
)
"""


async def keep_reasons(
    conn: Connection, school_id: UUID, stated: Sequence[tuple[UUID, str, str]], *, by: str, at: datetime
) -> None:
    """Keeps the reasons (result, its value, reason) that came with grades which were taken; one said before is not."""
    if stated:
        await conn.execute(_KEEP_REASONS, school_id, *zip(*stated, strict=True), by, at)


async def state_reason(conn: Connection, stated: GradeReason) -> None:
    """Keeps the reason; an earlier one for the same value stays beside it."""
    await conn.execute(_STATE_REASON, *stated)


_CLIENT_LABEL = "SELECT label FROM api_clients WHERE client_id = $1"


async def client_label(conn: Connection, client_id: UUID) -> str | None:
    """What the operator called a client when it was given access."""
    label: str | None = await conn.fetchval(_CLIENT_LABEL, client_id)
    return label
