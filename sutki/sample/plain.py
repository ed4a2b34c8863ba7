"""The sample as plain CSV, one file per kind."""

from collections.abc import Iterable, Sequence

from sutki.sample.district import District
from sutki.sample.records import (
    ExamResult,
    FinalGrade,
    Group,
    Mark,
    Member,
    Period,
    Person,
    Representation,
    School,
    Subject,
)
from sutki.sample.tables import table

Files = dict[str, bytes]


class Plain:
    """Writes one school of the district."""

    def __init__(self, district: District, school: School) -> None:
        self._district = district
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

    def marks(self) -> Files:
        """The marks."""
        rows = [mark for mark in self._district.marks if mark.group_id in self._group_ids]
        return {"marks.csv": _table(Mark._fields[:-1], (mark[:-1] for mark in rows))}

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
