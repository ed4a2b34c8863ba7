"""Browsers that a person wants to be told by: taken, confirmed, forgotten."""

from dataclasses import dataclass
from uuid import UUID

from chassis.clock import Clock
from chassis.database import DISTRICT, Database
from services.publisher.push.endpoints import BrowserKeys, PushHosts
from services.publisher.queries import push
from services.publisher.queries.push import NewSubscription


class NoPushConsent(Exception):  # noqa: N818 - says what is missing
    """No consent allows to tell this person anything by push, so nothing is kept that would serve it."""


class ForeignEndpoint(Exception):  # noqa: N818 - says what is wrong
    """The endpoint is another person's, and whoever sent it does not have that browser's keys."""


@dataclass(frozen=True)
class Subscribing:
    """The use cases; each is one transaction."""

    database: Database
    clock: Clock
    hosts: PushHosts
    per_person: int
    """So many browsers are kept of a person; of more, those that were confirmed last."""

    async def subscribe(
        self, person_id: UUID, url: str, p256dh: str, auth: str, *, subscription_id: UUID
    ) -> tuple[UUID, bool]:
        """Keeps a browser's subscription; the same one again only confirms it.

        A browser has one endpoint, whoever signs in there: it goes over to the person who subscribes last.

        Args:
            person_id: who wants to be told.
            url: the endpoint.
            p256dh: the browser's public key in base64url.
            auth: its secret in base64url.
            subscription_id: for a new one.

        Returns:
            Its id, and whether it is new.

        Raises:
            UnusableSubscription: it can never be used.
            NoPushConsent: no consent would allow to use it.
            ForeignEndpoint: it is somebody else's.
        """
        endpoint, keys = self.hosts.endpoint(url), BrowserKeys.read(p256dh, auth)
        async with self.database.transaction(DISTRICT) as conn:
            now = await self.clock.now(conn)
            if not await push.may_subscribe(conn, person_id):
                raise NoPushConsent
            owner = await push.lock_owner(conn, endpoint.url, keys.p256dh, keys.auth)
            if owner is not None and owner.person_id != person_id and not owner.same_browser:
                raise ForeignEndpoint
            kept, is_new = await push.subscribe(
                conn,
                NewSubscription(subscription_id, person_id, endpoint.url, endpoint.origin, keys.p256dh, keys.auth),
                now,
            )
            await push.keep_newest(conn, person_id, self.per_person)
        return kept, is_new

    async def subscriptions(self, person_id: UUID) -> list[push.Listed]:
        """A person's browsers, without their addresses."""
        async with self.database.transaction(DISTRICT) as conn:
            return await push.of_person(conn, person_id)

    async def unsubscribe(self, person_id: UUID, subscription_id: UUID | None = None) -> int:
        """Forgets one browser of a person, or all; returns how many there were."""
        async with self.database.transaction(DISTRICT) as conn:
            return await push.unsubscribe(conn, person_id, subscription_id)
