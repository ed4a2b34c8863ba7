"""The publisher states: the result is available to these recipients, by these routes, since these instants."""

from datetime import UTC, datetime
from typing import ClassVar, Literal
from uuid import UUID, uuid5

from pydantic import AwareDatetime, Field

from contracts.base import (
    EVENT_NAMESPACE,
    Fact,
    Instant,
    Model,
    PersonId,
    ResultId,
    Revision,
    SchoolId,
    StudentId,
    example_id,
)
from contracts.values import Route


class Disclosure(Model):
    """One recipient to whom the result is available."""

    recipient_id: PersonId
    route: Route
    available_at: Instant
    late: Literal["no", "by_us", "at_source"]
    """`at_source`: the journal learned of the result after its 24 hours had passed."""


class ResultDisclosed(Fact):
    """Everyone to whom one version of a result is available so far; the revision grows as more are served."""

    TOPIC: ClassVar[str] = "publisher.result-disclosed.v1"

    result_id: ResultId
    value_revision: Revision
    school_id: SchoolId
    student_id: StudentId
    disclosures: list[Disclosure] = Field(min_length=1)
    changed_at: Instant

    def aggregate(self) -> UUID:
        """The version of the result."""
        return uuid5(EVENT_NAMESPACE, f"{self.result_id}/{self.value_revision}")

    def key(self) -> UUID:
        """The student."""
        return self.student_id

    def occurred_at(self) -> AwareDatetime:
        """When the publisher stated the last of them."""
        return self.changed_at


EXAMPLE = ResultDisclosed(
    revision=1,
    result_id=ResultId(example_id("final grade")),
    value_revision=1,
    school_id=SchoolId(example_id("school")),
    student_id=StudentId(example_id("student")),
    disclosures=[
        Disclosure(
            recipient_id=PersonId(example_id("representative")),
            route=Route.SCREEN,
            available_at=datetime(2026, 10, 23, 11, 0, 6, tzinfo=UTC),
            late="no",
        ),
    ],
    changed_at=datetime(2026, 10, 23, 11, 0, 7, tzinfo=UTC),
)
