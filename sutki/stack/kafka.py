"""Apache Kafka in KRaft mode from the jars that Maven fetches: one broker for a laptop, three for what must survive."""

import asyncio
import base64
import contextlib
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
import time
import uuid
from pathlib import Path
from typing import Final, Self

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from sutki.stack.errors import StackError, Unavailable
from sutki.stack.ports import LOOPBACK, free_port, is_listening
from sutki.stack.processes import Process

POM: Final = Path(__file__).resolve().parents[2] / "deploy" / "kafka" / "pom.xml"
_OLDEST_JAVA = 17
_POLL_SECONDS = 0.1

_LOG4J = """\
status = error
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{ISO8601} %-5p [%t] %c{1}: %m%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
# It warns of every connection that a killed peer leaves behind; what matters is said by the controller.
logger.client.name = org.apache.kafka.clients.NetworkClient
logger.client.level = error
"""


def version() -> str:
    """The version of Apache Kafka that the project pins."""
    found = re.search(r"<kafka\.version>([^<]+)<", POM.read_text(encoding="utf-8"))
    if found is None:
        raise StackError(f"{POM} names no kafka.version")
    return found.group(1)


def jars() -> Path:
    """The folder with Kafka's jars; the first call fetches them with Maven into the user's cache.

    Raises:
        Unavailable: Java or Maven is missing, or Maven could not fetch.
    """
    _require_java()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sutki"
    folder = cache / f"kafka-{version()}-{hashlib.sha256(POM.read_bytes()).hexdigest()[:8]}"
    if folder.is_dir():
        return folder
    mvn = shutil.which("mvn")
    if mvn is None:
        raise Unavailable(
            "Apache Kafka's jars are not in the cache and Maven is not installed (Debian: apt-get install maven)"
        )
    cache.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f"{folder.name}.", dir=cache))
    try:
        _copy_dependencies(mvn, unfinished)
        unfinished.chmod(0o755)
        with contextlib.suppress(OSError):  # another process was first
            unfinished.rename(folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return folder


def _copy_dependencies(mvn: str, folder: Path) -> None:
    goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={folder}"]
    try:
        done = subprocess.run(  # noqa: S603 — the command is ours
            [mvn, "-q", "-B", "-f", str(POM), *goal],
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=600,
        )
    except subprocess.TimeoutExpired as error:
        raise Unavailable("Maven did not fetch Apache Kafka's jars within 10 minutes") from error
    if done.returncode != 0 or not any(folder.glob("kafka_*.jar")):
        lines = [line for line in (done.stdout + done.stderr).splitlines() if "ERROR" in line]
        raise Unavailable(f"Maven could not fetch Apache Kafka's jars: {lines[0] if lines else 'it said nothing'}")


def _require_java() -> str:
    java = shutil.which("java")
    if java is None:
        raise Unavailable("Apache Kafka needs Java 17 or newer (Debian: apt-get install openjdk-17-jre-headless)")
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False, timeout=60).stderr  # noqa: S603
    found = re.search(r'version "(\d+)', said)
    if found is None or int(found.group(1)) < _OLDEST_JAVA:
        raise Unavailable(
            f"Apache Kafka needs Java {_OLDEST_JAVA} or newer, found: {said.splitlines()[0] if said else 'nothing'}"
        )
    return java


class KafkaCluster:
    """One or three brokers, each a controller too, on free ports of the loopback address.

    Three brokers replicate every topic thrice with `min.insync.replicas=2`: any one may die and nothing that was
    acknowledged is lost.

    Args:
        folder: holds configuration, data and logs; a second start on it finds the data again.
        brokers: 1 or 3.
        heap_mib: each Java heap.
        port: the first broker's port, when it is free.
        quick: starts in half the time and never gets as fast (Java's first compiler only): for tests.

    Raises:
        Unavailable: Java, Maven or the jars cannot be had.
    """

    def __init__(
        self, folder: Path, *, brokers: int = 1, heap_mib: int = 384, port: int | None = None, quick: bool = False
    ) -> None:
        if brokers not in (1, 3):
            raise ValueError("a cluster has 1 or 3 brokers")
        self.folder = folder.resolve()
        self._jars = jars()
        self._java = _require_java()
        self._java_options = [
            *(f"-Xms{heap_mib}m", f"-Xmx{heap_mib}m", "-XX:+UseSerialGC", "-Djava.awt.headless=true"),
            *(["-XX:TieredStopAtLevel=1"] if quick else []),
        ]
        self._ports = [free_port(port if index == 0 else None) for index in range(brokers)]
        self._controller_ports = [free_port() for _ in range(brokers)]
        self._processes = [self._process(index) for index in range(brokers)]

    async def __aenter__(self) -> Self:
        """Starts all brokers."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stops all brokers."""
        await self.stop()

    @property
    def bootstrap(self) -> str:
        """`host:port` of every broker, separated by commas."""
        return ",".join(f"{LOOPBACK}:{port}" for port in self._ports)

    @property
    def replication_factor(self) -> int:
        """How many copies a topic can have."""
        return len(self._processes)

    @property
    def alive(self) -> bool:
        """Whether every broker's process runs."""
        return all(process.alive for process in self._processes)

    def broker(self, index: int) -> Process:
        """The process of a broker (from 0), to freeze it, or to read its log."""
        return self._processes[index]

    async def start(self, seconds: float = 180) -> None:
        """Starts every broker that does not run; returns when all of them answer.

        Raises:
            StackError: one ended or was not ready in time; with the end of its log.
        """
        deadline = time.monotonic() + seconds
        await asyncio.gather(*(asyncio.to_thread(self._format, index) for index in range(len(self._processes))))
        for process in self._processes:
            if not process.alive:
                process.start()
        await self._wait_for(list(range(len(self._processes))), deadline - time.monotonic())

    async def _wait_for(self, expected: list[int], seconds: float) -> None:
        """Waits until each of these brokers counts all of them in, and answers a request for the topics.

        A broker that was killed a moment ago is still on the others' list; so each is asked for itself.
        """
        deadline = time.monotonic() + seconds
        waiting = set(expected)
        while waiting:
            for index in sorted(waiting):
                process = self._processes[index]
                if not process.alive:
                    raise StackError(f"{process.name} ended with {process.exit_code}. {process.log_tail()}")
                if await self._registered(self._ports[index]) >= len(expected):
                    waiting.discard(index)
            if time.monotonic() > deadline:
                tails = "\n".join(self._processes[index].log_tail() for index in sorted(waiting))
                raise StackError(f"Kafka was not ready within {seconds:g} s. {tails}")
            await asyncio.sleep(_POLL_SECONDS if waiting else 0)

    async def stop(self, grace_seconds: float = 15) -> None:
        """Asks every broker to end; whoever still waits for the others' votes after the grace is killed."""
        await asyncio.gather(*(process.terminate(grace_seconds) for process in self._processes))

    def kill(self, *, broker: int | None = None) -> None:
        """`kill -9` of one broker, or of all."""
        for process in self._processes if broker is None else [self._processes[broker]]:
            process.kill()

    async def restart(self, *, broker: int, seconds: float = 180) -> None:
        """Starts one broker again, ending it gracefully first if it runs; returns when the cluster counts it in.

        Raises:
            StackError: it did not come back in time.
        """
        process = self._processes[broker]
        await process.terminate()
        process.start()
        await self._wait_for([i for i, each in enumerate(self._processes) if each.alive], seconds)

    async def _registered(self, port: int) -> int:
        """How many brokers the one at the port knows to be up; 0 when it does not answer."""
        if not is_listening(port):
            return 0  # the client would complain in the log of every try
        admin = AIOKafkaAdminClient(bootstrap_servers=f"{LOOPBACK}:{port}", request_timeout_ms=5_000)
        try:
            async with asyncio.timeout(10):
                await admin.start()
                cluster = await admin.describe_cluster()
                await admin.list_topics()
                return len(cluster["brokers"])
        except (KafkaError, OSError, TimeoutError):
            return 0
        finally:
            await admin.close()

    def _process(self, index: int) -> Process:
        home = self.folder / f"broker-{index + 1}"
        return Process(
            f"Kafka broker {index + 1}",
            [
                self._java,
                *self._java_options,
                *(f"-Dlog4j2.configurationFile=file:{home / 'log4j2.properties'}", "-cp", f"{self._jars}/*"),
                *("kafka.Kafka", home / "server.properties"),
            ],
            home / "kafka.log",
            environment={"CLASSPATH": None, "JAVA_TOOL_OPTIONS": None, "LC_ALL": "C.UTF-8"},
        )

    def _format(self, index: int) -> None:
        home = self.folder / f"broker-{index + 1}"
        home.mkdir(parents=True, exist_ok=True)
        (home / "log4j2.properties").write_text(_LOG4J, encoding="utf-8")
        properties = home / "server.properties"
        properties.write_text("".join(f"{k}={v}\n" for k, v in self._settings(index, home).items()), encoding="utf-8")
        if (home / "data" / "meta.properties").exists():
            return
        command = [
            self._java,
            "-Xmx128m",
            "-XX:TieredStopAtLevel=1",
            "-cp",
            f"{self._jars}/*",
            "kafka.tools.StorageTool",
        ]
        done = subprocess.run(  # noqa: S603 — the command is ours
            # With "=", since an id may begin with a dash.
            [*command, "format", f"--cluster-id={self._cluster_id()}", "--config", str(properties)],
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            check=False,
            timeout=120,
        )
        if done.returncode != 0:
            raise StackError(
                f"Kafka's storage could not be formatted in {home}: {(done.stderr or done.stdout).strip()}"
            )

    def _cluster_id(self) -> str:
        """The same for all brokers of the folder and for its next start."""
        digest = uuid.uuid5(uuid.NAMESPACE_URL, str(self.folder)).bytes
        return base64.urlsafe_b64encode(digest).decode().rstrip("=")

    def _settings(self, index: int, home: Path) -> dict[str, str]:
        copies = len(self._ports)
        in_sync = "2" if copies == 3 else "1"
        voters = ",".join(f"{i + 1}@{LOOPBACK}:{port}" for i, port in enumerate(self._controller_ports))
        return {
            "process.roles": "broker,controller",
            "node.id": str(index + 1),
            "controller.quorum.voters": voters,
            "controller.listener.names": "CONTROLLER",
            "listeners": f"PLAINTEXT://{LOOPBACK}:{self._ports[index]},CONTROLLER://{LOOPBACK}:{self._controller_ports[index]}",
            "advertised.listeners": f"PLAINTEXT://{LOOPBACK}:{self._ports[index]}",
            "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "inter.broker.listener.name": "PLAINTEXT",
            "log.dirs": str(home / "data"),
            "auto.create.topics.enable": "false",
            "unclean.leader.election.enable": "false",
            "default.replication.factor": str(copies),
            "min.insync.replicas": in_sync,
            "offsets.topic.replication.factor": str(copies),
            "offsets.topic.num.partitions": "6",
            "transaction.state.log.replication.factor": str(copies),
            "transaction.state.log.min.isr": in_sync,
            "transaction.state.log.num.partitions": "6",
            "share.coordinator.state.topic.replication.factor": str(copies),
            "share.coordinator.state.topic.min.isr": in_sync,
            "group.initial.rebalance.delay.ms": "0",
            "broker.session.timeout.ms": "4000",  # a dead broker's partitions move within seconds
            "broker.heartbeat.interval.ms": "500",
            "log.retention.hours": "720",
            "log.cleaner.dedupe.buffer.size": "16777216",  # the default would be a third of the heap
            "num.network.threads": "2",
            "num.io.threads": "4",
            "log.index.size.max.bytes": "1048576",
        }
