"""C3 and C4: every result is recorded and what cannot be is refused; and what it will come to is forecast."""

import csv
import json
import random
from collections import Counter
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.forecast_updated import ForecastUpdated
from contracts.mark_recorded import MarkRecorded
from contracts.recommendation_changed import RecommendationChanged
from contracts.study_group_changed import StudyGroupChanged
from services.gradebook.forecast.history import Row
from tests.e2e.clauses.diary import SCHOOL, Diary, as_json
from tests.support.past_grades import ability_and_strictness
from tests.support.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

MATHS, HISTORY = "subject-maths", "subject-history"
DAY = timedelta(days=1)


async def test_c3_1_a_mark_is_kept_with_its_work_weight_lesson_day_and_author_and_every_change_in_its_history(
    diary: Diary,
):
    group = diary.in_class(8)
    student, lesson = diary.students(group)[0], diary.lessons(group)[0]
    _, cursor = await diary.changes()
    url = f"{diary.school}/marks/record-1"
    body = as_json(diary.mark("record-1", student, lesson, "3", work_type="control_work", weight="2.5"))
    written = await diary.http.put(url, json=body)
    assert written.status_code == 201, written.text
    read = written.headers["etag"]
    assert (await diary.http.put(url, json=body | {"value": "4"})).status_code == 428, "which revision was read?"
    corrected = await diary.http.put(url, json=body | {"value": "4"}, headers={"If-Match": read})
    assert (corrected.status_code, corrected.json()["value"]) == (200, "4")
    stale = await diary.http.put(url, json=body | {"value": "5"}, headers={"If-Match": read})
    assert stale.status_code == 412, "two teachers do not overwrite each other"
    assert stale.json()["code"] == "stale"
    withdrawn = await diary.http.delete(url, headers={"If-Match": corrected.headers["etag"]})
    assert withdrawn.status_code == 204

    student_id, lesson_id = await diary.id("person", student), await diary.id("lesson", lesson.lesson_id)
    last = await diary.told.one(MarkRecorded, lambda one: one.lesson_id == lesson_id and one.state == "withdrawn")
    told = diary.told.all(MarkRecorded, lambda one: one.mark_id == last.mark_id)
    revisions = {one.revision: one for one in told}
    assert [(number, revisions[number].value) for number in sorted(revisions)] == [(1, "3"), (2, "4"), (3, "4")]
    first = revisions[1]
    assert (first.student_id, first.work_type.value, str(first.weight)) == (student_id, "control_work", "2.50")
    assert (first.lesson_on, first.author_id) == (lesson.lesson_on, await diary.id("person", lesson.teacher_id))
    shown = await diary.read(f"students/{student_id}/marks", from_=lesson.lesson_on, to=lesson.lesson_on)
    assert "record-1" not in [one["external_id"] for one in shown]

    async def whole_history() -> bool:
        items, _ = await diary.changes(cursor)
        own = [(one["revision"], one["state"]) for one in items if one["id"] == "record-1"]
        return own == [(1, "recorded"), (2, "recorded"), (3, "withdrawn")]

    await eventually(whole_history, what="all three revisions in the feed of changes")


async def test_c3_2_a_mark_that_cannot_be_is_refused_with_a_code_and_a_sentence(diary: Diary):
    group, elsewhere = diary.in_class(8), diary.in_class(9)
    student, lesson = diary.students(group)[1], diary.lessons(group)[0]
    other_day = next(one for one in diary.lessons(group, lesson.subject_id) if one.lesson_on != lesson.lesson_on)
    good = diary.mark("refused-1", student, lesson)
    for wrong, field, code in (
        ({"value": "6"}, "value", "outside_scale"),
        ({"student_id": diary.students(elsewhere)[0]}, "group_id", "not_in_group"),
        ({"lesson_on": diary.today + 2 * DAY, "lesson_id": None}, "lesson_on", "in_future"),
        ({"lesson_id": other_day.lesson_id}, "lesson_id", "no_lesson"),
        ({"student_id": "nobody"}, "student_id", "orphan_row"),
    ):
        fault = await diary.refused("marks", good | wrong)
        assert (fault["pointer"], fault["code"]) == (f"/0/{field}", code)
        assert len(fault["detail"].split()) > 3, fault

    seniors, half_year = diary.in_class(11), f"{SCHOOL}-half_year-1"
    closing = f"periods/{half_year}/closing"
    closed = await diary.http.post(f"{diary.school}/{closing}", params={"class_id": seniors})
    assert closed.json()["closed"], closed.text
    senior = diary.students(seniors)[0]
    fault = await diary.refused("marks", diary.mark("refused-2", senior, diary.lessons(seniors)[0]))
    assert (fault["pointer"], fault["code"]) == ("/0/lesson_on", "period_closed")
    opened = await diary.http.post(
        f"{diary.school}/{closing}/reopen", params={"class_id": seniors}, json={"reason": "Конец испытания"}
    )
    assert opened.status_code == 200, opened.text

    pair = [as_json(good), as_json(good | {"mark_id": "refused-3", "value": "6"})]
    assert (await diary.post("marks", pair)).status_code == 422
    assert (await diary.http.get(f"{diary.school}/marks/refused-1")).status_code == 404, "all of them, or none"
    partly = await diary.post("marks", pair, partial="true")
    assert (partly.json()["added"], [one["pointer"] for one in partly.json()["rejected"]]) == (1, ["/1/value"])
    assert (await diary.http.get(f"{diary.school}/marks/refused-1")).status_code == 200


async def test_c3_3_all_three_levels_are_kept_and_a_student_who_moves_takes_the_marks_along(diary: Diary):
    for period, levels in (("quarter-1", {*range(2, 10)}), ("half_year-1", {10, 11}), ("year-1", {*range(2, 12)})):
        report = await diary.read(f"periods/{SCHOOL}-{period}/closing")
        assert {part["grade_level"] for part in report["classes"]} == levels, period
        assert all(part["lines"] for part in report["classes"])

    old = diary.in_class(4)
    student = diary.students(old)[-1]
    lessons = diary.lessons(old, MATHS)
    moved_on = lessons[-1].lesson_on
    before = [one for one in diary.system.district.marks if (one.student_id, one.subject_id) == (student, MATHS)]
    await diary.send(
        "groups", {"group_id": "class-4b", "school_id": SCHOOL, "kind": "class", "name": "4Б", "grade_level": 4}
    )
    await diary.send(
        "members",
        {"group_id": old, "person_id": student, "left_on": moved_on - DAY},
        {"group_id": "class-4b", "person_id": student, "joined_on": moved_on},
    )
    student_id, new_id = await diary.id("person", student), await diary.id("group", "class-4b")
    await diary.told.one(StudyGroupChanged, lambda one: one.group_id == new_id and one.member_ids == [student_id])
    old_id = await diary.id("group", old)
    await diary.told.one(StudyGroupChanged, lambda one: one.group_id == old_id and student_id not in one.member_ids)

    after = diary.mark("moved-1", student, lessons[-1])
    assert (await diary.refused("marks", after))["code"] == "not_in_group"
    await diary.send("marks", after | {"group_id": "class-4b", "lesson_id": None})
    first, last = diary.quarter
    query = {"subject_id": await diary.id("subject", MATHS), "from_": first, "to": last}
    page = await diary.read(f"groups/{new_id}/marks", **query)
    (own,) = [row for row in page["students"] if row["student_id"] == str(student_id)]
    names = {one.mark_id for one in before if first <= one.lesson_on <= last} | {"moved-1"}
    assert {one["external_id"] for one in own["marks"]} == names
    report = await diary.read(f"periods/{SCHOOL}-quarter-1/closing", class_id="class-4b")
    (line,) = [one for one in report["classes"][0]["lines"] if one["subject_id"] == str(query["subject_id"])]
    assert line["marks"] == len(names)


async def test_c3_4_grade_1_has_no_marks_but_observations(diary: Diary):
    group = diary.in_class(1)
    student, lesson = diary.students(group)[0], diary.lessons(group)[0]
    assert (await diary.refused("marks", diary.mark("first-1", student, lesson)))["code"] == "grade_one"
    seen = {
        "recommendation_id": "first-2", "student_id": student, "group_id": group, "kind": "observation",
        "given_on": lesson.lesson_on, "content": "Читает уверенно", "author_id": lesson.teacher_id,
    }  # fmt: skip
    await diary.send("recommendations", seen)
    told = await diary.told.one(RecommendationChanged, lambda one: one.text == "Читает уверенно")
    assert (told.kind, told.student_id) == ("observation", await diary.id("person", student))
    report = await diary.read(f"periods/{SCHOOL}-quarter-1/closing")
    assert all(student != line["student"] for part in report["classes"] for line in part["lines"])


async def test_c3_5_a_school_sees_and_changes_its_own_journal_only(diary: Diary):
    other = "school_id,name,address,time_zone\nschool-9,Соседняя школа,ул. Соседняя,Europe/Moscow\n"
    await diary.import_archive("schools.csv", other.encode())
    other_id = await diary.id("school", "school-9")
    made = await diary.sutki("clients", "add", "gradebook", "journal of school 9", "--school", str(other_id))
    student = diary.students(diary.in_class(8))[0]
    student_id = await diary.id("person", student)
    headers = {"Authorization": f"Bearer {made.stdout.strip()}"}
    async with httpx.AsyncClient(base_url=str(diary.http.base_url), headers=headers, trust_env=False) as neighbour:
        for path in (f"students/{student_id}/results", f"students/{student_id}/forecasts", "homework", "lessons"):
            assert (await neighbour.get(f"{diary.school}/{path}")).status_code == 403, path
        lesson = diary.lessons(diary.in_class(8))[0]
        mark = as_json(diary.mark("theft-1", student, lesson))
        assert (await neighbour.post(f"{diary.school}/marks", json=[mark])).status_code == 403
        at_home = await neighbour.post(f"/v1/schools/{other_id}/marks", json=[mark])
        assert (at_home.status_code, at_home.json()["code"]) == (422, "nothing_taken")
        seen = (await neighbour.get("/v1/changes", params={"limit": 500})).json()
        assert {one["id"] for one in seen["items"]} == {"school-9"}
        resolved = await neighbour.post("/v1/ids:resolve", json={"kind": "person", "ids": [student]})
        assert resolved.json() == {"ids": {}, "unknown": [student]}
    assert (await diary.http.get(f"{diary.school}/marks/theft-1")).status_code == 404


# --- the forecast ---------------------------------------------------------------------------------------------------


async def running(diary: Diary, name: str) -> str:
    """A quarter that begins today, so that it runs in every season: of the school year after the sample's."""
    year = int(diary.school_year[:4]) + 1
    period = {
        "period_id": name, "school_id": SCHOOL, "kind": "quarter", "number": int(name[-1]),
        "school_year": f"{year}/{year + 1}", "starts_on": diary.today, "ends_on": diary.today + 60 * DAY,
    }  # fmt: skip
    await diary.send("periods", period)
    return str(await diary.id("period", name))


def todays_mark(diary: Diary, name: str, student: str, value: str, **more: Any) -> dict[str, Any]:
    """A mark in history of today."""
    lesson = diary.lessons(diary.class_of(student), HISTORY)[0]
    return diary.mark(name, student, lesson, value, **more) | {"lesson_on": diary.today, "lesson_id": None}


async def forecast(diary: Diary, student: str, period: str, marks: int) -> dict[str, Any]:
    """The student's forecast in history once it counts so many marks."""
    path = f"students/{await diary.id('person', student)}/forecasts"
    found: list[dict[str, Any]] = []
    subject = str(await diary.id("subject", HISTORY))

    async def counted() -> bool:
        found[:] = [
            one
            for one in await diary.read(path)
            if (one["period_id"], one["subject_id"], one["marks_counted"]) == (period, subject, marks)
        ]
        return bool(found)

    await eventually(counted, what=f"a forecast from {marks} marks")
    return found[0]


async def test_c4_1_a_forecast_says_how_probable_each_grade_is_and_what_is_needed_but_not_from_one_mark(diary: Diary):
    one, two = diary.students(diary.in_class(7))[:2]
    period = await running(diary, "forecast-1")
    await diary.send(
        "marks",
        todays_mark(diary, "forecast-a", one, "4"),
        *(todays_mark(diary, f"forecast-b{n}", two, value) for n, value in enumerate("34")),
    )
    early = await forecast(diary, two, period, 2)
    assert abs(sum(early["probabilities"].values()) - 1) < 1e-9
    assert min(early["probabilities"].values()) > 0
    assert early["band"] != "firm", "honest: two marks say little"
    assert all(early["words"][language]["headline"] for language in ("ru", "en"))
    assert early["words"]["ru"]["needed"], "what makes it the next grade"
    lonely = await diary.read(f"students/{await diary.id('person', one)}/forecasts")
    assert period not in [each["period_id"] for each in lonely], "never below two marks"

    works = [todays_mark(diary, f"forecast-c{n}", two, "5", work_type="control_work", weight="3") for n in range(8)]
    await diary.send("marks", *works)
    sure = await forecast(diary, two, period, 10)
    assert (sure["leading"], sure["band"] in ("likely", "firm")) == ("5", True)
    assert sure["probabilities"]["p5"] > max(early["probabilities"]["p5"], 0.5)


async def test_c4_2_on_its_own_past_a_district_sees_that_the_forecast_is_better_than_a_table(
    diary: Diary, tmp_path: Path
):
    rows = ability_and_strictness(random.Random(11), 120)
    file = tmp_path / "history.csv"
    file.write_text(history(rows), encoding="utf-8")
    judged = await diary.sutki("forecast", "evaluate", file, "--period", "4", "--folds", "3", "--json")
    assert judged.exit_code == 0, judged.output
    told = json.loads(judged.stdout)
    gain, scores = told["gain_over_better_table"], told["forecasters"]
    assert gain["brier"] >= 0.03, gain
    assert gain["log_loss"] >= 0.05, gain
    assert all(scores["sutki"]["log_loss"] <= one["log_loss"] for one in scores.values())

    asked = {f"у{number}" for number in range(90, 120)}
    file.write_text(history([row for row in rows if row.period != "4" or row.student not in asked]), encoding="utf-8")
    predicted = await diary.sutki("forecast", "predict", file, "--period", "4")
    table = list(csv.DictReader(predicted.stdout.splitlines()))
    assert {row["student"] for row in table} == asked
    assert all(abs(sum(float(row[name]) for name in ("p2", "p3", "p4", "p5")) - 1) < 1e-9 for row in table)


def history(rows: list[Row]) -> str:
    """Long rows as a district keeps them."""
    lines = [f"{row.student},{row.subject},{row.period},{row.grade:g}" for row in rows if row.grade is not None]
    return "\n".join(["student,subject,period,grade", *lines, ""])


async def test_c4_3_families_are_told_when_the_leading_grade_or_its_band_changes_and_when_the_grade_is_set(
    diary: Diary,
):
    student = diary.students(diary.in_class(7))[2]
    student_id, subject = await diary.id("person", student), await diary.id("subject", HISTORY)
    period = await running(diary, "forecast-2")
    count = 0
    for value, number in (("3", 2), ("3", 1), ("5", 2), ("5", 3)):
        batch = [todays_mark(diary, f"told-{count + n}", student, value) for n in range(number)]
        await diary.send("marks", *batch)
        count += number
        shown = await forecast(diary, student, period, count)

    def ours(one: ForecastUpdated) -> bool:
        of_period = one.period.number == 2 and one.period.starts_on == diary.today
        return (one.student_id, one.subject.id) == (student_id, subject) and of_period

    now = shown["leading"], shown["band"]
    await diary.told.one(ForecastUpdated, lambda one: ours(one) and (one.leading, one.band.value) == now)
    told = {one.revision: one for one in diary.told.all(ForecastUpdated, ours)}
    steps = [told[number] for number in sorted(told)]
    assert all((a.leading, a.band) != (b.leading, b.band) for a, b in pairwise(steps)), "nothing is told twice"
    assert Counter(one.state for one in steps) == {"current": len(steps)}

    grade = {"result_id": "forecast-3", "student_id": student, "subject_id": HISTORY, "period_id": "forecast-2"}
    await diary.send("final-grades", grade | {"value": "4", "obtained_at": diary.now})
    closed = await diary.told.one(ForecastUpdated, lambda one: ours(one) and one.state == "closed")
    assert closed.revision > steps[-1].revision
    left = await diary.read(f"students/{student_id}/forecasts")
    assert period not in [one["period_id"] for one in left]
