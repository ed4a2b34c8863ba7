"""`sutki forecast`: what it prints, where, and with which exit code."""

import csv
import json
import random
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from services.gradebook.forecast.history import Row
from sutki.cli import app
from tests.support.past_grades import ability_and_strictness

PERIOD = "4"


def written(folder: Path, rows: list[Row], *, extra: str = "") -> Path:
    """The rows as a file; the last third of the students has no grade in the last period."""
    file = folder / "history.csv"
    students = list(dict.fromkeys(row.student for row in rows))
    without = set(students[len(students) * 2 // 3 :])
    lines = [
        f"{row.student},{row.subject},{row.period},{row.grade:g}\n"
        for row in rows
        if row.grade is not None and not (row.period == PERIOD and row.student in without)
    ]
    file.write_text("student,subject,period,grade\n" + "".join(lines) + extra, encoding="utf-8")
    return file


def run(*arguments: str | Path, language: str = "ru", given: bytes | None = None) -> Result:
    told = CliRunner().invoke(app, ["forecast", *map(str, arguments)], env={"SUTKI_LANG": language}, input=given)
    assert told.exception is None or isinstance(told.exception, SystemExit), told.exception
    return told


@pytest.fixture
def school() -> list[Row]:
    return ability_and_strictness(random.Random(7), 90)


def test_it_forecasts_those_who_have_only_earlier_periods_in_the_order_of_the_file(tmp_path: Path, school: list[Row]):
    result = run("predict", written(tmp_path, school), "--period", PERIOD)
    assert result.exit_code == 0
    table = list(csv.DictReader(result.stdout.splitlines()))
    assert list(table[0]) == ["student", "subject", "p2", "p3", "p4", "p5"]
    pairs = list(dict.fromkeys((row.student, row.subject) for row in school))
    assert [(row["student"], row["subject"]) for row in table] == pairs[60 * 4 :]
    for row in table:
        assert sum(round(float(row[name]) * 1_000_000) for name in ("p2", "p3", "p4", "p5")) == 1_000_000
    assert "учились на 240, прогнозов 120" in result.stderr


def test_the_same_file_gives_the_same_answer(tmp_path: Path, school: list[Row]):
    file = written(tmp_path, school)
    assert run("predict", file, "--period", PERIOD).stdout == run("predict", file, "--period", PERIOD).stdout


def test_rejected_rows_are_told_on_standard_error_and_the_rest_is_forecast(tmp_path: Path, school: list[Row]):
    file = written(tmp_path, school, extra="у1,алгебра,3,восемь\nу1,алгебра\nу2,химия,1,н/а\n")
    result = run("predict", file, "--period", PERIOD)
    assert result.exit_code == 2
    assert "не отметка" in result.stderr
    assert "отклонено строк 2" in result.stderr
    assert "н/а: 1" in result.stderr
    assert len(result.stdout.splitlines()) == 121


def test_it_reads_standard_input(tmp_path: Path, school: list[Row]):
    file = written(tmp_path, school)
    assert run("predict", "-", "--period", PERIOD, given=file.read_bytes()).stdout == (
        run("predict", file, "--period", PERIOD).stdout
    )


def test_a_period_in_another_case_is_found(tmp_path: Path):
    file = tmp_path / "history.csv"
    file.write_text("Student;Subject;Period;Grade\n1;x;Q1;4\n1;x;Q2;4\n2;x;Q1;5\n", encoding="utf-8")
    result = run("predict", file, "--period", "q2")
    assert result.exit_code == 0
    assert result.stdout.splitlines()[1].startswith("2,x,")


def test_a_stated_order_decides_what_is_earlier(tmp_path: Path):
    file = tmp_path / "history.csv"
    file.write_text("student,subject,period,grade\n1,x,autumn,4\n1,x,spring,4\n2,x,spring,5\n", encoding="utf-8")
    assert run("predict", file, "--period", "autumn", "--order", "autumn,spring").exit_code == 1
    assert run("predict", file, "--period", "autumn", "--order", "spring,autumn").exit_code == 0


def test_before_anyone_has_a_grade_the_general_rule_forecasts_and_says_so(tmp_path: Path):
    file = tmp_path / "history.csv"
    file.write_text("student,subject,period,grade\n1,x,1,4\n2,x,1,5\n2,x,2,\n", encoding="utf-8")
    result = run("predict", file, "--period", "2")
    assert result.exit_code == 0
    assert "без опыта школы" in result.stderr
    assert len(result.stdout.splitlines()) == 3


@pytest.mark.parametrize(
    ("content", "period", "russian", "english"),
    [
        ("", "2", "Файл пуст", "The file is empty"),
        ("student,subject\n1,x\n", "2", "нет столбцов: period, grade", "lacks the columns: period, grade"),
        ("student,subject,period,grade\n1,x,1,4\n", "2", "Нет периода 2", "No period 2"),
        ("student,subject,period,grade\n1,x,1,4\n", "1", "Раньше периода 1 ничего нет", "Nothing is earlier than 1"),
        ("student,subject,period,grade\n1,x,1,\n1,x,2,4\n", "2", "Ни у кого нет отметок", "Nobody has a grade"),
    ],
)
def test_what_makes_a_forecast_impossible_is_a_sentence_in_both_languages(
    tmp_path: Path, content: str, period: str, russian: str, english: str
):
    file = tmp_path / "history.csv"
    file.write_text(content, encoding="utf-8")
    for language, sentence in (("ru", russian), ("en", english)):
        for command in ("predict", "evaluate"):
            result = run(command, file, "--period", period, language=language)
            assert result.exit_code == 1
            assert sentence in " ".join(result.stderr.split())
            assert result.stdout == ""


def test_an_evaluation_is_a_table_for_people_and_json_for_programs(tmp_path: Path, school: list[Row]):
    file = written(tmp_path, school)
    told = run("evaluate", file, "--period", PERIOD, "--folds", "3")
    assert told.exit_code == 0
    assert "log loss" in told.stdout
    machine = run("evaluate", file, "--period", PERIOD, "--folds", "3", "--seed", "5", "--json")
    report = json.loads(machine.stdout)
    assert (report["period"], report["students"], report["cases"], report["folds"]) == (PERIOD, 60, 240, 3)
    measures = report["forecasters"]["sutki"]
    assert set(report["forecasters"]) == {"sutki", "table_last", "table_mean", "plain_mean"}
    assert set(measures) == {
        "accuracy", "mean_absolute_error", "brier", "log_loss", "calibration_error", "reliability",
    }  # fmt: skip
    assert 0 < measures["brier"] < report["forecasters"]["plain_mean"]["brier"]


@pytest.mark.parametrize("name", ["nowhere.csv", "."])
def test_a_file_that_cannot_be_read_is_told_and_is_no_partial_success(tmp_path: Path, name: str):
    result = run("predict", tmp_path / name, "--period", "2")
    assert result.exit_code == 1
    assert "Файл не читается" in result.stderr


def test_one_student_is_too_few_to_evaluate(tmp_path: Path):
    file = tmp_path / "history.csv"
    file.write_text("student,subject,period,grade\n1,x,1,4\n1,x,2,4\n", encoding="utf-8")
    result = run("evaluate", file, "--period", "2")
    assert result.exit_code == 1
    assert "хотя бы два ученика" in result.stderr
