"""The pack that the import benchmark takes: OneRoster 1.2 of one large school, streamed, the same for a seed.

Classes of 25 learn twelve subjects, each in a scheduled class of its own. A line item is a lesson on which the whole
class got a mark; the final grades of the quarter before come last.
"""

import csv
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from io import TextIOWrapper
from itertools import chain, islice
from pathlib import Path
from random import Random
from typing import Any

RESULTS_OF_STUDENT = 500
CLASS_SIZE = 25
TERM_DAYS = 60
SUBJECTS = (
    "Русский язык", "Литература", "Алгебра", "Геометрия", "Информатика", "Физика",
    "Химия", "Биология", "История", "География", "Английский язык", "Физическая культура",
)  # fmt: skip
CATEGORIES = {"answer": "1", "homework": "0.5", "self_study": "1", "control_work": "2", "final_grade": ""}
_LINE_ITEM_COLUMNS = (
    "sourcedId,title,assignDate,dueDate,classSourcedId,categorySourcedId,academicSessionSourcedId,schoolSourcedId,"
    "resultValueMin,resultValueMax"
)
_RESULT_COLUMNS = (
    "sourcedId,lineItemSourcedId,studentSourcedId,scoreStatus,score,scoreDate,comment,textScore,metadata.obtainedAt"
)
_FAMILIES = ("Примерова", "Образцов", "Учебная", "Опытный", "Пробная", "Тестов", "Условная", "Макетов")
_GIVEN = ("Анна", "Борис", "Вера", "Глеб", "Дарья", "Егор", "Жанна", "Захар", "Инна", "Кирилл")
_VALUES, _SHARES = ("2", "3", "4", "5", "зач"), (5, 25, 38, 30, 2)
_SEED = 24

Cells = Sequence[Any]


def write_pack(path: Path, results: int, today: date, seed: int = _SEED) -> None:
    """Writes the pack; never more of it than a row is in memory.

    Args:
        path: the ZIP archive to write.
        results: how many there are in it.
        today: in the middle of the term whose marks these are; none is later.
        seed: of all chance.
    """
    _Pack(max(CLASS_SIZE, results // RESULTS_OF_STUDENT), today, Random(seed)).write(path, results)


class _Pack:
    def __init__(self, students: int, today: date, rng: Random) -> None:
        self._students = students
        self._classes = -(-students // CLASS_SIZE)
        self._today = today
        self._rng = rng
        self._groups = [(form, subject) for form in range(self._classes) for subject in range(len(SUBJECTS))]

    def write(self, path: Path, results: int) -> None:
        """All files; the large ones are made row by row."""
        marks = max(0, results - self._students * len(SUBJECTS))
        columns = -(-marks // (self._students * len(SUBJECTS)))
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
            for name, header, rows in (*self._roster(), *self._gradebook(columns, marks, results)):
                _write(archive, name, header, rows)

    def _roster(self) -> Iterator[tuple[str, str, Iterable[Cells]]]:
        names = ("academicSessions", "categories", "classes", "courses", "enrollments", "lineItems", "orgs", "results")
        announced = [(f"file.{name}", "bulk") for name in (*names, "roles", "users")]
        yield "manifest.csv", "propertyName,value", [("oneroster.version", "1.2"), *announced]
        yield "orgs.csv", "sourcedId,name,type", [("s", "Школа № 1", "school")]
        yield "courses.csv", "sourcedId,title,orgSourcedId", [(f"c{n}", title, "s") for n, title in enumerate(SUBJECTS)]
        yield "academicSessions.csv", "sourcedId,title,type,startDate,endDate,schoolYear", self._sessions()
        yield (
            "users.csv",
            "sourcedId,enabledUser,username,givenName,familyName",
            ((f"u{n}", "true", f"u{n}", _GIVEN[n % 10], _FAMILIES[n % 8]) for n in range(self._students)),
        )
        yield (
            "roles.csv",
            "sourcedId,userSourcedId,roleType,role,orgSourcedId",
            ((f"r{n}", f"u{n}", "primary", "student", "s") for n in range(self._students)),
        )
        yield (
            "classes.csv",
            "sourcedId,title,grades,courseSourcedId,classType,schoolSourcedId,termSourcedIds",
            (
                (f"k{form}.{n}", f"{form % 7 + 5}-{form} {SUBJECTS[n]}", form % 7 + 5, f"c{n}", "scheduled", "s", "q2")
                for form, n in self._groups
            ),
        )
        yield (
            "enrollments.csv",
            "sourcedId,classSourcedId,schoolSourcedId,userSourcedId,role",
            (
                (f"e{form}.{n}.{student}", f"k{form}.{n}", "s", f"u{student}", "student")
                for form, n in self._groups
                for student in self._of_class(form)
            ),
        )

    def _sessions(self) -> list[Cells]:
        first, middle = self._today - timedelta(days=3 * TERM_DAYS), self._today - timedelta(days=TERM_DAYS)
        last = self._today + timedelta(days=TERM_DAYS)
        return [
            ("q1", "Первая четверть", "gradingPeriod", first, middle - timedelta(days=1), last.year),
            ("q2", "Вторая четверть", "gradingPeriod", middle, last, last.year),
        ]

    def _gradebook(self, columns: int, marks: int, results: int) -> Iterator[tuple[str, str, Iterable[Cells]]]:
        yield (
            "categories.csv",
            "sourcedId,title,metadata.weight",
            [(title, title, w) for title, w in CATEGORIES.items()],
        )
        both = chain(islice(self._marks(columns), marks), self._final_grades())
        yield (
            "lineItems.csv",
            _LINE_ITEM_COLUMNS,
            self._line_items(columns),
        )
        yield (
            "results.csv",
            _RESULT_COLUMNS,
            ((f"m{number}", *cells) for number, cells in enumerate(islice(both, results))),
        )

    def _line_items(self, columns: int) -> Iterator[Cells]:
        work_types = [title for title in CATEGORIES if title != "final_grade"]
        for form, n in self._groups:
            group = f"k{form}.{n}"
            for column in range(columns):
                day, work_type = self._day(column), work_types[column % len(work_types)]
                yield f"l{form}.{n}.{column}", f"Урок {column + 1}", day, day, group, work_type, "q2", "s", 1, 5
            day = self._today - timedelta(days=TERM_DAYS + 1)
            yield f"f{form}.{n}", "Четвертная отметка", day, day, group, "final_grade", "q1", "s", 1, 5

    def _marks(self, columns: int) -> Iterator[Cells]:
        # Lesson by lesson, as a school year goes: a journal's export is not sorted by group.
        for column in range(columns):
            day = self._day(column)
            for form, n in self._groups:
                item, students = f"l{form}.{n}.{column}", self._of_class(form)
                values = self._rng.choices(_VALUES, _SHARES, k=len(students))
                for student, value in zip(students, values, strict=True):
                    score, text = (value, "") if value.isdecimal() else ("", value)
                    yield item, f"u{student}", "fully graded", score, day, "", text, ""

    def _final_grades(self) -> Iterator[Cells]:
        obtained = datetime.combine(self._today - timedelta(days=TERM_DAYS + 1), datetime.min.time()).isoformat()
        for form, n in self._groups:
            for student in self._of_class(form):
                grade = self._rng.choice("345")
                yield f"f{form}.{n}", f"u{student}", "fully graded", grade, obtained[:10], "", "", f"{obtained}Z"

    def _of_class(self, form: int) -> range:
        return range(form * CLASS_SIZE, min((form + 1) * CLASS_SIZE, self._students))

    def _day(self, column: int) -> date:
        return self._today - timedelta(days=column % TERM_DAYS)


def _write(archive: zipfile.ZipFile, name: str, header: str, rows: Iterable[Cells]) -> None:
    with archive.open(name, "w") as member, TextIOWrapper(member, encoding="utf-8", newline="") as text:
        text.write(header + "\r\n")
        csv.writer(text).writerows(rows)
