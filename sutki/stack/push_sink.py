"""A push service with its browsers, which decrypts what it takes and misbehaves on command.

`python -m sutki.stack.push_sink --port 9443 --http-port 9080 --folder …` runs it as a process: TLS with a certificate
of its own for whoever sends, plain HTTP on the loopback address for whoever asks what arrived. Tests use `PushService`.
"""

import argparse
import asyncio
import ipaddress
import re
import secrets
import signal
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal, Self

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from sutki.stack.ports import LOOPBACK, free_port
from sutki.stack.push_browser import BadToken, Browser, Message, Unreadable, verify_vapid

NAME: Final = "localhost"
_LARGEST_BODY: Final = 4096
_TOPIC: Final = re.compile(r"[A-Za-z0-9_-]{1,32}")
_URGENCIES: Final = frozenset({"very-low", "low", "normal", "high"})


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """What it does instead of taking a message."""

    status: int = 201
    headers: dict[str, str] = field(default_factory=dict)
    hang_seconds: float = 0.0
    """It waits before it answers."""
    cut: Literal["", "silent", "head", "body", "stall"] = ""
    """It hangs up: without a word, within the head of its answer, within its body; or it says nothing more there."""
    body_bytes: int = 0
    """Its answer has a body of this length."""
    takes: bool = False
    """It takes the message all the same."""


def make_certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for this machine's own name, signed by itself; returns the files of certificate and key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.DNSName(NAME), x509.IPAddress(ipaddress.ip_address(LOOPBACK))])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, SHA256())
    )
    folder.mkdir(parents=True, exist_ok=True)
    files = folder / "push-certificate.pem", folder / "push-key.pem"
    files[0].write_bytes(certificate.public_bytes(Encoding.PEM))
    files[1].touch(mode=0o600)
    files[1].write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return files


class PushService:
    """A push service on the loopback address.

    Args:
        folder: for its certificate, which whoever sends has to trust.
        port: where it listens.
        clock: its time, by which tokens expire.
    """

    def __init__(
        self, folder: Path, *, port: int | None = None, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self.port = port or free_port()
        self.host = f"{NAME}:{self.port}"
        self.origin = f"https://{self.host}"
        self.ca_file, self._key_file = make_certificate(folder)
        self.clock = clock
        self.browsers: dict[str, Browser] = {}
        self.taken: list[Message] = []
        """Every message that it took, in order."""
        self.requests: list[tuple[str, int]] = []
        """Every request: the browser's token and the status that was answered; 0 where it hung up."""
        self.complaints: list[str] = []
        """What was wrong with messages by the RFCs."""
        self.connections: set[int] = set()
        self._once: deque[Misbehaviour] = deque()
        self._always: dict[str, Misbehaviour] = {}
        self._runner: web.AppRunner | None = None

    async def __aenter__(self) -> Self:
        """Starts it."""
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stops it."""
        await self.stop()

    async def start(self) -> None:
        """Listens."""
        app = web.Application(client_max_size=1 << 20)
        app.router.add_post("/push/{token}", self._push)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca_file, self._key_file)
        await web.TCPSite(self._runner, LOOPBACK, self.port, ssl_context=context).start()

    async def stop(self) -> None:
        """Hangs up on everybody."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def browser(self, server_key: str | None = None) -> Browser:
        """A browser subscribes, bound to a VAPID key or to none."""
        browser = Browser(f"{self.origin}/push/{secrets.token_urlsafe(24)}", server_key)
        self.browsers[browser.token] = browser
        return browser

    def unsubscribe(self, browser: Browser) -> None:
        """It will be gone (410) from now on."""
        self.browsers.pop(browser.token)

    def behave(self, *once: Misbehaviour, always: Misbehaviour | None = None, to: Browser | None = None) -> None:
        """Treats the next requests like this, and all later ones, of one browser or of all, like that.

        Args:
            once: one for each of the next requests.
            always: for every request, behind those; of None, it behaves well again.
            to: whose requests the last one is for; all when not given.
        """
        self._once.extend(once)
        key = to.token if to else ""
        if always is None and not once:
            self._always.pop(key, None)
        elif always is not None:
            self._always[key] = always

    async def _push(self, request: web.Request) -> web.StreamResponse:
        token, body = request.match_info["token"], await request.read()
        self.connections.add(id(request.transport))
        how = self._once.popleft() if self._once else self._always.get(token, self._always.get(""))
        if how is None:
            status = self._take(token, request, body)
            self.requests.append((token, status))
            return web.Response(status=status, headers={"Location": f"{self.origin}/message/{secrets.token_hex(8)}"})
        if how.takes:
            self._take(token, request, body)
        self.requests.append((token, 0 if how.cut in ("silent", "head") else how.status))
        return await self._misbehave(request, how)

    def _take(self, token: str, request: web.Request, body: bytes) -> int:
        browser = self.browsers.get(token)
        if browser is None:
            return 410
        try:
            key, claims = verify_vapid(request.headers.get("Authorization", ""), self.origin, self.clock())
        except BadToken as error:
            self.complaints.append(str(error))
            return 401
        if browser.server_key not in (None, key):
            return 403
        wrong = _wrong(request, body)
        if wrong is not None:
            self.complaints.append(wrong)
            return 413 if len(body) > _LARGEST_BODY else 400
        try:
            payload = browser.decrypt(body)
        except Unreadable as error:
            self.complaints.append(str(error))
            return 400
        message = Message(token, dict(request.headers), payload, claims, self.clock())
        self.taken.append(message)
        browser.take(message)
        return 201

    async def _misbehave(self, request: web.Request, how: Misbehaviour) -> web.StreamResponse:
        if how.hang_seconds and how.cut != "stall":
            await asyncio.sleep(how.hang_seconds)
        response = web.StreamResponse(status=how.status, headers=how.headers)
        response.content_length = how.body_bytes or None
        if not how.cut and not how.body_bytes:
            return web.Response(status=how.status, headers=how.headers)
        transport = request.transport
        assert transport is not None  # noqa: S101 - the request was read over it just now
        if how.cut == "silent":
            transport.abort()
        elif how.cut == "head":
            transport.write(b"HTTP/1.1 20")
            transport.close()
        else:
            response.content_length = how.body_bytes or 1000
            await response.prepare(request)
            await self._body(response, 10 if how.cut else how.body_bytes)
            if how.cut == "stall":
                await asyncio.sleep(how.hang_seconds)
            if how.cut:
                transport.close()
        return response

    async def _body(self, response: web.StreamResponse, length: int) -> None:
        try:
            for start in range(0, length, 65_536):
                await response.write(b"x" * min(65_536, length - start))
        except ConnectionError:
            self.complaints.append("the sender hung up on a long answer")


def _wrong(request: web.Request, body: bytes) -> str | None:
    """What RFC 8030 and 8291 would have a push service refuse."""
    if len(body) > _LARGEST_BODY:
        return "more than 4096 bytes"
    if not request.headers.get("TTL", "").isdigit():
        return "no TTL"
    if request.headers.get("Content-Encoding") != "aes128gcm":
        return "another encoding than aes128gcm"
    topic, urgency = request.headers.get("Topic"), request.headers.get("Urgency")
    if topic is not None and not _TOPIC.fullmatch(topic):
        return "no topic"
    if urgency is not None and urgency not in _URGENCIES:
        return "no urgency"
    return None


def _control(service: PushService) -> web.Application:
    """Who asks what arrived, and makes browsers."""

    async def ready(_: web.Request) -> web.Response:
        return web.json_response({"status": "ready", "origin": service.origin})

    async def subscribe(request: web.Request) -> web.Response:
        wanted: dict[str, Any] = await request.json() if request.can_read_body else {}
        return web.json_response(service.browser(wanted.get("server_key")).subscription(), status=201)

    async def messages(_: web.Request) -> web.Response:
        return web.json_response({"count": len(service.taken), "messages": [_shown(one) for one in service.taken]})

    async def behave(request: web.Request) -> web.Response:
        wanted = await request.json()
        always = wanted.get("always")
        service.behave(
            *(Misbehaviour(**one) for one in wanted.get("once", [])), always=Misbehaviour(**always) if always else None
        )
        return web.Response(status=204)

    app = web.Application()
    app.router.add_get("/health/ready", ready)
    app.router.add_post("/browsers", subscribe)
    app.router.add_get("/messages", messages)
    app.router.add_put("/behaviour", behave)
    return app


def _shown(message: Message) -> dict[str, Any]:
    wanted = ("TTL", "Topic", "Urgency")
    headers = {name: message.headers[name] for name in wanted if name in message.headers}
    return {"browser": message.token, "at": message.at.isoformat(), "payload": message.payload, "headers": headers}


async def serve(port: int, http_port: int, folder: Path) -> None:
    """Serves until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with PushService(folder, port=port) as service:
        runner = web.AppRunner(_control(service), access_log=None)
        await runner.setup()
        await web.TCPSite(runner, LOOPBACK, http_port).start()
        await stop.wait()
        await runner.cleanup()


def main() -> None:
    """The process entry."""
    parser = argparse.ArgumentParser(prog="python -m sutki.stack.push_sink", description="Takes pushes and shows them.")
    parser.add_argument("--port", type=int, required=True, help="TLS port on the loopback address")
    parser.add_argument("--http-port", type=int, required=True, help="port of those who ask what arrived")
    parser.add_argument("--folder", type=Path, required=True, help="where its certificate is written")
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.port, arguments.http_port, arguments.folder))


if __name__ == "__main__":
    main()
