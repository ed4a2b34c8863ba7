"""The reading paths of version 1.2: which collection each shows, at which place, and the scopes that open it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from services.gradebook.oneroster_rest import collections as all_collections
from services.gradebook.oneroster_rest.collections import Collection
from services.gradebook.oneroster_rest.reading import (
    Place,
    Reader,
    anywhere,
    items_of_class,
    results_of_class,
    results_of_item,
    where,
)
from services.gradebook.oneroster_rest.shapes import GRADEBOOK, ROSTERING
from services.gradebook.oneroster_rest.tokens import DEMOGRAPHICS, GRADEBOOK_CORE, ROSTER, ROSTER_CORE
from services.gradebook.oneroster_rest.tokens import GRADEBOOK as READ_GRADEBOOK

_C = all_collections
_ROSTER = (ROSTER_CORE, ROSTER)
_BOOK = (GRADEBOOK_CORE, READ_GRADEBOOK)

_STUDENT = "EXISTS (SELECT FROM person_records AS x WHERE x.person_id = t.key AND x.role = 'student'{more})"
_TEACHER = "EXISTS (SELECT FROM person_records AS x WHERE x.person_id = t.key AND x.role = 'teacher'{more})"
_LEARNS = "EXISTS (SELECT FROM group_members AS x WHERE x.person_id = {person} AND x.group_id = {group} AND x.active)"
_TEACHES = (
    "EXISTS (SELECT FROM teaching AS x WHERE x.teacher_id = {person} AND x.group_id = {group} AND x.state = 'active')"
)
_TERM = "t.type <> 'gradingPeriod'"
_GRADING = "t.type = 'gradingPeriod'"


@dataclass(frozen=True)
class Parent:
    """What a variable of a path names."""

    collection: Collection
    place: Place = anywhere


PARENTS = {
    "schoolSourcedId": Parent(_C.ORGS, where("t.type = 'school'")),
    "classSourcedId": Parent(_C.CLASSES),
    "courseSourcedId": Parent(_C.COURSES),
    "termSourcedId": Parent(_C.SESSIONS, where(_TERM)),
    "studentSourcedId": Parent(_C.USERS, where(_STUDENT.format(more=""))),
    "teacherSourcedId": Parent(_C.USERS, where(_TEACHER.format(more=""))),
    "userSourcedId": Parent(_C.USERS),
    "lineItemSourcedId": Parent(_C.LINE_ITEMS),
}
_WITHIN = {
    ("schoolSourcedId", "classSourcedId"): where("t.school_id = {0}"),
    ("classSourcedId", "studentSourcedId"): where(
        "EXISTS (SELECT FROM group_members AS x WHERE x.person_id = t.key AND x.group_id = {0})"
    ),
    ("classSourcedId", "lineItemSourcedId"): where("t.class_id = {0}"),
}
"""How the second of two variables must belong to the first."""


@dataclass(frozen=True)
class Read:
    """A path that shows a collection; `{…}` are the parents, `{sourcedId}` at the end one object of it."""

    base: str
    path: str
    operation: str
    collection: Collection
    scopes: Sequence[str]
    place: Place = anywhere
    single: bool = True
    """Whether `<path>/{sourcedId}` is there too."""

    @property
    def parents(self) -> list[str]:
        """The variables in the path."""
        return [part[1:-1] for part in self.path.split("/") if part.startswith("{")]


async def parents_of(reader: Reader, names: Sequence[str], ids: Mapping[str, str]) -> list[Mapping[str, Any]]:
    """The rows that the path names, each within the one before.

    Raises:
        StatusInfo: 404, one of them is not there or not where the path says.
    """
    rows: list[Mapping[str, Any]] = []
    for place, name in enumerate(names):
        parent = PARENTS[name]
        row = await reader.one(parent.collection, ids[name], parent.place)
        within = _WITHIN.get((names[place - 1], name)) if place else None
        if within is not None:
            row = await reader.one(parent.collection, ids[name], within, rows[-1:])
        rows.append(row)
    return rows


def _roster(path: str, operation: str, collection: Collection, place: Place = anywhere, **options: bool) -> Read:
    return Read(ROSTERING, path, operation, collection, _ROSTER, place, **options)


def _nested(path: str, operation: str, collection: Collection, template: str) -> Read:
    return Read(ROSTERING, path, operation, collection, _ROSTER, where(template), single=False)


def _book(path: str, operation: str, collection: Collection, place: Place = anywhere, *, single: bool = False) -> Read:
    return Read(GRADEBOOK, path, operation, collection, _BOOK, place, single)


_SCHOOL = "schools/{schoolSourcedId}"
_CLASS = "classes/{classSourcedId}"
_SCHOOL_CLASS = f"{_SCHOOL}/{_CLASS}"
_OWN_TERMS = (
    "EXISTS (SELECT FROM periods AS x WHERE x.period_id = {0} AND x.school_id = t.school_id"
    " AND x.external_id = ANY(t.terms))"
)
_WITHIN_TERM = (
    "EXISTS (SELECT FROM periods AS x WHERE x.period_id = {0} AND x.school_id = t.school_id"
    " AND x.school_year = t.of_year AND t.starts_on >= x.starts_on AND t.ends_on <= x.ends_on)"
)
_OF_COURSE = "(t.subject_id = {0} OR (t.subject_id IS NULL AND {0} = '00000000-0000-8000-8000-000000000002'))"
_TAUGHT_AT = (
    "(t.school_id = {0} OR EXISTS (SELECT FROM study_groups AS x WHERE x.school_id = {0} AND x.subject_id = t.key))"
)

READS = (
    _roster("orgs", "Orgs", _C.ORGS),
    _roster("schools", "Schools", _C.ORGS, where("t.type = 'school'")),
    _roster("academicSessions", "AcademicSessions", _C.SESSIONS),
    _roster("terms", "Terms", _C.SESSIONS, where(_TERM)),
    _roster("gradingPeriods", "GradingPeriods", _C.SESSIONS, where(_GRADING)),
    _roster("courses", "Courses", _C.COURSES),
    _roster("classes", "Classes", _C.CLASSES),
    _roster("users", "Users", _C.USERS),
    _roster("students", "Students", _C.USERS, where(_STUDENT.format(more=""))),
    _roster("teachers", "Teachers", _C.USERS, where(_TEACHER.format(more=""))),
    _roster("enrollments", "Enrollments", _C.ENROLLMENTS),
    Read(ROSTERING, "demographics", "Demographics", _C.DEMOGRAPHICS, (DEMOGRAPHICS,)),
    _nested(f"{_SCHOOL}/classes", "ClassesForSchool", _C.CLASSES, "t.school_id = {0}"),
    _nested(f"{_SCHOOL}/courses", "CoursesForSchool", _C.COURSES, _TAUGHT_AT),
    _nested(f"{_SCHOOL}/enrollments", "EnrollmentsForSchool", _C.ENROLLMENTS, "t.school_id = {0}"),
    _nested(f"{_SCHOOL}/terms", "TermsForSchool", _C.SESSIONS, f"t.school_id = {{0}} AND {_TERM}"),
    _nested(f"{_SCHOOL}/students", "StudentsForSchool", _C.USERS, _STUDENT.format(more=" AND x.school_id = {0}")),
    _nested(f"{_SCHOOL}/teachers", "TeachersForSchool", _C.USERS, _TEACHER.format(more=" AND x.school_id = {0}")),
    _nested(
        f"{_SCHOOL_CLASS}/enrollments",
        "EnrollmentsForClassInSchool",
        _C.ENROLLMENTS,
        "t.school_id = {0} AND t.group_id = {1}",
    ),
    _nested(
        f"{_SCHOOL_CLASS}/students",
        "StudentsForClassInSchool",
        _C.USERS,
        "{0} IS NOT NULL AND " + _LEARNS.format(person="t.key", group="{1}"),
    ),
    _nested(
        f"{_SCHOOL_CLASS}/teachers",
        "TeachersForClassInSchool",
        _C.USERS,
        "{0} IS NOT NULL AND " + _TEACHES.format(person="t.key", group="{1}"),
    ),
    _nested(f"{_CLASS}/students", "StudentsForClass", _C.USERS, _LEARNS.format(person="t.key", group="{0}")),
    _nested(f"{_CLASS}/teachers", "TeachersForClass", _C.USERS, _TEACHES.format(person="t.key", group="{0}")),
    _nested("courses/{courseSourcedId}/classes", "ClassesForCourse", _C.CLASSES, _OF_COURSE),
    _nested(
        "students/{studentSourcedId}/classes",
        "ClassesForStudent",
        _C.CLASSES,
        _LEARNS.format(person="{0}", group="t.key"),
    ),
    _nested(
        "teachers/{teacherSourcedId}/classes",
        "ClassesForTeacher",
        _C.CLASSES,
        _TEACHES.format(person="{0}", group="t.key"),
    ),
    _nested(
        "users/{userSourcedId}/classes",
        "ClassesForUser",
        _C.CLASSES,
        f"({_LEARNS.format(person='{0}', group='t.key')} OR {_TEACHES.format(person='{0}', group='t.key')})",
    ),
    _nested("terms/{termSourcedId}/classes", "ClassesForTerm", _C.CLASSES, _OWN_TERMS),
    _nested(
        "terms/{termSourcedId}/gradingPeriods", "GradingPeriodsForTerm", _C.SESSIONS, f"{_GRADING} AND {_WITHIN_TERM}"
    ),
    _book("categories", "Categories", _C.CATEGORIES, single=True),
    _book("scoreScales", "ScoreScales", _C.SCALES, single=True),
    _book("lineItems", "LineItems", _C.LINE_ITEMS, single=True),
    _book("results", "Results", _C.RESULTS, single=True),
    _book(f"{_CLASS}/categories", "CategoriesForClass", _C.CATEGORIES),
    _book(f"{_CLASS}/scoreScales", "ScoreScalesForClass", _C.SCALES),
    _book(f"{_SCHOOL}/scoreScales", "ScoreScalesForSchool", _C.SCALES),
    _book(f"{_SCHOOL}/lineItems", "LineItemsForSchool", _C.LINE_ITEMS, where("t.school_id = {0}")),
    _book(f"{_CLASS}/lineItems", "LineItemsForClass", _C.LINE_ITEMS, items_of_class),
    _book(f"{_CLASS}/results", "ResultsForClass", _C.RESULTS, results_of_class),
    _book(f"{_CLASS}/students/{{studentSourcedId}}/results", "ResultsForStudentForClass", _C.RESULTS, results_of_class),
    _book(
        f"{_CLASS}/lineItems/{{lineItemSourcedId}}/results", "ResultsForLineItemForClass", _C.RESULTS, results_of_item
    ),
    _book("lineItems/{lineItemSourcedId}/results", "ResultsForLineItem", _C.RESULTS, results_of_item),
)
"""Every reading path."""
