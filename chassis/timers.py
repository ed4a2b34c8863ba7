"""Durable timers: deadlines are rows, and a loop handles those that are due."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from chassis import metrics
from chassis.errors import is_transient
from chassis.logging import log

MAX_BACKOFF_SECONDS = 30.0


@dataclass(frozen=True)
class DueLoop:
    """Work that becomes due at instants kept in the database."""

    name: str
    work: Callable[[], Awaitable[int]]
    """One bounded round in its own transactions; returns how many rows it handled. Called again at once while > 0."""
    next_due_seconds: Callable[[], Awaitable[float | None]]
    """How long until the next row is due by the database's clock, computed in SQL; None when none waits."""
    idle_seconds: float = 1.0
    """It looks at least this often: what is new may be due at once."""

    async def run(self, stop: asyncio.Event) -> None:
        """Works until `stop` is set; a failed round is logged, counted and tried again, later each time."""
        failures = 0
        while not stop.is_set():
            try:
                handled = await self.work()
                metrics.LOOP_ROWS.labels(self.name).inc(handled)
                pause = 0.0 if handled else await self._pause()
                failures = 0
            except Exception as error:  # noqa: BLE001 - a loop that dies silently would be worse than one that repeats
                failures += 1
                metrics.LOOP_ERRORS.labels(self.name).inc()
                report = log.warning if is_transient(error) else log.exception
                report("loop_round_failed", loop=self.name, error=type(error).__name__, failures=failures)
                pause = min(MAX_BACKOFF_SECONDS, 0.2 * 2 ** min(failures, 10)) * random.uniform(0.5, 1)  # noqa: S311
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), pause)

    async def _pause(self) -> float:
        due = await self.next_due_seconds()
        return self.idle_seconds if due is None else max(0.01, min(self.idle_seconds, due))
