"""The HTTP API: what fits is taken, what does not is pointed at, and nobody reaches beyond their school."""

import io
import zipfile
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx
import orjson
import pytest

from chassis.auth import create_client
from chassis.database import DISTRICT
from chassis.service import Service
from contracts.final_grade_set import FinalGradeSet
from services.gradebook.api import make_router
from services.gradebook.settings import Settings
from tests.integration.test_gradebook_journal import DISTRICT_FILES, SET_AT, Journal, district, journal

__all__ = ["district", "journal"]


@dataclass
class Api:
    """The API with a token for the district and one for each school."""

    http: httpx.AsyncClient
    journal: Journal
    tokens: dict[str, str]
    schools: dict[str, UUID]

    async def call(self, method: str, path: str, *, by: str = "1", **options: Any) -> httpx.Response:
        """Calls as a client; `{1}` and `{2}` in the path are the schools."""
        for number, school_id in self.schools.items():
            path = path.replace(f"{{{number}}}", str(school_id))
        headers = {"Authorization": f"Bearer {self.tokens[by]}"} | options.pop("headers", {})
        return await self.http.request(method, path, headers=headers, **options)

    async def post(self, path: str, body: Any, *, by: str = "1") -> httpx.Response:
        """Sends JSON."""
        return await self.call("POST", path, by=by, json=body)


@pytest.fixture
async def api(district: Journal) -> AsyncIterator[Api]:
    """The API of the small district."""
    settings = Settings(
        database_url="unused", kafka_bootstrap="unused", bulk_max_bytes=100_000, import_max_upload_bytes=100_000
    )
    router = make_router(district.database, district.clock, settings)
    service = Service(settings, district.database, "Gradebook", routers=[router])
    schools = {number: await district.id_of("school", number) for number in ("1", "2")}
    async with district.database.transaction(DISTRICT) as conn:
        tokens = {number: await create_client(conn, school_id=id_, label=number) for number, id_ in schools.items()}
        tokens["district"] = await create_client(conn, school_id=None, label="district")
    tokens["nobody"] = f"{uuid4()}.secret"
    transport = httpx.ASGITransport(service.app(), raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://gradebook") as http:
        yield Api(http, district, tokens, schools)


def a_grade(result_id: str = "n1", **changes: Any) -> dict[str, Any]:
    """A final grade as JSON."""
    fields = {
        "result_id": result_id,
        "student_id": "s1",
        "subject_id": "rus",
        "period_id": "q1",
        "value": "5",
        "obtained_at": SET_AT,
        "held": False,
    }
    return fields | changes


async def test_records_are_taken_as_an_array_or_line_by_line(api: Api) -> None:
    first = await api.post("/v1/schools/{1}/final-grades", [a_grade("n1"), a_grade("n2", student_id="s2")])
    assert (first.status_code, first.json()) == (200, {"added": 2, "changed": 0, "unchanged": 0, "rejected": []})
    lines = b"\n".join(orjson.dumps(record) for record in (a_grade("n1"), a_grade("n3", subject_id="alg")))
    second = await api.call(
        "POST", "/v1/schools/{1}/final-grades", content=lines, headers={"Content-Type": "application/x-ndjson"}
    )
    assert second.json() == {"added": 1, "changed": 0, "unchanged": 1, "rejected": []}
    assert len([event for event in await api.journal.told() if isinstance(event, FinalGradeSet)]) == 3


@pytest.mark.parametrize("ndjson", [False, True])
async def test_if_asked_to_good_records_are_taken_and_each_bad_one_is_pointed_at(api: Api, ndjson: bool) -> None:
    records = [
        a_grade("n1"),
        a_grade("n2", value="6"),
        a_grade("n3", hold=True),
        "no object",
        a_grade("n4", student_id="absent", obtained_at=SET_AT),
        a_grade("n5", value="7", obtained_at="2026-10-23"),
    ]
    if ndjson:
        response = await api.call(
            "POST",
            "/v1/schools/{1}/final-grades?partial=true",
            content=b"\n".join(map(orjson.dumps, records)) + b"\n",
            headers={"Content-Type": "application/x-ndjson; charset=utf-8"},
        )
    else:
        response = await api.post("/v1/schools/{1}/final-grades?partial=true", records)
    assert response.status_code == 200
    assert response.json()["added"] == 1
    assert [(item["pointer"], item["code"]) for item in response.json()["rejected"]] == [
        ("/1/value", "outside_scale"),
        ("/2/hold", "unknown_field"),
        ("/3", "bad_json"),
        ("/4/student_id", "orphan_row"),
        ("/5/value", "outside_scale"),
        ("/5/obtained_at", "bad_instant"),
    ]


async def test_one_bad_record_keeps_all_out_unless_the_others_are_asked_for(api: Api) -> None:
    records = [a_grade("n1"), a_grade("n2", value="6"), a_grade("n3", student_id="absent"), a_grade("n4")]
    response = await api.post("/v1/schools/{1}/final-grades", records)
    assert (response.status_code, response.json()["code"]) == (422, "nothing_taken")
    assert [(error["pointer"], error["code"]) for error in response.json()["errors"]] == [
        ("/1/value", "outside_scale"),
        ("/2/student_id", "orphan_row"),
    ]
    assert all(error["detail"] for error in response.json()["errors"])
    assert await api.journal.told() == []
    assert (await api.post("/v1/schools/{1}/final-grades", [a_grade("n1"), a_grade("n4")])).json()["added"] == 2


@pytest.mark.parametrize("query", ["", "?partial=true"])
async def test_when_nothing_could_be_taken_it_is_a_problem_with_pointers(api: Api, query: str) -> None:
    response = await api.post(f"/v1/schools/{{1}}/final-grades{query}", [a_grade(value="6")])
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == "nothing_taken"
    assert response.json()["errors"][0]["pointer"] == "/0/value"


@pytest.mark.parametrize("body", [b"", b"{", b"{}", b"null", b'"text"', b"\xff\xfe", b"[1,"])
async def test_a_body_that_is_no_list_of_records_is_a_problem(api: Api, body: bytes) -> None:
    response = await api.call(
        "POST", "/v1/schools/{1}/marks", content=body, headers={"Content-Type": "application/json"}
    )
    assert (response.status_code, response.json()["code"]) == (422, "invalid_body")


async def test_an_empty_list_is_no_error(api: Api) -> None:
    response = await api.post("/v1/schools/{1}/marks", [])
    assert response.json() == {"added": 0, "changed": 0, "unchanged": 0, "rejected": []}


async def test_bodies_have_their_bounds(api: Api) -> None:
    many = await api.call("POST", "/v1/schools/{1}/marks", content=b"[" + b"1," * 5000 + b"1]")
    assert (many.status_code, many.json()["code"]) == (413, "too_many_records")
    large = await api.call("POST", "/v1/schools/{1}/marks", content=b" " * 100_001)
    assert (large.status_code, large.json()["code"]) == (413, "body_too_large")
    other = await api.call(
        "POST", "/v1/schools/{1}/marks", content=b"a;b", headers={"Content-Type": "text/csv; charset=utf-8"}
    )
    assert (other.status_code, other.json()["code"]) == (415, "unsupported_media_type")


@pytest.mark.parametrize(
    ("path", "record"),
    [
        ("people", {"person_id": "n1", "role": "student", "family": "Новый", "given": "Олег", "school_id": "1"}),
        ("groups", {"group_id": "n1", "school_id": "1", "kind": "class", "name": "5А", "grade_level": 5}),
        ("members", {"group_id": "7a-alg", "person_id": "s2"}),
        ("representatives", {"representative_id": "p1", "student_id": "s2", "kind": "other", "in_force": True}),
        (
            "marks",
            {
                "mark_id": "n1",
                "student_id": "s1",
                "subject_id": "alg",
                "lesson_on": "2026-10-12",
                "work_type": "lab",
                "weight": 1.5,
                "value": "зач",
            },
        ),
        (
            "exam-results",
            {
                "result_id": "n1",
                "student_id": "s1",
                "subject_id": "alg",
                "kind": "competition",
                "title": "Олимпиада",
                "score": 17,
                "obtained_at": SET_AT,
            },
        ),
    ],
)
async def test_every_kind_is_taken_and_told(api: Api, path: str, record: dict[str, Any]) -> None:
    assert (await api.post(f"/v1/schools/{{1}}/{path}", [record])).json()["added"] == 1
    assert await api.journal.told()
    assert (await api.post(f"/v1/schools/{{1}}/{path}", [record], by="district")).json()["unchanged"] == 1
    assert await api.journal.told() == []


ENDPOINTS = [
    ("POST", "/v1/schools/{1}/marks", []),
    ("POST", "/v1/schools/{1}/final-grades", []),
    ("POST", "/v1/schools/{1}/exam-results", []),
    ("POST", "/v1/schools/{1}/people", []),
    ("POST", "/v1/schools/{1}/groups", []),
    ("POST", "/v1/schools/{1}/representatives", []),
    ("POST", "/v1/schools/{1}/members", []),
    ("POST", "/v1/schools/{1}/final-grades/release", {"result_ids": ["g1"]}),
    ("POST", "/v1/schools/{1}/final-grades/g1/withdraw", None),
    ("GET", f"/v1/schools/{{1}}/students/{uuid4()}/results", None),
]


async def test_no_endpoint_lets_in_a_stranger_or_another_schools_client(api: Api) -> None:
    for method, path, body in ENDPOINTS:
        stranger = await api.call(method, path, by="nobody", json=body)
        assert stranger.status_code == 401, path
        foreign = await api.call(method, path, by="2", json=body)
        assert (foreign.status_code, foreign.json()["code"]) == (403, "foreign_school"), path
        own = await api.call(method, path, by="1", json=body)
        assert own.status_code < 300, path
    for path in ("/v1/ids:resolve", "/v1/imports"):
        assert (await api.call("POST", path, by="nobody", json={"ids": ["s1"]})).status_code == 401


async def test_a_school_that_nobody_knows_is_not_found(api: Api) -> None:
    response = await api.post(f"/v1/schools/{uuid4()}/marks", [], by="district")
    assert (response.status_code, response.json()["code"]) == (404, "unknown_school")
    wrong = await api.post("/v1/schools/7/marks", [], by="district")
    assert (wrong.status_code, wrong.json()["code"]) == (422, "invalid_request")


async def test_held_grades_are_released_by_id_or_by_class_and_period(api: Api) -> None:
    by_class = await api.post("/v1/schools/{1}/final-grades/release", {"period_id": "q1", "class_id": "7a"})
    assert by_class.json() == {"released": 1, "unknown": []}
    by_id = await api.post("/v1/schools/{1}/final-grades/release", {"result_ids": ["g2", "absent"]})
    assert by_id.json() == {"released": 0, "unknown": ["absent"]}
    wrong: list[dict[str, Any]] = [
        {},
        {"period_id": "q1"},
        {"result_ids": ["g2"], "class_id": "7a"},
        {"result_ids": []},
    ]
    for body in wrong:
        assert (await api.post("/v1/schools/{1}/final-grades/release", body)).status_code == 422


async def test_a_grade_is_withdrawn_by_the_journals_own_id(api: Api) -> None:
    await api.post("/v1/schools/{1}/final-grades", [a_grade("2026/q1/17")])
    assert (await api.post("/v1/schools/{1}/final-grades/2026%2Fq1%2F17/withdraw", None)).status_code == 204
    absent = await api.post("/v1/schools/{1}/final-grades/absent/withdraw", None)
    assert (absent.status_code, absent.json()["code"]) == (404, "unknown_result")


async def test_ids_are_resolved_within_what_the_caller_may_see(api: Api) -> None:
    body = {"ids": ["s1", "s3", "absent"]}
    own = await api.post("/v1/ids:resolve", body)
    assert own.json() == {
        "ids": {"s1": str(await api.journal.id_of("person", "s1"))},
        "unknown": ["absent", "s3"],
    }
    assert (await api.post("/v1/ids:resolve", body, by="district")).json()["unknown"] == ["absent"]


async def test_results_of_a_student_are_read_back(api: Api) -> None:
    anna = await api.journal.id_of("person", "s1")
    response = await api.call("GET", f"/v1/schools/{{1}}/students/{anna}/results")
    exam, grade = response.json()["results"]
    assert (exam["kind"], exam["score"], exam["grade"], exam["late_at_source"]) == ("oge", "22", "5", True)
    assert (grade["kind"], grade["external_id"], grade["grade"]) == ("final_grade", "g1", "4")
    assert (grade["due_at"], grade["late_at_source"]) == ("2026-10-24T11:00:00Z", False)
    boris = await api.journal.id_of("person", "s3")
    assert (await api.call("GET", f"/v1/schools/{{1}}/students/{boris}/results")).json()["results"] == []


def an_archive(files: dict[str, str]) -> bytes:
    """A ZIP archive."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(f"{name}.csv", content)
    return target.getvalue()


async def test_a_file_is_imported_with_a_report(api: Api) -> None:
    files = {"final_grades": DISTRICT_FILES["final_grades"] + f"n1,s1,rus,q1,9,{SET_AT},\n"}
    upload = {"file": ("../../district.zip", an_archive(files))}
    trial = await api.call("POST", "/v1/imports?dry_run=true", by="district", files=upload)
    assert (trial.status_code, trial.json()["exit_code"], trial.json()["dry_run"]) == (200, 2, True)
    report = await api.call("POST", "/v1/imports", by="district", files=upload)
    assert report.json()["counts"]["final_grades"] == {"added": 0, "changed": 0, "unchanged": 3, "rejected": 1}
    assert report.json()["rejections"][0]["line"] == 5


async def test_a_school_imports_its_own_rows_only(api: Api) -> None:
    upload = {"file": ("people.csv", DISTRICT_FILES["people"].encode())}
    report = await api.call("POST", "/v1/imports", by="2", files=upload)
    assert report.json()["counts"]["people"] == {"added": 0, "changed": 0, "unchanged": 2, "rejected": 4}


async def test_a_file_of_which_nothing_can_be_taken_is_a_problem(api: Api) -> None:
    response = await api.call("POST", "/v1/imports", files={"file": ("a.zip", b"not a zip")})
    assert (response.status_code, response.json()["code"]) == (422, "nothing_imported")
    assert response.json()["errors"][0]["code"] == "not_an_archive"
    large = await api.call("POST", "/v1/imports", files={"file": ("a.zip", b"x" * 100_001)})
    assert (large.status_code, large.json()["code"]) == (413, "file_too_large")
    missing = await api.call("POST", "/v1/imports", data={"x": "y"})
    assert missing.status_code == 422


async def test_openapi_tells_the_records(api: Api) -> None:
    document = (await api.http.get("/openapi.json")).json()
    body = document["paths"]["/v1/schools/{school_id}/final-grades"]["post"]["requestBody"]["content"]
    assert "held" in body["application/json"]["schema"]["items"]["properties"]
    assert "$ref" not in orjson.dumps(body).decode()
    assert "application/x-ndjson" in body
