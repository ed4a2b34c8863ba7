"""A day by a moved clock: the digest, quiet hours, the ladder, paper, a release by the clock, and the public figure."""

import asyncio
import json
import time as stopwatch
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from uuid import UUID, uuid5

from chassis.clock import DatabaseClock
from chassis.database import DISTRICT, Database
from contracts.base import EVENT_NAMESPACE
from services.publisher import proving
from services.publisher.domain.escalation import StaffRole, Step
from services.publisher.domain.figures import Span
from services.publisher.figures import figure
from services.publisher.queries import escalation
from services.publisher.queries.escalation import Address
from sutki import environment
from sutki.console import err
from sutki.demo.clock import ZONE, DemoClock
from sutki.demo.journal_check import Check
from sutki.texts import tr

LEDGER: Final = "ledger.jsonl"
STORY: Final = "day.json"
STAFF_DOMAIN: Final = "staff.example"
"""Where the sample's staff has its mailboxes; families have theirs elsewhere."""
WAIT_SECONDS: Final = 90
POLL_SECONDS: Final = 0.2
QUIET_BREAK: Final = timedelta(minutes=30)
"""So long before its deadline a message no longer waits for the morning: the publisher's default."""
MINUTE: Final = timedelta(minutes=1)
SECOND: Final = timedelta(seconds=1)

_FIRST_DUE = """
SELECT min(due_at) FROM obligations o JOIN results r USING (result_id)
WHERE o.school_id = $1 AND o.state = 'open' AND o.route = 'paper' AND NOT r.held
"""
_ESCALATED = "SELECT coalesce(sum(obligations), 0) FROM escalations WHERE school_id = $1 AND step = $2"
_DIGESTS = "SELECT count(*) FROM notifications WHERE occasion = 'digest' AND state = 'sent'"
_DIGESTS_DUE = "SELECT count(*) FROM digests WHERE due_at <= clock_timestamp() + clock_shift()"
_WAITING = """
SELECT count(*) FROM notifications
WHERE occasion = 'results' AND state IN ('queued', 'retry') AND send_after > clock_timestamp() + clock_shift()
"""
_SENT_AT_NIGHT = """
SELECT count(*) FROM notifications
WHERE state = 'sent' AND settled_at > $1 AND settled_at < $2
  AND coalesce(deadline_at, 'infinity') > $2::timestamptz + $3::interval
"""
_KNOWN = "SELECT count(*) FROM results WHERE kind <> 'final_grade'"
_OPEN = """
SELECT count(*) FROM obligations o JOIN results r USING (result_id)
WHERE o.state = 'open' AND o.route = $1 AND NOT r.held
"""
_HELD = "SELECT count(*) FROM obligations WHERE state = 'open' AND result_id = $1"
_HELD_DUE = "SELECT max(due_at) FROM obligations WHERE result_id = $1"
_RELEASED = "SELECT count(*) FROM ledger WHERE entry::jsonb ->> 'kind' = 'released_by_clock'"

Print = Callable[[Sequence[UUID]], Awaitable[None]]


@dataclass
class Day:
    """The day after the quarter's end.

    Args:
        clock: of the running stack.
        folder: of the demo; a day that is over is told from there.
        schools: of the district; the last of them prints late.
        held: a result that the head forgets to release.
        bring_exams: imports results of exams.
        print_some: prints the queues of schools.
    """

    clock: DemoClock
    folder: Path
    schools: Sequence[UUID]
    held: UUID
    bring_exams: Callable[[], Awaitable[None]]
    print_some: Print

    @property
    def story(self) -> Path:
        """What a day left behind that is over."""
        return self.folder / STORY

    async def run(self) -> list[Check]:
        """Lives through the day, unless it was lived through before; returns its lines of the table.

        Raises:
            TimeoutError: something that the clock should have brought about did not come.
        """
        if not self.story.exists():
            async with environment.database("publisher") as publisher:
                told = await self._live(publisher)
            await asyncio.to_thread(self.story.write_text, json.dumps(told, indent=2) + "\n", encoding="utf-8")
        told = json.loads(await asyncio.to_thread(self.story.read_text, encoding="utf-8"))
        async with environment.database("publisher") as publisher:
            await proving.export_file(publisher, self.folder / LEDGER)
        proof = await proving.verify_file(self.folder / LEDGER)
        return _lines(told, proof)

    async def _live(self, publisher: Database) -> dict[str, Any]:
        slow, others = self.schools[-1], self.schools[:-1]
        await self._tell_staff_addresses(publisher)
        due: datetime = await _value(publisher, _FIRST_DUE, slow)
        told: dict[str, Any] = {}

        await self._hour(due - timedelta(hours=12) + MINUTE, tr("до срока 12 часов", "12 hours left"))
        told["escalated_school"] = await self._escalated(publisher, slow, Step.SCHOOL)

        evening = self._local(due - timedelta(hours=12), time(19))
        await self._hour(evening + MINUTE, tr("дайджест", "the digest"))
        await self._until(publisher, "digests", _DIGESTS_DUE, 0)
        await self.clock.calm()
        told["digests"] = await _value(publisher, _DIGESTS)

        night = self._local(evening, time(21, 30))
        await self._hour(night, tr("тихие часы, приходят результаты экзаменов", "quiet hours, results of exams come"))
        before = await _value(publisher, _KNOWN)
        await self.bring_exams()
        await self._until_more(publisher, "exams", _KNOWN, before)
        await self.print_some(others)
        await self._until(publisher, "exams on the screen", _OPEN, 0, "screen")
        await self.clock.calm()
        told["waited"] = await _value(publisher, _WAITING)

        await self._hour(due - timedelta(hours=4) + MINUTE, tr("до срока 4 часа", "4 hours left"))
        told["escalated_head"] = await self._escalated(publisher, slow, Step.HEAD)
        await self._hour(due - timedelta(hours=1) + MINUTE, tr("до срока час", "an hour left"))
        told["escalated_district"] = await self._escalated(publisher, slow, Step.DISTRICT)
        await self.print_some(self.schools)
        await self._until(publisher, "everything printed", _OPEN, 0, "paper")

        morning = self._local(due, time(7))
        await self._hour(morning + MINUTE, tr("тихие часы кончились", "quiet hours are over"))
        told["sent_at_night"] = await _value(publisher, _SENT_AT_NIGHT, night, morning, QUIET_BREAK)
        told["still_waiting"] = await _value(publisher, _WAITING)

        await self.print_some(self.schools)

        held_due: datetime = await _value(publisher, _HELD_DUE, self.held)
        # The deadline itself passes without a jump: whoever may see the grade sees it from that instant.
        await self._hour(held_due - 2 * SECOND, tr("срок задержанной отметки", "the held grade's deadline"))
        await self.print_some(self.schools)
        await self._until(publisher, "the held grade disclosed", _HELD, 0, self.held)
        await self.clock.move_to(held_due + 3 * MINUTE)
        await self._until_more(publisher, "a release by the clock", _RELEASED, 0)
        told["released_by_clock"] = await _value(publisher, _RELEASED)
        return told | {"percent": str(await self._figure(publisher))}

    def _local(self, day: datetime, at: time) -> datetime:
        return datetime.combine(day.astimezone(ZONE).date(), at, ZONE)

    async def _hour(self, instant: datetime, what: str) -> None:
        err.print(f"… {instant.astimezone(ZONE):%d.%m %H:%M}  {what}", style="dim", markup=False)
        await self.clock.move_to(instant)

    async def _tell_staff_addresses(self, publisher: Database) -> None:
        now = await self.clock.now()
        async with publisher.transaction(DISTRICT) as conn:
            for number, school_id in enumerate(self.schools, 1):
                for role in (StaffRole.CLASS_TEACHER, StaffRole.SECRETARY, StaffRole.HEAD):
                    await escalation.add_address(conn, _address(school_id, role, f"{role}-{number}"), now)
            await escalation.add_address(conn, _address(None, StaffRole.DISTRICT, "district"), now)

    async def _escalated(self, publisher: Database, school_id: UUID, step: Step) -> int:
        await self._until_more(publisher, f"the step {step}", _ESCALATED, 0, school_id, step.value)
        return int(await _value(publisher, _ESCALATED, school_id, step.value))

    async def _figure(self, publisher: Database) -> Decimal:
        """The district's share in time, once what was due is counted."""

        async def counted() -> Decimal | None:
            today = await figure(publisher, DatabaseClock(), Span.MONTH)
            percent = today.district.percent()
            settled = today.district.still_open == 0 and percent is not None
            return Decimal(str(percent)) if settled else None

        deadline = stopwatch.monotonic() + WAIT_SECONDS
        while (percent := await counted()) is None:
            if stopwatch.monotonic() > deadline:
                raise TimeoutError("the public figure")
            await asyncio.sleep(POLL_SECONDS)
        return percent

    async def _until(self, publisher: Database, what: str, query: str, wanted: int, *values: Any) -> None:
        await _wait_for(what, lambda found: found == wanted, publisher, query, *values)

    async def _until_more(self, publisher: Database, what: str, query: str, than: int, *values: Any) -> None:
        await _wait_for(what, lambda found: found > than, publisher, query, *values)


async def _wait_for(what: str, holds: Callable[[int], bool], publisher: Database, query: str, *values: Any) -> None:
    deadline = stopwatch.monotonic() + WAIT_SECONDS
    while not holds(found := int(await _value(publisher, query, *values))):
        if stopwatch.monotonic() > deadline:
            raise TimeoutError(f"{what}: {found}")
        await asyncio.sleep(POLL_SECONDS)


async def _value(publisher: Database, query: str, *values: Any) -> Any:
    async with publisher.transaction(DISTRICT) as conn:
        return await conn.fetchval(query, *values)


def _address(school_id: UUID | None, role: StaffRole, name: str) -> Address:
    address = f"{name}@{STAFF_DOMAIN}"
    return Address(uuid5(EVENT_NAMESPACE, f"staff/{address}"), school_id, role.value, address)


def _lines(told: dict[str, Any], proof: proving.Verification) -> list[Check]:
    return [
        Check("digests", tr("дайджестов собрано и отправлено", "digests collected and sent"), told["digests"]),
        Check(
            "quiet_waited", tr("писем ждали конца тихих часов", "mails waited for quiet hours to end"), told["waited"]
        ),
        Check(
            "quiet_broken",
            tr("отправлено в тихие часы без нужды", "sent in quiet hours without need"),
            told["sent_at_night"],
            0,
        ),
        Check("quiet_left", tr("ждут после тихих часов", "still wait after quiet hours"), told["still_waiting"], 0),
        Check(
            "escalated_school",
            tr("не напечатано: сказано школе (T−12 ч)", "not printed: the school was told (T−12 h)"),
            told["escalated_school"],
        ),
        Check(
            "escalated_head",
            tr("не напечатано: сказано директору (T−4 ч)", "not printed: the head was told (T−4 h)"),
            told["escalated_head"],
        ),
        Check(
            "escalated_district",
            tr("не напечатано: сказано району (T−1 ч)", "not printed: the district was told (T−1 h)"),
            told["escalated_district"],
        ),
        Check(
            "released_by_clock",
            tr("задержанных выпущено по часам", "held grades released by the clock"),
            told["released_by_clock"],
        ),
        Check(
            "within_24_hours",
            tr("доступно за 24 часа, %", "available within 24 hours, %"),
            Decimal(told["percent"]),
            Decimal(100),
        ),
        Check("ledger_lines", tr("строк в выгрузке журнала", "lines of the exported ledger"), proof.entries),
        Check(
            "ledger_file_faults",
            tr("нарушений в выгрузке журнала", "faults of the exported ledger"),
            proof.faults_in_all,
            0,
        ),
    ]
