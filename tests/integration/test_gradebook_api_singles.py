"""One record at a time: what was read is what is changed, and of two who change the same one learns of the other."""

import asyncio
from typing import Any

import pytest

from services.gradebook.records import MODELS, RecordKind
from services.gradebook.singles import SINGLES
from tests.integration.test_gradebook_api import Api, a_grade, api
from tests.integration.test_gradebook_journal import SET_AT, district, journal

__all__ = ["api", "district", "journal"]

MARK = "/v1/schools/{1}/marks/m1"
GRADE = "/v1/schools/{1}/final-grades/g1"


async def put(api: Api, path: str, body: dict[str, Any], *, by: str = "1", **headers: str) -> Any:
    """Writes a record."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await api.call("PUT", path, by=by, json=body, headers=named)


def a_mark(**changes: Any) -> dict[str, Any]:
    """The mark of the small district, as a teacher corrects it."""
    fields = {
        "student_id": "s1",
        "subject_id": "alg",
        "group_id": "7a-alg",
        "lesson_on": "2026-10-12",
        "work_type": "control_work",
        "weight": 2,
        "value": "4",
    }
    return fields | changes


async def test_a_record_is_read_with_its_revision_and_written_back_unchanged(api: Api) -> None:
    read = await api.call("GET", MARK)
    assert (read.status_code, read.headers["etag"]) == (200, '"1"')
    assert read.json() == a_mark(value="5", weight="2", mark_id="m1") | {
        "author_id": None,
        "comment": "",
        "lesson_id": None,
        "reason": "",
        "state": "active",
    }
    await api.journal.told()
    again = await put(api, MARK, read.json(), if_match='"1"')
    assert (again.status_code, again.headers["etag"], again.json()) == (200, '"1"', read.json())
    assert await api.journal.told() == []
    unchanged = await api.call("GET", MARK, headers={"If-None-Match": '"1"'})
    assert (unchanged.status_code, unchanged.headers["etag"], unchanged.content) == (304, '"1"', b"")


async def test_who_read_an_older_revision_is_told_so_and_changes_nothing(api: Api) -> None:
    first = await put(api, MARK, a_mark(), if_match='"1"')
    assert (first.status_code, first.headers["etag"], first.json()["value"]) == (200, '"2"', "4")
    late = await put(api, MARK, a_mark(value="2"), if_match='"1"')
    assert (late.status_code, late.json()["code"]) == (412, "stale")
    assert late.headers["content-type"] == "application/problem+json"
    blind = await put(api, MARK, a_mark(value="2"))
    assert (blind.status_code, blind.json()["code"]) == (428, "condition_needed")
    assert (await put(api, MARK, a_mark(value="2"), if_match='W/"2"')).status_code == 412
    assert (await put(api, MARK, a_mark(value="2"), if_none_match="*")).status_code == 412
    assert (await api.call("GET", MARK)).json()["value"] == "4"
    assert (await put(api, MARK, a_mark(value="3"), if_match='"7", "2"')).status_code == 200


async def test_a_new_record_is_created_once(api: Api) -> None:
    path = "/v1/schools/{1}/final-grades/2026%2Fq1%2F17"
    body = a_grade("2026/q1/17")
    assert (await api.call("GET", path)).json()["code"] == "unknown_record"
    assert (await put(api, path, body, if_match='"1"')).status_code == 412
    made = await put(api, path, body, if_none_match="*")
    assert (made.status_code, made.headers["etag"]) == (201, '"1"')
    assert (await put(api, path, body, if_none_match="*")).status_code == 412
    without_id = {name: value for name, value in a_grade("x").items() if name != "result_id"}
    assert (await put(api, "/v1/schools/{1}/final-grades/x", without_id)).status_code == 201
    other = await put(api, "/v1/schools/{1}/final-grades/y", body)
    assert (other.status_code, other.json()["errors"][0]["pointer"]) == (422, "/result_id")


async def test_a_withdrawn_record_stays_and_can_be_restored(api: Api) -> None:
    assert (await api.call("DELETE", GRADE)).status_code == 428
    assert (await api.call("DELETE", GRADE, headers={"If-Match": '"9"'})).status_code == 412
    gone = await api.call("DELETE", GRADE, headers={"If-Match": '"1"'})
    assert (gone.status_code, gone.headers["etag"]) == (204, '"2"')
    read = await api.call("GET", GRADE)
    assert (read.json()["state"], read.json()["value"], read.headers["etag"]) == ("withdrawn", None, '"2"')
    restored = await put(api, GRADE, a_grade("g1", subject_id="alg"), if_match=read.headers["etag"])
    assert (restored.status_code, restored.json()["state"]) == (200, "active")
    assert (await api.call("DELETE", GRADE + "9", headers={"If-Match": "*"})).status_code == 404


@pytest.mark.parametrize("attempt", range(5))
async def test_of_two_who_write_at_the_same_time_one_wins_and_one_is_told(api: Api, attempt: int) -> None:
    answers = await asyncio.gather(*(put(api, MARK, a_mark(value=value), if_match='"1"') for value in ("4", "3")))
    assert sorted(answer.status_code for answer in answers) == [200, 412], attempt
    winner = next(answer for answer in answers if answer.status_code == 200)
    assert (await api.call("GET", MARK)).json() == winner.json()
    created = await asyncio.gather(
        *(put(api, "/v1/schools/{1}/marks/n1", a_mark(value=v), if_none_match="*") for v in ("4", "3"))
    )
    assert sorted(answer.status_code for answer in created) == [201, 412]


async def test_what_the_journal_refuses_is_named(api: Api) -> None:
    for body, pointer, code in (
        (a_mark(value="6"), "/value", "outside_scale"),
        (a_mark(student_id="absent"), "/student_id", "orphan_row"),
        (a_mark(hold=True), "/hold", "unknown_field"),
        (a_mark(lesson_on="2026-10-30"), "/lesson_on", "in_future"),
    ):
        refused = await put(api, MARK, body, if_match="*")
        assert (refused.status_code, refused.json()["code"]) == (422, "record_refused")
        assert [(error["pointer"], error["code"]) for error in refused.json()["errors"]] == [(pointer, code)]
    for content in (b"", b"[]", b"{"):
        assert (await api.call("PUT", MARK, content=content)).json()["code"] == "invalid_body"


async def test_nobody_reads_or_writes_in_another_school(api: Api) -> None:
    for method in ("GET", "PUT", "DELETE"):
        foreign = await api.call(method, MARK, by="2", headers={"If-Match": "*"}, json=a_mark())
        assert foreign.status_code == 403
    elsewhere = MARK.replace("{1}", "{2}")
    assert (await api.call("GET", elsewhere, by="district")).status_code == 404
    assert (await api.call("GET", elsewhere, by="2")).status_code == 404
    taken = await put(api, elsewhere, a_mark(student_id="s3", group_id=None), by="2")
    assert (taken.status_code, taken.json()["errors"][0]["code"]) == (422, "foreign_id")
    assert (await put(api, elsewhere, a_mark(), by="district")).json()["errors"][0]["code"] == "foreign_id"
    assert (await api.call("GET", MARK)).headers["etag"] == '"1"'


@pytest.mark.parametrize("name", ["lessons", "homework", "recommendations", "exam-results"])
async def test_every_kind_is_written_read_and_withdrawn_alike(api: Api, name: str) -> None:
    kind = SINGLES[name].kind
    records: dict[RecordKind, dict[str, Any]] = {
        RecordKind.LESSONS: {"group_id": "7a-alg", "subject_id": "alg", "lesson_on": "2026-10-12", "number": 1},
        RecordKind.HOMEWORK: {
            "group_id": "7a-alg",
            "subject_id": "alg",
            "assigned_on": "2026-10-12",
            "content": "№ 1–5; повторить",
            "attachments": [{"title": "Задачник", "url": "https://example.org/1"}],
            "student_ids": ["s1"],
        },
        RecordKind.RECOMMENDATIONS: {
            "student_id": "s1",
            "given_on": "2026-10-12",
            "kind": "observation",
            "content": "Ч",
        },
        RecordKind.EXAM_RESULTS: {
            "student_id": "s1",
            "subject_id": "alg",
            "kind": "oge",
            "title": "ОГЭ",
            "score": 20,
            "obtained_at": SET_AT,
        },
    }
    path = f"/v1/schools/{{1}}/{name}/n1"
    made = await put(api, path, records[kind])
    assert made.status_code == 201, made.text
    read = await api.call("GET", path)
    assert read.json() == made.json()
    assert MODELS[kind].model_validate(read.json(), extra="forbid").key() == ("n1",)
    assert (await put(api, path, read.json(), if_match='"1"')).headers["etag"] == '"1"'
    assert (await api.call("DELETE", path, headers={"If-Match": '"1"'})).headers["etag"] == '"2"'
