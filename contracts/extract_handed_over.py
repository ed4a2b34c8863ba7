"""A printed extract was handed over or posted."""

from datetime import UTC, datetime
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.base import ExtractId, Fact, Instant, PersonId, RequestId, ResultId, SchoolId, StudentId, example_id
from contracts.values import ResultVersion


class ExtractHandedOver(Fact):
    """How and when a sheet left the school."""

    TOPIC: ClassVar[str] = "extracts.extract-handed-over.v1"

    extract_id: ExtractId
    request_id: RequestId
    school_id: SchoolId
    student_id: StudentId
    recipient_id: PersonId
    items: list[ResultVersion] = Field(min_length=1)
    way: Literal["in_person", "by_post"]
    handed_over_at: Instant

    def aggregate(self) -> UUID:
        """The extract."""
        return self.extract_id

    def key(self) -> UUID:
        """The student."""
        return self.student_id

    def occurred_at(self) -> AwareDatetime:
        """When it left the school."""
        return self.handed_over_at


EXAMPLE = ExtractHandedOver(
    revision=1,
    extract_id=ExtractId(example_id("extract")),
    request_id=RequestId(example_id("request")),
    school_id=SchoolId(example_id("school")),
    student_id=StudentId(example_id("student")),
    recipient_id=PersonId(example_id("representative")),
    items=[ResultVersion(result_id=ResultId(example_id("final grade")), value_revision=1)],
    way="in_person",
    handed_over_at=datetime(2026, 10, 23, 13, 30, tzinfo=UTC),
)
