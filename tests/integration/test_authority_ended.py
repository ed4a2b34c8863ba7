"""Whoever's authority ended by document or term sees nothing and is owed nothing, whatever the journal still says."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from chassis.database import Database, reader
from contracts.consent_changed import ConsentChanged
from contracts.values import Decision
from services.cabinet.queries import reading
from services.cabinet.queries.reading import READER_ROLE
from tests.browser.cabinet_world import World
from tests.integration.publisher_district import HOUR, District, Family
from tests.support.databases import ServiceDatabases

Databases = Callable[[str], Awaitable[Database]]
ENDED = {"authority": "ended"}


def _ended(consent: ConsentChanged, revision: int, decision: Decision = Decision.WITHDRAWN) -> ConsentChanged:
    decisions = consent.decisions.model_copy(update=dict.fromkeys(("cabinet", "email", "push"), decision))
    changes: dict[str, Any] = {"revision": revision, "decisions": decisions, "contact": None, **ENDED}
    return consent.model_copy(update=changes)


# -- the publisher


@pytest.fixture
async def district(service_database: ServiceDatabases) -> District:
    return District(await service_database("publisher"))


async def _known(district: District) -> Family:
    family: Family = await district.known_family()
    return family


async def test_what_was_owed_to_who_lost_the_authority_is_cancelled_and_nothing_new_comes(district):
    family, before, after = await _known(district), uuid4(), uuid4()
    await district.tell(family.grade(before))

    await district.tell(_ended(family.consent(family.mother, 2), 2))
    await district.tell(family.grade(after))

    assert (await district.states(before))[family.mother] == ("screen", "cancelled")
    assert family.mother not in await district.states(after)
    assert family.father in await district.states(after)


async def test_no_paper_is_asked_for_somebody_without_authority_who_never_answered(district):
    family, neighbours, result = await _known(district), await _known(district), uuid4()
    unanswered = _ended(family.consent(family.father, 1), 1, Decision.UNANSWERED)
    await district.tell(unanswered, family.grade(result), neighbours.grade(uuid4()))

    await district.advance(23 * HOUR)

    asked = {one.recipient_id for one in await district.asked_for_paper()}
    assert neighbours.father in asked
    assert family.father not in asked
    assert family.father not in await district.states(result)


async def test_a_restored_authority_is_owed_by_paper_again(district):
    family, result = await _known(district), uuid4()
    ended = _ended(family.consent(family.mother, 2), 2)
    await district.tell(ended)

    await district.tell(ended.model_copy(update={"revision": 3, "authority": "in_force"}))
    await district.tell(family.grade(result))

    assert (await district.states(result))[family.mother] == ("paper", "open")


async def test_an_older_event_does_not_restore_it(district):
    family, result = await _known(district), uuid4()
    await district.tell(_ended(family.consent(family.mother, 3), 3))

    await district.tell(family.consent(family.mother, 2), family.grade(result))

    assert family.mother not in await district.states(result)


# -- the cabinet


@pytest.fixture
async def world(service_database: Databases) -> World:
    return World(await service_database("cabinet"))


async def _family(world: World) -> tuple[UUID, UUID, ConsentChanged]:
    mother = uuid4()
    child = world.student([mother])
    consent = world.consent(mother, child.person_id)
    await world.hear()
    await world.tell(world.school(), child, consent)
    await world.tell(world.mark(child.person_id), world.grade(child.person_id))
    return mother, child.person_id, consent


async def _seen(world: World, who: UUID) -> dict[str, int]:
    queries = {
        "persons": "SELECT 1 FROM persons WHERE person_id <> (SELECT reading_person())",
        "representations": "SELECT 1 FROM representations",
        "marks": "SELECT 1 FROM marks",
        "results": "SELECT 1 FROM results",
    }
    return {name: len(await world.read(who, query)) for name, query in queries.items()}


async def _children(world: World, who: UUID) -> list[UUID]:
    async with world.database.transaction(reader(who), role=READER_ROLE) as conn:
        return [child.student_id for child in await reading.children(conn, who)]


async def test_whoever_lost_the_authority_does_not_even_see_that_there_is_such_a_child(world):
    mother, child, consent = await _family(world)
    assert all((await _seen(world, mother)).values())
    assert await _children(world, mother) == [child]

    await world.tell(_ended(consent, 2))

    assert set((await _seen(world, mother)).values()) == {0}
    assert await _children(world, mother) == []


async def test_also_when_nobody_ever_answered(world):
    mother = uuid4()
    child = world.student([mother])
    await world.hear()
    await world.tell(world.school(), child)
    assert await _children(world, mother) == [child.person_id]

    await world.tell(_ended(world.consent(mother, child.person_id), 1, Decision.UNANSWERED))

    assert await _children(world, mother) == []


async def test_the_minor_student_sees_nothing_either_when_no_other_consent_remains(world):
    _, child, consent = await _family(world)
    assert await world.read(child, "SELECT 1 FROM marks")

    await world.tell(_ended(consent, 2))

    assert await world.read(child, "SELECT 1 FROM marks") == []


async def test_the_minor_student_goes_on_by_the_other_representatives_consent(world):
    mother, father = uuid4(), uuid4()
    child = world.student([mother, father])
    of_mother = world.consent(mother, child.person_id)
    await world.hear()
    await world.tell(world.school(), child, of_mother, world.consent(father, child.person_id))
    await world.tell(world.mark(child.person_id))

    await world.tell(_ended(of_mother, 2))

    assert len(await world.read(child.person_id, "SELECT 1 FROM marks")) == 1
    assert len(await world.read(father, "SELECT 1 FROM marks")) == 1
    assert await world.read(mother, "SELECT 1 FROM marks") == []


async def test_a_restored_authority_shows_the_child_and_waits_for_a_new_consent(world):
    mother, child, consent = await _family(world)
    ended = _ended(consent, 2)
    await world.tell(ended)

    await world.tell(ended.model_copy(update={"revision": 3, "authority": "in_force"}))

    assert await _children(world, mother) == [child]
    assert await world.read(mother, "SELECT 1 FROM marks") == []
    again = consent.model_copy(update={"revision": 4, "decided_at": consent.decided_at + timedelta(hours=1)})
    await world.tell(again)
    assert len(await world.read(mother, "SELECT 1 FROM marks")) == 1
