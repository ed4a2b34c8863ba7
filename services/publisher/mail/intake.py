"""Takes what arrives in the mailbox of bounces: reports of mails that came back, and unsubscriptions by mail."""

import re
from dataclasses import dataclass, field
from typing import Final

from chassis.clock import Clock
from chassis.database import Database
from chassis.errors import is_transient
from chassis.logging import log
from chassis.timers import DueLoop
from services.publisher import metrics
from services.publisher.mail.bounces import NoBounce, read_bounce, read_message
from services.publisher.mail.bouncing import Patience, Taken, Way, take_bounce
from services.publisher.mail.mailbox import Mailbox
from services.publisher.mail.unsubscribe import TOKEN_LENGTH, Tokens, Unsubscribing
from services.publisher.mail.unsubscribing import unsubscribe
from services.publisher.sending import never

_TOKEN: Final = re.compile(rf"(?<![A-Za-z0-9_-])[A-Za-z0-9_-]{{{TOKEN_LENGTH}}}(?![A-Za-z0-9_-])")


@dataclass(frozen=True, slots=True)
class Intake:
    """What is needed to understand a message and to act on it."""

    database: Database
    clock: Clock
    domains: tuple[str, ...]
    """Of our return addresses and Message-IDs."""
    patience: Patience = field(default_factory=Patience)
    tokens: Tokens | None = None

    async def take(self, raw: bytes, way: Way, envelope_to: str | None = None) -> Taken:
        """Takes a message.

        Args:
            raw: as it was delivered.
            way: how it came.
            envelope_to: the address it was delivered to, where that is known.

        Raises:
            NoBounce: it is neither a bounce of a mail of ours nor an unsubscription.
        """
        try:
            bounce = read_bounce(raw, self.domains, envelope_to)
        except NoBounce as none:
            if str(none) == "no_report" and (who := self._unsubscribing(raw)):
                await unsubscribe(self.database, self.clock, who, way="mail")
                return Taken.NOTED
            raise
        return await take_bounce(self.database, self.clock, bounce, self.patience, way)

    def _unsubscribing(self, raw: bytes) -> Unsubscribing | None:
        """By the token in the subject, that the mail program put there."""
        if self.tokens is None:
            return None
        subject = str(read_message(raw).get("Subject", ""))[:500]
        return next((who for found in _TOKEN.findall(subject) if (who := self.tokens.read(found))), None)


@dataclass(frozen=True, slots=True)
class MailboxWatch:
    """The loop that empties the mailbox."""

    mailbox: Mailbox
    intake: Intake
    every_seconds: float = 30.0

    def loops(self) -> list[DueLoop]:
        """To be run by the service."""
        return [DueLoop("bounces-mailbox", self.take_new, never, idle_seconds=self.every_seconds)]

    async def take_new(self) -> int:
        """Takes a few messages; returns how many. One that cannot be understood does not hold up those behind it.

        Raises:
            OSError: the mailbox cannot be read now.
            Exception: the database is away; the messages stay where they are.
        """
        received = await self.mailbox.new()
        taken: list[str] = []
        strange: list[str] = []
        for message in received:
            try:
                what = await self.intake.take(message.raw, "mailbox")
            except NoBounce as none:
                metrics.BOUNCES.labels("other").inc()
                log.info("no_bounce_of_ours", reason=str(none))
                strange.append(message.key)
            except Exception as error:
                if is_transient(error):
                    raise
                metrics.BOUNCES.labels("other").inc()
                log.error("bounce_not_taken", error=type(error).__name__)
                strange.append(message.key)
            else:
                (strange if what is Taken.UNKNOWN else taken).append(message.key)
        await self.mailbox.remove(taken)
        await self.mailbox.keep(strange)
        return len(received)
