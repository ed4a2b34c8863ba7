"""An extract was printed and registered for hand-over: the paper route is available from here on."""

from datetime import UTC, datetime
from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.base import ExtractId, Fact, Instant, PersonId, RequestId, ResultId, SchoolId, StudentId, example_id
from contracts.values import ResultVersion


class ExtractPrinted(Fact):
    """One printed sheet with its number in the school's register."""

    TOPIC: ClassVar[str] = "extracts.extract-printed.v1"

    extract_id: ExtractId
    request_id: RequestId
    school_id: SchoolId
    student_id: StudentId
    recipient_id: PersonId
    number: str = Field(min_length=1, max_length=50)
    """The number in the hand-over register."""
    items: list[ResultVersion] = Field(min_length=1)
    content_sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    printed_at: Instant

    def aggregate(self) -> UUID:
        """The extract."""
        return self.extract_id

    def key(self) -> UUID:
        """The student."""
        return self.student_id

    def occurred_at(self) -> AwareDatetime:
        """When it was printed and registered."""
        return self.printed_at


EXAMPLE = ExtractPrinted(
    revision=1,
    extract_id=ExtractId(example_id("extract")),
    request_id=RequestId(example_id("request")),
    school_id=SchoolId(example_id("school")),
    student_id=StudentId(example_id("student")),
    recipient_id=PersonId(example_id("representative")),
    number="2026/000042",
    items=[ResultVersion(result_id=ResultId(example_id("final grade")), value_revision=1)],
    content_sha256="0" * 64,
    printed_at=datetime(2026, 10, 23, 12, 0, tzinfo=UTC),
)
