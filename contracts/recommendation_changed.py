"""A teacher advised a student or a group, or wrote down an observation (grade 1); or took it back."""

from datetime import UTC, date, datetime
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime

from contracts.base import (
    Fact,
    GroupId,
    Instant,
    PersonId,
    RecommendationId,
    SchoolId,
    StudentId,
    SubjectId,
    Text,
    example_id,
)
from contracts.values import Subject


class RecommendationChanged(Fact):
    """The whole state of one recommendation."""

    TOPIC: ClassVar[str] = "gradebook.recommendation-changed.v1"

    recommendation_id: RecommendationId
    school_id: SchoolId
    student_id: StudentId | None
    """Whom it is for; empty: the whole group."""
    group_id: GroupId | None
    """The group it is for, or in which the student was seen."""
    subject: Subject | None = None
    author_id: PersonId | None
    on: date
    kind: Literal["recommendation", "observation"]
    """`observation`: what takes the place of marks in grade 1."""
    text: Text
    state: Literal["given", "withdrawn"]
    changed_at: Instant

    def aggregate(self) -> UUID:
        """The recommendation."""
        return self.recommendation_id

    def key(self) -> UUID:
        """The student; for a whole group, the group."""
        return self.student_id or self.group_id or self.school_id

    def occurred_at(self) -> AwareDatetime:
        """When the journal took the change."""
        return self.changed_at


EXAMPLE = RecommendationChanged(
    revision=1,
    recommendation_id=RecommendationId(example_id("recommendation")),
    school_id=SchoolId(example_id("school")),
    student_id=StudentId(example_id("student")),
    group_id=GroupId(example_id("class")),
    subject=Subject(id=SubjectId(example_id("algebra")), title="Алгебра"),
    author_id=PersonId(example_id("teacher")),
    on=date(2026, 10, 16),
    kind="recommendation",
    text="Повторить построение графиков, § 5–6.",
    state="given",
    changed_at=datetime(2026, 10, 16, 10, 0, tzinfo=UTC),
)
