"""The sample as OneRoster 1.1 and 1.2 CSV: one bulk archive with people and groups, then delta archives with results.

What OneRoster has no column for stands in `metadata.…` columns, as its extension rule asks.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Literal

from sutki.sample.curriculum import SENIOR_GRADES, WORKS
from sutki.sample.district import District
from sutki.sample.records import ExamResult, FinalGrade, Mark, Person, School
from sutki.sample.tables import cell, table

Version = Literal["1.1", "1.2"]
Files = dict[str, bytes]
Row = Sequence[object]

_TYPES = (
    "academicSessions", "categories", "classes", "classResources", "courses", "courseResources", "demographics",
    "enrollments", "lineItems", "orgs", "resources", "results", "users",
)  # fmt: skip
_TYPES_12 = (
    "lineItemLearningObjectiveIds", "lineItemScoreScales", "resultLearningObjectiveIds", "resultScoreScales", "roles",
    "scoreScales", "userProfiles", "userResources",
)  # fmt: skip
_SESSIONS = {"year": "schoolYear", "half_year": "semester", "quarter": "gradingPeriod"}
_CLASS_TYPES = {"class": "homeroom"}
_TITLES = {"year": "Учебный год", "half_year": "Полугодие", "quarter": "Четверть"}
_MARK_MAX = 5
_FINAL = "final_grade"


class OneRoster:
    """Writes one school of the district."""

    def __init__(self, district: District, school: School, version: Version) -> None:
        self._district = district
        self._school = school
        self._version = version
        self._new = version == "1.2"
        self._changed = cell(district.base)
        self._groups = [group for group in district.groups if group.school_id == school.school_id]
        self._grades = {group.group_id: group.grade_level for group in self._groups}

    def base(self) -> Files:
        """People, groups, subjects and periods, whole (`bulk`)."""
        files = {
            "orgs.csv": self._orgs(),
            "academicSessions.csv": self._sessions(),
            "courses.csv": self._courses(),
            "classes.csv": self._classes(),
            "users.csv": self._users(),
            "demographics.csv": self._demographics(),
            "enrollments.csv": self._enrollments(),
        }
        if self._new:
            files["roles.csv"] = self._roles()
        return self._with_manifest(files, "bulk")

    def marks(self) -> Files:
        """The marks, as a change (`delta`) to the base."""
        taken = [mark for mark in self._district.marks if mark.group_id in self._grades]
        works = {mark.work_id: mark for mark in taken}
        items = [self._work(mark) for mark in works.values()]
        results = [self._result(mark.mark_id, mark.work_id, mark.student_id, mark) for mark in taken]
        return self._graded(WORKS, items, results)

    def finals(self) -> Files:
        """The final grades, as a change to the base."""
        grades = [grade for grade in self._district.final_grades if grade.group_id in self._grades]
        items = {self._final_item(grade): grade for grade in grades}
        return self._graded(
            ((_FINAL, "1"),),
            [self._final_line(code, grade) for code, grade in items.items()],
            [self._result(grade.result_id, self._final_item(grade), grade.student_id, grade) for grade in grades],
        )

    def exams(self) -> Files:
        """Exam and competition results, as a change to the base."""
        taken = [result for result in self._district.exam_results if result.group_id in self._grades]
        kinds = sorted({result.kind for result in taken})
        items = {self._exam_item(result): result for result in taken}
        return self._graded(
            [(kind, "1") for kind in kinds],
            [self._exam_line(code, result) for code, result in items.items()],
            [self._result(result.result_id, self._exam_item(result), result.student_id, result) for result in taken],
        )

    def _graded(self, categories: Iterable[tuple[str, str]], items: list[Row], results: list[Row]) -> Files:
        return self._with_manifest(
            {
                # A line item names its class; a reader of the change alone must find it here.
                "classes.csv": self._classes(),
                "categories.csv": self._table(
                    ("title", "metadata.weight"), [(self._category(code), code, weight) for code, weight in categories]
                ),
                "lineItems.csv": self._table(self._line_columns(), items),
                "results.csv": self._table(self._result_columns(), results),
            },
            "delta",
        )

    def _table(self, columns: Sequence[str], rows: Iterable[Row]) -> bytes:
        """Every row of OneRoster begins with id, status and the time of its last change."""
        return table(
            ("sourcedId", "status", "dateLastModified", *columns),
            ((row[0], "active", self._changed, *row[1:]) for row in rows),
        )

    def _with_manifest(self, files: Files, kind: str) -> Files:
        names = sorted((*_TYPES, *_TYPES_12)) if self._new else _TYPES
        rows: list[tuple[str, str]] = [("manifest.version", "1.0"), ("oneroster.version", self._version)]
        rows += [(f"file.{name}", kind if f"{name}.csv" in files else "absent") for name in names]
        rows += [("source.systemName", "Образцовый журнал"), ("source.systemCode", self._school.school_id)]
        return {"manifest.csv": table(("propertyName", "value"), rows), **files}

    def _orgs(self) -> bytes:
        school = self._school
        row = (school.school_id, school.name, "school", "", "", school.address, school.time_zone)
        columns = ("name", "type", "identifier", "parentSourcedId", "metadata.address", "metadata.timeZone")
        return self._table(columns, [row])

    def _sessions(self) -> bytes:
        own = [period for period in self._district.periods if period.school_id == self._school.school_id]
        parents = {period.kind: period.period_id for period in own if period.kind == "year"}
        rows = [
            (
                period.period_id,
                f"{_TITLES[period.kind]} {period.number if period.kind != 'year' else period.school_year}",
                _SESSIONS[period.kind],
                period.starts_on,
                period.ends_on,
                "" if period.kind == "year" else parents["year"],
                period.school_year.split("/")[1],
                period.number,
            )
            for period in own
        ]
        columns = ("title", "type", "startDate", "endDate", "parentSourcedId", "schoolYear", "metadata.number")
        return self._table(columns, rows)

    def _courses(self) -> bytes:
        taught = {group.subject_id for group in self._groups}
        rows = [
            (subject.subject_id, "", subject.title, "", "", self._school.school_id, "", "")
            for subject in self._district.subjects
            if subject.subject_id in taught
        ]
        columns = ("schoolYearSourcedId", "title", "courseCode", "grades", "orgSourcedId", "subjects", "subjectCodes")
        return self._table(columns, rows)

    def _classes(self) -> bytes:
        term = f"{self._school.school_id}-year-1"
        rows = [
            (
                group.group_id,
                group.name,
                f"{group.grade_level:02d}",
                group.subject_id,
                group.group_id.removeprefix(f"{self._school.school_id}-"),
                _CLASS_TYPES.get(group.kind, "scheduled"),
                "",
                self._school.school_id,
                term,
                "",
                "",
                "",
                group.kind if group.kind in {"study_stream", "individual_plan"} else "",
            )
            for group in self._groups
        ]
        columns = (
            "title", "grades", "courseSourcedId", "classCode", "classType", "location", "schoolSourcedId",
            "termSourcedIds", "subjects", "subjectCodes", "periods", "metadata.kind",
        )  # fmt: skip
        return self._table(columns, rows)

    def _own_people(self) -> list[Person]:
        return [person for person in self._district.people if person.school_id == self._school.school_id]

    def _agents(self) -> tuple[dict[str, list[str]], dict[str, str]]:
        """Both directions of who represents whom at this school, and the kind of each representative."""
        here = {person.person_id for person in self._own_people() if person.role == "student"}
        agents: dict[str, list[str]] = defaultdict(list)
        kinds: dict[str, str] = {}
        for link in self._district.representatives:
            if link.student_id in here:
                agents[link.student_id].append(link.representative_id)
                agents[link.representative_id].append(link.student_id)
                kinds[link.representative_id] = {"parent": "parent", "guardian": "guardian"}.get(link.kind, "relative")
        return agents, kinds

    def _users(self) -> bytes:
        agents, kinds = self._agents()
        levels = self._levels()
        rows = []
        for person in self._own_people():
            name = ("", person.given, person.family, person.patronymic, "", "", "", "")
            ties = (",".join(agents.get(person.person_id, ())), levels.get(person.person_id, ""), "")
            if self._new:
                row: Row = (person.person_id, True, person.person_id, *name, *ties, self._school.school_id)
            else:
                role = kinds.get(person.person_id, person.role)
                row = (person.person_id, True, self._school.school_id, role, person.person_id, *name, *ties)
            rows.append(row)
        own = () if self._new else ("orgSourcedIds", "role")
        last = ("primaryOrgSourcedId",) if self._new else ()
        columns = (
            "enabledUser", *own, "username", "userIds", "givenName", "familyName", "middleName", "identifier", "email",
            "sms", "phone", "agentSourcedIds", "grades", "password", *last,
        )  # fmt: skip
        return self._table(columns, rows)

    def _levels(self) -> dict[str, str]:
        classes = {group.group_id: f"{group.grade_level:02d}" for group in self._groups if group.kind == "class"}
        return {
            member.person_id: classes[member.group_id]
            for member in self._district.members
            if member.group_id in classes
        }

    def _roles(self) -> bytes:
        _, kinds = self._agents()
        rows = [
            (
                f"role-{person.person_id}-{self._school.school_id}",
                person.person_id,
                "primary",
                kinds.get(person.person_id, person.role),
                "",
                "",
                self._school.school_id,
                "",
            )
            for person in self._own_people()
        ]
        columns = ("userSourcedId", "roleType", "role", "beginDate", "endDate", "orgSourcedId", "userProfileSourcedId")
        return self._table(columns, rows)

    def _demographics(self) -> bytes:
        rows = [(person.person_id, person.birth_date) for person in self._own_people() if person.birth_date]
        return self._table(("birthDate",), rows)

    def _enrollments(self) -> bytes:
        school = self._school.school_id
        students = [
            (f"{member.group_id}-{member.person_id}", member.group_id, school, member.person_id, "student", *[""] * 5)
            for member in self._district.members
            if member.group_id in self._grades
        ]
        teachers = [
            # The ids of teaching.csv: what both files say is one thing.
            (one.teaching_id, one.group_id, school, one.teacher_id, "teacher", one.role == "class_teacher",
             one.starts_on, "", one.role, one.subject_id)
            for one in self._district.teaching
            if one.group_id in self._grades
        ]  # fmt: skip
        columns = ("classSourcedId", "schoolSourcedId", "userSourcedId", "role", "primary", "beginDate", "endDate")
        own = ("metadata.teachingRole", "metadata.subjectSourcedId")
        return self._table((*columns, *own), [*students, *teachers])

    def _category(self, code: str) -> str:
        return f"{self._school.school_id}-category-{code}"

    def _line_columns(self) -> tuple[str, ...]:
        columns = (
            "title", "description", "assignDate", "dueDate", "classSourcedId", "categorySourcedId",
            "gradingPeriodSourcedId", "resultValueMin", "resultValueMax",
        )  # fmt: skip
        return (*columns, "academicSessionSourcedId", "schoolSourcedId") if self._new else columns

    def _line(self, code: str, title: str, day: date, place: tuple[str, str, str], top: int) -> Row:
        group, category, period = place
        row = (code, title, "", day, day, group, self._category(category), period, 0, top)
        return (*row, f"{self._school.school_id}-year-1", self._school.school_id) if self._new else row

    def _work(self, mark: Mark) -> Row:
        """A piece of work; the marks of the senior grades lie in the half-year, all others in the quarter."""
        senior = self._grades[mark.group_id] in SENIOR_GRADES
        period = f"{self._school.school_id}-{'half_year' if senior else 'quarter'}-1"
        place = (mark.group_id, mark.work_type, period)
        return self._line(mark.work_id, "Работа", mark.lesson_on, place, _MARK_MAX)

    @staticmethod
    def _final_item(grade: FinalGrade) -> str:
        return f"{grade.group_id}-{grade.period_id}-final"

    def _final_line(self, code: str, grade: FinalGrade) -> Row:
        day = grade.obtained_at.date()
        return self._line(code, "Итоговая отметка", day, (grade.group_id, _FINAL, grade.period_id), _MARK_MAX)

    @staticmethod
    def _exam_item(result: ExamResult) -> str:
        return f"{result.group_id}-{result.kind}"

    def _exam_line(self, code: str, result: ExamResult) -> Row:
        period = f"{self._school.school_id}-year-1"
        day = result.obtained_at.date()
        return self._line(code, result.title, day, (result.group_id, result.kind, period), result.max_score)

    def _result_columns(self) -> tuple[str, ...]:
        columns = ("lineItemSourcedId", "studentSourcedId", "scoreStatus", "score", "scoreDate", "comment")
        own = ("textScore", "classSourcedId", "incomplete", "late", "missing") if self._new else ()
        return (*columns, *own, "metadata.value", "metadata.obtainedAt", "metadata.held")

    def _result(self, code: str, item: str, student: str, what: Mark | FinalGrade | ExamResult) -> Row:
        score, text, instant, held = _score(what)
        day = what.lesson_on if isinstance(what, Mark) else what.obtained_at.date()
        row = (code, item, student, "fully graded", score, day, "")
        if self._new:
            return (*row, text, what.group_id, "", "", "", "", instant, held)
        return (*row, text, instant, held)


def _score(what: Mark | FinalGrade | ExamResult) -> tuple[object, str, datetime | None, object]:
    """Points, what cannot be said in points, when it was obtained, and whether it is held."""
    match what:
        case ExamResult():
            return what.score, what.grade, what.obtained_at, ""
        case FinalGrade():
            number = what.value.isdigit()
            return what.value if number else "", "" if number else what.value, what.obtained_at, what.held
        case Mark():
            number = what.value.isdigit()
            return what.value if number else "", "" if number else what.value, None, ""
