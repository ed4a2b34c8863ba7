"""A dated lesson was planned, held, cancelled or taken back: its topic and type."""

from datetime import UTC, date, datetime
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.base import Fact, GroupId, Instant, LessonId, LocalTime, PersonId, SchoolId, SubjectId, example_id
from contracts.values import LessonType, Subject


class LessonChanged(Fact):
    """The whole state of one lesson on one date."""

    TOPIC: ClassVar[str] = "gradebook.lesson-changed.v1"

    lesson_id: LessonId
    school_id: SchoolId
    group_id: GroupId
    subject: Subject
    teacher_id: PersonId | None = None
    """Who gave or is to give it."""
    on: date
    number: int = Field(ge=0, le=15)
    """Which lesson of the day."""
    starts_at: LocalTime | None = None
    ends_at: LocalTime | None = None
    room: str = Field(default="", max_length=100)
    type: LessonType
    topic: str = Field(default="", max_length=500)
    state: Literal["planned", "held", "cancelled", "withdrawn"]
    """`withdrawn`: it stood in the journal by mistake and never was."""
    changed_at: Instant

    def aggregate(self) -> UUID:
        """The lesson."""
        return self.lesson_id

    def key(self) -> UUID:
        """The group: its lessons, substitutions and homework are each in order."""
        return self.group_id

    def occurred_at(self) -> AwareDatetime:
        """When the journal took the change."""
        return self.changed_at


EXAMPLE = LessonChanged(
    revision=1,
    lesson_id=LessonId(example_id("lesson")),
    school_id=SchoolId(example_id("school")),
    group_id=GroupId(example_id("class")),
    subject=Subject(id=SubjectId(example_id("algebra")), title="Алгебра"),
    teacher_id=PersonId(example_id("teacher")),
    on=date(2026, 10, 12),
    number=2,
    starts_at="09:25",
    ends_at="10:10",
    room="204",
    type=LessonType.NEW_MATERIAL,
    topic="Линейная функция",
    state="held",
    changed_at=datetime(2026, 10, 12, 7, 15, tzinfo=UTC),
)
