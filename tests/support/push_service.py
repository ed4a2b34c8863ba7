"""The push service of tests, and how the publisher is made to speak to it.

The service itself is `sutki.stack.push_sink`, which the demo runs as a process; here it lives in the test's own loop.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID, uuid4

from chassis.clock import FixedClock
from chassis.database import DISTRICT, Database
from services.publisher.domain.letters import Backoff
from services.publisher.domain.policy import Policy
from services.publisher.push.client import PushClient
from services.publisher.push.endpoints import PushHosts
from services.publisher.push.sender import PushSender, PushSending
from services.publisher.push.subscribing import Subscribing
from services.publisher.push.vapid import VapidKey, VapidTokens
from sutki.stack.push_browser import Browser
from sutki.stack.push_sink import PushService

CONTACT = "mailto:diary@example.org"


@asynccontextmanager
async def a_push_service(folder: Path, clock: FixedClock) -> AsyncIterator[PushService]:
    """A push service whose time is the test's."""
    async with PushService(folder, clock=lambda: clock.at) as service:
        yield service


class Pushing:
    """A publisher's push channel over a test's database, speaking to a test's push service."""

    def __init__(self, database: Database, clock: FixedClock, policy: Policy, service: PushService) -> None:
        self.database = database
        self.clock = clock
        self.policy = policy
        self.service = service
        self.key = VapidKey.generate()
        self.hosts = PushHosts.listed("", service.host)
        self.subscribing = Subscribing(database, clock, self.hosts, per_person=3)
        self._clients: list[PushClient] = []

    def sender(self, *, timeout_seconds: float = 5.0, key: VapidKey | None = None, **different: Any) -> PushSender:
        """A sending process."""
        values: dict[str, Any] = {
            "hosts": self.hosts,
            "tokens": VapidTokens(key or self.key, CONTACT),
            "backoff": Backoff(base_seconds=30, max_seconds=3600),
            "suspension": timedelta(hours=1),
        }
        client = PushClient(self.hosts, timeout_seconds=timeout_seconds, ca_file=self.service.ca_file)
        self._clients.append(client)
        return PushSender(
            self.database, self.clock, self.policy, PushSending(**{**values, **different}), Random(7), client=client
        )

    async def subscribed(self, person_id: UUID, *, bound: bool = True) -> Browser:
        """A browser of a person that has subscribed."""
        browser = self.service.browser(self.key.public if bound else None)
        await self.subscribe(person_id, browser)
        return browser

    async def subscribe(self, person_id: UUID, browser: Browser) -> UUID:
        """Subscribes a browser for a person."""
        wanted = browser.subscription()
        subscription_id, _ = await self.subscribing.subscribe(
            person_id, wanted["endpoint"], wanted["p256dh"], wanted["auth"], subscription_id=uuid4()
        )
        return subscription_id

    async def subscriptions(self) -> list[Any]:
        """What is kept of all browsers."""
        async with self.database.transaction(DISTRICT) as conn:
            return await conn.fetch("SELECT * FROM push_subscriptions ORDER BY created_at, subscription_id")

    async def close(self) -> None:
        """Closes every sender's connections."""
        for client in self._clients:
            await client.close()


async def send_all(sender: PushSender, lane: int = 0) -> int:
    """Sends until nothing is due; returns how many messages were dealt with."""
    total = 0
    while done := await sender.send_due(lane):
        total += done
    return total
