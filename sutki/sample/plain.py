"""The sample as plain CSV, one file per kind."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from sutki.sample.district import District
from sutki.sample.journal_records import (
    Attendance,
    ControlWork,
    DatedLesson,
    Homework,
    PlanRow,
    Recommendation,
    Slot,
    Substitution,
    Taught,
)
from sutki.sample.records import (
    Campus,
    ExamResult,
    FinalGrade,
    Group,
    Holiday,
    Mark,
    Member,
    Period,
    Person,
    Representation,
    School,
    SchoolYear,
    Subject,
)
from sutki.sample.tables import table

Files = dict[str, bytes]
_InGroup = TypeVar(
    "_InGroup", Taught, PlanRow, Slot, DatedLesson, Substitution, ControlWork, Homework, Recommendation, Mark
)


class Plain:
    """Writes one school of the district."""

    def __init__(self, district: District, school: School, *, beside_oneroster: bool = False) -> None:
        """A writer.

        Args:
            district: what `generate` made.
            school: which of its schools.
            beside_oneroster: periods come from OneRoster, whose sessions belong to no school, so that a period of this
                school is called by both.
        """
        self._district = district
        self._period_suffix = f"@{school.school_id}" if beside_oneroster else ""
        self._school = school
        self._groups = [group for group in district.groups if group.school_id == school.school_id]
        self._group_ids = {group.group_id for group in self._groups}

    def base(self) -> Files:
        """People, groups, subjects and periods."""
        district, school_id = self._district, self._school.school_id
        people = [person for person in district.people if person.school_id == school_id]
        students = {person.person_id for person in people if person.role == "student"}
        links = [link for link in district.representatives if link.student_id in students]
        members = [member for member in district.members if member.group_id in self._group_ids]
        periods = [period for period in district.periods if period.school_id == school_id]
        return {
            "schools.csv": _table(School._fields, [self._school]),
            "subjects.csv": _table(Subject._fields, district.subjects),
            "periods.csv": _table(Period._fields, periods),
            "people.csv": _table(Person._fields, people),
            "representatives.csv": _table(Representation._fields, links),
            "groups.csv": _table(Group._fields, self._groups),
            "members.csv": _table(Member._fields, members),
        }

    def timetable(self) -> Files:
        """Calendar, teachers, plan, timetable and dated lessons: what OneRoster has no place for, too."""
        district, school_id = self._district, self._school.school_id
        return {
            "campuses.csv": _table(Campus._fields, (one for one in district.campuses if one.school_id == school_id)),
            "school_years.csv": _table(
                SchoolYear._fields, (one for one in district.school_years if one.school_id == school_id)
            ),
            "holidays.csv": _table(Holiday._fields, (one for one in district.holidays if one.school_id == school_id)),
            "teaching.csv": _table(Taught._fields, self._ours(district.teaching)),
            "curriculum.csv": _table(
                PlanRow._fields,
                (
                    row._replace(period_id=row.period_id + self._period_suffix)
                    for row in self._ours(district.curriculum)
                ),
            ),
            "timetable.csv": _table(Slot._fields, self._ours(district.timetable)),
            "lessons.csv": _table(DatedLesson._fields, self._ours(district.lessons)),
        }

    def journal(self) -> Files:
        """What changes from day to day: substitutions, control works, homework, advice, attendance."""
        district = self._district
        students = {
            person.person_id
            for person in district.people
            if person.school_id == self._school.school_id and person.role == "student"
        }
        absent = [one for one in district.attendance if one.student_id in students]
        return {
            "substitutions.csv": _table(Substitution._fields, self._ours(district.substitutions)),
            "control_works.csv": _table(ControlWork._fields, self._ours(district.control_works)),
            "homework.csv": _table(Homework._fields, self._ours(district.homework)),
            "recommendations.csv": _table(Recommendation._fields, self._ours(district.recommendations)),
            "attendance.csv": _table(Attendance._fields, absent),
        }

    def _ours(self, rows: Iterable[_InGroup]) -> list[_InGroup]:
        return [row for row in rows if row.group_id in self._group_ids]

    def marks(self) -> Files:
        """The marks."""
        return {"marks.csv": _table(Mark._fields[:-1], (mark[:-1] for mark in self._ours(self._district.marks)))}

    def finals(self) -> Files:
        """The final grades."""
        rows = [grade for grade in self._district.final_grades if grade.group_id in self._group_ids]
        return {"final_grades.csv": _table(FinalGrade._fields[:-1], (grade[:-1] for grade in rows))}

    def exams(self) -> Files:
        """Exam and competition results."""
        rows = [result for result in self._district.exam_results if result.group_id in self._group_ids]
        return {"exam_results.csv": _table(ExamResult._fields[:-1], (result[:-1] for result in rows))}


def _table(columns: Sequence[str], rows: Iterable[Iterable[object]]) -> bytes:
    # As Russian spreadsheets save it.
    return table(columns, rows, delimiter=";")
