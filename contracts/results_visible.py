"""The cabinet acknowledges: a read by these persons at these instants would have shown the result."""

from datetime import UTC, datetime
from typing import ClassVar
from uuid import UUID, uuid5

from pydantic import AwareDatetime, Field

from contracts.base import (
    EVENT_NAMESPACE,
    ConsentId,
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


class Visibility(Model):
    """Since when one person can see the result, and on the ground of which consent."""

    recipient_id: PersonId
    visible_at: Instant
    consent_id: ConsentId
    consent_revision: Revision


class ResultsVisible(Fact):
    """Everyone who can see one version of a result so far; the revision grows as more can."""

    TOPIC: ClassVar[str] = "cabinet.results-visible.v1"

    result_id: ResultId
    value_revision: Revision
    school_id: SchoolId
    student_id: StudentId
    visible: list[Visibility] = Field(min_length=1)
    changed_at: Instant

    def aggregate(self) -> UUID:
        """The version of the result."""
        return uuid5(EVENT_NAMESPACE, f"{self.result_id}/{self.value_revision}")

    def key(self) -> UUID:
        """The student."""
        return self.student_id

    def occurred_at(self) -> AwareDatetime:
        """When the cabinet noticed the last of them."""
        return self.changed_at


EXAMPLE = ResultsVisible(
    revision=1,
    result_id=ResultId(example_id("final grade")),
    value_revision=1,
    school_id=SchoolId(example_id("school")),
    student_id=StudentId(example_id("student")),
    visible=[
        Visibility(
            recipient_id=PersonId(example_id("representative")),
            visible_at=datetime(2026, 10, 23, 11, 0, 6, tzinfo=UTC),
            consent_id=ConsentId(example_id("consent")),
            consent_revision=1,
        ),
    ],
    changed_at=datetime(2026, 10, 23, 11, 0, 6, tzinfo=UTC),
)
