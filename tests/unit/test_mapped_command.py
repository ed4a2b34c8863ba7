"""`sutki import` as an operator types it: files as ever, tables by a map, forms to fill in."""

import json
from pathlib import Path

import openpyxl
import pytest
from typer.testing import CliRunner, Result

from sutki.cli import app
from tests.support.workbooks import progress_page

ONE = ("Иванов Иван", "7А", {"Алгебра": ["5", "хор", "", ""]}, ["5,00|5"])


@pytest.fixture
def report(tmp_path: Path) -> Path:
    path = tmp_path / "report.xls"
    path.write_text(progress_page([ONE]), encoding="utf-8")
    return path


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["import", *(str(argument) for argument in arguments)])


def test_help_names_each_way_to_import():
    said = run("--help").stdout
    assert all(name in said for name in ("files", "table", "template", "maps"))


@pytest.mark.parametrize("arguments", [["nowhere.zip"], ["--dry-run", "nowhere.zip"], ["nowhere.zip", "--json"]])
def test_a_path_alone_is_imported_as_files(arguments: list[str]):
    result = run(*arguments)
    assert result.exit_code == 2
    assert "import files" in result.output
    assert "nowhere.zip" in result.output


def test_a_preview_needs_no_journal_and_tells_what_was_not_understood(report: Path):
    result = run("table", report, "--map", "student-progress", "--preview")
    assert result.exit_code == 2
    assert "2026-09-02" in result.output
    assert "report.xls HTML!C8 value" in result.output
    assert "cell_not_understood" in result.output


def test_a_preview_as_json_names_nobody(report: Path):
    result = run("table", report, "--map", "student-progress", "--preview", "--json")
    told = json.loads(result.stdout)
    assert told["exit_code"] == 2
    assert told["understood"]["students"] == 1
    assert told["understood"]["marks"] == {"5": 1}
    (rejection,) = told["rejections"]
    assert (rejection["sheet"], rejection["cell"], rejection["line"]) == ("HTML", "C8", 8)
    assert set(rejection["reason"]) == {"ru", "en"}
    assert "Иванов" not in result.stdout


def test_a_wrong_map_ends_with_where_it_is_wrong(report: Path, tmp_path: Path):
    (tmp_path / "map.toml").write_text("[map]\nname='x'\n", encoding="utf-8")
    plain = run("table", report, "--map", tmp_path / "map.toml", "--preview")
    assert (plain.exit_code, "bad_map" in plain.output, "tables or json" in plain.output) == (1, True, True)
    told = json.loads(run("table", report, "--map", tmp_path / "map.toml", "--preview", "--json").stdout)
    assert told["rejections"][0]["code"] == "bad_map"


def test_an_unreadable_file_ends_with_one(tmp_path: Path):
    path = tmp_path / "locked.xlsx"
    path.write_bytes(bytes.fromhex("D0CF11E0A1B11AE1") + "EncryptedPackage".encode("utf-16-le"))
    result = run("table", path, "--map", "student-progress", "--preview")
    assert result.exit_code == 1
    assert "password_protected" in result.output


def test_a_template_is_written_and_says_how_it_comes_back(tmp_path: Path):
    path = tmp_path / "marks.xlsx"
    result = run("template", "marks", path, "--class", "8Б", "--subject", "Физика", "--school-year", "2026/2027")
    assert result.exit_code == 0
    assert "--map class-progress" in result.output
    sheet = openpyxl.load_workbook(path).worksheets[0]
    assert (sheet.title, sheet["A1"].value, sheet["A2"].value) == ("Физика", "Класс: 8Б", "Предмет: Физика")
    assert run("table", path, "--map", "class-progress", "--preview").exit_code == 0


@pytest.mark.parametrize("options", [["--school-year", "2026"], ["--from", "1 сентября"]])
def test_a_template_refuses_a_date_that_is_none(tmp_path: Path, options: list[str]):
    assert run("template", "marks", tmp_path / "a.xlsx", *options).exit_code == 1
    assert not (tmp_path / "a.xlsx").exists()


def test_the_shipped_maps_are_listed():
    assert "diary-week" in run("maps").stdout
