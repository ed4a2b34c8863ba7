"""Works off what is due: a batch of one school, computed beside the event loop, stored and told in one transaction."""

import asyncio
from bisect import bisect_right
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from chassis import outbox
from chassis.clock import Clock
from chassis.crash import crash_here
from chassis.database import DISTRICT, Connection, Database
from chassis.timers import DueLoop
from contracts.forecast_updated import ForecastUpdated, forecast_id
from services.gradebook import metrics
from services.gradebook import queries as journal_queries
from services.gradebook.forecasting import queries
from services.gradebook.forecasting.computing import Round
from services.gradebook.forecasting.domain import Key, Stored, following
from services.gradebook.forecasting.gathering import gather
from services.gradebook.forecasting.past import Pasts
from services.gradebook.forecasting.presenting import told

BATCH = 200
"""Rows that are worked off in one transaction: a fraction of a second."""


_BEFORE_ALL = UUID(int=0)


class Worked(NamedTuple):
    """What a round did."""

    rows: int
    """Due rows."""
    published: int
    waiting: int
    """Due rows that are left."""


@dataclass
class Forecasting:
    """The forecast of one process. Several may run: each works on a school on which no other does."""

    database: Database
    clock: Clock
    batch: int = BATCH
    pasts: Pasts = field(default_factory=Pasts)
    _last: UUID = _BEFORE_ALL
    """The school of the round before: schools take turns, so that a large import of one holds up no other."""

    async def work(self) -> int:
        """One round.

        Returns:
            How many due rows it worked off; 0 when there is nothing that this process could do.
        """
        async with self.database.transaction(DISTRICT) as conn:
            worked = await self._round(conn)
            crash_here("gradebook.after_forecasts_before_commit")
        metrics.FORECASTS_DUE.set(worked.waiting)
        metrics.FORECASTS_PUBLISHED.inc(worked.published)
        return worked.rows

    async def _round(self, conn: Connection) -> Worked:
        await journal_queries.plan_anew(conn)
        for school_id in _in_turn(await queries.schools_waiting(conn), self._last):
            if await queries.try_lock(conn, school_id):
                self._last = school_id
                rows = await queries.due(conn, school_id, self.batch)
                published = await self._forecast(conn, school_id, list({row[1:]: None for row in rows}))
                await queries.done(conn, [row.due_id for row in rows])
                return Worked(len(rows), published, await queries.waiting(conn))
        return Worked(0, 0, await queries.waiting(conn))

    async def _forecast(self, conn: Connection, school_id: UUID, keys: list[Key]) -> int:
        """Computes, stores and tells; returns how many are told."""
        if not keys:
            return 0
        now = await self.clock.now(conn)
        periods = await journal_queries.periods(conn, list({key[2] for key in keys}))
        ids = {key: forecast_id(key[0], key[1], periods[key[2]][1]) for key in keys if key[2] in periods}
        # A school that calls two periods the same has one forecast for both.
        keys = list({id_: key for key, id_ in ids.items()}.values())
        stored = await queries.stored(conn, list(ids.values()))
        known = await gather(conn, self.pasts, school_id, keys, now)
        subjects = await journal_queries.subjects(conn, list({key[1] for key in keys}))

        def compute() -> tuple[list[Stored], list[ForecastUpdated]]:
            present = frozenset(key for key, id_ in ids.items() if id_ in stored)
            found = Round(known).compute(keys, present)
            rows = [following(stored.get(id_ := ids[each.key]), each, id_, school_id, now) for each in found]
            news, events = told([row for row in rows if not row.told], subjects, periods)
            return [*news, *(row for row in rows if row.told and _differs(row, stored[row.forecast_id]))], events

        # All computation: beside the event loop, so that the service goes on answering.
        changed, events = await asyncio.to_thread(compute)
        if changed:
            await queries.store(conn, changed)
        await outbox.publish(conn, events)
        return len(events)


def _differs(row: Stored, before: Stored) -> bool:
    """Whether anything but the time of the computation is different."""
    return row._replace(computed_at=before.computed_at) != before


def _in_turn(schools: list[UUID], last: UUID) -> list[UUID]:
    place = bisect_right(schools, last)
    return [*schools[place:], *schools[:place]]


def forecasts(database: Database, clock: Clock) -> DueLoop:
    """The loop of the forecast."""

    async def nothing_is_due() -> None:
        return None

    return DueLoop("gradebook.forecast", Forecasting(database, clock).work, nothing_is_due, idle_seconds=1)
