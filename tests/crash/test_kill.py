"""kill -9 of every process in the middle of an import: what was acknowledged is everywhere, exactly once."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.support.system import System
from tests.support.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(900)]

GRADES = 600


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
