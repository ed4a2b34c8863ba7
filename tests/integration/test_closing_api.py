"""Closing, deferrals, statistics and summary sheets over HTTP and on the command line, which do the same."""

import io
import json
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from typer.testing import CliRunner

from services.gradebook.records import RecordKind
from sutki import console
from sutki.cli import app
from tests.integration.test_closing_periods import PLAN, a_mark, complete
from tests.integration.test_gradebook_api import Api, api
from tests.integration.test_gradebook_journal import Journal, district, journal
from tests.integration.test_gradebook_results import a_grade, send
from tests.support.databases import ServiceDatabases

__all__ = ["api", "district", "journal"]

CLOSING = "/v1/schools/{1}/periods/q1/closing"
DEFERRAL = {
    "student_id": "s1",
    "subject_id": "rus",
    "period_id": "q1",
    "document_number": "095/у-17",
    "document_date": "2026-10-20",
    "due_on": "2026-11-20",
}


@pytest.fixture
async def office(api: Api) -> Api:
    """The API of the small district, whose class 7А has a plan."""
    report = await api.journal.take({"curriculum": PLAN})
    assert report.exit_code == 0
    return api


async def test_a_period_is_looked_at_refused_closed_and_opened_again(office: Api) -> None:
    looked = (await office.call("GET", CLOSING)).json()
    assert (looked["closed"], looked["missing"], looked["classes"][0]["counts"]) == (
        False,
        2,
        {"graded": 2, "no_marks": 2},
    )
    refused = await office.post(CLOSING, None)
    assert (refused.status_code, refused.json()["code"]) == (409, "grades_missing")
    assert [fault["code"] for fault in refused.json()["errors"]] == ["no_marks", "no_marks"]

    await complete(office.journal)
    closed = await office.call("POST", CLOSING, params={"class_id": "7a"})
    assert (closed.status_code, closed.json()["closed"]) == (200, True)
    late = await office.post("/v1/schools/{1}/marks", [json.loads(a_mark("k9").model_dump_json(exclude={"state"}))])
    assert late.json()["errors"][0]["code"] == "period_closed"
    withdrawn = await office.post("/v1/schools/{1}/final-grades/g1/withdraw", None)
    assert (withdrawn.status_code, withdrawn.json()["code"]) == (409, "period_closed")

    assert (await office.post(CLOSING + "/reopen", {"reason": " "})).status_code == 422
    reopened = await office.post(CLOSING + "/reopen", {"reason": "Ошибка"})
    assert reopened.json()["classes"][0]["state"] == "reopened"
    steps = (await office.call("GET", CLOSING + "/history")).json()
    assert [(step["state"], step["reason"], step["changed_by"]) for step in steps] == [
        ("closed", "", "1"),
        ("reopened", "Ошибка", "1"),
    ]


async def test_our_ids_do_as_well_as_the_journals_and_a_foreign_school_is_refused(office: Api) -> None:
    ours = await office.journal.id_of("period", "q1")
    assert (await office.call("GET", f"/v1/schools/{{1}}/periods/{ours}/closing")).status_code == 200
    assert (await office.call("GET", CLOSING, by="2")).status_code == 403
    assert (await office.call("GET", CLOSING, by="nobody")).status_code == 401
    for path, code in (
        ("/v1/schools/{1}/periods/q9/closing", "unknown_period"),
        ("/v1/schools/{1}/periods/q1-2/closing", "unknown_period"),
        (CLOSING + "?class_id=7b-2", "unknown_class"),
    ):
        answer = await office.call("GET", path)
        assert (answer.status_code, answer.json()["code"]) == (404, code)


async def test_a_reason_and_a_correction(office: Api) -> None:
    await complete(office.journal)
    await send(office.journal, RecordKind.FINAL_GRADES, a_grade("r1", subject_id="rus", value="н/а"))
    assert (await office.post(CLOSING, None)).json()["errors"][0]["code"] == "not_assessed_without_reason"
    told = await office.post("/v1/schools/{1}/final-grades/r1/reason", {"reason": "Пропущены все уроки"})
    assert told.status_code == 204
    assert (await office.post(CLOSING, None)).json()["closed"]
    corrected = await office.post("/v1/schools/{1}/final-grades/r1/correct", {"value": "3", "reason": "Пересдача"})
    assert (corrected.json()["value"], corrected.json()["value_revision"]) == ("3", 3)
    assert (await office.post("/v1/schools/{1}/final-grades/r9/reason", {"reason": "?"})).status_code == 404


async def test_a_deferral_is_asked_for_decided_on_and_listed(office: Api) -> None:
    asked = await office.post("/v1/schools/{1}/deferrals", DEFERRAL)
    assert (asked.status_code, asked.json()["state"], asked.json()["changed_by"]) == (201, "requested", "1")
    assert (await office.post("/v1/schools/{1}/deferrals", DEFERRAL)).json()["code"] == "already_deferred"
    wrong = await office.post("/v1/schools/{1}/deferrals", DEFERRAL | {"student_id": "s2", "reason": "travel"})
    assert (wrong.status_code, wrong.json()["code"]) == (422, "bad_reason")
    where = f"/v1/schools/{{1}}/deferrals/{asked.json()['deferral_id']}"
    decided = await office.post(where + "/decision", {"decision": "approve"})
    assert decided.json()["state"] == "approved"
    again = await office.post(where + "/decision", {"decision": "refuse", "note": "поздно"})
    assert (again.status_code, again.json()["code"]) == (409, "wrong_state")
    assert (await office.post(where + "/decision", {"decision": "put_off"})).status_code == 422
    (row,) = (await office.call("GET", "/v1/schools/{1}/deferrals", params={"state": "approved"})).json()
    assert (row["name"], row["subject"], row["due_on"]) == ("Примерова Анна Образцовна", "Русский язык", "2026-11-20")
    assert [step["state"] for step in (await office.call("GET", where + "/history")).json()] == [
        "requested",
        "approved",
    ]
    ended = await office.post(where + "/decision", {"decision": "cancel", "note": "Ошибка"})
    assert ended.json()["state"] == "cancelled"


async def test_a_grade_that_ended_a_deferral_is_explained_and_corrected_by_the_journals_name(office: Api) -> None:
    asked = await office.post("/v1/schools/{1}/deferrals", DEFERRAL)
    where = f"/v1/schools/{{1}}/deferrals/{asked.json()['deferral_id']}"
    assert (await office.post(where + "/decision", {"decision": "approve"})).status_code == 200
    await send(office.journal, RecordKind.FINAL_GRADES, a_grade("late", subject_id="rus"))
    results = await office.call(
        "GET", f"/v1/schools/{{1}}/students/{await office.journal.id_of('person', 's1')}/results"
    )
    (result_id,) = [row["result_id"] for row in results.json()["results"] if row["external_id"] == "late"]
    assert result_id != str(await office.journal.id_of("final_grade", "late"))

    told = await office.post("/v1/schools/{1}/final-grades/late/reason", {"reason": "Контрольная написана позже"})
    assert told.status_code == 204
    corrected = await office.post("/v1/schools/{1}/final-grades/late/correct", {"value": "5", "reason": "Пересдача"})
    assert (corrected.status_code, corrected.json()["result_id"], corrected.json()["value"]) == (200, result_id, "5")
    reasons = await office.journal.rows("SELECT result_id, reason FROM grade_reasons ORDER BY value_revision")
    assert [(str(row["result_id"]), row["reason"]) for row in reasons] == [
        (result_id, "Контрольная написана позже"),
        (result_id, "Пересдача"),
    ]


async def test_statistics_and_summary_sheets_as_json_and_as_workbooks(office: Api) -> None:
    counted = (await office.call("GET", "/v1/schools/{1}/periods/q1/statistics", params={"by": "subject"})).json()
    (algebra, russian) = counted["rows"]
    assert (algebra["title"], algebra["results"]["average"], algebra["results"]["quality_percent"]) == (
        "Алгебра",
        "4.50",
        "100.00",
    )
    assert algebra["results"]["degree_of_learning_percent"] == "82.00"
    assert (russian["lessons"]["plan_hours"], russian["lessons"]["difference"]) == ("24.00", "-24.00")
    district = await office.call(
        "GET", "/v1/statistics", by="district", params={"kind": "quarter", "school_year": "2026/2027"}
    )
    assert district.json()["total"]["results"]["counts"]["зач"] == 1
    assert (await office.call("GET", "/v1/statistics?kind=quarter&school_year=2026/2027")).status_code == 403
    sheet = "/v1/schools/{1}/classes/7a/summary-sheet"
    written = (await office.call("GET", sheet, params={"school_year": "2026/2027"})).json()
    assert [student["name"] for student in written["students"]] == ["Образцов Борис", "Примерова Анна Образцовна"]
    for path in (
        sheet + ".xlsx?school_year=2026/2027&language=en",
        "/v1/schools/{1}/periods/q1/statistics.xlsx",
    ):
        answer = await office.call("GET", path)
        assert answer.headers["content-type"].startswith("application/vnd.openxmlformats")
        assert openpyxl.load_workbook(io.BytesIO(answer.content)).worksheets
    assert (await office.call("GET", sheet, params={"school_year": "1999/2000"})).status_code == 404


# --- the command line -----------------------------------------------------------------------------------------------


@pytest.fixture
async def command_line(
    district: Journal, service_database: ServiceDatabases, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Journal:
    """The small district where `sutki` finds it."""
    assert (await district.take({"curriculum": PLAN})).exit_code == 0
    monkeypatch.setenv("SUTKI_GRADEBOOK_DATABASE_URL", (await service_database.urls("gradebook")).app)
    monkeypatch.setenv("SUTKI_KAFKA_BOOTSTRAP", "unused")
    for terminal in (console.out, console.err):
        monkeypatch.setattr(terminal, "width", 200)
    monkeypatch.chdir(tmp_path)
    return district


async def sutki(*arguments: str) -> Any:
    """Runs `sutki …` as an operator would, in a thread of its own since it brings its own event loop."""
    import asyncio  # noqa: PLC0415 - the rest of the module needs none

    return await asyncio.to_thread(CliRunner().invoke, app, list(arguments))


async def test_close_period_says_who_is_missing_with_exit_code_2_and_closes_with_0(command_line: Journal) -> None:
    missing = await sutki("close-period", "1", "q1")
    assert missing.exit_code == 2
    assert "Примерова Анна" in missing.output
    assert "нет отметок и итоговой" in missing.output
    as_json = await sutki("close-period", "1", "q1", "--check", "--json")
    assert as_json.exit_code == 2, as_json.exception
    assert json.loads(as_json.stdout)["missing"] == 2
    await complete(command_line)
    checked = await sutki("close-period", "1", "q1", "--class", "7a", "--check")
    assert checked.exit_code == 0
    assert await command_line.rows("SELECT state FROM period_closings") == []
    assert (await sutki("close-period", "1", "q1")).exit_code == 0
    assert (await sutki("close-period", "1", "q1", "--json")).exit_code == 0
    (row,) = await command_line.rows("SELECT state, changed_by FROM period_closings")
    assert row["state"] == "closed"
    assert row["changed_by"].startswith("cli:")
    assert (await sutki("reopen-period", "1", "q1", "--because", "Ошибка")).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("close-period", "9", "q1"), "unknown_school"),
        (("close-period", "1", "q9"), "unknown_period"),
        (("close-period", "1", "q1-2"), "unknown_period"),
        (("close-period", "1", "q1", "--class", "7b-2"), "unknown_class"),
        (("reopen-period", "1", "q1", "--because", "так"), "not_closed"),
        (("statistics", "1", "q1-2"), "unknown_period"),
        (("summary-sheet", "1", "7b-2", "--json"), "unknown_class"),
    ],
)
async def test_what_cannot_be_done_ends_with_1_and_a_sentence(
    command_line: Journal, arguments: tuple[str, ...], code: str
) -> None:
    done = await sutki(*arguments)
    assert done.exit_code == 1
    assert code in done.output


async def test_statistics_and_summary_sheet_write_files(command_line: Journal, tmp_path: Path) -> None:
    table = await sutki("statistics", "1", "q1", "--by", "subject")
    assert table.exit_code == 0
    assert "4.50" in table.output
    by_class = await sutki("statistics", "1", "q1", "--json")
    assert [row["title"] for row in json.loads(by_class.stdout)["rows"]] == ["7А"]
    done = await sutki("statistics", "--school-year", "2026/2027", "--by", "district", "--xlsx", "d.xlsx", "--json")
    assert json.loads(done.stdout)["total"]["results"]["total"] == 3
    assert (tmp_path / "d.xlsx").read_bytes().startswith(b"PK")
    assert (await sutki("summary-sheet", "1", "7a", "7a.xlsx")).exit_code == 0
    page = openpyxl.load_workbook(tmp_path / "7a.xlsx").worksheets[0]
    assert "7А" in str(page["A1"].value)
    wrong = await sutki("statistics", "1", "q1", "--by", "month")
    assert (wrong.exit_code, "class" in wrong.output) == (1, True)


@pytest.mark.parametrize(
    "changes",
    [
        {"due_on": "9999-12-31"},
        {"document_number": "a\x00b"},
        {"document_number": "   "},
        {"reason": "Болезнь"},
        {"student_id": ""},
        {"more": 1},
    ],
)
async def test_a_request_that_cannot_be_read_is_pointed_at(office: Api, changes: dict[str, Any]) -> None:
    answer = await office.post("/v1/schools/{1}/deferrals", DEFERRAL | changes)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_request")
    assert answer.json()["errors"][0]["pointer"] == f"/{next(iter(changes))}"
