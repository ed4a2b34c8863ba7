"""A school's calendar of a school year became known or changed: when it begins and ends, and its holidays."""

from datetime import UTC, date, datetime
from typing import ClassVar
from uuid import UUID, uuid5

from pydantic import AwareDatetime, Field

from contracts.base import EVENT_NAMESPACE, Fact, Instant, Model, SchoolId, Title, example_id


class Holiday(Model):
    """Days without lessons."""

    title: Title
    starts_on: date
    ends_on: date
    """The last day of it."""


class HolidaysChanged(Fact):
    """The whole calendar of one school for one school year."""

    TOPIC: ClassVar[str] = "gradebook.holidays-changed.v1"

    school_id: SchoolId
    school_year: str = Field(pattern=r"^\d{4}/\d{4}$")
    starts_on: date | None = None
    ends_on: date | None = None
    holidays: list[Holiday]
    changed_at: Instant

    def aggregate(self) -> UUID:
        """The school's year."""
        return calendar_id(self.school_id, self.school_year)

    def key(self) -> UUID:
        """The school."""
        return self.school_id

    def occurred_at(self) -> AwareDatetime:
        """When the journal took the change."""
        return self.changed_at


def calendar_id(school_id: UUID, school_year: str) -> UUID:
    """The id of a school's calendar of a year."""
    return uuid5(EVENT_NAMESPACE, f"calendar/{school_id}/{school_year}")


EXAMPLE = HolidaysChanged(
    revision=1,
    school_id=SchoolId(example_id("school")),
    school_year="2026/2027",
    starts_on=date(2026, 9, 1),
    ends_on=date(2027, 5, 31),
    holidays=[Holiday(title="Осенние каникулы", starts_on=date(2026, 10, 26), ends_on=date(2026, 11, 3))],
    changed_at=datetime(2026, 8, 20, 9, 0, tzinfo=UTC),
)
