"""The cabinet acknowledges: who could see which version since when, once, and never what nobody could see."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from chassis.clock import FixedClock
from chassis.database import DISTRICT, Database, reader
from contracts.base import PersonId
from contracts.person_changed import PersonChanged, Representation
from contracts.results_visible import ResultsVisible
from contracts.values import Decision
from services.cabinet.domain import Access
from services.cabinet.handlers import acknowledge_due, visible_results
from services.cabinet.queries import acknowledging, reading
from services.cabinet.rebuild import drop_read_model
from services.cabinet.replay import replay
from services.cabinet.subscribers import take_final_grades
from tests.browser.cabinet_world import World

Databases = Callable[[str], Awaitable[Database]]
VISIBLE = ResultsVisible.TOPIC
NOON = datetime(2026, 10, 23, 9, tzinfo=UTC)


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(NOON)


@pytest.fixture
async def world(service_database: Databases, clock: FixedClock) -> World:
    world = World(await service_database("cabinet"), clock)
    await world.hear()
    return world


async def _mother_and_child(world: World) -> tuple[UUID, UUID, UUID]:
    mother = uuid4()
    child = world.student([mother])
    consent = world.consent(mother, child.person_id)
    await world.tell(child, consent)
    await world.account(mother)
    await world.look()
    return mother, child.person_id, consent.consent_id


async def _told(world: World) -> list[ResultsVisible]:
    return [ResultsVisible.model_validate(item) for item in await world.published(VISIBLE)]


async def test_what_can_be_seen_is_acknowledged_in_the_projections_own_transaction(
    world: World, clock: FixedClock
) -> None:
    mother, child, consent_id = await _mother_and_child(world)
    clock.advance(timedelta(hours=1))
    await world.hear()
    grade = world.grade(child, obtained_at=clock.at - timedelta(minutes=1))
    await world.tell(grade)
    (told,) = await _told(world)
    assert (told.result_id, told.value_revision, told.revision) == (grade.result_id, 1, 1)
    assert (told.student_id, told.school_id) == (child, world.school_id)
    (visible,) = told.visible
    assert (visible.recipient_id, visible.visible_at) == (mother, clock.at)
    assert (visible.consent_id, visible.consent_revision) == (consent_id, 1)


async def test_who_has_no_account_is_not_acknowledged(world: World) -> None:
    mother, father = uuid4(), uuid4()
    child = world.student([mother, father])
    await world.tell(child, world.consent(mother, child.person_id), world.consent(father, child.person_id))
    await world.account(father)
    await world.tell(world.grade(child.person_id))
    assert [item.recipient_id for told in await _told(world) for item in told.visible] == [father]


@pytest.mark.parametrize("answer", [Decision.REFUSED, Decision.WITHDRAWN, Decision.UNANSWERED])
async def test_without_consent_nothing_is_acknowledged(world: World, answer: Decision) -> None:
    mother = uuid4()
    child = world.student([mother])
    await world.tell(child, world.consent(mother, child.person_id, answer))
    await world.account(mother)
    await world.tell(world.grade(child.person_id), world.exam(child.person_id))
    await world.look()
    assert await _told(world) == []


async def test_who_lost_their_authority_is_not_acknowledged(world: World) -> None:
    mother, father = uuid4(), uuid4()
    child = world.student([mother, father])
    await world.tell(child, world.consent(mother, child.person_id), world.consent(father, child.person_id))
    for person_id in (mother, father, child.person_id):
        await world.account(person_id)
    await world.tell(world.student([mother], student_id=child.person_id, in_force=False, revision=2))
    await world.tell(world.grade(child.person_id))
    await world.look()
    assert await _told(world) == []


async def test_a_batch_of_many_results_tells_each_version_once_with_everybody(world: World) -> None:
    mother, father = uuid4(), uuid4()
    children = [world.student([mother, father]) for _ in range(20)]
    for child in children:
        await world.tell(child, world.consent(mother, child.person_id), world.consent(father, child.person_id))
        await world.account(child.person_id)
    await world.account(mother)
    await world.account(father)
    await world.look()
    grades = [world.grade(child.person_id) for child in children for _ in range(3)]
    await world.tell(*grades)
    told = await _told(world)
    assert {item.result_id for item in told} == {grade.result_id for grade in grades}
    assert len(told) == len(grades)
    for item in told:
        assert {visible.recipient_id for visible in item.visible} == {mother, father, item.student_id}


async def test_a_result_before_everything_else_is_acknowledged_when_the_last_part_arrives(
    world: World, clock: FixedClock
) -> None:
    mother = uuid4()
    child = world.student([mother])
    await world.tell(world.grade(child.person_id))
    clock.advance(timedelta(seconds=10))
    await world.account(mother)
    await world.look()
    clock.advance(timedelta(seconds=10))
    await world.tell(world.consent(mother, child.person_id))
    await world.look()
    assert await _told(world) == []
    clock.advance(timedelta(seconds=10))
    arrived = clock.at
    await world.tell(child)
    clock.advance(timedelta(seconds=5))  # the loop is late; what it says is not
    await world.look()
    (told,) = await _told(world)
    assert told.visible[0].visible_at == arrived


async def test_a_later_account_sees_since_it_exists(world: World, clock: FixedClock) -> None:
    mother = uuid4()
    child = world.student([mother])
    await world.tell(child, world.consent(mother, child.person_id), world.grade(child.person_id))
    clock.advance(timedelta(seconds=30))
    await world.account(mother)
    made = clock.at
    clock.advance(timedelta(seconds=20))
    await world.look()
    (told,) = await _told(world)
    assert told.visible[0].visible_at == made


async def test_consent_that_begins_later_is_acknowledged_from_its_beginning(world: World, clock: FixedClock) -> None:
    mother = uuid4()
    child = world.student([mother])
    begins = clock.at + timedelta(minutes=30)
    await world.account(mother)
    await world.tell(child, world.consent(mother, child.person_id, effective_from=begins))
    await world.tell(world.grade(child.person_id))
    await world.look()
    assert await _told(world) == []
    clock.at = begins + timedelta(seconds=3)
    await _stay_fresh(world, since=NOON)
    await world.look()
    (told,) = await _told(world)
    assert told.visible[0].visible_at == begins


async def _stay_fresh(world: World, *, since: datetime) -> None:
    """Heartbeats had come all the time."""
    await world.hear()
    async with world.database.transaction(DISTRICT) as conn:
        await conn.execute("UPDATE reading_rules SET consents_fresh_since = $1", since)


async def test_a_held_result_is_acknowledged_for_exactly_its_due_even_by_a_late_loop(
    world: World, clock: FixedClock
) -> None:
    mother, child, _ = await _mother_and_child(world)
    held = world.grade(child, held=True, obtained_at=clock.at)
    await world.tell(held)
    await world.look()
    assert await _told(world) == []
    clock.at = NOON + timedelta(hours=24) - timedelta(microseconds=1)
    await _stay_fresh(world, since=NOON)
    assert await world.look() == 0
    clock.at = NOON + timedelta(hours=31)
    await _stay_fresh(world, since=NOON)
    await world.look()
    (told,) = await _told(world)
    assert told.visible[0].recipient_id == mother
    assert told.visible[0].visible_at == NOON + timedelta(hours=24)


async def test_a_released_result_is_acknowledged_at_its_release_and_not_again_at_its_due(
    world: World, clock: FixedClock
) -> None:
    _, child, _ = await _mother_and_child(world)
    held = world.grade(child, held=True, obtained_at=clock.at)
    await world.tell(held)
    clock.advance(timedelta(seconds=40))
    await world.tell(held.model_copy(update={"revision": 2, "held": False}))
    (told,) = await _told(world)
    assert (told.value_revision, told.visible[0].visible_at) == (1, clock.at)
    clock.at = NOON + timedelta(hours=25)
    await _stay_fresh(world, since=NOON)
    await world.look()
    assert len(await _told(world)) == 1


async def test_a_value_that_was_replaced_before_it_could_be_seen_is_never_acknowledged(
    world: World, clock: FixedClock
) -> None:
    _, child, _ = await _mother_and_child(world)
    first = world.grade(child, "3", held=True, obtained_at=clock.at)
    await world.tell(first)
    await world.tell(world.grade(child, "4", result_id=first.result_id, held=True, obtained_at=clock.at, revision=2))
    clock.at = NOON + timedelta(hours=24)
    await _stay_fresh(world, since=NOON)
    await world.look()
    assert [(item.value_revision, item.visible[0].visible_at) for item in await _told(world)] == [(2, clock.at)]


async def test_a_correction_is_acknowledged_as_a_version_of_its_own(world: World, clock: FixedClock) -> None:
    _, child, _ = await _mother_and_child(world)
    first = world.grade(child, "3")
    await world.tell(first)
    clock.advance(timedelta(seconds=5))
    await world.tell(world.grade(child, "4", result_id=first.result_id, obtained_at=clock.at, revision=2))
    assert [(item.value_revision, item.revision) for item in await _told(world)] == [(1, 1), (2, 1)]


async def test_a_withdrawn_result_is_not_acknowledged_and_a_deferral_is(world: World) -> None:
    _, child, _ = await _mother_and_child(world)
    await world.tell(world.grade(child, state="withdrawn"))
    deferred = world.grade(child, state="deferred", deferred_until=date(2026, 11, 15))
    await world.tell(deferred)
    assert [item.result_id for item in await _told(world)] == [deferred.result_id]


async def test_as_more_people_can_see_a_version_its_event_grows(world: World, clock: FixedClock) -> None:
    mother, child, _ = await _mother_and_child(world)
    await world.tell(world.grade(child))
    clock.advance(timedelta(seconds=9))
    await world.account(child)
    await world.look()
    first, second = await _told(world)
    assert [first.revision, second.revision] == [1, 2]
    assert first.aggregate() == second.aggregate()
    assert [item.recipient_id for item in first.visible] == [mother]
    assert [item.recipient_id for item in second.visible] == [mother, child]
    assert [item.visible_at for item in second.visible] == [NOON, clock.at]


async def test_a_stale_view_of_consents_acknowledges_nothing_until_it_is_fresh(world: World, clock: FixedClock) -> None:
    _, child, _ = await _mother_and_child(world)
    clock.advance(timedelta(seconds=61))
    await world.tell(world.grade(child))
    assert await world.look() == 0
    assert await _told(world) == []
    clock.advance(timedelta(seconds=60))
    await world.hear()
    fresh_again = clock.at
    clock.advance(timedelta(seconds=2))
    await world.look()
    (told,) = await _told(world)
    assert told.visible[0].visible_at == fresh_again


async def test_a_result_that_comes_due_while_the_view_is_stale_counts_from_when_it_is_fresh(
    world: World, clock: FixedClock
) -> None:
    _, child, _ = await _mother_and_child(world)
    await world.tell(world.grade(child, held=True, obtained_at=clock.at))
    clock.at = NOON + timedelta(hours=24, minutes=10)
    assert await world.look() == 0
    await world.hear()
    await world.look()
    (told,) = await _told(world)
    assert told.visible[0].visible_at == NOON + timedelta(hours=24, minutes=10)


async def test_a_redelivered_batch_changes_nothing(world: World) -> None:
    _, child, _ = await _mother_and_child(world)
    grade, mark = world.grade(child), world.mark(child)
    await world.tell(grade, mark)
    before = await _told(world)
    await world.tell(grade, mark)
    await world.tell(mark, grade)
    await world.look()
    assert await _told(world) == before


async def test_a_rebuild_shows_the_same_and_acknowledges_nothing_anew(world: World, clock: FixedClock) -> None:
    clock.at = datetime.now(UTC)
    await world.hear()
    mother, father = uuid4(), uuid4()
    child = world.student([mother, father])
    student_id = child.person_id
    first = world.grade(student_id, "3")
    story: list[Any] = [
        world.school(),
        child,
        world.consent(mother, student_id),
        world.consent(father, student_id, Decision.REFUSED),
        first,
        world.grade(student_id, "4", result_id=first.result_id, held=True, obtained_at=clock.at, revision=2),
        world.exam(student_id),
        world.mark(student_id),
    ]
    await world.account(mother)
    for event in story:
        await world.tell(event)
    await world.look()
    shown, told = await visible_results(world.database, mother), await _told(world)
    assert len(shown) == 2
    await drop_read_model(world.database)
    assert await visible_results(world.database, mother) == []
    await world.hear()
    for event in story:
        await world.tell(event)
    await world.look()
    assert await visible_results(world.database, mother) == shown
    assert await visible_results(world.database, father) == []
    assert await _told(world) == told


async def test_a_rebuild_keeps_accounts_and_acknowledgements(world: World) -> None:
    mother, child, _ = await _mother_and_child(world)
    await world.tell(world.grade(child))
    await drop_read_model(world.database)
    async with world.database.transaction(DISTRICT) as conn:
        assert await conn.fetchval("SELECT count(*) FROM accounts WHERE person_id = $1", mother) == 1
        assert await conn.fetchval("SELECT count(*) FROM acknowledgements WHERE recipient_id = $1", mother) == 1
        for table in ("persons", "representations", "consents", "marks", "results", "inbox", "consent_freshness"):
            assert await conn.fetchval(f"SELECT count(*) FROM {table}") == 0, table


async def test_a_replay_tells_the_same_again_under_the_same_ids(world: World, clock: FixedClock) -> None:
    mother, child, _ = await _mother_and_child(world)
    await world.tell(world.grade(child), world.exam(child))
    clock.advance(timedelta(seconds=9))
    await world.account(child)
    await world.look()
    before = await _newest_of_each(world)
    assert len(before) == 4
    async with world.database.transaction(DISTRICT) as conn:
        await conn.execute("DELETE FROM outbox")
    assert await replay(world.database) == 4
    assert await _newest_of_each(world) == before
    assert mother in {UUID(item["person_id"]) for _, item in before.values() if "person_id" in item}


async def _newest_of_each(world: World) -> dict[str, tuple[UUID, dict[str, Any]]]:
    async with world.database.transaction(DISTRICT) as conn:
        rows = await conn.fetch("SELECT event_id, payload::jsonb AS payload FROM outbox ORDER BY id")
    newest = {}
    for row in rows:
        payload = row["payload"]
        newest[str(payload.get("person_id") or payload["result_id"])] = (row["event_id"], payload)
    return newest


async def test_a_result_and_its_consent_committed_at_the_same_time_do_not_miss_each_other(world: World) -> None:
    mother = uuid4()
    child = world.student([mother])
    await world.tell(child)
    await world.account(mother)
    await world.look()
    grade = world.grade(child.person_id)
    async with world.database.transaction(DISTRICT) as conn:
        await take_final_grades(conn, [grade], NOON)  # does not see the consent: it is not there yet
        await world.tell(world.consent(mother, child.person_id))  # does not see the grade: it is not committed
        loop = asyncio.create_task(acknowledge_due(world.database, world.clock, 200))
        await _until_somebody_waits_for_the_lock(world)
        assert not loop.done()
    assert await loop == 1
    assert [item.result_id for item in await _told(world)] == [grade.result_id]


async def _until_somebody_waits_for_the_lock(world: World) -> None:
    deadline = asyncio.get_running_loop().time() + 10
    async with world.database.transaction(DISTRICT) as conn:
        while not await conn.fetchval("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"):
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.01)


async def test_two_loops_at_once_tell_everything_once(world: World) -> None:
    mother = uuid4()
    children = [world.student([mother]) for _ in range(30)]
    await world.tell(*children)
    await world.tell(*(world.consent(mother, child.person_id) for child in children))
    await world.tell(*(world.grade(child.person_id) for child in children))
    await world.account(mother)
    rounds = [acknowledge_due(world.database, world.clock, 7) for _ in range(12)]
    await asyncio.gather(*rounds)
    await world.look()
    told = await _told(world)
    assert len(told) == 30
    assert {item.revision for item in told} == {1}


async def test_the_loop_knows_when_the_next_result_comes_due(service_database: Databases) -> None:
    world = World(await service_database("cabinet"))
    _, child, _ = await _mother_and_child(world)
    await world.hear()
    await world.look()
    obtained_at = datetime.now(UTC) - timedelta(hours=23)
    await world.tell(world.grade(child, held=True, obtained_at=obtained_at))
    async with world.database.transaction(DISTRICT) as conn:
        wait = await acknowledging.next_due_seconds(conn)
        await conn.execute("DELETE FROM consent_freshness")
        assert await acknowledging.next_due_seconds(conn) is None
    assert wait == pytest.approx(3600, abs=60)


async def test_an_acknowledgement_cannot_be_changed_or_deleted(world: World) -> None:
    _, child, _ = await _mother_and_child(world)
    await world.tell(world.grade(child))
    for statement in ("UPDATE acknowledgements SET visible_at = now()", "DELETE FROM acknowledgements"):
        async with world.database.transaction(DISTRICT) as conn:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await conn.execute(statement)


async def test_at_majority_the_own_consent_is_acknowledged_from_the_birthday(world: World, clock: FixedClock) -> None:
    child = world.student([], birth_date=date(2008, 10, 24))
    await world.tell(world.school(time_zone="Asia/Vladivostok"), child)
    await world.tell(world.consent(child.person_id, child.person_id), world.grade(child.person_id))
    await world.account(child.person_id)
    await world.look()
    assert await _told(world) == []
    midnight = datetime(2026, 10, 23, 14, tzinfo=UTC)
    clock.at = midnight + timedelta(minutes=1)
    await _stay_fresh(world, since=NOON)
    await world.look()
    (told,) = await _told(world)
    assert told.visible[0].visible_at == midnight


def _left(student: PersonChanged, **enrolment: Any) -> PersonChanged:
    """The next event of a student who has left: no role, no class, still a school."""
    assert student.enrolment is not None
    without_class = {"class_id": None, "class_name": "", "grade_level": None}
    return student.model_copy(
        update={
            "revision": student.revision + 1,
            "roles": [],
            "school_ids": [],
            "enrolment": student.enrolment.model_copy(update=without_class | enrolment),
        }
    )


async def _pages(world: World, person_id: UUID) -> set[tuple[UUID, int]]:
    """What stands on the pages that are open to a person."""
    async with world.database.transaction(reader(person_id), role=reading.READER_ROLE) as conn:
        children = [child for child in await reading.children(conn, person_id) if child.access is Access.OPEN]
        shown = [item for child in children for item in await reading.results(conn, child.student_id)]
    return {(item.result_id, item.value_revision) for item in shown}


async def test_whatever_is_acknowledged_stands_on_a_page_of_a_former_student_too(
    service_database: Databases,
) -> None:
    world, mother = World(await service_database("cabinet")), uuid4()
    await world.hear()
    present, former, grown, teacher = (world.student([mother], birth_date=date(2013, 2, 3)) for _ in range(4))
    grown = grown.model_copy(update={"birth_date": date(2000, 2, 3)})
    teacher = teacher.model_copy(update={"birth_date": date(1990, 2, 3), "enrolment": None})
    people = [present, former, grown, teacher]
    consents = [world.consent(mother, child.person_id) for child in (present, former)]
    own = [world.consent(one.person_id, one.person_id) for one in (grown, teacher)]
    await world.tell(*people, *consents, *own)
    for person_id in (mother, *(one.person_id for one in people)):
        await world.account(person_id)
    await world.tell(_left(former), _left(grown))
    grades = [world.grade(one.person_id) for one in people]
    await world.tell(*grades)
    await world.look()
    acknowledged = {
        (visible.recipient_id, told.result_id, told.value_revision)
        for told in await _told(world)
        for visible in told.visible
    }
    readers = (mother, *(one.person_id for one in people))
    on_pages = {(who, *version) for who in readers for version in await _pages(world, who)}
    assert acknowledged == on_pages
    expected = [(mother, grades[0]), (present.person_id, grades[0]), (mother, grades[1]), (former.person_id, grades[1])]
    expected.append((grown.person_id, grades[2]))
    assert acknowledged == {(who, grade.result_id, 1) for who, grade in expected}


async def test_an_end_of_authority_after_leaving_closes_the_page(service_database: Databases) -> None:
    world, mother = World(await service_database("cabinet")), uuid4()
    await world.hear()
    child = world.student([mother])
    left = _left(child)
    await world.tell(child, world.consent(mother, child.person_id), world.grade(child.person_id))
    await world.tell(left)
    assert len(await _pages(world, mother)) == 1
    ended = Representation(representative_id=PersonId(mother), kind="parent", in_force=False)
    await world.tell(_left(left, representatives=[ended]))
    assert await _pages(world, mother) == set()
    assert await visible_results(world.database, mother) == []
