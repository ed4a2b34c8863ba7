"""A mark was recorded, corrected or withdrawn."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.base import (
    Fact,
    GroupId,
    Instant,
    LessonId,
    MarkId,
    PersonId,
    SchoolId,
    StudentId,
    SubjectId,
    example_id,
)
from contracts.values import MarkValue, Subject, WorkType


class MarkRecorded(Fact):
    """The whole state of one mark."""

    TOPIC: ClassVar[str] = "gradebook.mark-recorded.v1"

    mark_id: MarkId
    school_id: SchoolId
    student_id: StudentId
    group_id: GroupId | None = None
    subject: Subject
    lesson_on: date
    work_type: WorkType
    weight: Decimal = Field(gt=0, le=10, decimal_places=2)
    value: MarkValue
    state: Literal["recorded", "withdrawn"]
    lesson_id: LessonId | None = None
    """The lesson, where the journal names it."""
    author_id: PersonId | None = None
    """The teacher who gave it."""
    comment: str = Field(default="", max_length=500)
    """What the teacher adds for the family."""
    recorded_at: Instant

    def aggregate(self) -> UUID:
        """The mark."""
        return self.mark_id

    def key(self) -> UUID:
        """The student."""
        return self.student_id

    def occurred_at(self) -> AwareDatetime:
        """When the journal took it."""
        return self.recorded_at


EXAMPLE = MarkRecorded(
    revision=1,
    mark_id=MarkId(example_id("mark")),
    school_id=SchoolId(example_id("school")),
    student_id=StudentId(example_id("student")),
    group_id=GroupId(example_id("class")),
    subject=Subject(id=SubjectId(example_id("algebra")), title="Алгебра"),
    lesson_on=date(2026, 10, 12),
    work_type=WorkType.CONTROL_WORK,
    weight=Decimal("2.00"),
    value="5",
    state="recorded",
    recorded_at=datetime(2026, 10, 12, 9, 40, tzinfo=UTC),
)
