"""Takes what is told beside results, tells it at once to those who want that, and makes the digests.

A consumer of its own: five hundred thousand marks a day must not stand in the way of what is owed within 24 hours. It
keeps each thing in its latest state; whom that concerns is looked up when it is told.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID, uuid4

from chassis.clock import Clock
from chassis.consuming import Consumer
from chassis.crash import crash_here
from chassis.database import DISTRICT, Connection, Database
from chassis.logging import log
from chassis.timers import DueLoop
from contracts.forecast_updated import ForecastUpdated
from contracts.homework_changed import HomeworkChanged
from contracts.lesson_changed import LessonChanged
from contracts.mark_recorded import MarkRecorded
from contracts.recommendation_changed import RecommendationChanged
from contracts.study_group_changed import StudyGroupChanged
from contracts.substitution_changed import SubstitutionChanged
from contracts.timetable_changed import TimetableChanged
from services.publisher import metrics
from services.publisher.domain import digests as rules
from services.publisher.domain.news import (
    News,
    from_forecast,
    from_homework,
    from_lesson,
    from_mark,
    from_recommendation,
    from_substitution,
    from_timetables,
    tell_at,
)
from services.publisher.domain.policy import Policy
from services.publisher.domain.preferences import DEFAULT_ZONE, Channel, channels_at_once, local_day, send_at
from services.publisher.queries import digests, news, notifications, preferences
from services.publisher.queries.digests import Found, Reading
from services.publisher.queries.news import ToTell
from services.publisher.queries.notifications import Draft
from services.publisher.queries.planning import prefer_indexes
from services.publisher.queries.preferences import Wishes

CONSUMER = "publisher.news"
TELL_ROUND = 50
"""News of one round; each may concern the families of a whole class."""
DIGEST_ROUND = 500
FORGET_ROUND = 5000

Take: TypeAlias = Callable[[Connection, Sequence[Any], datetime], Awaitable[None]]


def make_news_consumer(database: Database, clock: Clock, policy: Policy) -> Consumer:
    """The consumer of everything that is told beside results."""
    consumer = Consumer(CONSUMER, database, clock)

    def kept(read: Callable[[Any], News]) -> Take:
        async def take(conn: Connection, events: Sequence[Any], now: datetime) -> None:  # noqa: ARG001
            await take_news(conn, [read(event) for event in events], clock, policy)

        return take

    async def timetables(conn: Connection, events: Sequence[TimetableChanged], now: datetime) -> None:
        await timetables_changed(conn, events, now, clock=clock, policy=policy)

    consumer.on(StudyGroupChanged, groups_changed)
    consumer.on(MarkRecorded, kept(from_mark))
    consumer.on(HomeworkChanged, kept(from_homework))
    consumer.on(RecommendationChanged, kept(from_recommendation))
    consumer.on(ForecastUpdated, kept(from_forecast))
    consumer.on(SubstitutionChanged, kept(from_substitution))
    consumer.on(LessonChanged, kept(from_lesson))
    consumer.on(TimetableChanged, timetables)
    return consumer


async def groups_changed(conn: Connection, events: Sequence[StudyGroupChanged], now: datetime) -> None:  # noqa: ARG001
    """Groups changed their members."""
    await prefer_indexes(conn)
    await news.take_groups(conn, events)


async def take_news(conn: Connection, taken: Sequence[News], clock: Clock, policy: Policy) -> None:
    """Keeps news in their latest state, and notes when they are to be told at once."""
    if not taken:
        return
    await prefer_indexes(conn)
    received_at = await news.receive(conn, clock)
    zones = await news.zones(conn, (one.school_id for one in taken))
    timed = [
        (one, tell_at(one, received_at, zones.get(one.school_id, DEFAULT_ZONE), policy.news_late)) for one in taken
    ]
    await news.take(conn, timed, received_at)
    crash_here("publisher.after_news_before_commit")


async def timetables_changed(
    conn: Connection, events: Sequence[TimetableChanged], now: datetime, *, clock: Clock, policy: Policy
) -> None:
    """Weekly timetables changed: what that means for tomorrow is news. A first timetable is none."""
    await prefer_indexes(conn)
    known = await news.known_timetables(conn, sorted({event.group_id for event in events}))
    zones = await news.zones(conn, (event.school_id for event in events))
    found: list[News] = []
    for event in events:
        before = known.get(event.group_id)
        if before is None or before[0] >= event.revision:
            continue
        tomorrow = local_day(now, zones.get(event.school_id, DEFAULT_ZONE)) + timedelta(days=1)
        change = from_timetables(
            group_id=event.group_id,
            school_id=event.school_id,
            revision=event.revision,
            before=before[1],
            after=news.slots_of(event),
            day=tomorrow,
            changed_at=event.changed_at,
        )
        found += [change] if change else []
    await news.take_timetables(conn, events)
    await take_news(conn, found, clock, policy)


@dataclass
class NewsDesk:
    """The loops that tell news. Any number of processes may run them: rows are locked, and skipped when locked."""

    database: Database
    clock: Clock
    policy: Policy
    retention: timedelta = timedelta(days=35)
    new_id: Callable[[], UUID] = uuid4

    def loops(self) -> list[DueLoop]:
        """All of them, to be run by the service."""
        return [
            DueLoop("news-at-once", self.tell_at_once, self._next(news.seconds_to_next)),
            DueLoop("digests", self.make_digests, self._next(digests.seconds_to_next)),
            DueLoop("news-retention", self.forget_old, _never, idle_seconds=3600),
        ]

    def _next(
        self, query: Callable[[Connection, datetime], Awaitable[float | None]]
    ) -> Callable[[], Awaitable[float | None]]:
        async def seconds() -> float | None:
            async with self.database.transaction(DISTRICT) as conn:
                return await query(conn, await self.clock.now(conn))

        return seconds

    async def tell_at_once(self) -> int:
        """Puts news into the messages of those who want them at once; returns how many news."""
        async with self.database.transaction(DISTRICT) as conn:
            await prefer_indexes(conn)
            now = await self.clock.now(conn)
            waiting = await news.lock_to_tell(conn, now, TELL_ROUND)
            if not waiting:
                return 0
            # What was taken back before anybody was told of it is not told at all.
            told = {one.news_id: one for one in waiting if one.state == "current" or one.told_before}
            audience = await news.audience(conn, list(told))
            pairs = {pair for concerned in audience.values() for pair in concerned}
            allowed = await preferences.channels_allowed(conn, pairs, now, self.policy)
            wishes = await preferences.of_pairs(conn, allowed)
            await notifications.gather(conn, self._messages(told, audience, allowed, wishes, now), now)
            await news.mark_told(conn, [one.news_id for one in waiting], now)
            crash_here("publisher.after_news_told_before_commit")
        return len(waiting)

    def _messages(
        self,
        told: Mapping[UUID, ToTell],
        audience: Mapping[UUID, Sequence[tuple[UUID, UUID]]],
        allowed: Mapping[tuple[UUID, UUID], frozenset[Channel]],
        wishes: Mapping[tuple[UUID, UUID], Wishes],
        now: datetime,
    ) -> list[Draft]:
        gathered: dict[tuple[UUID, UUID, Channel], list[ToTell]] = {}
        for news_id, pairs in audience.items():
            for pair in pairs:
                chosen = (
                    channels_at_once(told[news_id].kind, wishes[pair].preferences, allowed[pair])
                    if pair in allowed
                    else ()
                )
                for channel in chosen:
                    gathered.setdefault((*pair, channel), []).append(told[news_id])
        wanted = now + self.policy.notify_grouping
        return [
            Draft(
                notification_id=self.new_id(),
                school_id=items[0].school_id,
                student_id=student_id,
                recipient_id=recipient_id,
                channel=channel,
                occasion="news",
                send_after=send_at(
                    wanted,
                    zone=wishes[student_id, recipient_id].zone,
                    quiet=wishes[student_id, recipient_id].quiet(self.policy),
                ),
                news_ids=tuple(one.news_id for one in items),
                corrected_ids=tuple(one.news_id for one in items if one.told_before),
            )
            for (student_id, recipient_id, channel), items in gathered.items()
        ]

    async def make_digests(self) -> int:
        """Makes the digests whose time has come; returns how many were looked at.

        Each is queued in the transaction that moves its window, under an id that follows from where the window ends:
        whatever dies when, it is made once.
        """
        async with self.database.transaction(DISTRICT) as conn:
            seconds = await digests.seconds_to_next(conn, await self.clock.now(conn))
            if seconds is None or seconds > 0:
                return 0
            read_until = await news.read_until_now(conn, self.clock)
        async with self.database.transaction(DISTRICT) as conn:
            await prefer_indexes(conn)
            now = await self.clock.now(conn)
            due = await digests.lock_due(conn, read_until, DIGEST_ROUND)
            if not due:
                return 0
            allowed = await preferences.channels_allowed(conn, {one.pair for one in due}, now, self.policy)
            wishes = await preferences.of_pairs(conn, {one.pair for one in due})
            plans = [self._plan(one, wishes[one.pair], read_until) for one in due]
            windows = [
                (position, one.student_id, window)
                for position, (one, made) in enumerate(zip(due, plans, strict=True))
                if one.channel in allowed.get(one.pair, ())
                for window in made.windows
            ]
            found = await digests.collect(conn, windows, self.policy.news_late) if windows else {}
            schools = await preferences.schools_of(conn, [due[position].student_id for position in found])
            drafts = [
                self._digest(
                    due[position], plans[position], items, wishes[due[position].pair], now=now, school_id=school
                )
                for position, items in found.items()
                if (school := schools.get(due[position].student_id))
            ]
            made = await notifications.queue_once(conn, drafts, now)
            await digests.move(
                conn,
                [
                    Reading(
                        one.student_id, one.recipient_id, one.channel, made.due_at, made.daily_from, made.weekly_from
                    )
                    for one, made in zip(due, plans, strict=True)
                ],
            )
            crash_here("publisher.after_digests_before_commit")
        metrics.DIGESTS.inc(len(made))
        return len(due)

    def _plan(self, one: Reading, wishes: Wishes, read_until: datetime) -> rules.Plan:
        return rules.plan(
            due_at=one.due_at,
            daily_from=one.daily_from,
            weekly_from=one.weekly_from,
            read_until=read_until,
            channel=one.channel,
            preferences=wishes.preferences,
            schedule=rules.Schedule(wishes.zone, wishes.digest_hour(self.policy), wishes.digest_weekday(self.policy)),
        )

    def _digest(
        self,
        one: Reading,
        made: rules.Plan,
        items: Sequence[Found],
        wishes: Wishes,
        *,
        now: datetime,
        school_id: UUID,
    ) -> Draft:
        return Draft(
            notification_id=rules.digest_id(one.recipient_id, one.student_id, one.channel, made.until),
            school_id=school_id,
            student_id=one.student_id,
            recipient_id=one.recipient_id,
            channel=one.channel,
            occasion="digest",
            send_after=send_at(now, zone=wishes.zone, quiet=wishes.quiet(self.policy)),
            news_ids=tuple(dict.fromkeys(item.news_id for item in items)),
            corrected_ids=tuple({item.news_id for item in items if item.told_before}),
        )

    async def forget_old(self) -> int:
        """Removes news that are older than what is kept; returns how many."""
        async with self.database.transaction(DISTRICT) as conn:
            now = await self.clock.now(conn)
            count = await news.forget_before(conn, now - self.retention, FORGET_ROUND)
        if count:
            log.info("news_forgotten", news=count)
        return count


async def _never() -> float | None:
    return None
