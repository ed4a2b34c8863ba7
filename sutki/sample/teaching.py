"""Classes, study groups, streams and individual plans of one school, who is in them and who teaches them."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

from sutki.sample.curriculum import (
    CHAIRS,
    COURSES,
    EXAMS,
    FIRST_GRADE_WITH_MARKS,
    LAST_PRIMARY_GRADE,
    PRIMARY,
    SENIOR_GRADES,
    Course,
    courses_of,
    hours,
    subject_id,
)
from sutki.sample.families import Child, PersonIds
from sutki.sample.names import Name, a_family_name, a_name
from sutki.sample.records import Group, Lead, Member, School

_CLASS_SIZE = 25
_LETTERS = "АБВГДЕЖЗ"
_HALVED_FROM = 16
"""A class of this size is divided for the foreign language."""
_TEACHER_HOURS = 24
"""Lessons a week that one teacher gives at most."""
_PLAN_COURSE = next(course for course in COURSES if course.code == "russian")
_PLANS = 2


@dataclass(slots=True)
class Lesson:
    """A subject as a group of students learns it."""

    group_id: str
    course: Course
    grade: int
    students: list[Child]
    teacher_id: str
    hours: int
    """Lessons a week."""
    classes: frozenset[str]
    """The classes whose students learn it."""
    apart: bool = False
    """Alone with the teacher, by an individual plan: the marks are given with the class."""

    @property
    def marked(self) -> bool:
        """Whether marks are given here; the first grade has none."""
        return self.grade >= FIRST_GRADE_WITH_MARKS and not self.apart


@dataclass(slots=True)
class Teaching:
    """Everything about one school's groups."""

    school: School
    groups: list[Group] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)
    class_teachers: list[Lead] = field(default_factory=list)
    teachers: list[tuple[str, Name]] = field(default_factory=list)
    lessons: list[Lesson] = field(default_factory=list)
    exam_groups: dict[tuple[int, str], str] = field(default_factory=dict)
    """Grade and course to the stream of those who may take the exam."""

    @property
    def marked(self) -> list[Lesson]:
        """Where marks are given."""
        return [lesson for lesson in self.lessons if lesson.marked]

    @property
    def classes(self) -> list[Group]:
        """The classes alone."""
        return [group for group in self.groups if group.kind == "class"]


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
                ours = frozenset(group.group_id for group, _ in classes)
                _lesson(teaching, staff, place, course, in_grade, ours)
                continue
            for group, students in classes:
                _in_class(teaching, staff, group, course, students, group_per_subject=group_per_subject)
        for exam in EXAMS.get(grade, ("", ()))[1]:
            title = f"{grade} классы · {exam.title}"
            place = _Place(f"exam-{exam.course}-{grade}", "study_stream", title, grade)
            teaching.exam_groups[grade, exam.course] = _group(teaching, place, exam.course, in_grade).group_id
        for group, _ in classes:
            teaching.class_teachers.append(Lead(group.group_id, staff.class_teacher(group)))
    _individual_plans(rng, teaching, staff, children)
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
    own = frozenset({group.group_id})
    if course.halves and len(students) >= _HALVED_FROM:
        middle = len(students) // 2
        for number, half in enumerate((students[:middle], students[middle:]), start=1):
            place = _Place(f"{code}-{number}", "study_group", f"{title}, группа {number}", group.grade_level)
            _lesson(teaching, staff, place, course, half, own)
    elif group_per_subject:
        _lesson(teaching, staff, _Place(code, "study_group", title, group.grade_level), course, students, own)
    else:
        _taught(teaching, staff, group, course, students, own)


class _Place(NamedTuple):
    """What a new group is called."""

    code: str
    kind: str
    name: str
    grade: int


def _lesson(
    teaching: Teaching,
    staff: "_Staff",
    place: _Place,
    course: Course,
    students: list[Child],
    classes: frozenset[str],
) -> None:
    _taught(teaching, staff, _group(teaching, place, course.code, students), course, students, classes)


def _taught(
    teaching: Teaching,
    staff: "_Staff",
    group: Group,
    course: Course,
    students: list[Child],
    classes: frozenset[str],
) -> None:
    grade = group.grade_level
    teacher_id = staff.teacher_of(course, grade, classes)
    weekly = hours(course, grade)
    teaching.lessons.append(Lesson(group.group_id, course, grade, students, teacher_id, weekly, classes))


def _group(teaching: Teaching, place: _Place, course: str, students: list[Child]) -> Group:
    school_id = teaching.school.school_id
    subject = subject_id(course) if course else ""
    campus = f"{school_id}-campus-1"
    group = Group(f"{school_id}-{place.code}", school_id, place.kind, place.name, place.grade, subject, campus)
    teaching.groups.append(group)
    teaching.members += [Member(group.group_id, child.person_id) for child in students]
    return group


def _individual_plans(rng: Random, teaching: Teaching, staff: "_Staff", children: list[Child]) -> None:
    """A weekly lesson alone with the teacher; the marks are given with the class."""
    older = [child for child in children if child.grade > LAST_PRIMARY_GRADE]
    classes = {group.group_id for group in teaching.classes}
    class_of = {member.person_id: member.group_id for member in teaching.members if member.group_id in classes}
    for number, child in enumerate(rng.sample(older, min(_PLANS, len(older))), start=1):
        title = f"Индивидуальный учебный план {number}"
        place = _Place(f"plan-{number}", "individual_plan", title, child.grade)
        group = _group(teaching, place, _PLAN_COURSE.code, [child])
        own = frozenset({class_of[child.person_id]})
        teacher_id = staff.teacher_of(_PLAN_COURSE, child.grade, own, weekly=1)
        lesson = Lesson(group.group_id, _PLAN_COURSE, child.grade, [child], teacher_id, 1, own, apart=True)
        teaching.lessons.append(lesson)


class _Staff:
    """Teachers of a school, made when they are needed: nobody teaches more than a teacher can."""

    def __init__(self, rng: Random, ids: PersonIds, teaching: Teaching) -> None:
        self._rng = rng
        self._ids = ids
        self._teaching = teaching
        self._by_chair: dict[str, list[str]] = defaultdict(list)
        self._load: Counter[str] = Counter()

    def _hire(self) -> str:
        woman = self._rng.random() < 0.8
        person_id = self._ids.new()
        self._teaching.teachers.append((person_id, a_name(self._rng, a_family_name(self._rng), woman=woman)))
        return person_id

    def teacher_of(self, course: Course, grade: int, classes: Collection[str], *, weekly: int | None = None) -> str:
        """Who teaches a course to these classes: the halves of a class have two teachers and learn at one time."""
        weekly = hours(course, grade) if weekly is None else weekly
        if grade <= LAST_PRIMARY_GRADE and course.code in PRIMARY:
            return self._one_of(f"primary/{'/'.join(sorted(classes))}", weekly, ())
        engaged = {
            lesson.teacher_id for lesson in self._teaching.lessons if lesson.course == course and course.halves
            and lesson.classes & set(classes)
        }  # fmt: skip
        return self._one_of(CHAIRS.get(course.code, course.code), weekly, engaged)

    def _one_of(self, chair: str, weekly: int, engaged: Collection[str]) -> str:
        free = [
            one for one in self._by_chair[chair] if one not in engaged and self._load[one] + weekly <= _TEACHER_HOURS
        ]
        if not free:
            free = [self._hire()]
            self._by_chair[chair] += free
        chosen = self._rng.choice(free)
        self._load[chosen] += weekly
        return chosen

    def class_teacher(self, group: Group) -> str:
        """Who looks after a class: somebody who teaches there already."""
        there = [lesson.teacher_id for lesson in self._teaching.lessons if group.group_id in lesson.classes]
        if group.grade_level <= LAST_PRIMARY_GRADE:
            return there[0]
        return self._rng.choice(sorted(set(there)))
