"""What every channel has in common. A message is claimed, and that committed, before the first word to a server (I4).

Consent and the freshness of the view of consents are checked in the claiming transaction (I2), and again if the
conversation begins noticeably later. What became of a message is kept until the database has taken it down, however
long that is away; a claim that nobody works on any more is abandoned, and what that means is the channel's to say.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import ClassVar, Generic, Protocol, TypeVar
from uuid import UUID, uuid4

from prometheus_client import Counter

from chassis.clock import Clock
from chassis.crash import crash_here
from chassis.database import DISTRICT, Connection, Database
from chassis.errors import is_transient
from chassis.logging import log
from chassis.timers import DueLoop
from services.publisher import ledger
from services.publisher.domain.ledger import EntryKind
from services.publisher.domain.letters import Backoff, Letter, Outcome
from services.publisher.domain.policy import Policy
from services.publisher.domain.states import NotificationState
from services.publisher.queries import consents, notifications

ABANDONED_ROUND = 500
STALE_DELAY_SECONDS = 5.0


class Pace(Protocol):
    """How much a channel takes at a time, and how patient it is."""

    @property
    def backoff(self) -> Backoff:
        """The waits between attempts."""

    @property
    def claim_batch(self) -> int:
        """Messages that one lane claims at a time."""

    @property
    def max_attempts(self) -> int:
        """After so many a message has failed."""

    @property
    def claim_timeout(self) -> timedelta:
        """A claim older than this is abandoned when its process has not been heard of for as long."""

    @property
    def recheck_after_seconds(self) -> float:
        """A claim older than this is checked again before its conversation begins."""


Lane = TypeVar("Lane", bound=Hashable)
P = TypeVar("P", bound=Pace)


@dataclass
class ChannelSender(ABC, Generic[Lane, P]):
    """The loops of one channel in one process. A lane is what one loop sends over: a kept connection, say."""

    CHANNEL: ClassVar[str]
    TOLD: ClassVar[EntryKind]
    """What the ledger says of a result that was told."""
    OUTCOMES: ClassVar[Counter]
    AFTER_CLAIM: ClassVar[str]
    AFTER_SETTLEMENT: ClassVar[str]
    """Crash points."""

    database: Database
    clock: Clock
    policy: Policy
    sending: P
    random: Random = field(default_factory=Random)
    sender_id: UUID = field(default_factory=uuid4)
    _in_flight: set[UUID] = field(default_factory=set)
    """Claims that this process still works on, or whose outcome it still has to write down."""
    _more: set[Lane] = field(default_factory=set)
    """Lanes whose last claim was a full one: more is due, without asking."""
    _unsettled: dict[Lane, list[Outcome]] = field(default_factory=dict)
    """What could not be written down yet, by the lane whose loop has to repeat it."""

    @abstractmethod
    def lanes(self) -> Sequence[Lane]:
        """What to send over; one loop is made for each."""

    async def get_ready(self, lane: Lane) -> None:
        """Called before anything is claimed.

        Raises:
            OSError: nothing can be sent now; what is due waits.
        """

    async def take(self, conn: Connection, now: datetime) -> tuple[list[Letter], int]:
        """Claims what is due in the claiming transaction; returns the letters and how many were cancelled instead."""
        return await notifications.claim(
            conn, self.sender_id, now, self.sending.claim_batch, self.policy, channel=self.CHANNEL
        )

    @abstractmethod
    async def send_all(self, letters: Sequence[Letter], lane: Lane, claimed_at: float) -> list[Outcome]:
        """Sends claimed letters. Whatever goes wrong with one is its own outcome, so that the others keep theirs.

        Args:
            letters: claimed by this process.
            lane: over which.
            claimed_at: when, by `time.monotonic`.
        """

    async def note(self, conn: Connection, outcomes: Sequence[Outcome], now: datetime) -> None:
        """Writes down what else became known, in the settling transaction; given only what was still ours."""

    async def abandon(self, conn: Connection, now: datetime) -> int:
        """Settles claims that nobody works on any more: nobody knows whether they were sent, so a person looks."""
        mine = (self.sender_id, sorted(self._in_flight))
        return await notifications.abandoned(
            conn, now, self.sending.claim_timeout, ABANDONED_ROUND, mine=mine, channel=self.CHANNEL
        )

    def report_abandoned(self, count: int) -> None:
        """Says that there were some."""
        self.OUTCOMES.labels(NotificationState.UNDECIDED.value).inc(count)
        log.error("messages_undecided", channel=self.CHANNEL, messages=count)

    def loops(self) -> list[DueLoop]:
        """One loop for each lane, the heartbeat, and the watch over what others left behind."""
        beat = self.sending.claim_timeout.total_seconds() / 8
        return [
            *(
                DueLoop(f"{self.CHANNEL}-{number}", self._round(lane), self._next)
                for number, lane in enumerate(self.lanes(), 1)
            ),
            DueLoop(f"{self.CHANNEL}-heartbeat", self.beat, never, idle_seconds=beat),
            DueLoop(f"{self.CHANNEL}-abandoned", self.list_abandoned, never, idle_seconds=beat),
        ]

    def _round(self, lane: Lane) -> Callable[[], Awaitable[int]]:
        async def work() -> int:
            return await self.send_due(lane)

        return work

    async def _next(self) -> float | None:
        async with self.database.transaction(DISTRICT) as conn:
            return await notifications.seconds_to_next(conn, await self.clock.now(conn), channel=self.CHANNEL)

    async def beat(self) -> int:
        """Says that this process is alive; returns 0."""
        async with self.database.transaction(DISTRICT) as conn:
            await notifications.seen(conn, self.sender_id, await self.clock.now(conn))
        return 0

    async def list_abandoned(self) -> int:
        """Settles what vanished processes had claimed, and what this one claimed and lost; returns how many."""
        async with self.database.transaction(DISTRICT) as conn:
            count = await self.abandon(conn, await self.clock.now(conn))
        if count:
            self.report_abandoned(count)
        return count

    async def send_due(self, lane: Lane) -> int:
        """Claims what is due and sends it; returns how many messages were dealt with.

        Raises:
            OSError: the server cannot be reached; nothing was claimed, the messages wait.
            Exception: the database is away. What was sent is kept, and written down by the next call.
        """
        if lane in self._unsettled:
            return await self._settle_kept(lane)
        if lane not in self._more:
            seconds = await self._next()
            if seconds is None or seconds > 0:
                return 0
        self._more.discard(lane)
        await self.get_ready(lane)
        letters, cancelled = await self._claim()
        if len(letters) >= self.sending.claim_batch:
            self._more.add(lane)
        self.OUTCOMES.labels(NotificationState.CANCELLED.value).inc(cancelled)
        crash_here(self.AFTER_CLAIM)
        claimed_at = time.monotonic()
        if letters:
            self._unsettled[lane] = await self.send_all(letters, lane, claimed_at)
            await self._settle_kept(lane)
        return len(letters) + cancelled

    async def _settle_kept(self, lane: Lane) -> int:
        """Writes down what became of a lane's messages; returns how many.

        The loop repeats it, later each time, while the database is away. If it can never succeed, the outcomes are
        given up: their claims are in flight no more, and so are abandoned.
        """
        outcomes = self._unsettled[lane]
        try:
            await self._settle(outcomes)
        except Exception as error:
            if is_transient(error):
                raise
            self._forget(lane)
            raise
        self._forget(lane)
        return len(outcomes)

    def _forget(self, lane: Lane) -> None:
        self._in_flight -= {one.letter.notification_id for one in self._unsettled.pop(lane)}

    async def _claim(self) -> tuple[list[Letter], int]:
        async with self.database.transaction(DISTRICT) as conn:
            now = await self.clock.now(conn)
            if not await consents.consents_fresh(conn, now, self.policy.consent_stale_after):
                log.warning("messages_wait_for_fresh_consents", channel=self.CHANNEL)
                return [], 0
            await notifications.seen(conn, self.sender_id, now)
            letters, cancelled = await self.take(conn, now)
        self._in_flight |= {one.notification_id for one in letters}
        return letters, cancelled

    async def stopped_since(self, letter: Letter, claimed_at: float) -> Outcome | None:
        """Why a letter must not be sent after all, if its conversation begins noticeably later than its claim."""
        if time.monotonic() - claimed_at <= self.sending.recheck_after_seconds:
            return None
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

    def conclude(
        self, letter: Letter, state: NotificationState, reason: str | None, *, wait_seconds: float = 0.0
    ) -> Outcome:
        """What follows from how an attempt went: a retry has its delay, and the last one is a failure.

        Args:
            letter: that was attempted.
            state: how it went.
            reason: a code for it.
            wait_seconds: before a retry, at least.
        """
        if state is not NotificationState.RETRY:
            return Outcome(letter, state, reason)
        if letter.attempts >= self.sending.max_attempts:
            return Outcome(letter, NotificationState.FAILED, f"too_many_attempts_{reason}")
        delay = self.sending.backoff.delay_seconds(letter.attempts, self.random.random())
        return Outcome(letter, NotificationState.RETRY, reason, max(delay, wait_seconds))

    async def _settle(self, outcomes: Sequence[Outcome]) -> None:
        async with self.database.transaction(DISTRICT) as conn:
            now = await self.clock.now(conn)
            ours = await notifications.settle(conn, self.sender_id, outcomes, now, self.policy)
            # Not what is settled already: a commit whose answer was lost must not be written down twice.
            settled = [one for one in outcomes if one.letter.notification_id in ours]
            sent = [one.letter for one in settled if one.state is NotificationState.SENT]
            await self.note(conn, settled, now)
            await ledger.append(conn, [note for letter in sent for note in self._told(letter, now)], now)
            crash_here(self.AFTER_SETTLEMENT)
        for one in outcomes:
            if one.letter.notification_id not in ours:
                log.error("message_settled_by_others", **self._named(one), state=one.state.value)
            self.OUTCOMES.labels(one.state.value).inc()
            if one.state in (NotificationState.FAILED, NotificationState.UNDECIDED):
                log.error("message_not_sent", **self._named(one), state=one.state.value, reason=one.reason)

    def _named(self, outcome: Outcome) -> dict[str, str]:
        return {"channel": self.CHANNEL, "notification_id": str(outcome.letter.notification_id)}

    def _told(self, letter: Letter, now: datetime) -> list[ledger.Note]:
        return [
            ledger.Note(
                self.TOLD,
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


async def never() -> float | None:
    """The next due time of a loop that only looks now and then."""
    return None
