"""SQL of membership in groups, and of what changes there by itself when a day begins."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

import asyncpg

from chassis.database import Connection
from services.gradebook.queries import columns
from services.gradebook.roster_queries import Answers, answers_of

# Whoever comes back begins a new spell, unless the same first day is stated again: then the leave was a mistake.
_UPSERT_MEMBERS = """
WITH given AS (
    SELECT group_id, person_id, joined_on, left_on,
           stated AND coalesce(joined_on <= $8, true) AND coalesce(left_on >= $8, true) AS active,
           stated AND coalesce(joined_on > $8, false) AS coming
    FROM unnest($1::uuid[], $2::uuid[], $3::boolean[], $4::date[], $5::date[])
        AS g (group_id, person_id, stated, joined_on, left_on)
),
added AS (
    INSERT INTO group_members (group_id, person_id, school_id, active, joined_at, joined_on, left_on)
    SELECT group_id, person_id, $6, active, $7, joined_on, left_on
    FROM given WHERE active OR coming OR left_on IS NOT NULL
    ON CONFLICT DO NOTHING
    RETURNING group_id, person_id
),
following AS (
    SELECT m.group_id, m.person_id, g.active,
           b.begins AND m.left_on IS NOT NULL AND (g.joined_on IS NULL OR g.joined_on IS DISTINCT FROM m.joined_on)
               AS again,
           CASE WHEN b.begins THEN coalesce(g.joined_on, $8) ELSE coalesce(g.joined_on, m.joined_on) END AS joined_on,
           CASE WHEN b.begins OR g.coming THEN g.left_on
                WHEN g.active THEN coalesce(g.left_on, m.left_on)
                ELSE coalesce(g.left_on, m.left_on, $8) END AS left_on
    FROM group_members AS m
    JOIN given AS g USING (group_id, person_id)
    CROSS JOIN LATERAL (SELECT (g.active OR g.coming) AND NOT m.active AS begins) AS b
),
former AS (
    INSERT INTO former_memberships (group_id, person_id, school_id, joined_on, left_on)
    SELECT m.group_id, m.person_id, m.school_id, m.joined_on, m.left_on
    FROM group_members AS m JOIN following AS f USING (group_id, person_id)
    WHERE f.again
),
changed AS (
    UPDATE group_members AS m
    SET active = f.active, joined_on = f.joined_on, left_on = f.left_on,
        joined_at = CASE WHEN f.active AND NOT m.active THEN $7 ELSE m.joined_at END
    FROM following AS f
    WHERE m.group_id = f.group_id AND m.person_id = f.person_id
      AND (m.active, m.joined_on, m.left_on) IS DISTINCT FROM (f.active, f.joined_on, f.left_on)
    RETURNING m.group_id, m.person_id
)
SELECT group_id, person_id, 'added' FROM added
UNION ALL SELECT group_id, person_id, 'changed' FROM changed
UNION ALL SELECT group_id, person_id, 'known' FROM group_members JOIN given USING (group_id, person_id)
"""


MemberRow = tuple[UUID, UUID, bool, date | None, date | None]
"""group_id, person_id, whether it is stated (and not taken back), joined_on, left_on."""


async def upsert_members(
    conn: Connection, rows: Sequence[MemberRow], school_id: UUID, *, now: datetime, today: date
) -> Answers:
    """Takes membership in groups of one school; the keys are (group_id, person_id).

    Whoever leaves without a stated day leaves today; a stated day that is not given again stays. Somebody whose first
    day is to come, or whose last day has passed, is no member yet or any more: see `turn_memberships`.
    """
    return answers_of(await conn.fetch(_UPSERT_MEMBERS, *columns(rows), school_id, now, today))


_TURN_MEMBERSHIPS = """
UPDATE group_members AS m
SET active = NOT m.active, joined_at = CASE WHEN m.active THEN m.joined_at ELSE $1 END
FROM schools AS s
CROSS JOIN LATERAL (SELECT ($1::timestamptz AT TIME ZONE s.time_zone)::date AS today) AS d
WHERE m.school_id = s.school_id
  AND CASE WHEN m.active THEN m.left_on < d.today
           ELSE m.joined_on <= d.today AND (m.left_on IS NULL OR m.left_on >= d.today) END
RETURNING m.group_id, m.person_id
"""


async def turn_memberships(conn: Connection, now: datetime) -> list[asyncpg.Record]:
    """Ends the memberships whose last day has passed and begins those whose first day has come; returns whose."""
    return await conn.fetch(_TURN_MEMBERSHIPS, now)


# Groups whose present class teacher is another than their last event told.
_TURNED_CLASS_TEACHERS = """
SELECT g.group_id
FROM study_groups AS g
JOIN schools AS s USING (school_id)
CROSS JOIN LATERAL (SELECT ($1::timestamptz AT TIME ZONE s.time_zone)::date AS today) AS d
WHERE g.group_id IN (SELECT group_id FROM teaching WHERE role = 'class_teacher')
  AND (g.state ->> 'class_teacher_id')::uuid IS DISTINCT FROM (
      SELECT t.teacher_id FROM teaching AS t
      WHERE t.group_id = g.group_id AND t.state = 'active' AND t.role = 'class_teacher'
        AND (t.starts_on IS NULL OR t.starts_on <= d.today) AND (t.ends_on IS NULL OR t.ends_on >= d.today)
      ORDER BY t.starts_on DESC NULLS LAST, t.teaching_id LIMIT 1
  )
"""


async def turned_class_teachers(conn: Connection, now: datetime) -> list[UUID]:
    """The groups that have another class teacher today than they last told."""
    return [row["group_id"] for row in await conn.fetch(_TURNED_CLASS_TEACHERS, now)]
