"""A random small journal with something of every kind of record, valid as a whole, as plain CSV files."""

import csv
from collections import defaultdict
from datetime import date, timedelta
from pathlib import Path
from random import Random

Row = dict[str, object]

_TEXTS = (
    "Задачи № 1–5, с. 12", 'Читать "Мцыри"; выучить', "Первая строка\nвторая, со знаком ;\n\nчетвёртая", "=2+2", "-1",
    "Ёлка, «кавычки» и | черта", " пробелы по краям ", "O'Брайен", "100 %", "😀",
    "+7 900", "@SUM(A1)", '=HYPERLINK("http://x")', "''=1", "'- было",
)  # fmt: skip
_NAMES = ("Примерова", "Образцов", "Учителева", "Иванов-Петров", "О'Нил", "Ёжикова", "д'Артаньян", "=Примеров", "-Ян")
_GIVEN = ("Анна", "Борис", "Глеб", "Дарья", "Ян", "Пётр")
_FIRST, _LAST = date(2026, 9, 1), date(2026, 10, 23)


def a_journal(folder: Path, rng: Random, *, kinds: frozenset[str] = frozenset()) -> Path:
    """Writes a journal.

    Args:
        folder: made for it.
        rng: of all chance.
        kinds: only these files; empty: all.
    """
    made = _Journal(rng)
    for number in range(1, rng.randint(1, 2) + 1):
        made.add_school(f"school/{number}")
    folder.mkdir(parents=True, exist_ok=True)
    for kind, rows in made.tables.items():
        if not kinds or kind in kinds:
            columns = list(dict.fromkeys(column for row in rows for column in row))
            with (folder / f"{kind}.csv").open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, columns, restval="")
                writer.writeheader()
                writer.writerows(rows)
    return folder


class _Journal:
    """What has been made so far."""

    def __init__(self, rng: Random) -> None:
        self.tables: dict[str, list[Row]] = defaultdict(list)
        self._rng = rng
        for subject, title in (("alg", "Алгебра"), ("rus", "Русский язык"), ("pe", "Физкультура")):
            self._add("subjects", subject_id=subject, title=title)

    def _add(self, table: str, **row: object) -> None:
        self.tables[table].append({name: value for name, value in row.items() if value is not None})

    def _chance(self, share: float) -> bool:
        return self._rng.random() < share

    def _day(self, first: date = _FIRST, last: date = _LAST) -> date:
        return first + timedelta(days=self._rng.randint(0, (last - first).days))

    def _text(self) -> str:
        return self._rng.choice(_TEXTS)

    def _line(self) -> str:
        return self._text().split("\n")[0]

    def add_school(self, school: str) -> None:
        """A school with everything in it."""
        rng = self._rng
        zone = rng.choice(("Europe/Moscow", "Asia/Yekaterinburg"))
        self._add("schools", school_id=school, name=f"Школа {school}", address=self._line(), time_zone=zone)
        self._calendar(school)
        campus = f"{school}-campus"
        self._add("campuses", campus_id=campus, school_id=school, title="Главное здание", address="ул. Образцовая, 1")
        teachers = [self._person(school, "teacher", n) for n in range(2)]
        for level in rng.sample(range(2, 12), rng.randint(1, 2)):
            self._class(school, level, campus, teachers)

    def _calendar(self, school: str) -> None:
        year = {"school_id": school, "school_year": "2026/2027"}
        self._add("school_years", school_year_id=f"{school}-y", starts_on=_FIRST, ends_on=date(2027, 5, 31), **year)
        self._add(
            "holidays", holiday_id=f"{school}-h", title="Осенние каникулы", starts_on="2026-10-26",
            ends_on="2026-11-03", **year,
        )  # fmt: skip
        for kind, number, first, last in (
            ("quarter", 1, "2026-09-01", "2026-10-25"),
            ("quarter", 2, "2026-11-04", "2026-12-28"),
            ("half_year", 1, "2026-09-01", "2026-12-28"),
            ("year", 1, "2026-09-01", "2027-05-31"),
        ):
            self._add(
                "periods", period_id=f"{school}-{kind}-{number}", kind=kind, number=number, starts_on=first,
                ends_on=last, **year,
            )  # fmt: skip

    def _person(self, school: str, role: str, number: object) -> str:
        person = f"{school}-{role}-{number}"
        birth = self._day(date(2009, 1, 1), date(2018, 1, 1)) if role == "student" and self._chance(0.8) else None
        self._add(
            "people", person_id=person, role=role, family=self._rng.choice(_NAMES), given=self._rng.choice(_GIVEN),
            patronymic=self._rng.choice(("", "Образцовна")), birth_date=birth, school_id=school,
        )  # fmt: skip
        return person

    def _class(self, school: str, level: int, campus: str, teachers: list[str]) -> None:
        rng = self._rng
        klass, study = f"{school}-{level}a", f"{school}-{level}a-alg"
        self._add(
            "groups", group_id=klass, school_id=school, kind="class", name=f"{level}А", grade_level=level,
            campus_id=campus if self._chance(0.5) else None,
        )  # fmt: skip
        kind = rng.choice(("study_group", "study_stream", "individual_plan"))
        self._add(
            "groups", group_id=study, school_id=school, kind=kind, name=f"{level}А, алгебра", grade_level=level,
            subject_id="alg",
        )  # fmt: skip
        students = [self._person(school, "student", f"{level}-{n}") for n in range(rng.randint(2, 4))]
        for student in students:
            joined = _FIRST if self._chance(0.5) else None
            self._add("members", group_id=klass, person_id=student, joined_on=joined)
            self._add("members", group_id=study, person_id=student)
            self._adults(school, student)
        self._teaching(school, level, klass, study, teachers)
        for place, student in enumerate(students):
            self._results(school, level, study, student, place, teachers)

    def _adults(self, school: str, student: str) -> None:
        for number in range(self._rng.randint(0, 2)):
            self._represents(self._person(school, "representative", f"{student}-{number}"), student)
        known = [str(row["person_id"]) for row in self.tables["people"] if row["role"] == "representative"]
        own = {row["representative_id"] for row in self.tables["representatives"] if row["student_id"] == student}
        others = [adult for adult in known if adult.startswith(f"{school}-") and adult not in own]
        # Somebody may be the parent of one child and the guardian of another.
        if others and self._chance(0.7):
            self._represents(self._rng.choice(others), student)

    def _represents(self, adult: str, student: str) -> None:
        kind = self._rng.choice(("parent", "guardian", "other"))
        in_force = self._rng.choice(("true", "true", "false"))
        self._add("representatives", representative_id=adult, student_id=student, kind=kind, in_force=in_force)

    def _teaching(self, school: str, level: int, klass: str, study: str, teachers: list[str]) -> None:
        rng, teacher = self._rng, teachers[0]
        about = {"group_id": study, "subject_id": "alg"}
        self._add("teaching", teaching_id=f"{study}-t", teacher_id=teacher, starts_on=_FIRST, **about)
        self._add("teaching", teaching_id=f"{klass}-t", teacher_id=teachers[1], group_id=klass, role="class_teacher")
        # One teacher with two subjects of one class, and somebody who looks after a group that has a subject.
        for subject in ("rus", "pe"):
            self._add(
                "teaching", teaching_id=f"{klass}-{subject}", teacher_id=teacher, group_id=klass, subject_id=subject,
                author_id=teachers[1],
            )  # fmt: skip
        self._add("teaching", teaching_id=f"{study}-h", teacher_id=teachers[1], group_id=study, role="class_teacher")
        period = f"{school}-{'quarter' if level < 10 else 'half_year'}-1"
        self._add(
            "curriculum", curriculum_id=f"{study}-c", period_id=period, lesson_type="new_material",
            hours=rng.choice(("34", "17.5")), author_id=teacher, **about,
        )  # fmt: skip
        self._add(
            "timetable", slot_id=f"{study}-s", teacher_id=teacher, room="12", weekday=rng.randint(1, 6), number=2,
            starts_at="09:30", ends_at="10:15", valid_from=_FIRST, **about,
        )  # fmt: skip
        for number in range(2):
            day = _FIRST + timedelta(days=7 * number + 1)
            self._add(
                "lessons", lesson_id=f"{study}-l{number}", teacher_id=teacher, lesson_on=day, number=2 + number,
                lesson_type="practice", topic=self._line(), status=rng.choice(("planned", "held")), **about,
            )  # fmt: skip
        self._add(
            "substitutions", substitution_id=f"{study}-sub", lesson_on="2026-10-05", number=2, kind="replaced",
            new_teacher_id=teachers[1], new_room="14", reason="illness", **about,
        )  # fmt: skip
        # Both on one day: the head answered for it.
        for number in range(2):
            self._add(
                "control_works", control_work_id=f"{study}-k{number}", planned_on="2026-10-15", title=self._line(),
                force="true", **about,
            )  # fmt: skip
        own = f"{school}-student-{level}-"
        students = "|".join(id_ for row in self.tables["people"] if (id_ := str(row["person_id"])).startswith(own))
        self._add(
            "homework", homework_id=f"{study}-hw", assigned_on="2026-10-12", due_on="2026-10-14", content=self._text(),
            attachments="Учебник, часть 1 https://example.org/a?b=c|https://example.org/d",
            student_ids=students if self._chance(0.5) else None, lesson_id=f"{study}-l0", **about,
        )  # fmt: skip

    def _results(self, school: str, level: int, study: str, student: str, place: int, teachers: list[str]) -> None:
        rng = self._rng
        about = {"student_id": student, "subject_id": "alg"}
        self._add(
            "recommendations", recommendation_id=f"{student}-r", given_on="2026-10-13", content=self._text(),
            kind=rng.choice(("recommendation", "observation")), author_id=teachers[0], **about,
        )  # fmt: skip
        self._add(
            "attendance", attendance_id=f"{student}-a", group_id=study, lesson_on=self._day(), number=2,
            code=rng.choice(("absent", "ill", "valid_reason", "late")), **about,
        )  # fmt: skip
        for number in range(rng.randint(1, 4)):
            at_lesson = self._chance(0.3)
            self._add(
                "marks", mark_id=f"{student}-m{number}", group_id=study,
                lesson_on=_FIRST + timedelta(days=1) if at_lesson else self._day(),
                lesson_id=f"{study}-l0" if at_lesson else None,
                work_type=rng.choice(("answer", "homework", "control_work")), weight=rng.choice(("1", "2", "0.5")),
                value=rng.choice(("2", "3", "4", "5", "зач")), author_id=teachers[0] if self._chance(0.5) else None,
                comment=self._line() if self._chance(0.3) else None, **about,
            )  # fmt: skip
        period = f"{school}-{'quarter' if level < 10 else 'half_year'}-1"
        self._add(
            "final_grades", result_id=f"{student}-f", period_id=period, value=rng.choice(("3", "4", "5", "осв")),
            obtained_at="2026-10-24T14:00:00+03:00", held=rng.choice(("true", "false")), **about,
        )  # fmt: skip
        self._add(
            "exam_results", result_id=f"{student}-e", kind=rng.choice(("oge", "competition")), title=self._line(),
            score=rng.choice(("22", "22.5", "")), max_score=rng.choice(("31", "")), grade=rng.choice(("5", "зач")),
            obtained_at="2026-10-20T09:00:00+03:00", **about,
        )  # fmt: skip
