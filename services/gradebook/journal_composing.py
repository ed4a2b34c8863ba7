"""Timetables and calendars, composed from their slots and holidays, with a revision for every change of the whole."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import asyncpg

from chassis.database import Connection
from contracts.holidays_changed import HolidaysChanged, calendar_id
from contracts.timetable_changed import TimetableChanged

_COMPOSE_TIMETABLES = """
INSERT INTO timetables AS t (group_id, school_id, state, revision, changed_at)
SELECT g.group_id, g.school_id, jsonb_build_object('slots', coalesce((
    SELECT jsonb_agg(
        jsonb_build_object(
            'slot_id', s.slot_id, 'weekday', s.weekday, 'number', s.number,
            'starts_at', to_char(s.starts_at, 'HH24:MI'), 'ends_at', to_char(s.ends_at, 'HH24:MI'),
            'subject', jsonb_build_object('id', s.subject_id, 'title', u.title),
            'teacher_id', s.teacher_id, 'room', s.room, 'valid_from', s.valid_from, 'valid_to', s.valid_to
        ) ORDER BY s.valid_from, s.weekday, s.number, s.slot_id
    )
    FROM timetable_slots AS s JOIN subjects AS u USING (subject_id)
    WHERE s.group_id = g.group_id AND s.state = 'active'
), '[]')), 1, $2
FROM study_groups AS g WHERE g.group_id = ANY($1::uuid[])
ON CONFLICT (group_id) DO UPDATE
SET state = excluded.state, revision = t.revision + 1, changed_at = excluded.changed_at
WHERE t.state IS DISTINCT FROM excluded.state
RETURNING t.group_id, t.school_id, t.revision, t.state, t.changed_at
"""


async def compose_timetables(conn: Connection, group_ids: Sequence[UUID], now: datetime) -> list[TimetableChanged]:
    """Composes the timetables of groups anew; returns the events of those that differ."""
    if not group_ids:
        return []
    return [timetable_event(*row) for row in await conn.fetch(_COMPOSE_TIMETABLES, sorted(set(group_ids)), now)]


def timetable_event(
    group_id: UUID, school_id: UUID, revision: int, state: dict[str, Any], changed_at: datetime
) -> TimetableChanged:
    """The event of a timetable's revision."""
    return TimetableChanged.model_validate(
        {**state, "group_id": group_id, "school_id": school_id, "revision": revision, "changed_at": changed_at}
    )


# Of several statements about one school year the one that was taken last counts.
_COMPOSE_CALENDARS = """
INSERT INTO calendars AS c (calendar_id, school_id, school_year, state, revision, changed_at)
SELECT g.calendar_id, g.school_id, g.school_year, jsonb_build_object(
    'starts_on', y.starts_on, 'ends_on', y.ends_on,
    'holidays', coalesce((
        SELECT jsonb_agg(
            jsonb_build_object('title', h.title, 'starts_on', h.starts_on, 'ends_on', h.ends_on)
            ORDER BY h.starts_on, h.ends_on, h.holiday_id
        )
        FROM holidays AS h
        WHERE h.school_id = g.school_id AND h.school_year = g.school_year AND h.state = 'active'
    ), '[]')
), 1, $4
FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS g (calendar_id, school_id, school_year)
LEFT JOIN LATERAL (
    SELECT starts_on, ends_on FROM school_years AS s
    WHERE s.school_id = g.school_id AND s.school_year = g.school_year AND s.state = 'active'
    ORDER BY s.changed_at DESC, s.school_year_id LIMIT 1
) AS y ON true
ON CONFLICT (calendar_id) DO UPDATE
SET state = excluded.state, revision = c.revision + 1, changed_at = excluded.changed_at
WHERE c.state IS DISTINCT FROM excluded.state
RETURNING c.school_id, c.school_year, c.revision, c.state, c.changed_at
"""


async def compose_calendars(
    conn: Connection, years: Sequence[tuple[UUID, str]], now: datetime
) -> list[HolidaysChanged]:
    """Composes the calendars of schools' years anew; returns the events of those that differ.

    Args:
        conn: the transaction.
        years: school and school year, such as 2026/2027.
        now: the present.
    """
    distinct = sorted(set(years))
    if not distinct:
        return []
    ids = [calendar_id(school_id, year) for school_id, year in distinct]
    schools, names = zip(*distinct, strict=True)
    return [calendar_event(*row) for row in await conn.fetch(_COMPOSE_CALENDARS, ids, schools, names, now)]


def calendar_event(
    school_id: UUID, school_year: str, revision: int, state: dict[str, Any], changed_at: datetime
) -> HolidaysChanged:
    """The event of a calendar's revision."""
    return HolidaysChanged.model_validate(
        {**state, "school_id": school_id, "school_year": school_year, "revision": revision, "changed_at": changed_at}
    )


_GROUPS_OF_SLOTS = "SELECT DISTINCT group_id FROM timetable_slots WHERE subject_id = ANY($1::uuid[])"


async def groups_with_slots(conn: Connection, subject_ids: Sequence[UUID]) -> list[UUID]:
    """The groups whose timetables show one of these subjects."""
    return [row["group_id"] for row in await conn.fetch(_GROUPS_OF_SLOTS, subject_ids)]


_TIMETABLES_PAGE = """
SELECT group_id, school_id, revision, state, changed_at
FROM timetables WHERE group_id > $1 AND state IS NOT NULL ORDER BY group_id LIMIT $2 FOR SHARE
"""
_CALENDARS_PAGE = """
SELECT calendar_id, school_id, school_year, revision, state, changed_at
FROM calendars WHERE calendar_id > $1 AND state IS NOT NULL ORDER BY calendar_id LIMIT $2 FOR SHARE
"""


async def timetables_after(conn: Connection, group_id: UUID, limit: int) -> list[asyncpg.Record]:
    """The next timetables by group, for replay; locked against change."""
    return await conn.fetch(_TIMETABLES_PAGE, group_id, limit)


async def calendars_after(conn: Connection, last: UUID, limit: int) -> list[asyncpg.Record]:
    """The next calendars by id, for replay; locked against change."""
    return await conn.fetch(_CALENDARS_PAGE, last, limit)
