"""C7: any journal feeds the service, by file or by HTTP, and gets the same data out again."""

import csv
import io
import json
import zipfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from contracts.final_grade_set import FinalGradeSet
from contracts.mark_recorded import MarkRecorded
from tests.e2e.clauses.diary import SCHOOL, Diary, as_json
from tests.support.databases import Templates
from tests.support.oneroster_packs import whole, zipped
from tests.support.waiting import eventually
from tests.support.workbooks import grid_xlsx

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(600)]

ROSTERING = "/ims/oneroster/rostering/v1p2"
GRADEBOOK = "/ims/oneroster/gradebook/v1p2"
RUSSIAN = "subject-russian"
ONLY_PLAIN = {"dateLastModified", "metadata.lessonSourcedId", "metadata.campusSourcedId"}
"""The instant of the import, and what a pack only names: lessons and campuses go in by plain files."""


def taken(report: Mapping[str, Any], what: str) -> int:
    """How many rows of an import's report were added, changed, unchanged or rejected, in all."""
    return sum(count[what] for count in report["counts"].values())


@pytest.mark.parametrize("version", ["1.1", "1.2"])
async def test_c7_1_a_oneroster_pack_of_any_journal_is_taken_once(diary: Diary, tmp_path: Path, version: str):
    pack = zipped(tmp_path / "pack.zip", whole(version)).read_bytes()
    report = await diary.import_archive("pack.zip", pack, source=f"journal-{version}")
    assert (report["exit_code"], report["counts"]["marks"]["added"]) == (0, 1), report
    ids = await diary.http.post("/v1/ids:resolve", json={"source": f"journal-{version}", "ids": ["u1"]})
    student = ids.json()["ids"]["u1"]
    mark = await diary.told.one(MarkRecorded, lambda one: str(one.student_id) == student)
    assert (mark.value, mark.work_type.value, str(mark.weight)) == ("5", "control_work", "2.00")
    grade = await diary.told.one(FinalGradeSet, lambda one: str(one.student_id) == student)
    assert (grade.value, grade.period.number) == ({"1.1": "4", "1.2": "зач"}[version], 1)
    again = await diary.import_archive("pack.zip", pack, source=f"journal-{version}")
    assert (taken(again, "added"), taken(again, "changed"), again["rejected"]) == (0, 0, 0)


async def test_c7_1_a_plain_table_as_russian_spreadsheets_save_it_is_taken_and_bad_rows_are_named(diary: Diary):
    group = diary.in_class(9)
    student, lesson = diary.students(group)[0], diary.lessons(group)[0]
    rows = "mark_id;student_id;subject_id;group_id;lesson_on;work_type;weight;value;comment\r\n" + "".join(
        f"{name};{who};{lesson.subject_id};{group};{lesson.lesson_on};answer;1,5;{value};Из таблицы\r\n"
        for name, who, value in (("plain-1", student, "зач"), ("plain-2", student, "11"), ("plain-3", "никто", "5"))
    )
    report = await diary.import_archive("marks.csv", rows.encode("cp1251"))
    assert (report["exit_code"], report["counts"]["marks"]["added"], report["rejected"]) == (2, 1, 2)
    assert [(one["line"], one["field"], one["code"]) for one in report["rejections"]] == [
        (3, "value", "outside_scale"),
        (4, "student_id", "orphan_row"),
    ]
    assert all(one["reason"]["ru"] and one["reason"]["en"] for one in report["rejections"])
    told = await diary.told.one(MarkRecorded, lambda one: one.comment == "Из таблицы")
    assert (told.value, str(told.weight)) == ("зач", "1.50")


async def test_c7_2_a_report_of_another_journal_is_previewed_compared_with_its_totals_and_taken(
    diary: Diary, tmp_path: Path
):
    student = diary.students(diary.in_class(9))[1]
    person = next(one for one in diary.system.district.people if one.person_id == student)
    file = grid_xlsx(
        tmp_path / "report.xlsx",
        [
            ["Отчёт об успеваемости"],
            [f"Ученик: {person.family} {person.given}"],
            ["Класс: 9А"],
            [f"Учебный год: {diary.school_year}"],
            ["Предмет", "Сентябрь", None, None, "Средняя оценка"],
            [None, 1, 2, 3, None],
            ["Русский язык", "5", "4 4", "н", "4,33"],
            ["История", "3", None, "5", "4,50"],
        ],
        merges=[(5, 2, 5, 4, "Сентябрь"), (5, 1, 6, 1, "Предмет"), (5, 5, 6, 5, "Средняя оценка")],
    )
    arguments = ("import", "table", file, "--map", "student-progress", "--school", SCHOOL)
    previewed = await diary.sutki(*arguments, "--preview", "--json")
    understood = json.loads(previewed.stdout)["understood"]
    assert (understood["students"], understood["marks"]) == (1, {"3": 1, "4": 2, "5": 2})
    assert understood["facts"]["attendance"] == 1
    totals = understood["totals"]
    assert (totals["found"], totals["compared"], totals["equal"]) == (2, 2, 1), "5 4 4 is 4.33, and 3 5 is not 4.50"
    assert [(one["stated"], one["computed"]) for one in totals["differences"]] == [("4.50", "4")]
    student_id = await diary.id("person", student)

    def from_the_report(one: MarkRecorded) -> bool:
        return one.student_id == student_id and one.lesson_id is None and one.lesson_on.day <= 3

    assert diary.told.all(MarkRecorded, from_the_report) == [], "a preview takes nothing"
    done = await diary.sutki(*arguments, "--json")
    assert done.exit_code == 0, done.output
    await diary.told.one(MarkRecorded, lambda one: from_the_report(one) and one.value == "3")

    async def all_told() -> bool:
        told = diary.told.all(MarkRecorded, from_the_report)
        return sorted((one.lesson_on.day, one.value) for one in told) == [
            (1, "3"), (1, "5"), (2, "4"), (2, "4"), (3, "5"),
        ]  # fmt: skip

    await eventually(all_told, what="the five marks of the report")
    again = json.loads((await diary.sutki(*arguments, "--json")).stdout)
    assert (taken(again, "added"), taken(again, "changed")) == (0, 0)


async def test_c7_3_bulk_http_takes_a_request_once_and_the_feed_tells_what_changed(diary: Diary):
    group = diary.in_class(9)
    students, lesson = diary.students(group)[2:4], diary.lessons(group)[1]
    _, cursor = await diary.changes()
    body = "".join(
        json.dumps(as_json(diary.mark(f"bulk-{n}", student, lesson, "4"))) + "\n" for n, student in enumerate(students)
    )
    headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": "31b5a6f0-clauses"}

    async def send(content: str) -> httpx.Response:
        return await diary.http.post(f"{diary.school}/marks", content=content, headers=headers)

    first = await send(body)
    assert (first.status_code, first.json()["added"]) == (200, 2), first.text
    replayed = await send(body)
    assert (replayed.json(), replayed.headers["idempotency-replayed"]) == (first.json(), "true")
    other = await send(body.replace('"4"', '"5"'))
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")

    lesson_id = await diary.id("lesson", lesson.lesson_id)
    for student in students:
        student_id = await diary.id("person", student)
        told = await diary.told.one(
            MarkRecorded,
            lambda one, who=student_id: (one.student_id, one.lesson_id, one.value) == (who, lesson_id, "4"),  # type: ignore[misc]
        )
        assert told.revision == 1

    fresh: list[dict[str, Any]] = []

    async def in_the_feed() -> bool:
        items, _ = await diary.changes(cursor)
        fresh[:] = [one for one in items if str(one["id"]).startswith("bulk-")]
        return len(fresh) >= 2

    await eventually(in_the_feed, what="both marks in the feed of changes")
    assert [(one["kind"], one["id"], one["revision"]) for one in fresh] == [
        ("mark", "bulk-0", 1),
        ("mark", "bulk-1", 1),
    ]
    for one in fresh:
        read = await diary.http.get(one["link"])
        assert (read.json()["value"], read.headers["etag"]) == ("4", '"1"')


async def test_c7_4_a_pack_is_checked_without_the_system(diary: Diary, tmp_path: Path):
    nowhere = {"SUTKI_GRADEBOOK_DATABASE_URL": "postgresql://127.0.0.1:1/none", "SUTKI_KAFKA_BOOTSTRAP": "127.0.0.1:1"}
    pack = whole("1.1")
    clean = zipped(tmp_path / "clean.zip", pack)
    checked = await diary.sutki("oneroster", "check", clean, "--json", **nowhere)
    told = json.loads(checked.stdout)
    assert (checked.exit_code, told["version"], told["problems"]) == (0, "1.1", [])
    assert told["files"]["results.csv"] == {"rows": 2, "accepted": 2, "rejected": 0}

    pack["results.csv"][1][2 + 2] = "nobody"
    spoilt = await diary.sutki("oneroster", "check", zipped(tmp_path / "spoilt.zip", pack), "--json", **nowhere)
    told = json.loads(spoilt.stdout)
    (problem,) = told["problems"]
    assert (spoilt.exit_code, problem["file"], problem["line"]) == (2, "results.csv", 2)
    assert problem["field"] == "studentSourcedId"
    assert problem["code"]
    assert problem["reason"]
    assert told["files"]["results.csv"] == {"rows": 2, "accepted": 1, "rejected": 1}
    (tmp_path / "broken.zip").write_bytes(clean.read_bytes()[:99])
    broken = await diary.sutki("oneroster", "check", tmp_path / "broken.zip", "--json", **nowhere)
    assert broken.exit_code == 1


# --- and out again --------------------------------------------------------------------------------------------------


@asynccontextmanager
async def empty_gradebook(templates: Templates) -> AsyncIterator[dict[str, str]]:
    """Where the command line finds a journal with nothing in it."""
    urls = await templates.clone("gradebook")
    yield {"SUTKI_GRADEBOOK_DATABASE_URL": urls.app}
    await templates.drop(urls)


def rows_of(pack: Path) -> dict[str, list[tuple[str, ...]]]:
    """The rows of a pack by file, without what no pack brings in."""
    found = {}
    with zipfile.ZipFile(pack) as archive:
        for name in archive.namelist():
            table = csv.DictReader(io.TextIOWrapper(archive.open(name), "utf-8-sig"))
            found[name] = sorted(
                tuple(value for column, value in row.items() if column not in ONLY_PLAIN) for row in table
            )
    return found


async def test_c7_5_what_went_in_comes_out_and_makes_the_same_journal_elsewhere(
    diary: Diary, templates: Templates, tmp_path: Path
):
    pack, copy, plain = tmp_path / "pack.zip", tmp_path / "copy.zip", tmp_path / "plain.zip"
    assert (await diary.sutki("export", pack, "--school", SCHOOL)).exit_code == 0
    assert (await diary.sutki("export", plain, "--school", SCHOOL, "--format", "plain")).exit_code == 0
    here = json.loads((await diary.sutki("import", pack, "--json")).stdout)
    assert (taken(here, "added"), taken(here, "changed"), here["rejected"]) == (0, 0, 0), here["counts"]

    async with empty_gradebook(templates) as elsewhere:
        there = json.loads((await diary.sutki("import", pack, "--json", **elsewhere)).stdout)
        assert there["rejected"] == 0, there["rejections"][:3]
        assert (await diary.sutki("export", copy, **elsewhere)).exit_code == 0
    before, after = rows_of(pack), rows_of(copy)
    assert {name: len(rows) for name, rows in after.items()} == {name: len(rows) for name, rows in before.items()}
    for name, rows in before.items():
        assert after[name] == rows, name
    assert len(before["results.csv"]) > 3000

    async with empty_gradebook(templates) as elsewhere:
        there = json.loads((await diary.sutki("import", plain, "--json", **elsewhere)).stdout)
        assert (there["rejected"], there["counts"]["homework"]["added"] > 100) == (0, True)
        assert (await diary.sutki("export", copy, "--format", "plain", **elsewhere)).exit_code == 0
    assert rows_of(copy) == rows_of(plain), "the whole journal, in its own files"


@asynccontextmanager
async def learning_system(diary: Diary, *scopes: str) -> AsyncIterator[httpx.AsyncClient]:
    """Another program that speaks OneRoster, with the school's credentials."""
    school = str(diary.system.schools[SCHOOL])
    made = await diary.sutki("clients", "add", "gradebook", "lms", "--source", "district", "--school", school)
    client_id, _, secret = made.stdout.strip().partition(".")
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    form["scope"] = " ".join(f"https://purl.imsglobal.org/spec/or/v1p2/scope/{name}" for name in scopes)
    address = str(diary.http.base_url)
    async with httpx.AsyncClient(base_url=address, timeout=diary.http.timeout, trust_env=False) as client:
        wrong = await client.post("/ims/oneroster/token", data=form | {"client_secret": "guessed"})
        assert wrong.status_code == 401
        answer = await client.post("/ims/oneroster/token", data=form)
        assert answer.status_code == 200, answer.text
        client.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        yield client


async def test_c7_5_other_programs_read_the_roster_and_write_results_by_oneroster_rest(diary: Diary):
    group = diary.in_class(9)
    async with learning_system(diary, "roster-core.readonly", "gradebook-core.readonly", "gradebook.createput") as lms:
        assert (await diary.http.get(f"{ROSTERING}/classes", headers={"Authorization": "Bearer x"})).status_code == 401
        query = {"filter": "classType='homeroom'", "sort": "title", "fields": "sourcedId,title", "limit": "4"}
        page = await lms.get(f"{ROSTERING}/classes", params=query)
        assert page.status_code == 200, page.text
        assert [set(one) for one in page.json()["classes"]] == [{"sourcedId", "title"}] * 4
        homerooms = {one.group_id for one in diary.system.district.groups if one.kind == "class"}
        assert int(page.headers["x-total-count"]) >= len(homerooms)
        assert 'rel="next"' in page.headers["link"]
        members = (await lms.get(f"{ROSTERING}/classes/{group}/students", params={"limit": "100"})).json()["users"]
        assert {one["sourcedId"] for one in members} == set(diary.students(group))

        column = {
            "title": "Тест в учебной системе", "assignDate": str(diary.today), "dueDate": str(diary.today),
            "class": {"sourcedId": group, "href": "x", "type": "class"},
            "category": {"sourcedId": "lab", "href": "x", "type": "category"},
            "metadata": {"subjectSourcedId": RUSSIAN, "weight": 1.5},
        }  # fmt: skip
        made = await lms.put(f"{GRADEBOOK}/lineItems/lms-1", json={"lineItem": column})
        assert made.status_code == 201, made.text
        student = diary.students(group)[4]
        result = {
            "lineItem": {"sourcedId": "lms-1", "href": "x", "type": "lineItem"},
            "student": {"sourcedId": student, "href": "x", "type": "user"},
            "scoreStatus": "fully graded", "score": 5, "scoreDate": str(diary.today),
        }  # fmt: skip
        written = await lms.put(f"{GRADEBOOK}/results/lms-2", json={"result": result})
        assert written.status_code == 201, written.text
        student_id = await diary.id("person", student)
        told = await diary.told.one(
            MarkRecorded,
            lambda one: (one.student_id, one.lesson_on, one.work_type.value) == (student_id, diary.today, "lab"),
        )
        assert (told.value, str(told.weight), told.subject.title) == ("5", "1.50", "Русский язык")
        back = await lms.get(f"{GRADEBOOK}/lineItems/lms-1/results")
        assert [one["sourcedId"] for one in back.json()["results"]] == ["lms-2"]
        assert (await lms.delete(f"{GRADEBOOK}/results/lms-2")).status_code == 403, "no more than its scopes"
