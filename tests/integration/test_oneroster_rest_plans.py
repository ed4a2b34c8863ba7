"""Plans of OneRoster's gradebook: a page of a large journal reads what it is about, once, and nothing else."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import md5
from typing import Any, cast
from uuid import UUID

import pytest

from chassis.database import DISTRICT, Connection, Database, Scope, school
from services.gradebook.domain import Identity
from services.gradebook.oneroster_rest.collections import LINE_ITEMS, RESULTS, Collection
from services.gradebook.oneroster_rest.reading import Asked, Page, Place, Reader, anywhere, items_of_class, where
from tests.integration.test_statistics_plans import MARKS, SCHOOLS, database, nodes

__all__ = ["database"]

SCHOOL, CLASS = (UUID(md5(name).hexdigest()) for name in (b"s3", b"g3.1"))
GRADES = 4000
"""Of one school."""
ROSTER = {"group_members", "study_groups", "persons", "subjects", "schools", "periods"}


@dataclass(frozen=True)
class Listening:
    """A connection, and what it was asked."""

    conn: Connection
    asked: list[tuple[str, Sequence[Any]]]

    async def fetch(self, sql: str, *values: Any) -> Any:
        """Rows."""
        self.asked.append((sql, values))
        return await self.conn.fetch(sql, *values)

    async def fetchval(self, sql: str, *values: Any) -> Any:
        """One value."""
        self.asked.append((sql, values))
        return await self.conn.fetchval(sql, *values)


async def plans_of(
    conn: Connection, collection: Collection, asked: Asked, place: Place = anywhere, **parent: UUID
) -> tuple[Page, list[Any]]:
    """A page, and every step of what the database did for it."""
    listening = Listening(conn, [])
    school_id = None if await conn.fetchval("SELECT current_setting('sutki.scope') = 'district'") else SCHOOL
    reader = Reader(cast("Connection", listening), Identity(b"k" * 32, "d"), "d", school_id)
    page = await reader.page(collection, asked, place, [parent] if parent else [])
    steps = []
    for sql, values in listening.asked:
        found = await conn.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", *values)
        steps += nodes(found[0]["Plan"])
    return page, steps


def rows_of(steps: Sequence[Any], table: str) -> float:
    """How many rows of a table were read, those that were thrown away too."""
    reads = [step for step in steps if step.get("Relation Name") == table]
    return float(
        sum((step["Actual Rows"] + step.get("Rows Removed by Filter", 0)) * step["Actual Loops"] for step in reads)
    )


PAGES: list[tuple[str, Scope, Asked, Place, dict[str, UUID]]] = [
    ("the first page", school(SCHOOL), Asked(100), anywhere, {}),
    ("by another field", school(SCHOOL), Asked(100, sort="dueDate", descending=True), anywhere, {}),
    ("for the district", DISTRICT, Asked(100), where("t.school_id = {0}"), {"key": SCHOOL}),
]


@pytest.mark.timeout(180)
async def test_a_page_of_a_large_journal_reads_what_it_is_about_and_that_once(database: Database) -> None:
    for what, scope, asked, place, parent in PAGES:
        async with database.transaction(scope) as conn:
            page, first = await plans_of(conn, LINE_ITEMS, asked, place, **parent)
            assert page.next_cursor is not None
            _, second = await plans_of(conn, LINE_ITEMS, replace(asked, after=page.next_cursor), place, **parent)
        assert page.total > len(page.rows) == 100, what
        for steps in (first, second):
            # Within a per cent: what parallel workers read is told as a mean.
            assert rows_of(steps, "marks") == pytest.approx(MARKS / SCHOOLS, rel=0.01), what
            assert rows_of(steps, "final_grades") == pytest.approx(GRADES, rel=0.01), what
            assert max(step["Actual Loops"] for step in steps if step.get("Relation Name") in ROSTER) < 500, what
    await _a_class_is_read_through_its_members(database)
    await _results_are_counted_without_those_of_other_schools(database)


async def _a_class_is_read_through_its_members(database: Database) -> None:
    async with database.transaction(DISTRICT) as conn:
        page, steps = await plans_of(conn, LINE_ITEMS, Asked(100), items_of_class, key=CLASS)
        members = "ARRAY(SELECT person_id FROM group_members WHERE group_id = $1)"
        own = await conn.fetchval(f"SELECT count(*) FROM marks WHERE student_id = ANY({members})", CLASS)
    assert page.total > 0
    assert rows_of(steps, "marks") == pytest.approx(own, rel=0.01)
    assert 0 < own < MARKS / SCHOOLS


async def _results_are_counted_without_those_of_other_schools(database: Database) -> None:
    async with database.transaction(school(SCHOOL)) as conn:
        page, steps = await plans_of(conn, RESULTS, Asked(100))
    assert page.total == MARKS / SCHOOLS + GRADES
    # Once to count, once for the page.
    assert rows_of(steps, "marks") <= 2.1 * MARKS / SCHOOLS
