"""SQL of writing: columns that clients make, the results that stand in them, and what of a mark must stay."""

from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import NamedTuple
from uuid import UUID

from chassis.database import Connection
from services.gradebook.oneroster_rest.shapes import Row


class StoredItem(NamedTuple):
    """A column at one revision. The fields follow the table's columns."""

    line_item_id: UUID
    school_id: UUID
    source: str
    external_id: str
    group_id: UUID
    subject_id: UUID
    category: str
    weight: Decimal
    title: str
    description: str
    assigned_on: date
    due_on: date
    period_id: UUID | None
    max_score: Decimal | None
    state: str
    changed_by: str
    changed_at: datetime
    revision: int

    def purpose(self) -> tuple[object, ...]:
        """What its results are for."""
        return self.group_id, self.subject_id, self.category, self.weight, self.due_on, self.period_id, self.max_score

    def said(self) -> tuple[object, ...]:
        """All that a client states."""
        return *self.purpose(), self.title, self.description, self.assigned_on, self.state


_COLUMNS = ", ".join(StoredItem._fields)
_ITEM = f"SELECT {_COLUMNS} FROM oneroster_line_items WHERE line_item_id = $1 FOR UPDATE"


async def item(conn: Connection, line_item_id: UUID) -> StoredItem | None:
    """A column, locked until the end of the transaction."""
    row = await conn.fetchrow(_ITEM, line_item_id)
    return None if row is None else StoredItem(*row)


_INSERT = f"""
INSERT INTO oneroster_line_items ({_COLUMNS})
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)
ON CONFLICT DO NOTHING
"""


async def insert_item(conn: Connection, new: StoredItem) -> bool:
    """Makes a column; false: the id is taken, by another school's."""
    return (await conn.execute(_INSERT, *new)).endswith(" 1")


_UPDATE = """
WITH superseded AS (
    INSERT INTO oneroster_line_item_history SELECT i.* FROM oneroster_line_items AS i WHERE i.line_item_id = $1
)
UPDATE oneroster_line_items
SET group_id = $5, subject_id = $6, category = $7, weight = $8, title = $9, description = $10, assigned_on = $11,
    due_on = $12, period_id = $13, max_score = $14, state = $15, changed_by = $16, changed_at = $17, revision = $18
WHERE line_item_id = $1 AND school_id = $2 AND source = $3 AND external_id = $4
"""


async def update_item(conn: Connection, changed: StoredItem) -> None:
    """Keeps the present revision as history and states the next one."""
    await conn.execute(_UPDATE, *changed)


_IN_USE = "SELECT EXISTS (SELECT FROM oneroster_result_items WHERE line_item_id = $1)"


async def has_results(conn: Connection, line_item_id: UUID) -> bool:
    """Whether results were put into a column."""
    return bool(await conn.fetchval(_IN_USE, line_item_id))


_PLACE = """
INSERT INTO oneroster_result_items (result_id, line_item_id, school_id)
SELECT result_id, $2, $3 FROM unnest($1::uuid[]) AS g (result_id)
ON CONFLICT (result_id) DO UPDATE SET line_item_id = excluded.line_item_id
"""


async def place(conn: Connection, result_ids: Sequence[UUID], line_item_id: UUID, school_id: UUID) -> None:
    """Puts results into a column."""
    await conn.execute(_PLACE, result_ids, line_item_id, school_id)


_TAKE_OUT = "DELETE FROM oneroster_result_items WHERE result_id = ANY($1::uuid[])"


async def take_out(conn: Connection, result_ids: Sequence[UUID]) -> None:
    """Takes results out of columns that clients made."""
    await conn.execute(_TAKE_OUT, result_ids)


_KEPT = """
SELECT m.mark_id, g.external_id AS group_id, l.external_id AS lesson_id, p.external_id AS author_id,
       m.lesson_on, b.external_id AS subject_id, m.work_type, m.weight, m.value, q.external_id AS student_id
FROM marks AS m
JOIN subjects AS b ON b.subject_id = m.subject_id
JOIN persons AS q ON q.person_id = m.student_id
LEFT JOIN study_groups AS g ON g.group_id = m.group_id
LEFT JOIN lessons AS l ON l.lesson_id = m.lesson_id
LEFT JOIN persons AS p ON p.person_id = m.author_id
WHERE m.mark_id = ANY($1::uuid[])
"""


async def marks_as_sent(conn: Connection, mark_ids: Sequence[UUID]) -> dict[UUID, Row]:
    """Marks by the journal's own ids: OneRoster says nothing of lesson and author, and they must not be lost."""
    return {row["mark_id"]: dict(row) for row in await conn.fetch(_KEPT, mark_ids)}


_GRADES = """
SELECT f.result_id, f.obtained_at, f.held, f.value, (f.obtained_at AT TIME ZONE s.time_zone)::date AS obtained_on
FROM final_grades AS f JOIN schools AS s USING (school_id) WHERE f.result_id = ANY($1::uuid[])
UNION ALL
SELECT e.result_id, e.obtained_at, false, e.grade, (e.obtained_at AT TIME ZONE s.time_zone)::date
FROM exam_results AS e JOIN schools AS s USING (school_id) WHERE e.result_id = ANY($1::uuid[])
"""


async def obtained(conn: Connection, result_ids: Sequence[UUID]) -> dict[UUID, Row]:
    """When final grades and exam results were obtained, and whether they are held."""
    return {row["result_id"]: dict(row) for row in await conn.fetch(_GRADES, result_ids)}


_ZONE = "SELECT time_zone FROM schools WHERE school_id = $1"


async def time_zone(conn: Connection, school_id: UUID) -> str:
    """The school's time zone."""
    zone: str = await conn.fetchval(_ZONE, school_id)
    return zone
