"""Puts the push channel together, for `app.py`."""

from dataclasses import dataclass

from fastapi import APIRouter

from chassis.clock import Clock
from chassis.database import Database
from chassis.logging import log
from services.publisher import metrics
from services.publisher.domain.policy import Policy
from services.publisher.push.api import make_router
from services.publisher.push.client import PushClient
from services.publisher.push.sender import PushSender
from services.publisher.push.subscribing import Subscribing
from services.publisher.settings import Settings


@dataclass(frozen=True)
class Push:
    """What the service runs of it."""

    router: APIRouter
    sender: PushSender
    client: PushClient


def make_push(settings: Settings, database: Database, clock: Clock, policy: Policy) -> Push:
    """The channel by the settings; without a key it takes no subscriptions, and what is queued for it falls on."""
    key = settings.vapid()
    metrics.PUSH_CONFIGURED.set(key is not None)
    if key is None:
        log.warning("push_is_off", reason="no VAPID key: make one with `sutki keys vapid`")
    hosts = settings.push_services()
    client = PushClient(hosts, timeout_seconds=settings.push_timeout_seconds, ca_file=settings.push_ca_file)
    subscribing = Subscribing(database, clock, hosts, settings.push_subscriptions_per_person)
    return Push(
        make_router(database, subscribing, key),
        PushSender(database, clock, policy, settings.push_sending(key), client=client),
        client,
    )
