"""The mails that the sink accepted, one `.eml` each, and what it was told to refuse."""

import itertools
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from fnmatch import fnmatch
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

SENDER_HEADER = "X-Envelope-From"
RECIPIENTS_HEADER = "X-Envelope-To"


class Rule(BaseModel):
    """How the sink treats some recipients otherwise than by accepting. The first rule that matches holds."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    address: str = "*"
    """The recipient's address; `*` and `?` stand for anything."""
    stage: Literal["recipient", "data"] = "recipient"
    """Answer to RCPT, or to the end of the message."""
    code: int = Field(default=451, ge=200, le=599)
    """250 accepts: then only the delay or the hang-up remain."""
    text: str = "4.3.0 try again later"
    delay_seconds: float = Field(default=0, ge=0)
    """Waits before it answers."""
    hang_up: bool = False
    """Accepts and keeps the message, but breaks the connection instead of saying so."""
    times: int | None = Field(default=None, ge=1)
    """Holds for so many recipients or messages and is gone then; for ever by default."""


class Rules:
    """The rules in force."""

    def __init__(self) -> None:
        self._rules: list[Rule] = []

    def replace(self, rules: Iterable[Rule]) -> None:
        """Takes these and forgets the former ones."""
        self._rules = [rule.model_copy() for rule in rules]

    def all(self) -> list[Rule]:
        """Those that still hold."""
        return list(self._rules)

    def take(self, stage: str, addresses: Iterable[str]) -> Rule | None:
        """The first rule for one of the addresses; one that holds for a number of times is used up by it."""
        wanted = [address.lower() for address in addresses]
        for rule in self._rules:
            if rule.stage == stage and any(fnmatch(address, rule.address.lower()) for address in wanted):
                if rule.times is not None:
                    rule.times -= 1
                    if rule.times == 0:
                        self._rules.remove(rule)
                return rule
        return None


@dataclass(frozen=True)
class Mail:
    """What a list shows of a mail."""

    id: str
    sender: str
    recipients: tuple[str, ...]
    subject: str
    message_id: str
    received_at: datetime


class Store:
    """A folder of mails, oldest first."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._number = itertools.count(1)
        self._mails = {path.stem: _describe(path.stem, path.read_bytes()) for path in sorted(folder.glob("*.eml"))}

    def add(self, sender: str, recipients: list[str], content: bytes) -> str:
        """Keeps a message: under its final name once it is whole, so that no reader sees half of one."""
        now = time.time_ns()
        mail_id = f"{now:020d}-{os.getpid()}-{next(self._number)}"
        envelope = f"{SENDER_HEADER}: <{sender}>\r\n{RECIPIENTS_HEADER}: {', '.join(recipients)}\r\n".encode()
        unfinished = self.folder / f"{mail_id}.part"
        unfinished.write_bytes(envelope + content)
        unfinished.rename(self.folder / f"{mail_id}.eml")
        self._mails[mail_id] = _describe(mail_id, envelope + content)
        return mail_id

    def list(self, *, to: str | None = None, message_id: str | None = None) -> list[Mail]:
        """The mails, of one recipient or with one Message-ID where asked."""
        return [
            mail
            for mail in self._mails.values()
            if (to is None or to.lower() in (each.lower() for each in mail.recipients))
            and (message_id is None or mail.message_id == message_id)
        ]

    def raw(self, mail_id: str) -> bytes | None:
        """The message as it came, under its envelope."""
        if mail_id not in self._mails:
            return None
        return (self.folder / f"{mail_id}.eml").read_bytes()

    def parsed(self, mail_id: str) -> EmailMessage | None:
        """The message, parsed."""
        raw = self.raw(mail_id)
        return None if raw is None else _parse(raw)

    def clear(self) -> int:
        """Forgets and deletes all mails."""
        count = len(self._mails)
        for mail_id in list(self._mails):
            (self.folder / f"{mail_id}.eml").unlink(missing_ok=True)
            del self._mails[mail_id]
        return count


def body(message: EmailMessage, kind: Literal["plain", "html"]) -> str | None:
    """The text or HTML part; none where there is none."""
    part = message.get_body(preferencelist=(kind,))
    return None if part is None else str(part.get_content())


def _parse(raw: bytes) -> EmailMessage:
    return message_from_bytes(raw, policy=policy.default)


def _describe(mail_id: str, raw: bytes) -> Mail:
    head, _, _ = raw.partition(b"\r\n\r\n")
    message = _parse(head + b"\r\n\r\n")
    return Mail(
        id=mail_id,
        sender=str(message[SENDER_HEADER] or "").strip("<>"),
        recipients=tuple(str(message[RECIPIENTS_HEADER] or "").split(", ")),
        subject=str(message["Subject"] or ""),
        message_id=str(message["Message-ID"] or ""),
        received_at=datetime.fromtimestamp(int(mail_id.split("-", 1)[0]) / 1e9, tz=UTC),
    )
