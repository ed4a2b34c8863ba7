"""Classes, study groups, streams and individual plans of one school, who is in them and who teaches them."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from sutki.sample.curriculum import (
    COURSES,
    EXAMS,
    FIRST_GRADE_WITH_MARKS,
    SENIOR_GRADES,
    Course,
    courses_of,
    subject_id,
)
from sutki.sample.families import Child, PersonIds
from sutki.sample.names import Name, a_family_name, a_name
from sutki.sample.records import Group, Lead, Member, School

_CLASS_SIZE = 25
_LETTERS = "АБВГДЕЖЗ"
_HALVED_FROM = 16
"""A class of this size is divided for the foreign language."""


@dataclass(slots=True)
class Lesson:
    """A subject as a group of students learns it."""

    group_id: str
    course: Course
    grade: int
    students: list[Child]


@dataclass(slots=True)
class Teaching:
    """Everything about one school's groups."""

    school: School
    groups: list[Group] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)
    leads: list[Lead] = field(default_factory=list)
    teachers: list[tuple[str, Name]] = field(default_factory=list)
    lessons: list[Lesson] = field(default_factory=list)
    exam_groups: dict[tuple[int, str], str] = field(default_factory=dict)
    """Grade and course to the stream of those who may take the exam."""


def teach(rng: Random, ids: PersonIds, school: School, children: list[Child], *, group_per_subject: bool) -> Teaching:
    """Divides the students of a school into groups.

    Args:
        rng: the only source of chance.
        ids: gives out ids of people.
        school: the school.
        children: its students.
        group_per_subject: OneRoster knows a subject only by the group that learns it, so each class has one per
            subject; in plain files the class itself serves.
    """
    teaching = Teaching(school)
    staff = _Staff(rng, ids, teaching)
    for grade, in_grade in _by_grade(children):
        classes = list(_classes(rng, teaching, grade, in_grade))
        for course in courses_of(grade):
            if course.stream and grade in SENIOR_GRADES:
                title = f"{grade} классы · {course.title} (профиль)"
                place = _Place(f"{course.code}-{grade}", "study_stream", title, grade)
                _lesson(teaching, staff, place, course, in_grade)
                continue
            for group, students in classes:
                _in_class(teaching, staff, group, course, students, group_per_subject=group_per_subject)
        for exam in EXAMS.get(grade, ("", ()))[1]:
            title = f"{grade} классы · {exam.title}"
            place = _Place(f"exam-{exam.course}-{grade}", "study_stream", title, grade)
            teaching.exam_groups[grade, exam.course] = _group(teaching, place, exam.course, in_grade).group_id
        for group, _ in classes:
            teaching.leads.append(Lead(group.group_id, staff.class_teacher(group)))
    _individual_plans(rng, teaching, children)
    return teaching


def _by_grade(children: list[Child]) -> Iterator[tuple[int, list[Child]]]:
    grades: dict[int, list[Child]] = defaultdict(list)
    for child in children:
        grades[child.grade].append(child)
    yield from sorted(grades.items())


def _classes(rng: Random, teaching: Teaching, grade: int, in_grade: list[Child]) -> Iterator[tuple[Group, list[Child]]]:
    shuffled = rng.sample(in_grade, len(in_grade))
    number = min(len(_LETTERS), max(1, round(len(in_grade) / _CLASS_SIZE)))
    for index in range(number):
        name = f"{grade}{_LETTERS[index]}"
        students = sorted(shuffled[index::number], key=lambda child: child.name)
        yield _group(teaching, _Place(f"class-{grade}-{index + 1}", "class", name, grade), "", students), students


def _in_class(
    teaching: Teaching, staff: "_Staff", group: Group, course: Course, students: list[Child], *, group_per_subject: bool
) -> None:
    """How one class learns one subject: as halves, as a group of its own, or as the class."""
    code = f"{course.code}-{group.group_id.rsplit('class-', 1)[1]}"
    title = f"{group.name} · {course.title}"
    if course.halves and len(students) >= _HALVED_FROM:
        middle = len(students) // 2
        for number, half in enumerate((students[:middle], students[middle:]), start=1):
            place = _Place(f"{code}-{number}", "study_group", f"{title}, группа {number}", group.grade_level)
            _lesson(teaching, staff, place, course, half)
    elif group_per_subject:
        _lesson(teaching, staff, _Place(code, "study_group", title, group.grade_level), course, students)
    else:
        teaching.lessons.append(Lesson(group.group_id, course, group.grade_level, students))
        teaching.leads.append(Lead(group.group_id, staff.teacher_of(course)))


class _Place(NamedTuple):
    """What a new group is called."""

    code: str
    kind: str
    name: str
    grade: int


def _lesson(teaching: Teaching, staff: "_Staff", place: _Place, course: Course, students: list[Child]) -> None:
    group = _group(teaching, place, course.code, students)
    teaching.lessons.append(Lesson(group.group_id, course, place.grade, students))
    teaching.leads.append(Lead(group.group_id, staff.teacher_of(course)))


def _group(teaching: Teaching, place: _Place, course: str, students: list[Child]) -> Group:
    school_id = teaching.school.school_id
    subject = subject_id(course) if course else ""
    group = Group(f"{school_id}-{place.code}", school_id, place.kind, place.name, place.grade, subject)
    teaching.groups.append(group)
    teaching.members += [Member(group.group_id, child.person_id) for child in students]
    return group


def _individual_plans(rng: Random, teaching: Teaching, children: list[Child]) -> None:
    older = [child for child in children if child.grade >= 5]
    for number, child in enumerate(rng.sample(older, min(2, len(older))), start=1):
        title = f"Индивидуальный учебный план {number}"
        _group(teaching, _Place(f"plan-{number}", "individual_plan", title, child.grade), "russian", [child])


class _Staff:
    """Teachers of a school: a few for each subject, made when they are first needed."""

    def __init__(self, rng: Random, ids: PersonIds, teaching: Teaching) -> None:
        self._rng = rng
        self._ids = ids
        self._teaching = teaching
        self._by_course: dict[str, list[str]] = {course.code: [] for course in COURSES}

    def _hire(self) -> str:
        woman = self._rng.random() < 0.8
        person_id = self._ids.new()
        self._teaching.teachers.append((person_id, a_name(self._rng, a_family_name(self._rng), woman=woman)))
        return person_id

    def teacher_of(self, course: Course) -> str:
        """One of the subject's teachers."""
        known = self._by_course[course.code]
        if len(known) < 2:
            known.append(self._hire())
        return self._rng.choice(known)

    def class_teacher(self, group: Group) -> str:
        """Who looks after a class: somebody who teaches there already, but in the first grade, which has no marks."""
        if group.grade_level < FIRST_GRADE_WITH_MARKS:
            return self._hire()
        return self._rng.choice(self._teaching.teachers)[0]
