"""The sample's files: every row is taken by the readers of the exchange, and says what the district holds."""

import csv
import json
from collections import defaultdict
from datetime import UTC, datetime, time
from decimal import Decimal
from pathlib import Path

import pytest

from services.consent import reading
from services.gradebook.exchange import Rejection, open_source
from services.gradebook.records import Record, RecordKind
from sutki.sample import District, generate, write
from sutki.sample.writing import STEPS

BASE = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
Records = dict[RecordKind, dict[tuple[str, ...], Record]]


@pytest.fixture(scope="module")
def district() -> District:
    return generate(1, BASE, students=450)


@pytest.fixture(scope="module")
def folder(district: District, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sample")
    write(district, path)
    return path


@pytest.fixture(scope="module")
def manifest(folder: Path) -> dict:  # type: ignore[type-arg]
    return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def records(folder: Path, manifest: dict) -> Records:  # type: ignore[type-arg]
    """Everything that the readers take, in the order of the manifest's steps."""
    taken: Records = defaultdict(dict)
    for step in manifest["steps"]:
        for file in step["files"]:
            with open_source(folder / file["path"]) as (source, faults):
                assert faults == []
                assert source.ignored() == []
                for part in source.steps():
                    for piece in part.pieces():
                        assert not isinstance(piece, Rejection), piece
                        taken[piece.record.KIND][piece.record.key()] = piece.record
    return taken


def test_the_manifest_names_every_file_and_counts_what_is_in_them(folder, manifest, district):
    assert [step["step"] for step in manifest["steps"]] == list(STEPS)
    formats = [file["format"] for file in manifest["steps"][0]["files"]]
    assert formats == ["oneroster-1.1", "csv", "oneroster-1.2", "csv", "csv", "csv"], (
        "what OneRoster lacks is beside it"
    )
    assert all((folder / file["path"]).exists() for step in manifest["steps"] for file in step["files"])
    assert manifest["source"] == "district"
    assert manifest["base"] == "2026-11-24T09:00:00Z"
    assert manifest["counts"]["marks"] == len(district.marks)
    for name in ("consents", "withdrawals", "accounts", "deferrals"):
        with (folder / manifest[name]).open(encoding="utf-8", newline="") as file:
            assert len(list(csv.DictReader(file))) == manifest["counts"][name]


def test_marks_come_out_as_they_are(records, district):
    taken = records[RecordKind.MARKS]

    assert len(taken) == len(district.marks)
    for mark in district.marks:
        record = taken[mark.mark_id,]
        assert (record.student_id, record.subject_id, record.group_id) == (
            mark.student_id, mark.subject_id, mark.group_id,
        )  # fmt: skip
        assert (record.lesson_on, record.work_type, record.value) == (mark.lesson_on, mark.work_type, mark.value)
        assert record.weight == mark.weight


def test_final_grades_come_out_as_they_are(records, district):
    taken = records[RecordKind.FINAL_GRADES]

    assert len(taken) == len(district.final_grades)
    for grade in district.final_grades:
        record = taken[grade.result_id,]
        assert (record.student_id, record.subject_id, record.value) == (
            grade.student_id, grade.subject_id, grade.value,
        )  # fmt: skip
        assert (record.obtained_at, record.held) == (grade.obtained_at, grade.held)
        assert record.period_id.split("@")[0] == grade.period_id
    assert {record.period_id for record in taken.values()} <= {key[0] for key in records[RecordKind.PERIODS]}


def test_exam_results_come_out_as_they_are(records, district):
    taken = records[RecordKind.EXAM_RESULTS]

    assert len(taken) == len(district.exam_results)
    for result in district.exam_results:
        record = taken[result.result_id,]
        assert (record.student_id, record.subject_id, record.kind, record.title) == (
            result.student_id, result.subject_id, result.kind, result.title,
        )  # fmt: skip
        assert (record.score, record.max_score) == (Decimal(result.score), Decimal(result.max_score))
        assert (record.grade or "", record.obtained_at) == (result.grade, result.obtained_at)


def test_people_and_who_represents_whom_come_out_as_they_are(records, district):
    people = records[RecordKind.PEOPLE]
    links = records[RecordKind.REPRESENTATIVES]

    assert len(people) == len(district.people)
    for person in district.people:
        record = people[person.person_id, person.role, person.school_id]
        assert (record.family, record.given, record.patronymic) == (person.family, person.given, person.patronymic)
        assert record.birth_date == person.birth_date
    assert len(links) == len(district.representatives)
    for link in district.representatives:
        record = links[link.representative_id, link.student_id]
        assert (record.kind, record.in_force) == (link.kind, link.in_force)


def test_groups_and_periods_come_out_as_they_are(records, district):
    groups = records[RecordKind.GROUPS]

    assert len(groups) == len(district.groups)
    for group in district.groups:
        record = groups[group.group_id,]
        assert (record.kind, record.name, record.grade_level) == (group.kind, group.name, group.grade_level)
        assert (record.subject_id or "") == group.subject_id
    assert set(records[RecordKind.MEMBERS]) == {tuple(member) for member in district.members}
    assert len(records[RecordKind.PERIODS]) == len(district.periods)
    spans = {(r.school_id, r.kind, r.number, r.starts_on, r.ends_on) for r in records[RecordKind.PERIODS].values()}
    assert spans == {(p.school_id, p.kind, p.number, p.starts_on, p.ends_on) for p in district.periods}


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (RecordKind.CAMPUSES, "campuses"),
        (RecordKind.SCHOOL_YEARS, "school_years"),
        (RecordKind.HOLIDAYS, "holidays"),
        (RecordKind.TEACHING, "teaching"),
        (RecordKind.CURRICULUM, "curriculum"),
        (RecordKind.TIMETABLE, "timetable"),
        (RecordKind.LESSONS, "lessons"),
        (RecordKind.SUBSTITUTIONS, "substitutions"),
        (RecordKind.CONTROL_WORKS, "control_works"),
        (RecordKind.HOMEWORK, "homework"),
        (RecordKind.RECOMMENDATIONS, "recommendations"),
        (RecordKind.ATTENDANCE, "attendance"),
    ],
)
def test_the_journal_comes_out_as_it_is(records, district, kind, name):
    taken = records[kind]
    rows = getattr(district, name)

    assert len(taken) == len(rows) > 0
    for row in rows:
        record = taken[row[0],]
        for field, value in row._asdict().items():
            written = _as_written(getattr(record, field))
            if field == "period_id":
                # OneRoster's sessions belong to no school: a period there is called by both.
                written = written.split("@")[0]
            assert written == ("" if value is None else str(value)), field


def _as_written(value: object) -> str:
    """What a reader took, as the sample writes it."""
    match value:
        case None:
            return ""
        case time():
            return value.strftime("%H:%M")
        case list():
            return "|".join(one if isinstance(one, str) else _link(one.title, one.url) for one in value)
        case _:
            return str(value)


def _link(title: str, url: str) -> str:
    return url if title == url else f"{title} {url}"


def test_everything_that_is_referred_to_is_sent(records):
    people = {key[0] for key in records[RecordKind.PEOPLE]}
    subjects = {key[0] for key in records[RecordKind.SUBJECTS]}
    groups = {key[0] for key in records[RecordKind.GROUPS]}

    for kind in (RecordKind.MARKS, RecordKind.FINAL_GRADES, RecordKind.EXAM_RESULTS):
        assert {record.student_id for record in records[kind].values()} <= people
        assert {record.subject_id for record in records[kind].values()} <= subjects
    assert {record.group_id for record in records[RecordKind.MARKS].values()} <= groups
    assert {record.subject_id for record in records[RecordKind.GROUPS].values() if record.subject_id} <= subjects
    assert {group for group, _ in records[RecordKind.MEMBERS]} <= groups
    assert {record.period_id for record in records[RecordKind.CURRICULUM].values()} <= {
        key[0] for key in records[RecordKind.PERIODS]
    }
    lessons = {key[0] for key in records[RecordKind.LESSONS]}
    for kind in (RecordKind.SUBSTITUTIONS, RecordKind.HOMEWORK, RecordKind.ATTENDANCE, RecordKind.MARKS):
        assert {record.lesson_id for record in records[kind].values() if record.lesson_id} <= lessons


def test_the_answers_have_the_columns_of_the_consent_registry(folder):
    for name, columns in (
        ("consents.csv", reading.CONSENT_COLUMNS),
        ("withdrawals.csv", reading.WITHDRAWAL_COLUMNS),
    ):
        with (folder / name).open(encoding="utf-8", newline="") as file:
            assert tuple(next(csv.reader(file))) == columns


def test_no_cell_could_start_a_formula_in_a_spreadsheet(folder):
    for path in folder.rglob("*.csv"):
        with path.open(encoding="utf-8", newline="") as file:
            delimiter = ";" if "school-" in str(path.relative_to(folder)) else ","
            for row in csv.reader(file, delimiter=delimiter):
                assert not any(cell.startswith(("=", "+", "-", "@")) for cell in row), row
