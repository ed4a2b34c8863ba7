"""The publisher asks for paper: one extract for one recipient, with the results that it must carry."""

from datetime import UTC, datetime
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.base import Fact, Instant, PersonId, RequestId, ResultId, SchoolId, StudentId, example_id
from contracts.values import ResultVersion


class ExtractRequested(Fact):
    """The whole state of one request."""

    TOPIC: ClassVar[str] = "publisher.extract-requested.v1"

    request_id: RequestId
    school_id: SchoolId
    student_id: StudentId
    recipient_id: PersonId
    items: list[ResultVersion] = Field(min_length=1)
    state: Literal["requested", "cancelled"]
    """`cancelled`: the results went another way, or were corrected, before the sheet was printed."""
    due_at: Instant
    """The earliest deadline of the items."""
    requested_at: Instant

    def aggregate(self) -> UUID:
        """The request."""
        return self.request_id

    def key(self) -> UUID:
        """The student."""
        return self.student_id

    def occurred_at(self) -> AwareDatetime:
        """When the publisher asked or cancelled."""
        return self.requested_at


EXAMPLE = ExtractRequested(
    revision=1,
    request_id=RequestId(example_id("request")),
    school_id=SchoolId(example_id("school")),
    student_id=StudentId(example_id("student")),
    recipient_id=PersonId(example_id("representative")),
    items=[ResultVersion(result_id=ResultId(example_id("final grade")), value_revision=1)],
    state="requested",
    due_at=datetime(2026, 10, 24, 11, 0, tzinfo=UTC),
    requested_at=datetime(2026, 10, 23, 11, 10, tzinfo=UTC),
)
