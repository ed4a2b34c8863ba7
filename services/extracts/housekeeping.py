"""What runs beside rendering: measuring queues, and deleting sheets whose time is over."""

import time
from dataclasses import dataclass, field
from datetime import timedelta

from chassis.clock import Clock
from chassis.database import DISTRICT, Database
from contracts.values import DISCLOSURE_TERM
from services.extracts import metrics
from services.extracts.domain import ExtractState, Lack
from services.extracts.queries import measuring, printing, rendering

MEASURED = (ExtractState.REQUESTED, ExtractState.NUMBERED, ExtractState.RENDERED, ExtractState.PRINTED)
DELETED_AT_ONCE = 1000


@dataclass
class Gauges:
    """Keeps the service's gauges true."""

    database: Database
    clock: Clock
    every_seconds: float
    _measured_at: float = field(default=float("-inf"), init=False)

    async def round(self) -> int:
        """Measures when it is time; handles no row."""
        if time.monotonic() - self._measured_at < self.every_seconds:
            return 0
        async with self.database.transaction(DISTRICT) as conn:
            now = await self.clock.now(conn)
            states = await measuring.states(conn, now)
            queues = await measuring.print_queues(conn)
            lacks = await rendering.count_lacks(conn, held_until=now - DISCLOSURE_TERM)
            due = await measuring.earliest_due_seconds(conn, now)
        for state in MEASURED:
            count, oldest_seconds = states.get(state, (0, 0.0))
            metrics.EXTRACTS.labels(state.value).set(count)
            metrics.OLDEST_WAITING_SECONDS.labels(state.value).set(oldest_seconds)
        for lack in Lack:
            metrics.LACKING.labels(lack.value).set(lacks.get(lack, 0))
        metrics.PRINT_QUEUE.clear()
        for school_id, count in queues.items():
            metrics.PRINT_QUEUE.labels(str(school_id)).set(count)
        metrics.EARLIEST_DUE_SECONDS.set(float("inf") if due is None else due)
        self._measured_at = time.monotonic()
        return 0

    async def next_due_seconds(self) -> float:
        """Until the next measurement."""
        return max(0.0, self._measured_at + self.every_seconds - time.monotonic())


@dataclass(frozen=True)
class Retention:
    """Deletes sheets that were printed or handed over long enough ago; number, hash and register stay."""

    database: Database
    clock: Clock
    keep: timedelta

    async def round(self) -> int:
        """Deletes a bounded number.

        Returns:
            How many went.
        """
        async with self.database.transaction(DISTRICT) as conn:
            before = await self.clock.now(conn) - self.keep
            return await printing.delete_old_sheets(conn, before=before, limit=DELETED_AT_ONCE)

    async def next_due_seconds(self) -> None:
        """Nothing is due at an exact instant."""
