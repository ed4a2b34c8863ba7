"""One kept connection to the mail server, and what its answers mean for a mail."""

import socket
from dataclasses import dataclass
from typing import Final, Literal

import aiosmtplib

from services.publisher.domain.states import NotificationState
from services.publisher.mail.compose import Mail

# They are about how we signed in, not about the mail: the mail waits until an operator has set that right.
_OUR_FAULT: Final = frozenset({530, 534, 535, 538})

_LOST: Final = (aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPTimeoutError, OSError)


@dataclass(frozen=True, slots=True)
class Server:
    """How the mail server is reached."""

    host: str
    port: int
    tls: Literal["none", "starttls", "tls"] = "none"
    user: str | None = None
    password: str | None = None
    timeout_seconds: float = 30.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one mail."""

    state: NotificationState
    reason: str | None = None


class MailConnection:
    """A connection that is kept from mail to mail and made anew when it is lost."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._client: aiosmtplib.SMTP | None = None

    async def ensure(self) -> None:
        """Connects unless connected.

        Raises:
            OSError: the server cannot be reached, or does not let us in now.
        """
        if self._client is not None and self._client.is_connected:
            return
        client = aiosmtplib.SMTP(
            hostname=self._server.host,
            port=self._server.port,
            use_tls=self._server.tls == "tls",
            start_tls=self._server.tls == "starttls",
            username=self._server.user,
            password=self._server.password,
            timeout=self._server.timeout_seconds,
            local_hostname=socket.gethostname(),
        )
        try:
            await client.connect()
        except aiosmtplib.SMTPException as error:
            raise ConnectionError(f"mail server: {type(error).__name__}") from error
        self._client = client

    def close(self) -> None:
        """Drops the connection."""
        if self._client is not None:
            self._client.close()
            self._client = None

    async def send(self, mail: Mail) -> Verdict:
        """Hands one mail over. Never raises for what the server or the network does.

        What is lost before the message itself was sent was certainly not accepted and may be tried again; what is
        lost after that is undecided.
        """
        kept = self._client is not None and self._client.is_connected
        try:
            refused = await self._address(mail)
        except _LOST:
            self.close()
            if not kept:
                return Verdict(NotificationState.RETRY, "connection_lost")
            # Servers drop idle connections; that says nothing about this mail.
            try:
                refused = await self._address(mail)
            except _LOST:
                self.close()
                return Verdict(NotificationState.RETRY, "connection_lost")
        return refused or await self._hand_over(mail)

    async def _address(self, mail: Mail) -> Verdict | None:
        await self.ensure()
        client = self._connected()
        try:
            await client.mail(mail.sender)
            await client.rcpt(mail.recipient)
        except aiosmtplib.SMTPResponseException as error:
            self.close()
            return _judge(error.code)
        return None

    async def _hand_over(self, mail: Mail) -> Verdict:
        try:
            await self._connected().data(mail.content)
        except aiosmtplib.SMTPDataError as error:
            self.close()
            return _judge(error.code)
        except _LOST:
            self.close()
            return Verdict(NotificationState.UNDECIDED, "connection_lost_after_data")
        return Verdict(NotificationState.SENT)

    def _connected(self) -> aiosmtplib.SMTP:
        if self._client is None:
            raise ConnectionError("not connected")
        return self._client


def _judge(code: int) -> Verdict:
    if code in _OUR_FAULT or 400 <= code < 500:
        return Verdict(NotificationState.RETRY, f"smtp_{code}")
    if 500 <= code < 600:
        return Verdict(NotificationState.FAILED, f"smtp_{code}")
    return Verdict(NotificationState.UNDECIDED, f"smtp_{code}")
