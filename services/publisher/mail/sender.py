"""Sends what is queued. A mail is claimed, and the claim committed, before the first word to the mail server (I4).

Consent and the freshness of the view of consents are checked in the claiming transaction (I2), and again if the
conversation begins noticeably later. What a crash leaves between claim and settlement is undecided: it is listed,
never sent again by itself. What became of a mail is kept until the database has taken it down, however long that is
away; a claim that this process no longer works on is undecided, too.
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
from chassis.errors import is_transient
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
    _in_flight: set[UUID] = field(default_factory=set)
    """Claims that this process still works on, or whose outcome it still has to write down."""
    _unsettled: dict[MailConnection, list[Outcome]] = field(default_factory=dict)
    """What could not be written down yet, by the connection whose loop has to repeat it."""

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
        """Makes undecided what vanished processes had claimed, and what this one claimed and lost; returns how many."""
        mine = (self.sender_id, sorted(self._in_flight))
        async with self.database.transaction(DISTRICT) as conn:
            now = await self.clock.now(conn)
            count = await notifications.abandoned(conn, now, self.sending.claim_timeout, ABANDONED_ROUND, mine=mine)
        if count:
            metrics.MAILS.labels(NotificationState.UNDECIDED.value).inc(count)
            log.error("mails_undecided", mails=count)
        return count

    async def send_due(self, connection: MailConnection) -> int:
        """Claims a few mails that are due and sends them; returns how many were dealt with.

        Raises:
            OSError: the mail server cannot be reached; nothing was claimed, the mails wait.
            Exception: the database is away. What was sent is kept, and written down by the next call.
        """
        if connection in self._unsettled:
            return await self._settle_kept(connection)
        seconds = await self._next()
        if seconds is None or seconds > 0:
            return 0
        await connection.ensure()
        letters, cancelled = await self._claim()
        metrics.MAILS.labels(NotificationState.CANCELLED.value).inc(cancelled)
        crash_here("publisher.after_claim_before_send")
        claimed_at = time.monotonic()
        if letters:
            outcomes = [await self._send(letter, connection, claimed_at) for letter in letters]
            self._unsettled[connection] = outcomes
            await self._settle_kept(connection)
        return len(letters) + cancelled

    async def _settle_kept(self, connection: MailConnection) -> int:
        """Writes down what became of a connection's mails; returns how many.

        The loop repeats it, later each time, while the database is away. If it can never succeed, the outcomes are
        given up: their claims are in flight no more, and so become undecided and are listed.
        """
        outcomes = self._unsettled[connection]
        try:
            await self._settle(outcomes)
        except Exception as error:
            if is_transient(error):
                raise
            self._forget(connection)
            raise
        self._forget(connection)
        return len(outcomes)

    def _forget(self, connection: MailConnection) -> None:
        self._in_flight -= {one.letter.notification_id for one in self._unsettled.pop(connection)}

    async def _claim(self) -> tuple[list[Letter], int]:
        async with self.database.transaction(DISTRICT) as conn:
            now = await self.clock.now(conn)
            if not await consents.consents_fresh(conn, now, self.policy.consent_stale_after):
                log.warning("mails_wait_for_fresh_consents")
                return [], 0
            await notifications.seen(conn, self.sender_id, now)
            letters, cancelled = await notifications.claim(
                conn, self.sender_id, now, self.sending.claim_batch, self.policy
            )
        self._in_flight |= {one.notification_id for one in letters}
        return letters, cancelled

    async def _send(self, letter: Letter, connection: MailConnection, claimed_at: float) -> Outcome:
        """Sends one letter. Whatever goes wrong with it is its own outcome, so that the others keep theirs."""
        try:
            prepared = await self._prepare(letter, claimed_at)
        except Exception as error:  # noqa: BLE001 - nothing was handed over: it may be tried again
            log.warning("mail_not_prepared", notification_id=str(letter.notification_id), error=type(error).__name__)
            return self._conclude(letter, Verdict(NotificationState.RETRY, "not_prepared"))
        if isinstance(prepared, Outcome):
            return prepared
        try:
            return await self._hand_over(letter, prepared, connection)
        except Exception as error:  # noqa: BLE001 - nobody knows how far the conversation came
            log.error(
                "mail_conversation_broke", notification_id=str(letter.notification_id), error=type(error).__name__
            )
            connection.close()
            return Outcome(letter, NotificationState.UNDECIDED, "conversation_broke")

    async def _prepare(self, letter: Letter, claimed_at: float) -> Mail | Outcome:
        if not letter.items:
            return Outcome(letter, NotificationState.CANCELLED, "nothing_left_to_tell")
        if letter.email is None:
            # The consent ended while the mail was being claimed, and the address went with it.
            return Outcome(letter, NotificationState.CANCELLED, "no_address")
        if time.monotonic() - claimed_at > self.sending.recheck_after_seconds:
            stopped = await self._recheck(letter)
            if stopped is not None:
                return stopped
        try:
            return compose(letter, self.sending.letterhead, letter.claimed_at)
        except UnusableAddress:
            return Outcome(letter, NotificationState.FAILED, "unusable_address")

    async def _hand_over(self, letter: Letter, mail: Mail, connection: MailConnection) -> Outcome:
        started = time.monotonic()
        verdict = await connection.send(mail)
        metrics.MAIL_SECONDS.observe(time.monotonic() - started)
        if verdict.state is NotificationState.SENT:
            crash_here("publisher.after_smtp_accepted")
        return self._conclude(letter, verdict)

    async def _recheck(self, letter: Letter) -> Outcome | None:
        async with self.database.transaction(DISTRICT) as conn:
            now = await self.clock.now(conn)
            is_ours, allowed = await notifications.standing(
                conn, letter.notification_id, self.sender_id, now, self.policy
            )
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
            # Not what is settled already: a commit whose answer was lost must not be written down twice.
            sent = [
                one.letter
                for one in outcomes
                if one.state is NotificationState.SENT and one.letter.notification_id in ours
            ]
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
