"""News: taking them, whom they concern, what waits to be told at once, what is forgotten."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import orjson

from chassis.clock import Clock
from chassis.database import Connection
from contracts.study_group_changed import StudyGroupChanged
from contracts.timetable_changed import TimetableChanged
from services.publisher.domain.news import News
from services.publisher.domain.preferences import Kind

# Whoever takes news holds it shared, whoever begins to read them for digests holds it alone: so nothing can be taken
# with an instant before one up to which digests have read already.
_TAKING = "SELECT pg_advisory_xact_lock_shared(hashtext('sutki.publisher.news'))"
_READING = "SELECT pg_advisory_xact_lock(hashtext('sutki.publisher.news'))"
_READ_UNTIL = "SELECT read_until FROM news_reading"
_MOVE_READ_UNTIL = "UPDATE news_reading SET read_until = greatest(read_until, $1) RETURNING read_until"

_ZONES = "SELECT school_id, time_zone FROM schools WHERE school_id = ANY ($1::uuid[])"

# Told at once only where somebody wants it: for marks and homework hardly anyone does, and there are many of them.
_WANTED = """
v.tell_at IS NOT NULL AND (v.kind = 'timetable_change' OR EXISTS (
    SELECT FROM (
        SELECT v.student_id WHERE v.student_id IS NOT NULL
        UNION ALL
        SELECT m.student_id FROM group_members m WHERE m.group_id = v.group_id
    ) AS c (student_id)
    JOIN preferences p ON p.student_id = c.student_id
    WHERE 'instant' IN (p.modes -> v.kind ->> 'email', p.modes -> v.kind ->> 'push')
))
"""

# Of a lesson that takes place, or a change that was revoked before it was known, nothing is kept.
_TAKE = f"""
INSERT INTO news AS n (news_id, revision, kind, school_id, student_id, group_id, only_students, on_day, state, content,
                       changed_at, received_at, first_received_at, tell_at)
SELECT v.news_id, v.revision, v.kind, v.school_id, v.student_id, v.group_id,
       string_to_array(v.only_students, ',')::uuid[], v.on_day, v.state, v.content::jsonb, v.changed_at, $13, $13,
       CASE WHEN {_WANTED} THEN v.tell_at END
FROM unnest($1::uuid[], $2::bigint[], $3::text[], $4::uuid[], $5::uuid[], $6::uuid[], $7::text[], $8::date[],
            $9::text[], $10::text[], $11::timestamptz[], $12::timestamptz[])
    AS v (news_id, revision, kind, school_id, student_id, group_id, only_students, on_day, state, content, changed_at,
          tell_at)
WHERE v.state = 'current' OR v.kind <> 'timetable_change' OR EXISTS (
    SELECT FROM news k WHERE k.news_id = v.news_id
)
ON CONFLICT (news_id) DO UPDATE
SET revision = excluded.revision, kind = excluded.kind, school_id = excluded.school_id,
    student_id = excluded.student_id, group_id = excluded.group_id, only_students = excluded.only_students,
    on_day = excluded.on_day, state = excluded.state, content = excluded.content, changed_at = excluded.changed_at,
    -- A further revision that says nothing else is not told again.
    received_at = CASE WHEN (n.state, n.on_day, n.only_students, n.content) IS DISTINCT FROM
                            (excluded.state, excluded.on_day, excluded.only_students, excluded.content)
                       THEN excluded.received_at ELSE n.received_at END,
    tell_at = CASE WHEN (n.state, n.on_day, n.only_students, n.content) IS DISTINCT FROM
                        (excluded.state, excluded.on_day, excluded.only_students, excluded.content)
                   THEN excluded.tell_at ELSE n.tell_at END
WHERE excluded.revision > n.revision
"""

_TAKE_GROUPS = """
INSERT INTO news_groups AS g (group_id, revision, school_id)
SELECT * FROM unnest($1::uuid[], $2::bigint[], $3::uuid[])
ON CONFLICT (group_id) DO UPDATE SET revision = excluded.revision, school_id = excluded.school_id
WHERE excluded.revision > g.revision
RETURNING group_id
"""
_REPLACE_MEMBERS = """
WITH present AS (
    SELECT * FROM unnest($2::uuid[], $3::uuid[]) AS v (group_id, student_id)
), gone AS (
    DELETE FROM group_members m WHERE m.group_id = ANY ($1::uuid[]) AND NOT EXISTS (
        SELECT FROM present p WHERE p.group_id = m.group_id AND p.student_id = m.student_id
    )
)
INSERT INTO group_members (group_id, student_id) SELECT group_id, student_id FROM present ON CONFLICT DO NOTHING
"""

_KNOWN_TIMETABLES = """
SELECT group_id, revision, slots FROM group_timetables WHERE group_id = ANY ($1::uuid[]) ORDER BY group_id FOR UPDATE
"""
_TAKE_TIMETABLES = """
INSERT INTO group_timetables AS t (group_id, revision, school_id, slots)
SELECT group_id, revision, school_id, slots::jsonb
FROM unnest($1::uuid[], $2::bigint[], $3::uuid[], $4::text[]) AS v (group_id, revision, school_id, slots)
ON CONFLICT (group_id) DO UPDATE
SET revision = excluded.revision, school_id = excluded.school_id, slots = excluded.slots
WHERE excluded.revision > t.revision
"""

_LOCK_TO_TELL = """
SELECT news_id, kind, school_id, state, told_at IS NOT NULL AS told_before FROM news
WHERE tell_at <= $1 ORDER BY tell_at LIMIT $2 FOR UPDATE SKIP LOCKED
"""
_AUDIENCE = """
SELECT n.news_id, c.student_id, c.representative_id
FROM news n
CROSS JOIN LATERAL (
    SELECT n.student_id WHERE n.student_id IS NOT NULL
    UNION ALL
    SELECT m.student_id FROM group_members m
    WHERE m.group_id = n.group_id AND (n.only_students = '{}' OR m.student_id = ANY (n.only_students))
) AS s (student_id)
JOIN consents c ON c.student_id = s.student_id
WHERE n.news_id = ANY ($1::uuid[]) AND c.cabinet = 'given'
  AND (c.email_decision = 'given' OR c.push_decision = 'given')
"""
_TOLD = """
UPDATE news SET tell_at = NULL, told_at = CASE WHEN state = 'current' OR told_at IS NOT NULL THEN $2::timestamptz END
WHERE news_id = ANY ($1::uuid[])
"""
_NEXT_TO_TELL = "SELECT extract(epoch FROM min(tell_at) - $1)::float8 FROM news WHERE tell_at IS NOT NULL"

_FORGET_OLD = """
DELETE FROM news WHERE news_id IN (
    SELECT news_id FROM news WHERE received_at < $1 ORDER BY received_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
"""
_FORGET_NEWS_OF = "DELETE FROM news WHERE student_id = ANY ($1::uuid[])"
_FORGET_MEMBERS = "DELETE FROM group_members WHERE student_id = ANY ($1::uuid[])"


@dataclass(frozen=True, slots=True)
class ToTell:
    """Something that waits to be told at once."""

    news_id: UUID
    kind: Kind
    school_id: UUID
    state: str
    told_before: bool


async def receive(conn: Connection, clock: Clock) -> datetime:
    """The instant at which what is taken in this transaction counts as received: later than any digest has read."""
    await conn.execute(_TAKING)
    until: datetime = await conn.fetchval(_READ_UNTIL)
    return max(await clock.now(conn), until)


async def read_until_now(conn: Connection, clock: Clock) -> datetime:
    """An instant before which no news will be taken any more. To be committed at once: news wait for it."""
    await conn.execute(_READING)
    until: datetime = await conn.fetchval(_MOVE_READ_UNTIL, await clock.now(conn))
    return until


async def zones(conn: Connection, school_ids: Iterable[UUID]) -> dict[UUID, str]:
    """The time zones of those schools that are known."""
    return {row["school_id"]: row["time_zone"] for row in await conn.fetch(_ZONES, sorted(set(school_ids)))}


async def take(conn: Connection, news: Sequence[tuple[News, datetime | None]], received_at: datetime) -> None:
    """Keeps the higher revision of each, with when it is to be told to those who want it at once."""
    ordered = sorted(news, key=lambda pair: pair[0].news_id)
    rows = [one for one, _ in ordered]
    await conn.execute(
        _TAKE,
        [one.news_id for one in rows],
        [one.revision for one in rows],
        [one.kind.value for one in rows],
        [one.school_id for one in rows],
        [one.student_id for one in rows],
        [one.group_id for one in rows],
        [",".join(map(str, one.only_students)) for one in rows],
        [one.on_day for one in rows],
        [one.state for one in rows],
        [orjson.dumps(one.content).decode() for one in rows],
        [one.changed_at for one in rows],
        [at for _, at in ordered],
        received_at,
    )


async def take_groups(conn: Connection, groups: Sequence[StudyGroupChanged]) -> None:
    """Keeps who is in each group; a closed one has nobody."""
    ordered = sorted(groups, key=lambda one: one.group_id)
    rows = await conn.fetch(
        _TAKE_GROUPS,
        [one.group_id for one in ordered],
        [one.revision for one in ordered],
        [one.school_id for one in ordered],
    )
    newer = {row["group_id"] for row in rows}
    members = [
        (one.group_id, student)
        for one in ordered
        if one.group_id in newer and one.state == "open"
        for student in sorted(set(one.member_ids))
    ]
    await conn.execute(
        _REPLACE_MEMBERS, sorted(newer), [group for group, _ in members], [student for _, student in members]
    )


async def known_timetables(conn: Connection, group_ids: Sequence[UUID]) -> dict[UUID, tuple[int, list[dict[str, Any]]]]:
    """The revision and the weekly lessons of those groups whose timetable is known."""
    rows = await conn.fetch(_KNOWN_TIMETABLES, group_ids)
    return {row["group_id"]: (row["revision"], row["slots"]) for row in rows}


def slots_of(event: TimetableChanged) -> list[dict[str, Any]]:
    """A timetable as it is kept."""
    return [
        {
            "weekday": slot.weekday,
            "number": slot.number,
            "subject": slot.subject.title,
            "room": slot.room,
            "starts_at": slot.starts_at,
            "valid_from": slot.valid_from.isoformat(),
            "valid_to": slot.valid_to.isoformat() if slot.valid_to else None,
        }
        for slot in event.slots
    ]


async def take_timetables(conn: Connection, timetables: Sequence[TimetableChanged]) -> None:
    """Keeps the higher revision of each."""
    ordered = sorted(timetables, key=lambda one: one.group_id)
    await conn.execute(
        _TAKE_TIMETABLES,
        [one.group_id for one in ordered],
        [one.revision for one in ordered],
        [one.school_id for one in ordered],
        [orjson.dumps(slots_of(one)).decode() for one in ordered],
    )


async def lock_to_tell(conn: Connection, now: datetime, limit: int) -> list[ToTell]:
    """What is to be told at once."""
    return [
        ToTell(row["news_id"], Kind(row["kind"]), row["school_id"], row["state"], row["told_before"])
        for row in await conn.fetch(_LOCK_TO_TELL, now, limit)
    ]


async def audience(conn: Connection, news_ids: Sequence[UUID]) -> dict[UUID, list[tuple[UUID, UUID]]]:
    """Whom news concern: students and recipients with a consent to messages; whether it holds is not looked at here."""
    found: dict[UUID, list[tuple[UUID, UUID]]] = {}
    for row in await conn.fetch(_AUDIENCE, news_ids):
        found.setdefault(row["news_id"], []).append((row["student_id"], row["representative_id"]))
    return found


async def mark_told(conn: Connection, news_ids: Sequence[UUID], now: datetime) -> None:
    """Notes that nobody waits for these any more."""
    await conn.execute(_TOLD, news_ids, now)


async def seconds_to_next(conn: Connection, now: datetime) -> float | None:
    """How long until something is to be told at once."""
    seconds: float | None = await conn.fetchval(_NEXT_TO_TELL, now)
    return seconds


async def forget_before(conn: Connection, instant: datetime, limit: int) -> int:
    """Removes news that were received before an instant; returns how many."""
    return int((await conn.execute(_FORGET_OLD, instant, limit)).rsplit(maxsplit=1)[-1])


async def forget_people(conn: Connection, person_ids: Sequence[UUID]) -> None:
    """Removes that persons were in groups."""
    await conn.execute(_FORGET_MEMBERS, person_ids)


async def forget_news_of(conn: Connection, person_ids: Sequence[UUID]) -> None:
    """Removes news about students."""
    await conn.execute(_FORGET_NEWS_OF, person_ids)
