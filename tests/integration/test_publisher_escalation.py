"""The escalation ladder: who is told what is not met, when, and that nobody is told twice."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from chassis.database import DISTRICT
from services.publisher.domain.escalation import Ladder, Step
from services.publisher.escalating import Escalations
from services.publisher.queries import escalation as queries
from services.publisher.queries.escalation import Address, Terms
from tests.integration.publisher_district import HOUR, SECOND, START, District
from tests.support.databases import ServiceDatabases

MINUTE = timedelta(minutes=1)


@pytest.fixture
async def district(service_database: ServiceDatabases) -> District:
    return District(await service_database("publisher"))


def ladder_of(district: District) -> Escalations:
    return Escalations(district.database, district.clock, Ladder())


async def climb(district: District) -> int:
    """Lets the ladder work until it has nothing left to tell."""
    told, ladder = 0, ladder_of(district)
    while more := await ladder.escalate():
        told += more
    return told


async def told(district: District, step: Step | None = None) -> list[Any]:
    return await district.query(
        "SELECT e.*, o.recipient_id, o.waits, o.request_id, o.held, o.late_at_source, o.waiting_since, o.due_at"
        " FROM escalations e JOIN escalated_obligations o USING (escalation_id)"
        " WHERE $1::text IS NULL OR e.step = $1 ORDER BY e.raised_at, e.step, o.due_at, o.recipient_id",
        step and step.value,
    )


async def addresses(district: District, *roles: tuple[UUID | None, str, str]) -> None:
    async with district.database.transaction(DISTRICT) as conn:
        for school_id, role, address in roles:
            await queries.add_address(conn, Address(uuid4(), school_id, role, address), district.now)


async def a_family_on_paper(district: District, results: int = 1) -> tuple[Any, Sequence[UUID]]:
    """The mother has seen the results; the father, and nobody for the child, still waits for paper."""
    family, ids = await district.known_family(), [uuid4() for _ in range(results)]
    for result in ids:
        await district.tell(family.grade(result))
        await district.tell(family.visible(result, family.mother, at=START + SECOND))
    return family, ids


async def test_the_steps_are_taken_at_twelve_four_and_one_hour_before_the_deadline_each_once(district):
    family, _ = await a_family_on_paper(district)
    await district.advance(11 * HOUR + 44 * MINUTE)
    assert await climb(district) == 0
    for until, step in ((12 * HOUR, Step.SCHOOL), (20 * HOUR, Step.HEAD), (23 * HOUR, Step.DISTRICT)):
        await district.advance(START + until - district.now)
        assert await climb(district) == 1
        assert [row["recipient_id"] for row in await told(district, step)] == [family.father]
        await district.advance(20 * MINUTE)
        assert await climb(district) == 0


async def test_a_message_lists_whose_sheet_waits_where_since_when_and_until_when(district):
    family, _ = await a_family_on_paper(district)
    await district.advance(15 * MINUTE)
    (request,) = await district.asked_for_paper()
    asked = district.now
    async with district.database.transaction(DISTRICT) as conn:
        await queries.set_terms(conn, district.school_id, Terms(printer="Канцелярия, каб. 12"), district.now)
    await district.advance(12 * HOUR)
    await climb(district)
    (row,) = await told(district, Step.SCHOOL)
    assert (row["recipient_id"], row["waits"], row["request_id"]) == (
        family.father,
        "print_queue",
        request.request_id,
    )
    assert row["waiting_since"] == asked
    assert row["due_at"] == START + 24 * HOUR
    assert row["printer"] == "Канцелярия, каб. 12"


async def test_what_is_printed_meanwhile_is_not_in_the_next_step(district):
    family, _ = await a_family_on_paper(district, results=1)
    await district.advance(15 * MINUTE)
    (request,) = await district.asked_for_paper()
    await district.advance(12 * HOUR)
    assert await climb(district) == 1
    await district.tell(family.printed(request, at=district.now))
    await district.advance(START + 24 * HOUR - MINUTE - district.now)
    assert await climb(district) == 0
    assert {row["step"] for row in await told(district)} == {"school"}


async def test_one_school_and_step_make_one_message_whatever_comes_within_the_grouping_time(district):
    family = await district.known_family()
    for minutes in range(10):
        result = uuid4()
        await district.tell(family.grade(result, obtained=START + minutes * MINUTE))
        await district.tell(family.visible(result, family.mother, at=START + minutes * MINUTE))
    await district.advance(12 * HOUR)
    assert await climb(district) == 10
    await district.advance(10 * MINUTE)
    assert await climb(district) == 0
    assert len({row["escalation_id"] for row in await told(district)}) == 1


async def test_a_school_may_have_hours_of_its_own(district):
    await a_family_on_paper(district)
    async with district.database.transaction(DISTRICT) as conn:
        await queries.set_terms(conn, district.school_id, Terms(school_hours=6), district.now)
    await district.advance(17 * HOUR)
    assert await climb(district) == 0
    await district.advance(HOUR)
    assert await climb(district) == 1


async def test_held_and_late_at_source_are_said_apart(district):
    family = await district.known_family()
    await district.tell(family.grade(uuid4(), held=True))
    await district.tell(family.exam(uuid4(), obtained=START - 30 * HOUR, recorded=START))
    await district.advance(20 * HOUR)
    await climb(district)
    rows = await told(district, Step.HEAD)
    assert {(row["held"], row["late_at_source"]) for row in rows} == {(True, False), (False, True)}
    # The mother (screen), the father (paper) and the child (with a representative) of each of the two.
    assert len(rows) == 6


async def test_what_comes_late_to_the_ladder_takes_every_step(district):
    family = await district.known_family()
    await district.tell(family.exam(uuid4(), obtained=START - 30 * HOUR, recorded=START))
    assert await climb(district) == 0, "what has just opened is first given time"
    await district.advance(11 * MINUTE)
    await climb(district)
    assert {row["step"] for row in await told(district)} == {"school", "head", "district", "overdue"}


async def test_overdue_is_told_to_the_district_every_day_until_it_is_met(district):
    family, _ = await a_family_on_paper(district)
    await district.advance(15 * MINUTE)
    (request,) = await district.asked_for_paper()
    await district.advance(START + 24 * HOUR + 2 * MINUTE - district.now)
    for day in range(1, 4):
        await climb(district)
        assert len(await told(district, Step.OVERDUE)) == day
        await district.advance(12 * HOUR)
        await climb(district)
        assert len(await told(district, Step.OVERDUE)) == day
        await district.advance(12 * HOUR)
    await district.tell(family.printed(request, at=district.now))
    await climb(district)
    assert len(await told(district, Step.OVERDUE)) == 3


async def test_each_role_gets_one_mail_of_its_steps_and_of_its_school(district):
    await a_family_on_paper(district)
    await addresses(
        district,
        (district.school_id, "secretary", "office@school.example"),
        (district.school_id, "class_teacher", "teachers@school.example"),
        (district.school_id, "head", "head@school.example"),
        (uuid4(), "head", "head@other.example"),
        (None, "district", "duty@district.example"),
    )
    wanted = [
        (12 * HOUR, {"office@school.example", "teachers@school.example"}),
        (20 * HOUR, {"head@school.example"}),
        (23 * HOUR, {"duty@district.example"}),
    ]
    before: set[str] = set()
    for until, expected in wanted:
        await district.advance(START + until - district.now)
        await climb(district)
        rows = await district.query("SELECT address FROM staff_messages")
        assert {row["address"] for row in rows} - before == expected
        assert len(rows) == len(before | expected)
        before |= expected


async def test_many_processes_tell_each_obligation_once(district):
    for _ in range(3):
        await a_family_on_paper(district, results=4)
    await district.advance(12 * HOUR)
    counts = await asyncio.gather(*(climb(district) for _ in range(6)))
    assert sum(counts) == 12
    rows = await district.query("SELECT count(*) AS n, count(DISTINCT obligation_id) AS d FROM escalated_obligations")
    assert (rows[0]["n"], rows[0]["d"]) == (12, 12)
    assert len(await district.query("SELECT 1 FROM escalations")) == 1


async def test_the_log_cannot_be_changed(district):
    await a_family_on_paper(district)
    await district.advance(12 * HOUR)
    await climb(district)
    for statement in ("DELETE FROM escalations", "UPDATE escalated_obligations SET step = 'head'"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await district.query(statement)
