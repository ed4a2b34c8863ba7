"""The consent registry on a real PostgreSQL: what is written, told, kept apart and never overwritten."""

import asyncio
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest

from chassis.clock import DatabaseClock, FixedClock
from chassis.database import DISTRICT, Connection, Database, school
from contracts.base import GroupId, PersonId, SchoolId, StudentId
from contracts.consent_changed import ConsentChanged
from contracts.person_changed import Enrolment, PersonChanged, PersonName, Representation, Role
from contracts.values import Decision
from services.consent import handlers, list_queries, lists
from services.consent.faults import Refused
from services.consent.heartbeat import boundary
from services.consent.list_queries import List, Wanted
from services.consent.model import Answer, Answers, Policy, Purpose, Withdrawal
from services.consent.replay import replay
from tests.support.databases import ServiceDatabases
from tests.unit.test_consent_document import a_form

GIVEN, REFUSED, UNANSWERED = Decision.GIVEN, Decision.REFUSED, Decision.UNANSWERED
NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
DAY = timedelta(days=1)
POLICY = Policy()
CHILD_BORN = date(2016, 5, 5)


def a_student(
    *representatives: PersonId,
    student_id: StudentId | None = None,
    school_id: SchoolId | None = None,
    born: date | None = CHILD_BORN,
    revision: int = 1,
    in_force: bool = True,
) -> PersonChanged:
    """What the journal tells about a student and who represents them."""
    home = school_id or SchoolId(uuid4())
    return PersonChanged(
        revision=revision,
        person_id=PersonId(student_id or uuid4()),
        roles=[Role.STUDENT],
        school_ids=[home],
        name=PersonName(family="Примеров", given="Иван"),
        birth_date=born,
        enrolment=Enrolment(
            school_id=home,
            class_id=GroupId(uuid4()),
            class_name="3А",
            grade_level=3,
            representatives=[
                Representation(representative_id=one, kind="parent", in_force=in_force) for one in representatives
            ],
        ),
        changed_at=NOW,
    )


def school_of(student: PersonChanged) -> SchoolId:
    assert student.enrolment is not None
    return student.enrolment.school_id


def an_answer(who: UUID, whose: UUID, number: str = "", *, agreed: bool | None = None, **said: Decision) -> Answer:
    answers = Answers(**{"cabinet": GIVEN, **said})
    address = f"{who}@example.org" if answers.email is GIVEN else None
    form = a_form(number=number)
    return Answer(PersonId(who), StudentId(whose), answers, "paper", form, email_address=address, student_agreed=agreed)


class Registry:
    """The service's use cases on a test's database."""

    def __init__(self, database: Database, databases: ServiceDatabases) -> None:
        self.database = database
        self.databases = databases
        self.clock = FixedClock(NOW)

    async def knows(self, *events: PersonChanged) -> int:
        async with self.database.transaction(DISTRICT) as conn:
            return (await handlers.take_people(conn, events, self.clock)).total()

    async def registers(self, *requests: handlers.Request) -> list[handlers.Outcome]:
        async with self.database.transaction(DISTRICT) as conn:
            return await handlers.register_decisions(conn, requests, clock=self.clock, policy=POLICY)

    async def erases(self, *people: UUID) -> int:
        async with self.database.transaction(DISTRICT) as conn:
            return await handlers.erase_people(conn, people, self.clock)

    async def rows(self, query: str, *args: Any) -> list[asyncpg.Record]:
        async with self.databases.as_superuser("consent") as conn:
            return await conn.fetch(query, *args)

    async def events(self) -> list[ConsentChanged]:
        rows = await self.rows("SELECT payload FROM outbox WHERE type = $1 ORDER BY id", ConsentChanged.TOPIC)
        return [ConsentChanged.from_json(row["payload"]) for row in rows]


@pytest.fixture
async def registry(service_database: ServiceDatabases) -> Registry:
    return Registry(await service_database("consent"), service_database)


async def test_a_decision_its_history_its_document_and_its_event_are_one(registry):
    parent = PersonId(uuid4())
    student = a_student(parent)
    await registry.knows(student)

    (outcome,) = await registry.registers(an_answer(parent, student.person_id, "С-1", email=GIVEN))

    assert outcome.status == "registered"
    (event,) = await registry.events()
    assert event.decisions.cabinet is GIVEN
    assert event.contact is not None
    assert event.contact.email == f"{parent}@example.org"
    assert event.school_id == school_of(student)
    assert (event.decided_at, event.effective_from) == (NOW, NOW)
    (line,) = await registry.rows("SELECT * FROM consent_decisions")
    assert (line["revision"], line["document_number"], line["decided_by"]) == (1, "С-1", "representative")
    (document,) = await registry.rows("SELECT contents FROM consent_documents")
    assert orjson.loads(document["contents"])["consenter_name"] == "Примерова Анна Образцовна"


async def test_what_the_document_says_stays_in_this_database_and_in_one_place(registry):
    parent = PersonId(uuid4())
    student = a_student(parent)
    await registry.knows(student)
    await registry.registers(an_answer(parent, student.person_id, "С-1"))

    for table in ("consents", "consent_decisions", "students", "representations", "outbox"):
        text = str([dict(row) for row in await registry.rows(f"SELECT * FROM {table}")])
        assert "Примеров" not in text
        assert "000001" not in text


async def test_the_same_document_again_changes_nothing(registry):
    parent = PersonId(uuid4())
    student = a_student(parent)
    await registry.knows(student)
    answer = an_answer(parent, student.person_id, "С-1", email=GIVEN)
    await registry.registers(answer)
    registry.clock.advance(DAY)

    outcomes = await registry.registers(answer, answer)

    assert [one.status for one in outcomes] == ["unchanged", "unchanged"]
    assert len(await registry.events()) == 1
    assert len(await registry.rows("SELECT FROM consent_decisions")) == 1


async def test_a_withdrawal_erases_the_contact_and_keeps_the_history(registry):
    parent = PersonId(uuid4())
    student = a_student(parent)
    await registry.knows(student)
    await registry.registers(an_answer(parent, student.person_id, "С-1", email=GIVEN, push=GIVEN))
    registry.clock.advance(DAY)

    await registry.registers(Withdrawal(parent, StudentId(student.person_id), document_number="О-1"))
    again = await registry.registers(Withdrawal(parent, StudentId(student.person_id), document_number="О-1"))

    assert again[0].status == "unchanged"
    first, second = await registry.events()
    assert (first.revision, second.revision) == (1, 2)
    assert second.contact is None
    assert {second.decisions.cabinet, second.decisions.email, second.decisions.push} == {Decision.WITHDRAWN}
    (state,) = await registry.rows("SELECT * FROM consents")
    assert state["email_address"] is None
    history = await registry.rows("SELECT cabinet, withdrawal FROM consent_decisions ORDER BY revision")
    assert [(row["cabinet"], row["withdrawal"]) for row in history] == [("given", False), ("withdrawn", True)]


async def test_two_representatives_decide_apart(registry):
    mother, father = PersonId(uuid4()), PersonId(uuid4())
    student = a_student(mother, father)
    await registry.knows(student)

    await registry.registers(
        an_answer(mother, student.person_id, "С-1"), an_answer(father, student.person_id, "С-2", cabinet=REFUSED)
    )
    await registry.registers(Withdrawal(mother, StudentId(student.person_id)))
    outcomes = await registry.registers(an_answer(father, student.person_id, "С-3"))

    assert outcomes[0].consent.answers.cabinet is GIVEN
    states = await registry.rows("SELECT representative_id, cabinet FROM consents")
    assert {(row["representative_id"], row["cabinet"]) for row in states} == {
        (mother, "withdrawn"),
        (father, "given"),
    }


async def test_what_is_rejected_does_not_hold_up_the_rest(registry):
    mother, stranger = PersonId(uuid4()), PersonId(uuid4())
    student = a_student(mother)
    await registry.knows(student)

    outcomes = await registry.registers(
        an_answer(stranger, student.person_id, "С-1"),
        an_answer(mother, student.person_id, "С-2", email=GIVEN),
        replace(an_answer(mother, student.person_id, "С-3"), document=a_form(term="")),
        Withdrawal(mother, StudentId(student.person_id), frozenset({Purpose.PUSH})),
        Withdrawal(mother, StudentId(student.person_id), frozenset({Purpose.EMAIL})),
        an_answer(mother, uuid4(), "С-4"),
    )

    assert [one.status for one in outcomes] == [
        "rejected", "registered", "rejected", "rejected", "registered", "rejected",
    ]  # fmt: skip
    assert [one.faults[0].code for one in outcomes if one.faults] == [
        "unknown_representation", "missing_term", "nothing_to_withdraw", "unknown_representation",
    ]  # fmt: skip
    assert [event.revision for event in await registry.events()] == [1, 2]


async def test_one_decision_that_is_refused_raises_and_writes_nothing(registry):
    with pytest.raises(Refused):
        async with registry.database.transaction(DISTRICT) as conn:
            await handlers.register_decision(conn, an_answer(uuid4(), uuid4()), clock=registry.clock, policy=POLICY)

    assert await registry.events() == []


async def test_history_cannot_be_changed_or_deleted_by_the_service(registry):
    parent = PersonId(uuid4())
    student = a_student(parent)
    await registry.knows(student)
    await registry.registers(an_answer(parent, student.person_id, "С-1"))

    for statement in (
        "UPDATE consent_decisions SET cabinet = 'refused'",
        "DELETE FROM consent_decisions",
        "TRUNCATE consent_decisions CASCADE",
        "UPDATE consent_documents SET contents = '{}'",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with registry.database.transaction(DISTRICT) as conn:
                await conn.execute(statement)


async def test_decisions_of_one_instant_about_one_student_follow_each_other(registry):
    parents = [PersonId(uuid4()) for _ in range(2)]
    student = a_student(*parents)
    await registry.knows(student)
    requests = [
        an_answer(parent, student.person_id, f"С-{number}", cabinet=said)
        for number in range(10)
        for parent in parents
        for said in (GIVEN if number % 2 else REFUSED,)
    ]

    await asyncio.gather(*(registry.registers(request) for request in requests))

    for parent in parents:
        revisions = [event.revision for event in await registry.events() if event.representative_id == parent]
        assert revisions == list(range(1, 11)), "in the order of the outbox, with none lost"


async def test_a_school_sees_and_registers_only_its_own(registry):
    parent = PersonId(uuid4())
    here, there = a_student(parent), a_student(parent)
    await registry.knows(here, there)
    await registry.registers(an_answer(parent, there.person_id, "С-1"))

    async with registry.database.transaction(school(school_of(here))) as conn:
        outcomes = await handlers.register_decisions(
            conn,
            [an_answer(parent, here.person_id, "С-2"), an_answer(parent, there.person_id, "С-3")],
            clock=registry.clock,
            policy=POLICY,
        )
        seen = {
            table: await conn.fetchval(f"SELECT count(*) FROM {table}")
            for table in ("students", "representations", "consents", "consent_decisions", "consent_documents")
        }

    assert [one.status for one in outcomes] == ["registered", "rejected"]
    assert set(seen.values()) == {1}


async def test_without_a_scope_nothing_is_visible(registry):
    parent = PersonId(uuid4())
    student = a_student(parent)
    await registry.knows(student)
    await registry.registers(an_answer(parent, student.person_id, "С-1"))

    conn = await registry.database.dedicated()
    try:
        for table in ("students", "representations", "consents", "consent_decisions", "consent_documents"):
            assert await conn.fetchval(f"SELECT count(*) FROM {table}") == 0
    finally:
        await conn.close()


async def test_replay_tells_every_present_state_under_its_former_id(registry):
    parents = [PersonId(uuid4()) for _ in range(5)]
    students = [a_student(parent) for parent in parents]
    await registry.knows(*students)
    await registry.registers(
        *(an_answer(p, s.person_id, "С-1", email=GIVEN) for p, s in zip(parents, students, strict=True))
    )
    await registry.registers(Withdrawal(parents[0], StudentId(students[0].person_id)))
    before = {event.consent_id: event for event in await registry.events()}

    assert await replay(registry.database) == 5

    again = (await registry.events())[-5:]
    assert {event.consent_id: event for event in again} == before
    ids = await registry.rows("SELECT event_id FROM outbox")
    assert len({row["event_id"] for row in ids}) == 6


async def test_pairs_without_an_answer_are_listed_page_by_page(registry):
    home = SchoolId(uuid4())
    parents = [PersonId(uuid4()) for _ in range(3)]
    pupil = a_student(*parents, school_id=home)
    grown = a_student(parents[0], school_id=home, born=date(2008, 1, 1))
    without = a_student(parents[0], school_id=home, in_force=False)
    await registry.knows(pupil, grown, without, a_student(parents[0]))
    await registry.registers(an_answer(parents[0], pupil.person_id, "С-1", cabinet=REFUSED))

    wanted_list = Wanted(home, date(2008, 11, 24), NOW, List.UNANSWERED)

    async def page(after: tuple[UUID, UUID], limit: int) -> list[tuple[UUID, UUID]]:
        async with registry.database.transaction(school(home)) as conn:
            found = await list_queries.pairs(conn, wanted_list, after, limit)
        return [(one.representative_id, one.student_id) for one in found]

    everybody = await page(lists.FIRST, 100)
    first = await page(lists.FIRST, 2)
    rest = await page(first[-1], 2)

    wanted = {(parents[1], pupil.person_id), (parents[2], pupil.person_id), (grown.person_id, grown.person_id)}
    assert set(everybody) == wanted
    assert first + rest == everybody


async def test_bulk_registration_is_fast_enough_for_a_district(registry):
    parents = [PersonId(uuid4()) for _ in range(3000)]
    students = [a_student(parent) for parent in parents]
    await registry.knows(*students)
    requests = [an_answer(p, s.person_id, "С-1", email=GIVEN) for p, s in zip(parents, students, strict=True)]
    started = asyncio.get_running_loop().time()

    outcomes = await registry.registers(*requests)

    assert {one.status for one in outcomes} == {"registered"}
    assert asyncio.get_running_loop().time() - started < 20, "a query for each row would take far longer"


async def test_the_databases_clock_is_the_clock(registry):
    parent = PersonId(uuid4())
    student = a_student(parent)
    await registry.knows(student)

    async with registry.database.transaction(DISTRICT) as conn:
        before = await conn.fetchval("SELECT clock_timestamp()")
        outcome = await handlers.register_decision(
            conn, an_answer(parent, student.person_id), clock=DatabaseClock(), policy=POLICY
        )
        after = await conn.fetchval("SELECT clock_timestamp()")

    assert outcome.consent is not None
    assert before <= outcome.consent.effective_from <= after


class WitnessClock(FixedClock):
    """Tells the time only to those who hold the registration's lock."""

    async def now(self, conn: Connection) -> datetime:
        held = await conn.fetchval(
            "SELECT EXISTS (SELECT FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'"
            " AND mode = 'ShareLock' AND granted)"
        )
        assert held, "the heartbeat would not wait for this registration"
        return await super().now(conn)


async def test_every_use_case_takes_its_instant_under_the_registrations_lock(registry):
    registry.clock = WitnessClock(NOW)
    parent = PersonId(uuid4())
    student = a_student(parent)

    await registry.knows(student)
    await registry.registers(an_answer(parent, student.person_id, "С-1"))
    await registry.registers(Withdrawal(parent, StudentId(student.person_id)))
    async with registry.database.transaction(DISTRICT) as conn:
        assert await handlers.end_at_majority(conn, registry.clock, POLICY) == 0
    async with registry.database.transaction(DISTRICT) as conn:
        assert await handlers.erase_people(conn, [parent], registry.clock) == 0


async def test_a_replay_waits_while_the_heartbeat_takes_its_moment(registry):
    async with registry.database.transaction(DISTRICT) as conn:
        await boundary(conn, 5)
        task = asyncio.create_task(replay(registry.database))
        finished, _ = await asyncio.wait([task], timeout=0.3)
        assert not finished
    assert await asyncio.wait_for(task, 10) == 0
