"""The office's HTTP API: what a school's client can do with its own extracts, and cannot see of others'."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import pytest
from pypdf import PdfReader

from chassis.auth import create_client
from chassis.database import DISTRICT
from chassis.http import make_app
from chassis.service import Service
from services.extracts.api import make_router
from services.extracts.rendering import Renderer
from services.extracts.settings import Settings
from tests.integration.extracts_office import HOUR, Family, Office, Request
from tests.support.builders import SCHOOL, a_final_grade, a_school
from tests.support.databases import ServiceDatabases


@dataclass
class Door:
    """The API, with a client of the school, one of another school, and one of the district."""

    office: Office
    http: httpx.AsyncClient
    own: str
    foreign: str
    district: str

    async def call(self, method: str, path: str, *, token: str | None = None, **how: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.own if token is None else token}"}
        return await self.http.request(method, path, headers=headers, **how)

    async def rendered(self, number: int = 1) -> list[Request]:
        requests = []
        for _ in range(number):
            family = Family()
            grade = a_final_grade().of(family.student)
            requests.append(Request(family, (grade,)))
            await self.office.hears(a_school().event(), *family.known(), grade.event(), requests[-1].event())
        await self.office.renders()
        return requests


@pytest.fixture
async def door(service_database: ServiceDatabases, tmp_path) -> AsyncIterator[Door]:
    database = await service_database("extracts")
    renderer = Renderer(threads=1)
    office = Office(database, renderer)
    settings = Settings(database_url="unused", kafka_bootstrap="127.0.0.1:1", print_run_sheets=3)
    service = Service(settings, database, "extracts", routers=[make_router(database, office.clock, renderer, settings)])
    async with database.transaction(DISTRICT) as conn:
        own = await create_client(conn, school_id=SCHOOL, label="school")
        foreign = await create_client(conn, school_id=uuid4(), label="other school")
        district = await create_client(conn, school_id=None, label="district")
    transport = httpx.ASGITransport(make_app(service))
    async with httpx.AsyncClient(transport=transport, base_url="http://extracts") as http:
        yield Door(office, http, own, foreign, district)
    renderer.close()


async def test_a_school_prints_and_hands_over_through_the_api(door, tmp_path):
    first, second = await door.rendered(2)
    queue = (await door.call("GET", f"/v1/schools/{SCHOOL}/print-queue")).json()["sheets"]
    assert [sheet["number"] for sheet in queue] == ["2026/000001", "2026/000002"]
    assert queue[0]["student"] == "Примерова Анна Образцовна"

    run = await door.call("POST", f"/v1/schools/{SCHOOL}/print-runs", json={"due_within_hours": 24})
    assert run.status_code == 201
    ids = run.json()["extract_ids"]
    pdf = await door.call("GET", run.json()["pdf"])
    assert pdf.headers["content-type"] == "application/pdf"
    assert pdf.headers["cache-control"] == "no-store"
    (tmp_path / "run.pdf").write_bytes(pdf.content)
    assert len(PdfReader(tmp_path / "run.pdf").pages) == 2

    printed = await door.call("POST", "/v1/extracts/printed", json={"ids": ids, "desk": "Секретариат"})
    assert printed.json() == {"done": ids, "already": [], "refused": []}
    handed = await door.call("POST", f"/v1/extracts/{first.extract_id}/handed-over", json={"way": "by_post"})
    assert (handed.status_code, handed.json()["state"], handed.json()["way"]) == (200, "handed_over", "by_post")

    jam = await door.call("POST", "/v1/extracts/jammed", json={"ids": ids})
    assert jam.json()["done"] == [str(second.extract_id)]
    assert jam.json()["refused"] == [{"id": str(first.extract_id), "reason": "not_printed"}]

    register = await door.call(
        "GET", f"/v1/schools/{SCHOOL}/register", params={"from": "2026-10-01", "to": "2026-10-31"}
    )
    kinds = [entry["kind"] for entry in register.json()["entries"]]
    assert kinds == ["numbered", "numbered", "printed", "printed", "handed_over", "jammed"]
    assert register.json()["entries"][2]["made_by"] == "Секретариат"
    assert register.json()["next_after"] is None


async def test_an_extract_tells_its_state_and_what_it_waits_for(door):
    family = Family()
    request = Request(family, (a_final_grade().of(family.student),))
    await door.office.hears(request.event(), a_school().event())
    view = (await door.call("GET", f"/v1/extracts/{request.extract_id}")).json()
    assert view["state"] == "requested"
    assert view["waits_for"] == ["student", "recipient", "results"]
    assert (await door.call("GET", f"/v1/extracts/{request.extract_id}.pdf")).status_code == 404


async def test_a_sheet_can_be_fetched_by_itself(door):
    (request,) = await door.rendered()
    pdf = await door.call("GET", f"/v1/extracts/{request.extract_id}.pdf")
    assert pdf.content.startswith(b"%PDF")
    assert pdf.headers["content-disposition"] == f'inline; filename="{request.extract_id}.pdf"'


async def test_a_foreign_school_finds_nothing(door):
    (request,) = await door.rendered()
    run = (await door.call("POST", f"/v1/schools/{SCHOOL}/print-runs", json={})).json()
    period = {"from": "2026-10-01", "to": "2026-10-31"}
    for method, path, how in (
        ("GET", f"/v1/schools/{SCHOOL}/print-queue", {}),
        ("GET", f"/v1/schools/{SCHOOL}/register", {"params": period}),
        ("POST", f"/v1/schools/{SCHOOL}/print-runs", {"json": {}}),
        ("GET", run["pdf"], {}),
        ("GET", f"/v1/extracts/{request.extract_id}", {}),
        ("GET", f"/v1/extracts/{request.extract_id}.pdf", {}),
        ("POST", f"/v1/extracts/{request.extract_id}/handed-over", {"json": {"way": "in_person"}}),
    ):
        answer = await door.call(method, path, token=door.foreign, **how)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), path
        assert (await door.call(method, path, token="", **how)).status_code == 401
    for path in ("/v1/extracts/printed", "/v1/extracts/jammed"):
        answer = await door.call("POST", path, token=door.foreign, json={"ids": [str(request.extract_id)]})
        assert answer.json()["refused"] == [{"id": str(request.extract_id), "reason": "not_found"}]
    await door.call("DELETE", f"/v1/print-runs/{run['id']}", token=door.foreign)
    queue = (await door.call("GET", f"/v1/schools/{SCHOOL}/print-queue")).json()["sheets"]
    assert queue[0]["taken_until"] is not None
    assert await door.office.state(request) == "rendered"


async def test_the_district_sees_every_school(door):
    (request,) = await door.rendered()
    assert (await door.call("GET", f"/v1/extracts/{request.extract_id}", token=door.district)).status_code == 200
    queue = await door.call("GET", f"/v1/schools/{SCHOOL}/print-queue", token=door.district)
    assert len(queue.json()["sheets"]) == 1


async def test_a_run_is_limited_and_can_be_given_back(door):
    await door.rendered(4)
    run = (await door.call("POST", f"/v1/schools/{SCHOOL}/print-runs", json={"limit": 2000})).json()
    assert len(run["extract_ids"]) == 3
    assert (await door.call("DELETE", f"/v1/print-runs/{run['id']}")).status_code == 204
    again = (await door.call("POST", f"/v1/schools/{SCHOOL}/print-runs", json={})).json()
    assert again["extract_ids"] == run["extract_ids"]


async def test_a_hand_over_that_cannot_be_is_refused_with_its_reason(door):
    (request,) = await door.rendered()
    path = f"/v1/extracts/{request.extract_id}/handed-over"
    early = await door.call("POST", path, json={"way": "in_person"})
    assert (early.status_code, early.json()["code"]) == (409, "not_printed")
    await door.call("POST", "/v1/extracts/printed", json={"ids": [str(request.extract_id)]})
    future = {"way": "in_person", "at": (door.office.clock.at + HOUR).isoformat()}
    assert (await door.call("POST", path, json=future)).json()["code"] == "in_the_future"
    await door.call("POST", path, json={"way": "in_person"})
    other = await door.call("POST", path, json={"way": "by_post"})
    assert (other.status_code, other.json()["code"]) == (409, "already_handed_over")


@pytest.mark.parametrize(
    ("method", "path", "how"),
    [
        ("POST", "/v1/extracts/printed", {"json": {"ids": []}}),
        ("POST", "/v1/extracts/printed", {"json": {"ids": ["x"]}}),
        ("POST", "/v1/extracts/printed", {"json": {"ids": [str(SCHOOL)], "desk": "a\x00b"}}),
        ("POST", f"/v1/extracts/{SCHOOL}/handed-over", {"json": {"way": "by_pigeon"}}),
        ("POST", f"/v1/extracts/{SCHOOL}/handed-over", {"json": {"way": "by_post", "at": "2026-10-23T10:00:00"}}),
        ("POST", f"/v1/schools/{SCHOOL}/print-runs", {"json": {"due_within_hours": -1}}),
        ("GET", f"/v1/schools/{SCHOOL}/register", {"params": {"from": "2026-10-02", "to": "2026-10-01"}}),
        ("GET", f"/v1/schools/{SCHOOL}/register", {"params": {"from": "2020-10-02", "to": "2026-10-01"}}),
        ("GET", f"/v1/schools/{SCHOOL}/register", {"params": {"from": "2026-10-02", "to": "9999-12-31"}}),
        ("GET", f"/v1/schools/{SCHOOL}/register", {"params": {"from": "9999-12-31", "to": "9999-12-31"}}),
    ],
)
async def test_a_request_that_does_not_fit_is_refused(door, method, path, how):
    answer = await door.call(method, path, **how)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
