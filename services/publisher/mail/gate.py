"""Lets mails through as fast as their providers take them, and no mail wait behind another provider's.

A mail that finds no token is put off to its estimated turn, so that it stands before nobody. Its state does not change:
it was not attempted, and results of the same child still join it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import ceil
from uuid import UUID

from chassis.database import Connection
from services.publisher import metrics
from services.publisher.mail.providers import LEASE_SECONDS, LONGEST_LEASE, Leases, Provider, Rates, turns
from services.publisher.queries import mail
from services.publisher.queries.mail import DueMail

SWEEP = 200
"""Mails that are looked at in one go when many wait for a slow provider before those for others."""
SWEEPS = 5


@dataclass(frozen=True, slots=True)
class Admitted:
    """What came of looking at the mails that are due."""

    mails: list[UUID]
    """May be sent now; locked."""
    refused: int
    """Were settled unsent."""


@dataclass
class Gate:
    """One process's way to the shared buckets."""

    rates: Rates
    pause_seconds: float = 30.0
    longest_pause_seconds: float = 900.0
    leases: Leases = field(default_factory=Leases)

    async def admit(self, conn: Connection, now: datetime, batch: int) -> Admitted:
        """Finds up to so many mails that may be sent now, and puts off those of slow providers that stood before them.

        What is for an address that takes nothing fails, so that it goes another way; what its recipient has ended is
        cancelled.
        """
        admitted: list[UUID] = []
        refused = 0
        for sweep in range(SWEEPS):
            limit = batch if sweep == 0 else len(admitted) + SWEEP
            due = await mail.due(conn, now, limit)
            fresh = [one for one in due if one.notification_id not in admitted]
            refused += await self._refuse(conn, fresh, now)
            sendable = [one for one in fresh if not (one.suppressed or one.unsubscribed)]
            let_through = await self._let_through(conn, sendable, batch - len(admitted), now)
            admitted += let_through
            if len(admitted) >= batch or len(due) < limit:
                break
        return Admitted(admitted, refused)

    async def _refuse(self, conn: Connection, due: Sequence[DueMail], now: datetime) -> int:
        ended = [one.notification_id for one in due if one.unsubscribed]
        fallen = [one.notification_id for one in due if one.suppressed and not one.unsubscribed]
        return (await mail.end_unsubscribed(conn, ended, now) if ended else 0) + (
            await mail.fail_suppressed(conn, fallen, now) if fallen else 0
        )

    async def _let_through(self, conn: Connection, due: Sequence[DueMail], room: int, now: datetime) -> list[UUID]:
        waiting: dict[Provider, list[UUID]] = {}
        wanted: Counter[Provider] = Counter()
        for number, one in enumerate(due):
            # Without an address the claim has to settle it; that takes no token.
            provider = self.rates.provider(one.email) if one.email else _NOBODY
            waiting.setdefault(provider, []).append(one.notification_id)
            wanted[provider] += number < room
        tokens = await self._tokens(conn, wanted, now)
        let_through: list[UUID] = []
        late: dict[UUID, datetime] = {}
        for provider, mails in waiting.items():
            let_through += mails[: tokens[provider].usable]
            if tokens[provider].asked_in_vain:
                late |= await self._put_off(conn, provider, mails[tokens[provider].usable :], tokens[provider], now)
        if late:
            await mail.put_off(conn, late)
            metrics.MAILS_PUT_OFF.inc(len(late))
        order = {one.notification_id: number for number, one in enumerate(due)}
        return sorted(let_through, key=order.__getitem__)

    async def _tokens(
        self, conn: Connection, wanted: Mapping[Provider, int], now: datetime
    ) -> "dict[Provider, _Tokens]":
        """Takes tokens from what is at hand, and where that is not enough from the shared buckets."""
        found: dict[Provider, _Tokens] = {}
        lacking: Counter[Provider] = Counter()
        for provider, count in wanted.items():
            at_hand = count if provider is _NOBODY else self.leases.use(provider.name, count, now)
            found[provider] = _Tokens(at_hand)
            if at_hand < count:
                lacking[provider] = count - at_hand
        if not lacking:
            return found
        ahead = {one: max(count, min(LONGEST_LEASE, ceil(one.rate * LEASE_SECONDS))) for one, count in lacking.items()}
        buckets = await mail.ask(conn, ahead, now)
        for provider, count in lacking.items():
            bucket = buckets[provider.name]
            used = min(bucket.granted, count)
            self.leases.add(provider.name, bucket.granted - used, now)
            until = max((one for one in (bucket.queue_until, bucket.paused_until) if one), default=None)
            found[provider] = _Tokens(found[provider].usable + used, used < count, until)
        return found

    async def _put_off(
        self, conn: Connection, provider: Provider, mails: Sequence[UUID], tokens: "_Tokens", now: datetime
    ) -> dict[UUID, datetime]:
        when = turns(len(mails), provider.rate, now=now, queue_until=tokens.until)
        await mail.queue_up(conn, provider.name, when[-1])
        return dict(zip(mails, when, strict=True))

    async def slow_down(self, conn: Connection, addresses: Iterable[str], now: datetime) -> None:
        """Leaves the providers of these addresses alone for a while: they said that we are too fast."""
        names = sorted({self.rates.provider(one).name for one in addresses})
        for name in names:
            self.leases.drop(name)
            seconds = await mail.pause(
                conn, name, now, base_seconds=self.pause_seconds, max_seconds=self.longest_pause_seconds
            )
            if seconds is not None:
                metrics.MAIL_PROVIDER_PAUSES.inc()


@dataclass(frozen=True, slots=True)
class _Tokens:
    usable: int
    asked_in_vain: bool = False
    until: datetime | None = None


_NOBODY = Provider("", 1.0)
