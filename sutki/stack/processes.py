"""Child processes that never outlive their parent.

Each child asks the kernel for a signal at its parent's death (`PR_SET_PDEATHSIG`), so that neither Ctrl-C nor `kill -9`
of the stack leaves an orphan behind. Where the kernel has no such thing (not Linux) an `atexit` hook does what it can.
"""

import asyncio
import atexit
import contextlib
import ctypes
import os
import pwd
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx
import psutil  # type: ignore[import-untyped, unused-ignore]

from sutki.stack.errors import StackError

_PR_SET_PDEATHSIG = 1
_LINUX = sys.platform == "linux"
_prctl = ctypes.CDLL(None, use_errno=True).prctl if _LINUX else None
_POLL_SECONDS = 0.05
_LOG_TAIL_LINES = 25


class _Spawner:
    """Starts every child from one thread that lives as long as the process.

    The kernel sends the death signal when the *thread* that forked ends, so a child must not be started from a thread
    of a pool that may be shut down.
    """

    def __init__(self) -> None:
        self._jobs: queue.SimpleQueue[tuple[Callable[[], Any], queue.SimpleQueue[Any]]] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._pid = 0
        self._lock = threading.Lock()

    def call(self, work: Callable[[], Any]) -> Any:
        """Runs the work in the spawning thread and returns or raises what it did."""
        with self._lock:
            if self._thread is None or self._pid != os.getpid():
                self._jobs = queue.SimpleQueue()
                self._pid = os.getpid()
                self._thread = threading.Thread(target=self._run, name="sutki-spawner", daemon=True)
                self._thread.start()
        answer: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._jobs.put((work, answer))
        done, value = answer.get()
        if not done:
            raise value
        return value

    def _run(self) -> None:
        while True:
            work, answer = self._jobs.get()
            try:
                answer.put((True, work()))
            except BaseException as error:  # noqa: BLE001 — it is raised again in the caller's thread
                answer.put((False, error))


_spawner = _Spawner()
_running: "set[Process]" = set()


def _stop_what_is_left() -> None:
    for process in list(_running):
        process.signal(process.death_signal)


atexit.register(_stop_what_is_left)


def _die_with_parent(parent: int, death_signal: int) -> Callable[[], None]:
    def ask() -> None:
        if _prctl is not None:
            _prctl(_PR_SET_PDEATHSIG, death_signal)
            if os.getppid() != parent:  # it died before we asked
                os._exit(1)

    return ask


class Process:
    """A child process with its log file.

    Args:
        name: what people call it; used in errors.
        command: program and arguments.
        log: where standard output and error go (appended).
        environment: what is set beside the present environment; `None` as a value removes the variable.
        user: the system user to run as (only root can change it).
        death_signal: what the kernel sends when this process ends; the default cannot be refused.
        stop_signal: what asks for a graceful end.
        cwd: where it runs.
        health: the address that answers 200 when it is ready, if it speaks HTTP.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log: Path,
        *,
        environment: Mapping[str, str | None] | None = None,
        user: pwd.struct_passwd | None = None,
        death_signal: int = signal.SIGKILL,
        stop_signal: int = signal.SIGTERM,
        cwd: Path | None = None,
        health: str | None = None,
    ) -> None:
        self.name = name
        self.command = [str(part) for part in command]
        self.log = log
        self.environment = dict(environment or {})
        self.health = health
        self.death_signal = death_signal
        self._stop_signal = stop_signal
        self._user = user
        self._cwd = cwd
        self._child: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process id.

        Raises:
            StackError: it was never started.
        """
        if self._child is None:
            raise StackError(f"{self.name} was not started")
        return self._child.pid

    @property
    def alive(self) -> bool:
        """Whether it runs (a frozen one does)."""
        return self._child is not None and self._child.poll() is None

    @property
    def exit_code(self) -> int | None:
        """Its exit code; negative is the signal that ended it; none while it runs."""
        return None if self._child is None else self._child.poll()

    def start(self, **environment: str | None) -> None:
        """Starts it and returns at once.

        Args:
            environment: variables for this start only, such as a crash point.

        Raises:
            StackError: it runs already, or the program cannot be executed.
        """
        if self.alive:
            raise StackError(f"{self.name} runs already (pid {self.pid})")
        variables: dict[str, str | None] = {**os.environ, **self.environment, **environment}
        self.log.parent.mkdir(parents=True, exist_ok=True)
        try:
            with self.log.open("ab") as log:
                self._child = _spawner.call(lambda: self._spawn(log.fileno(), variables))
        except OSError as error:
            raise StackError(f"{self.name} cannot be started: {error}") from error
        _running.add(self)

    def _spawn(self, log: int, variables: Mapping[str, str | None]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(  # noqa: S603 — the command is ours
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={name: value for name, value in variables.items() if value is not None},
            cwd=self._cwd,
            start_new_session=True,  # Ctrl-C reaches the stack, which then stops its children in order
            preexec_fn=_die_with_parent(os.getpid(), self.death_signal),  # noqa: PLW1509 — see _Spawner
            **as_user(self._user),
        )

    def signal(self, number: int) -> None:
        """Sends a signal if it runs."""
        if self._child is not None and self._child.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self._child.send_signal(number)

    def freeze(self) -> None:
        """SIGSTOP: it keeps its connections and does nothing."""
        self.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """SIGCONT after `freeze`."""
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL to the process and all its descendants; returns when they are gone."""
        if self._child is None or self._child.poll() is not None:
            return
        family = descendants(self._child.pid)
        self.signal(signal.SIGKILL)
        self._child.wait()
        for child in family:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.kill()
        psutil.wait_procs(family, timeout=10)
        _running.discard(self)

    async def terminate(self, grace_seconds: float = 20) -> int:
        """Asks for a graceful end, and kills it when the grace is over.

        Returns:
            the exit code; `-9` when the grace was not enough.
        """
        if self._child is None:
            return 0
        self.thaw()
        self.signal(self._stop_signal)
        try:
            return await self.wait(grace_seconds)
        except TimeoutError:
            self.kill()
            return self._child.wait()

    async def wait(self, seconds: float) -> int:
        """Waits for the end.

        Returns:
            the exit code.

        Raises:
            TimeoutError: it still runs.
        """
        deadline = time.monotonic() + seconds
        while (code := self.exit_code) is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{self.name} still runs after {seconds:g} s")
            await asyncio.sleep(_POLL_SECONDS)
        _running.discard(self)
        return code

    async def restart(self, **environment: str | None) -> None:
        """Ends it gracefully and starts it again; waits for readiness where it has a health address."""
        await self.terminate()
        self.start(**environment)
        if self.health is not None:
            await self.wait_ready()

    async def wait_ready(self, seconds: float = 60) -> None:
        """Waits until the health address answers 200.

        Raises:
            StackError: it ended, or was not ready in time; with the end of its log.
        """
        if self.health is None:
            raise StackError(f"{self.name} has no health address")
        async with httpx.AsyncClient(timeout=2, trust_env=False) as client:
            await self.wait_until(lambda: _answers(client, str(self.health)), seconds)

    async def wait_until(self, ready: Callable[[], Any], seconds: float) -> None:
        """Waits until the coroutine function says true, while the process lives.

        Raises:
            StackError: it ended, or was not ready in time; with the end of its log.
        """
        deadline = time.monotonic() + seconds
        while not await ready():
            if not self.alive:
                raise StackError(f"{self.name} ended with {self.exit_code} before it was ready. {self.log_tail()}")
            if time.monotonic() > deadline:
                raise StackError(f"{self.name} was not ready within {seconds:g} s. {self.log_tail()}")
            await asyncio.sleep(_POLL_SECONDS)

    def memory_bytes(self) -> int:
        """Resident memory of the process and its descendants; 0 when it does not run."""
        if not self.alive:
            return 0
        total = 0
        for each in [psutil.Process(self.pid), *descendants(self.pid)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                total += int(each.memory_info().rss)
        return total

    def log_tail(self) -> str:
        """Where the log is, and its last lines."""
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return f"There is no log at {self.log}."
        return "\n".join([f"The log {self.log} ends with:", *lines[-_LOG_TAIL_LINES:]])


def as_user(user: pwd.struct_passwd | None) -> dict[str, Any]:
    """What makes `subprocess` run something as another user, and only as that user."""
    return {} if user is None else {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def descendants(pid: int) -> list[psutil.Process]:
    """Every child, grandchild … of a process."""
    try:
        return list(psutil.Process(pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return []


async def _answers(client: httpx.AsyncClient, address: str) -> bool:
    try:
        return (await client.get(address)).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False
