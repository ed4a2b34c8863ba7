"""The public figure over the database: every day counted from what became of its obligations, and always anew."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from chassis.database import DISTRICT
from services.publisher.domain.figures import Counts, Span
from services.publisher.figures import FigureCache, FigureDays, figure, recount
from services.publisher.queries import figures as queries
from tests.integration.publisher_district import HOUR, SECOND, START, District
from tests.support.databases import ServiceDatabases
from tests.support.waiting import eventually

DAY = date(2026, 10, 24)
"""On which results of START are due."""
FRIDAY = START


@pytest.fixture
async def district(service_database: ServiceDatabases) -> District:
    return District(await service_database("publisher"))


async def counted(district: District, span: Span = Span.DAY, on: date = DAY) -> Counts:
    days = FigureDays(district.database, district.clock)
    while await days.count():
        pass
    return (await figure(district.database, district.clock, span, on)).district


async def printed(district: District, family: Any) -> None:
    for request in await district.asked_for_paper():
        await district.tell(family.printed(request, at=district.now))


async def test_a_day_is_counted_as_its_obligations_come_to_be_met_missed_and_met_late(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.grade(result))
    assert await counted(district) == Counts(still_open=3)
    await district.tell(family.visible(result, family.mother, at=START + SECOND))
    # The child's is met with the mother's.
    assert await counted(district) == Counts(in_time=2, still_open=1)
    await district.advance(25 * HOUR)
    await district.deadlines.notice_overdue()
    assert await counted(district) == Counts(in_time=2, unmet_by_us=1, closed_days=1)
    await printed(district, family)
    assert await counted(district) == Counts(in_time=2, late_by_us=1, closed_days=1)


async def test_late_at_source_is_counted_apart(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.exam(result, obtained=START - 30 * HOUR, recorded=START))
    await district.deadlines.notice_overdue()
    await district.tell(family.visible(result, family.mother, at=START + SECOND))
    counts = await counted(district, on=date(2026, 10, 23))
    assert (counts.late_at_source, counts.late_by_us, counts.unmet_by_us) == (2, 0, 0)
    assert counts.percent() is None


async def test_what_was_missed_stays_counted_when_it_is_corrected_or_withdrawn_afterwards(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.grade(result))
    await district.tell(family.visible(result, family.mother, at=START + SECOND))
    await district.advance(25 * HOUR)
    await district.deadlines.notice_overdue()
    await district.tell(family.grade(result, 2, value_revision=1, state="withdrawn"))
    assert (await counted(district)).unmet_by_us == 1


async def test_what_was_withdrawn_in_time_is_not_counted(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.grade(result))
    await district.tell(family.grade(result, 2, value_revision=1, state="withdrawn"))
    assert (await counted(district)).total == 0


async def test_a_day_is_the_schools_own(district):
    """An hour before midnight in Vladivostok it is still afternoon in Moscow."""
    family = await district.known_family()
    await district.tell(district.school().model_copy(update={"time_zone": "Asia/Vladivostok", "revision": 2}))
    await district.tell(family.grade(uuid4(), obtained=datetime(2026, 10, 23, 13, 30, tzinfo=UTC)))
    await district.tell(family.grade(uuid4(), obtained=datetime(2026, 10, 23, 14, 30, tzinfo=UTC)))
    assert (await counted(district, on=date(2026, 10, 24))).total == 3
    assert (await counted(district, on=date(2026, 10, 25))).total == 3


async def test_spans_sum_their_days(district):
    family = await district.known_family()
    for days in range(3):
        await district.tell(family.grade(uuid4(), obtained=START - timedelta(days=7 * days)))
    assert (await counted(district, Span.DAY)).total == 3
    assert (await counted(district, Span.MONTH)).total == 9
    assert (await counted(district, Span.QUARTER)).total == 9
    assert (await counted(district, Span.SCHOOL_YEAR)).total == 9
    assert (await counted(district, Span.SCHOOL_YEAR, date(2026, 8, 31))).total == 0


async def test_a_change_that_commits_after_a_count_began_is_counted_by_the_next(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.grade(result))
    days = FigureDays(district.database, district.clock)
    await asyncio.gather(
        *(days.count() for _ in range(4)),
        district.tell(family.visible(result, family.mother, at=START + SECOND)),
        *(days.count() for _ in range(4)),
    )
    assert await counted(district) == Counts(in_time=2, still_open=1)
    assert await district.query("SELECT 1 FROM figure_marks") == []


async def test_who_counts_at_the_same_time_waits_so_that_the_later_count_stays(district):
    family = await district.known_family()
    await district.tell(family.grade(uuid4()))
    waiting = "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND database = (SELECT oid FROM"
    waiting += " pg_database WHERE datname = current_database())"
    async with district.database.transaction(DISTRICT) as conn:
        await queries.lock(conn)
        other = asyncio.create_task(FigureDays(district.database, district.clock).count())

        async def waits() -> bool:
            return bool(await district.query(waiting))

        await eventually(waits, within=10)
        assert not other.done()
    await other
    assert (await counted(district)).total == 3


async def test_everything_can_be_counted_anew(district):
    family = await district.known_family()
    for days in range(3):
        await district.tell(family.grade(uuid4(), obtained=START - timedelta(days=40 * days)))
    before = await counted(district, Span.SCHOOL_YEAR)
    await district.query("DELETE FROM figure_days")
    await recount(district.database, district.clock, (6, 7))
    assert await counted(district, Span.SCHOOL_YEAR) == before


async def test_an_upgrade_counts_what_was_there_before_the_figure(service_database: ServiceDatabases, tmp_path):
    await service_database.migrated_below("publisher", 8, tmp_path)
    async with service_database.as_superuser("publisher") as conn:
        await conn.execute(
            "INSERT INTO obligations (result_id, value_revision, recipient_id, obligation_id, student_id, school_id,"
            " obtained_at, recorded_at, opened_at, due_at, route, ask_paper_at) SELECT gen_random_uuid(), 1,"
            " gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), $1, $2, $2, $2, $3, 'paper', $2"
            " FROM generate_series(1, 12)",
            uuid4(),
            START,
            START + 24 * HOUR,
        )
    assert "publisher/0008_enforcement.sql" in await service_database.upgraded("publisher")
    assert await counted(District(await service_database("publisher"))) == Counts(still_open=12)


async def test_of_a_day_only_the_district_is_told_and_of_longer_spans_its_schools_too(district):
    family = await district.known_family()
    for days in range(4):
        await district.tell(family.grade(uuid4(), obtained=START - timedelta(days=days)))
    await counted(district)
    for span in Span:
        made = await figure(district.database, district.clock, span, DAY)
        assert made.district.total == (3 if span is Span.DAY else 12)
        assert [one.counts.total for one in made.schools] == ([] if span is Span.DAY else [12])


async def test_however_many_ask_the_database_is_asked_once(district):
    family = await district.known_family()
    await district.tell(family.grade(uuid4()))
    await counted(district)
    cache = FigureCache(district.database, district.clock)
    answers = await asyncio.gather(*(cache.get(Span.DAY, DAY) for _ in range(50)))
    assert len({id(one) for one in answers}) == 1
    await district.tell(family.grade(uuid4()))
    await counted(district)
    assert (await cache.get(Span.DAY, DAY)).district.total == 3
