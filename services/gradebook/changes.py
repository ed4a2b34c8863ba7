"""The feed of changes: which aggregates have a new revision, in an order in which none is lost.

Rows are ordered by the transaction that wrote them, and shown once every transaction before has ended: a long one holds
the feed up and never gets lost behind a cursor. A cursor says which row was the last, and when it was given.
"""

import base64
import binascii
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from chassis.clock import Clock
from chassis.database import DISTRICT, Connection, Database
from chassis.timers import DueLoop

_PRUNED_AT_ONCE = 5000
_PRUNE_SECONDS = 60.0
_ROWS = """
SELECT made_by::text AS made_by, place, kind, aggregate_id, school_id, revision, state, changed_at
FROM changes
WHERE {whose} (made_by, place) > ($1::text::xid8, $2::bigint) AND made_by < pg_snapshot_xmin(pg_current_snapshot())
ORDER BY changes.made_by, changes.place LIMIT $3
"""
_OF_DISTRICT = _ROWS.format(whose="")
_OF_SCHOOL = (
    f"WITH own AS ({_ROWS.format(whose='school_id = $4 AND')}),"
    f" persons_known AS ({_ROWS.format(whose='school_id IS NULL AND')}) "
    "SELECT * FROM (TABLE own UNION ALL TABLE persons_known) AS both_kinds ORDER BY made_by::xid8, place LIMIT $3"
)
_NAMES = {
    kind: f"SELECT {key} AS id, source, external_id FROM {table} WHERE {key} = ANY($1::uuid[])"
    for kind, table, key in (
        ("school", "schools", "school_id"),
        ("person", "persons", "person_id"),
        ("group", "study_groups", "group_id"),
        ("campus", "campuses", "campus_id"),
        ("school_year", "school_years", "school_year_id"),
        ("holiday", "holidays", "holiday_id"),
        ("teaching", "teaching", "teaching_id"),
        ("curriculum", "curriculum_plan", "curriculum_id"),
        ("slot", "timetable_slots", "slot_id"),
        ("lesson", "lessons", "lesson_id"),
        ("substitution", "substitutions", "substitution_id"),
        ("control_work", "control_works", "control_work_id"),
        ("homework", "homework", "homework_id"),
        ("recommendation", "recommendations", "recommendation_id"),
        ("attendance", "attendance", "attendance_id"),
        ("mark", "marks", "mark_id"),
        ("final_grade", "final_grades", "result_id"),
        ("exam_result", "exam_results", "result_id"),
    )
}
"""How the journal calls things of each kind."""
_PRUNE = """
WITH oldest AS MATERIALIZED (SELECT made_by, place, changed_at FROM changes ORDER BY made_by, place LIMIT $2)
DELETE FROM changes AS c USING oldest AS o
WHERE c.made_by = o.made_by AND c.place = o.place AND o.changed_at < $1
"""


@dataclass(frozen=True)
class Cursor:
    """After which row a page begins."""

    made_by: int = 0
    place: int = 0
    given_at: datetime | None = None
    """When we gave it, to the second; None: the beginning."""

    def written(self) -> str:
        """As clients keep it."""
        seconds = 0 if self.given_at is None else int(self.given_at.timestamp())
        return base64.urlsafe_b64encode(f"{self.made_by}.{self.place}.{seconds}".encode()).decode().rstrip("=")


def read_cursor(text: str) -> Cursor:
    """What `Cursor.written` made.

    Raises:
        ValueError: it did not make it.
    """
    try:
        parts = (
            base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode("ascii").split(".")
        )
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError("not a cursor") from error
    made_by, place, seconds = (int(part) if part.isdecimal() and len(part) < 19 else -1 for part in parts)
    if min(made_by, place, seconds) < 0 or seconds > 10**11:
        raise ValueError("not a cursor")
    return Cursor(made_by, place, datetime.fromtimestamp(seconds, UTC))


@dataclass(frozen=True)
class Change:
    """A new revision of something."""

    kind: str
    aggregate_id: UUID
    source: str | None
    external_id: str | None
    school_id: UUID | None
    revision: int
    state: str | None
    changed_at: datetime


@dataclass(frozen=True)
class Page:
    """A part of the feed."""

    items: list[Change]
    next: Cursor
    more: bool
    """Whether there was more than fits in."""


async def page(conn: Connection, after: Cursor, limit: int, *, school_id: UUID | None, now: datetime) -> Page:
    """The next changes that the scope may see, and the cursor after them.

    Args:
        conn: the transaction.
        after: where to begin.
        limit: how many at the most.
        school_id: whose; None: the district's.
        now: the present, for the cursor.
    """
    begin = (str(after.made_by), after.place, limit + 1)
    if school_id is None:
        found = await conn.fetch(_OF_DISTRICT, *begin)
    else:
        found = await conn.fetch(_OF_SCHOOL, *begin, school_id)
    rows = found[:limit]
    names = await _names(conn, [(row["kind"], row["aggregate_id"]) for row in rows])
    items = []
    for row in rows:
        source, external_id = names.get((row["kind"], row["aggregate_id"]), (None, None))
        items.append(
            Change(
                row["kind"],
                row["aggregate_id"],
                source,
                external_id,
                row["school_id"],
                row["revision"],
                row["state"],
                row["changed_at"],
            )
        )
    last = Cursor(int(rows[-1]["made_by"]), rows[-1]["place"], now) if rows else replace(after, given_at=now)
    return Page(items, last, len(found) > limit)


async def _names(conn: Connection, things: Iterable[tuple[str, UUID]]) -> dict[tuple[str, UUID], tuple[str, str]]:
    """Source and external id of each thing; one query for each kind."""
    wanted: dict[str, set[UUID]] = defaultdict(set)
    for kind, our_id in things:
        wanted[kind].add(our_id)
    return {
        (kind, row["id"]): (row["source"], row["external_id"])
        for kind, ids in wanted.items()
        for row in await conn.fetch(_NAMES[kind], list(ids))
    }


async def prune(conn: Connection, before: datetime) -> int:
    """Forgets the oldest changes, a bounded number at a time.

    Returns:
        How many went.
    """
    return int((await conn.execute(_PRUNE, before, _PRUNED_AT_ONCE)).split()[-1])


def forgetting(database: Database, clock: Clock, keep_days: float) -> DueLoop:
    """The loop that forgets them."""

    async def work() -> int:
        async with database.transaction(DISTRICT) as conn:
            return await prune(conn, await clock.now(conn) - timedelta(days=keep_days))

    async def nothing_is_due() -> None:
        return None

    return DueLoop("gradebook.changes", work, nothing_is_due, idle_seconds=_PRUNE_SECONDS)
