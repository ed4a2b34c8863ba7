"""A service as a process: API, relay, consumers and loops on one event loop, with health, metrics, a graceful stop."""

import argparse
import asyncio
import inspect
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import asyncpg
import uvicorn
from fastapi import APIRouter, FastAPI
from faststream.kafka import KafkaBroker

from chassis import access_log, dead_letters, inbox, logging, metrics, migrations, outbox, relay, topics, tracing
from chassis.consuming import Consumer, TransientFailuresWait
from chassis.database import DISTRICT, Database
from chassis.errors import is_transient
from chassis.http import make_app, make_internal_app
from chassis.logging import log
from chassis.settings import EXIT_CONFIG, ServiceSettings, load
from chassis.timers import DueLoop

ROLES = ("api", "relay", "consumers", "loops")
OBSERVE_SECONDS = 1.0
HOUSEKEEPING_SECONDS = 60.0
RECONNECT_SECONDS = 1.0
PROBE_SECONDS = 5.0
REVIVE_SECONDS = 10.0

S = TypeVar("S", bound=ServiceSettings)


@dataclass
class Service:
    """All parts of a service, put together by its `app.py`."""

    settings: ServiceSettings
    database: Database
    title: str
    routers: list[APIRouter] = field(default_factory=list)
    consumers: list[Consumer] = field(default_factory=list)
    loops: list[DueLoop] = field(default_factory=list)
    background: list[Callable[[asyncio.Event], Awaitable[None]]] = field(default_factory=list)
    """Other long-running work; given the stop event."""
    configure: Callable[[FastAPI], None] | None = None
    """A last word on the HTTP application: static files, error pages."""
    roles: Sequence[str] = ROLES
    consuming: bool = False
    """Set once the consumers have started."""

    def app(self) -> FastAPI:
        """The HTTP application."""
        return make_app(self)

    async def run(self, stop: asyncio.Event) -> None:
        """Runs the parts named in `roles` until `stop` is set, and lets them finish what they have begun.

        Raises:
            ExceptionGroup: a part failed for good; the process must end so that it is started anew.
        """
        settings = self.settings
        parts: list[Awaitable[None]] = [
            self._serve(self.app(), settings.http_host, settings.http_port, stop),
            self._observe(stop),
        ]
        if settings.internal_port is not None:
            parts.append(self._serve(make_internal_app(self), settings.internal_host, settings.internal_port, stop))
        if "relay" in self.roles:
            parts.append(relay.Relay(self.database, self.settings).run(stop))
        if "consumers" in self.roles and self.consumers:
            parts += [self._consume(stop), self._asked_letters().run(stop)]
        if "loops" in self.roles:
            parts += [loop.run(stop) for loop in (*self.loops, self._housekeeping())]
            parts += [work(stop) for work in self.background]
        async with asyncio.TaskGroup() as group:
            for part in parts:
                group.create_task(_until_stopped(part, stop))
        log.info("stopped")

    async def _serve(self, app: FastAPI, host: str, port: int, stop: asyncio.Event) -> None:
        config = uvicorn.Config(
            app,
            host=host,
            port=port,
            log_config=None,
            access_log=False,
            # Whose forwarded addresses are believed is a setting of the service that needs them.
            proxy_headers=False,
            timeout_graceful_shutdown=int(self.settings.stop_grace_seconds),
            server_header=False,
        )
        server = _Server(config)
        stopper = asyncio.create_task(_when(stop, lambda: setattr(server, "should_exit", True)))
        try:
            await server.serve()
        finally:
            stopper.cancel()
        if not stop.is_set():
            raise RuntimeError(f"the HTTP server on port {port} ended by itself; is the port in use?")

    async def _consume(self, stop: asyncio.Event) -> None:
        broker = KafkaBroker(
            # A list: FastStream takes a string for one address.
            self.settings.kafka_bootstrap.split(","),
            client_id=self.settings.SERVICE,
            graceful_timeout=self.settings.stop_grace_seconds,
            middlewares=[TransientFailuresWait],
            apply_types=False,
            allow_auto_create_topics=False,
            logger=logging.library("faststream"),
        )
        for consumer in self.consumers:
            consumer.attach(broker, prefix=self.settings.kafka_topic_prefix)
        try:
            await self._start(broker, stop)
            while not stop.is_set():
                for consumer in self.consumers:
                    if consumer.progress.silent_for() > self.settings.consumer_silent_seconds:
                        await self._judge(consumer, stop)
                await _sleep(stop, OBSERVE_SECONDS)
        finally:
            self.consuming = False
            with suppress(TimeoutError, ConnectionAbortedError):
                await _apart(broker.stop(), 2 * self.settings.stop_grace_seconds)

    async def _judge(self, consumer: Consumer, stop: asyncio.Event) -> None:
        """Makes a consumer anew that stays silent though the broker answers others."""
        answers = await topics.broker_answers(self.settings.kafka_bootstrap, PROBE_SECONDS)
        if answers and consumer.progress.forgiven():
            await self._revive(consumer, stop)
        else:
            consumer.progress.forgive()

    async def _revive(self, consumer: Consumer, stop: asyncio.Event) -> None:
        """Makes a silent consumer anew; what it had not committed is read again.

        Raises:
            TimeoutError: it cannot even be stopped; the process must end.
        """
        log.warning("consumer_silent", consumer=consumer.name, seconds=round(consumer.progress.silent_for()))
        metrics.CONSUMER_RESTARTS.labels(consumer.name).inc()
        try:
            await _apart(consumer.stop(), REVIVE_SECONDS)
        except ConnectionAbortedError as error:
            # It is to be thrown away in any case.
            log.warning("consumer_stopped_badly", consumer=consumer.name, error=str(error))
        await self._start(consumer, stop)

    async def _start(self, what: "KafkaBroker | Consumer", stop: asyncio.Event) -> None:
        """Starts all consumers or one, as often as it takes."""
        self.consuming = False
        while not stop.is_set():
            try:
                await _apart(what.start())
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("broker_away", error=type(error).__name__)
                with suppress(ConnectionAbortedError):
                    await _apart(what.stop(), self.settings.stop_grace_seconds)
                await _sleep(stop, RECONNECT_SECONDS)
            else:
                self.consuming = True
                log.info("consuming", consumers=[consumer.name for consumer in self.consumers])
                return

    async def _observe(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            try:
                for consumer in self.consumers:
                    await consumer.observe()
                await relay.measure(self.database)
                await dead_letters.measure(self.database)
            except Exception as error:
                if not is_transient(error):
                    raise
                log.warning("not_measured", error=type(error).__name__)
            await _sleep(stop, OBSERVE_SECONDS)

    def _asked_letters(self) -> DueLoop:
        async def apply() -> int:
            return sum([await consumer.apply_asked() for consumer in self.consumers])

        return DueLoop("dead-letters", apply, _never)

    def _housekeeping(self) -> DueLoop:
        async def prune() -> int:
            async with self.database.transaction(DISTRICT) as conn:
                gone = await outbox.prune(conn, keep_hours=self.settings.outbox_keep_hours)
                gone += await access_log.prune(conn, keep_days=self.settings.access_log_keep_days)
                gone += await dead_letters.prune(conn, keep_days=self.settings.dead_letters_keep_days)
                return gone + await inbox.prune(conn, keep_days=self.settings.inbox_keep_days)

        return DueLoop("housekeeping", prune, _never, idle_seconds=HOUSEKEEPING_SECONDS)


class _Server(uvicorn.Server):
    """Signals are the service's business, not the web server's."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def main(settings: type[S], build: Callable[[S], Awaitable[Service]]) -> None:
    """The process entry: `python -m services.<name> run|migrate`.

    Args:
        settings: the service's settings class.
        build: puts the service together; its module stands beside the folder `migrations`.
    """
    folder = Path(inspect.getfile(build)).parent / "migrations"
    arguments = _arguments(settings.SERVICE)
    loaded = load(settings)
    logging.configure(settings.SERVICE, loaded.log_level)
    tracing.configure(settings.SERVICE)
    if arguments.command == "migrate":
        raise SystemExit(asyncio.run(_migrate(loaded, folder)))
    # The standard event loop: on uvloop a write to a closed connection ends the tasks of aiokafka's client for good.
    asyncio.run(_run(loaded, build, folder, arguments.roles))


def _arguments(service: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m services.{service}", description=f"Sutki: the {service} service.")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run", help="run the service")
    run.add_argument("--roles", type=_roles, default=ROLES, help=f"parts to run, of {','.join(ROLES)} (default: all)")
    commands.add_parser("migrate", help="bring the database to the present schema, as its owner")
    return parser.parse_args()


def _roles(text: str) -> tuple[str, ...]:
    roles = tuple(text.split(","))
    unknown = [role for role in roles if role not in ROLES]
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown part {unknown[0]!r}; known are {', '.join(ROLES)}")
    return roles


async def _migrate(settings: ServiceSettings, folder: Path) -> int:
    if settings.owner_database_url is None:
        sys.stderr.write(f"{settings.SERVICE}: migrate needs SUTKI_{settings.SERVICE.upper()}_OWNER_DATABASE_URL\n")
        return EXIT_CONFIG
    try:
        for name in await migrations.migrate(settings.owner_database_url, settings.SERVICE, folder):
            log.info("migrated", name=name)
    except migrations.MigrationError as error:
        sys.stderr.write(f"{settings.SERVICE}: {error}\n")
        return 1
    return 0


async def _run(settings: S, build: Callable[[S], Awaitable[Service]], folder: Path, roles: Sequence[str]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    await _wait_for_schema(settings, folder, stop)
    if stop.is_set():
        return
    service = await build(settings)
    service.roles = roles
    log.info("starting", roles=list(roles), port=settings.http_port)
    try:
        await service.run(stop)
    finally:
        await asyncio.wait_for(service.database.close(), settings.stop_grace_seconds)


async def _wait_for_schema(settings: ServiceSettings, folder: Path, stop: asyncio.Event) -> None:
    """Waits for the database; a schema that is behind ends the process."""
    while not stop.is_set():
        try:
            conn = await asyncpg.connect(settings.database_url, timeout=5)
        except Exception as error:
            if not is_transient(error):
                raise
            log.warning("database_away", error=type(error).__name__)
            await _sleep(stop, RECONNECT_SECONDS)
            continue
        try:
            behind = await migrations.missing(conn, settings.SERVICE, folder)
        finally:
            await conn.close()
        if behind:
            sys.stderr.write(
                f"{settings.SERVICE}: the database lacks {', '.join(behind)}; "
                f"run `python -m services.{settings.SERVICE} migrate` first\n"
            )
            raise SystemExit(EXIT_CONFIG)
        return


async def _never() -> None:
    """No row waits for an instant."""


async def _until_stopped(part: Awaitable[None], stop: asyncio.Event) -> None:
    """A part of the process; a group of tasks would not notice one that ended, or was cancelled by a library's slip.

    Raises:
        RuntimeError: it ended before it was told to; the process must end.
    """
    try:
        await part
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
    if not stop.is_set():
        raise RuntimeError(f"{getattr(part, '__qualname__', part)} ended by itself")


async def _apart(work: Coroutine[None, None, None], seconds: float | None = None) -> None:
    """Runs a library's work in a task of its own, whose end by cancellation is a failure and not our end.

    aiokafka lets the cancellation of its inner tasks escape when a broker dies while it stops.

    Raises:
        TimeoutError: it did not end in time.
        ConnectionAbortedError: it was cancelled from within.
    """
    task = asyncio.create_task(work)
    try:
        await asyncio.wait([task], timeout=seconds)
        if not task.done():
            raise TimeoutError
    finally:
        task.cancel()
    if task.cancelled():
        raise ConnectionAbortedError("the broker's client gave up")
    task.result()


async def _when(stop: asyncio.Event, action: Callable[[], None]) -> None:
    await stop.wait()
    action()


async def _sleep(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
