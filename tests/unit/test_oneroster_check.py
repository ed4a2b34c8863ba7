"""The offline check of OneRoster packs says what is right, what is not, and where, whatever the pack looks like."""

import json
import struct
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.gradebook.exchange.bundle import Limits
from services.gradebook.exchange.oneroster_check import CheckReport, check
from services.gradebook.exchange.oneroster_schema import DATA_FILES
from services.gradebook.rejections import Code
from sutki.cli import app
from tests.support.oneroster_packs import Table, as_csv, whole, zipped

Files = dict[str, Table]
Problem = tuple[str, int | None, str, Code]
Spoil = Callable[[Files], object]


def problems(report: CheckReport) -> list[Problem]:
    return [(item.file, item.line, item.field, item.code) for item in report.problems]


def counts(report: CheckReport, name: str) -> tuple[int, int, int]:
    count = report.files[name]
    return count.rows, count.accepted, count.rejected


def checked(tmp_path: Path, spoil: Spoil | None = None, *, version: str = "1.1", mode: str = "bulk") -> CheckReport:
    files = whole(version, mode)
    if spoil is not None:
        spoil(files)
    return check(zipped(tmp_path / "pack.zip", files))


def column(files: Files, name: str, field: str) -> int:
    return files[name][0].index(field)


def put(name: str, line: int, field: str, value: str) -> Spoil:
    def spoil(files: Files) -> None:
        files[name][line - 1][column(files, name, field)] = value

    return spoil


@pytest.mark.parametrize("mode", ["bulk", "delta"])
@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_a_pack_with_every_file_of_its_version_is_clean(tmp_path: Path, version: str, mode: str) -> None:
    report = checked(tmp_path, version=version, mode=mode)
    assert problems(report) == []
    assert (report.version, report.exit_code) == (version, 0)
    assert len(report.files) == (14 if version == "1.1" else 22)
    assert all(count.rows == count.accepted > 0 for count in report.files.values())


@pytest.mark.parametrize(
    ("version", "name", "fields"),
    [
        ("1.1", "orgs.csv", "sourcedId name type"),
        ("1.1", "academicSessions.csv", "sourcedId title type startDate endDate schoolYear"),
        ("1.1", "courses.csv", "sourcedId title orgSourcedId"),
        ("1.1", "classes.csv", "sourcedId title courseSourcedId classType schoolSourcedId termSourcedIds"),
        ("1.1", "users.csv", "sourcedId enabledUser orgSourcedIds role username givenName familyName"),
        ("1.1", "enrollments.csv", "sourcedId classSourcedId schoolSourcedId userSourcedId role"),
        ("1.1", "demographics.csv", "sourcedId"),
        ("1.1", "resources.csv", "sourcedId vendorResourceId"),
        ("1.1", "classResources.csv", "sourcedId classSourcedId resourceSourcedId"),
        ("1.1", "courseResources.csv", "sourcedId courseSourcedId resourceSourcedId"),
        ("1.1", "categories.csv", "sourcedId title"),
        (
            "1.1",
            "lineItems.csv",
            "sourcedId title assignDate dueDate classSourcedId categorySourcedId gradingPeriodSourcedId resultValueMax",
        ),
        ("1.1", "results.csv", "sourcedId lineItemSourcedId studentSourcedId scoreStatus score scoreDate"),
        ("1.2", "users.csv", "sourcedId enabledUser username givenName familyName"),
        ("1.2", "roles.csv", "sourcedId userSourcedId roleType role orgSourcedId"),
        ("1.2", "userProfiles.csv", "sourcedId userSourcedId profileType vendorId credentialType username"),
        ("1.2", "userResources.csv", "sourcedId userSourcedId resourceSourcedId"),
        (
            "1.2",
            "lineItems.csv",
            "sourcedId title assignDate dueDate classSourcedId categorySourcedId academicSessionSourcedId",
        ),
        ("1.2", "results.csv", "sourcedId lineItemSourcedId studentSourcedId scoreStatus scoreDate"),
        ("1.2", "scoreScales.csv", "sourcedId title type orgSourcedId classSourcedId scoreScaleValue"),
        ("1.2", "lineItemLearningObjectiveIds.csv", "sourcedId lineItemSourcedId source learningObjectiveId"),
        ("1.2", "lineItemScoreScales.csv", "sourcedId lineItemSourcedId scoreScaleSourcedId"),
        ("1.2", "resultLearningObjectiveIds.csv", "sourcedId resultSourcedId source learningObjectiveId"),
        ("1.2", "resultScoreScales.csv", "sourcedId resultSourcedId scoreScaleSourcedId"),
    ],
)
def test_each_required_field_is_missed_when_it_is_blank(tmp_path: Path, version: str, name: str, fields: str) -> None:
    for field in fields.split():
        files = whole(version)
        last = len(files[name])
        put(name, last, field, "  ")(files)
        report = check(zipped(tmp_path / "pack.zip", files))
        # A row without its id is also one that others look for in vain; the row itself is named by its own field.
        assert [problem for problem in problems(report) if problem[0] == name] == [
            (name, last, field, Code.MISSING_VALUE)
        ]
        assert counts(report, name) == (last - 1, last - 2, 1)


@pytest.mark.parametrize(
    ("version", "name", "field", "value", "code"),
    [
        ("1.1", "orgs.csv", "type", "faculty", Code.NOT_IN_VOCABULARY),
        ("1.1", "orgs.csv", "type", "ext:faculty", Code.NOT_IN_VOCABULARY),
        ("1.2", "orgs.csv", "type", "ext:", Code.NOT_IN_VOCABULARY),
        ("1.1", "users.csv", "role", "director", Code.NOT_IN_VOCABULARY),
        ("1.2", "roles.csv", "role", "administrator", Code.NOT_IN_VOCABULARY),
        ("1.2", "roles.csv", "roleType", "ext:main", Code.NOT_IN_VOCABULARY),
        ("1.2", "enrollments.csv", "role", "aide", Code.NOT_IN_VOCABULARY),
        ("1.1", "classes.csv", "classType", "lecture", Code.NOT_IN_VOCABULARY),
        ("1.1", "results.csv", "scoreStatus", "done", Code.NOT_IN_VOCABULARY),
        ("1.1", "demographics.csv", "sex", "other", Code.NOT_IN_VOCABULARY),
        ("1.1", "resources.csv", "roles", "student,boss", Code.NOT_IN_VOCABULARY),
        ("1.2", "lineItemLearningObjectiveIds.csv", "source", "web", Code.NOT_IN_VOCABULARY),
        ("1.1", "orgs.csv", "status", "inactive", Code.NOT_IN_VOCABULARY),
        ("1.1", "orgs.csv", "dateLastModified", "вчера", Code.BAD_DATE),
        ("1.1", "academicSessions.csv", "startDate", "2026-02-30", Code.BAD_DATE),
        ("1.1", "academicSessions.csv", "startDate", "09/01/2026", Code.AMBIGUOUS_DATE),
        ("1.1", "academicSessions.csv", "startDate", "01.09.26", Code.BAD_DATE),
        ("1.1", "academicSessions.csv", "endDate", "2026-08-31", Code.ENDS_BEFORE_START),
        ("1.1", "academicSessions.csv", "schoolYear", "27", Code.BAD_NUMBER),
        ("1.1", "academicSessions.csv", "schoolYear", "2026/2028", Code.BAD_NUMBER),
        ("1.1", "users.csv", "enabledUser", "maybe", Code.BAD_BOOLEAN),
        ("1.1", "lineItems.csv", "resultValueMax", "пять", Code.BAD_NUMBER),
        ("1.1", "results.csv", "score", "nan", Code.BAD_NUMBER),
        ("1.1", "results.csv", "score", "1e999999", Code.BAD_NUMBER),
        ("1.1", "orgs.csv", "sourcedId", "x" * 256, Code.BAD_VALUE),
        ("1.1", "orgs.csv", "parentSourcedId", "nowhere", Code.ORPHAN_ROW),
        ("1.1", "classes.csv", "termSourcedIds", "y,nowhere", Code.ORPHAN_ROW),
        ("1.1", "users.csv", "agentSourcedIds", "nobody", Code.ORPHAN_ROW),
        ("1.1", "users.csv", "orgSourcedIds", "s,nowhere", Code.ORPHAN_ROW),
        ("1.1", "demographics.csv", "sourcedId", "nobody", Code.ORPHAN_ROW),
        ("1.1", "results.csv", "studentSourcedId", "nobody", Code.ORPHAN_ROW),
        ("1.2", "roles.csv", "userProfileSourcedId", "nothing", Code.ORPHAN_ROW),
        ("1.2", "resultScoreScales.csv", "scoreScaleSourcedId", "nothing", Code.ORPHAN_ROW),
        ("1.2", "userResources.csv", "resourceSourcedId", "nothing", Code.ORPHAN_ROW),
    ],
)
def test_a_wrong_value_rejects_its_row_and_no_other(
    tmp_path: Path, version: str, name: str, field: str, value: str, code: Code
) -> None:
    files = whole(version)
    last = len(files[name])
    put(name, last, field, value)(files)
    report = check(zipped(tmp_path / "pack.zip", files))
    assert [problem for problem in problems(report) if problem[0] == name] == [(name, last, field, code)]
    assert counts(report, name) == (last - 1, last - 2, 1)
    assert report.exit_code == 2


@pytest.mark.parametrize(
    ("version", "name", "field", "value"),
    [
        ("1.1", "academicSessions.csv", "startDate", "2026/09/01"),
        ("1.1", "academicSessions.csv", "startDate", "01.09.2026"),
        ("1.1", "academicSessions.csv", "startDate", "2026-9-1"),
        ("1.1", "academicSessions.csv", "startDate", "20260901"),
        ("1.1", "academicSessions.csv", "startDate", "09/13/2026"),
        ("1.1", "academicSessions.csv", "startDate", "13-09-2026"),
        ("1.1", "academicSessions.csv", "startDate", "9/9/2026"),
        ("1.1", "academicSessions.csv", "startDate", "01-Sep-2026"),
        ("1.1", "academicSessions.csv", "startDate", "Sep 1, 2026"),
        ("1.1", "academicSessions.csv", "startDate", "2026-09-01T00:00:00.000Z"),
        ("1.1", "academicSessions.csv", "startDate", "2026-09-01 00:00"),
        ("1.1", "academicSessions.csv", "schoolYear", "2026/2027"),
        ("1.1", "academicSessions.csv", "schoolYear", "2026-27"),
        ("1.1", "academicSessions.csv", "type", "Grading Period"),
        ("1.1", "orgs.csv", "dateLastModified", "2026-09-01T10:00:00+03:00"),
        ("1.1", "orgs.csv", "dateLastModified", "09/13/2026 11:20:30 PM"),
        ("1.1", "orgs.csv", "dateLastModified", "13.09.2026 10:00"),
        ("1.1", "orgs.csv", "status", "ACTIVE"),
        ("1.1", "orgs.csv", "status", "tobedeleted"),
        ("1.1", "orgs.csv", "type", "SCHOOL"),
        ("1.2", "orgs.csv", "type", "ext:gymnasium"),
        ("1.2", "roles.csv", "role", "ext:deputyHead"),
        ("1.1", "users.csv", "enabledUser", "TRUE"),
        ("1.1", "users.csv", "enabledUser", "1"),
        ("1.1", "users.csv", "enabledUser", "да"),
        ("1.1", "users.csv", "grades", "KG"),
        ("1.1", "users.csv", "agentSourcedIds", " u1 , u2 "),
        ("1.1", "results.csv", "score", "4,5"),
        ("1.1", "results.csv", "scoreStatus", "Fully_Graded"),
        ("1.1", "lineItems.csv", "resultValueMin", "-1.5"),
        ("1.1", "classes.csv", "location", 'каб. 12\n(второй "этаж")'),
    ],
)
def test_what_can_mean_one_thing_only_is_taken(tmp_path: Path, version: str, name: str, field: str, value: str) -> None:
    files = whole(version)
    put(name, len(files[name]), field, value)(files)
    assert problems(check(zipped(tmp_path / "pack.zip", files))) == []


@pytest.mark.parametrize(("mode", "codes"), [("bulk", []), ("delta", [Code.AMBIGUOUS_DATE])])
def test_a_time_of_change_matters_in_a_delta_only(tmp_path: Path, mode: str, codes: list[Code]) -> None:
    report = checked(tmp_path, put("orgs.csv", 2, "dateLastModified", "1/05/2026"), mode=mode)
    assert [problem[3] for problem in problems(report)] == codes


def test_references_are_known_by_shorter_names(tmp_path: Path) -> None:
    def spoil(files: Files) -> None:
        for name, long, short in (
            ("orgs.csv", "parentSourcedId", "parent"),
            ("courses.csv", "orgSourcedId", "orgId"),
            ("classes.csv", "termSourcedIds", "terms"),
            ("users.csv", "agentSourcedIds", "agents"),
            ("enrollments.csv", "userSourcedId", "user_id"),
            ("demographics.csv", "sourcedId", "userSourcedId"),
        ):
            files[name][0][column(files, name, long)] = short

    assert problems(checked(tmp_path, spoil)) == []


def test_western_names_in_windows_1252_are_no_cyrillic(tmp_path: Path) -> None:
    files = {name: as_csv(table) for name, table in whole().items()}
    latin = {
        name: text.replace("Примерова", "Renée").replace("Школа", "École").encode("cp1252", "replace")
        for name, text in files.items()
    }
    assert problems(check(zipped(tmp_path / "pack.zip", latin))) == []


def test_a_homeroom_may_have_no_course_and_ungraded_work_no_score(tmp_path: Path) -> None:
    def spoil(files: Files) -> None:
        put("classes.csv", 2, "courseSourcedId", "")(files)
        put("results.csv", 2, "scoreStatus", "not submitted")(files)
        put("results.csv", 2, "score", "")(files)

    assert problems(checked(tmp_path, spoil)) == []


def test_a_reference_may_lead_to_a_row_below_or_to_a_file_that_comes_later(tmp_path: Path) -> None:
    def spoil(files: Files) -> None:
        for name in ("orgs.csv", "academicSessions.csv", "users.csv"):
            files[name][1:] = files[name][:0:-1]

    files = whole()
    spoil(files)
    assert problems(check(zipped(tmp_path / "pack.zip", dict(reversed(files.items()))))) == []


def test_a_row_at_fault_came_all_the_same_for_those_that_refer_to_it(tmp_path: Path) -> None:
    report = checked(tmp_path, put("orgs.csv", 3, "type", "faculty"))
    assert problems(report) == [("orgs.csv", 3, "type", Code.NOT_IN_VOCABULARY)]


def test_a_delta_may_refer_to_what_was_sent_before_but_needs_status_and_time(tmp_path: Path) -> None:
    def spoil(files: Files) -> None:
        put("results.csv", 2, "studentSourcedId", "known-before")(files)
        put("users.csv", 2, "agentSourcedIds", "known-before")(files)
        put("orgs.csv", 2, "status", "")(files)
        put("orgs.csv", 3, "dateLastModified", "")(files)

    assert problems(checked(tmp_path, spoil, mode="delta")) == [
        ("orgs.csv", 2, "status", Code.MISSING_VALUE),
        ("orgs.csv", 3, "dateLastModified", Code.MISSING_VALUE),
    ]


@pytest.mark.parametrize("delta", ["results", "users"])
def test_what_was_sent_before_may_be_what_is_changed_or_what_is_referred_to(tmp_path: Path, delta: str) -> None:
    def spoil(files: Files) -> None:
        row = next(row for row in files["manifest.csv"] if row[0] == f"file.{delta}")
        row[1] = "delta"
        for changed in files[f"{delta}.csv"][1:]:
            changed[1:3] = ["active", "2026-10-25T10:00:00Z"]
        put("results.csv", 2, "studentSourcedId", "known-before")(files)

    assert problems(checked(tmp_path, spoil)) == []


def test_the_same_id_twice_is_taken_once(tmp_path: Path) -> None:
    def spoil(files: Files) -> None:
        files["orgs.csv"].append([*files["orgs.csv"][2]])
        files["orgs.csv"].append([*files["orgs.csv"][2]])
        files["results.csv"].insert(2, [*files["results.csv"][1]])

    report = checked(tmp_path, spoil)
    assert problems(report) == [
        ("orgs.csv", 4, "sourcedId", Code.DUPLICATE_ID),
        ("orgs.csv", 5, "sourcedId", Code.DUPLICATE_ID),
        ("results.csv", 3, "sourcedId", Code.DUPLICATE_ID),
    ]
    assert counts(report, "orgs.csv") == (4, 2, 2)


def test_a_row_that_corrects_one_that_could_not_be_taken_is_taken(tmp_path: Path) -> None:
    def spoil(files: Files) -> None:
        files["orgs.csv"].append([*files["orgs.csv"][2]])
        put("orgs.csv", 3, "type", "faculty")(files)

    report = checked(tmp_path, spoil)
    assert problems(report) == [("orgs.csv", 3, "type", Code.NOT_IN_VOCABULARY)]
    assert counts(report, "orgs.csv") == (3, 2, 1)


HEADERS: dict[str, Callable[[str], str]] = {
    "lower": str.lower,
    "upper": str.upper,
    "capital": lambda name: name[0].upper() + name[1:],
    "spaces": lambda name: name.replace("Sourced", " Sourced "),
    "snake": lambda name: "".join(f"_{c.lower()}" if c.isupper() else c for c in name),
    "singular": lambda name: name.removesuffix("s") if name.endswith("Ids") else name,
    "padded": lambda name: f"  {name} ",
    "misspelt": lambda name: "sourceId" if name == "sourcedId" else name,
}


@pytest.mark.parametrize("how", HEADERS)
@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_headers_are_known_however_they_are_spelt(tmp_path: Path, version: str, how: str) -> None:
    files = whole(version)
    for name, table in files.items():
        if name != "manifest.csv":
            table[0] = [HEADERS[how](title) for title in table[0]]
    assert problems(check(zipped(tmp_path / "pack.zip", files))) == []


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "cp1251"])
def test_encoding_delimiter_and_line_ends_do_not_matter(
    tmp_path: Path, encoding: str, end: str, delimiter: str
) -> None:
    files = {name: as_csv(table, delimiter=delimiter, end=end).encode(encoding) for name, table in whole("1.2").items()}
    report = check(zipped(tmp_path / "pack.zip", files))
    assert problems(report) == []
    assert counts(report, "users.csv") == (3, 3, 0)


def test_folders_case_and_litter_of_file_managers_do_not_matter(tmp_path: Path) -> None:
    files: dict[str, bytes | str | Table] = {f"Export/2026/{name.upper()}": table for name, table in whole().items()}
    files |= {"__MACOSX/Export/._users.csv": b"\x00\x05\x16", "Export/.DS_Store": b"\x00", "Export/Thumbs.db": b""}
    report = check(zipped(tmp_path / "pack.zip", files))
    assert problems(report) == []
    assert report.unknown_files == []
    assert "users.csv" in report.files


def test_a_folder_is_checked_like_an_archive(tmp_path: Path) -> None:
    for name, table in whole().items():
        (tmp_path / name).write_text(as_csv(table))
    assert problems(check(tmp_path)) == []


def test_a_file_that_stands_in_two_folders_is_read_once(tmp_path: Path) -> None:
    files: dict[str, bytes | str | Table] = {f"a/{name}": table for name, table in whole().items()}
    report = check(zipped(tmp_path / "pack.zip", {**files, "b/users.csv": whole()["users.csv"]}))
    assert problems(report) == [("users.csv", None, "", Code.DUPLICATE_FILE)]
    assert counts(report, "users.csv") == (3, 3, 0)


def test_unknown_columns_and_files_are_noted_and_no_problem(tmp_path: Path) -> None:
    def spoil(files: Files) -> None:
        for row, value in zip(files["orgs.csv"], ("phone", "1", "2"), strict=True):
            row.append(value)
        files["notes.csv"] = [["text"], ["Привет"]]

    report = checked(tmp_path, spoil)
    assert problems(report) == []
    assert report.unknown_columns["orgs.csv"] == ("phone",)
    assert report.unknown_files == ["notes.csv"]


def lines(tmp_path: Path, name: str, change: Callable[[list[str]], list[str]]) -> CheckReport:
    """Checks a pack of which one file's lines were changed."""
    files: dict[str, bytes | str | Table] = dict(whole())
    files[name] = "\n".join(change(as_csv(whole()[name], end="\n").splitlines())) + "\n"
    return check(zipped(tmp_path / "pack.zip", files))


def test_a_short_row_is_taken_when_all_that_it_lacks_is_optional(tmp_path: Path) -> None:
    report = lines(tmp_path, "orgs.csv", lambda rows: [rows[0], "d,,,Район,district", "s,,,Школа"])
    assert ("orgs.csv", 3, "", Code.BAD_ROW) in problems(report)
    assert counts(report, "orgs.csv") == (2, 1, 1)
    assert {problem[0] for problem in problems(report)} == {"orgs.csv"}, "its id is known although the row is cut off"


def test_a_long_row_is_taken_when_nothing_stands_beyond_the_header(tmp_path: Path) -> None:
    report = lines(tmp_path, "orgs.csv", lambda rows: [rows[0], f"{rows[1]},,,", f"{rows[2]},,что-то"])
    assert problems(report) == [("orgs.csv", 3, "", Code.BAD_ROW)]


def test_empty_lines_and_rows_without_a_value_are_none(tmp_path: Path) -> None:
    report = lines(tmp_path, "orgs.csv", lambda rows: ["", rows[0], "", rows[1], ",,,,,,", "   ", rows[2], ";", ""])
    assert counts(report, "orgs.csv")[0] == 3, "a lone semicolon is a value where commas separate"
    assert problems(report) == [("orgs.csv", 8, "", Code.BAD_ROW)]


def test_line_numbers_are_those_of_the_file_where_cells_hold_line_breaks(tmp_path: Path) -> None:
    report = lines(
        tmp_path,
        "orgs.csv",
        lambda rows: [rows[0], 'd,,,"Район\n\nи ""город""",district,,', rows[2], "x,,,Икс,faculty,,"],
    )
    assert problems(report) == [("orgs.csv", 6, "type", Code.NOT_IN_VOCABULARY)]


def test_a_lone_quote_within_a_cell_is_a_character(tmp_path: Path) -> None:
    report = lines(tmp_path, "orgs.csv", lambda rows: [rows[0], rows[1], 's,,,Школа 5" и 6,school,,d'])
    assert problems(report) == []


def test_a_quote_never_closed_costs_its_own_row_only(tmp_path: Path) -> None:
    report = lines(
        tmp_path,
        "orgs.csv",
        lambda rows: [rows[0], 'd,,,"Район,district,,', rows[2], "x,,,Икс,school,,", 'y,,,И",school,,'],
    )
    assert problems(report) == [("orgs.csv", 2, "", Code.BAD_ROW)]
    assert counts(report, "orgs.csv") == (4, 3, 1)


@pytest.mark.parametrize("bad", [b"\x00", b"\xd0,"])
def test_damaged_bytes_cost_their_own_row_only(tmp_path: Path, bad: bytes) -> None:
    files: dict[str, bytes | str | Table] = dict(whole())
    files["orgs.csv"] = as_csv(whole()["orgs.csv"]).encode().replace("Школа № 1".encode(), b"Sch" + bad + b"ool", 1)
    report = check(zipped(tmp_path / "pack.zip", files))
    assert problems(report) == [("orgs.csv", 3, "", Code.BAD_ENCODING)]


def test_a_column_that_is_missing_or_repeated_costs_the_file_and_is_named_once(tmp_path: Path) -> None:
    def spoil(files: Files) -> None:
        place = column(files, "users.csv", "username")
        for row in files["users.csv"]:
            del row[place]
        for row in files["orgs.csv"]:
            row.append(row[3])

    report = checked(tmp_path, spoil)
    assert problems(report) == [
        ("orgs.csv", None, "name", Code.WRONG_HEADER),
        ("users.csv", None, "username", Code.WRONG_HEADER),
    ]
    assert counts(report, "users.csv") == (3, 0, 3)


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf", b"a,b,c\n1,2,3\n"])
def test_a_file_without_a_header_is_one_problem(tmp_path: Path, content: bytes) -> None:
    files: dict[str, bytes | str | Table] = {**whole(), "demographics.csv": content}
    report = check(zipped(tmp_path / "pack.zip", files))
    assert problems(report) == [("demographics.csv", None, "", Code.WRONG_HEADER)]


def test_the_manifest_and_the_files_are_held_against_each_other(tmp_path: Path) -> None:
    def spoil(files: Files) -> None:
        values = {row[0]: row for row in files["manifest.csv"]}
        values["file.orgs"][1] = ""
        values["file.users"][1] = "absent"
        values["file.courses"][1] = "whole"
        files["manifest.csv"].remove(values["file.results"])
        files["manifest.csv"].append(["file.users", "bulk"])
        del files["demographics.csv"]

    report = checked(tmp_path, spoil)
    assert [problem for problem in problems(report) if problem[0] == "manifest.csv"] == [
        ("manifest.csv", 9, "file.courses", Code.NOT_IN_VOCABULARY),
        ("manifest.csv", 18, "file.users", Code.DUPLICATE_ID),
    ]
    assert [problem for problem in problems(report) if problem[0] != "manifest.csv"] == [
        ("users.csv", None, "file.users", Code.NOT_ANNOUNCED),
        ("demographics.csv", None, "file.demographics", Code.MISSING_FILE),
        ("results.csv", None, "file.results", Code.NOT_ANNOUNCED),
    ]
    assert counts(report, "users.csv") == (3, 3, 0), "what is there is looked at"


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_a_version_that_is_not_given_is_inferred_and_reported(tmp_path: Path, version: str) -> None:
    for value, code in (("", Code.MISSING_VERSION), ("2.0", Code.UNKNOWN_VERSION)):
        files = whole(version)
        files["manifest.csv"][2][1] = value
        report = check(zipped(tmp_path / "pack.zip", files))
        assert problems(report) == [("manifest.csv", None, "oneroster.version", code)]
        assert report.version == version


def test_a_pack_without_a_manifest_is_looked_at_all_the_same(tmp_path: Path) -> None:
    report = checked(tmp_path, lambda files: files.pop("manifest.csv"), version="1.2")
    assert problems(report) == [("manifest.csv", None, "", Code.MISSING_FILE)]
    assert report.version == "1.2"


def encrypted(content: bytes) -> bytes:
    spoilt, at = bytearray(content), 0
    for signature, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        at = spoilt.find(signature)
        while at >= 0:
            spoilt[at + offset] |= 1
            at = spoilt.find(signature, at + 4)
    return bytes(spoilt)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (lambda _: b"", Code.NOT_AN_ARCHIVE),
        (lambda _: b"Hello", Code.NOT_AN_ARCHIVE),
        (lambda pack: pack[: len(pack) // 2], Code.BROKEN_ARCHIVE),
        (lambda pack: pack[:-1], Code.BROKEN_ARCHIVE),
    ],
    ids=["empty", "text", "half", "last byte"],
)
def test_what_is_no_archive_is_unreadable(tmp_path: Path, content: Callable[[bytes], bytes], code: Code) -> None:
    pack = zipped(tmp_path / "pack.zip", whole())
    pack.write_bytes(content(pack.read_bytes()))
    report = check(pack)
    assert (report.exit_code, report.version) == (1, None)
    assert problems(report) == [("pack.zip", None, "", code)]


def test_an_encrypted_pack_is_unreadable(tmp_path: Path) -> None:
    pack = zipped(tmp_path / "pack.zip", whole())
    pack.write_bytes(encrypted(pack.read_bytes()))
    report = check(pack)
    assert report.exit_code == 1
    assert {problem[3] for problem in problems(report)} == {Code.BROKEN_ARCHIVE}


def test_an_archive_of_other_things_is_unreadable(tmp_path: Path) -> None:
    report = check(zipped(tmp_path / "pack.zip", {"readme.txt": "Привет", "inner.zip": b"PK\x03\x04"}))
    assert (report.exit_code, problems(report)) == (1, [("pack.zip", None, "", Code.NOTHING_KNOWN)])


def test_a_comment_that_looks_like_an_end_record_misleads_nobody(tmp_path: Path) -> None:
    """The table of contents is measured where the library finds it, also under a forged end record in a comment."""
    pack = zipped(tmp_path / "pack.zip", whole())
    with zipfile.ZipFile(pack, "a") as archive:
        archive.comment = b"PK\x05\x06" + struct.pack("<HHHHLLH", 0, 0, 1, 1, 46, 0, 0)
    assert check(pack).exit_code == 1
    with zipfile.ZipFile(pack, "w") as archive:
        for number in range(20_000):
            archive.writestr(f"{number:0>60}.csv", "")
        archive.comment = b"PK\x05\x06 and no more"
    assert problems(check(pack)) in (
        [("pack.zip", None, "", Code.BROKEN_ARCHIVE)],
        [("pack.zip", None, "", Code.ARCHIVE_TOO_LARGE)],
    )


def test_an_end_record_that_bears_its_mark_twice_is_measured_all_the_same(tmp_path: Path) -> None:
    """The library does not look at the numbers of disks: whoever hides a second mark there would pass unmeasured."""
    pack = tmp_path / "pack.zip"
    with zipfile.ZipFile(pack, "w") as archive:
        for number in range(12_000):
            archive.writestr(f"{number:0>60}.csv", "")
    content = bytearray(pack.read_bytes())
    content[-18:-14] = b"PK\x05\x06"
    pack.write_bytes(content)
    assert len(zipfile.ZipFile(pack).namelist()) == 12_000
    # By its size alone, before it is loaded: the number of files is not what stops it.
    report = check(pack, Limits(max_files=20_000))
    assert problems(report) == [("pack.zip", None, "", Code.ARCHIVE_TOO_LARGE)]


def test_every_file_of_the_standard_is_known() -> None:
    assert len(DATA_FILES) == 21
    assert set(whole("1.2")) - {"manifest.csv"} == set(DATA_FILES)


def run(*arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["oneroster", "check", *arguments])
    return result.exit_code, result.stdout


def test_the_command_prints_the_report_and_tells_by_its_exit_code(tmp_path: Path) -> None:
    clean = zipped(tmp_path / "clean.zip", whole())
    code, text = run(str(clean), "--json")
    report = json.loads(text)
    assert (code, report["version"], report["problems"]) == (0, "1.1", [])
    assert report["files"]["users.csv"] == {"rows": 3, "accepted": 3, "rejected": 0}
    files = whole()
    put("users.csv", 2, "role", "director")(files)
    code, text = run(str(zipped(tmp_path / "faulty.zip", files)), "--json")
    report = json.loads(text)
    assert code == 2
    assert set(report) == {"version", "files", "problems"}
    assert report["problems"] == [
        {
            "file": "users.csv",
            "line": 2,
            "field": "role",
            "code": "not_in_vocabulary",
            "reason": "Такого значения нет в словаре стандарта",
        }
    ]
    (tmp_path / "no.zip").write_bytes(b"no")
    code, text = run(str(tmp_path / "no.zip"), "--json")
    assert (code, json.loads(text)["files"]) == (1, {})


def test_the_table_for_people_says_where_and_why(tmp_path: Path) -> None:
    files = whole()
    put("users.csv", 2, "role", "director")(files)
    result = CliRunner().invoke(app, ["oneroster", "check", str(zipped(tmp_path / "pack.zip", files))])
    assert result.exit_code == 2
    assert "users.csv:2 role: Такого значения нет в словаре стандарта [not_in_vocabulary]" in result.stderr


def test_a_hundred_thousand_results_fit_into_a_small_memory(tmp_path: Path) -> None:
    files = whole()
    files["results.csv"] = [
        files["results.csv"][0],
        *([f"result-{n}", "", "", "l1", "u1", "fully graded", "5", "2026-10-13", ""] for n in range(100_000)),
    ]
    pack = zipped(tmp_path / "pack.zip", files)
    program = (
        "from pathlib import Path;"
        "from services.gradebook.exchange.oneroster_check import check;"
        "from tests.support.memory import peak_kib;"
        "before = peak_kib();"
        f"report = check(Path({str(pack)!r})); assert report.files['results.csv'].accepted == 100_000;"
        "print(peak_kib() - before)"
    )
    grown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    # A million results may take 300 MB with everything else; a hash and its place take some 110 bytes at the worst.
    assert int(grown.stdout) < 30 * 1024
