"""A mail server that misbehaves on command, and what tests of mails have in common."""

import asyncio
import email
import email.policy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from email.message import EmailMessage
from random import Random
from typing import Any
from uuid import UUID

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session

from services.publisher.domain.letters import Backoff
from services.publisher.mail.compose import Letterhead
from services.publisher.mail.sender import MailSender, Sending
from services.publisher.mail.smtp import MailConnection, Server
from sutki.stack.ports import free_port
from tests.integration.publisher_district import SECOND, District, Family

MINUTE = 60 * SECOND
ADDRESS = "mother@example.org"


class Sink:
    """A mail server that keeps what it takes, and answers as it is told."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.answers: list[str] = []
        self.rcpt_answers: list[str] = []
        self.mail_answers: list[str] = []
        self.sessions: set[int] = set()
        self.senders: list[str] = []
        self.refused: dict[str, str] = {}
        """Answers to RCPT by the recipient's domain, for as long as they stand here."""
        self.commands = 0
        self.connections = 0
        self.delay_seconds = 0.0
        self.drop_after_data = False
        self.drop_at_rcpt = 0
        """So many connections are broken when a recipient is named."""

    async def handle_EHLO(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_MAIL(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.mail_answers:
            answer = self.mail_answers.pop(0)
            if answer.startswith("421"):
                asyncio.get_running_loop().call_later(0.05, _break, server)
            return answer
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(  # noqa: N802 - aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        await asyncio.sleep(self.delay_seconds)
        if self.drop_at_rcpt:
            self.drop_at_rcpt -= 1
            _break(server)
            return "451 broken"
        if self.rcpt_answers:
            return self.rcpt_answers.pop(0)
        refusal = self.refused.get(address.rpartition("@")[2])
        if refusal is not None:
            return refusal
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        if self.answers:
            return self.answers.pop(0)
        content = envelope.content
        assert isinstance(content, bytes)
        message = email.message_from_bytes(content, policy=email.policy.default)
        assert isinstance(message, EmailMessage)
        self.mails.append(message)
        self.recipients += envelope.rcpt_tos
        self.senders.append(str(envelope.mail_from))
        self.sessions.add(id(session))
        if self.drop_after_data:
            _break(server)
        return "250 accepted"


def _break(server: SMTP) -> None:
    assert isinstance(server.transport, asyncio.WriteTransport)
    server.transport.abort()


@contextmanager
def serving(sink: Sink, **different: Any) -> Iterator[Server]:
    """A server in a thread of its own that hands everything to the sink."""
    controller = Controller(sink, hostname="127.0.0.1", port=free_port())
    controller.start()
    try:
        yield Server("127.0.0.1", controller.port, **{"timeout_seconds": 5, **different})
    finally:
        controller.stop()


def a_sender(district: District, server: Server, **different: Any) -> MailSender:
    sending = Sending(
        server=server,
        letterhead=Letterhead(
            "diary@example.org", "Дневник", "https://diary.example.org", "https://diary.example.org/off"
        ),
        backoff=Backoff(base_seconds=30, max_seconds=3600),
    )
    return MailSender(
        district.database, district.clock, district.policy, replace(sending, **different), random=Random(7)
    )


async def send_all(sender: MailSender, connection: MailConnection | None = None) -> int:
    connection = connection or MailConnection(sender.sending.server)
    total = 0
    while done := await sender.send_due(connection):
        total += done
    return total


async def shown(district: District, family: Family, *results: UUID, **different: Any) -> None:
    """Grades that were set and that the mother can see."""
    for result in results:
        await district.tell(family.grade(result, obtained=district.now, **different))
        await district.tell(family.visible(result, family.mother, at=district.now + SECOND))


async def mail_states(district: District) -> list[tuple[str, str | None]]:
    rows = await district.query("SELECT state, reason FROM notifications ORDER BY queued_at, notification_id")
    return [(row["state"], row["reason"]) for row in rows]


def plain_text(mail: EmailMessage) -> str:
    part = mail.get_body(("plain",))
    assert part is not None
    return str(part.get_content())
