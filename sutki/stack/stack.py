"""The whole system on one machine: PostgreSQL, a broker, a mail sink and the five services, in one folder."""

import asyncio
import fcntl
import os
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from pathlib import Path
from typing import IO, Final, Literal, Self, TypeVar

from chassis.migrations import MigrationError, migrate
from sutki.stack.errors import InUse, StackError
from sutki.stack.kafka import KafkaCluster
from sutki.stack.keys import key_settings
from sutki.stack.mail import MailSink
from sutki.stack.ports import LOOPBACK, free_port
from sutki.stack.postgres import SERVICES, EmbeddedPostgres
from sutki.stack.processes import Process
from sutki.stack.tansu import EmbeddedBroker
from sutki.stack.topics import make_topics

PROJECT: Final = Path(__file__).resolve().parents[2]
DEFAULT_PORTS: Final[Mapping[str, int]] = {
    "cabinet": 8100,
    "gradebook": 8101,
    "consent": 8102,
    "publisher": 8103,
    "extracts": 8104,
    "smtp": 1025,
    "mail": 8025,
    "broker": 9092,
}
"""Where the parts listen when nobody else does; the services' are the defaults of their settings."""

PARTITIONS: Final = 6
_READY_SECONDS: Final = 120
_WATCH_SECONDS: Final = 0.5
_RESTART_PAUSE_SECONDS: Final = 2.0

_T = TypeVar("_T")
Progress = Callable[[str, Literal["starting", "ready", "ended"]], None]
Replay = Callable[["Stack"], Awaitable[None]]


class Stack:
    """Everything that runs, from one folder that can be started again and again.

    Args:
        folder: holds data, mails, logs and `stack.env`; two stacks cannot share it.
        broker: `embedded` is in memory and installs like a package; `kafka` is Apache Kafka.
        brokers: 1 or 3, with `kafka`.
        ports: by the names of `DEFAULT_PORTS`; one that is taken is replaced by a free one.
        environment: further SUTKI_… variables of the services; they win.
        fast: PostgreSQL does not wait for the disk. For tests that do not pull the plug.
        replay: asks the owners to send their facts again; called when the broker starts empty beside databases that
            were there before.
        progress: told the name of each part as it starts and when it is ready.

    Raises:
        Unavailable: the broker that was asked for cannot be had on this machine.
    """

    def __init__(
        self,
        folder: Path,
        *,
        broker: Literal["embedded", "kafka"] = "embedded",
        brokers: int = 1,
        ports: Mapping[str, int] | None = None,
        environment: Mapping[str, str] | None = None,
        fast: bool = False,
        replay: Replay | None = None,
        progress: Progress | None = None,
    ) -> None:
        self.folder = folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        for private in ("mail", "logs", "kafka"):  # events and mails name children; PostgreSQL guards its own
            (self.folder / private).mkdir(mode=0o700, exist_ok=True)
        self._lock: IO[str] | None = None
        self._environment = dict(environment or {})
        self._replay = replay
        self._tell: Progress = progress or (lambda _part, _state: None)
        wanted = {**DEFAULT_PORTS, **(ports or {})}
        self.ports = {name: free_port(wanted[name]) for name in SERVICES}
        self.postgres = EmbeddedPostgres(self.folder / "postgres", fast=fast)
        self.mail = MailSink(self.folder / "mail", port=wanted["smtp"], http_port=wanted["mail"])
        self.broker: EmbeddedBroker | KafkaCluster = (
            EmbeddedBroker(self.folder, port=wanted["broker"])
            if broker == "embedded"
            else KafkaCluster(self.folder / "kafka", brokers=brokers, port=wanted["broker"])
        )
        self._services: dict[str, Process] = {}

    async def __aenter__(self) -> Self:
        """Brings everything up."""
        await self.up()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Brings everything down."""
        await self.down()

    @property
    def env_file(self) -> Path:
        """The variables with which the command line finds this stack; there while the stack is up."""
        return self.folder / "stack.env"

    @property
    def embedded(self) -> bool:
        """Whether the broker forgets everything when it ends."""
        return isinstance(self.broker, EmbeddedBroker)

    def address(self, service: str) -> str:
        """Where a service answers: `http://host:port`."""
        return f"http://{LOOPBACK}:{self.ports[service]}"

    def service(self, name: str) -> Process:
        """A service's process, to kill, freeze or restart it, or to read its log.

        Raises:
            StackError: the stack is not up, or there is no such service.
        """
        if name not in self._services:
            raise StackError(f"no service {name!r} was started; known are {', '.join(SERVICES)}")
        return self._services[name]

    def variables(self) -> dict[str, str]:
        """The SUTKI_… variables of this stack, for the command line: owners' addresses included."""
        owners = {f"SUTKI_{name.upper()}_OWNER_DATABASE_URL": self.postgres.owner_url(name) for name in SERVICES}
        return self._service_variables() | owners

    async def up(self) -> None:
        """Starts every part in the order in which they need each other; returns when all are ready.

        Raises:
            InUse: another stack runs in the folder.
            StackError: a part did not become ready; everything that was started is stopped again.
        """
        self._take_lock()
        try:
            await _together(
                self._part("PostgreSQL", self._start_postgres()),
                self._part("broker", self.broker.start()),
                self._part("mail", self.mail.start()),
            )
            known = await self._part("migrations", self._migrate())
            await self._part("topics", self._make_topics())
            self._write_env_file()
            await _together(*(self._part(name, self._start_service(name)) for name in SERVICES))
            if self.embedded and known and self._replay is not None:
                await self._part("replay", self._replay(self))
        except BaseException:
            await self.down()
            raise

    async def down(self) -> None:
        """Stops every part, the services first and gracefully, and lets go of the folder."""
        self.env_file.unlink(missing_ok=True)
        await asyncio.gather(*(process.terminate() for process in self._services.values()))
        await asyncio.gather(self.mail.stop(), self.broker.stop())
        await self.postgres.stop()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def kill(self) -> None:
        """`kill -9` of everything: the power cut."""
        for process in self._services.values():
            process.kill()
        self.mail.kill()
        self.broker.kill()
        self.postgres.kill()

    def another(self, service: str, *, name: str, roles: Sequence[str] = (), port: int | None = None) -> Process:
        """One more process of a service, not started; `down` stops it with the others.

        Args:
            service: which.
            name: what `service(name)` finds it by; also names its log.
            roles: the parts that it runs (api, relay, consumers, loops); all by default.
            port: where it answers; a free one by default.
        """
        port = free_port() if port is None else port
        command = [sys.executable, "-m", f"services.{service}", "run", *(("--roles", ",".join(roles)) if roles else ())]
        process = Process(
            name,
            command,
            self.folder / "logs" / f"{name}.log",
            environment={
                **self._service_variables(),
                "PYTHONUTF8": "1",
                f"SUTKI_{service.upper()}_HTTP_PORT": str(port),
            },
            cwd=PROJECT,
            health=f"http://{LOOPBACK}:{port}/health/ready",
        )
        self._services[name] = process
        return process

    async def restart_broker(self) -> None:
        """Starts the broker anew; what an embedded one forgot is sent again by the owners of the facts.

        Raises:
            StackError: it was not ready in time.
        """
        await self.broker.stop()
        await self.broker.start()
        await self._make_topics()
        if self.embedded and self._replay is not None:
            await self._replay(self)

    def failed(self) -> list[Process]:
        """The services that ended by themselves with an error."""
        return [process for process in self._services.values() if (process.exit_code or 0) > 0]

    async def supervise(self, stop: asyncio.Event) -> None:
        """Starts again whatever ends, until `stop` is set: a service ends by itself when it wants to be started anew.

        Raises:
            StackError: a part cannot be started again.
        """
        ended_at: dict[str, float] = {}
        while not stop.is_set():
            for name, process in list(self._services.items()):
                if (
                    not process.alive
                    and time.monotonic() - ended_at.get(name, -_RESTART_PAUSE_SECONDS) > _RESTART_PAUSE_SECONDS
                ):
                    self._tell(name, "ended")
                    ended_at[name] = time.monotonic()
                    process.start()
            for name, part, start in (
                ("PostgreSQL", self.postgres, self.postgres.start),
                ("mail", self.mail, self.mail.start),
                ("broker", self.broker, self.restart_broker),
            ):
                if not part.alive:
                    self._tell(name, "ended")
                    await self._part(name, start())
            await _wait(stop, _WATCH_SECONDS)

    async def _part(self, name: str, work: Awaitable[_T]) -> _T:
        self._tell(name, "starting")
        result = await work
        self._tell(name, "ready")
        return result

    async def _start_postgres(self) -> None:
        await self.postgres.start()
        await self.postgres.prepare()

    async def _start_service(self, name: str) -> None:
        process = self.another(name, name=name, port=self.ports[name])
        process.start()
        await process.wait_ready(_READY_SECONDS)

    async def _migrate(self) -> bool:
        """Brings all schemas up to date; true when one of them was there before."""
        folders = {name: PROJECT / "services" / name / "migrations" for name in SERVICES}
        try:
            applied = await asyncio.gather(
                *(migrate(self.postgres.owner_url(name), name, folder) for name, folder in folders.items())
            )
        except MigrationError as error:
            raise StackError(str(error)) from error
        return not all(any(file.startswith("chassis/0001") for file in files) for files in applied)

    async def _make_topics(self) -> None:
        await make_topics(
            bootstrap=self.broker.bootstrap,
            partitions=PARTITIONS,
            replication_factor=self.broker.replication_factor,
            prefix=self._environment.get("SUTKI_KAFKA_TOPIC_PREFIX", ""),
        )

    def _service_variables(self) -> dict[str, str]:
        variables = {
            "SUTKI_KAFKA_BOOTSTRAP": self.broker.bootstrap,
            "SUTKI_KAFKA_IDEMPOTENCE": "false" if self.embedded else "true",
            "SUTKI_KAFKA_PARTITIONS": str(PARTITIONS),
            "SUTKI_KAFKA_REPLICATION_FACTOR": str(self.broker.replication_factor),
            "SUTKI_SMTP_HOST": self.mail.host,
            "SUTKI_SMTP_PORT": str(self.mail.port),
            "SUTKI_CABINET_URL": self.address("cabinet"),
            "SUTKI_CABINET_COOKIE_SECURE": "false",  # plain http on the loopback address
        }
        variables |= key_settings(self.folder / "keys", self.address("publisher"))
        for name in SERVICES:
            variables[f"SUTKI_{name.upper()}_DATABASE_URL"] = self.postgres.url(name)
            variables[f"SUTKI_{name.upper()}_HTTP_PORT"] = str(self.ports[name])
        return variables | self._environment

    def _write_env_file(self) -> None:
        lines = ["# The running stack. Read by the command line; gone when the stack is down."]
        lines += [f"{name}={value}" for name, value in sorted(self.variables().items())]
        unfinished = self.env_file.with_suffix(".part")
        unfinished.write_text("\n".join(lines) + "\n", encoding="utf-8")
        unfinished.chmod(0o600)
        unfinished.rename(self.env_file)

    def _take_lock(self) -> None:
        """The kernel lets go of it when this process ends, however it ends."""
        lock = (self.folder / "lock").open("a+", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            holder = lock.read().strip()
            lock.close()
            raise InUse(
                f"another stack (pid {holder}) runs in {self.folder}; stop it or name another folder"
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock


async def _together(*parts: Coroutine[None, None, None]) -> None:
    """Runs all at once; the first that fails ends the others, and its error is raised as it is."""
    try:
        async with asyncio.TaskGroup() as group:
            for part in parts:
                group.create_task(part)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
