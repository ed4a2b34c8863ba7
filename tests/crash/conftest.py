"""A running system of which each file of tests may kill what it likes."""

from collections.abc import AsyncIterator

import pytest

from tests.support import folders
from tests.support.system import System


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
