"""The consent service's HTTP API: what it takes, what it refuses and how it says so."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import orjson
import pytest

from chassis.auth import create_client
from chassis.clock import FixedClock
from chassis.database import DISTRICT
from chassis.http import make_app
from chassis.service import Service
from contracts.base import PersonId, SchoolId
from services.consent import api
from services.consent.settings import Settings
from tests.integration.test_consent_registry import NOW, POLICY, Registry, a_student
from tests.support.databases import ServiceDatabases
from tests.unit.test_consent_document import WRITTEN


@dataclass
class Door:
    """The API with two clients: the district's and one school's."""

    registry: Registry
    http: httpx.AsyncClient
    home: SchoolId
    district_token: str
    school_token: str
    clock: FixedClock

    async def post(self, path: str, body: Any, *, token: str | None = None) -> httpx.Response:
        # As ASCII, so that a test can send what no valid text contains.
        headers = {**self._headers(token), "Content-Type": "application/json"}
        return await self.http.post(path, content=json.dumps(body).encode(), headers=headers)

    async def get(self, path: str, *, token: str | None = None, **query: Any) -> httpx.Response:
        return await self.http.get(path, params=query, headers=self._headers(token))

    def _headers(self, token: str | None) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.school_token if token is None else token}"}

    async def a_pair(self, school_id: SchoolId | None = None) -> tuple[PersonId, PersonId]:
        parent = PersonId(uuid4())
        student = a_student(parent, school_id=school_id or self.home)
        await self.registry.knows(student)
        return parent, student.person_id


@pytest.fixture
async def door(service_database: ServiceDatabases) -> AsyncIterator[Door]:
    database = await service_database("consent")
    registry, clock, home = Registry(database, service_database), FixedClock(NOW), SchoolId(uuid4())
    settings = Settings(database_url="unused", kafka_bootstrap="127.0.0.1:1")
    service = Service(settings, database, "consent", routers=[api.make_router(database, clock, POLICY)])
    async with database.transaction(DISTRICT) as conn:
        district = await create_client(conn, school_id=None, label="district")
        own = await create_client(conn, school_id=home, label="school")
    transport = httpx.ASGITransport(app=make_app(service))
    async with httpx.AsyncClient(transport=transport, base_url="http://consent") as http:
        yield Door(registry, http, home, district, own, clock)


def a_body(parent: UUID, student: UUID, number: str = "С-1", **changes: Any) -> dict[str, Any]:
    document = {name: str(value) if isinstance(value, date) else value for name, value in WRITTEN.items()}
    return {
        "representative_id": str(parent),
        "student_id": str(student),
        "decisions": {"cabinet": "given", "email": "given", "push": "refused"},
        "contact": {"email": "anna@example.org", "language": "ru"},
        "document": {**document, "kind": "paper", "number": number},
        "decided_at": "2026-11-20T10:00:00+03:00",
        **changes,
    }


async def test_a_decision_is_registered_once_and_answered_with_its_state(door):
    parent, student = await door.a_pair()

    first = await door.post("/v1/decisions", a_body(parent, student))
    second = await door.post("/v1/decisions", a_body(parent, student))

    assert (first.status_code, first.json()["status"]) == (200, "registered")
    assert (second.status_code, second.json()["status"]) == (200, "unchanged")
    consent = first.json()["consent"]
    assert consent["decisions"] == {"cabinet": "given", "email": "given", "push": "refused"}
    assert consent["contact"] == {"email": "anna@example.org", "language": "ru"}
    assert "Примерова" not in first.text
    (line,) = await door.registry.rows("SELECT registered_by FROM consent_decisions")
    assert str(line["registered_by"]) == door.school_token.split(".")[0]


async def test_every_missing_part_is_named_with_its_pointer(door):
    parent, student = await door.a_pair()
    body = a_body(parent, student, contact={"language": "en"})
    body["document"] |= {"term": "", "signed": False}
    del body["document"]["operator_name"]

    refused = await door.post("/v1/decisions", body)

    assert refused.status_code == 422
    assert refused.headers["content-type"] == "application/problem+json"
    faults = {(one["pointer"], one["code"]) for one in refused.json()["errors"]}
    assert faults == {
        ("/document/term", "missing_term"),
        ("/document/signed", "missing_signed"),
        ("/document/operator_name", "missing_operator_name"),
        ("/contact/email", "email_address_needed"),
    }
    assert all(" / " in one["detail"] for one in refused.json()["errors"]), "in both languages"
    assert await door.registry.events() == []


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"student_id": "7А"}, "/student_id"),
        ({"decided_at": "2026-11-20T10:00:00"}, "/decided_at"),
        ({"decided_at": "0001-01-01T00:00:00+14:00"}, "/decided_at"),
        ({"effective_from": "9999-12-31T23:59:59-12:00"}, "/effective_from"),
        ({"contact": {"email": "\ud800@example.org"}}, "/contact/email"),
        ({"decisions": {"cabinet": "withdrawn"}}, "/decisions/cabinet"),
        ({"colour": "red"}, "/colour"),
        ({"document": {"consenter_name": "Анна\x00"}}, "/document/consenter_name"),
    ],
)
async def test_what_does_not_fit_the_contract_is_pointed_at(door, change, where):
    parent, student = await door.a_pair()

    refused = await door.post("/v1/decisions", a_body(parent, student) | change)

    assert refused.status_code == 422
    assert where in {one["pointer"] for one in refused.json()["errors"]}


async def test_a_conflict_with_what_is_registered_is_409(door):
    parent, student = await door.a_pair()
    await door.post("/v1/decisions", a_body(parent, student))

    other = await door.post("/v1/decisions", a_body(parent, student, no_internet=True))
    late = await door.post("/v1/decisions", a_body(parent, student, "С-2", decided_at="2026-01-01T00:00:00Z"))

    assert (other.status_code, other.json()["code"]) == (409, "document_number_used")
    assert (late.status_code, late.json()["code"]) == (409, "older_than_current")


async def test_a_school_registers_for_its_own_students_only(door):
    foreign_parent, foreign_student = await door.a_pair(SchoolId(uuid4()))

    refused = await door.post("/v1/decisions", a_body(foreign_parent, foreign_student))
    allowed = await door.post("/v1/decisions", a_body(foreign_parent, foreign_student), token=door.district_token)
    consent_id = allowed.json()["consent"]["consent_id"]
    withdrawal = await door.post(f"/v1/consents/{consent_id}/withdraw", {})
    seen = await door.get(f"/v1/students/{foreign_student}/consents")

    assert (refused.status_code, refused.json()["code"]) == (422, "unknown_representation")
    assert allowed.status_code == 200
    assert withdrawal.status_code == 404
    assert seen.json()["consents"] == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/decisions"),
        ("POST", "/v1/decisions/bulk"),
        ("POST", f"/v1/consents/{UUID(int=1)}/withdraw"),
        ("GET", f"/v1/students/{UUID(int=2)}/consents"),
        ("GET", f"/v1/schools/{UUID(int=3)}/unanswered"),
    ],
)
async def test_nobody_comes_in_without_a_token(door, method, path):
    for token in ("", "nonsense", f"{uuid4()}.secret"):
        answer = await door.http.request(
            method, path, headers={"Authorization": f"Bearer {token}"}, content=orjson.dumps(a_body(uuid4(), uuid4()))
        )
        assert answer.status_code == 401


async def test_a_withdrawal_closes_everything_and_is_possible_once(door):
    parent, student = await door.a_pair()
    consent_id = (await door.post("/v1/decisions", a_body(parent, student))).json()["consent"]["consent_id"]
    door.clock.advance(timedelta(hours=1))

    push = await door.post(f"/v1/consents/{consent_id}/withdraw", {"purposes": ["push"]})
    done = await door.post(f"/v1/consents/{consent_id}/withdraw", {"document_number": "О-1"})
    again = await door.post(f"/v1/consents/{consent_id}/withdraw", {"document_number": "О-1"})
    more = await door.post(f"/v1/consents/{consent_id}/withdraw", {"document_number": "О-2"})

    assert (push.status_code, push.json()["code"]) == (409, "nothing_to_withdraw")
    assert push.json()["errors"][0]["pointer"] == "/push"
    assert done.json()["consent"]["decisions"] == {"cabinet": "withdrawn", "email": "withdrawn", "push": "refused"}
    assert done.json()["consent"]["contact"] is None
    assert again.json()["status"] == "unchanged"
    assert more.status_code == 409


@pytest.mark.parametrize("form", ["array", "ndjson"])
async def test_bulk_takes_what_is_right_and_reports_the_rest(door, form):
    pairs = [await door.a_pair() for _ in range(3)]
    records: list[Any] = [a_body(*pair) for pair in pairs]
    records.insert(1, a_body(uuid4(), pairs[0][1]))
    records.insert(2, {"student_id": 7})
    records.append(a_body(*pairs[0]))
    headers = {"Authorization": f"Bearer {door.school_token}"}
    if form == "array":
        content = orjson.dumps(records)
    else:
        headers["Content-Type"] = api.NDJSON
        content = b"\n\n".join([*map(orjson.dumps, records), b"{broken"])

    report = (await door.http.post("/v1/decisions/bulk", content=content, headers=headers)).json()

    assert (report["registered"], report["unchanged"]) == (3, 1)
    codes = {one["index"]: {error["code"] for error in one["errors"]} for one in report["rejected"]}
    assert codes.pop(1) == {"unknown_representation"}
    assert "missing" in codes.pop(2)
    assert codes == ({} if form == "array" else {6: {"json_invalid"}})
    assert len(await door.registry.events()) == 3


@pytest.mark.parametrize(
    ("content", "status"),
    [(b"{}", 422), (b"[", 422), (b"[" + b"1," * api.BULK_MAX_RECORDS + b"1]", 413), (b" " * (33 << 20), 413)],
)
async def test_bulk_refuses_what_is_no_list_or_too_much(door, content, status):
    answer = await door.http.post(
        "/v1/decisions/bulk", content=content, headers={"Authorization": f"Bearer {door.school_token}"}
    )

    assert answer.status_code == status


async def test_the_consents_of_a_student_come_with_their_history(door):
    parent, student = await door.a_pair()
    consent_id = (await door.post("/v1/decisions", a_body(parent, student))).json()["consent"]["consent_id"]
    await door.post(f"/v1/consents/{consent_id}/withdraw", {"purposes": ["email"], "document": "electronic"})

    answer = await door.get(f"/v1/students/{student}/consents")

    (consent,) = answer.json()["consents"]
    assert (consent["cabinet"], consent["email"], consent["in_force"]) == ("given", "withdrawn", True)
    assert consent["email_address"] is None
    assert [(line["revision"], line["email"], line["document_number"]) for line in consent["history"]] == [
        (1, "given", "С-1"),
        (2, "withdrawn", None),
    ]
    assert "Примерова" not in answer.text


async def test_who_has_not_answered_is_listed_for_the_own_school(door):
    first, second = sorted([await door.a_pair(), await door.a_pair()], key=lambda pair: pair[1])
    answered = await door.a_pair()
    await door.post("/v1/decisions", a_body(*answered))

    page = (await door.get(f"/v1/schools/{door.home}/unanswered", limit=1)).json()
    rest = (await door.get(f"/v1/schools/{door.home}/unanswered", limit=2, after=page["next"])).json()
    foreign = await door.get(f"/v1/schools/{uuid4()}/unanswered")
    broken = await door.get(f"/v1/schools/{door.home}/unanswered", after="x")

    assert [(one["representative_id"], one["student_id"]) for one in page["pairs"]] == [tuple(map(str, first))]
    assert [(one["representative_id"], one["student_id"]) for one in rest["pairs"]] == [tuple(map(str, second))]
    assert rest["next"] is None
    assert page["pairs"][0]["student_name"] == "Примеров Иван"
    assert foreign.status_code == 403
    assert (broken.status_code, broken.json()["code"]) == (422, "bad_cursor")


async def test_an_adult_student_consents_with_a_form_of_their_own(door):
    grown = a_student(school_id=door.home, born=date(2008, 1, 1))
    student = grown.person_id
    await door.registry.knows(grown)
    body = a_body(student, student)
    body["document"] |= {"on_behalf_of": "", "authority_document": ""}

    answer = await door.post("/v1/decisions", body)

    assert answer.status_code == 200
    assert answer.json()["consent"]["effective_from"] == NOW.isoformat().replace("+00:00", "Z")
    assert datetime.fromisoformat(answer.json()["consent"]["decided_at"]) < NOW.astimezone(UTC)
