"""A real SMTP server that keeps what it is given: `python -m sutki.stack.mail_sink --port 1025 --http-port 8025 …`.

It speaks SMTP like any relay, so that the publisher's whole way out is exercised, and sends nothing on.
"""

import argparse
import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import uvicorn
from aiosmtpd.smtp import SMTP, Envelope, Session

from sutki.stack.mail_pages import make_app
from sutki.stack.mail_store import Rules, Store
from sutki.stack.ports import LOOPBACK

_ACCEPTED = 250


class Taking:
    """What aiosmtpd asks for each recipient and each message."""

    def __init__(self, store: Store, rules: Rules) -> None:
        self._store = store
        self._rules = rules

    async def handle_RCPT(  # noqa: N802 — the library's name
        self,
        server: SMTP,  # noqa: ARG002
        session: Session,  # noqa: ARG002
        envelope: Envelope,
        address: str,
        rcpt_options: list[str],  # noqa: ARG002
    ) -> str:
        """Accepts a recipient unless a rule says otherwise."""
        rule = self._rules.take("recipient", [address])
        if rule is not None:
            await asyncio.sleep(rule.delay_seconds)
            if rule.code != _ACCEPTED:
                return f"{rule.code} {rule.text}"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(  # noqa: N802 — the library's name
        self,
        server: SMTP,
        session: Session,  # noqa: ARG002
        envelope: Envelope,
    ) -> str:
        """Keeps a message unless a rule says otherwise."""
        rule = self._rules.take("data", envelope.rcpt_tos)
        if rule is not None:
            await asyncio.sleep(rule.delay_seconds)
            if rule.code != _ACCEPTED:
                return f"{rule.code} {rule.text}"
        content = envelope.content if isinstance(envelope.content, bytes) else str(envelope.content or "").encode()
        mail_id = self._store.add(str(envelope.mail_from or ""), list(envelope.rcpt_tos), content)
        if rule is not None and rule.hang_up and isinstance(server.transport, asyncio.Transport):
            server.transport.abort()
        return f"250 2.0.0 kept as {mail_id}"


class _HttpServer(uvicorn.Server):
    """Signals are for the whole process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(port: int, http_port: int, folder: Path) -> None:
    """Serves until SIGTERM or SIGINT."""
    store, rules = Store(folder), Rules()
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

    def connection() -> Any:
        return SMTP(Taking(store, rules), hostname="mail-sink.localhost", enable_SMTPUTF8=True, loop=loop)

    smtp = await loop.create_server(connection, LOOPBACK, port)
    config = uvicorn.Config(
        make_app(store, rules),
        host=LOOPBACK,
        port=http_port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=2,
    )
    http = _HttpServer(config)
    serving = asyncio.create_task(http.serve())
    await asyncio.wait([serving, asyncio.create_task(stop.wait())], return_when=asyncio.FIRST_COMPLETED)
    http.should_exit = True
    smtp.close()
    await serving


def main() -> None:
    """The process entry."""
    parser = argparse.ArgumentParser(prog="python -m sutki.stack.mail_sink", description="Takes mails and keeps them.")
    parser.add_argument("--port", type=int, required=True, help="SMTP port on the loopback address")
    parser.add_argument("--http-port", type=int, required=True, help="port of the pages that show the mails")
    parser.add_argument("--folder", type=Path, required=True, help="where the mails are kept, one .eml each")
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.port, arguments.http_port, arguments.folder))


if __name__ == "__main__":
    main()
