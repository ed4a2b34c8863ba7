"""A school became known or changed its name, address or time zone. No personal data."""

from datetime import UTC, datetime
from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.base import Fact, Instant, SchoolId, Title, example_id


class SchoolChanged(Fact):
    """The whole state of one school, as other services print it."""

    TOPIC: ClassVar[str] = "gradebook.school-changed.v1"

    school_id: SchoolId
    name: Title
    address: str = Field(default="", max_length=500)
    time_zone: str = Field(default="Europe/Moscow", max_length=64)
    """IANA name."""
    changed_at: Instant

    def aggregate(self) -> UUID:
        """The school."""
        return self.school_id

    def key(self) -> UUID:
        """The school."""
        return self.school_id

    def occurred_at(self) -> AwareDatetime:
        """When the journal took the change."""
        return self.changed_at


EXAMPLE = SchoolChanged(
    revision=1,
    school_id=SchoolId(example_id("school")),
    name="Школа № 1",
    address="Примерный район, ул. Образцовая, 1",
    changed_at=datetime(2026, 9, 1, 5, 0, tzinfo=UTC),
)
