"""OneRoster 1.1 and 1.2 become the same records as plain CSV, lenient where real files are broken."""

import csv
import io
import zipfile
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest

from services.gradebook.exchange import Read, Rejection, open_source
from services.gradebook.records import RecordKind
from services.gradebook.rejections import Code

Rows = list[dict[str, str]]


def a_bundle() -> dict[str, Rows]:
    """A school with a class, a study group, a student with two representatives, a mark, a final grade and an exam."""
    return {
        "manifest": [
            {"propertyName": "manifest.version", "value": "1.0"},
            {"propertyName": "oneroster.version", "value": "1.1"},
            {"propertyName": "file.orgs", "value": "bulk"},
            {"propertyName": "file.lineItemScores", "value": ""},
            {"propertyName": "file.results", "value": "bulk"},
        ],
        "orgs": [
            {"sourcedId": "d", "name": "Примерный район", "type": "district"},
            {
                "sourcedId": "1",
                "name": "Школа № 1",
                "type": "school",
                "metadata.address": "ул. Образцовая, 1",
                "metadata.timeZone": "Asia/Yekaterinburg",
            },
        ],
        "courses": [{"sourcedId": "alg", "title": "Алгебра"}],
        "academicSessions": [
            {
                "sourcedId": "y",
                "type": "schoolYear",
                "startDate": "2026-09-01",
                "endDate": "2027-05-31",
                "schoolYear": "2027",
            },
            {
                "sourcedId": "q2",
                "type": "gradingPeriod",
                "startDate": "2026-11-05",
                "endDate": "2026-12-28",
                "schoolYear": "2027",
            },
            {
                "sourcedId": "q1",
                "type": "gradingPeriod",
                "startDate": "2026-09-01",
                "endDate": "2026-10-25",
                "schoolYear": "2027",
            },
        ],
        "users": [
            {
                "sourcedId": "s1",
                "role": "student",
                "orgSourcedIds": "1",
                "familyName": "Примерова",
                "givenName": "Анна",
                "middleName": "Образцовна",
                "agentSourcedIds": "p1,p2",
            },
            {
                "sourcedId": "p1",
                "role": "parent",
                "orgSourcedIds": "1,d",
                "familyName": "Образцова",
                "givenName": "Мария",
            },
            {
                "sourcedId": "p2",
                "role": "guardian",
                "orgSourcedIds": "1",
                "familyName": "Образцов",
                "givenName": "Пётр",
                "agentSourcedIds": "s1",
            },
            {
                "sourcedId": "t1",
                "role": "teacher",
                "orgSourcedIds": "1",
                "familyName": "Учителева",
                "givenName": "Ольга",
            },
            {
                "sourcedId": "a1",
                "role": "administrator",
                "orgSourcedIds": "d",
                "familyName": "Главнов",
                "givenName": "Олег",
            },
        ],
        "demographics": [{"sourcedId": "s1", "birthDate": "2013-02-03"}],
        "classes": [
            {
                "sourcedId": "7a",
                "title": "7А",
                "grades": "07",
                "courseSourcedId": "alg",
                "classType": "homeroom",
                "schoolSourcedId": "1",
            },
            {
                "sourcedId": "7a-alg",
                "title": "7А алгебра",
                "grades": "07,08",
                "courseSourcedId": "alg",
                "classType": "scheduled",
                "schoolSourcedId": "1",
            },
        ],
        "enrollments": [
            {"classSourcedId": "7a", "userSourcedId": "s1", "role": "student"},
            {"classSourcedId": "7a", "userSourcedId": "t1", "role": "teacher"},
        ],
        "categories": [
            {"sourcedId": "c1", "title": "control_work", "metadata.weight": "2"},
            {"sourcedId": "c2", "title": "final_grade"},
            {"sourcedId": "c3", "title": "oge"},
        ],
        "lineItems": [
            {
                "sourcedId": "l1",
                "title": "Контрольная № 1",
                "dueDate": "2026-10-12",
                "classSourcedId": "7a-alg",
                "categorySourcedId": "c1",
                "gradingPeriodSourcedId": "q1",
            },
            {
                "sourcedId": "l2",
                "title": "Четверть",
                "dueDate": "2026-10-25",
                "classSourcedId": "7a-alg",
                "categorySourcedId": "c2",
                "gradingPeriodSourcedId": "q1",
            },
            {
                "sourcedId": "l3",
                "title": "ОГЭ по математике",
                "dueDate": "2026-06-10",
                "classSourcedId": "7a-alg",
                "categorySourcedId": "c3",
                "resultValueMax": "31",
            },
        ],
        "results": [
            {
                "sourcedId": "r1",
                "lineItemSourcedId": "l1",
                "studentSourcedId": "s1",
                "score": "5.0",
                "scoreDate": "2026-10-13",
            },
            {
                "sourcedId": "r2",
                "lineItemSourcedId": "l2",
                "studentSourcedId": "s1",
                "score": "4",
                "scoreDate": "2026-10-23",
                "metadata.obtainedAt": "2026-10-23T14:00:00+03:00",
                "metadata.held": "true",
            },
            {
                "sourcedId": "r3",
                "lineItemSourcedId": "l3",
                "studentSourcedId": "s1",
                "score": "22.5",
                "scoreDate": "2026-06-10",
            },
        ],
    }


def zipped(path: Path, bundle: dict[str, Rows], *, upper: bool = False, bom: bool = False) -> Path:
    """The bundle as an archive; a column that any row has is a column of the file."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, rows in bundle.items():
            columns = list(dict.fromkeys(column for row in rows for column in row))
            text = io.StringIO()
            writer = csv.DictWriter(text, columns, restval="")
            writer.writerow({column: column.upper() if upper else column for column in columns})
            writer.writerows(rows)
            archive.writestr(f"{name}.csv", ("\ufeff" if bom else "") + text.getvalue())
    return path


def read(path: Path) -> tuple[dict[RecordKind, list[dict[str, Any]]], list[Rejection]]:
    """Records by kind as plain values, and the rejections."""
    records: dict[RecordKind, list[dict[str, Any]]] = {}
    rejections: list[Rejection] = []
    with open_source(path) as (source, faults):
        rejections += faults
        for step in source.steps():
            for piece in step.pieces():
                if isinstance(piece, Read):
                    fields = piece.record.model_dump(mode="json", exclude_defaults=True)
                    records.setdefault(piece.record.KIND, []).append(fields)
                else:
                    rejections.append(piece)
    return records, rejections


def test_a_bundle_becomes_our_records(tmp_path: Path) -> None:
    records, rejections = read(zipped(tmp_path / "a.zip", a_bundle()))
    assert rejections == []
    assert records[RecordKind.SCHOOLS] == [
        {"school_id": "1", "name": "Школа № 1", "address": "ул. Образцовая, 1", "time_zone": "Asia/Yekaterinburg"}
    ]
    assert records[RecordKind.SUBJECTS] == [{"subject_id": "alg", "title": "Алгебра"}]
    assert [(p["period_id"], p["kind"], p.get("number", 1), p["school_year"]) for p in records[RecordKind.PERIODS]] == [
        ("y@1", "year", 1, "2026/2027"),
        ("q2@1", "quarter", 2, "2026/2027"),
        ("q1@1", "quarter", 1, "2026/2027"),
    ]
    assert [(p["person_id"], p["role"], p["school_id"]) for p in records[RecordKind.PEOPLE]] == [
        ("s1", "student", "1"),
        ("p1", "representative", "1"),
        ("p2", "representative", "1"),
        ("t1", "teacher", "1"),
    ]
    assert records[RecordKind.PEOPLE][0]["birth_date"] == "2013-02-03"
    assert records[RecordKind.PEOPLE][0]["patronymic"] == "Образцовна"
    assert [(g["group_id"], g["kind"], g["grade_level"], g.get("subject_id")) for g in records[RecordKind.GROUPS]] == [
        ("7a", "class", 7, None),
        ("7a-alg", "study_group", 7, "alg"),
    ]
    assert records[RecordKind.MEMBERS] == [{"group_id": "7a", "person_id": "s1"}]
    assert [(r["representative_id"], r["student_id"], r["kind"]) for r in records[RecordKind.REPRESENTATIVES]] == [
        ("p1", "s1", "parent"),
        ("p2", "s1", "guardian"),
    ]


def test_results_become_marks_final_grades_and_exam_results_by_their_category(tmp_path: Path) -> None:
    records, _ = read(zipped(tmp_path / "a.zip", a_bundle()))
    assert records[RecordKind.MARKS] == [
        {
            "mark_id": "r1",
            "student_id": "s1",
            "subject_id": "alg",
            "group_id": "7a-alg",
            "lesson_on": "2026-10-12",
            "work_type": "control_work",
            "weight": "2",
            "value": "5",
        }
    ]
    assert records[RecordKind.FINAL_GRADES] == [
        {
            "result_id": "r2",
            "student_id": "s1",
            "subject_id": "alg",
            "period_id": "q1@1",
            "value": "4",
            "obtained_at": "2026-10-23T11:00:00Z",
            "held": True,
        }
    ]
    exam = records[RecordKind.EXAM_RESULTS][0]
    assert (exam["kind"], exam["title"], exam["score"], exam["max_score"]) == ("oge", "ОГЭ по математике", "22.5", "31")


def test_a_date_alone_counts_from_its_first_moment_in_the_schools_time_zone(tmp_path: Path) -> None:
    records, _ = read(zipped(tmp_path / "a.zip", a_bundle()))
    assert records[RecordKind.EXAM_RESULTS][0]["obtained_at"] == "2026-06-09T19:00:00Z"


def test_header_case_bom_and_further_columns_do_not_matter(tmp_path: Path) -> None:
    bundle = a_bundle()
    for row in bundle["users"]:
        row["sms"] = "нет"
    plain = read(zipped(tmp_path / "a.zip", a_bundle()))
    assert read(zipped(tmp_path / "b.zip", bundle, upper=True, bom=True)) == plain


def test_version_1_2_has_its_roles_apart(tmp_path: Path) -> None:
    bundle = a_bundle()
    bundle["roles"] = [
        {"userSourcedId": user["sourcedId"], "roleType": "primary", "role": user["role"], "orgSourcedId": "1"}
        for user in bundle["users"]
    ]
    bundle["users"] = [
        {k: v for k, v in user.items() if k not in ("role", "orgSourcedIds")} for user in bundle["users"]
    ]
    bundle["results"][1] |= {"score": "", "textScore": "н/а"}
    records, rejections = read(zipped(tmp_path / "a.zip", bundle))
    assert rejections == []
    assert len(records[RecordKind.PEOPLE]) == 4
    assert len(records[RecordKind.REPRESENTATIVES]) == 2
    assert records[RecordKind.FINAL_GRADES][0]["value"] == "н/а"


def test_a_file_that_the_manifest_promises_and_that_is_absent_is_reported(tmp_path: Path) -> None:
    bundle = a_bundle()
    del bundle["orgs"]
    records, rejections = read(zipped(tmp_path / "a.zip", bundle))
    assert Rejection("orgs.csv", None, "file.orgs", Code.MISSING_FILE) in rejections
    assert records[RecordKind.PEOPLE]


def test_a_bundle_without_a_manifest_is_read_and_reported(tmp_path: Path) -> None:
    bundle = a_bundle()
    del bundle["manifest"]
    records, rejections = read(zipped(tmp_path / "a.zip", bundle))
    assert rejections == [Rejection("manifest.csv", None, "", Code.MISSING_FILE)]
    assert records[RecordKind.FINAL_GRADES]


def test_orphans_are_named_with_the_column_that_leads_nowhere(tmp_path: Path) -> None:
    bundle = a_bundle()
    bundle["lineItems"][0]["classSourcedId"] = "absent"
    bundle["lineItems"][1]["categorySourcedId"] = "absent"
    _, rejections = read(zipped(tmp_path / "a.zip", bundle))
    assert rejections == [
        Rejection("lineItems.csv", 2, "classSourcedId", Code.ORPHAN_ROW),
        Rejection("lineItems.csv", 3, "categorySourcedId", Code.ORPHAN_ROW),
        Rejection("results.csv", 2, "lineItemSourcedId", Code.ORPHAN_ROW),
        Rejection("results.csv", 3, "lineItemSourcedId", Code.ORPHAN_ROW),
    ]


def test_a_fault_is_named_by_the_column_of_the_file(tmp_path: Path) -> None:
    bundle = a_bundle()
    bundle["results"][1]["score"] = "6"
    bundle["users"][0]["familyName"] = ""
    bundle["classes"][0]["grades"] = "12"
    _, rejections = read(zipped(tmp_path / "a.zip", bundle))
    assert rejections == [
        Rejection("users.csv", 2, "familyName", Code.MISSING_VALUE),
        Rejection("classes.csv", 2, "grades", Code.BAD_VALUE),
        Rejection("results.csv", 3, "score", Code.OUTSIDE_SCALE),
    ]


def test_what_is_marked_as_deleted_is_withdrawn_but_for_what_results_need(tmp_path: Path) -> None:
    bundle = a_bundle()
    for name in ("users", "classes", "enrollments", "results", "courses", "orgs"):
        for row in bundle[name]:
            row["status"] = "tobedeleted"
    records, rejections = read(zipped(tmp_path / "a.zip", bundle))
    for kind in (RecordKind.PEOPLE, RecordKind.GROUPS, RecordKind.MEMBERS, RecordKind.MARKS, RecordKind.FINAL_GRADES):
        assert all(record["state"] == "withdrawn" for record in records[kind])
    assert [(rejection.file, rejection.code) for rejection in rejections] == [
        ("orgs.csv", Code.NOT_DELETABLE),
        ("courses.csv", Code.NOT_DELETABLE),
    ]


@pytest.mark.parametrize("number", ["3", ""])
def test_a_period_may_bring_its_number_and_its_school(tmp_path: Path, number: str) -> None:
    bundle = a_bundle()
    bundle["academicSessions"][2] |= {"metadata.number": number, "metadata.schoolSourcedId": "1"}
    records, _ = read(zipped(tmp_path / "a.zip", bundle))
    period = records[RecordKind.PERIODS][2]
    assert (period["period_id"], period.get("number", 1)) == ("q1", int(number or 1))
    assert records[RecordKind.FINAL_GRADES][0]["period_id"] == "q1"


def test_what_the_check_understands_the_import_takes(tmp_path: Path) -> None:
    bundle = a_bundle()
    bundle["academicSessions"][2] |= {"startDate": "01.09.2026", "endDate": "2026/10/25", "schoolYear": "2026-2027"}
    bundle["academicSessions"][0] |= {"type": "School Year"}
    bundle["demographics"][0]["birthDate"] = "02/13/2013"
    bundle["lineItems"][0]["dueDate"] = "12-Oct-2026"
    bundle["users"][0]["givenName"] = "Анна\nМария"
    bundle["users"][0]["role"] = "Student"
    records, rejections = read(zipped(tmp_path / "a.zip", bundle))
    assert rejections == []
    assert records[RecordKind.PERIODS][0]["kind"] == "year"
    quarter = records[RecordKind.PERIODS][2]
    assert (quarter["starts_on"], quarter["ends_on"], quarter["school_year"]) == (
        "2026-09-01",
        "2026-10-25",
        "2026/2027",
    )
    assert records[RecordKind.PEOPLE][0]["birth_date"] == "2013-02-13"
    assert records[RecordKind.PEOPLE][0]["given"] == "Анна Мария"
    assert records[RecordKind.MARKS][0]["lesson_on"] == "2026-10-12"


def test_a_date_that_may_be_two_days_is_not_guessed(tmp_path: Path) -> None:
    bundle = a_bundle()
    bundle["academicSessions"][2]["startDate"] = "09/01/2026"
    _, rejections = read(zipped(tmp_path / "a.zip", bundle))
    assert rejections[0] == Rejection("academicSessions.csv", 4, "startDate", Code.BAD_DATE)


def test_whether_a_row_of_unknown_status_holds_is_not_guessed(tmp_path: Path) -> None:
    bundle = a_bundle()
    bundle["results"][0]["status"] = "inactive"
    records, rejections = read(zipped(tmp_path / "a.zip", bundle))
    assert rejections == [Rejection("results.csv", 2, "status", Code.NOT_IN_VOCABULARY)]
    assert RecordKind.MARKS not in records


@pytest.mark.parametrize("name", ["orgs", "courses", "users", "classes", "categories", "lineItems", "demographics"])
def test_an_id_that_stands_twice_is_taken_once_by_the_import_too(tmp_path: Path, name: str) -> None:
    bundle = a_bundle()
    once, _ = read(zipped(tmp_path / "a.zip", a_bundle()))
    last = bundle[name][-1]
    bundle[name].append({**last, "name": "Другая", "title": "другое", "birthDate": "2001-01-01"})
    twice, rejections = read(zipped(tmp_path / "b.zip", bundle))
    assert rejections == [Rejection(f"{name}.csv", len(bundle[name]) + 1, "sourcedId", Code.DUPLICATE_ID)]
    assert twice == once


def test_one_role_stated_twice_is_one_statement(tmp_path: Path) -> None:
    bundle = a_bundle()
    bundle["roles"] = [
        {"sourcedId": f"r{n}", "userSourcedId": "s1", "roleType": "primary", "role": "student", "orgSourcedId": "1"}
        for n in (1, 2, 2)
    ]
    records, rejections = read(zipped(tmp_path / "a.zip", bundle))
    assert [person["person_id"] for person in records[RecordKind.PEOPLE]].count("s1") == 1
    assert rejections == [Rejection("roles.csv", 4, "sourcedId", Code.DUPLICATE_ID)]


def test_a_row_that_ends_before_what_changes_its_meaning_is_not_taken(tmp_path: Path) -> None:
    """A held grade whose last cells were cut off would go to the family at once."""
    path = zipped(tmp_path / "a.zip", a_bundle())
    with zipfile.ZipFile(path) as archive:
        files = {name: archive.read(name).decode() for name in archive.namelist()}
    files["results.csv"] = files["results.csv"].replace(",2026-10-23T14:00:00+03:00,true", "")
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    records, rejections = read(tmp_path / "b.zip")
    assert rejections == [Rejection("results.csv", 3, "", Code.BAD_ROW)]
    assert RecordKind.FINAL_GRADES not in records


def test_a_pack_that_has_a_name_of_plain_files_too_is_known_by_its_manifest(tmp_path: Path) -> None:
    bundle = a_bundle() | {"marks": [{"mark_id": "x"}], "people": [{"person_id": "x"}]}
    with open_source(zipped(tmp_path / "a.zip", bundle)) as (source, _):
        assert source.ignored() == ["marks.csv", "people.csv"]


def test_enrollments_bring_the_days_in_the_group_and_results_what_was_said(tmp_path: Path) -> None:
    bundle = a_bundle()
    bundle["enrollments"][0] |= {"beginDate": "2026-09-01", "endDate": "2026-12-31"}
    bundle["results"][0]["comment"] = "Молодец " * 100
    records, rejections = read(zipped(tmp_path / "a.zip", bundle))
    assert rejections == []
    member = records[RecordKind.MEMBERS][0]
    assert (member["joined_on"], member["left_on"]) == ("2026-09-01", "2026-12-31")
    assert len(records[RecordKind.MARKS][0]["comment"]) == 500


ENROLLED = {"sourcedId": "e1", "classSourcedId": "7a-alg", "userSourcedId": "t1", "role": "teacher"}


def taught(path: Path, *rows: dict[str, str], **bundle: Rows) -> tuple[list[dict[str, Any]], list[Rejection]]:
    """The teaching that enrollments state; what is not given of the bundle is as it was."""
    made = a_bundle() | {"enrollments": [ENROLLED | row for row in rows]} | bundle
    records, rejections = read(zipped(path / "a.zip", made))
    assert RecordKind.MEMBERS not in records
    return records.get(RecordKind.TEACHING, []), rejections


def test_a_teacher_who_is_enrolled_teaches_the_class_the_subject_of_its_course(tmp_path: Path) -> None:
    days = {"beginDate": "01.09.2026", "endDate": "2027-05-31", "primary": "true"}
    teaching, rejections = taught(tmp_path, days, {"sourcedId": "e2", "role": "administrator"})
    assert rejections == []
    assert teaching == [
        {
            "teaching_id": "e1",
            "teacher_id": "t1",
            "group_id": "7a-alg",
            "subject_id": "alg",
            "starts_on": "2026-09-01",
            "ends_on": "2027-05-31",
        }
    ]


@pytest.mark.parametrize(
    ("group", "primary", "role", "subject"),
    [
        ("7a", "", "class_teacher", None),
        ("7a", "true", "class_teacher", None),
        ("7a", "No", "subject_teacher", "alg"),
        ("7a-alg", "", "subject_teacher", "alg"),
        ("7a-alg", "true", "subject_teacher", "alg"),
        ("7a-alg", "false", "subject_teacher", "alg"),
    ],
)
def test_a_homerooms_teacher_is_its_class_teacher_unless_another_one_is_primary(
    tmp_path: Path, group: str, primary: str, role: str, subject: str | None
) -> None:
    teaching, rejections = taught(tmp_path, {"classSourcedId": group, "primary": primary})
    assert rejections == []
    assert [(one.get("role", "subject_teacher"), one.get("subject_id")) for one in teaching] == [(role, subject)]


def test_a_class_whose_course_is_no_subject_has_a_class_teacher_only(tmp_path: Path) -> None:
    course = {"sourcedId": "alg", "title": "Классный час", "metadata.kind": "class"}
    rows = [{"classSourcedId": "7a", "primary": "false"}, {"sourcedId": "e2"}]
    teaching, rejections = taught(tmp_path, *rows, courses=[course])
    assert {fault.file for fault in rejections} == {"results.csv"}
    assert [(one["role"], one.get("subject_id")) for one in teaching] == [("class_teacher", None)] * 2


def test_an_enrollment_may_name_role_and_subject_itself_and_faults_are_named_by_the_column(tmp_path: Path) -> None:
    own = {"metadata.teachingRole": "subject_teacher", "metadata.subjectSourcedId": "rus", "primary": "true"}
    wrong = {"sourcedId": "e2", "beginDate": "2026-09-02", "endDate": "2026-09-01"}
    odd = {"sourcedId": "e3", "metadata.teachingRole": "tutor"}
    teaching, rejections = taught(tmp_path, own | {"classSourcedId": "7a"}, wrong, odd)
    assert [(one["group_id"], one["subject_id"]) for one in teaching] == [("7a", "rus")]
    assert [(fault.line, fault.field) for fault in rejections] == [(3, "endDate"), (4, "metadata.teachingRole")]


def test_an_enrollment_without_an_id_always_states_the_same_teaching_and_a_deleted_one_withdraws_it(
    tmp_path: Path,
) -> None:
    teaching, rejections = taught(tmp_path, {"sourcedId": ""})
    assert rejections == []
    again, _ = taught(tmp_path, {"sourcedId": "", "status": "tobedeleted"})
    assert again == [teaching[0] | {"state": "withdrawn"}]
    other, _ = taught(tmp_path, {"sourcedId": "", "classSourcedId": "7a"})
    assert other[0]["teaching_id"] != teaching[0]["teaching_id"]


def test_a_row_in_which_former_exports_summed_up_what_somebody_teaches_is_passed_over(tmp_path: Path) -> None:
    summary = blake2b(b"teacher\x1f7a-alg\x1ft1", digest_size=16).hexdigest()
    teaching, rejections = taught(tmp_path, {"sourcedId": summary}, {"sourcedId": "e2"})
    assert rejections == []
    assert [one["teaching_id"] for one in teaching] == ["e2"]
