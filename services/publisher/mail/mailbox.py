"""Where bounces and mailed unsubscriptions arrive: a Maildir of the local mail server, or a mailbox by IMAP.

What was taken is removed, since it names people; what is none of ours stays, marked as seen, for a person to look at. A
crash between the two reads a message again, which changes nothing.
"""

import asyncio
import imaplib
import re
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, Protocol, TypeVar

from services.publisher.mail.bounces import MAX_BYTES

ROUND: Final = 50
_IMAP_SECONDS: Final = 30.0

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Received:
    """A message in the mailbox."""

    key: str
    raw: bytes
    """Cut behind the longest that is read, so that it is recognised as too long."""


class Mailbox(Protocol):
    """A place with messages."""

    async def new(self) -> list[Received]:
        """A few messages that were not looked at yet, oldest first.

        Raises:
            OSError: the mailbox cannot be read now.
        """

    async def remove(self, keys: list[str]) -> None:
        """Removes messages that were taken."""

    async def keep(self, keys: list[str]) -> None:
        """Leaves messages to a person, marked as looked at."""


@dataclass(frozen=True, slots=True)
class Maildir:
    """A Maildir: `new` has what was delivered, `cur` what was looked at."""

    folder: Path

    async def new(self) -> list[Received]:
        """See `Mailbox`."""
        return await asyncio.to_thread(self._new)

    def _new(self) -> list[Received]:
        found = []
        for file in sorted((self.folder / "new").iterdir())[:ROUND]:
            # A link may point anywhere; a mail server delivers plain files.
            if file.is_symlink() or not file.is_file():
                continue
            with file.open("rb") as opened:
                found.append(Received(file.name, opened.read(MAX_BYTES + 1)))
        return found

    async def remove(self, keys: list[str]) -> None:
        """See `Mailbox`."""
        for key in keys:
            await asyncio.to_thread((self.folder / "new" / key).unlink, missing_ok=True)

    async def keep(self, keys: list[str]) -> None:
        """See `Mailbox`."""
        for key in keys:
            looked_at = self.folder / "cur" / f"{key.partition(':')[0]}:2,S"
            await asyncio.to_thread((self.folder / "new" / key).replace, looked_at)


@dataclass(frozen=True, slots=True)
class Imap:
    """A mailbox at a provider. Each round signs in anew: a kept connection would have to be watched."""

    host: str
    port: int
    user: str
    password: str
    tls: Literal["tls", "none"] = "tls"
    folder: str = "INBOX"

    async def new(self) -> list[Received]:
        """See `Mailbox`."""
        return await self._in_thread(self._new)

    def _new(self) -> list[Received]:
        with self._signed_in() as imap:
            uids = _checked(imap.uid("SEARCH", "UNSEEN"))[0].split()[:ROUND]
            return [Received(uid.decode(), self._fetch(imap, uid.decode())) for uid in uids]

    def _fetch(self, imap: imaplib.IMAP4, uid: str) -> bytes:
        # Peeking leaves it unseen until it has been taken; the range bounds what is sent at all.
        for part in _checked(imap.uid("FETCH", uid, f"(BODY.PEEK[]<0.{MAX_BYTES + 1}>)")):
            if isinstance(part, tuple):
                return bytes(part[1])
        return b""

    async def remove(self, keys: list[str]) -> None:
        """See `Mailbox`."""
        if keys:
            await self._in_thread(lambda: self._flag(keys, r"(\Seen \Deleted)", expunge=True))

    async def keep(self, keys: list[str]) -> None:
        """See `Mailbox`."""
        if keys:
            await self._in_thread(lambda: self._flag(keys, r"(\Seen)", expunge=False))

    def _flag(self, keys: list[str], flags: str, *, expunge: bool) -> None:
        with self._signed_in() as imap:
            _checked(imap.uid("STORE", ",".join(keys), "+FLAGS.SILENT", flags))
            if expunge:
                _checked(imap.expunge())

    @contextmanager
    def _signed_in(self) -> Iterator[imaplib.IMAP4]:
        imap = (
            imaplib.IMAP4_SSL(self.host, self.port, ssl_context=ssl.create_default_context(), timeout=_IMAP_SECONDS)
            if self.tls == "tls"
            else imaplib.IMAP4(self.host, self.port, timeout=_IMAP_SECONDS)
        )
        try:
            imap.login(self.user, self.password)
            _checked(imap.select(f'"{re.sub(r"[^ -~]", "", self.folder).replace(chr(34), "")}"'))
            yield imap
        finally:
            imap.shutdown()

    @staticmethod
    async def _in_thread(work: Callable[[], T]) -> T:
        try:
            return await asyncio.to_thread(work)
        except imaplib.IMAP4.error as error:
            # The server's text may quote the user's name.
            raise ConnectionError(f"the mailbox of bounces: {type(error).__name__}") from error


def _checked(answer: tuple[str, list[Any]]) -> list[Any]:
    said, data = answer
    if said != "OK":
        raise ConnectionError(f"the mailbox of bounces answered {said}")
    return data
