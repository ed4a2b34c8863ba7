"""What nobody released is released by the clock, whether the publisher runs or not, and the ledger says so."""

from uuid import uuid4

import pytest

from services.publisher.domain.deadlines import DISCLOSURE_TERM
from services.publisher.ledger import stamp
from services.publisher.releasing import Releases
from tests.integration.publisher_district import HOUR, SECOND, START, District
from tests.support.databases import ServiceDatabases

MINUTE = 60 * SECOND
DUE = START + DISCLOSURE_TERM


@pytest.fixture
async def district(service_database: ServiceDatabases) -> District:
    return District(await service_database("publisher"))


async def write_down(district: District) -> int:
    written, releases = 0, Releases(district.database, district.clock, district.policy)
    while more := await releases.write_down():
        written += more
    return written


async def test_the_ledger_says_once_that_the_clock_released_a_held_result_and_when(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.grade(result, held=True))
    await district.advance(24 * HOUR)
    assert await write_down(district) == 0, "a release that was recorded in time may still be on its way"
    await district.advance(2 * MINUTE)
    assert await write_down(district) == 1
    assert await write_down(district) == 0
    (entry,) = await district.ledger("released_by_clock")
    assert entry["result_id"] == str(result)
    assert entry["released_at"] == stamp(DUE)


async def test_what_the_head_released_in_time_the_clock_did_not(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.grade(result, held=True))
    await district.advance(25 * HOUR)
    await district.tell(family.grade(result, 2, value_revision=1, recorded=DUE - HOUR))
    assert await write_down(district) == 0
    assert await district.ledger("released_by_clock") == []


async def test_a_publisher_that_was_down_across_the_deadline_still_says_so_and_nothing_is_late(district):
    """It comes back to an acknowledgement of the deadline's instant, and to a release that came too late."""
    family, result = await district.known_family(), uuid4()
    await district.tell(family.grade(result, held=True))
    await district.advance(30 * HOUR)
    await district.tell(
        family.visible(result, family.mother, at=DUE),
        family.grade(result, 2, value_revision=1, recorded=DUE + HOUR),
    )
    obligations = await district.obligations(result)
    seen = obligations[(1, family.mother)]
    assert (seen["state"], seen["available_at"], seen["late"]) == ("available", DUE, "no")
    (entry,) = await district.ledger("released_by_clock")
    assert entry["released_at"] == stamp(DUE)
    assert await write_down(district) == 0


async def test_a_held_correction_that_the_clock_releases_is_a_release_of_its_own(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.grade(result, held=True))
    await district.advance(25 * HOUR)
    assert await write_down(district) == 1
    await district.tell(family.grade(result, 2, value="5", held=True, obtained=district.now))
    await district.advance(25 * HOUR)
    assert await write_down(district) == 1
    assert [one["value_revision"] for one in await district.ledger("released_by_clock")] == [1, 2]


async def test_a_withdrawn_result_is_not_released(district):
    family, result = await district.known_family(), uuid4()
    await district.tell(family.grade(result, held=True))
    await district.tell(family.grade(result, 2, value_revision=1, state="withdrawn"))
    await district.advance(25 * HOUR)
    assert await write_down(district) == 0
