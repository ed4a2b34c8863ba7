"""The student's own agreement from 14 to 18: asked for at the birthday, registered, taken back, missed."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, timedelta
from uuid import uuid4

import pytest

from chassis.database import DISTRICT
from contracts.base import PersonId
from contracts.values import Decision
from services.consent import agreements, handlers
from services.consent.agreements import Round
from services.consent.app import agreements_due
from services.consent.model import Answers
from services.consent.settings import Settings
from tests.integration.consent_door import an_office
from tests.integration.consent_office import Office, a_pupil
from tests.integration.test_consent_registry import DAY, a_student, an_answer
from tests.support.databases import ServiceDatabases
from tests.unit.test_consent_document import a_form

NEARLY_14 = date(2012, 11, 26)
OVER_14 = date(2011, 2, 3)
CHILD = date(2016, 5, 5)


@pytest.fixture
async def office(service_database: ServiceDatabases) -> AsyncIterator[Office]:
    async with an_office(service_database) as made:
        yield made


@pytest.fixture
async def strict_office(service_database: ServiceDatabases) -> AsyncIterator[Office]:
    async with an_office(service_database, agreement_missing="close", agreement_term_days=30) as made:
        yield made


async def _consented(
    office: Office, born: date = NEARLY_14, *, agreed: bool | None = None
) -> tuple[PersonId, PersonId]:
    parent = PersonId(uuid4())
    pupil = a_pupil(parent, school_id=office.home, born=born)
    await office.registry.knows(pupil)
    (outcome,) = await office.registry.registers(an_answer(parent, pupil.person_id, "С-1", agreed=agreed))
    assert outcome.status == "registered"
    return parent, pupil.person_id


async def _round(office: Office) -> Round:
    async with office.registry.database.transaction(DISTRICT) as conn:
        return await agreements.ask_and_end(conn, office.clock, office.policy)


async def _agree(office: Office, pupil: PersonId, *, agreed: bool = True) -> dict[str, str]:
    body = {"student_id": str(pupil), "agreed": agreed, "document_number": "У-1"}
    answer = await office.post("/v1/agreements", body)
    assert answer.status_code == 200, answer.text
    told: dict[str, str] = answer.json()
    return told


async def test_at_14_the_student_is_asked_and_stands_in_the_secretarys_list(office):
    _, pupil = await _consented(office)
    assert await _round(office) == Round(0, 0, 0)

    office.clock.advance(2 * DAY)

    assert await _round(office) == Round(1, 0, 0)
    assert await _round(office) == Round(0, 0, 0)
    (due,) = await office.pairs(list="agreement_due")
    assert (due["student_id"], due["agreement"], due["cabinet"]) == (str(pupil), "due", "given")


async def test_by_default_a_missing_agreement_closes_nothing_however_late(office):
    await _consented(office)
    office.clock.advance(2 * DAY)
    await _round(office)

    office.clock.advance(365 * DAY)

    assert await _round(office) == Round(0, 0, 0)
    assert (await office.told())[-1].decisions.cabinet == "given"
    assert len(await office.pairs(list="agreement_due")) == 1


async def test_a_district_may_close_what_is_not_agreed_to_within_its_term(strict_office):
    office = strict_office
    await _consented(office)
    office.clock.advance(2 * DAY)
    await _round(office)
    office.clock.advance(30 * DAY - timedelta(seconds=1))
    assert await _round(office) == Round(0, 0, 0)

    office.clock.advance(timedelta(seconds=1))

    assert await _round(office) == Round(0, 1, 1)
    assert await _round(office) == Round(0, 0, 0)
    assert (await office.told())[-1].decisions.cabinet == "withdrawn"
    (line,) = await office.registry.rows("SELECT reason FROM consent_decisions WHERE decided_by = 'system'")
    assert line["reason"] == "agreement_missing"
    (due,) = await office.pairs(list="agreement_due")
    assert due["agreement"] == "missing"


async def test_the_term_runs_from_the_asking_and_not_from_a_birthday_learned_late(strict_office):
    office = strict_office
    parent = PersonId(uuid4())
    pupil = a_pupil(parent, school_id=office.home, born=None)
    await office.registry.knows(pupil)
    await office.registry.registers(an_answer(parent, pupil.person_id, "С-1"))
    await office.registry.knows(pupil.model_copy(update={"birth_date": OVER_14, "revision": 2}))

    assert await _round(office) == Round(1, 0, 0)
    assert (await office.told())[-1].decisions.cabinet == "given"


async def test_an_agreement_in_time_keeps_the_consent(strict_office):
    office = strict_office
    _, pupil = await _consented(office)
    office.clock.advance(2 * DAY)
    await _round(office)

    assert await _agree(office, pupil) == {"status": "registered"}
    assert await _agree(office, pupil) == {"status": "unchanged"}
    office.clock.advance(31 * DAY)

    assert await _round(office) == Round(0, 0, 0)
    assert await office.pairs(list="agreement_due") == []
    assert (await office.told())[-1].decisions.cabinet == "given"


async def test_an_agreement_taken_back_closes_every_representatives_consent_at_once(office):
    mother, father = PersonId(uuid4()), PersonId(uuid4())
    pupil = a_pupil(mother, father, school_id=office.home, born=OVER_14)
    await office.registry.knows(pupil)
    await office.registry.registers(an_answer(mother, pupil.person_id, "С-1", agreed=True))
    # One agreement serves both.
    (second,) = await office.registry.registers(an_answer(father, pupil.person_id, "С-2"))
    assert second.status == "registered"

    assert await _agree(office, pupil.person_id, agreed=False) == {"status": "registered"}

    states = await office.registry.rows("SELECT cabinet FROM consents")
    assert {row["cabinet"] for row in states} == {"withdrawn"}
    lines = await office.registry.rows("SELECT reason FROM consent_decisions WHERE decided_by = 'system'")
    assert {line["reason"] for line in lines} == {"agreement_taken_back"}
    (refused,) = await office.registry.registers(an_answer(mother, pupil.person_id, "С-3"))
    assert [one.code for one in refused.faults] == ["student_agreement_missing"]
    (again,) = await office.registry.registers(an_answer(mother, pupil.person_id, "С-3", agreed=True))
    assert again.status == "registered"


async def test_a_paper_found_late_does_not_override_what_the_student_said_after_it(office):
    parent, pupil = await _consented(office, OVER_14, agreed=True)
    signed = office.clock.at + timedelta(hours=1)
    office.clock.advance(2 * DAY)
    await _agree(office, pupil, agreed=False)
    body = {"student_id": str(pupil), "agreed": True, "decided_at": signed.isoformat()}

    answer = await office.post("/v1/agreements", body)

    assert (answer.status_code, answer.json()["code"]) == (409, "older_than_current")
    other = PersonId(uuid4())
    await office.registry.knows(
        a_pupil(parent, other, school_id=office.home, born=OVER_14).model_copy(
            update={"person_id": pupil, "revision": 2}
        )
    )
    stated = an_answer(other, pupil, "С-2", agreed=True)
    (refused,) = await office.registry.registers(replace(stated, decided_at=signed))
    assert [one.code for one in refused.faults] == ["student_agreement_missing"]
    # Nor does a refusal with the student's words on it.
    no = replace(stated, answers=Answers(cabinet=Decision.REFUSED), decided_at=signed)
    assert [one.status for one in await office.registry.registers(no)] == ["registered"]
    (state,) = await office.registry.rows("SELECT state FROM student_agreements")
    assert state["state"] == "taken_back"
    (again,) = await office.registry.registers(replace(stated, document=a_form(number="С-3")))
    assert again.status == "registered"


async def test_a_paper_signed_before_the_student_was_asked_is_taken(office):
    _, pupil = await _consented(office)
    office.clock.advance(2 * DAY)
    signed = office.clock.at
    office.clock.advance(DAY)
    assert await _round(office) == Round(1, 0, 0)

    body = {"student_id": str(pupil), "agreed": True, "decided_at": signed.isoformat()}
    assert (await office.post("/v1/agreements", body)).json() == {"status": "registered"}


async def test_what_was_stated_before_14_does_not_count_at_14(office):
    await _consented(office, born=NEARLY_14, agreed=True)
    office.clock.advance(2 * DAY)

    assert await _round(office) == Round(1, 0, 0)


async def test_every_step_is_kept(office):
    _, pupil = await _consented(office, OVER_14, agreed=True)
    await _agree(office, pupil, agreed=False)
    await _agree(office, pupil)

    rows = await office.registry.rows("SELECT state, document_number FROM student_agreement_history ORDER BY revision")
    assert [(row["state"], row["document_number"]) for row in rows] == [
        ("given", "С-1"),
        ("taken_back", "У-1"),
        ("given", "У-1"),
    ]


@pytest.mark.parametrize("born", [CHILD, date(2008, 1, 1), None])
async def test_only_between_the_two_ages_the_agreement_is_asked_for(office, born):
    parent = PersonId(uuid4())
    pupil = a_pupil(parent, school_id=office.home, born=born)
    await office.registry.knows(pupil)

    answer = await office.post("/v1/agreements", {"student_id": str(pupil.person_id), "agreed": True})

    assert (answer.status_code, answer.json()["code"]) == (422, "not_of_agreement_age")


async def test_another_school_cannot_register_it(office):
    pupil = a_student(PersonId(uuid4()), born=OVER_14)
    await office.registry.knows(pupil)

    answer = await office.post("/v1/agreements", {"student_id": str(pupil.person_id), "agreed": True})

    assert answer.status_code == 422


async def test_at_18_the_agreement_is_no_longer_asked_for(office):
    _, pupil = await _consented(office, born=date(2008, 11, 26), agreed=True)
    office.clock.advance(2 * DAY)
    async with office.registry.database.transaction(DISTRICT) as conn:
        assert await handlers.end_at_majority(conn, office.clock, office.policy) == 1

    assert await _round(office) == Round(0, 0, 0)
    assert await office.pairs(list="agreement_due") == []
    assert (await office.pairs())[0]["representative_id"] == str(pupil)


async def test_the_loop_asks_by_the_databases_clock_and_wakes_at_midnight_at_the_latest(office, service_database):
    urls = await service_database.urls("consent")
    settings = Settings(database_url=urls.app, kafka_bootstrap="127.0.0.1:1", agreement_missing="close")
    loop = agreements_due(office.registry.database, settings)
    _, pupil = await _consented(office, born=CHILD)
    await office.registry.rows("UPDATE students SET birth_date = current_date - interval '15 years' RETURNING 1")

    assert await loop.work() == 1
    due = await loop.next_due_seconds()
    assert due is not None
    assert 0 < due <= 86_400
    await office.registry.rows("UPDATE student_agreements SET since = now() - interval '31 days' RETURNING 1")
    assert await loop.work() == 1
    assert (await office.told())[-1].student_id == pupil
    assert (await office.told())[-1].decisions.cabinet == "withdrawn"
