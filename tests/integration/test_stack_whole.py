"""The whole stack in a folder: it comes up, mends itself, comes down, and leaves nothing behind."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import httpx
import pytest
from aiokafka.admin import AIOKafkaAdminClient

from contracts.catalogue import TOPICS
from sutki.environment import read_file
from sutki.stack.errors import InUse, StackError
from sutki.stack.postgres import SERVICES
from sutki.stack.stack import Stack
from tests.support import folders
from tests.support.orphans import family, is_gone
from tests.support.waiting import eventually

RUNNER = """
import asyncio, sys
from pathlib import Path
from sutki.stack.stack import Stack

async def main():
    async with Stack(Path(sys.argv[1]), fast=True, progress=lambda part, state: print(part, state, flush=True)):
        print("up", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    made = folders.make("stack")
    yield made
    folders.remove(made)


class Asked:
    """Counts how often the owners were asked to send their facts again."""

    def __init__(self) -> None:
        self.times = 0

    async def __call__(self, stack: Stack) -> None:
        assert all(stack.service(name).alive for name in SERVICES), "whoever sends must be there"
        self.times += 1


@pytest.fixture(scope="module")
async def up() -> AsyncIterator[tuple[Stack, Asked]]:
    made, asked = folders.make("stack"), Asked()
    async with Stack(made, fast=True, replay=asked) as stack:
        yield stack, asked
    folders.remove(made)


async def _topics(stack: Stack) -> set[str]:
    admin = AIOKafkaAdminClient(bootstrap_servers=stack.broker.bootstrap)
    await admin.start()
    try:
        return set(await admin.list_topics())
    finally:
        await admin.close()


async def test_all_services_are_ready_on_migrated_databases_with_all_topics(up: tuple[Stack, Asked]) -> None:
    stack, asked = up
    async with httpx.AsyncClient(trust_env=False) as client:
        for name in SERVICES:
            assert (await client.get(f"{stack.address(name)}/health/ready")).status_code == 200
    assert set(TOPICS) <= await _topics(stack)
    assert asked.times == 0, "the databases were empty: nobody had anything to send again"


async def test_the_variables_file_leads_the_command_line_to_the_databases(up: tuple[Stack, Asked]) -> None:
    stack, _ = up
    variables = read_file(stack.env_file)
    assert variables == stack.variables()
    assert stack.env_file.stat().st_mode & 0o077 == 0
    assert variables["SUTKI_KAFKA_IDEMPOTENCE"] == "false"
    for name in SERVICES:
        for kind in ("DATABASE_URL", "OWNER_DATABASE_URL"):
            connection = await asyncpg.connect(variables[f"SUTKI_{name.upper()}_{kind}"])
            assert await connection.fetchval("SELECT current_database()") == f"sutki_{name}"
            await connection.close()


async def test_nobody_else_on_the_machine_reads_mails_events_or_data(up: tuple[Stack, Asked]) -> None:
    stack, _ = up
    for part in ("mail", "logs", "kafka", "postgres/server"):
        assert (stack.folder / part).stat().st_mode & 0o077 == 0, part


async def test_a_second_stack_in_the_folder_is_refused_and_told_who_holds_it(up: tuple[Stack, Asked]) -> None:
    stack, _ = up
    with pytest.raises(InUse, match=r"another stack \(pid \d+\) runs in"):
        await Stack(stack.folder, fast=True).up()
    assert stack.env_file.exists()
    for name in SERVICES:
        assert stack.service(name).alive, stack.service(name).log_tail()


async def test_what_ends_is_started_again_and_an_empty_broker_is_filled_again(up: tuple[Stack, Asked]) -> None:
    stack, asked = up
    stop = asyncio.Event()
    supervisor = asyncio.create_task(stack.supervise(stop))
    before = asked.times
    stack.service("consent").kill()
    stack.broker.kill()
    stack.postgres.kill()
    await eventually(lambda: asked.times > before, within=90, what="the request to send the facts again")
    await stack.service("consent").wait_ready(90)
    assert set(TOPICS) <= await _topics(stack)
    stop.set()
    await supervisor


async def test_one_more_process_of_a_service_runs_beside_the_first(up: tuple[Stack, Asked]) -> None:
    stack, _ = up
    second = stack.another("publisher", name="publisher-2", roles=["loops"])
    second.start()
    await second.wait_ready(90)
    assert second.pid != stack.service("publisher").pid
    assert await second.terminate() == 0


async def test_a_part_that_cannot_start_brings_everything_down_and_its_log_is_shown(folder: Path) -> None:
    stack = Stack(folder, fast=True, environment={"SUTKI_EXTRACTS_RENDER_THREADS": "none"})
    with pytest.raises(StackError, match=r"extracts ended(?s:.)*SUTKI_EXTRACTS_RENDER_THREADS"):
        await stack.up()
    assert not stack.postgres.alive
    assert not stack.broker.alive
    assert not stack.mail.alive
    assert not stack.env_file.exists()


async def test_nothing_outlives_a_killed_stack_and_its_folder_can_be_used_again(folder: Path) -> None:
    runner = await _runner(folder, until="up")
    children = family(runner.pid)
    assert len(children) >= len(SERVICES) + 3
    runner.kill()
    await _end(runner, children)

    asked = Asked()
    async with Stack(folder, fast=True, replay=asked) as again:
        assert again.service("gradebook").alive
    assert asked.times == 1, "the broker was empty beside databases that were not"


async def test_ctrl_c_in_the_middle_of_the_start_leaves_nothing_behind(folder: Path) -> None:
    runner = await _runner(folder, until="consent starting")
    children = family(runner.pid)
    runner.send_signal(signal.SIGINT)
    await _end(runner, children)
    assert not (folder / "stack.env").exists()


async def _runner(folder: Path, *, until: str) -> "subprocess.Popen[str]":
    runner = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-c", RUNNER, str(folder)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert runner.stdout is not None
    while (line := (await asyncio.to_thread(runner.stdout.readline)).strip()) != until:
        assert line, "the runner ended before it was there"
    return runner


async def _end(runner: "subprocess.Popen[str]", children: list[int]) -> None:
    await asyncio.to_thread(runner.wait, 60)
    assert runner.stdout is not None
    runner.stdout.close()
    await eventually(lambda: all(is_gone(pid) for pid in children), within=30, what="the end of every child")
