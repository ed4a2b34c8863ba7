"""Every process dies between two effects: nothing is lost and nothing is done twice."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from chassis.crash import CRASHED
from chassis.database import DISTRICT
from sutki import environment
from tests.support.system import System
from tests.support.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]

POINTS = [
    ("relay", "relay.after_claim"),
    ("relay", "relay.after_broker_ack"),
    ("relay", "relay.before_commit"),
    ("publisher", "consumer.after_inbox"),
    ("publisher", "consumer.before_commit"),
    ("publisher", "consumer.after_commit"),
    ("publisher", "publisher.after_fall_back_before_commit"),
    ("publisher", "publisher.after_overdue_before_commit"),
    ("cabinet", "cabinet.projected"),
    ("cabinet", "cabinet.acknowledged"),
    ("cabinet", "cabinet.acknowledgement_published"),
    ("consent", "consent.heartbeat_after_boundary"),
    ("consent", "consent.heartbeat_between_partitions"),
]
"""Where a process dies between two effects; the others are tested beside the service that has them."""


@pytest.mark.parametrize(("name", "point"), POINTS, ids=[point for _, point in POINTS])
async def test_a_process_that_dies_between_two_effects_loses_and_repeats_nothing(system: System, name: str, point: str):
    process = system.stack.service(name)
    await process.terminate()
    process.start(SUTKI_CRASH_AT=point)
    await system.send(system.grades(40))
    assert await process.wait(60) == CRASHED, f"{name} did not reach {point}"
    process.start()
    await process.wait_ready()
    await system.drained()


@pytest.mark.parametrize(("point", "nth"), [("cabinet.account_made", 0), ("cabinet.account_published", 1)])
async def test_an_account_whose_maker_dies_before_the_commit_is_made_once_by_the_next_try(
    system: System, point: str, nth: int, tmp_path: Path
):
    owners = {account.person_id for account in system.district.accounts}
    person = sorted({person.person_id for person in system.district.people} - owners)[nth]
    file = tmp_path / "accounts.csv"
    file.write_text(f"person_id,login,password\n{person},{point},{point} password\n", encoding="utf-8")
    source = system.truth.manifest["source"]
    assert await sutki("accounts", "create", str(file), "--source", source, SUTKI_CRASH_AT=point) == CRASHED
    assert await accounts_of(system, "cabinet", person) == 0
    assert await sutki("accounts", "create", str(file), "--source", source) == 0
    assert await accounts_of(system, "cabinet", person) == 1

    async def told() -> bool:
        return await accounts_of(system, "publisher", person) == 1

    await eventually(told, what="the publisher knows of the account")


async def sutki(*arguments: str, **variables: str) -> int | None:
    """The command line, as an operator calls it; its exit code."""
    command = str(Path(sys.executable).parent / "sutki")
    process = await asyncio.create_subprocess_exec(command, *arguments, env={**os.environ, **variables})
    return await asyncio.wait_for(process.wait(), 60)


async def accounts_of(system: System, service: str, person: str) -> int:
    async with environment.database(service) as database, database.transaction(DISTRICT) as conn:
        count: int = await conn.fetchval("SELECT count(*) FROM accounts WHERE person_id = $1", system.ids[person])
        return count
