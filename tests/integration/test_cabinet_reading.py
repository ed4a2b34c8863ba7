"""What a person may read: decided by the database whatever a query forgets to ask (I2, I3, I6)."""

import random
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from chassis.database import DISTRICT, Database, Scope, reader
from contracts.values import Decision
from services.cabinet.handlers import visible_results
from services.cabinet.queries.reading import READER_ROLE
from tests.browser.cabinet_world import LONG_AGO, World

Databases = Callable[[str], Awaitable[Database]]

TABLES = (
    "schools",
    "persons",
    "representations",
    "consents",
    "consent_freshness",
    "reading_rules",
    "marks",
    "results",
    "accounts",
    "acknowledgements",
    "acknowledged_versions",
)
MARKS = "SELECT mark_id, student_id FROM marks"
SHOWN = "SELECT result_id, value_revision, student_id, grade FROM shown_results ORDER BY result_id"


@pytest.fixture
async def world(service_database: Databases) -> World:
    return World(await service_database("cabinet"))


async def _family(world: World) -> tuple[UUID, UUID]:
    """A mother who consented, with an account, and her child with a mark and a grade."""
    mother = uuid4()
    child = world.student([mother])
    await world.hear()
    await world.tell(world.school(), child, world.consent(mother, child.person_id))
    await world.account(mother)
    await world.tell(world.mark(child.person_id), world.grade(child.person_id))
    await world.look()
    return mother, child.person_id


async def test_without_a_scope_nothing_is_visible(world: World) -> None:
    await _family(world)
    async with world.database.transaction(DISTRICT) as conn:
        everything = {table: await conn.fetchval(f"SELECT count(*) FROM {table}") for table in TABLES}
    async with world.database.transaction(Scope("")) as conn:
        nothing = {table: await conn.fetchval(f"SELECT count(*) FROM {table}") for table in TABLES}
    assert min(everything.values()) > 0
    assert set(nothing.values()) == {0}


@pytest.mark.parametrize("scope", [Scope(""), DISTRICT, Scope("school", school_id=str(UUID(int=7)))])
async def test_the_readers_role_sees_nothing_but_in_the_scope_of_a_reader(world: World, scope: Scope) -> None:
    await _family(world)
    async with world.database.transaction(scope, role=READER_ROLE) as conn:
        for table in ("persons", "representations", "consents", "marks", "results"):
            assert await conn.fetch(f"SELECT * FROM {table}") == [], table


@pytest.mark.parametrize(
    "table", ["accounts", "sessions", "invitations", "sign_in_attempts", "acknowledgements", "outbox"]
)
async def test_the_readers_role_cannot_touch_what_is_no_reading(world: World, table: str) -> None:
    async with world.database.transaction(reader(uuid4()), role=READER_ROLE) as conn:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await conn.fetch(f"SELECT * FROM {table}")


async def test_the_readers_role_cannot_write(world: World) -> None:
    mother, _ = await _family(world)
    for statement in ("DELETE FROM marks", "UPDATE consents SET cabinet = 'given'", "DELETE FROM results"):
        async with world.database.transaction(reader(mother), role=READER_ROLE) as conn:
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await conn.execute(statement)


async def test_a_reader_sees_their_own_children_only_even_without_asking_for_them(world: World) -> None:
    mother, child = await _family(world)
    other_mother, other_child = await _family(world)
    for me, mine in ((mother, child), (other_mother, other_child)):
        assert {row["student_id"] for row in await world.read(me, MARKS)} == {mine}
        assert {row["student_id"] for row in await world.read(me, SHOWN)} == {mine}
        assert {row["person_id"] for row in await world.read(me, "SELECT * FROM persons")} == {mine}
        assert {row["student_id"] for row in await world.read(me, "SELECT * FROM consents")} == {mine}
    assert await world.read(uuid4(), MARKS) == []


async def test_consent_for_one_child_shows_nothing_of_the_sibling(world: World) -> None:
    mother, child = await _family(world)
    sibling = world.student([mother], given="Пётр")
    await world.tell(sibling, world.mark(sibling.person_id), world.grade(sibling.person_id))
    assert {row["student_id"] for row in await world.read(mother, MARKS)} == {child}
    assert {row["student_id"] for row in await world.read(mother, SHOWN)} == {child}


async def test_two_representatives_decide_apart(world: World) -> None:
    mother, child = await _family(world)
    father = uuid4()
    await world.tell(world.student([mother, father], student_id=child, revision=2))
    await world.tell(world.consent(father, child, Decision.REFUSED))
    assert await world.read(mother, MARKS)
    assert await world.read(father, MARKS) == []


@pytest.mark.parametrize("answer", [Decision.REFUSED, Decision.WITHDRAWN, Decision.UNANSWERED])
async def test_a_later_answer_closes_at_once(world: World, answer: Decision) -> None:
    mother, child = uuid4(), world.student([uuid4()])
    child = world.student([mother], student_id=child.person_id)
    given = world.consent(mother, child.person_id)
    await world.hear()
    await world.tell(child, given, world.mark(child.person_id), world.grade(child.person_id))
    assert await world.read(mother, MARKS)
    await world.tell(world.consent(mother, child.person_id, answer, consent_id=given.consent_id, revision=2))
    assert await world.read(mother, MARKS) == []
    assert await world.read(mother, SHOWN) == []
    await world.tell(given)  # redelivered late
    assert await world.read(mother, MARKS) == []


async def test_an_older_answer_that_comes_late_opens_nothing(world: World) -> None:
    mother = uuid4()
    child = world.student([mother])
    given = world.consent(mother, child.person_id)
    await world.hear()
    await world.tell(child, world.mark(child.person_id))
    await world.tell(
        world.consent(mother, child.person_id, Decision.WITHDRAWN, consent_id=given.consent_id, revision=2)
    )
    await world.tell(given)
    assert await world.read(mother, MARKS) == []


async def test_lost_authority_closes_at_once_and_takes_the_name_away_too(world: World) -> None:
    mother, child = await _family(world)
    await world.tell(world.student([mother], student_id=child, in_force=False, revision=2))
    assert await world.read(mother, MARKS) == []
    assert await world.read(mother, "SELECT * FROM persons") == []
    await world.tell(world.student([mother], student_id=child, revision=3))
    assert await world.read(mother, MARKS)
    await world.tell(world.student([], student_id=child, revision=4))
    assert await world.read(mother, MARKS) == []


async def test_a_stale_view_of_consents_closes_and_a_heartbeat_opens(world: World) -> None:
    mother, _ = await _family(world)
    async with world.database.transaction(DISTRICT) as conn:
        await conn.execute("UPDATE consent_freshness SET as_of = as_of - interval '61 seconds' WHERE partition = 3")
    assert await world.read(mother, MARKS) == []
    assert await world.read(mother, SHOWN) == []
    await world.hear()
    assert await world.read(mother, MARKS)


async def test_a_partition_that_was_never_heard_keeps_closed(world: World) -> None:
    mother, _ = await _family(world)
    async with world.database.transaction(DISTRICT) as conn:
        await conn.execute("DELETE FROM consent_freshness WHERE partition = 5")
    assert await world.read(mother, MARKS) == []


@pytest.mark.parametrize(
    ("microseconds", "is_shown"), [(-1, False), (0, True), (1, True)], ids=["before", "exactly", "after"]
)
async def test_a_held_result_shows_exactly_at_its_due(world: World, microseconds: int, is_shown: bool) -> None:
    mother, child = await _family(world)
    held = world.grade(child, "3", held=True, obtained_at=datetime.now(UTC))
    await world.tell(held)
    async with world.database.transaction(reader(mother)) as conn:
        await conn.execute("SELECT set_config('sutki.scope', 'district', true)")
        await conn.execute(
            "UPDATE results SET due_at = now() - make_interval(secs => $2) WHERE result_id = $1",
            held.result_id,
            microseconds / 1e6,
        )
        await conn.execute("SELECT set_config('sutki.scope', 'reader', true)")
        await conn.execute(f"SET LOCAL ROLE {READER_ROLE}")
        found = await conn.fetch("SELECT 1 FROM results WHERE result_id = $1", held.result_id)
    assert bool(found) is is_shown


async def test_the_value_before_stays_shown_while_a_held_correction_waits(world: World) -> None:
    mother, child = await _family(world)
    first = world.grade(child, "4")
    now = datetime.now(UTC)
    correction = world.grade(child, "5", result_id=first.result_id, held=True, obtained_at=now, revision=2)
    await world.tell(first, correction)  # in one batch: the correction does not swallow the value before it
    assert await _value(world, mother, first.result_id) == "4"
    released = correction.model_copy(update={"revision": 3, "held": False})
    await world.tell(released)
    assert await _value(world, mother, first.result_id) == "5"


async def _value(world: World, me: UUID, result_id: UUID) -> str | None:
    rows = await world.read(me, "SELECT grade FROM shown_results WHERE result_id = $1", result_id)
    assert len(rows) <= 1
    return rows[0]["grade"] if rows else None


async def test_a_withdrawn_result_is_gone_and_stays_gone(world: World) -> None:
    mother, child = await _family(world)
    first = world.grade(child, "4")
    await world.tell(first)
    await world.tell(world.grade(child, result_id=first.result_id, state="withdrawn", revision=2))
    await world.tell(first)
    assert await _value(world, mother, first.result_id) is None


async def test_a_withdrawn_mark_is_not_shown(world: World) -> None:
    mother, child = await _family(world)
    mark = world.mark(child)
    await world.tell(world.mark(child, mark_id=mark.mark_id, state="withdrawn", revision=2))
    await world.tell(mark)
    rows = await world.read(mother, "SELECT withdrawn FROM marks WHERE mark_id = $1", mark.mark_id)
    assert [row["withdrawn"] for row in rows] == [True]


async def test_whatever_the_order_of_arrival_the_same_is_shown(world: World) -> None:
    mother, father = uuid4(), uuid4()
    before = world.student([])
    student_id = before.person_id
    refused = world.consent(mother, student_id, Decision.REFUSED)
    grade = world.grade(student_id, "4")
    held = world.grade(student_id, "3", held=True, obtained_at=datetime.now(UTC))
    events = [
        world.school(),
        before,
        world.student([mother, father], student_id=student_id, revision=2),
        refused,
        world.consent(mother, student_id, consent_id=refused.consent_id, revision=2),
        held,
        held.model_copy(update={"revision": 2, "held": False}),
        world.consent(father, student_id, Decision.REFUSED),
        grade,
        world.grade(student_id, "5", result_id=grade.result_id, revision=2),
        world.exam(student_id),
        world.mark(student_id),
    ]
    expected: tuple[Any, ...] | None = None
    chance = random.Random(20261124)
    for _ in range(12):
        async with world.database.transaction(DISTRICT) as conn:
            for table in ("persons", "representations", "consents", "marks", "results", "inbox"):
                await conn.execute(f"DELETE FROM {table}")
        await world.hear()
        chance.shuffle(events)
        for start in range(0, len(events), 2):
            await world.tell(*events[start : start + 2])
        seen = (await world.read(mother, SHOWN), await world.read(mother, MARKS))
        expected = expected or seen
        assert seen == expected
        assert sorted(row["grade"] for row in seen[0]) == ["3", "5", "5"]
        assert await world.read(father, SHOWN) == []


async def test_a_students_account_follows_any_representatives_consent(world: World) -> None:
    mother, child = await _family(world)
    assert {row["student_id"] for row in await world.read(child, MARKS)} == {child}
    await world.tell(world.student([mother], student_id=child, in_force=False, revision=2))
    assert await world.read(child, MARKS) == []
    assert {row["person_id"] for row in await world.read(child, "SELECT * FROM persons")} == {child}


async def test_from_majority_on_the_student_decides_alone(world: World) -> None:
    mother, child = await _family(world)
    today = datetime.now(UTC).date()
    grown = date(today.year - 18, 1, 1)
    await world.tell(world.student([mother], student_id=child, birth_date=grown, revision=2))
    assert await world.read(mother, MARKS) == []
    assert await world.read(child, MARKS) == []
    await world.tell(world.consent(child, child))
    assert await world.read(mother, MARKS) == []
    assert await world.read(child, MARKS)


async def test_an_own_consent_before_majority_opens_nothing(world: World) -> None:
    child = world.student([])
    await world.hear()
    await world.tell(child, world.consent(child.person_id, child.person_id), world.mark(child.person_id))
    assert await world.read(child.person_id, MARKS) == []


async def test_consent_that_begins_later_opens_later(world: World) -> None:
    mother = uuid4()
    child = world.student([mother])
    soon = datetime.now(UTC) + timedelta(hours=1)
    await world.hear()
    await world.tell(child, world.consent(mother, child.person_id, effective_from=soon), world.mark(child.person_id))
    assert await world.read(mother, MARKS) == []
    async with world.database.transaction(DISTRICT) as conn:
        await conn.execute("UPDATE consents SET effective_from = now()")
    assert await world.read(mother, MARKS)


async def test_an_erased_person_leaves_no_name_no_mark_and_no_login(world: World) -> None:
    mother, child = await _family(world)
    await world.account(child, "anna")
    await world.erase(child)
    async with world.database.transaction(DISTRICT) as conn:
        for table, column in (("persons", "person_id"), ("marks", "student_id"), ("results", "student_id")):
            assert await conn.fetchval(f"SELECT count(*) FROM {table} WHERE {column} = $1", child) == 0, table
        account = await conn.fetchrow("SELECT active, login, password_hash FROM accounts WHERE person_id = $1", child)
    assert account is not None
    assert tuple(account) == (False, None, None)
    assert await world.read(mother, "SELECT * FROM persons") == []
    told = [item for item in await world.published("cabinet.account-changed.v1") if item["person_id"] == str(child)]
    assert [(item["revision"], item["active"]) for item in told] == [(1, True), (2, False)]


async def test_the_checkers_view_is_what_the_policies_show(world: World) -> None:
    mother, child = await _family(world)
    shown = await visible_results(world.database, mother)
    assert [item.student_id for item in shown] == [child]
    assert await visible_results(world.database, uuid4()) == []


async def test_a_school_with_an_unknown_time_zone_closes_no_page(world: World) -> None:
    mother, _ = await _family(world)
    await world.tell(world.school(time_zone="Europe/Atlantis", revision=2))
    assert await world.read(mother, MARKS)


async def test_a_page_about_one_child_costs_a_few_index_lookups(world: World) -> None:
    mother, child = await _family(world)
    async with world.database.transaction(DISTRICT) as conn:
        await _many_strangers(conn)
    async with world.database.transaction(reader(mother), role=READER_ROLE) as conn:
        for query in (MARKS + " WHERE student_id = $1", "SELECT * FROM shown_results WHERE student_id = $1"):
            plan = await conn.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", child)
            nodes = list(_nodes(plan[0]["Plan"]))
            scanned = {node.get("Relation Name") for node in nodes if node["Node Type"] == "Seq Scan"}
            assert scanned <= {"consent_freshness", "reading_rules", "schools"}, plan
            assert sum(node["Actual Rows"] * node["Actual Loops"] for node in nodes) < 60


async def _many_strangers(conn: Any) -> None:
    await conn.execute(
        """
        INSERT INTO persons (person_id, revision, family, given, patronymic, school_id)
        SELECT gen_random_uuid(), 1, 'x', 'y', '', gen_random_uuid() FROM generate_series(1, 3000);
        INSERT INTO representations (student_id, representative_id, kind, in_force, since)
        SELECT person_id, gen_random_uuid(), 'parent', true, now() FROM persons WHERE family = 'x';
        INSERT INTO consents (consent_id, revision, representative_id, student_id, school_id, cabinet, decided_at,
            effective_from, given_since)
        SELECT gen_random_uuid(), 1, representative_id, student_id, student_id, 'given', now(), now(), now()
        FROM representations;
        INSERT INTO marks (mark_id, revision, school_id, student_id, subject_id, subject_title, lesson_on, work_type,
            weight, value, withdrawn, recorded_at)
        SELECT gen_random_uuid(), 1, person_id, person_id, person_id, 's', '2026-10-01', 'answer', 1, '5', false, now()
        FROM persons, generate_series(1, 5);
        INSERT INTO results (result_id, value_revision, revision, school_id, student_id, kind, subject_id,
            subject_title, state, held, obtained_at, due_at, recorded_at, projected_at, released_at)
        SELECT gen_random_uuid(), 1, 1, person_id, person_id, 'oge', person_id, 's', 'set', false, now(), now(), now(),
            now(), now()
        FROM persons, generate_series(1, 5);
        """
    )


def _nodes(plan: dict[str, Any]) -> Any:
    yield plan
    for child in plan.get("Plans", []):
        yield from _nodes(child)


async def test_the_view_since_when_consents_are_known_is_never_older_than_what_was_heard(world: World) -> None:
    await world.hear(ago=timedelta(seconds=20))
    async with world.database.transaction(DISTRICT) as conn:
        since = await conn.fetchval("SELECT consents_fresh_since FROM reading_rules")
    assert since > LONG_AGO
    await world.hear()
    async with world.database.transaction(DISTRICT) as conn:
        assert await conn.fetchval("SELECT consents_fresh_since FROM reading_rules") == since
