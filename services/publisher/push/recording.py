"""Writes down what push services said, and what follows from it: who is gone, who is left alone for a while."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from chassis.database import Connection
from chassis.logging import log
from services.publisher import metrics
from services.publisher.domain.letters import Letter
from services.publisher.push.verdicts import Delivery, Fate, Standing, refusals_are_ours
from services.publisher.queries import push
from services.publisher.queries.push import Learned

ACCEPTED_AGAIN_AFTER: Final = timedelta(minutes=1)
"""That a push service takes our messages is noted this often, not with each: all senders would wait for one row."""
_WEIGHT: Final = {Fate.ACCEPTED: 1, Fate.THROTTLED: 2, Fate.REFUSED: 3, Fate.GONE: 4}
"""Which of several outcomes at one browser says most about it."""


async def record(
    conn: Connection,
    told: Sequence[tuple[Letter, Delivery]],
    now: datetime,
    *,
    vapid_key: str,
    suspension: timedelta,
    trust: timedelta,
) -> None:
    """Notes every delivery; forgets browsers that are gone; leaves alone who asked for it, and who refuses our key.

    Args:
        conn: the settling transaction.
        told: each message's deliveries.
        now: the present instant.
        vapid_key: our public key.
        suspension: how long to leave alone who refuses it.
        trust: for how long an accepted message proves that the key is good.
    """
    contacted = [(letter, one) for letter, one in told if one.contacted or one.answer.fate is Fate.GONE]
    if not contacted:
        return
    _report(contacted)
    await push.delivered(
        conn,
        [
            (letter.notification_id, letter.attempts, one.subscription_id, one.answer.fate.value, one.answer.status)
            for letter, one in contacted
        ],
        now,
    )
    deliveries = [one for _, one in contacted]
    suspended = await _suspended(conn, deliveries, now, vapid_key, trust)
    if suspended:
        await push.suspend(conn, sorted(suspended.items()), vapid_key, now + suspension, now)
    latest = _latest(deliveries)
    gone = [one.subscription_id for one in latest if one.answer.fate is Fate.GONE]
    if gone:
        await push.gone(conn, gone, max(letter.claimed_at for letter, _ in contacted))
    await push.learn(
        conn,
        [_learned(one, now, suspension, suspended) for one in latest if one.answer.fate is not Fate.GONE],
        now,
    )


def _report(contacted: Sequence[tuple[Letter, Delivery]]) -> None:
    for letter, one in contacted:
        metrics.PUSH_ANSWERS.labels(one.service, one.answer.fate.value).inc()
        if one.answer.fate in (Fate.REJECTED, Fate.REFUSED):
            log.error(
                "push_rejected" if one.answer.fate is Fate.REJECTED else "push_refused",
                notification_id=str(letter.notification_id),
                subscription_id=str(one.subscription_id),
                service=one.service,
                status=one.answer.status,
            )


def _latest(deliveries: Sequence[Delivery]) -> list[Delivery]:
    found: dict[UUID, Delivery] = {}
    for one in deliveries:
        before = found.get(one.subscription_id)
        if before is None or _WEIGHT.get(one.answer.fate, 0) > _WEIGHT.get(before.answer.fate, 0):
            found[one.subscription_id] = one
    return list(found.values())


def _learned(delivery: Delivery, now: datetime, suspension: timedelta, suspended: Collection[str]) -> Learned:
    fate = delivery.answer.fate
    if fate is Fate.THROTTLED:
        until = now + timedelta(seconds=delivery.answer.wait_seconds)
        return Learned(delivery.subscription_id, fate.value, until, "throttled")
    if fate is Fate.REFUSED and delivery.origin not in suspended:
        return Learned(delivery.subscription_id, fate.value, now + suspension, "refused")
    return Learned(delivery.subscription_id, fate.value)


async def _suspended(
    conn: Connection, deliveries: Sequence[Delivery], now: datetime, vapid_key: str, trust: timedelta
) -> dict[str, str]:
    """Notes which push services take our messages; returns those that refuse our key, with the reason."""
    by_origin: defaultdict[str, list[Delivery]] = defaultdict(list)
    for one in deliveries:
        if one.answer.fate in (Fate.ACCEPTED, Fate.REFUSED):
            by_origin[one.origin].append(one)
    if not by_origin:
        return {}
    known = await push.origins(conn, sorted(by_origin), vapid_key)
    accepted: list[str] = []
    suspended: dict[str, str] = {}
    for origin, answers in by_origin.items():
        row = known.get(origin)
        standing = Standing(row.accepted_at, row.suspended_until) if row else Standing()
        refused = [one for one in answers if one.answer.fate is Fate.REFUSED]
        if len(refused) < len(answers):
            if _is_news(standing, now):
                accepted.append(origin)
        elif refusals_are_ours(standing, now, trust):
            suspended[origin] = refused[0].answer.reason
            log.error("push_service_suspended", service=refused[0].service, reason=refused[0].answer.reason)
            metrics.PUSH_SUSPENSIONS.labels(refused[0].service).inc()
    if accepted:
        await push.accepted(conn, accepted, vapid_key, now)
    return suspended


def _is_news(standing: Standing, now: datetime) -> bool:
    if standing.accepted_at is None or standing.suspended_until is not None:
        return True
    return standing.accepted_at < now - ACCEPTED_AGAIN_AFTER
