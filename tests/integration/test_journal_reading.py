"""Reading the journal back over HTTP: the week, lists page by page, the journal's page, the settings."""

from datetime import timedelta
from typing import Any

import pytest

from services.gradebook.api import BULK
from services.gradebook.records import RecordKind
from tests.integration.journal_school import kept, row, state
from tests.integration.test_gradebook_api import Api, api
from tests.integration.test_gradebook_journal import Journal, district, journal

__all__ = ["api", "district", "journal", "kept"]


async def got(api: Api, path: str, *, by: str = "1", **query: Any) -> Any:
    """The answer's JSON."""
    answer = await api.call("GET", path, by=by, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_groups_week_shows_timetable_lessons_and_substitutions(kept: Journal, api: Api) -> None:
    group = await kept.id_of("group", "7a")
    days = (await got(api, f"/v1/schools/{{1}}/groups/{group}/timetable", on="2026-10-21"))["days"]
    assert [day["on"] for day in days] == [f"2026-10-{number}" for number in range(19, 26)]
    (dictation,) = days[0]["lessons"]
    assert (dictation["number"], dictation["topic"], dictation["room"], dictation["state"]) == (
        2,
        "Диктант",
        "101",
        "planned",
    )
    assert dictation["substitution_id"] == str(await kept.id_of("substitution", "u1"))
    holidays = (await got(api, f"/v1/schools/{{1}}/groups/{group}/timetable", on="2026-10-26"))["days"]
    assert {(day["holiday"], len(day["lessons"])) for day in holidays} == {("Осенние каникулы", 0)}
    today = await got(api, f"/v1/schools/{{1}}/groups/{group}/timetable")
    assert today["days"][0]["on"] == "2026-10-19"


@pytest.mark.parametrize(
    ("path", "first", "kind"),
    [
        ("lessons", "l1", RecordKind.LESSONS),
        ("substitutions", "u1", RecordKind.SUBSTITUTIONS),
        ("control-works", "k1", RecordKind.CONTROL_WORKS),
        ("recommendations", None, RecordKind.RECOMMENDATIONS),
        ("attendance", None, RecordKind.ATTENDANCE),
        ("homework", None, RecordKind.HOMEWORK),
    ],
)
async def test_a_list_is_read_page_by_page_without_what_was_taken_back(
    kept: Journal, api: Api, path: str, first: str | None, kind: RecordKind
) -> None:
    seen: list[str] = []
    cursor: dict[str, str] = {}
    for _ in range(10):
        page = await got(api, f"/v1/schools/{{1}}/{path}", limit=1, **cursor)
        seen += [item["external_id"] for item in page["items"]]
        if page["next"] is None:
            break
        cursor = {"cursor": page["next"]}
    whole = await got(api, f"/v1/schools/{{1}}/{path}")
    assert seen == [item["external_id"] for item in whole["items"]]
    assert len(seen) == len(set(seen)) > 0
    if first is not None:
        assert seen[0] == first
        assert (await state(kept, kind, row(kind, state="withdrawn"))).changed == 1
        kept_ones = (await got(api, f"/v1/schools/{{1}}/{path}"))["items"]
        is_cancelled = kind is RecordKind.CONTROL_WORKS
        assert (first in [item["external_id"] for item in kept_ones]) == is_cancelled
        everything = (await got(api, f"/v1/schools/{{1}}/{path}", withdrawn=True))["items"]
        assert first in [item["external_id"] for item in everything]


async def test_lists_are_narrowed_by_day_group_subject_student_and_period(kept: Journal, api: Api) -> None:
    async def ids(path: str, **query: Any) -> list[str]:
        return [item["external_id"] for item in (await got(api, f"/v1/schools/{{1}}/{path}", **query))["items"]]

    anna, boris = await kept.id_of("person", "s1"), await kept.id_of("person", "s2")
    assert await ids("lessons", **{"from": "2026-10-13"}) == ["l2"]
    assert await ids("lessons", to="2026-10-12") == ["l1"]
    assert await ids("lessons", group_id=await kept.id_of("group", "7a-alg")) == []
    assert await ids("lessons", subject_id=await kept.id_of("subject", "rus")) == ["l1", "l2"]
    assert await ids("lessons", period_id=await kept.id_of("period", "q1")) == ["l1", "l2"]
    assert await ids("lessons", period_id=await kept.id_of("period", "q1-2")) == []
    assert await ids("attendance", student_id=anna) == ["a1"]
    assert sorted(await ids("homework", student_id=boris)) == ["d1", "d2"]
    assert await ids("homework", student_id=anna) == ["d1"]
    assert sorted(await ids("recommendations", student_id=anna)) == ["r1", "r2"]
    assert await ids("recommendations", student_id=boris) == ["r2"]


async def test_a_cursor_that_is_none_is_refused(api: Api) -> None:
    for cursor in ("x", "MjAyNi0xMC0xMi9u", "\x00", "é" * 20):
        answer = await api.call("GET", "/v1/schools/{1}/lessons", params={"cursor": cursor})
        assert (answer.status_code, answer.json()["code"]) == (422, "bad_cursor")


async def test_the_journals_page_has_marks_and_absences_of_whoever_was_in_the_group(kept: Journal, api: Api) -> None:
    mark = {
        "mark_id": "n1",
        "student_id": "s1",
        "subject_id": "rus",
        "group_id": "7a",
        "lesson_on": "2026-10-12",
        "work_type": "answer",
        "value": "5",
        "comment": "Молодец",
    }
    await state(kept, RecordKind.MARKS, mark)
    await kept.take({"members": "group_id,person_id,left_on\n7a,s1,2026-10-12\n"})
    group, subject = await kept.id_of("group", "7a"), await kept.id_of("subject", "rus")
    path = f"/v1/schools/{{1}}/groups/{group}/marks"
    page = await got(api, path, subject_id=subject, **{"from": "2026-09-01", "to": "2026-10-25"})
    anna, boris = str(await kept.id_of("person", "s1")), str(await kept.id_of("person", "s2"))
    lines = {line["student_id"]: line for line in page["students"]}
    assert set(lines) == {anna, boris}
    assert [(one["value"], one["weight"], one["comment"]) for one in lines[anna]["marks"]] == [("5", "1.00", "Молодец")]
    assert [one["code"] for one in lines[boris]["attendance"]] == ["late"]
    later = await got(api, path, subject_id=subject, **{"from": "2026-10-13"})
    assert [line["student_id"] for line in later["students"]] == [boris]


async def test_a_students_marks_are_read_whatever_group_they_were_given_in(kept: Journal, api: Api) -> None:
    await kept.take({"groups": "group_id,school_id,kind,name,grade_level,subject_id\n7v,1,class,7В,7,\n"})
    await kept.take({"members": "group_id,person_id,joined_on,left_on\n7a,s1,,2026-10-12\n7v,s1,2026-10-13,\n"})
    marks = [
        {"mark_id": name, "student_id": "s1", "subject_id": "rus", "group_id": group, "lesson_on": day,
         "work_type": "answer", "value": "4"}
        for name, group, day in (("n1", "7a", "2026-10-12"), ("n2", "7v", "2026-10-13"))
    ]  # fmt: skip
    assert (await state(kept, RecordKind.MARKS, *marks)).added == 2
    student = await kept.id_of("person", "s1")
    found = await got(
        api,
        f"/v1/schools/{{1}}/students/{student}/marks",
        subject_id=await kept.id_of("subject", "rus"),
        **{"from": "2026-09-01", "to": "2026-10-25"},
    )
    assert [(one["external_id"], one["group_id"]) for one in found] == [
        ("n1", str(await kept.id_of("group", "7a"))),
        ("n2", str(await kept.id_of("group", "7v"))),
    ]


@pytest.mark.parametrize("query", [{}, {"from": "2020-01-01", "to": "2026-01-01"}, {"to": "0001-01-01"}])
async def test_too_many_days_at_once_are_refused(kept: Journal, api: Api, query: dict[str, str]) -> None:
    student = await kept.id_of("person", "s1")
    answer = await api.call("GET", f"/v1/schools/{{1}}/students/{student}/marks", params=query)
    assert (answer.status_code, answer.json()["code"]) == (422, "bad_date")


async def test_teachers_curriculum_and_calendar_are_read(kept: Journal, api: Api) -> None:
    group = await kept.id_of("group", "7a")
    teachers = await got(api, f"/v1/schools/{{1}}/groups/{group}/teachers")
    assert [(one["role"], one["subject"]) for one in teachers] == [
        ("class_teacher", None),
        ("subject_teacher", "Русский язык"),
    ]
    plan = await got(api, f"/v1/schools/{{1}}/groups/{group}/curriculum")
    assert {(line["lesson_type"], line["hours"]) for line in plan} == {
        ("new_material", "24.00"),
        ("control_work", "2.50"),
    }
    assert [one["title"] for one in await got(api, "/v1/schools/{1}/campuses")] == ["Главное здание"]
    calendar = await got(api, "/v1/schools/{1}/calendar", school_year="2026/2027")
    assert calendar["holidays"] == [{"title": "Осенние каникулы", "starts_on": "2026-10-26", "ends_on": "2026-11-03"}]
    missing = await api.call("GET", "/v1/schools/{1}/calendar", params={"school_year": "2020/2021"})
    assert missing.status_code == 404


async def test_settings_are_stated_from_a_day_and_read_for_a_day(api: Api) -> None:
    path = "/v1/schools/{1}/policy/2026-11-01"
    first = await api.call("PUT", path, json={"minimum_marks": 4, "borders": {"three": "2.6"}})
    assert (first.status_code, first.json()) == (200, {"changed": True})
    again = await api.call("PUT", path, json={"minimum_marks": 4, "borders": {"three": "2.6"}})
    assert again.json() == {"changed": False}
    today = await got(api, "/v1/schools/{1}/policy")
    assert (today["on"], today["policy"]["minimum_marks"]) == ("2026-10-23", 3)
    later = await got(api, "/v1/schools/{1}/policy", on="2026-11-01")
    assert (later["policy"]["minimum_marks"], later["policy"]["borders"]["three"]) == (4, "2.6")
    unknown = await api.call("PUT", path, json={"minimun_marks": 4})
    assert unknown.status_code == 422


async def test_every_kind_can_be_sent_over_http_and_our_ids_are_found(kept: Journal, api: Api) -> None:
    assert set(BULK.values()) == set(RecordKind) - {RecordKind.SCHOOLS, RecordKind.SUBJECTS}
    kept.clock.advance(timedelta(minutes=1))
    sent = await api.post("/v1/schools/{1}/lessons", [row(RecordKind.LESSONS, lesson_id="n1", topic="Новое")])
    assert sent.json()["added"] == 1
    (lesson,) = await kept.rows("SELECT * FROM lessons WHERE external_id = 'n1'")
    assert lesson["changed_by"].startswith("client:")
    found = await api.post("/v1/ids:resolve", {"kind": "lesson", "ids": ["n1", "never"]})
    assert found.json() == {"ids": {"n1": str(lesson["lesson_id"])}, "unknown": ["never"]}
    elsewhere = await api.post("/v1/ids:resolve", {"kind": "lesson", "ids": ["n1"]}, by="2")
    assert elsewhere.json() == {"ids": {}, "unknown": ["n1"]}
