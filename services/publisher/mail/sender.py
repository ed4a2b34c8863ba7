"""Sends what is queued. A mail is claimed, and the claim committed, before the first word to the mail server (I4).

Consent and the freshness of the view of consents are checked in the claiming transaction (I2), and again if the
conversation begins noticeably later. What a crash leaves between claim and settlement is undecided: it is listed,
never sent again by itself.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from uuid import UUID, uuid4

from chassis.clock import Clock
from chassis.crash import crash_here
from chassis.database import DISTRICT, Database
from chassis.logging import log
from chassis.timers import DueLoop
from services.publisher import ledger, metrics
from services.publisher.domain.ledger import EntryKind
from services.publisher.domain.letters import Backoff, Letter, Outcome
from services.publisher.domain.policy import Policy
from services.publisher.domain.states import NotificationState
from services.publisher.mail.compose import Letterhead, Mail, UnusableAddress, compose
from services.publisher.mail.smtp import MailConnection, Server, Verdict
from services.publisher.queries import consents, notifications

ABANDONED_ROUND = 500
STALE_DELAY_SECONDS = 5.0


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


@dataclass
class MailSender:
    """The mail loops of one process."""

    database: Database
    clock: Clock
    policy: Policy
    sending: Sending
    random: Random = field(default_factory=Random)
    sender_id: UUID = field(default_factory=uuid4)

    def loops(self) -> list[DueLoop]:
        """One loop for each connection, the heartbeat, and the watch over what others left behind."""
        senders = [
            DueLoop(f"mail-{number}", self._round(MailConnection(self.sending.server)), self._next)
            for number in range(1, self.sending.connections + 1)
        ]
        beat = self.sending.claim_timeout.total_seconds() / 8
        return [
            *senders,
            DueLoop("mail-heartbeat", self.beat, _never, idle_seconds=beat),
            DueLoop("mail-abandoned", self.list_abandoned, _never, idle_seconds=beat),
        ]

    def _round(self, connection: MailConnection) -> Callable[[], Awaitable[int]]:
        async def work() -> int:
            return await self.send_due(connection)

        return work

    async def _next(self) -> float | None:
        async with self.database.transaction(DISTRICT) as conn:
            return await notifications.seconds_to_next(conn, await self.clock.now(conn))

    async def beat(self) -> int:
        """Says that this process is alive; returns 0."""
        async with self.database.transaction(DISTRICT) as conn:
            await notifications.seen(conn, self.sender_id, await self.clock.now(conn))
        return 0

    async def list_abandoned(self) -> int:
        """Makes claims of vanished processes undecided; returns how many."""
        async with self.database.transaction(DISTRICT) as conn:
            now = await self.clock.now(conn)
            count = await notifications.abandoned(conn, now, self.sending.claim_timeout, ABANDONED_ROUND)
        if count:
            metrics.MAILS.labels(NotificationState.UNDECIDED.value).inc(count)
            log.error("mails_undecided", mails=count)
        return count

    async def send_due(self, connection: MailConnection) -> int:
        """Claims a few mails that are due and sends them; returns how many were dealt with.

        Raises:
            OSError: the mail server cannot be reached; nothing was claimed, the mails wait.
        """
        seconds = await self._next()
        if seconds is None or seconds > 0:
            return 0
        await connection.ensure()
        letters, cancelled = await self._claim()
        crash_here("publisher.after_claim_before_send")
        claimed_at = time.monotonic()
        outcomes = [await self._send(letter, connection, claimed_at) for letter in letters]
        if outcomes:
            await self._settle(outcomes)
        metrics.MAILS.labels(NotificationState.CANCELLED.value).inc(cancelled)
        return len(letters) + cancelled

    async def _claim(self) -> tuple[list[Letter], int]:
        async with self.database.transaction(DISTRICT) as conn:
            now = await self.clock.now(conn)
            if not await consents.consents_fresh(conn, now, self.policy.consent_stale_after):
                log.warning("mails_wait_for_fresh_consents")
                return [], 0
            await notifications.seen(conn, self.sender_id, now)
            return await notifications.claim(conn, self.sender_id, now, self.sending.claim_batch)

    async def _send(self, letter: Letter, connection: MailConnection, claimed_at: float) -> Outcome:
        if not letter.items:
            return Outcome(letter, NotificationState.CANCELLED, "nothing_left_to_tell")
        if time.monotonic() - claimed_at > self.sending.recheck_after_seconds:
            stopped = await self._recheck(letter)
            if stopped is not None:
                return stopped
        mail = await self._compose(letter)
        if mail is None:
            return Outcome(letter, NotificationState.FAILED, "unusable_address")
        started = time.monotonic()
        verdict = await connection.send(mail)
        metrics.MAIL_SECONDS.observe(time.monotonic() - started)
        if verdict.state is NotificationState.SENT:
            crash_here("publisher.after_smtp_accepted")
        return self._conclude(letter, verdict)

    async def _compose(self, letter: Letter) -> Mail | None:
        try:
            return compose(letter, self.sending.letterhead, letter.claimed_at)
        except UnusableAddress:
            return None

    async def _recheck(self, letter: Letter) -> Outcome | None:
        async with self.database.transaction(DISTRICT) as conn:
            now = await self.clock.now(conn)
            is_ours, allowed = await notifications.standing(conn, letter.notification_id, self.sender_id, now)
            fresh = await consents.consents_fresh(conn, now, self.policy.consent_stale_after)
        if not allowed:
            return Outcome(letter, NotificationState.CANCELLED, "no_consent")
        if not is_ours or not fresh:
            reason = "consents_stale" if is_ours else "claim_lost"
            return Outcome(letter, NotificationState.RETRY, reason, STALE_DELAY_SECONDS)
        return None

    def _conclude(self, letter: Letter, verdict: Verdict) -> Outcome:
        if verdict.state is not NotificationState.RETRY:
            return Outcome(letter, verdict.state, verdict.reason)
        if letter.attempts >= self.sending.max_attempts:
            return Outcome(letter, NotificationState.FAILED, f"too_many_attempts_{verdict.reason}")
        delay = self.sending.backoff.delay_seconds(letter.attempts, self.random.random())
        return Outcome(letter, NotificationState.RETRY, verdict.reason, delay)

    async def _settle(self, outcomes: Sequence[Outcome]) -> None:
        async with self.database.transaction(DISTRICT) as conn:
            now = await self.clock.now(conn)
            ours = await notifications.settle(conn, self.sender_id, outcomes, now)
            sent = [one.letter for one in outcomes if one.state is NotificationState.SENT]
            await ledger.append(conn, [note for letter in sent for note in _emailed(letter, now)], now)
            crash_here("publisher.after_settlement_before_commit")
        for one in outcomes:
            if one.letter.notification_id not in ours:
                log.error(
                    "mail_settled_by_others", notification_id=str(one.letter.notification_id), state=one.state.value
                )
            metrics.MAILS.labels(one.state.value).inc()
            if one.state in (NotificationState.FAILED, NotificationState.UNDECIDED):
                log.error(
                    "mail_not_sent",
                    notification_id=str(one.letter.notification_id),
                    state=one.state.value,
                    reason=one.reason,
                )


def _emailed(letter: Letter, now: datetime) -> list[ledger.Note]:
    return [
        ledger.Note(
            EntryKind.EMAILED,
            letter.school_id,
            item.result_id,
            {
                "value_revision": item.value_revision,
                "student_id": letter.student_id,
                "recipient_id": letter.recipient_id,
                "notification_id": letter.notification_id,
                "consent_id": letter.consent_id,
                "consent_revision": letter.consent_revision,
                "accepted_at": now,
            },
        )
        for item in letter.items
    ]


async def _never() -> float | None:
    return None
