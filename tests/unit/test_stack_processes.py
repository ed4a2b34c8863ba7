"""Child processes: ready, graceful, killed, frozen; and none outlives its parent."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import psutil  # type: ignore[import-untyped, unused-ignore]
import pytest

from sutki.stack.errors import StackError
from sutki.stack.ports import free_port, is_free, is_listening
from sutki.stack.processes import Process
from tests.support.orphans import is_gone
from tests.support.waiting import eventually

SLEEPER = [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(600)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)",
]
WITH_CHILD = [
    sys.executable,
    "-c",
    "import subprocess; print(subprocess.Popen(['sleep', '600']) and 'up', flush=True); __import__('time').sleep(600)",
]
PARENT = """
import sys, threading, time
from pathlib import Path
from sutki.stack.processes import Process

def start():
    child = Process("child", [sys.executable, "-c", "import time; time.sleep(600)"], Path(sys.argv[1]) / "child.log")
    child.start()
    print(child.pid, flush=True)

thread = threading.Thread(target=start)  # a thread that ends: the child must not end with it
thread.start()
thread.join()
time.sleep(600)
"""


async def _up(process: Process) -> None:
    await eventually(lambda: "up" in process.log.read_text(encoding="utf-8"), within=20, what="the child's first word")


async def test_a_process_ends_gracefully_and_says_with_what(tmp_path: Path) -> None:
    process = Process("sleeper", SLEEPER, tmp_path / "log")
    process.start()
    await _up(process)
    assert process.alive
    assert process.memory_bytes() > 1_000_000
    assert await process.terminate() == -signal.SIGTERM
    assert process.exit_code == -signal.SIGTERM
    assert process.memory_bytes() == 0


async def test_a_process_that_refuses_to_end_is_killed_after_the_grace(tmp_path: Path) -> None:
    process = Process("stubborn", STUBBORN, tmp_path / "log")
    process.start()
    await _up(process)
    assert await process.terminate(grace_seconds=0.3) == -signal.SIGKILL


async def test_a_frozen_process_can_still_be_ended(tmp_path: Path) -> None:
    process = Process("sleeper", SLEEPER, tmp_path / "log")
    process.start()
    await _up(process)
    process.freeze()
    await eventually(lambda: psutil.Process(process.pid).status() == psutil.STATUS_STOPPED, within=5)
    assert process.alive
    assert await process.terminate() == -signal.SIGTERM


async def test_killing_takes_the_descendants_too(tmp_path: Path) -> None:
    process = Process("family", WITH_CHILD, tmp_path / "log")
    process.start()
    await _up(process)
    (grandchild,) = psutil.Process(process.pid).children()
    process.kill()
    assert is_gone(grandchild.pid)
    assert process.exit_code == -signal.SIGKILL


async def test_it_starts_again_with_other_variables(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import os; print(os.environ.get('COLOUR'), os.environ.get('HOME'))"]
    process = Process("teller", command, tmp_path / "log", environment={"COLOUR": "red", "HOME": None})
    process.start()
    await process.wait(20)
    process.start(COLOUR="blue")
    await process.wait(20)
    assert (tmp_path / "log").read_text(encoding="utf-8").split() == ["red", "None", "blue", "None"]


async def test_what_ends_before_it_is_ready_is_an_error_that_shows_its_log(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('the cat sits on the cable')"]
    process = Process("cat", command, tmp_path / "log", health="http://127.0.0.1:9/health/ready")
    process.start()
    with pytest.raises(StackError, match=r"cat ended with 1 .*\n.*the cat sits on the cable"):
        await process.wait_ready(20)


async def test_a_second_start_while_it_runs_is_refused(tmp_path: Path) -> None:
    process = Process("sleeper", SLEEPER, tmp_path / "log")
    process.start()
    with pytest.raises(StackError, match="runs already"):
        process.start()
    process.kill()


def test_what_cannot_be_executed_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(StackError, match="ghost cannot be started"):
        Process("ghost", [tmp_path / "nothing"], tmp_path / "log").start()


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
async def test_no_child_outlives_its_parent(tmp_path: Path, end: signal.Signals) -> None:
    parent = subprocess.Popen(  # noqa: ASYNC220
        [sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    try:
        assert not is_gone(child), "the child must live on when the thread that started it has ended"
        parent.send_signal(end)
        parent.wait(20)
        await eventually(lambda: is_gone(child), within=10, what="the end of the child")
    finally:
        parent.stdout.close()
        for pid in (parent.pid, child):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


async def test_a_child_started_from_a_pool_outlives_the_pool(tmp_path: Path) -> None:
    process = Process("sleeper", SLEEPER, tmp_path / "log")
    thread = threading.Thread(target=process.start)
    thread.start()
    thread.join()
    await _up(process)
    assert process.alive
    process.kill()


def test_ports_are_never_handed_out_twice() -> None:
    first = free_port()
    assert free_port(first) != first
    assert is_free(first)
    assert not is_listening(first)
