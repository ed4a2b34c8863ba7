"""A group's timetable became known or changed: all its weekly lessons, past and coming versions too."""

from datetime import UTC, date, datetime
from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.base import (
    Fact,
    GroupId,
    Instant,
    LocalTime,
    Model,
    PersonId,
    SchoolId,
    SlotId,
    SubjectId,
    example_id,
)
from contracts.values import Subject


class Slot(Model):
    """A lesson that takes place every week while it is valid."""

    slot_id: SlotId
    weekday: int = Field(ge=1, le=7)
    """ISO: 1 is Monday."""
    number: int = Field(ge=0, le=15)
    """Which lesson of the day; 0 is the one before the first."""
    starts_at: LocalTime | None = None
    ends_at: LocalTime | None = None
    subject: Subject
    teacher_id: PersonId | None = None
    room: str = Field(default="", max_length=100)
    valid_from: date
    valid_to: date | None = None
    """The last day; empty: until further notice."""


class TimetableChanged(Fact):
    """The whole timetable of one group. What is dated (lessons, substitutions) stands above it."""

    TOPIC: ClassVar[str] = "gradebook.timetable-changed.v1"

    group_id: GroupId
    school_id: SchoolId
    slots: list[Slot]
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


EXAMPLE = TimetableChanged(
    revision=1,
    group_id=GroupId(example_id("class")),
    school_id=SchoolId(example_id("school")),
    slots=[
        Slot(
            slot_id=SlotId(example_id("slot")),
            weekday=1,
            number=2,
            starts_at="09:25",
            ends_at="10:10",
            subject=Subject(id=SubjectId(example_id("algebra")), title="Алгебра"),
            teacher_id=PersonId(example_id("teacher")),
            room="204",
            valid_from=date(2026, 9, 1),
        ),
    ],
    changed_at=datetime(2026, 9, 1, 5, 0, tzinfo=UTC),
)
