"""A process that dies while a deferral is approved or comes due leaves it decided and told, or neither (I1)."""

import asyncio
import os
import sys

import pytest

from chassis.crash import CRASHED
from contracts.final_grade_set import FinalGradeSet
from services.gradebook.closing import deferring, handlers
from tests.integration.test_closing_deferrals import END_OF_DUE_DAY, requested
from tests.integration.test_closing_periods import at_school, complete, period, planned
from tests.integration.test_gradebook_journal import Journal, district, journal
from tests.support.databases import ServiceDatabases

__all__ = ["district", "journal", "planned"]

WORK = """
import asyncio, sys
from datetime import datetime
from uuid import UUID
from chassis.clock import FixedClock
from chassis.database import DISTRICT, Database
from services.gradebook.closing import deferring, handlers
from services.gradebook.closing.desk import Desk

async def main() -> None:
    url, what, school, subject, at = sys.argv[1:]
    database = await Database.connect(url, application_name="crash")
    clock = FixedClock(datetime.fromisoformat(at))
    desk = Desk(database, clock, DISTRICT, UUID(school), "head")
    if what == "approve":
        await deferring.approve(desk, UUID(subject))
    elif what == "due":
        await deferring.let_come_due(database, clock)
    else:
        await handlers.close(desk, UUID(subject))
    await database.close()

asyncio.run(main())
"""


async def run(journal: Journal, databases: ServiceDatabases, what: str, subject: object, *, crash_at: str) -> int:
    """Does one thing in a process of its own that dies at a point; its exit code."""
    url, school = (await databases.urls("gradebook")).app, await journal.id_of("school", "1")
    arguments = [url, what, str(school), str(subject), journal.clock.at.isoformat()]
    environment = os.environ | {"SUTKI_CRASH_AT": crash_at}
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", WORK, *arguments, env=environment)
    return await asyncio.wait_for(process.wait(), 60)


@pytest.mark.parametrize(
    ("point", "done"),
    [
        ("gradebook.after_facts_before_outbox", False),
        ("gradebook.after_outbox_before_commit", False),
        ("gradebook.after_commit", True),
    ],
)
async def test_an_approval_is_recorded_with_its_event_or_not_at_all(
    planned: Journal, service_database: ServiceDatabases, point: str, done: bool
) -> None:
    deferral = await requested(planned)
    assert await run(planned, service_database, "approve", deferral.deferral_id, crash_at=point) == CRASHED
    (row,) = await planned.rows("SELECT state FROM deferrals")
    told = [event.state for event in await planned.told() if isinstance(event, FinalGradeSet)]
    results = await planned.rows("SELECT state FROM final_grades WHERE result_id = $1", deferral.result_id)
    assert (row["state"], told) == (("approved", ["deferred"]) if done else ("requested", []))
    assert results == ([{"state": "deferred"}] if done else [])
    if not done:
        await deferring.approve(await at_school(planned), deferral.deferral_id)
        assert [type(event) for event in await planned.told()] == [FinalGradeSet]


async def test_a_deferral_that_was_coming_due_comes_due_after_the_restart(
    planned: Journal, service_database: ServiceDatabases
) -> None:
    deferral = await requested(planned)
    await deferring.approve(await at_school(planned), deferral.deferral_id)
    planned.clock.at = END_OF_DUE_DAY
    point = "gradebook.after_deferrals_due_before_commit"
    assert await run(planned, service_database, "due", deferral.deferral_id, crash_at=point) == CRASHED
    assert await planned.rows("SELECT state FROM deferrals") == [{"state": "approved"}]
    assert await deferring.let_come_due(planned.database, planned.clock) == 1
    assert await planned.rows("SELECT state, revision FROM deferrals") == [{"state": "due", "revision": 3}]


async def test_a_period_that_was_closed_when_the_process_died_is_closed_once(
    planned: Journal, service_database: ServiceDatabases
) -> None:
    await complete(planned)
    quarter = await period(planned)
    assert await run(planned, service_database, "close", quarter, crash_at="gradebook.after_commit") == CRASHED
    assert (await handlers.close(await at_school(planned), quarter)).closed
    assert await planned.rows("SELECT state, revision FROM period_closings") == [{"state": "closed", "revision": 1}]
