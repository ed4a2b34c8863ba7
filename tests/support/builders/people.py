"""Schools, people and groups."""

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal, Self
from uuid import uuid4

from contracts.base import GroupId, PersonId, SchoolId, StudentId
from contracts.person_changed import Enrolment, PersonChanged, PersonName, Representation, Role
from contracts.school_changed import SchoolChanged
from contracts.study_group_changed import GroupKind, StudyGroupChanged
from contracts.values import Subject
from tests.support.builders.ground import SCHOOL, SCHOOL_YEAR_BEGINS, Builder, class_id, subject

MOTHER = PersonName(family="Образцова", given="Мария", patronymic="Петровна")
STUDENT = PersonName(family="Примерова", given="Анна", patronymic="Образцовна")
TEACHER = PersonName(family="Учителева", given="Ольга", patronymic="Ивановна")


@dataclass(frozen=True)
class SchoolBuilder(Builder):
    """A school."""

    id: SchoolId = SCHOOL
    name: str = "Школа № 1"
    time_zone: str = "Europe/Moscow"
    changed_at: datetime = SCHOOL_YEAR_BEGINS

    def named(self, name: str) -> Self:
        """With a name."""
        return self.but(name=name)

    def in_time_zone(self, time_zone: str) -> Self:
        """With an IANA time zone."""
        return self.but(time_zone=time_zone)

    def event(self) -> SchoolChanged:
        """What the gradebook says of it."""
        return SchoolChanged(
            revision=self.revision,
            school_id=self.id,
            name=self.name,
            address="Примерный район, ул. Образцовая, 1",
            time_zone=self.time_zone,
            changed_at=self.changed_at,
        )


@dataclass(frozen=True)
class PersonBuilder(Builder):
    """A representative or a teacher."""

    id: PersonId = field(default_factory=lambda: PersonId(uuid4()))
    school_id: SchoolId = SCHOOL
    roles: tuple[Role, ...] = (Role.REPRESENTATIVE,)
    name: PersonName = MOTHER
    changed_at: datetime = SCHOOL_YEAR_BEGINS

    def named(self, family: str, given: str, patronymic: str = "") -> Self:
        """With a name."""
        return self.but(name=PersonName(family=family, given=given, patronymic=patronymic))

    def at_school(self, school_id: SchoolId) -> Self:
        """Of another school."""
        return self.but(school_id=school_id)

    def changed(self, at: datetime) -> Self:
        """The next revision, taken by the journal at this instant."""
        return self.but(revision=self.revision + 1, changed_at=at)

    def event(self) -> PersonChanged:
        """What the gradebook says of them."""
        return PersonChanged(
            revision=self.revision,
            person_id=self.id,
            roles=list(self.roles),
            school_ids=[self.school_id],
            name=self.name,
            changed_at=self.changed_at,
        )


@dataclass(frozen=True)
class StudentBuilder(PersonBuilder):
    """A student with the class and the representatives."""

    roles: tuple[Role, ...] = (Role.STUDENT,)
    name: PersonName = STUDENT
    birth_date: date | None = date(2013, 2, 3)
    class_name: str = "7А"
    grade_level: int = 7
    representatives: tuple[Representation, ...] = ()

    @property
    def student_id(self) -> StudentId:
        """The same id, as results name it."""
        return StudentId(self.id)

    def in_class(self, name: str) -> Self:
        """In a class, whose number is the year of study: «7А»."""
        return self.but(class_name=name, grade_level=int("".join(c for c in name if c.isdigit())))

    def without_class(self) -> Self:
        """Whose class is not known yet."""
        return self.but(class_name="")

    def born(self, on: date | None) -> Self:
        """With a birthday."""
        return self.but(birth_date=on)

    def represented_by(
        self,
        *persons: PersonBuilder,
        kind: Literal["parent", "guardian", "other"] = "parent",
        in_force: bool = True,
    ) -> Self:
        """With (further) representatives; whoever was named before gets the new kind and force."""
        new = {
            person.id: Representation(representative_id=person.id, kind=kind, in_force=in_force) for person in persons
        }
        kept = tuple(each for each in self.representatives if each.representative_id not in new)
        return self.but(representatives=(*kept, *new.values()))

    def event(self) -> PersonChanged:
        """What the gradebook says of them."""
        enrolment = Enrolment(
            school_id=self.school_id,
            class_id=class_id(self.class_name, self.school_id) if self.class_name else None,
            class_name=self.class_name,
            grade_level=self.grade_level,
            representatives=list(self.representatives),
        )
        return PersonChanged(
            revision=self.revision,
            person_id=self.id,
            roles=list(self.roles),
            school_ids=[self.school_id],
            name=self.name,
            birth_date=self.birth_date,
            enrolment=enrolment,
            changed_at=self.changed_at,
        )


@dataclass(frozen=True)
class GroupBuilder(Builder):
    """A class, study group, study stream or individual plan."""

    name: str = "7А"
    school_id: SchoolId = SCHOOL
    kind: GroupKind = GroupKind.CLASS
    members: tuple[StudentId, ...] = ()
    own_id: GroupId | None = None
    subject: Subject | None = None
    grade_level: int = 7

    @property
    def id(self) -> GroupId:
        """A class's follows from its name."""
        return self.own_id or class_id(self.name, self.school_id)

    def with_members(self, *students: StudentBuilder) -> Self:
        """With these students and no others."""
        return self.but(members=tuple(student.student_id for student in students))

    def event(self) -> StudyGroupChanged:
        """What the gradebook says of it."""
        return StudyGroupChanged(
            revision=self.revision,
            group_id=self.id,
            school_id=self.school_id,
            kind=self.kind,
            name=self.name,
            grade_level=self.grade_level,
            subject=self.subject,
            member_ids=list(self.members),
            changed_at=SCHOOL_YEAR_BEGINS,
        )


@dataclass(frozen=True)
class OfStudent(Builder):
    """What belongs to a student."""

    school_id: SchoolId = SCHOOL
    student_id: StudentId = field(default_factory=lambda: StudentId(uuid4()))

    def of(self, student: StudentBuilder) -> Self:
        """Of this student, at their school."""
        return self.but(student_id=student.student_id, school_id=student.school_id)


def a_school() -> SchoolBuilder:
    """A school."""
    return SchoolBuilder()


def a_student() -> StudentBuilder:
    """A student of 7А without representatives."""
    return StudentBuilder()


def a_representative() -> PersonBuilder:
    """A mother."""
    return PersonBuilder()


def a_teacher() -> PersonBuilder:
    """A teacher."""
    return PersonBuilder(roles=(Role.TEACHER,), name=TEACHER)


def a_class(name: str = "7А") -> GroupBuilder:
    """A class; its number is the year of study."""
    return GroupBuilder(name=name, grade_level=int("".join(c for c in name if c.isdigit())))


def a_study_group(name: str, title: str) -> GroupBuilder:
    """A study group in a subject."""
    return GroupBuilder(name=name, kind=GroupKind.STUDY_GROUP, subject=subject(title), own_id=GroupId(uuid4()))
