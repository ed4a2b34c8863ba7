"""C5: at the end of a period everyone has a final grade, what was held is counted, and the sheet has it all."""

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import openpyxl
import pytest

from contracts.final_grade_set import FinalGradeSet
from tests.e2e.clauses.diary import QUARTER, SCHOOL, Diary
from tests.support.waiting import eventually

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

CLOSING = f"periods/{QUARTER}/closing"
HISTORY = "subject-history"
NUMBERS = ("1", "2", "3", "4", "5")
Table = list[dict[str, str]]


def shown(value: Fraction | None) -> str | None:
    """Two decimals, half up."""
    if value is None:
        return None
    exact = Decimal(value.numerator) / Decimal(value.denominator)
    return str(exact.quantize(Decimal("0.01"), ROUND_HALF_UP))


async def lines(diary: Diary, **query: Any) -> dict[tuple[str, str], dict[str, Any]]:
    """Student and our id of the subject to the line of the head's list."""
    report = await diary.read(CLOSING, **query)
    return {(line["student"], line["subject_id"]): line for part in report["classes"] for line in part["lines"]}


async def ask_for_deferral(diary: Diary, student: str, subject: str, **more: Any) -> httpx.Response:
    """A deferral for illness, with its document."""
    asked = {
        "student_id": student, "subject_id": subject, "period_id": QUARTER, "document_number": "095/у-17",
        "document_date": str(diary.today - timedelta(days=3)), "due_on": str(diary.today + timedelta(days=14)),
    }  # fmt: skip
    return await diary.post("deferrals", asked | more)


async def decide(diary: Diary, deferral: Mapping[str, Any], decision: str, **more: Any) -> dict[str, Any]:
    """What the head decides."""
    answer = await diary.post(f"deferrals/{deferral['deferral_id']}/decision", {"decision": decision, **more})
    assert answer.status_code == 200, answer.text
    decided: dict[str, Any] = answer.json()
    return decided


async def test_c5_1_everyone_gets_a_final_grade_and_a_period_closes_only_when_nobody_is_missing_one(diary: Diary):
    truth, district = diary.system.truth.journal, diary.system.district
    report = await diary.read(CLOSING)
    missing = [line for part in report["classes"] for line in part["missing"]]
    lacking = {(student, str(await diary.id("subject", subject))) for student, subject in truth.lacking}
    assert {(line["student"], line["subject_id"]) for line in missing} == lacking
    assert Counter(line["gap"] for line in missing) == {"no_grade": 1, "not_assessed_without_reason": 1}
    assert [part["grade_level"] for part in report["classes"]] == list(range(2, 10)), "grade 1 has no grades"

    # The proposed grade beside each, from the marks of the sample.
    first, last = diary.quarter
    marks = defaultdict(list)
    for mark in district.marks:
        if mark.value in NUMBERS and first <= mark.lesson_on <= last:
            marks[mark.student_id, str(await diary.id("subject", mark.subject_id))].append(mark)
    of_class = await lines(diary, class_id=diary.in_class(9))
    for key, line in of_class.items():
        heavy = sum(Fraction(one.weight) for one in marks[key])
        mean = sum(Fraction(one.weight) * int(one.value) for one in marks[key]) / heavy if heavy else None
        assert (line["marks"], line["mean"]) == (len(marks[key]), shown(mean))
        assert line["proposed"] == (None if mean is None else int(mean + Fraction(1, 2)))
    assert len(of_class) > 50

    refused = await diary.post(CLOSING)
    assert (refused.status_code, refused.json()["code"]) == (409, "grades_missing")
    assert sorted(fault["code"] for fault in refused.json()["errors"]) == sorted(line["gap"] for line in missing)
    told = await diary.sutki("close-period", SCHOOL, QUARTER)
    assert told.exit_code == 2
    assert "н/а без причины" in told.output

    (not_assessed,) = district.not_assessed
    answer = await diary.post(f"final-grades/{not_assessed.result_id}/reason", {"reason": not_assessed.reason})
    assert answer.status_code == 204
    (ill,) = district.deferrals
    asked = await ask_for_deferral(diary, ill.student_id, ill.subject_id)
    await decide(diary, asked.json(), "approve")
    assert (await diary.sutki("close-period", SCHOOL, QUARTER)).exit_code == 0
    assert (await diary.read(CLOSING))["closed"]
    await closed_and_opened_again(diary)


async def closed_and_opened_again(diary: Diary) -> None:
    """What a closed quarter takes, and what it takes to open it."""
    student = diary.students(diary.in_class(9))[0]
    lesson = diary.lessons(diary.in_class(9))[0]
    assert (await diary.refused("marks", diary.mark("too-late", student, lesson)))["code"] == "period_closed"
    grade = next(one for one in diary.system.district.final_grades if one.student_id == student and one.value == "4")
    answer = await diary.post(f"final-grades/{grade.result_id}/correct", {"value": "5", "reason": "Ошибка в расчёте"})
    assert answer.status_code == 200, "the head may correct, and says why"
    told = await diary.told.one(
        FinalGradeSet, lambda one: str(one.result_id) == answer.json()["result_id"] and one.value == "5"
    )
    assert told.value_revision == told.revision > 1

    assert (await diary.post(CLOSING + "/reopen", {"reason": " "})).status_code == 422
    reopened = await diary.post(CLOSING + "/reopen", {"reason": "Жалоба родителей"})
    assert {part["state"] for part in reopened.json()["classes"]} == {"reopened"}
    steps = await diary.read(CLOSING + "/history")
    assert Counter((step["state"], step["reason"]) for step in steps) == {
        ("closed", ""): 8,
        ("reopened", "Жалоба родителей"): 8,
    }
    assert all(step["changed_by"] and step["changed_at"] for step in steps)
    await diary.send("marks", diary.mark("too-late", student, lesson))


async def test_c5_1_a_grade_held_for_the_council_reaches_the_family_when_the_head_releases_it(diary: Diary):
    parent, child = diary.system.a_consenting_pair()
    child_id = await diary.id("person", child)
    held = {
        "result_id": "held-1", "student_id": child, "subject_id": "subject-russian", "period_id": "school-1-year-1",
        "value": "5", "obtained_at": diary.now, "held": True,
    }  # fmt: skip
    await diary.send("final-grades", held)
    told = await diary.told.one(
        FinalGradeSet, lambda one: (one.student_id, one.period.kind.value, one.held) == (child_id, "year", True)
    )
    assert told.value == "5"
    waiting = await diary.read("periods/school-1-year-1/closing", class_id=diary.class_of(child))
    assert str(told.result_id) in [line["result_id"] for part in waiting["classes"] for line in part["held"]]

    async with diary.signed_in(parent) as cabinet:

        async def shown_to_the_parent() -> bool:
            results = (await cabinet.get(f"/v1/me/children/{child_id}/results")).json()
            return str(told.result_id) in [one["result_id"] for one in results]

        assert not await shown_to_the_parent()
        released = await diary.post("final-grades/release", {"result_ids": ["held-1"]})
        assert released.json() == {"released": 1, "unknown": []}
        event = await diary.told.one(FinalGradeSet, lambda one: one.result_id == told.result_id and not one.held)
        assert (event.revision, event.value_revision, event.value) == (2, 1, "5")
        await eventually(shown_to_the_parent, what="the released grade is in the cabinet")


# --- statistics -----------------------------------------------------------------------------------------------------


async def exported(diary: Diary, folder: Path) -> dict[str, Table]:
    """The whole journal as rows, by the command line."""
    done = await diary.sutki("export", folder, "--format", "plain", "--school", SCHOOL)
    assert done.exit_code == 0, done.output
    return read_tables(folder)


def read_tables(folder: Path) -> dict[str, Table]:
    """The rows of each file."""
    return {file.stem: list(csv.DictReader(io.StringIO(file.read_text("utf-8-sig")))) for file in folder.iterdir()}


def measures(grades: Iterable[str]) -> tuple[str | None, ...]:
    """Average, «успеваемость», «качество знаний», «СОУ»."""
    counts = Counter(grades)
    graded = sum(counts[value] for value in NUMBERS)
    assessed = graded + counts["н/а"]
    if not assessed:
        return None, None, None, None
    points = 100 * counts["5"] + 64 * counts["4"] + 36 * counts["3"] + 16 * counts["2"] + 8 * counts["н/а"]
    return (
        shown(Fraction(sum(int(value) * counts[value] for value in NUMBERS), graded)) if graded else None,
        shown(Fraction(100 * (counts["3"] + counts["4"] + counts["5"]), assessed)),
        shown(Fraction(100 * (counts["4"] + counts["5"]), assessed)),
        shown(Fraction(points, assessed)),
    )


def figures(row: Mapping[str, Any]) -> tuple[str | None, ...]:
    """The same of the statistics' answer."""
    of = row["results"]
    return of["average"], of["success_percent"], of["quality_percent"], of["degree_of_learning_percent"]


async def test_c5_2_results_and_held_lessons_are_counted_against_the_plan_to_the_last_digit(
    diary: Diary, tmp_path: Path
):
    rows = await exported(diary, tmp_path / "journal")
    classes = {row["group_id"]: row["name"] for row in rows["groups"] if row["kind"] == "class"}
    present = [row for row in rows["members"] if row["group_id"] in classes and not row["left_on"]]
    class_of = {row["person_id"]: row["group_id"] for row in present}
    grades = defaultdict(list)
    for row in rows["final_grades"]:
        if row["period_id"] == QUARTER and row["value"]:
            for unit in ("school", class_of[row["student_id"]], row["subject_id"]):
                grades[unit].append(row["value"])

    by_class = await diary.read(f"periods/{QUARTER}/statistics", by="class")
    counted = {row["title"]: row for row in by_class["rows"]}
    for group, name in classes.items():
        if grades[group]:
            assert figures(counted[name]) == measures(grades[group]), name
            assert counted[name]["results"]["total"] == len(grades[group])
    assert figures(by_class["total"]) == measures(grades["school"])
    by_subject = await diary.read(f"periods/{QUARTER}/statistics", by="subject")
    for row in by_subject["rows"]:
        (name,) = [one["subject_id"] for one in rows["subjects"] if one["title"] == row["title"]]
        assert figures(row) == measures(grades[name]), name

    await lessons_are_counted(diary, rows)
    district = await diary.http.get(
        "/v1/statistics", params={"kind": "quarter", "number": 1, "school_year": diary.school_year, "by": "school"}
    )
    (ours,) = [row for row in district.json()["rows"] if row["unit_id"] == str(diary.system.schools[SCHOOL])]
    assert figures(ours) == measures(grades["school"])

    file = tmp_path / "statistics.xlsx"
    assert (await diary.sutki("statistics", SCHOOL, QUARTER, "--xlsx", file)).exit_code == 0
    page = openpyxl.load_workbook(file).worksheets[0]
    table = {row[0]: row for row in page.iter_rows(values_only=True)}
    expected = [float(value) for value in measures(grades[diary.in_class(9)]) if value is not None]
    assert set(expected) <= {float(cell) for cell in table["9А"] if isinstance(cell, int | float)}


async def lessons_are_counted(diary: Diary, rows: Mapping[str, Table]) -> None:
    """Plan, held, moved, substituted and lost, by group and in all."""
    first, last = (str(day) for day in diary.quarter)
    changed = defaultdict(set)
    for row in rows["substitutions"]:
        if row["state"] == "active" and first <= row["lesson_on"] <= last:
            changed[row["kind"]].add(row["lesson_id"])
    expected: dict[str, Counter[str]] = defaultdict(Counter)
    types: dict[str, Counter[str]] = defaultdict(Counter)
    for row in rows["lessons"]:
        if first <= row["lesson_on"] <= last:
            of, name = expected[row["group_id"]], row["lesson_id"]
            of["planned"] += 1
            of["held"] += row["status"] == "held"
            types[row["group_id"]][row["lesson_type"]] += row["status"] == "held"
            of["moved"] += name in changed["moved"]
            of["substituted"] += name in changed["replaced"]
            of["lost"] += row["status"] == "cancelled" and name not in changed["moved"]
    plan: dict[str, Decimal] = defaultdict(Decimal)
    for row in rows["curriculum"]:
        if row["period_id"] == QUARTER:
            plan[row["group_id"]] += Decimal(row["hours"])

    names = {row["name"]: row["group_id"] for row in rows["groups"]}
    compared = set()
    for by in ("class", "group"):
        for counted in (await diary.read(f"periods/{QUARTER}/statistics", by=by))["rows"]:
            group, lessons = names[counted["title"]], counted["lessons"]
            if group in expected:
                assert {name: lessons[name] for name in expected[group]} == expected[group], group
                hours, held = Fraction(plan[group]), expected[group]["held"]
                assert lessons["plan_hours"] == shown(hours)
                assert lessons["difference"] == shown(held - hours)
                assert lessons["fulfilled_percent"] == shown(100 * held / hours if hours else None)
                by_type = {name: of["held"] for name, of in counted["lesson_types"].items() if of["held"]}
                assert by_type == {name: number for name, number in types[group].items() if number}
                compared.add(group)
    assert compared == expected.keys()
    assert len(compared) > 10
    of_school = await diary.read(f"periods/{QUARTER}/statistics", by="school")
    assert of_school["total"]["lessons"]["held"] == sum(of["held"] for of in expected.values())


# --- deferral -------------------------------------------------------------------------------------------------------


async def test_c5_3_a_grade_is_deferred_for_illness_told_to_the_family_due_on_its_day_and_then_set(diary: Diary):
    grade = next(
        one
        for one in diary.system.district.final_grades
        if one.group_id == diary.in_class(7) and one.subject_id == HISTORY and not one.held
    )
    student, student_id = grade.student_id, await diary.id("person", grade.student_id)
    key = student, str(await diary.id("subject", HISTORY))
    assert (await ask_for_deferral(diary, student, HISTORY)).json()["code"] == "already_graded"
    assert (await diary.post(f"final-grades/{grade.result_id}/withdraw")).status_code == 204
    assert (await lines(diary))[key]["gap"] == "no_grade"
    wrong = await ask_for_deferral(diary, student, HISTORY, reason="travel")
    assert (wrong.status_code, wrong.json()["code"]) == (422, "bad_reason")
    past = await ask_for_deferral(diary, student, HISTORY, due_on=str(diary.today))
    assert (past.status_code, past.json()["code"]) == (422, "bad_due_date")

    asked = (await ask_for_deferral(diary, student, HISTORY)).json()
    assert (asked["state"], asked["document_number"]) == ("requested", "095/у-17")
    assert (await lines(diary))[key]["gap"] == "deferral_requested"
    await decide(diary, asked, "approve")
    line = (await lines(diary))[key]
    assert (line["standing"], line["deferred_until"]) == ("deferred", asked["due_on"])
    told = await diary.told.one(FinalGradeSet, lambda one: str(one.result_id) == asked["result_id"])
    assert (told.student_id, told.state, told.value, told.reason) == (student_id, "deferred", None, "illness")
    assert str(told.deferred_until) == asked["due_on"]
    page = await diary.read(f"classes/{diary.in_class(7)}/summary-sheet", school_year=diary.school_year)
    (own,) = [line for line in page["students"] if line["student"] == student]
    assert (asked["result_id"], asked["due_on"]) in [(one["result_id"], one["deferred_until"]) for one in own["grades"]]

    await let_its_day_pass(diary, asked["deferral_id"])
    assert (await lines(diary))[key]["gap"] == "deferral_due", "missing again"
    later = str(diary.today + timedelta(days=20))
    await decide(diary, asked, "put_off", due_on=later)
    await diary.told.one(
        FinalGradeSet, lambda one: one.result_id == told.result_id and str(one.deferred_until) == later
    )

    late = {"result_id": "after-illness", "student_id": student, "subject_id": HISTORY, "period_id": QUARTER}
    await diary.send("final-grades", late | {"value": "4", "obtained_at": diary.now})
    event = await diary.told.one(FinalGradeSet, lambda one: one.result_id == told.result_id and one.state == "set")
    assert (event.value, event.deferred_until) == ("4", None), "the next revision of what the family knows"
    assert event.revision > told.revision
    steps = await diary.read(f"deferrals/{asked['deferral_id']}/history")
    assert [step["state"] for step in steps] == ["requested", "approved", "due", "approved", "fulfilled"]
    assert (await lines(diary))[key]["standing"] == "graded"


async def let_its_day_pass(diary: Diary, deferral_id: str) -> None:
    """Two weeks go by: the last day is set back, and the service, which was stopped meanwhile, starts again."""
    gradebook = diary.system.stack.service("gradebook")
    await gradebook.terminate()
    conn = await asyncpg.connect(diary.system.stack.postgres.superuser_url("sutki_gradebook"))
    try:
        passed = "UPDATE deferrals SET due_on = due_on - 20, due_at = due_at - interval '20 days'"
        await conn.execute(f"{passed}, document_date = document_date - 20 WHERE deferral_id = $1", deferral_id)
    finally:
        await conn.close()
    gradebook.start()
    await gradebook.wait_ready()

    async def due() -> bool:
        listed = await diary.read("deferrals", period_id=QUARTER, state="due")
        return deferral_id in [one["deferral_id"] for one in listed]

    await eventually(due, what="the clock makes the deferral due")


# --- the summary sheet ----------------------------------------------------------------------------------------------


async def test_c5_4_every_final_grade_of_a_class_stands_on_its_summary_sheet(diary: Diary, tmp_path: Path):
    group = diary.in_class(6)
    written = await diary.read(f"classes/{group}/summary-sheet", school_year=diary.school_year)
    names = {line["student"]: line["name"] for line in written["students"]}
    assert set(names) == set(diary.students(group))
    titles = {one.subject_id: one.title for one in diary.system.district.subjects}
    grades = {}
    for student, name in names.items():
        results = await diary.read(f"students/{await diary.id('person', student)}/results")
        for one in results["results"]:
            if one["kind"] == "final_grade" and one["state"] == "set":
                grades[name, one["subject"], one["period_id"]] = one["grade"] + "*" * one["held"]
    assert len(grades) >= sum(one.group_id == group for one in diary.system.district.final_grades) > 50
    assert {one["title"] for one in written["subjects"]} <= set(titles.values())

    file = tmp_path / "6.xlsx"
    assert (await diary.sutki("summary-sheet", SCHOOL, group, file)).exit_code == 0
    periods = {"1 четверть": QUARTER, "Год": f"{SCHOOL}-year-1"}
    periods = {label: str(await diary.id("period", name)) for label, name in periods.items()}
    assert sheet(file, periods) == grades


def sheet(file: Path, periods: Mapping[str, str]) -> dict[tuple[str, str, str], str]:
    """The filled cells of a sheet, by student, subject and period."""
    rows = list(openpyxl.load_workbook(file).worksheets[0].iter_rows(values_only=True))
    assert "Сводная ведомость" in str(rows[0][0])
    _, _, _, *subjects = rows[2]
    found, student = {}, ""
    for _, name, period, *cells in rows[3:]:
        student = str(name or student)
        for subject, cell in zip(subjects, cells, strict=True):
            if cell:
                found[student, str(subject), periods[str(period)]] = str(cell)
    return found
