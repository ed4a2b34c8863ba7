"""The ladder: who is told, and when, that something is still owed as its 24 hours run out (clause C6)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from contracts.values import DISCLOSURE_TERM


class Step(StrEnum):
    """A rung of the ladder."""

    SCHOOL = "school"
    HEAD = "head"
    DISTRICT = "district"
    OVERDUE = "overdue"
    """After the deadline, every day until nothing is owed any more."""


class StaffRole(StrEnum):
    """Whom a step is told to."""

    CLASS_TEACHER = "class_teacher"
    SECRETARY = "secretary"
    HEAD = "head"
    DISTRICT = "district"


TOLD_TO: Final[Mapping[Step, tuple[StaffRole, ...]]] = {
    Step.SCHOOL: (StaffRole.CLASS_TEACHER, StaffRole.SECRETARY),
    Step.HEAD: (StaffRole.HEAD,),
    Step.DISTRICT: (StaffRole.DISTRICT,),
    Step.OVERDUE: (StaffRole.DISTRICT,),
}
LADDER: Final = (Step.SCHOOL, Step.HEAD, Step.DISTRICT)
"""The steps before the deadline, in order: an obligation that comes late to the ladder takes each of them."""
DAILY: Final = timedelta(days=1)

DEFAULT_PRINTER: Final = "очередь печати школы / the school's print queue"
"""Where a school's sheets come out, unless it said that in its own words."""


def stage(step: Step) -> int:
    """What `obligations.escalation` is once a step of the ladder was taken."""
    return LADDER.index(step) + 1


class LadderOutOfOrder(ValueError):  # noqa: N818 - says what is wrong
    """A step that stands higher would be taken earlier."""


@dataclass(frozen=True, slots=True)
class Leads:
    """How long before the deadline each step is taken."""

    school: timedelta = timedelta(hours=12)
    head: timedelta = timedelta(hours=4)
    district: timedelta = timedelta(hours=1)

    def __post_init__(self) -> None:
        if not timedelta() < self.district <= self.head <= self.school < DISCLOSURE_TERM:
            raise LadderOutOfOrder("the school is told first, then the head, then the district, all within 24 hours")

    def of(self, step: Step) -> timedelta:
        """The lead of a step before the deadline."""
        return {Step.SCHOOL: self.school, Step.HEAD: self.head, Step.DISTRICT: self.district}[step]


@dataclass(frozen=True, slots=True)
class Ladder:
    """The district's settings."""

    leads: Leads = Leads()
    grouping: timedelta = timedelta(minutes=15)
    """A message takes along what reaches its step within this time, and the next one waits for as long."""
    grace: timedelta = timedelta(minutes=10)
    """What has just opened is first given the time to be shown or asked for."""
    overdue_grace: timedelta = timedelta(minutes=1)
    """As for calling something overdue: an acknowledgement may be on its way."""
