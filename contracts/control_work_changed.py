"""A control work was planned, moved or cancelled."""

from datetime import UTC, date, datetime
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.base import ControlWorkId, Fact, GroupId, Instant, PersonId, SchoolId, SubjectId, Title, example_id
from contracts.values import Subject, WorkType


class ControlWorkChanged(Fact):
    """The whole state of one planned control work."""

    TOPIC: ClassVar[str] = "gradebook.control-work-changed.v1"

    control_work_id: ControlWorkId
    school_id: SchoolId
    group_id: GroupId
    subject: Subject
    on: date
    number: int | None = Field(default=None, ge=0, le=15)
    """Which lesson of the day, where it is known."""
    kind: WorkType
    title: Title
    author_id: PersonId | None = None
    state: Literal["planned", "cancelled"]
    changed_at: Instant

    def aggregate(self) -> UUID:
        """The control work."""
        return self.control_work_id

    def key(self) -> UUID:
        """The group."""
        return self.group_id

    def occurred_at(self) -> AwareDatetime:
        """When the journal took the change."""
        return self.changed_at


EXAMPLE = ControlWorkChanged(
    revision=1,
    control_work_id=ControlWorkId(example_id("control work")),
    school_id=SchoolId(example_id("school")),
    group_id=GroupId(example_id("class")),
    subject=Subject(id=SubjectId(example_id("algebra")), title="Алгебра"),
    on=date(2026, 10, 19),
    number=2,
    kind=WorkType.CONTROL_WORK,
    title="Линейная функция",
    author_id=PersonId(example_id("teacher")),
    state="planned",
    changed_at=datetime(2026, 9, 10, 12, 0, tzinfo=UTC),
)
