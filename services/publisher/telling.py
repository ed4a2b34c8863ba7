"""Queues messages about results, in the transaction in which these became available."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID, uuid5

from chassis.database import Connection
from contracts.base import EVENT_NAMESPACE
from services.publisher.domain.obligations import Obligation
from services.publisher.domain.policy import Policy
from services.publisher.domain.preferences import Channel, Kind, channels_at_once, send_at
from services.publisher.queries import notifications, preferences, results
from services.publisher.queries.notifications import Draft
from services.publisher.queries.preferences import Wishes


async def tell_results(
    conn: Connection, told: Sequence[tuple[Obligation, frozenset[Channel]]], now: datetime, policy: Policy
) -> None:
    """Puts results into the messages that are being gathered for their recipients, by each channel they chose.

    Args:
        conn: the transaction; the students are locked in it.
        told: what became available on the screen, with the channels that consent allows.
        now: the present instant.
        policy: the district's settings.
    """
    if not told:
        return
    pairs = {obligation.pair for obligation, _ in told}
    kinds = await results.told_as(conn, [obligation.key for obligation, _ in told])
    wishes = await preferences.of_pairs(conn, pairs)
    reachable = await preferences.channels_allowed(conn, pairs, now, policy)
    gathered: dict[tuple[UUID, UUID, Channel], list[Obligation]] = {}
    for obligation, allowed in told:
        kind = kinds.get(obligation.key, Kind.FINAL_GRADE)
        # Who can be reached by no channel at all has a message that fails: it falls to paper, and the log says so.
        usable = reachable.get(obligation.pair) or allowed
        for channel in channels_at_once(kind, wishes[obligation.pair].preferences, usable):
            gathered.setdefault((*obligation.pair, channel), []).append(obligation)
    drafts = [
        results_draft(channel, items, wishes[student_id, recipient_id], now + policy.notify_grouping, policy)
        for (student_id, recipient_id, channel), items in gathered.items()
    ]
    await notifications.gather(conn, drafts, now)


def results_draft(
    channel: Channel, items: Sequence[Obligation], wishes: Wishes, wanted: datetime, policy: Policy
) -> Draft:
    """A message about results of one child to one recipient.

    Args:
        channel: by which it goes.
        items: at least one.
        wishes: the recipient's.
        wanted: when it is to be sent, quiet hours aside.
        policy: the district's settings.
    """
    first = items[0]
    deadline = min(one.due_at for one in items)
    send_after = send_at(
        wanted,
        zone=wishes.zone,
        quiet=wishes.quiet(policy),
        deadline=deadline,
        deadline_lead=policy.quiet_break_lead,
    )
    return Draft(
        notification_id=message_id(channel, first),
        school_id=first.school_id,
        student_id=first.student_id,
        recipient_id=first.recipient_id,
        channel=channel,
        occasion="results",
        send_after=send_after,
        versions=tuple(one.version for one in items),
        deadline_at=deadline,
        fall_at=policy.fall_at(send_after, deadline),
    )


def message_id(channel: Channel, first: Obligation) -> UUID:
    """The id follows from the first result that the message is about, so that its Message-ID is always the same."""
    way = "mail" if channel is Channel.EMAIL else channel.value
    return uuid5(EVENT_NAMESPACE, f"{way}/{first.result_id}/{first.value_revision}/{first.recipient_id}")
