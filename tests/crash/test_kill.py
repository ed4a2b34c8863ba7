"""kill -9 of every process in the middle of an import: what was acknowledged is everywhere, exactly once."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from chassis.crash import CRASHED
from chassis.database import DISTRICT
from sutki import environment
from tests.support import folders
from tests.support.system import System
from tests.support.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]

GRADES = 600


@pytest.fixture(scope="module")
async def system(kafka_broker: object) -> AsyncIterator[System]:
    folder = folders.make("kill")
    try:
        # fsync stays on: what PostgreSQL acknowledged must survive its own death.
        async with System.running(folder, students=60, fast=False) as running:
            await split_off_the_relay(running)
            yield running
    finally:
        folders.remove(folder)


async def split_off_the_relay(system: System) -> None:
    """The gradebook's relay becomes a process of its own."""
    main = system.stack.service("gradebook")
    await main.terminate()
    port = system.stack.ports["gradebook"]
    api = system.stack.another("gradebook", name="gradebook", roles=("api", "consumers", "loops"), port=port)
    relay = system.stack.another("gradebook", name="relay", roles=("relay",))
    for process in (api, relay):
        process.start()
        await process.wait_ready()


async def kill_service(system: System, name: str) -> None:
    system.stack.service(name).kill()
    await asyncio.sleep(0)
    system.stack.service(name).start()
    await system.stack.service(name).wait_ready()


async def kill_broker(system: System) -> None:
    system.stack.broker.kill()
    await system.stack.broker.start()


async def kill_postgres(system: System) -> None:
    system.stack.postgres.kill()
    await system.stack.postgres.start()


def service(name: str) -> Callable[[System], Awaitable[None]]:
    return lambda system: kill_service(system, name)


VICTIMS: dict[str, Callable[[System], Awaitable[None]]] = {
    "gradebook": service("gradebook"),
    "relay": service("relay"),
    "consent": service("consent"),
    "publisher": service("publisher"),
    "cabinet": service("cabinet"),
    "extracts": service("extracts"),
    "broker": kill_broker,
    "postgres": kill_postgres,
}


@pytest.mark.parametrize("victim", VICTIMS)
async def test_whoever_is_killed_in_the_middle_nothing_is_lost_or_done_twice(system: System, victim: str):
    sending = asyncio.create_task(system.send(system.grades(GRADES), batch=20))
    for _ in range(2):
        progress = len(system.expected)
        await until_more_than(system, progress + 60, sending)
        await VICTIMS[victim](system)
    sent = await sending
    assert len(sent.result_ids) == GRADES
    await system.drained()


async def until_more_than(system: System, count: int, sending: "asyncio.Task[object]") -> None:
    await eventually(lambda: len(system.expected) >= count or sending.done(), what="the import")


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
