"""Authority by document and term: its end closes consent and paper at once, and its return alone opens nothing."""

from collections.abc import AsyncIterator
from datetime import date, timedelta
from uuid import uuid4

import pytest

from chassis.database import DISTRICT
from contracts.base import PersonId, SchoolId
from services.consent import authorities
from services.consent.app import authorities_ending
from services.consent.settings import Settings
from tests.integration.consent_door import an_office
from tests.integration.consent_office import ACT, COURT, Office, a_pupil, pair_of
from tests.integration.test_consent_registry import DAY, GIVEN, NOW, REFUSED, an_answer
from tests.support.databases import ServiceDatabases


@pytest.fixture
async def office(service_database: ServiceDatabases) -> AsyncIterator[Office]:
    async with an_office(service_database) as made:
        yield made


async def _pair(office: Office) -> tuple[PersonId, PersonId]:
    parent = PersonId(uuid4())
    pupil = a_pupil(parent, school_id=office.home)
    await office.registry.knows(pupil)
    return parent, pupil.person_id


async def _expire(office: Office) -> int:
    async with office.registry.database.transaction(DISTRICT) as conn:
        return await authorities.end_expired(conn, office.clock)


async def test_a_courts_decision_ends_the_consent_in_the_same_transaction(office):
    parent, pupil = await _pair(office)
    await office.registry.registers(an_answer(parent, pupil, "С-1", email=GIVEN))

    answer = await office.post("/v1/authorities/end", pair_of(parent, pupil, **COURT))

    assert answer.json() == {"status": "registered", "state": "ended", "valid_until": None}
    last = (await office.told())[-1]
    assert (last.authority, last.decisions.cabinet, last.decisions.email) == ("ended", "withdrawn", "withdrawn")
    assert last.contact is None
    (line,) = await office.registry.rows("SELECT reason FROM consent_decisions WHERE decided_by = 'system'")
    assert line["reason"] == "authority_ended"
    (step,) = (await office.get(f"/v1/students/{pupil}/authorities")).json()
    assert (step["state"], step["end_reason"], step["document_number"]) == ("ended", "court", "2-17/2026")


async def test_the_end_is_told_also_where_nobody_ever_answered(office):
    parent, pupil = await _pair(office)

    await office.post("/v1/authorities/end", pair_of(parent, pupil, **COURT))

    (told,) = await office.told()
    assert (told.representative_id, told.student_id, told.revision) == (parent, pupil, 1)
    assert (told.authority, told.decisions.cabinet) == ("ended", "unanswered")


async def test_ending_twice_changes_nothing(office):
    parent, pupil = await _pair(office)
    await office.post("/v1/authorities/end", pair_of(parent, pupil, **COURT))

    again = await office.post("/v1/authorities/end", pair_of(parent, pupil, **COURT))

    assert again.json()["status"] == "unchanged"
    assert len(await office.told()) == 1


async def test_who_lost_the_authority_cannot_consent_until_it_is_restored(office):
    parent, pupil = await _pair(office)
    await office.registry.registers(an_answer(parent, pupil, "С-1"))
    await office.post("/v1/authorities/end", pair_of(parent, pupil, **COURT))
    (refused,) = await office.registry.registers(an_answer(parent, pupil, "С-2"))
    assert [one.code for one in refused.faults] == ["unknown_representation"]

    restored = await office.post("/v1/authorities", pair_of(parent, pupil, **ACT))

    assert restored.json()["state"] == "in_force"
    last = (await office.told())[-1]
    assert (last.authority, last.decisions.cabinet) == ("in_force", "withdrawn"), "a new consent is needed"
    (given,) = await office.registry.registers(an_answer(parent, pupil, "С-3"))
    assert given.status == "registered"


async def test_a_refusal_outlasts_the_end_and_the_return_of_authority(office):
    parent, pupil = await _pair(office)
    await office.registry.registers(an_answer(parent, pupil, "С-1", cabinet=REFUSED))

    await office.post("/v1/authorities/end", pair_of(parent, pupil, **COURT))
    await office.post("/v1/authorities", pair_of(parent, pupil, **ACT))

    states = [(one.revision, one.authority, one.decisions.cabinet) for one in await office.told()]
    assert states == [(1, "in_force", "refused"), (2, "ended", "refused"), (3, "in_force", "refused")]


async def test_an_authority_runs_out_after_its_last_day_where_the_school_is(office):
    parent, pupil = await _pair(office)
    await office.post("/v1/authorities", pair_of(parent, pupil, **ACT, valid_until="2026-11-25"))
    await office.registry.registers(an_answer(parent, pupil, "С-1"))

    office.clock.advance(timedelta(hours=35, minutes=59))  # 25 November, 23:59 in Moscow
    assert await _expire(office) == 0
    office.clock.advance(timedelta(minutes=2))
    assert await _expire(office) == 1
    assert await _expire(office) == 0

    last = (await office.told())[-1]
    assert (last.authority, last.decisions.cabinet) == ("ended", "withdrawn")
    steps = (await office.get(f"/v1/students/{pupil}/authorities")).json()
    assert [(one["state"], one["end_reason"]) for one in steps] == [("in_force", None), ("ended", "expired")]


async def test_an_authority_that_ran_out_counts_as_ended_before_the_loop_has_noticed(office):
    parent, pupil = await _pair(office)
    await office.post("/v1/authorities", pair_of(parent, pupil, **ACT, valid_until="2026-11-25"))
    office.clock.advance(3 * DAY)

    (refused,) = await office.registry.registers(an_answer(parent, pupil, "С-1"))

    assert [one.code for one in refused.faults] == ["unknown_representation"]


async def test_a_renewed_authority_runs_on(office):
    parent, pupil = await _pair(office)
    await office.post("/v1/authorities", pair_of(parent, pupil, **ACT, valid_until="2026-11-25"))
    await office.registry.registers(an_answer(parent, pupil, "С-1"))
    await office.post("/v1/authorities", pair_of(parent, pupil, **ACT, valid_until="2027-11-25"))
    office.clock.advance(3 * DAY)

    assert await _expire(office) == 0
    assert (await office.told())[-1].decisions.cabinet is GIVEN


async def test_the_same_document_again_is_no_news(office):
    parent, pupil = await _pair(office)
    await office.post("/v1/authorities", pair_of(parent, pupil, **ACT))

    again = await office.post("/v1/authorities", pair_of(parent, pupil, **ACT))

    assert again.json()["status"] == "unchanged"
    assert len((await office.get(f"/v1/students/{pupil}/authorities")).json()) == 1


async def test_the_loop_wakes_for_the_next_authority_that_runs_out(office, service_database):
    urls = await service_database.urls("consent")
    settings = Settings(database_url=urls.app, kafka_bootstrap="127.0.0.1:1")
    loop = authorities_ending(office.registry.database, settings)
    assert await loop.next_due_seconds() is None
    parent, pupil = await _pair(office)
    await office.registry.registers(an_answer(parent, pupil, "С-1"))
    await office.post("/v1/authorities", pair_of(parent, pupil, **ACT, valid_until="2026-11-24"))
    # By the database's own clock, whatever day it is: the row is moved instead of the clock.
    await office.registry.rows("UPDATE authorities SET expires_at = now() + interval '1 hour' RETURNING 1")
    due = await loop.next_due_seconds()
    assert due is not None
    assert 3500 < due <= 3600
    assert await loop.work() == 0

    await office.registry.rows("UPDATE authorities SET expires_at = now() - interval '1 second' RETURNING 1")

    assert await loop.work() == 1
    assert (await office.told())[-1].authority == "ended"


@pytest.mark.parametrize(
    ("body", "code"),
    [({**ACT, "valid_until": "2026-11-23"}, "authority_expired"), ({**ACT, "document": ""}, "invalid_request")],
)
async def test_what_cannot_be_registered_is_named(office, body, code):
    parent, pupil = await _pair(office)

    answer = await office.post("/v1/authorities", pair_of(parent, pupil, **body))

    assert (answer.status_code, answer.json()["code"]) == (422, code)


async def test_a_stranger_is_no_representative(office):
    _, pupil = await _pair(office)

    registered = await office.post("/v1/authorities", pair_of(uuid4(), pupil, **ACT))
    ended = await office.post("/v1/authorities/end", pair_of(uuid4(), pupil, **COURT))

    assert (registered.status_code, registered.json()["code"]) == (422, "unknown_representation")
    assert (ended.status_code, ended.json()["code"]) == (422, "authority_not_known")


async def test_another_school_cannot_touch_an_authority(office):
    parent = PersonId(uuid4())
    foreign = a_pupil(parent, school_id=SchoolId(uuid4()))
    await office.registry.knows(foreign)

    own = await office.post("/v1/authorities/end", pair_of(parent, foreign.person_id, **COURT))
    steps = await office.get(f"/v1/students/{foreign.person_id}/authorities")
    by_district = await office.post(
        "/v1/authorities/end", pair_of(parent, foreign.person_id, **COURT), token=office.district_token
    )

    assert own.status_code == 422
    assert steps.json() == []
    assert by_district.json()["status"] == "registered"


async def test_the_two_representatives_of_a_student_stand_apart(office):
    mother, father = PersonId(uuid4()), PersonId(uuid4())
    pupil = a_pupil(mother, father, school_id=office.home)
    await office.registry.knows(pupil)
    await office.registry.registers(
        an_answer(mother, pupil.person_id, "С-1"), an_answer(father, pupil.person_id, "С-2")
    )

    await office.post("/v1/authorities/end", pair_of(mother, pupil.person_id, **COURT))

    states = {row["representative_id"]: row["cabinet"] for row in await office.registry.rows("SELECT * FROM consents")}
    assert states == {mother: "withdrawn", father: "given"}


async def test_erasing_a_person_erases_the_documents_of_their_authority(office):
    parent, pupil = await _pair(office)
    await office.post("/v1/authorities", pair_of(parent, pupil, **ACT))

    await office.registry.erases(parent)

    assert await office.registry.rows("SELECT FROM authorities") == []
    assert await office.registry.rows("SELECT FROM authority_history") == []


async def test_the_history_of_an_authority_cannot_be_rewritten(office):
    parent, pupil = await _pair(office)
    await office.post("/v1/authorities", pair_of(parent, pupil, **ACT))
    with pytest.raises(Exception, match="permission denied"):
        async with office.registry.database.transaction(DISTRICT) as conn:
            await conn.execute("UPDATE authority_history SET document = ''")


async def test_authority_ends_and_returns_with_the_dates_in_the_schools_list(office):
    parent, pupil = await _pair(office)
    await office.post("/v1/authorities", pair_of(parent, pupil, **ACT, valid_until="2026-12-10"))

    (soon,) = await office.pairs(list="authority_ending", days=30)
    assert (soon["representative_id"], soon["valid_until"]) == (str(parent), str(date(2026, 12, 10)))
    assert await office.pairs(list="authority_ending", days=10) == []
    assert office.clock.at == NOW
