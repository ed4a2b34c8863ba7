"""The schedule of control works: at most so many a day for a class, and of one subject in a week. Pure."""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

from services.gradebook.policy import Policies


class Planned(NamedTuple):
    """A control work as the rules see it."""

    control_work_id: UUID
    classes: frozenset[UUID]
    """The classes whose students write it; of a study group those that its members come from."""
    subject_id: UUID
    on: date
    kind: str


class Rule(StrEnum):
    """Which rule two control works break."""

    SAME_DAY = "same_day"
    SAME_SUBJECT_IN_WEEK = "same_subject_in_week"


class Clash(NamedTuple):
    """A control work that cannot stand beside others."""

    control_work_id: UUID
    rule: Rule
    class_id: UUID
    with_ids: tuple[UUID, ...]
    """Those that stand there already."""


def week_of(day: date) -> tuple[date, date]:
    """Monday and Sunday of the day's week."""
    monday = day - timedelta(days=day.weekday())
    return monday, monday + timedelta(days=6)


def clashes(new: Sequence[Planned], standing: Iterable[Planned], policies: Policies) -> list[Clash]:
    """What of the new control works clashes with those that stand, or with a new one before it.

    A new one that clashes does not stand, so that of two on one day the first is kept.

    Args:
        new: in the order in which they are planned.
        standing: those of the same weeks and classes; what a new one was before is among them and is left out.
        policies: the school's settings; each work is judged by those of its day.
    """
    ids = {work.control_work_id for work in new}
    kept = [work for work in standing if work.control_work_id not in ids]
    found: list[Clash] = []
    for work in new:
        own = _clashes_of(work, kept, policies)
        found += own
        if not own:
            kept.append(work)
    return found


def _clashes_of(work: Planned, kept: Sequence[Planned], policies: Policies) -> list[Clash]:
    policy = policies.on(work.on)
    if work.kind not in policy.control_work_kinds:
        return []
    others = [other for other in kept if other.kind in policy.control_work_kinds]
    monday, sunday = week_of(work.on)
    found = []
    for class_id in sorted(work.classes):
        of_class = [other for other in others if class_id in other.classes]
        same_day = [other.control_work_id for other in of_class if other.on == work.on]
        same_subject = [
            other.control_work_id
            for other in of_class
            if other.subject_id == work.subject_id and monday <= other.on <= sunday
        ]
        if len(same_day) >= policy.control_works_a_day:
            found.append(Clash(work.control_work_id, Rule.SAME_DAY, class_id, tuple(same_day)))
        if len(same_subject) >= policy.same_subject_control_works_a_week:
            found.append(Clash(work.control_work_id, Rule.SAME_SUBJECT_IN_WEEK, class_id, tuple(same_subject)))
    return found
