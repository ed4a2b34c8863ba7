"""The mail sink as a part of the stack: its process, and what one asks it."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import httpx

from sutki.stack.mail_store import Rule
from sutki.stack.ports import LOOPBACK, free_port
from sutki.stack.processes import Process

PROJECT = Path(__file__).resolve().parents[2]
_PREFERRED_PORT = 1025
_PREFERRED_HTTP_PORT = 8025


class MailSink:
    """A mail server that keeps what it is given.

    Args:
        folder: holds the mails (`mails/*.eml`) and the log; they survive a restart.
        port: SMTP, when it is free.
        http_port: the pages and JSON, when it is free.
    """

    def __init__(self, folder: Path, *, port: int = _PREFERRED_PORT, http_port: int = _PREFERRED_HTTP_PORT) -> None:
        self.folder = folder.resolve()
        self.host = LOOPBACK
        self.port = free_port(port)
        http_port = free_port(http_port)
        self.address = f"http://{LOOPBACK}:{http_port}"
        command = [
            sys.executable,
            "-m",
            "sutki.stack.mail_sink",
            "--port",
            str(self.port),
            "--http-port",
            str(http_port),
        ]
        self.process = Process(
            "the mail sink",
            [*command, "--folder", self.folder / "mails"],
            self.folder / "mail-sink.log",
            health=f"{self.address}/health/ready",
            cwd=PROJECT,
            environment={"PYTHONUTF8": "1"},
        )

    async def __aenter__(self) -> Self:
        """Starts it."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stops it."""
        await self.stop()

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.process.alive

    async def start(self, seconds: float = 30) -> None:
        """Starts it and returns when it takes mails.

        Raises:
            StackError: it ended or was not ready in time; with the end of its log.
        """
        if not self.alive:
            self.process.start()
        await self.process.wait_ready(seconds)

    async def stop(self) -> None:
        """Ends it; the mails stay in the folder."""
        await self.process.terminate(grace_seconds=5)

    def kill(self) -> None:
        """`kill -9`; the mails that it had accepted stay in the folder."""
        self.process.kill()

    async def count(self, *, to: str | None = None) -> int:
        """How many mails it accepted, for one recipient where asked."""
        return int((await self._get("/messages", to=to, limit=0))["count"])

    async def messages(self, *, to: str | None = None, limit: int = 1_000) -> list[dict[str, Any]]:
        """The newest mails, oldest of them first: id, from, to, subject, message_id, received_at."""
        return list((await self._get("/messages", to=to, limit=limit))["messages"])

    async def message(self, mail_id: str) -> dict[str, Any]:
        """One mail: headers (pairs), text, html."""
        return dict(await self._get(f"/messages/{mail_id}"))

    async def clear(self) -> None:
        """Forgets all mails and all rules."""
        async with self._client() as client:
            (await client.delete("/messages")).raise_for_status()
        await self.behave([])

    async def behave(self, rules: Iterable[Rule]) -> None:
        """From now on treats recipients by these rules: refuses, delays, hangs up."""
        async with self._client() as client:
            (await client.put("/rules", json=[rule.model_dump() for rule in rules])).raise_for_status()

    async def _get(self, path: str, **query: str | int | None) -> Any:
        async with self._client() as client:
            answer = await client.get(path, params={k: v for k, v in query.items() if v is not None})
            answer.raise_for_status()
            return answer.json()

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.address, timeout=30, trust_env=False)
