"""An obligation's 24 hours passed and its recipient still cannot have the result."""

from datetime import UTC, datetime
from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime

from contracts.base import (
    Fact,
    Instant,
    ObligationId,
    PersonId,
    ResultId,
    Revision,
    SchoolId,
    StudentId,
    example_id,
)
from contracts.values import Route


class DisclosureOverdue(Fact):
    """One obligation that was missed."""

    TOPIC: ClassVar[str] = "publisher.disclosure-overdue.v1"

    obligation_id: ObligationId
    result_id: ResultId
    value_revision: Revision
    school_id: SchoolId
    student_id: StudentId
    recipient_id: PersonId
    route: Route
    due_at: Instant
    noticed_at: Instant

    def aggregate(self) -> UUID:
        """The obligation."""
        return self.obligation_id

    def key(self) -> UUID:
        """The student."""
        return self.student_id

    def occurred_at(self) -> AwareDatetime:
        """When the publisher noticed."""
        return self.noticed_at


EXAMPLE = DisclosureOverdue(
    revision=1,
    obligation_id=ObligationId(example_id("obligation")),
    result_id=ResultId(example_id("final grade")),
    value_revision=1,
    school_id=SchoolId(example_id("school")),
    student_id=StudentId(example_id("student")),
    recipient_id=PersonId(example_id("representative")),
    route=Route.PAPER,
    due_at=datetime(2026, 10, 24, 11, 0, tzinfo=UTC),
    noticed_at=datetime(2026, 10, 24, 11, 0, 1, tzinfo=UTC),
)
