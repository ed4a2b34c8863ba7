"""Speaks to push services over kept connections: to public addresses only, without following anybody anywhere.

pywebpush encrypts; its own sending is not used, since it follows redirects and reads answers of any length into memory
(`WebPusher.send_async`), which an address that comes from outside must not be given.
"""

import asyncio
import base64
import socket
import ssl
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from pywebpush import WebPusher
from yarl import URL

from services.publisher.push.endpoints import BrowserKeys, Endpoint, PushHosts, is_public

ANSWER_BYTES = 4096
"""So much of an answer's body is read, only to keep the connection."""
ANSWER_SECONDS = 1.0


class NotReached(Exception):  # noqa: N818 - says what happened
    """Nothing was handed over. The text is a code."""


class Lost(Exception):  # noqa: N818 - says what happened
    """The connection was lost, or time ran out, when the message may have been taken. The text is a code."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a push service said."""

    status: int
    retry_after: str | None = None
    date: str | None = None


class NotPublic(OSError):  # noqa: N818 - says what is wrong
    """The name of a push service leads into a private network."""


class PublicResolver(AbstractResolver):
    """Resolves names, and refuses those that lead to an address that is not public.

    It is asked for the very connection that is made, so that a name cannot lead elsewhere between check and use.
    """

    def __init__(self, hosts: PushHosts, inner: AbstractResolver | None = None) -> None:
        self._hosts = hosts
        self._inner = inner or aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of a host.

        Raises:
            NotPublic: one of them is not public.
        """
        found = await self._inner.resolve(host, port, family)
        if not self._hosts.may_be_private(host, port) and not all(is_public(one["host"]) for one in found):
            raise NotPublic("a push service's name leads to an address that is not public")
        return found

    async def close(self) -> None:
        """Releases what the resolver holds."""
        await self._inner.close()


def encrypt(payload: bytes, endpoint: Endpoint, keys: BrowserKeys) -> bytes:
    """The payload as only that browser can read it (RFC 8291, aes128gcm); a new key and salt each time."""
    subscription = {
        "endpoint": endpoint.url,
        "keys": {
            "p256dh": base64.urlsafe_b64encode(keys.p256dh).decode(),
            "auth": base64.urlsafe_b64encode(keys.auth).decode(),
        },
    }
    body: bytes = WebPusher(subscription).encode(payload, "aes128gcm")["body"]
    return body


class PushClient:
    """One HTTP session for all push services, made when it is first needed."""

    def __init__(
        self,
        hosts: PushHosts,
        *,
        timeout_seconds: float = 10.0,
        ca_file: Path | None = None,
        resolver: AbstractResolver | None = None,
    ) -> None:
        """Connects to nobody yet.

        Args:
            hosts: who may be called.
            timeout_seconds: from the beginning of a request to the head of its answer.
            ca_file: certificates that are trusted beside the system's.
            resolver: instead of the system's.
        """
        self._hosts = hosts
        self._timeout = timeout_seconds
        self._ca_file = ca_file
        self._resolver = resolver
        self._session: aiohttp.ClientSession | None = None

    async def post(self, endpoint: Endpoint, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Hands a message over.

        Raises:
            NotReached: certainly not.
            Lost: perhaps.
        """
        session = self._open()
        try:
            response = await session.post(
                URL(endpoint.url, encoded=True), data=body, headers=headers, allow_redirects=False
            )
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            private = isinstance(error, aiohttp.ClientConnectorError) and isinstance(error.os_error, NotPublic)
            raise NotReached("push_private_address" if private else "push_not_reached") from None
        except TimeoutError:
            raise Lost("push_timeout") from None
        except (aiohttp.ClientError, OSError):
            # Its text would quote the address.
            raise Lost("push_connection_lost") from None
        await _drain(response)
        return Reply(response.status, response.headers.get("Retry-After"), response.headers.get("Date"))

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            context = ssl.create_default_context()
            if self._ca_file is not None:
                context.load_verify_locations(self._ca_file)
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    # Whoever sends limits how many messages are on their way; nothing waits here after its last check.
                    limit=0,
                    ttl_dns_cache=60,
                    resolver=PublicResolver(self._hosts, self._resolver),
                    ssl=context,
                ),
                timeout=aiohttp.ClientTimeout(total=self._timeout, sock_connect=self._timeout / 2),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "sutki", "Accept-Encoding": "identity"},
                auto_decompress=False,
                trust_env=False,
            )
        return self._session

    async def close(self) -> None:
        """Closes the connections."""
        if self._session is not None:
            await self._session.close()

    async def close_at_the_end(self, stop: asyncio.Event) -> None:
        """Closes them once the process is to stop."""
        await stop.wait()
        await self.close()


async def _drain(response: aiohttp.ClientResponse) -> None:
    """Reads a short body, so that the connection can be kept; one with more to say, or too slow, is dropped."""
    with suppress(TimeoutError, aiohttp.ClientError, OSError):
        async with asyncio.timeout(ANSWER_SECONDS):
            read = 0
            while read <= ANSWER_BYTES:
                part = await response.content.read(ANSWER_BYTES)
                if not part:
                    response.release()
                    return
                read += len(part)
    response.close()
