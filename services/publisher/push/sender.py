"""Sends pushes: one message to every browser of its recipient, and what each push service says to that.

A push that may have been taken is sent again, under the same Topic and tag: the push service or the browser puts it in
the first one's place (docs/adr/0015). So nothing is left undecided here, unless a setting says otherwise.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ClassVar
from uuid import UUID

from chassis.crash import crash_here
from chassis.database import DISTRICT, Connection
from chassis.logging import log
from chassis.timers import DueLoop
from services.publisher import metrics
from services.publisher.domain.ledger import EntryKind
from services.publisher.domain.letters import Backoff, Letter, Outcome
from services.publisher.domain.states import NotificationState
from services.publisher.push import recording
from services.publisher.push.client import Lost, NotReached, PushClient, encrypt
from services.publisher.push.endpoints import BrowserKeys, Endpoint, PushHosts, UnusableSubscription
from services.publisher.push.message import PushMessage, compose
from services.publisher.push.vapid import VapidTokens
from services.publisher.push.verdicts import Answer, Delivery, Fate, conclude, judge, retry_after_seconds
from services.publisher.queries import push
from services.publisher.queries.push import Subscription
from services.publisher.sending import ABANDONED_ROUND, ChannelSender, never

FORGET_ROUND = 5000


@dataclass(frozen=True, slots=True)
class PushSending:
    """How pushes are sent."""

    hosts: PushHosts
    tokens: VapidTokens | None
    """None without a key: nothing can be sent, and what is queued falls to the next channel."""
    backoff: Backoff
    lanes: int = 2
    claim_batch: int = 20
    """Messages that one lane claims at a time, and sends at the same time."""
    max_attempts: int = 8
    claim_timeout: timedelta = timedelta(minutes=2)
    recheck_after_seconds: float = 1.0
    ttl: timedelta = timedelta(days=1)
    retry_after_max_seconds: float = 3600.0
    suspension: timedelta = timedelta(hours=1)
    """For how long a push service that refuses our key is left alone."""
    trust: timedelta = timedelta(minutes=10)
    """For how long a message that was taken proves that our key is good."""
    repeat: bool = True
    """Whether what may have been taken is sent again."""
    deliveries_keep: timedelta = timedelta(days=60)


@dataclass(frozen=True, slots=True)
class PushOutcome(Outcome):
    """What became of a message, and of it at each browser."""

    deliveries: tuple[Delivery, ...] = ()


@dataclass
class PushSender(ChannelSender[int, PushSending]):
    """The push loops of one process; a lane is nothing but a number, since all share the client's connections."""

    CHANNEL: ClassVar = "push"
    TOLD: ClassVar = EntryKind.PUSHED
    OUTCOMES: ClassVar = metrics.PUSHES
    AFTER_CLAIM: ClassVar = "publisher.push_after_claim_before_send"
    AFTER_SETTLEMENT: ClassVar = "publisher.push_after_settlement_before_commit"

    client: PushClient = field(kw_only=True)

    def lanes(self) -> list[int]:
        """Their numbers."""
        return list(range(self.sending.lanes))

    def loops(self) -> list[DueLoop]:
        """Those of every channel, the gauges, and the pruning of the record."""
        return [
            *ChannelSender.loops(self),
            DueLoop("push-gauges", self.measure, never, idle_seconds=10),
            DueLoop("push-deliveries", self.forget_deliveries, never, idle_seconds=3600),
        ]

    async def send_all(self, letters: Sequence[Letter], lane: int, claimed_at: float) -> list[Outcome]:
        """Sends letters at the same time: they go to different browsers, and mostly wait for an answer."""
        try:
            browsers = await self._browsers(letters)
        except Exception as error:  # noqa: BLE001 - nothing was handed over: it may be tried again
            log.warning("pushes_not_prepared", error=type(error).__name__, lane=lane)
            return [self.conclude(letter, NotificationState.RETRY, "not_prepared") for letter in letters]
        return await asyncio.gather(
            *(self._send(letter, browsers.get(letter.recipient_id, ()), claimed_at) for letter in letters)
        )

    async def _browsers(self, letters: Sequence[Letter]) -> dict[UUID, list[Subscription]]:
        key = self.sending.tokens.public if self.sending.tokens else ""
        async with self.database.transaction(DISTRICT) as conn:
            found = await push.subscriptions_of(conn, sorted({one.recipient_id for one in letters}), key)
        browsers: dict[UUID, list[Subscription]] = {}
        for one in found:
            browsers.setdefault(one.person_id, []).append(one)
        return browsers

    async def _send(self, letter: Letter, browsers: Sequence[Subscription], claimed_at: float) -> Outcome:
        if letter.is_empty:
            return Outcome(letter, NotificationState.CANCELLED, "nothing_left_to_tell")
        if self.sending.tokens is None:
            return Outcome(letter, NotificationState.FAILED, "push_not_configured")
        try:
            stopped = await self.stopped_since(letter, claimed_at)
            if stopped is not None:
                return stopped
            message = compose(letter, self.sending.ttl)
        except Exception as error:  # noqa: BLE001 - nothing was handed over: it may be tried again
            log.warning("push_not_prepared", notification_id=str(letter.notification_id), error=type(error).__name__)
            return self.conclude(letter, NotificationState.RETRY, "not_prepared")
        tokens = self.sending.tokens
        deliveries = await asyncio.gather(*(self._deliver(letter, message, one, tokens) for one in browsers))
        answers = [one.answer for one in deliveries]
        if any(one.fate is Fate.ACCEPTED for one in answers):
            crash_here("publisher.push_after_accepted")
        state, reason, wait = conclude(answers, repeatable=self.sending.repeat)
        concluded = self.conclude(letter, state, reason, wait_seconds=wait)
        return PushOutcome(letter, concluded.state, concluded.reason, concluded.delay_seconds, tuple(deliveries))

    async def _deliver(
        self, letter: Letter, message: PushMessage, browser: Subscription, tokens: VapidTokens
    ) -> Delivery:
        """Sends a message to one browser. Never raises: the others have theirs."""
        try:
            endpoint = self.sending.hosts.endpoint(browser.endpoint)
        except UnusableSubscription:
            # It was allowed once; the list of push services has changed since.
            return Delivery(browser.subscription_id, "", "none", Answer(Fate.GONE, None, "no_subscription"), False)
        held = _held(browser, letter.claimed_at)
        if held is not None:
            return Delivery(browser.subscription_id, endpoint.origin, endpoint.service, held, False)
        started = time.monotonic()
        try:
            answer = await self._post(endpoint, browser, message, tokens, letter.claimed_at)
        except Exception as error:  # noqa: BLE001 - nobody knows how far it came
            log.error("push_broke", subscription_id=str(browser.subscription_id), error=type(error).__name__)
            answer = Answer(Fate.UNCLEAR, None, "push_broke")
        metrics.PUSH_SECONDS.observe(time.monotonic() - started)
        return Delivery(browser.subscription_id, endpoint.origin, endpoint.service, answer)

    async def _post(
        self, endpoint: Endpoint, browser: Subscription, message: PushMessage, tokens: VapidTokens, now: datetime
    ) -> Answer:
        body = encrypt(message.payload, endpoint, BrowserKeys(browser.p256dh, browser.auth))
        headers = {**message.headers(), "Authorization": tokens.authorization(endpoint.origin, now)}
        try:
            reply = await self.client.post(endpoint, body, headers)
        except NotReached as error:
            return Answer(Fate.LATER, None, str(error))
        except Lost as error:
            return Answer(Fate.UNCLEAR, None, str(error))
        wait = retry_after_seconds(reply.retry_after, reply.date, now)
        return judge(reply.status, wait, self.sending.retry_after_max_seconds)

    async def note(self, conn: Connection, outcomes: Sequence[Outcome], now: datetime) -> None:
        """Writes down what the push services said, and what follows from it for the next messages."""
        settled = [one for one in outcomes if isinstance(one, PushOutcome)]
        if self.sending.tokens is not None and settled:
            await recording.record(
                conn,
                [(one.letter, delivery) for one in settled for delivery in one.deliveries],
                now,
                vapid_key=self.sending.tokens.public,
                suspension=self.sending.suspension,
                trust=self.sending.trust,
            )

    async def abandon(self, conn: Connection, now: datetime) -> int:
        """Puts claims that nobody works on any more back into the queue, or lists them where that is not wanted."""
        if not self.sending.repeat:
            return await ChannelSender.abandon(self, conn, now)
        mine = (self.sender_id, sorted(self._in_flight))
        return await push.repeat_abandoned(
            conn,
            now,
            self.sending.claim_timeout,
            ABANDONED_ROUND,
            mine=mine,
            max_attempts=self.sending.max_attempts,
        )

    def report_abandoned(self, count: int) -> None:
        """Says that there were some."""
        if not self.sending.repeat:
            ChannelSender.report_abandoned(self, count)
            return
        metrics.PUSH_CLAIMS_REPEATED.inc(count)
        log.warning("pushes_repeated", pushes=count)

    async def measure(self) -> int:
        """Sets the gauges; returns 0, since nothing is ever left to do at once."""
        key = self.sending.tokens.public if self.sending.tokens else ""
        async with self.database.transaction(DISTRICT) as conn:
            measured = await push.measure(conn, await self.clock.now(conn), key)
        metrics.PUSH_SUBSCRIPTIONS.set(measured.subscriptions)
        metrics.PUSH_SUBSCRIPTIONS_PAUSED.set(measured.paused)
        metrics.PUSH_SERVICES_SUSPENDED.set(measured.suspended)
        return 0

    async def forget_deliveries(self) -> int:
        """Prunes the record of what each browser's push service said; returns how many rows went."""
        async with self.database.transaction(DISTRICT) as conn:
            before = await self.clock.now(conn) - self.sending.deliveries_keep
            return await push.forget_deliveries_before(conn, before, FORGET_ROUND)


def _held(browser: Subscription, now: datetime) -> Answer | None:
    """Why nothing is said to a browser's push service now."""
    if browser.suspended_until is not None and browser.suspended_until > now:
        return Answer(Fate.SUSPENDED, None, "push_suspended")
    if browser.paused_until is None or browser.paused_until <= now:
        return None
    if browser.paused_reason == "throttled":
        return Answer(Fate.THROTTLED, None, "push_throttled", (browser.paused_until - now).total_seconds())
    return Answer(Fate.SUSPENDED, None, "push_refused")
