"""A generated school year, written into the tables as it would lie there: for statistics and summary sheets.

Each year has ids of its own, so that many live in one database.
"""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import asyncpg

NOW = datetime(2026, 10, 23, 12, 0, tzinfo=UTC)
GRADES = ("2", "3", "4", "5", "5", "4", "1", "н/а", "осв", "зач", "незач")
MARKS = ("2", "3", "4", "5", "5", "4", "1", "зач", "незач")
TYPES = ("new_material", "practice", "control_work", "other")


@dataclass
class SchoolYear:
    """Rows by table."""

    school_year: str
    quarter: UUID
    school: UUID
    classes: list[UUID]
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def of(self, table: str) -> list[dict[str, Any]]:
        """The rows of a table."""
        return self.rows.setdefault(table, [])

    async def write(self, conn: "asyncpg.Connection[asyncpg.Record]") -> None:
        """Writes everything; as the superuser, past row-level security."""
        for table, rows in self.rows.items():
            names = list(rows[0]) if rows else []
            await conn.copy_records_to_table(table, columns=names, records=[tuple(row.values()) for row in rows])


class Generator:
    """Makes years from one seed. The same seed makes the same rows again under other ids, so that both fit in."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self._apart = uuid4().int

    def uuid(self) -> UUID:
        """A new id."""
        return UUID(int=self.random.getrandbits(128) ^ self._apart, version=4)

    def year(self, school_year: str, titles: Iterable[str]) -> SchoolYear:
        """One school with three classes, two groups, and everything that is counted."""
        first = int(school_year[:4])
        starts, ends = date(first, 9, 1), date(first, 10, 25)
        year = SchoolYear(school_year, self.uuid(), self.uuid(), [self.uuid() for _ in range(3)])
        self._ground(year, starts, ends)
        subjects = [self._subject(year, title) for title in titles]
        groups = [self._group(year, "study_group", subject) for subject in subjects[:2]]
        for class_id in year.classes:
            self._group(year, "class", None, class_id)
        teachers = [self._person(year) for _ in range(3)]
        students = [self._person(year) for _ in range(self.random.randint(4, 14))]
        for student in students:
            self._member(year, self.random.choice(year.classes), student)
            for group in groups:
                if self.random.random() < 0.6:
                    self._member(year, group, student)
        for group in [*year.classes, *groups]:
            for subject in self.random.sample(subjects, 2):
                self._teaching(year, group, subject, self.random.choice(teachers))
                self._plan(year, group, subject)
        self._results(year, students, subjects)
        self._marks(year, students, subjects, [*groups, *year.classes], teachers, starts)
        self._lessons(year, [*year.classes, *groups], subjects, teachers, starts)
        return year

    def _ground(self, year: SchoolYear, starts: date, ends: date) -> None:
        name = f"Школа {year.school.hex[:6]}"
        year.of("schools").append(
            self._own(year, "school_id", year.school, school=False)
            | {"name": name, "address": "", "time_zone": "Europe/Moscow", "revision": 1, "changed_at": NOW}
        )
        for kind, number, period_id in (("quarter", 1, year.quarter), ("year", 1, self.uuid())):
            year.of("periods").append(
                self._own(year, "period_id", period_id)
                | {"kind": kind, "number": number, "school_year": year.school_year, "starts_on": starts}
                | {"ends_on": ends if kind == "quarter" else ends + timedelta(days=210)}
            )

    def _own(self, year: SchoolYear, key: str, value: UUID, *, school: bool = True) -> dict[str, Any]:
        own: dict[str, Any] = {key: value, "source": "district", "external_id": value.hex}
        return own | ({"school_id": year.school} if school else {})

    def _subject(self, year: SchoolYear, title: str) -> UUID:
        subject_id = self.uuid()
        year.of("subjects").append(self._own(year, "subject_id", subject_id) | {"title": title})
        return subject_id

    def _group(self, year: SchoolYear, kind: str, subject: UUID | None, group_id: UUID | None = None) -> UUID:
        made = group_id or self.uuid()
        year.of("study_groups").append(
            self._own(year, "group_id", made)
            | {"kind": kind, "name": f"{kind} {made.hex[:4]}", "grade_level": 7, "subject_id": subject, "open": True}
            | {"changed_at": NOW}
        )
        return made

    def _person(self, year: SchoolYear) -> UUID:
        person_id = self.uuid()
        name = f'{{"name": {{"family": "Ф{person_id.hex[:5]}", "given": "И", "patronymic": ""}}}}'
        year.of("persons").append(
            self._own(year, "person_id", person_id, school=False)
            | {"known_to": [year.school], "state": name, "changed_at": NOW, "revision": 1}
        )
        return person_id

    def _member(self, year: SchoolYear, group: UUID, person: UUID) -> None:
        year.of("group_members").append(
            {"group_id": group, "person_id": person, "school_id": year.school, "active": True, "joined_at": NOW}
        )

    def _fact(self, year: SchoolYear, key: str, state: str = "active") -> dict[str, Any]:
        return self._own(year, key, self.uuid()) | {
            "state": state,
            "changed_by": "test",
            "changed_at": NOW,
            "revision": 1,
        }

    def _teaching(self, year: SchoolYear, group: UUID, subject: UUID, teacher: UUID) -> None:
        year.of("teaching").append(
            self._fact(year, "teaching_id", self.random.choice(("active", "active", "withdrawn")))
            | {"teacher_id": teacher, "group_id": group, "subject_id": subject, "role": "subject_teacher"}
        )

    def _plan(self, year: SchoolYear, group: UUID, subject: UUID) -> None:
        for lesson_type in self.random.sample(TYPES, 2):
            year.of("curriculum_plan").append(
                self._fact(year, "curriculum_id", self.random.choice(("active", "active", "withdrawn")))
                | {"group_id": group, "subject_id": subject, "period_id": year.quarter, "lesson_type": lesson_type}
                | {"hours": Decimal(self.random.randint(0, 4000)) / 100}
            )

    def _results(self, year: SchoolYear, students: list[UUID], subjects: list[UUID]) -> None:
        for student in students:
            for subject in subjects:
                state = self.random.choice(("set",) * 8 + ("deferred", "withdrawn"))
                if self.random.random() < 0.15:
                    continue
                year.of("final_grades").append(
                    self._own(year, "result_id", self.uuid())
                    | {"student_id": student, "subject_id": subject, "period_id": year.quarter, "state": state}
                    | {"value": self.random.choice(GRADES) if state == "set" else None, "held": False}
                    | {"deferred_until": date(2026, 11, 20) if state == "deferred" else None}
                    | dict.fromkeys(("obtained_at", "stated_obtained_at", "recorded_at", "changed_at"), NOW)
                    | {"revision": 1, "value_revision": 1}
                )

    def _marks(
        self,
        year: SchoolYear,
        students: list[UUID],
        subjects: list[UUID],
        groups: list[UUID],
        teachers: list[UUID],
        starts: date,
    ) -> None:
        for _ in range(self.random.randint(0, 150)):
            year.of("marks").append(
                self._own(year, "mark_id", self.uuid())
                | {"student_id": self.random.choice(students), "subject_id": self.random.choice(subjects)}
                | {"group_id": self.random.choice([None, *groups]), "author_id": self.random.choice([None, *teachers])}
                | {"lesson_on": starts + timedelta(days=self.random.randint(-5, 60)), "work_type": "answer"}
                | {"weight": Decimal(self.random.randint(1, 1000)) / 100, "value": self.random.choice(MARKS)}
                | {"state": self.random.choice(("recorded", "recorded", "recorded", "withdrawn"))}
                | {"recorded_at": NOW, "revision": 1}
            )

    def _lessons(
        self, year: SchoolYear, groups: list[UUID], subjects: list[UUID], teachers: list[UUID], starts: date
    ) -> None:
        for _ in range(self.random.randint(0, 80)):
            lesson = (
                self._fact(year, "lesson_id", self.random.choice(("planned", "held", "held", "cancelled", "withdrawn")))
                | {"group_id": self.random.choice(groups), "subject_id": self.random.choice(subjects)}
                | {"teacher_id": self.random.choice([None, *teachers]), "lesson_type": self.random.choice(TYPES)}
                | {"lesson_on": starts + timedelta(days=self.random.randint(-5, 60)), "room": ""}
                | {"number": self.random.randint(1, 6), "topic": self.random.choice(("", "Тема А", "Тема Б"))}
            )
            taken = {(row["group_id"], row["lesson_on"], row["number"]) for row in year.of("lessons")}
            if (lesson["group_id"], lesson["lesson_on"], lesson["number"]) not in taken:
                year.of("lessons").append(lesson)
        for lesson in list(year.of("lessons")):
            if self.random.random() < 0.3:
                self._change(year, lesson)

    def _change(self, year: SchoolYear, lesson: dict[str, Any]) -> None:
        kind = self.random.choice(("replaced", "moved", "cancelled"))
        other = self.random.choice(year.of("lessons"))
        moved = kind == "moved"
        year.of("substitutions").append(
            self._fact(year, "substitution_id", self.random.choice(("announced", "announced", "revoked")))
            | {"group_id": lesson["group_id"], "subject_id": lesson["subject_id"], "kind": kind, "new_room": ""}
            | {"lesson_id": self.random.choice((None, lesson["lesson_id"])), "lesson_on": lesson["lesson_on"]}
            | {"number": self.random.choice((lesson["number"], lesson["number"], 7))}
            | {
                "moved_to_on": other["lesson_on"] if moved else None,
                "moved_to_number": other["number"] if moved else None,
            }
        )
