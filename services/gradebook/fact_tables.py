"""SQL of the facts' tables, which are alike: load under lock, record, and keep each superseded revision.

The statements follow from the columns, so that a table and its history cannot come apart. Rows travel as one array for
each column.
"""

from collections.abc import Sequence
from typing import Any, Generic, TypeVar
from uuid import UUID

import orjson

from chassis.database import Connection
from services.gradebook.facts import (
    Attendance,
    Campus,
    ControlWork,
    Curriculum,
    Fact,
    Holiday,
    Homework,
    Lesson,
    Recommendation,
    SchoolYear,
    Slot,
    Substitution,
    Teaching,
)
from services.gradebook.queries import Columns, columns

F = TypeVar("F", bound=Fact)

_TYPES = {
    "external_id": "text",
    "weekday": "bigint",
    "number": "bigint",
    "moved_to_number": "bigint",
    "revision": "bigint",
    "hours": "numeric",
    "starts_at": "time",
    "ends_at": "time",
    "changed_at": "timestamptz",
    "valid_from": "date",
    "valid_to": "date",
    "attachments": "jsonb",
    "student_ids": "jsonb",
}


def sql_type(column: str) -> str:
    """The type of a column by its name."""
    if column in _TYPES:
        return _TYPES[column]
    if column.endswith("_id"):
        return "uuid"
    return "date" if column.endswith("_on") else "text"


def _sent(column: str) -> str:
    """The type in which a column's values are sent."""
    return "text" if sql_type(column) == "jsonb" else sql_type(column)


class FactTable(Generic[F]):
    """One table of facts with its history."""

    def __init__(self, fact: type[F], name: str, history: str) -> None:
        self.name = name
        self.columns = fact._fields
        self.key = fact._fields[0]
        self._fact: Any = fact
        names = ", ".join(fact._fields)
        self._json = frozenset(place for place, column in enumerate(fact._fields) if sql_type(column) == "jsonb")
        arrays = ", ".join(f"${place}::{_sent(column)}[]" for place, column in enumerate(fact._fields, start=1))
        values = ", ".join(f"{column}::{sql_type(column)}" for column in fact._fields)
        given = f"given AS (SELECT {values} FROM unnest({arrays}) AS g ({names}))"
        settings = ", ".join(f"{column} = g.{column}" for column in fact._fields[4:])
        self._read = f"SELECT {names} FROM {name}"
        self._select = f"SELECT {names} FROM {name} WHERE {self.key} = ANY($1::uuid[]) FOR UPDATE"
        # Who was erased is told of no more: readers have destroyed it. The journal itself keeps it.
        told = (
            " AND NOT EXISTS (SELECT FROM persons AS p WHERE p.person_id = t.student_id AND p.erased_at IS NOT NULL)"
            if "student_id" in fact._fields
            else ""
        )
        self._page = (
            f"SELECT {names} FROM {name} AS t WHERE {self.key} > $1{told} ORDER BY {self.key} LIMIT $2 FOR SHARE OF t"
        )
        self._insert = (
            f"WITH {given} INSERT INTO {name} ({names}) SELECT {names} FROM given"
            f" ON CONFLICT DO NOTHING RETURNING {self.key}"
        )
        self._update = (
            f"WITH {given}, superseded AS (INSERT INTO {history} SELECT t.* FROM {name} AS t"
            f" JOIN given AS g USING ({self.key})) UPDATE {name} AS t SET {settings}"
            f" FROM given AS g WHERE t.{self.key} = g.{self.key}"
        )

    def make(self, values: Sequence[object]) -> F:
        """A fact from its fields, in the table's order."""
        fact: F = self._fact(*values)
        return fact

    async def load(self, conn: Connection, ids: Sequence[UUID]) -> dict[UUID, F]:
        """The facts that are recorded and visible, locked until the end of the transaction."""
        return {row[0]: self._fact(*row) for row in await conn.fetch(self._select, ids)}

    async def insert(self, conn: Connection, new: Sequence[F]) -> set[UUID]:
        """Records new facts; returns the ids that were not taken by another school."""
        return {row[0] for row in await conn.fetch(self._insert, *self._arrays(new))}

    async def update(self, conn: Connection, changed: Sequence[F]) -> None:
        """Keeps the present revision as history and records the next one."""
        await conn.execute(self._update, *self._arrays(changed))

    def _arrays(self, facts: Sequence[F]) -> Columns:
        """One array for each column; lists travel as text, since an array of them would be taken for a matrix."""
        rows: Any = facts
        arrays = columns(rows)
        for place in self._json:
            arrays[place] = tuple(orjson.dumps(value).decode() for value in arrays[place])
        return arrays

    async def where(self, conn: Connection, condition: str, *arguments: object) -> list[F]:
        """The facts that fit a condition, which is constant text of the caller with the arguments as $1, $2 …."""
        return [self._fact(*row) for row in await conn.fetch(f"{self._read} WHERE {condition}", *arguments)]

    async def after(self, conn: Connection, last: UUID, limit: int) -> list[F]:
        """The next facts by id, for replay; locked, so that no newer revision gets ahead of a replayed one."""
        return [self._fact(*row) for row in await conn.fetch(self._page, last, limit)]


CAMPUSES = FactTable(Campus, "campuses", "campus_history")
SCHOOL_YEARS = FactTable(SchoolYear, "school_years", "school_year_history")
HOLIDAYS = FactTable(Holiday, "holidays", "holiday_history")
TEACHING = FactTable(Teaching, "teaching", "teaching_history")
CURRICULUM = FactTable(Curriculum, "curriculum_plan", "curriculum_history")
SLOTS = FactTable(Slot, "timetable_slots", "timetable_slot_history")
LESSONS = FactTable(Lesson, "lessons", "lesson_history")
SUBSTITUTIONS = FactTable(Substitution, "substitutions", "substitution_history")
CONTROL_WORKS = FactTable(ControlWork, "control_works", "control_work_history")
HOMEWORK = FactTable(Homework, "homework", "homework_history")
RECOMMENDATIONS = FactTable(Recommendation, "recommendations", "recommendation_history")
ATTENDANCE = FactTable(Attendance, "attendance", "attendance_history")
