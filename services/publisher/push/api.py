"""The HTTP API of push: the cabinet calls it on behalf of the person who is signed in."""

from collections.abc import Awaitable
from datetime import datetime
from typing import Annotated, TypeVar
from uuid import UUID, uuid4

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, ConfigDict, Field

from chassis.auth import Client, client_auth
from chassis.database import Database
from chassis.describing import problems
from chassis.problems import Fault, Problem
from services.publisher.push.endpoints import MAX_ENDPOINT_LENGTH, UnusableSubscription
from services.publisher.push.subscribing import ForeignEndpoint, NoPushConsent, Subscribing
from services.publisher.push.vapid import VapidKey

T = TypeVar("T")


class NewSubscription(BaseModel):
    """What the browser's `PushSubscription.toJSON()` says."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True, hide_input_in_errors=True)

    endpoint: str = Field(max_length=MAX_ENDPOINT_LENGTH)
    """The address that the browser's push service gave it."""
    p256dh: str = Field(max_length=100)
    """The browser's public key: an uncompressed point of P-256, in base64url."""
    auth: str = Field(max_length=40)
    """The browser's secret: 16 bytes in base64url."""


class KeptSubscription(BaseModel):
    """A browser that is told."""

    model_config = ConfigDict(from_attributes=True, use_attribute_docstrings=True)

    subscription_id: UUID


class SubscriptionView(KeptSubscription):
    """A browser that is told, without its address."""

    origin: str
    """Its push service."""
    created_at: datetime
    confirmed_at: datetime
    accepted_at: datetime | None
    """When its push service last took a message."""
    last_outcome: str | None
    paused_until: datetime | None
    """Until when nothing is sent to it."""


class Subscriptions(BaseModel):
    """The browsers of a person."""

    items: list[SubscriptionView]


class PublicKey(BaseModel):
    """Our VAPID key."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    public_key: str
    """In base64url: the `applicationServerKey` for `PushManager.subscribe()`."""


def make_router(database: Database, subscribing: Subscribing, key: VapidKey | None) -> APIRouter:
    """The API over a database; without a key it can only list and forget."""
    router = APIRouter(prefix="/v1", tags=["push"])
    auth = Depends(client_auth(database))
    where = "/people/{person_id}/push-subscriptions"

    def known_key() -> VapidKey:
        if key is None:
            raise Problem(
                503,
                "push_not_configured",
                "Push is off: this installation has no VAPID key.",
                "Make one with `sutki keys vapid FILE` and set SUTKI_PUBLISHER_VAPID_KEY_FILE.",
            )
        return key

    @router.get("/push/vapid-public-key", responses=problems(503))
    async def vapid_public_key(client: Annotated[Client, auth]) -> PublicKey:  # noqa: ARG001 - only known clients
        """The key with which a browser subscribes."""
        return PublicKey(public_key=known_key().public)

    @router.put(where, responses=problems(409))
    async def subscribe(
        person_id: UUID, new: NewSubscription, client: Annotated[Client, auth], response: Response
    ) -> KeptSubscription:
        """Keeps a browser's subscription; the same one again only confirms it."""
        client.require_district()
        known_key()
        kept, is_new = await _told(
            subscribing.subscribe(person_id, new.endpoint, new.p256dh, new.auth, subscription_id=uuid4())
        )
        response.status_code = 201 if is_new else 200
        return KeptSubscription(subscription_id=kept)

    @router.get(where)
    async def subscriptions(person_id: UUID, client: Annotated[Client, auth]) -> Subscriptions:
        """A person's browsers, the last confirmed first."""
        client.require_district()
        found = await subscribing.subscriptions(person_id)
        return Subscriptions(items=[SubscriptionView.model_validate(one) for one in found])

    @router.delete(where, status_code=204)
    async def unsubscribe_all(person_id: UUID, client: Annotated[Client, auth]) -> None:
        """Forgets every browser of a person."""
        client.require_district()
        await subscribing.unsubscribe(person_id)

    @router.delete(where + "/{subscription_id}", status_code=204)
    async def unsubscribe(person_id: UUID, subscription_id: UUID, client: Annotated[Client, auth]) -> None:
        """Forgets one browser of a person; it is no error when there is none."""
        client.require_district()
        await subscribing.unsubscribe(person_id, subscription_id)

    return router


async def _told(subscribing: Awaitable[T]) -> T:
    try:
        return await subscribing
    except UnusableSubscription as wrong:
        raise Problem(
            422,
            "unusable_subscription",
            "The subscription cannot be used.",
            errors=[Fault(wrong.pointer, wrong.code, wrong.detail)],
        ) from None
    except NoPushConsent:
        raise Problem(
            409,
            "no_push_consent",
            "No consent allows to tell this person anything by push.",
            "The representative gives it in the cabinet or at the school; it is known here within seconds.",
        ) from None
    except ForeignEndpoint:
        raise Problem(409, "foreign_endpoint", "The endpoint belongs to somebody else's browser.") from None
