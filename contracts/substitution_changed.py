"""A lesson is given by somebody else, is another one, is moved or does not take place; or that was revoked."""

from datetime import UTC, date, datetime
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.base import (
    Fact,
    GroupId,
    Instant,
    LessonId,
    PersonId,
    ReasonCode,
    SchoolId,
    SubjectId,
    SubstitutionId,
    example_id,
)
from contracts.values import Subject


class SubstitutionChanged(Fact):
    """The whole state of one change of one lesson of the timetable."""

    TOPIC: ClassVar[str] = "gradebook.substitution-changed.v1"

    substitution_id: SubstitutionId
    school_id: SchoolId
    group_id: GroupId
    lesson_id: LessonId | None = None
    """The dated lesson, where there is one already; otherwise date and number say which."""
    on: date
    number: int = Field(ge=0, le=15)
    """Date and number of the lesson as the timetable has it."""
    subject: Subject | None = None
    """What the timetable has there."""
    kind: Literal["replaced", "moved", "cancelled"]
    """`replaced`: another teacher, subject or room; `moved`: to another date or number."""
    new_teacher_id: PersonId | None = None
    new_subject: Subject | None = None
    new_room: str = Field(default="", max_length=100)
    moved_to_on: date | None = None
    moved_to_number: int | None = Field(default=None, ge=0, le=15)
    reason: ReasonCode | None = None
    state: Literal["announced", "revoked"]
    changed_at: Instant

    def aggregate(self) -> UUID:
        """The substitution."""
        return self.substitution_id

    def key(self) -> UUID:
        """The group."""
        return self.group_id

    def occurred_at(self) -> AwareDatetime:
        """When the journal took the change."""
        return self.changed_at


EXAMPLE = SubstitutionChanged(
    revision=1,
    substitution_id=SubstitutionId(example_id("substitution")),
    school_id=SchoolId(example_id("school")),
    group_id=GroupId(example_id("class")),
    lesson_id=LessonId(example_id("lesson")),
    on=date(2026, 10, 12),
    number=2,
    subject=Subject(id=SubjectId(example_id("algebra")), title="Алгебра"),
    kind="replaced",
    new_teacher_id=PersonId(example_id("other teacher")),
    new_subject=Subject(id=SubjectId(example_id("geometry")), title="Геометрия"),
    new_room="305",
    reason="illness",
    state="announced",
    changed_at=datetime(2026, 10, 11, 15, 0, tzinfo=UTC),
)
