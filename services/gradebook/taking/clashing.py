"""Control works that clash: refused when they are taken, and shown before anything is saved."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from chassis.database import Connection
from services.gradebook import journal_queries, policy_queries
from services.gradebook.control_works import Clash, Planned, clashes, week_of
from services.gradebook.facts import ControlWork
from services.gradebook.rejections import Code, Fault
from services.gradebook.taking.common import Taking
from services.gradebook.taking.facts import Change


async def refuse_clashing(
    conn: Connection, taking: Taking, changes: Sequence[Change[Any, ControlWork]]
) -> Mapping[int, Fault]:
    """By place, what clashes and is not forced. A corrected title clashes with nothing; nor does a cancelled work."""
    planned = [change for change in changes if is_planned_anew(change)]
    if not planned:
        return {}
    policies = await policy_queries.policies(conn, taking.home())
    judged = [change for change in planned if policies.on(change.after.planned_on).control_work_clash == "refuse"]
    forced = {change.after.control_work_id for change in judged if change.record.force}
    places = {change.after.control_work_id: change.place for change in judged}
    found = await clashes_of(conn, taking.home(), [change.after for change in judged], forced)
    return {places[clash.control_work_id]: Fault("planned_on", Code.CONTROL_WORK_CLASH) for clash in found}


def is_planned_anew(change: Change[Any, ControlWork]) -> bool:
    """Whether a control work comes to stand where it did not: new, planned again, or moved."""
    if change.after.state != "planned":
        return False
    before = change.before
    return before is None or before.state != "planned" or _when(before) != _when(change.after)


def _when(work: ControlWork) -> tuple[object, ...]:
    return work.planned_on, work.subject_id, work.kind, work.group_id


async def clashes_of(conn: Connection, school_id: UUID, works: Sequence[ControlWork], forced: set[UUID]) -> list[Clash]:
    """How control works clash with those that stand, or with one before them.

    Args:
        conn: the transaction.
        school_id: the school of all of them.
        works: in the order in which they are planned.
        forced: the ids of those that stand whatever they clash with; the others are judged beside them.
    """
    if not works:
        return []
    policies = await policy_queries.policies(conn, school_id)
    first = min(week_of(work.planned_on)[0] for work in works)
    last = max(week_of(work.planned_on)[1] for work in works)
    classes = await journal_queries.classes_of_groups(conn, list({work.group_id for work in works}))
    given = {
        work.control_work_id: Planned(
            work.control_work_id, classes[work.group_id], work.subject_id, work.planned_on, work.kind
        )
        for work in works
    }
    standing = await journal_queries.standing_control_works(conn, school_id, first, last)
    # What a given work was before does not stand any more, wherever it is moved to.
    kept = [work for work in standing if work.control_work_id not in given]
    kept += [given[work_id] for work_id in sorted(forced)]
    return clashes([work for work_id, work in given.items() if work_id not in forced], kept, policies)
