"""Homework was set, changed or taken back, for a group or for single students of it."""

from datetime import UTC, date, datetime
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.base import (
    Fact,
    GroupId,
    HomeworkId,
    Instant,
    LessonId,
    PersonId,
    SchoolId,
    StudentId,
    SubjectId,
    Text,
    example_id,
)
from contracts.values import Attachment, Subject


class HomeworkChanged(Fact):
    """The whole state of one homework."""

    TOPIC: ClassVar[str] = "gradebook.homework-changed.v1"

    homework_id: HomeworkId
    school_id: SchoolId
    group_id: GroupId
    for_student_ids: list[StudentId] = Field(default=[])
    """Only for these students of the group; empty: for all of it."""
    subject: Subject
    lesson_id: LessonId | None = None
    """The lesson at which it was set."""
    assigned_on: date
    due_on: date | None = None
    """Empty: for the next lesson."""
    text: Text
    attachments: list[Attachment] = Field(default=[], max_length=20)
    author_id: PersonId | None = None
    state: Literal["assigned", "withdrawn"]
    changed_at: Instant

    def aggregate(self) -> UUID:
        """The homework."""
        return self.homework_id

    def key(self) -> UUID:
        """The group."""
        return self.group_id

    def occurred_at(self) -> AwareDatetime:
        """When the journal took the change."""
        return self.changed_at


EXAMPLE = HomeworkChanged(
    revision=1,
    homework_id=HomeworkId(example_id("homework")),
    school_id=SchoolId(example_id("school")),
    group_id=GroupId(example_id("class")),
    for_student_ids=[StudentId(example_id("student"))],
    subject=Subject(id=SubjectId(example_id("algebra")), title="Алгебра"),
    lesson_id=LessonId(example_id("lesson")),
    assigned_on=date(2026, 10, 12),
    due_on=date(2026, 10, 14),
    text="§ 7, № 214, 215",
    attachments=[Attachment(title="Карточка", url="https://journal.example/files/214")],
    author_id=PersonId(example_id("teacher")),
    state="assigned",
    changed_at=datetime(2026, 10, 12, 7, 20, tzinfo=UTC),
)
