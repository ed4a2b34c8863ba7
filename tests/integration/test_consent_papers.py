"""Forms, receipts and invitations by the API: who gets them, what is kept of a code, what the cabinet makes of it."""

import io
import re
from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pypdf
import pytest

from chassis.clock import FixedClock
from chassis.database import DISTRICT, Database
from contracts.base import PersonId, SchoolId, StudentId
from contracts.invitation_issued import InvitationIssued, code_digest
from services.cabinet.handlers import Doors, Refusal, Refused, join, person_of_session
from services.cabinet.passwords import Passwords
from services.consent import erasing, replay
from services.consent.model import Withdrawal
from tests.browser.cabinet_world import PASSWORD, World, settings_for
from tests.integration.consent_door import CABINET, an_office
from tests.integration.consent_office import COURT, Office, a_parent, a_pupil, pair_of
from tests.integration.test_consent_registry import DAY, NOW, REFUSED, an_answer
from tests.support.databases import ServiceDatabases
from tests.unit.test_consent_document import WRITTEN

CODE = re.compile(r"(?:[2-9A-HJKMNP-Z]{4}-){3}[2-9A-HJKMNP-Z]{4}")


@pytest.fixture
async def office(service_database: ServiceDatabases) -> AsyncIterator[Office]:
    async with an_office(service_database) as made:
        yield made


async def _pair(office: Office) -> tuple[PersonId, PersonId]:
    parent = PersonId(uuid4())
    pupil = a_pupil(parent, school_id=office.home)
    await office.registry.knows(a_parent(parent), pupil)
    await office.knows_school()
    return parent, pupil.person_id


def _text(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["cache-control"] == "no-store"
    reader = pypdf.PdfReader(io.BytesIO(answer.content))
    assert len(reader.pages) == 1
    return reader.pages[0].extract_text()


async def _receipt(office: Office, parent: UUID, pupil: UUID) -> str:
    text = _text(await office.post("/v1/receipts", pair_of(parent, pupil)))
    (code,) = map(str, CODE.findall(text))
    return code


async def test_the_form_is_filled_in_with_what_the_journal_knows(office):
    parent, pupil = await _pair(office)

    text = _text(await office.post("/v1/forms", pair_of(parent, pupil)))

    for known in ("Образцова Мария Петровна", "Примерова Анна Образцовна", "3А", "Школа № 1", "ул. Школьная, 1"):
        assert known in text


async def test_the_contents_of_the_form_and_the_signers_part_make_a_decision(office):
    parent, pupil = await _pair(office)
    contents = (await office.post("/v1/forms/contents", pair_of(parent, pupil))).json()
    signers = ("consenter_address", "identity_kind", "identity_number", "identity_issuer", "authority_document")
    document = contents | {name: WRITTEN[name] for name in signers}
    document |= {"identity_issued_on": "2015-04-01", "signed": True, "signed_on": "2026-11-20"}
    document |= {"number": "С-1", "scan_sha256": "0" * 64, "scan_reference": "s3://scans/1"}

    answer = await office.post(
        "/v1/decisions", pair_of(parent, pupil, decisions={"cabinet": "given"}, document=document)
    )

    assert answer.status_code == 200, answer.text
    (consent,) = (await office.get(f"/v1/students/{pupil}/consents")).json()["consents"]
    (line,) = consent["history"]
    assert (line["scan_sha256"], line["scan_reference"]) == ("0" * 64, "s3://scans/1")


async def test_a_withdrawal_bears_its_scan_whole_or_not_at_all(office):
    parent, pupil = await _pair(office)
    await office.registry.registers(an_answer(parent, pupil, "С-1"))
    (consent,) = (await office.get(f"/v1/students/{pupil}/consents")).json()["consents"]
    path = f"/v1/consents/{consent['consent_id']}/withdraw"

    half = await office.post(path, {"scan_sha256": "1" * 64})
    whole = await office.post(path, {"scan_sha256": "1" * 64, "scan_reference": "s3://scans/2"})

    assert half.status_code == 422
    assert whole.status_code == 200
    (consent,) = (await office.get(f"/v1/students/{pupil}/consents")).json()["consents"]
    assert consent["history"][-1]["scan_reference"] == "s3://scans/2"


def _electronic(parent: UUID, pupil: UUID, **changes: Any) -> dict[str, Any]:
    written = {name: str(value) if isinstance(value, date) else value for name, value in WRITTEN.items()}
    document = written | {
        "kind": "electronic",
        "signed_by": str(parent),
        "signed_at": "2026-11-24T11:59:00+03:00",
        "session_reference": "sign-in-7f3a",
        **changes,
    }
    return pair_of(parent, pupil, decisions={"cabinet": "given", "push": "given"}, document=document)


async def test_a_signed_in_representative_consents_without_a_paper_and_its_number(office):
    parent, pupil = await _pair(office)

    answer = await office.post("/v1/decisions", _electronic(parent, pupil))
    again = await office.post("/v1/decisions", _electronic(parent, pupil))

    assert answer.status_code == 200, answer.text
    assert answer.json()["consent"]["document"] == "electronic"
    assert again.json()["status"] == "unchanged"
    (consent,) = (await office.get(f"/v1/students/{pupil}/consents")).json()["consents"]
    (line,) = consent["history"]
    assert (line["session_reference"], line["document_number"]) == ("sign-in-7f3a", None)


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"session_reference": ""}, "/document/session_reference"),
        ({"signed_at": None}, "/document/signed_at"),
        ({"signed_by": None}, "/document/signed_by"),
        ({"signed_by": str(uuid4())}, "/document/signed_by"),
        ({"scan_sha256": "0" * 64}, "/document/scan_reference"),
        ({"data_list": ""}, "/document/data_list"),
    ],
)
async def test_an_electronic_consent_says_who_signed_when_and_in_which_sign_in(office, changes, pointer):
    parent, pupil = await _pair(office)

    answer = await office.post("/v1/decisions", _electronic(parent, pupil, **changes))

    assert answer.status_code == 422
    assert [one["pointer"] for one in answer.json()["errors"]] == [pointer]


async def test_a_receipt_bears_a_code_of_which_only_the_digest_is_kept_and_told(office):
    parent, pupil = await _pair(office)
    await office.registry.registers(an_answer(parent, pupil, "С-1"))

    code = await _receipt(office, parent, pupil)

    (told,) = await office.invitations()
    assert told.code_sha256 == code_digest(code).hex()
    assert (told.person_id, told.revision, told.expires_at) == (parent, 1, NOW + 60 * DAY)
    for table in ("invitations", "outbox"):
        rows = str([dict(row) for row in await office.registry.rows(f"SELECT * FROM {table}")])
        assert code not in rows
        assert code.replace("-", "") not in rows


async def test_codes_are_in_no_log(office, caplog, capsys):
    parent, pupil = await _pair(office)
    await office.registry.registers(an_answer(parent, pupil, "С-1"))
    code = await _receipt(office, parent, pupil)
    printed = capsys.readouterr()
    assert code not in caplog.text + printed.out + printed.err


async def test_every_receipt_has_a_code_of_its_own(office):
    parent, pupil = await _pair(office)
    await office.registry.registers(an_answer(parent, pupil, "С-1"))

    codes = {await _receipt(office, parent, pupil) for _ in range(3)}

    assert len(codes) == 3
    assert [one.revision for one in await office.invitations()] == [1, 2, 3]
    assert len(await office.registry.rows("SELECT FROM invitations")) == 1


async def test_a_refusal_is_receipted_without_inviting_anybody(office):
    parent, pupil = await _pair(office)
    await office.registry.registers(an_answer(parent, pupil, "С-1", cabinet=REFUSED))

    text = _text(await office.post("/v1/receipts", pair_of(parent, pupil)))

    assert CODE.findall(text) == []
    assert CABINET not in text
    assert await office.invitations() == []


async def test_without_a_decision_there_is_nothing_to_receipt(office):
    answer = await office.post("/v1/receipts", pair_of(*await _pair(office)))

    assert (answer.status_code, answer.json()["code"]) == (409, "nothing_decided")
    assert await office.invitations() == []


@pytest.mark.parametrize("path", ["/v1/forms", "/v1/forms/contents", "/v1/receipts"])
async def test_who_represents_nobody_here_gets_no_paper(office, path):
    parent, pupil = await _pair(office)
    await office.registry.registers(an_answer(parent, pupil, "С-1"))
    stranger = await office.post(path, pair_of(uuid4(), pupil))
    other = PersonId(uuid4())
    foreign = a_pupil(other, school_id=SchoolId(uuid4()))
    await office.registry.knows(foreign)
    elsewhere = await office.post(path, pair_of(other, foreign.person_id))
    await office.post("/v1/authorities/end", pair_of(parent, pupil, **COURT))
    ended = await office.post(path, pair_of(parent, pupil))
    child = await office.post(path, pair_of(pupil, pupil))

    assert {one.status_code for one in (stranger, elsewhere, ended, child)} == {422}
    assert await office.invitations() == []


async def test_a_replay_tells_the_newest_invitation_under_the_same_id(office):
    parent, pupil = await _pair(office)
    await office.registry.registers(an_answer(parent, pupil, "С-1"))
    await _receipt(office, parent, pupil)
    await _receipt(office, parent, pupil)

    assert await replay.replay(office.registry.database) == 2

    first, second, again = await office.invitations()
    assert again == second
    assert again.event_id() == second.event_id() != first.event_id()


async def test_erasing_a_person_forgets_the_invitation(office):
    parent, pupil = await _pair(office)
    await office.registry.registers(an_answer(parent, pupil, "С-1"))
    await _receipt(office, parent, pupil)

    await office.registry.erases(parent)

    (left,) = await office.registry.rows(
        "SELECT code_sha256, expires_at = issued_at AS over, issued_by FROM invitations"
    )
    assert tuple(left) == (b"", True, None)
    told = len(await office.invitations())
    await replay.replay(office.registry.database)
    assert len(await office.invitations()) == told


async def _gone_from_the_journal(office: Office, parent: PersonId, pupil: PersonId) -> None:
    await office.registry.erases(parent)
    await office.registry.knows(a_parent(parent), a_pupil(parent, school_id=office.home, student_id=pupil, revision=2))


async def _withdrawn_and_carried_out(office: Office, parent: PersonId, pupil: PersonId) -> None:
    await office.registry.registers(Withdrawal(parent, StudentId(pupil)))
    office.clock.advance(30 * DAY)
    assert await erasing.carry_out_due(office.registry.database, office.clock) == 1
    assert [row["code_sha256"] for row in await office.registry.rows("SELECT * FROM invitations")] == [b""]


@pytest.mark.parametrize("erased", [_gone_from_the_journal, _withdrawn_and_carried_out])
async def test_who_consents_again_after_an_erasure_gets_a_code_that_the_cabinet_takes(office, doors, erased):
    parent, pupil = await _pair(office)
    cabinet = World(doors.database, doors.clock)
    await office.registry.registers(an_answer(parent, pupil, "С-1"))
    await _receipt(office, parent, pupil)
    await cabinet.tell(*await office.invitations())
    await erased(office, parent, pupil)
    office.clock.advance(DAY)
    await office.registry.registers(an_answer(parent, pupil, "С-2"))

    code = await _receipt(office, parent, pupil)
    first, again = await office.invitations()
    await cabinet.tell(again)

    assert again.event_id() != first.event_id()
    assert await person_of_session(doors, await _join(doors, code)) == parent


# -- the cabinet


@pytest.fixture
async def doors(service_database: ServiceDatabases) -> Doors:
    database: Database = await service_database("cabinet")
    settings = settings_for(database.url)
    return Doors(database, settings, Passwords(settings), FixedClock(datetime(2026, 11, 24, 10, 0, tzinfo=UTC)))


def _invitation(person: UUID, code: str, revision: int = 1, *, days: float = 60) -> InvitationIssued:
    return InvitationIssued(
        revision=revision,
        person_id=PersonId(person),
        code_sha256=code_digest(code).hex(),
        issued_at=NOW,
        expires_at=NOW + timedelta(days=days),
    )


async def _join(doors: Doors, code: str, login: str = "elena.p") -> str:
    return await join(doors, code=code, login=login, password=PASSWORD, address="192.0.2.7")


async def test_the_code_of_a_receipt_opens_the_cabinet_however_it_is_typed(office, doors):
    parent, pupil = await _pair(office)
    await office.registry.registers(an_answer(parent, pupil, "С-1"))
    code = await _receipt(office, parent, pupil)
    await World(doors.database, doors.clock).tell(*await office.invitations())

    token = await _join(doors, code.lower().replace("-", " "))

    assert await person_of_session(doors, token) == parent


async def test_of_two_receipts_only_the_newer_code_is_good(doors):
    person, world = uuid4(), World(doors.database, doors.clock)
    await world.tell(_invitation(person, "AAAA-AAAA-AAAA-AAAA"))
    await world.tell(_invitation(person, "BBBB-BBBB-BBBB-BBBB", 2))
    await world.tell(_invitation(person, "AAAA-AAAA-AAAA-AAAA"))

    with pytest.raises(Refused) as refused:
        await _join(doors, "AAAA-AAAA-AAAA-AAAA")
    assert refused.value.reason is Refusal.UNKNOWN_CODE
    assert await person_of_session(doors, await _join(doors, "BBBB-BBBB-BBBB-BBBB")) == person


async def test_a_used_code_stays_used_when_its_event_comes_again_after_the_inbox_was_pruned(doors):
    person, world = uuid4(), World(doors.database, doors.clock)
    await world.tell(_invitation(person, "AAAA-AAAA-AAAA-AAAA"))
    await _join(doors, "AAAA-AAAA-AAAA-AAAA")
    async with doors.database.transaction(DISTRICT) as conn:
        await conn.execute("DELETE FROM inbox")

    await world.tell(_invitation(person, "AAAA-AAAA-AAAA-AAAA"))

    with pytest.raises(Refused):
        await _join(doors, "AAAA-AAAA-AAAA-AAAA", "other.p")


async def test_an_invitation_that_comes_too_late_still_ends_the_one_before_it(doors):
    person, world = uuid4(), World(doors.database, doors.clock)
    await world.tell(_invitation(person, "AAAA-AAAA-AAAA-AAAA"))
    await world.tell(_invitation(person, "BBBB-BBBB-BBBB-BBBB", 2, days=0))

    for code in ("AAAA-AAAA-AAAA-AAAA", "BBBB-BBBB-BBBB-BBBB"):
        with pytest.raises(Refused):
            await _join(doors, code)
