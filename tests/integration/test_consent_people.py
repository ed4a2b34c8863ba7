"""Authority that ends, students who come of age, move or are erased: consents follow."""

from datetime import date, timedelta
from uuid import uuid4

import pytest

from chassis.database import DISTRICT
from contracts.base import PersonId, SchoolId, StudentId
from contracts.person_changed import PersonChanged
from contracts.values import Decision
from services.consent import handlers
from services.consent.app import birthdays
from services.consent.settings import Settings
from tests.integration.test_consent_registry import (
    GIVEN,
    POLICY,
    REFUSED,
    Registry,
    a_student,
    an_answer,
)
from tests.support.databases import ServiceDatabases


@pytest.fixture
async def registry(service_database: ServiceDatabases) -> Registry:
    return Registry(await service_database("consent"), service_database)


def _later(event: PersonChanged, revision: int, *representatives: PersonId, **changes: object) -> PersonChanged:
    values = {
        "student_id": StudentId(event.person_id),
        "school_id": event.enrolment.school_id if event.enrolment else None,
        "born": event.birth_date,
        **changes,
    }
    return a_student(*representatives, revision=revision, **values)  # type: ignore[arg-type]


async def test_an_upgrade_makes_every_student_be_learned_anew_with_the_next_replay(service_database, tmp_path):
    await service_database.migrated_below("consent", 2, tmp_path)
    async with service_database.as_superuser("consent") as conn:
        await conn.execute("INSERT INTO students VALUES ($1, $2, NULL, 7)", uuid4(), uuid4())
        assert "consent/0002_registry.sql" in await service_database.upgraded("consent")
        assert await conn.fetchval("SELECT array_agg(revision) FROM students") == [0]


async def test_the_end_of_authority_ends_the_consent_and_is_told(registry):
    mother, father = PersonId(uuid4()), PersonId(uuid4())
    student = a_student(mother, father)
    await registry.knows(student)
    await registry.registers(
        an_answer(mother, student.person_id, "С-1", email=GIVEN), an_answer(father, student.person_id, "С-2")
    )
    registry.clock.advance(timedelta(days=1))

    ended = await registry.knows(_later(student, 2, father))

    assert ended == 1
    last = (await registry.events())[-1]
    assert (last.representative_id, last.revision) == (mother, 2)
    assert last.decisions.cabinet is Decision.WITHDRAWN
    assert last.contact is None
    (line,) = await registry.rows("SELECT * FROM consent_decisions WHERE decided_by = 'system'")
    assert (line["reason"], line["cabinet"]) == ("authority_ended", "withdrawn")
    assert await registry.knows(_later(student, 3, father)) == 0
    outcomes = await registry.registers(an_answer(mother, student.person_id, "С-3"))
    assert outcomes[0].faults[0].code == "unknown_representation"


async def test_authority_not_in_force_ends_the_consent_too_and_its_return_does_not_bring_it_back(registry):
    mother = PersonId(uuid4())
    student = a_student(mother)
    await registry.knows(student)
    await registry.registers(an_answer(mother, student.person_id, "С-1"))

    assert await registry.knows(_later(student, 2, mother, in_force=False)) == 1
    assert await registry.knows(_later(student, 3, mother)) == 0

    (state,) = await registry.rows("SELECT cabinet FROM consents")
    assert state["cabinet"] == "withdrawn"
    outcomes = await registry.registers(an_answer(mother, student.person_id, "С-2"))
    assert outcomes[0].status == "registered"


async def test_an_old_revision_changes_nothing(registry):
    mother = PersonId(uuid4())
    student = a_student(mother, revision=5)
    await registry.knows(student)
    await registry.registers(an_answer(mother, student.person_id, "С-1"))

    assert await registry.knows(_later(student, 4)) == 0
    assert await registry.knows(_later(student, 5)) == 0

    (state,) = await registry.rows("SELECT cabinet FROM consents")
    assert state["cabinet"] == "given"


async def test_who_is_no_student_any_more_has_no_representatives(registry):
    mother = PersonId(uuid4())
    student = a_student(mother)
    await registry.knows(student)
    await registry.registers(an_answer(mother, student.person_id, "С-1"))

    left = student.model_copy(update={"revision": 2, "enrolment": None, "roles": []})

    assert await registry.knows(left) == 1


async def test_people_who_are_no_students_are_not_kept(registry):
    teacher = a_student().model_copy(update={"enrolment": None})

    await registry.knows(teacher)

    assert await registry.rows("SELECT FROM students") == []


async def test_at_another_school_consent_ends_until_that_school_has_asked(registry):
    mother, elsewhere = PersonId(uuid4()), SchoolId(uuid4())
    student = a_student(mother)
    await registry.knows(student)
    await registry.registers(an_answer(mother, student.person_id, "С-1", email=GIVEN))

    await registry.knows(_later(student, 2, mother, school_id=elsewhere))

    _, last = await registry.events()
    assert (last.school_id, last.revision, last.decisions.cabinet) == (elsewhere, 2, Decision.WITHDRAWN)
    assert last.contact is None
    (line,) = await registry.rows("SELECT reason FROM consent_decisions WHERE decided_by = 'system'")
    assert line["reason"] == "transferred"
    (link,) = await registry.rows("SELECT school_id FROM representations")
    assert link["school_id"] == elsewhere


async def test_moving_and_losing_authority_at_once_is_told_once(registry):
    mother, elsewhere = PersonId(uuid4()), SchoolId(uuid4())
    student = a_student(mother)
    await registry.knows(student)
    await registry.registers(an_answer(mother, student.person_id, "С-1"))

    await registry.knows(_later(student, 2, school_id=elsewhere))

    _, last = await registry.events()
    assert (last.school_id, last.revision) == (elsewhere, 2)
    assert last.decisions.cabinet is Decision.WITHDRAWN


async def test_at_18_the_parents_consents_end_and_the_student_decides(registry):
    mother = PersonId(uuid4())
    student = a_student(mother, born=date(2008, 11, 26))
    await registry.knows(student)
    await registry.registers(an_answer(mother, student.person_id, "С-1", agreed=True, email=GIVEN))

    async def round_() -> int:
        async with registry.database.transaction(DISTRICT) as conn:
            return await handlers.end_at_majority(conn, registry.clock, POLICY)

    assert await round_() == 0
    registry.clock.advance(timedelta(days=2))
    own = an_answer(student.person_id, student.person_id, "С-2")
    (outcome,) = await registry.registers(own)
    assert outcome.status == "registered", "the student may be quicker than the loop"
    assert await round_() == 1
    assert await round_() == 0

    last = (await registry.events())[-1]
    assert last.decisions.cabinet is Decision.WITHDRAWN
    assert last.contact is None
    (line,) = await registry.rows("SELECT reason FROM consent_decisions WHERE decided_by = 'system'")
    assert line["reason"] == "student_adult"
    states = await registry.rows("SELECT representative_id, cabinet FROM consents")
    assert {(row["representative_id"], row["cabinet"]) for row in states} == {
        (mother, "withdrawn"),
        (student.person_id, "given"),
    }


async def test_the_birthday_loop_wakes_at_midnight_by_the_databases_clock(registry, service_database):
    urls = await service_database.urls("consent")
    settings = Settings(database_url=urls.app, kafka_bootstrap="127.0.0.1:1")
    mother = PersonId(uuid4())
    student = a_student(mother, born=date(2000, 1, 1))
    await registry.knows(student.model_copy(update={"birth_date": CHILD_BIRTH}))
    await registry.registers(an_answer(mother, student.person_id, "С-1"))
    await registry.knows(student.model_copy(update={"revision": 2}))
    loop = birthdays(registry.database, settings)

    assert await loop.work() == 1
    assert await loop.work() == 0
    due = await loop.next_due_seconds()
    assert due is not None
    assert 0 < due <= 86_400


CHILD_BIRTH = date(2016, 5, 5)


async def test_erasing_a_person_erases_documents_and_ends_consents_but_keeps_the_decisions(registry):
    mother, other = PersonId(uuid4()), PersonId(uuid4())
    student, neighbour = a_student(mother, other), a_student(other)
    await registry.knows(student, neighbour)
    await registry.registers(
        an_answer(mother, student.person_id, "С-1", email=GIVEN),
        an_answer(other, student.person_id, "С-2", cabinet=REFUSED),
        an_answer(other, neighbour.person_id, "С-3"),
    )

    async with registry.database.transaction(DISTRICT) as conn:
        assert await handlers.erase_people(conn, [student.person_id], registry.clock) == 1

    left = await registry.rows("SELECT c.student_id FROM consent_documents JOIN consents AS c USING (consent_id)")
    assert [row["student_id"] for row in left] == [neighbour.person_id]
    assert len(await registry.rows("SELECT FROM consent_decisions")) == 4
    last = (await registry.events())[-1]
    assert (last.representative_id, last.decisions.cabinet, last.contact) == (mother, Decision.WITHDRAWN, None)
    assert len(await registry.rows("SELECT FROM students")) == 1

    async with registry.database.transaction(DISTRICT) as conn:
        assert await handlers.erase_people(conn, [other], registry.clock) == 1
    assert await registry.rows("SELECT FROM consent_documents") == []
    assert await registry.rows("SELECT FROM representations") == []
