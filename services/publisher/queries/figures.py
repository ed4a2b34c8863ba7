"""The days of the public figure: counted again where something changed, summed for a span."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from chassis.database import Connection
from services.publisher.domain.figures import Counts

# A mark is seen together with the change that it is about, so what is counted after this sees the change.
_TAKE_MARKS = """
WITH taken AS (
    DELETE FROM figure_marks WHERE mark_id IN (
        SELECT mark_id FROM figure_marks ORDER BY mark_id LIMIT $1 FOR UPDATE SKIP LOCKED
    )
    RETURNING school_id, due_hour
)
SELECT DISTINCT t.school_id, (edge AT TIME ZONE coalesce(s.time_zone, 'Europe/Moscow'))::date AS due_on,
       (SELECT count(*) FROM taken) AS marks
FROM taken t
LEFT JOIN schools s ON s.school_id = t.school_id
-- Where clocks differ by half an hour, an hour of UTC may belong to two days.
CROSS JOIN LATERAL (VALUES (t.due_hour), (t.due_hour + interval '3599 seconds')) AS e (edge)
"""

# Who counts the same days at the same time counts them one after another, so that the later count stays.
_LOCK = "SELECT pg_advisory_xact_lock(hashtextextended('publisher.figure_days', 0))"

# An obligation that ended otherwise (corrected, withdrawn, authority ended) counts only if it had been missed before.
_COUNT = """
INSERT INTO figure_days AS f (school_id, due_on, in_time, late_by_us, late_at_source, unmet_by_us, unmet_at_source,
                              still_open, closed_days, counted_at)
SELECT d.school_id, d.due_on,
       count(*) FILTER (WHERE o.late = 'no'),
       count(*) FILTER (WHERE o.late = 'by_us'),
       count(*) FILTER (WHERE o.late = 'at_source'),
       count(*) FILTER (WHERE o.missed AND NOT o.at_source),
       count(*) FILTER (WHERE o.missed AND o.at_source),
       count(*) FILTER (WHERE o.state = 'open' AND NOT o.missed),
       count(*) FILTER (WHERE o.route = 'paper' AND (o.late = 'by_us' OR (o.missed AND NOT o.at_source)) AND (
           extract(isodow FROM o.obtained_at AT TIME ZONE d.time_zone)::int = ANY ($3::int[])
           OR extract(isodow FROM o.due_at AT TIME ZONE d.time_zone)::int = ANY ($3::int[])
       )),
       $4
FROM (
    SELECT v.school_id, v.due_on, coalesce(s.time_zone, 'Europe/Moscow') AS time_zone,
           v.due_on::timestamp AT TIME ZONE coalesce(s.time_zone, 'Europe/Moscow') AS begins,
           (v.due_on + 1)::timestamp AT TIME ZONE coalesce(s.time_zone, 'Europe/Moscow') AS ends
    FROM unnest($1::uuid[], $2::date[]) AS v (school_id, due_on)
    LEFT JOIN schools s ON s.school_id = v.school_id
    ORDER BY v.school_id, v.due_on
) d
LEFT JOIN LATERAL (
    SELECT p.state, p.route, p.late, p.obtained_at, p.due_at,
           p.state <> 'available' AND p.overdue_at IS NOT NULL AS missed,
           p.recorded_at > p.obtained_at + interval '24 hours' AS at_source
    FROM obligations p
    WHERE p.school_id = d.school_id AND p.state = ANY ('{open,available,superseded,cancelled}')
      AND p.due_at >= d.begins AND p.due_at < d.ends
) o ON true
GROUP BY d.school_id, d.due_on
ON CONFLICT (school_id, due_on) DO UPDATE
SET in_time = excluded.in_time, late_by_us = excluded.late_by_us, late_at_source = excluded.late_at_source,
    unmet_by_us = excluded.unmet_by_us, unmet_at_source = excluded.unmet_at_source,
    still_open = excluded.still_open, closed_days = excluded.closed_days, counted_at = excluded.counted_at
"""

_OF_SPAN = """
SELECT f.school_id, s.name, sum(f.in_time)::bigint AS in_time, sum(f.late_by_us)::bigint AS late_by_us,
       sum(f.late_at_source)::bigint AS late_at_source, sum(f.unmet_by_us)::bigint AS unmet_by_us,
       sum(f.unmet_at_source)::bigint AS unmet_at_source, sum(f.still_open)::bigint AS still_open,
       sum(f.closed_days)::bigint AS closed_days, min(f.counted_at) AS counted_at
FROM figure_days f LEFT JOIN schools s ON s.school_id = f.school_id
WHERE f.due_on >= $1 AND f.due_on < $2
GROUP BY f.school_id, s.name ORDER BY s.name NULLS LAST, f.school_id
"""
# Both ends of a day of UTC lead to every local day that it touches.
_MARK_ALL = """
INSERT INTO figure_marks (school_id, due_hour)
SELECT school_id, edge FROM (
    SELECT DISTINCT school_id, date_trunc('day', due_at, 'UTC') AS day FROM obligations
) d
CROSS JOIN LATERAL (VALUES (d.day), (d.day + interval '23 hours')) AS e (edge)
"""


@dataclass(frozen=True, slots=True)
class SchoolCounts:
    """What became of a school's obligations of a span."""

    school_id: UUID
    name: str | None
    counts: Counts


async def lock(conn: Connection) -> None:
    """Until the transaction ends nobody else counts."""
    await conn.execute(_LOCK)


async def take_marks(conn: Connection, limit: int) -> tuple[list[tuple[UUID, date]], int]:
    """Takes marks away; the caller counts the days that they lead to in the same transaction.

    Returns:
        Schools and days, and how many marks led to them.
    """
    rows = await conn.fetch(_TAKE_MARKS, limit)
    return [(row["school_id"], row["due_on"]) for row in rows], rows[0]["marks"] if rows else 0


async def count(
    conn: Connection, days: Sequence[tuple[UUID, date]], closed_weekdays: Sequence[int], now: datetime
) -> None:
    """Counts days of schools anew.

    Args:
        conn: the transaction.
        days: each once.
        closed_weekdays: on which schools are closed, from 1 (Monday) to 7.
        now: the present instant.
    """
    await conn.execute(_COUNT, [one[0] for one in days], [one[1] for one in days], list(closed_weekdays), now)


async def of_span(conn: Connection, first: date, after: date) -> list[SchoolCounts]:
    """The counts of every school of which anything was due in a span, by name."""
    return [
        SchoolCounts(
            row["school_id"],
            row["name"],
            Counts(
                row["in_time"],
                row["late_by_us"],
                row["late_at_source"],
                row["unmet_by_us"],
                row["unmet_at_source"],
                row["still_open"],
                row["closed_days"],
            ),
        )
        for row in await conn.fetch(_OF_SPAN, first, after)
    ]


async def mark_all(conn: Connection) -> None:
    """Has everything counted anew: after a school's time zone or the closed days changed."""
    await conn.execute(_MARK_ALL)
