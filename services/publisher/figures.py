"""The public figure: its days are counted where something changed, and a span is summed when somebody asks."""

import asyncio
from dataclasses import dataclass, field
from datetime import date
from zoneinfo import ZoneInfo

from chassis.clock import Clock
from chassis.database import DISTRICT, Database
from chassis.timers import DueLoop
from services.publisher.domain.figures import Counts, Span, hidden, span_around
from services.publisher.queries import figures as queries
from services.publisher.queries.figures import SchoolCounts
from services.publisher.queries.planning import prefer_indexes

MARKS = 100_000
"""Marks of one round; many lead to the same day of a school."""
CACHED_SPANS = 256

DISTRICT_ZONE = ZoneInfo("Europe/Moscow")
"""In which «today» is taken where nobody named a day."""


@dataclass(frozen=True, slots=True)
class Figure:
    """The figure of a span."""

    span: Span
    first: date
    last: date
    """The last day that belongs to it."""
    district: Counts
    schools: tuple[SchoolCounts, ...]
    """None of a day."""
    hidden: frozenset[object]
    """Schools whose counts are not told: they are few."""


@dataclass
class FigureDays:
    """The loop that counts, of one process."""

    database: Database
    clock: Clock
    closed_weekdays: tuple[int, ...] = (6, 7)
    every_seconds: float = 60.0

    def loops(self) -> list[DueLoop]:
        """To be run by the service."""
        return [DueLoop("figure", self.count, _never, idle_seconds=self.every_seconds)]

    async def count(self) -> int:
        """Counts again where something changed; returns 0 when the next round may wait."""
        async with self.database.transaction(DISTRICT) as conn:
            await prefer_indexes(conn)
            await queries.lock(conn)
            days, marks = await queries.take_marks(conn, MARKS)
            if days:
                await queries.count(conn, sorted(days), self.closed_weekdays, await self.clock.now(conn))
        return len(days) if marks == MARKS else 0


async def figure(database: Database, clock: Clock, span: Span, on: date | None = None) -> Figure:
    """Sums a span up.

    Args:
        database: the publisher's.
        clock: tells today.
        span: day, month, quarter of the calendar, or school year.
        on: a day in it; today when not given.
    """
    async with database.transaction(DISTRICT) as conn:
        day = on or (await clock.now(conn)).astimezone(DISTRICT_ZONE).date()
        first, after = span_around(span, day)
        schools = await queries.of_span(conn, first, after)
    district = Counts()
    for one in schools:
        district = district.plus(one.counts)
    if not span.tells_schools:
        schools = []
    few = hidden([(one.school_id, one.counts.total) for one in schools])
    return Figure(span, first, date.fromordinal(after.toordinal() - 1), district, tuple(schools), frozenset(few))


async def recount(database: Database, clock: Clock, closed_weekdays: tuple[int, ...]) -> None:
    """Counts everything anew: after the closed days or a school's time zone changed."""
    async with database.transaction(DISTRICT) as conn:
        await queries.mark_all(conn)
    days = FigureDays(database, clock, closed_weekdays)
    while await days.count():
        pass


@dataclass
class FigureCache:
    """Sums of spans for everybody who asks, so that however many ask the database is asked once in a while."""

    database: Database
    clock: Clock
    keep_seconds: float = 60.0
    _kept: dict[tuple[Span, date | None], tuple[float, Figure]] = field(default_factory=dict)
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def get(self, span: Span, on: date | None = None) -> Figure:
        """The figure of a span, at most `keep_seconds` old. Whoever asks meanwhile waits for the same answer."""
        key = (span, None if on is None else span_around(span, on)[0])
        loop = asyncio.get_running_loop()
        async with self._lock:
            kept = self._kept.get(key)
            if kept is not None and loop.time() - kept[0] < self.keep_seconds:
                return kept[1]
            made = await figure(self.database, self.clock, span, key[1])
            while len(self._kept) >= CACHED_SPANS:
                self._kept.pop(next(iter(self._kept)))
            self._kept.pop(key, None)
            self._kept[key] = (loop.time(), made)
        return made


async def _never() -> float | None:
    return None
