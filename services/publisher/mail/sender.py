"""Sends mails over kept connections.

What a crash leaves between claim and settlement is undecided: it is listed, never sent again by itself, since a mail
that was accepted twice arrives twice. The mail server's log tells by the Message-ID whether it took it.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from typing import ClassVar
from uuid import UUID

from chassis.crash import crash_here
from chassis.database import Connection
from chassis.logging import log
from services.publisher import metrics
from services.publisher.domain.ledger import EntryKind
from services.publisher.domain.letters import Backoff, Letter, Outcome
from services.publisher.domain.states import NotificationState
from services.publisher.mail.bounces import Bounce, address_digest, severity_of
from services.publisher.mail.bouncing import Patience, note_bounce, report
from services.publisher.mail.compose import Letterhead, Mail, UnusableAddress, compose
from services.publisher.mail.gate import Gate
from services.publisher.mail.providers import Rates, read_rates
from services.publisher.mail.smtp import MailConnection, Server, Verdict
from services.publisher.queries import mail, notifications
from services.publisher.sending import ChannelSender


@dataclass(frozen=True, slots=True)
class Sending:
    """How mails are sent."""

    server: Server
    letterhead: Letterhead
    backoff: Backoff
    connections: int = 4
    claim_batch: int = 5
    """Mails that one connection claims at a time."""
    max_attempts: int = 12
    claim_timeout: timedelta = timedelta(minutes=2)
    recheck_after_seconds: float = 1.0
    """A claim older than this is checked again before its conversation begins."""
    rates: Rates = field(default_factory=lambda: read_rates(""))
    """How fast the recipients' providers take mails."""
    patience: Patience = field(default_factory=Patience)


@dataclass
class MailSender(ChannelSender[MailConnection, Sending]):
    """The mail loops of one process; a lane is a kept connection."""

    CHANNEL: ClassVar = "email"
    TOLD: ClassVar = EntryKind.EMAILED
    OUTCOMES: ClassVar = metrics.MAILS
    AFTER_CLAIM: ClassVar = "publisher.after_claim_before_send"
    AFTER_SETTLEMENT: ClassVar = "publisher.after_settlement_before_commit"

    _verdicts: dict[UUID, Verdict] = field(default_factory=dict)
    """What the server said of mails whose outcome is not written down yet."""

    def __post_init__(self) -> None:
        """Makes the way to the shared buckets."""
        self.gate = Gate(self.sending.rates)

    def lanes(self) -> list[MailConnection]:
        """The connections, to be made when they are needed."""
        return [MailConnection(self.sending.server) for _ in range(self.sending.connections)]

    async def get_ready(self, lane: MailConnection) -> None:
        """Connects unless connected."""
        await lane.ensure()

    async def take(self, conn: Connection, now: datetime) -> tuple[list[Letter], int]:
        """Claims what is due and what its provider takes now."""
        admitted = await self.gate.admit(conn, now, self.sending.claim_batch)
        if not admitted.mails:
            return [], admitted.refused
        letters, cancelled = await notifications.claim(
            conn, self.sender_id, now, len(admitted.mails), self.policy, among=admitted.mails
        )
        return letters, cancelled + admitted.refused

    async def note(self, conn: Connection, outcomes: Sequence[Outcome], now: datetime) -> None:
        """Remembers where accepted mails went, leaves alone who is too slow, and addresses that do not exist."""
        sent = [
            (one.letter.notification_id, one.letter.school_id, address_digest(one.letter.email))
            for one in outcomes
            if one.state is NotificationState.SENT and one.letter.email
        ]
        if sent:
            await mail.delivered(conn, sent, now)
        slow = [
            one.letter.email
            for one in outcomes
            if one.letter.email and (said := self._verdicts.get(one.letter.notification_id)) and said.slow_down
        ]
        if slow:
            await self.gate.slow_down(conn, slow, now)
        for one in outcomes:
            await self._note_refused(conn, one, now)

    async def _note_refused(self, conn: Connection, outcome: Outcome, now: datetime) -> None:
        letter, said = outcome.letter, self._verdicts.get(outcome.letter.notification_id)
        if said is None or said.refused_recipient is None or letter.email is None:
            return
        bounce = Bounce(
            letter.notification_id,
            severity_of(said.refused_recipient),
            said.refused_recipient,
            address_digest(letter.email),
            sha256(f"smtp:{letter.notification_id}:{letter.attempts}".encode()).digest(),
        )
        report(bounce.severity, await note_bounce(conn, bounce, self.sending.patience, "smtp", now))

    async def send_all(self, letters: Sequence[Letter], lane: MailConnection, claimed_at: float) -> list[Outcome]:
        """Sends letters one after another: that is how a mail server is spoken to."""
        self._verdicts = {number: said for number, said in self._verdicts.items() if number in self._in_flight}
        return [await self._send(letter, lane, claimed_at) for letter in letters]

    async def _send(self, letter: Letter, connection: MailConnection, claimed_at: float) -> Outcome:
        try:
            prepared = await self._prepare(letter, claimed_at)
        except Exception as error:  # noqa: BLE001 - nothing was handed over: it may be tried again
            log.warning("mail_not_prepared", notification_id=str(letter.notification_id), error=type(error).__name__)
            return self.conclude(letter, NotificationState.RETRY, "not_prepared")
        if isinstance(prepared, Outcome):
            return prepared
        try:
            verdict = await self._hand_over(prepared, connection)
            self._verdicts[letter.notification_id] = verdict
        except Exception as error:  # noqa: BLE001 - nobody knows how far the conversation came
            log.error(
                "mail_conversation_broke", notification_id=str(letter.notification_id), error=type(error).__name__
            )
            connection.close()
            return Outcome(letter, NotificationState.UNDECIDED, "conversation_broke")
        return self.conclude(letter, verdict.state, verdict.reason)

    async def _prepare(self, letter: Letter, claimed_at: float) -> Mail | Outcome:
        if letter.is_empty:
            return Outcome(letter, NotificationState.CANCELLED, "nothing_left_to_tell")
        if letter.email is None:
            # The consent ended while the mail was being claimed, and the address went with it.
            return Outcome(letter, NotificationState.CANCELLED, "no_address")
        stopped = await self.stopped_since(letter, claimed_at)
        if stopped is not None:
            return stopped
        try:
            return compose(letter, self.sending.letterhead, letter.claimed_at)
        except UnusableAddress:
            return Outcome(letter, NotificationState.FAILED, "unusable_address")

    async def _hand_over(self, mail: Mail, connection: MailConnection) -> Verdict:
        started = time.monotonic()
        verdict = await connection.send(mail)
        metrics.MAIL_SECONDS.observe(time.monotonic() - started)
        if verdict.state is NotificationState.SENT:
            crash_here("publisher.after_smtp_accepted")
        return verdict
