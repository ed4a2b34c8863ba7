"""Numbering and rendering, outside of every event handler: one bounded round after the other, safe to kill anywhere.

A round has two transactions. The first gives ready extracts their numbers, since the number and the date stand on the
sheet. The second holds the numbered extracts locked while they are rendered and stores the sheets. Who dies in between
leaves numbered extracts behind, which the next round renders under the same number and date.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import typst

from chassis.clock import Clock
from chassis.crash import crash_here
from chassis.database import DISTRICT, Connection, Database
from chassis.logging import log
from contracts.values import DISCLOSURE_TERM, Language
from services.extracts import metrics
from services.extracts.domain import SheetFacts, SheetLine, local_date, number_text, retry_after
from services.extracts.queries import rendering as queries
from services.extracts.rendering import Renderer, make_sheet


@dataclass(frozen=True)
class RenderingJob:
    """Renders what is ready."""

    database: Database
    clock: Clock
    renderer: Renderer
    language: Language = Language.RU
    batch: int = 32
    """Sheets in a round. Their rows are locked while typst works, so it is kept to about a second."""
    retry_base_seconds: float = 5.0
    retry_most_seconds: float = 3600.0

    async def round(self) -> int:
        """Numbers and renders up to a batch of extracts.

        Returns:
            How many were moved on.
        """
        numbered = await number_ready(self.database, self.clock, limit=self.batch)
        crash_here("extracts.after_numbering")
        return max(numbered, await self._render_numbered())

    async def next_due_seconds(self) -> float | None:
        """How long until a sheet that failed is tried again."""
        async with self.database.transaction(DISTRICT) as conn:
            return await queries.next_retry_seconds(conn)

    async def _render_numbered(self) -> int:
        async with self.database.transaction(DISTRICT) as conn:
            now = await self.clock.now(conn)
            held_until = now - DISCLOSURE_TERM
            facts = await queries.claim_numbered(conn, held_until=held_until, limit=self.batch, now=now)
            if not facts:
                return 0
            lines: dict[UUID, list[SheetLine]] = defaultdict(list)
            for line in await queries.lines_of(conn, [one.extract_id for one in facts], held_until=held_until):
                lines[line.extract_id].append(line)
            finished = await asyncio.gather(*(self._render(one, lines[one.extract_id]) for one in facts))
            await self._keep(conn, facts, finished, now)
            crash_here("extracts.after_render_before_commit")
        crash_here("extracts.after_render_commit")
        return len(facts)

    async def _render(self, facts: SheetFacts, lines: Sequence[SheetLine]) -> queries.Stored | None:
        sheet = make_sheet(facts, lines, self.language)
        try:
            rendered = await self.renderer.sheet(sheet)
        except typst.TypstError as error:
            metrics.RENDERS.labels("failed").inc()
            # Without the diagnostics: they quote the sheet.
            log.error("sheet_not_rendered", extract_id=str(facts.extract_id), error=type(error).__name__)
            return None
        metrics.RENDERS.labels("rendered").inc()
        metrics.RENDER_SECONDS.observe(rendered.seconds)
        return queries.Stored(facts.extract_id, facts.school_id, sheet, rendered.pdf, rendered.sha256, lines)

    async def _keep(
        self, conn: Connection, facts: Sequence[SheetFacts], finished: Sequence[queries.Stored | None], now: datetime
    ) -> None:
        await queries.store(conn, [one for one in finished if one is not None], now)
        for one, done in zip(facts, finished, strict=True):
            if done is None:
                pause = retry_after(
                    one.failures + 1, base_seconds=self.retry_base_seconds, most_seconds=self.retry_most_seconds
                )
                await queries.note_failure(conn, one.extract_id, now + pause)


async def number_ready(database: Database, clock: Clock, *, limit: int) -> int:
    """Gives extracts of which everything is known their numbers in the registers of their schools.

    Numbers have no gaps: the counter's row is locked until the commit, and whoever fails gives back what it took.

    Returns:
        How many got one.
    """
    async with database.transaction(DISTRICT) as conn:
        now = await clock.now(conn)
        ready = await queries.claim_ready(conn, held_until=now - DISCLOSURE_TERM, limit=limit)
        if not ready:
            return 0
        of = {one.extract_id: (one.school_id, local_date(now, one.time_zone).year) for one in ready}
        wanted = Counter(of.values())
        last = await queries.take_numbers(conn, wanted)
        following = {key: last[key] - count + 1 for key, count in wanted.items()}
        numbers: list[queries.Numbered] = []
        for extract_id, key in of.items():
            ordinal = following[key]
            following[key] += 1
            numbers.append(queries.Numbered(extract_id, key[1], ordinal, number_text(key[1], ordinal)))
        await queries.number(conn, numbers, now)
        crash_here("extracts.after_numbering_before_commit")
    return len(numbers)
