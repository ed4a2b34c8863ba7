"""What failed on a channel falls to the next one, and what was critical in the end to paper: push, e-mail, paper.

A message falls once: it is failed, which is final, before anything takes its place, so that it is never both sent again
and replaced. Results fall; news and digests do not, since where e-mail is not switched off it has them itself.
"""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID, uuid4, uuid5

from chassis import outbox
from chassis.clock import Clock
from chassis.crash import crash_here
from chassis.database import DISTRICT, Connection, Database
from chassis.logging import log
from chassis.timers import DueLoop
from contracts.base import EVENT_NAMESPACE, PersonId, RequestId, ResultId, SchoolId, StudentId
from contracts.extract_requested import ExtractRequested
from contracts.values import ResultVersion
from services.publisher import ledger, metrics
from services.publisher.domain.ledger import EntryKind
from services.publisher.domain.policy import Policy
from services.publisher.domain.preferences import Channel, next_channel, send_at
from services.publisher.domain.routes import Household
from services.publisher.queries import falling, notifications, people, preferences, requests
from services.publisher.queries.falling import Failed, OnPaper, Untold
from services.publisher.queries.notifications import Draft
from services.publisher.queries.planning import prefer_indexes
from services.publisher.queries.preferences import Wishes

ROUND = 200


@dataclass
class Fallback:
    """The loop that has failed messages fall. Any number of processes may run it."""

    database: Database
    clock: Clock
    policy: Policy

    def loops(self) -> list[DueLoop]:
        """To be run by the service."""
        return [DueLoop("fall-to-next-channel", self.fall, self._next)]

    async def _next(self) -> float | None:
        async with self.database.transaction(DISTRICT) as conn:
            return await falling.seconds_to_next(conn, await self.clock.now(conn))

    async def fall(self) -> int:
        """Gives up what waits too long, and finds the next channel for what failed; returns how many messages."""
        async with self.database.transaction(DISTRICT) as conn:
            await prefer_indexes(conn)
            now = await self.clock.now(conn)
            expired = await falling.expire(conn, now, ROUND)
            done = await fell(conn, await falling.lock_failed(conn, ROUND), now, self.policy)
            crash_here("publisher.after_fall_to_next_channel_before_commit")
        if expired:
            log.warning("messages_took_too_long", messages=expired)
        return expired + done


async def fell(conn: Connection, failed: Sequence[Failed], now: datetime, policy: Policy) -> int:
    """Finds the next channel for failed messages; returns how many were dealt with.

    Those about students on whom somebody works at this moment are left to the next round.
    """
    free = set(await people.lock_free_students(conn, sorted({one.student_id for one in failed})))
    mine = [one for one in failed if one.student_id in free]
    if not mine:
        return 0
    results = [one for one in mine if one.occasion == "results"]
    if results:
        await _replace(conn, results, now, policy)
    await falling.mark_fallen(conn, [one.notification_id for one in mine], now)
    for channel, count in Counter(one.channel for one in mine if one.occasion != "results").items():
        metrics.FELL.labels(channel.value, "nowhere").inc(count)
    return len(mine)


async def _replace(conn: Connection, failed: Sequence[Failed], now: datetime, policy: Policy) -> None:
    untold = await falling.untold(conn, [one.notification_id for one in failed])
    pairs = {one.pair for one in failed}
    allowed = await preferences.channels_allowed(conn, pairs, now, policy)
    wishes = await preferences.of_pairs(conn, pairs)
    households = await people.households(conn, [one.student_id for one in failed], now, policy)
    drafts: list[Draft] = []
    paper: list[tuple[Failed, Untold]] = []
    for one in failed:
        left = [item for item in untold.get(one.notification_id, ()) if not item.told]
        for target, items in _targets(left, allowed.get(one.pair, frozenset())).items():
            if target is not None:
                drafts.append(_draft(one, target, items, wishes[one.pair], now=now, policy=policy))
            elif one.state == "failed" and _is_told_by_law(one, households):
                # Where consent ended, nothing failed: the route of what comes next follows from that.
                paper += [(one, item) for item in items]
    await notifications.queue_once(conn, drafts, now)
    for draft, source in ((draft, one) for draft in drafts for one in failed if one.notification_id == draft.fell_from):
        metrics.FELL.labels(source.channel.value, draft.channel.value).inc()
    await _ask_for_paper(conn, paper, now, policy)


def _targets(left: Sequence[Untold], allowed: Collection[Channel]) -> dict[Channel | None, list[Untold]]:
    """Where each version falls to; None is paper."""
    found: dict[Channel | None, list[Untold]] = {}
    for item in left:
        found.setdefault(next_channel(allowed, item.failed), []).append(item)
    return found


def _is_told_by_law(one: Failed, households: Mapping[UUID, Household]) -> bool:
    household = households.get(one.student_id)
    return household is not None and household.find(one.recipient_id) is not None


def _draft(
    failed: Failed, channel: Channel, items: Sequence[Untold], wishes: Wishes, *, now: datetime, policy: Policy
) -> Draft:
    send_after = send_at(
        now,
        zone=wishes.zone,
        quiet=wishes.quiet(policy),
        deadline=failed.deadline_at,
        deadline_lead=policy.quiet_break_lead,
    )
    return Draft(
        notification_id=uuid5(EVENT_NAMESPACE, f"fell/{failed.notification_id}/{channel}"),
        school_id=failed.school_id,
        student_id=failed.student_id,
        recipient_id=failed.recipient_id,
        channel=channel,
        occasion="results",
        send_after=send_after,
        versions=tuple((item.result_id, item.value_revision) for item in items),
        deadline_at=failed.deadline_at,
        fall_at=policy.fall_at(send_after, failed.deadline_at),
        fell_from=failed.notification_id,
    )


async def _ask_for_paper(
    conn: Connection, wanted: Sequence[tuple[Failed, Untold]], now: datetime, policy: Policy
) -> None:
    """Asks for a sheet of exactly these versions for exactly these recipients, though the screen showed them."""
    if not wanted:
        return
    request_of = {one.pair: uuid4() for one, _ in wanted}
    student_of = {request: student for (student, _), request in request_of.items()}
    rows = {
        (item.result_id, item.value_revision, one.recipient_id): (one.notification_id, request_of[one.pair])
        for one, item in wanted
    }
    asked = await falling.ask_on_paper(conn, [(key, *rows[key]) for key in sorted(rows)], now)
    await _request(conn, asked, student_of, now, policy)
    await ledger.append(conn, [_fell_note(one, student_of[one.request_id], now) for one in asked], now)
    channels = {one.notification_id: one.channel for one, _ in wanted}
    for message in {one.notification_id for one in asked}:
        metrics.FELL.labels(channels[message].value, "paper").inc()
    if asked:
        log.warning("messages_fell_to_paper", results=len(asked))


async def _request(
    conn: Connection, asked: Sequence[OnPaper], student_of: Mapping[UUID, UUID], now: datetime, policy: Policy
) -> None:
    sheets: dict[UUID, list[OnPaper]] = {}
    for one in asked:
        sheets.setdefault(one.request_id, []).append(one)
    events = [
        ExtractRequested(
            revision=1,
            request_id=RequestId(request_id),
            school_id=SchoolId(items[0].school_id),
            student_id=StudentId(student_of[request_id]),
            recipient_id=PersonId(items[0].recipient_id),
            items=[
                ResultVersion(result_id=ResultId(one.result_id), value_revision=one.value_revision) for one in items
            ],
            state="requested",
            due_at=now + policy.paper_lead,
            requested_at=now,
        )
        for request_id, items in sorted(sheets.items())
    ]
    if events:
        await requests.insert(conn, events, now)
        await outbox.publish(conn, events)


def _fell_note(one: OnPaper, student_id: UUID, now: datetime) -> ledger.Note:
    return ledger.Note(
        EntryKind.FELL_TO_PAPER,
        one.school_id,
        one.result_id,
        {
            "value_revision": one.value_revision,
            "student_id": student_id,
            "recipient_id": one.recipient_id,
            "notification_id": one.notification_id,
            "request_id": one.request_id,
            "asked_at": now,
        },
    )


async def take_back(conn: Connection, result_ids: Sequence[UUID], now: datetime, policy: Policy) -> None:
    """Takes back sheets that were asked for here and would show a version that is no longer the latest.

    What else stood on them is asked for anew. A sheet that is printed stays: the correction has a message of its own.
    """
    older = await falling.requests_of_older(conn, result_ids)
    if not older:
        return
    cancelled = await requests.cancel(conn, sorted(older), now)
    if not cancelled:
        return
    await outbox.publish(conn, cancelled)
    anew: dict[UUID, UUID] = {one.request_id: uuid4() for one in cancelled}
    student_of = {anew[one.request_id]: one.student_id for one in cancelled}
    moved = [
        replace(one, request_id=anew[one.request_id])
        for one in await falling.still_asked(conn, [one.request_id for one in cancelled])
    ]
    await falling.move_to_requests(conn, moved)
    await _request(conn, moved, student_of, now, policy)
