"""One kept connection to the mail server, and what its answers mean for a mail."""

import re
import socket
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Literal

import aiosmtplib

from services.publisher.domain.states import NotificationState
from services.publisher.mail.compose import Mail

# They are about how we signed in, not about the mail: the mail waits until an operator has set that right.
_OUR_FAULT: Final = frozenset({530, 534, 535, 538})

_CLOSING: Final = 421
_LOST: Final = (aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPTimeoutError, OSError)
_CONSENT_HOLDS_SECONDS: Final = 1.0
"""Consent was looked at just before `send`; a conversation that begins later than this has to wait for another look."""
_STATUS: Final = re.compile(r"^\s*([245]\.\d{1,3}\.\d{1,3})\b")


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
    slow_down: bool = False
    """The recipient's provider said that we are too fast for it."""
    refused_recipient: str | None = None
    """The status code (RFC 3463) with which the recipient was refused for good, as exact as the server said it."""


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
        began = time.monotonic()
        try:
            refused = await self._address(mail, began)
        except _LOST:
            self.close()
            if not kept:
                return Verdict(NotificationState.RETRY, "connection_lost")
            # Servers drop idle connections; that says nothing about this mail.
            try:
                refused = await self._address(mail, began)
            except _LOST:
                self.close()
                return Verdict(NotificationState.RETRY, "connection_lost")
        return refused or await self._hand_over(mail)

    async def _address(self, mail: Mail, began: float) -> Verdict | None:
        await self.ensure()
        if time.monotonic() - began > _CONSENT_HOLDS_SECONDS:
            return Verdict(NotificationState.RETRY, "connection_lost")
        client = self._connected()
        try:
            await client.mail(mail.sender)
        except aiosmtplib.SMTPResponseException as error:
            if error.code == _CLOSING:
                raise ConnectionResetError("the server closes the connection") from error
            await self._begin_anew(error.code)
            return _judge(error.code, error.message)
        try:
            await client.rcpt(mail.recipient)
        except aiosmtplib.SMTPResponseException as error:
            await self._begin_anew(error.code)
            return _judge(error.code, error.message, of_recipient=True)
        return None

    async def _hand_over(self, mail: Mail) -> Verdict:
        try:
            await self._connected().data(mail.content)
        except aiosmtplib.SMTPDataError as error:
            await self._begin_anew(error.code)
            return _judge(error.code, error.message)
        except _LOST:
            self.close()
            return Verdict(NotificationState.UNDECIDED, "connection_lost_after_data")
        return Verdict(NotificationState.SENT)

    async def _begin_anew(self, code: int) -> None:
        """Makes the connection ready for the next mail after a refusal, or drops it where that does not work."""
        if code != _CLOSING:
            with suppress(aiosmtplib.SMTPException, OSError):
                await self._connected().rset()
                return
        self.close()

    def _connected(self) -> aiosmtplib.SMTP:
        if self._client is None:
            raise ConnectionError("not connected")
        return self._client


def _judge(code: int, message: str, *, of_recipient: bool = False) -> Verdict:
    found = _STATUS.match(message)
    status = found[1] if found else f"{code // 100}.0.0"
    if code in _OUR_FAULT or 400 <= code < 500:
        # RFC 3463: 4.7.x is about policy, which for a sender that has done nothing wrong means its speed.
        slow_down = code == _CLOSING or status.startswith("4.7.")
        return Verdict(NotificationState.RETRY, f"smtp_{code}", slow_down=slow_down)
    if 500 <= code < 600:
        refused = status if of_recipient and status.startswith("5") else None
        return Verdict(NotificationState.FAILED, f"smtp_{code}", refused_recipient=refused)
    return Verdict(NotificationState.UNDECIDED, f"smtp_{code}")
