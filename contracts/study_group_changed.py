"""A class, study group, study stream or individual plan became known, changed its members, or closed."""

from datetime import UTC, date, datetime
from enum import StrEnum
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.base import Fact, GroupId, Instant, Model, PersonId, SchoolId, StudentId, SubjectId, Title, example_id
from contracts.values import Subject


class GroupKind(StrEnum):
    """The four kinds of grouping; a student may be in all of them."""

    CLASS = "class"
    STUDY_GROUP = "study_group"
    STUDY_STREAM = "study_stream"
    INDIVIDUAL_PLAN = "individual_plan"


class GroupTeacher(Model):
    """Who teaches a group what, and since when; a past one is listed too, with its end."""

    teacher_id: PersonId
    subject: Subject
    starts_on: date | None = None
    """Empty: always did."""
    ends_on: date | None = None
    """The last day; empty: still does."""


class StudyGroupChanged(Fact):
    """The whole state of one group."""

    TOPIC: ClassVar[str] = "gradebook.study-group-changed.v1"

    group_id: GroupId
    school_id: SchoolId
    kind: GroupKind
    name: Title
    grade_level: int = Field(ge=1, le=11)
    subject: Subject | None = None
    member_ids: list[StudentId]
    state: Literal["open", "closed"] = "open"
    teachers: list[GroupTeacher] = Field(default=[])
    """Who teaches the group (C2.2)."""
    class_teacher_id: PersonId | None = None
    changed_at: Instant

    def aggregate(self) -> UUID:
        """The group."""
        return self.group_id

    def key(self) -> UUID:
        """The group."""
        return self.group_id

    def occurred_at(self) -> AwareDatetime:
        """When the journal took the change."""
        return self.changed_at


EXAMPLE = StudyGroupChanged(
    revision=2,
    group_id=GroupId(example_id("class")),
    school_id=SchoolId(example_id("school")),
    kind=GroupKind.CLASS,
    name="7А",
    grade_level=7,
    subject=Subject(id=SubjectId(example_id("algebra")), title="Алгебра"),
    member_ids=[StudentId(example_id("student"))],
    teachers=[
        GroupTeacher(
            teacher_id=PersonId(example_id("teacher")),
            subject=Subject(id=SubjectId(example_id("algebra")), title="Алгебра"),
            starts_on=date(2026, 9, 1),
        ),
    ],
    class_teacher_id=PersonId(example_id("class teacher")),
    changed_at=datetime(2026, 9, 1, 5, 0, tzinfo=UTC),
)
