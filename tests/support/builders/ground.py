"""What the builders stand on: the school, the period, the subjects."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any, Self
from uuid import UUID, uuid5

from contracts.base import GroupId, SchoolId, SubjectId
from contracts.values import Period, PeriodKind, Subject

SCHOOL = SchoolId(UUID("5c400100-0000-4000-8000-000000000001"))
"""The school of everything that names no other."""
SCHOOL_YEAR_BEGINS = datetime(2026, 9, 1, 5, 0, tzinfo=UTC)
OBTAINED_AT = datetime(2026, 10, 23, 11, 0, tzinfo=UTC)
"""When results came to be, unless the test says otherwise."""
FIRST_QUARTER = Period(
    kind=PeriodKind.QUARTER,
    number=1,
    school_year="2026/2027",
    starts_on=date(2026, 9, 1),
    ends_on=date(2026, 10, 25),
)

_SUBJECTS = UUID("5b1ec700-0000-4000-8000-000000000000")
_CLASSES = UUID("c1a55000-0000-4000-8000-000000000000")


def subject(title: str) -> Subject:
    """A subject; the same title is the same subject."""
    return Subject(id=SubjectId(uuid5(_SUBJECTS, title)), title=title)


def class_id(name: str, school: SchoolId = SCHOOL) -> GroupId:
    """The id of a school's class by its name."""
    return GroupId(uuid5(_CLASSES, f"{school}/{name}"))


@dataclass(frozen=True)
class Builder:
    """What all builders can."""

    revision: int = 1

    def as_of(self, revision: int) -> Self:
        """The same aggregate at another revision."""
        return replace(self, revision=revision)

    def but(self, **changes: Any) -> Self:
        """The same with some fields changed."""
        return replace(self, **changes)
