"""Mapped tables on a real database: looked up, taken, told, and taken again without a change."""

import asyncio
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from typer.testing import CliRunner

from chassis.database import DISTRICT
from contracts.final_grade_set import FinalGradeSet
from contracts.mark_recorded import MarkRecorded
from contracts.person_changed import PersonChanged
from services.gradebook.exchange.mapped.headers import Given
from services.gradebook.exchange.mapped.importing import TableReport, import_table, load_directory
from services.gradebook.exchange.mapped.mapping import load_map
from services.gradebook.exchange.mapped.templates import Blank, TemplateKind, write_template
from services.gradebook.records import RecordKind
from services.gradebook.rejections import Code
from sutki.cli import app
from tests.integration.test_gradebook_journal import Journal, district, journal, last
from tests.support.databases import ServiceDatabases
from tests.support.workbooks import grid_xlsx, progress_page

__all__ = ["district", "journal"]

SUBJECTS = {"Алгебра": ["5", "4 3", "", "5"], "Русский язык": ["4", "", "", "4"], "Химия": ["5", "", "", ""]}
TOTALS = ["4,25|4", "4,00|4", "5,00|-"]


async def take(journal: Journal, path: Path, map_name: str, **options: Any) -> TableReport:
    return await import_table(journal.database, journal.clock, path, load_map(map_name), school="1", **options)


def counts(report: TableReport, kind: RecordKind) -> tuple[int, int, int, int]:
    assert report.imported is not None
    of = report.imported.of(kind)
    return of.added, of.changed, of.unchanged, of.rejected


def page(folder: Path, subjects: dict[str, list[str]] = SUBJECTS, student: str = "Примерова Анна") -> Path:
    path = folder / "report.xls"
    path.write_text(progress_page([(student, "7А", subjects, TOTALS[: len(subjects)])]), encoding="utf-8")
    return path


async def test_a_students_report_is_taken_and_told(district: Journal, tmp_path: Path) -> None:
    district.clock.advance(timedelta(days=10))
    report = await take(district, page(tmp_path), "student-progress")

    assert counts(report, RecordKind.MARKS) == (6, 0, 0, 1)
    assert counts(report, RecordKind.FINAL_GRADES) == (2, 0, 0, 0)
    # The journal has no chemistry.
    assert [(item.place.cell, item.field, item.code) for item in report.rejections] == [
        ("B10", "subject", Code.UNKNOWN_SUBJECT)
    ]
    assert report.exit_code == 2
    events = await district.told()
    anna = await district.id_of("person", "s1")
    marks = [event for event in events if isinstance(event, MarkRecorded)]
    assert sorted(event.value for event in marks if event.subject.title == "Алгебра") == ["3", "4", "5", "5"]
    assert {event.student_id for event in marks} == {anna}
    grade = last(events, FinalGradeSet, student_id=anna)
    # In Moscow the day after the quarter's last.
    assert grade.obtained_at == datetime(2026, 10, 25, 21, tzinfo=UTC)


async def test_the_same_report_again_changes_nothing_and_tells_nothing(district: Journal, tmp_path: Path) -> None:
    for _ in range(2):
        report = await take(district, page(tmp_path), "student-progress")
        district.clock.advance(timedelta(days=30))
    assert counts(report, RecordKind.MARKS) == (0, 0, 6, 1)
    assert counts(report, RecordKind.FINAL_GRADES) == (0, 0, 2, 0)
    assert {event.TOPIC for event in await district.told()} == {MarkRecorded.TOPIC, FinalGradeSet.TOPIC}
    await take(district, page(tmp_path), "student-progress")
    assert await district.told() == []


async def test_a_corrected_mark_is_a_new_revision_of_the_same_mark(district: Journal, tmp_path: Path) -> None:
    await take(district, page(tmp_path), "student-progress")
    await district.told()
    corrected = SUBJECTS | {"Русский язык": ["5", "", "", "4"]}
    report = await take(district, page(tmp_path, corrected), "student-progress")
    assert counts(report, RecordKind.MARKS) == (0, 1, 5, 1)
    (event,) = await district.told()
    assert isinstance(event, MarkRecorded)
    assert (event.value, event.revision) == ("5", 2)


async def test_a_dry_run_of_a_table_changes_nothing(district: Journal, tmp_path: Path) -> None:
    report = await take(district, page(tmp_path), "student-progress", dry_run=True)
    assert counts(report, RecordKind.MARKS) == (6, 0, 0, 1)
    assert await district.told() == []
    assert len(await district.rows("SELECT * FROM marks")) == 2


async def test_a_student_of_another_school_or_of_nobody_is_not_taken(district: Journal, tmp_path: Path) -> None:
    for student in ("Примеров Глеб", "Никто Никтович"):
        report = await take(district, page(tmp_path, student=student), "student-progress")
        assert report.exit_code == 1
        assert {item.code for item in report.rejections} == {Code.UNKNOWN_STUDENT}
    assert await district.told() == []


async def test_without_its_school_a_table_is_not_taken_where_there_are_several(
    district: Journal, tmp_path: Path
) -> None:
    report = await import_table(district.database, district.clock, page(tmp_path), load_map("student-progress"))
    assert [(item.field, item.code) for item in report.rejections] == [("school", Code.UNKNOWN_SCHOOL)]
    assert report.exit_code == 1


async def test_a_class_list_makes_people_and_their_representatives_once(district: Journal, tmp_path: Path) -> None:
    header = ["№", "ФИО ученика", "Класс", "Дата рождения", "Представитель 1", "Кем приходится 1"]
    rows: list[list[Any]] = [
        header,
        [1, "Примерова Анна Образцовна", "7А", "03.02.2013", "Образцова Мария Петровна", "мать"],
        [2, "Новый Олег Игоревич", "9В", "01.05.2011", "Новая Ирина", "мать"],
    ]
    path = grid_xlsx(tmp_path / "list.xlsx", rows)
    report = await take(district, path, "class-list")
    assert report.exit_code == 0, report.rejections
    assert counts(report, RecordKind.PEOPLE) == (2, 0, 1, 0)
    assert counts(report, RecordKind.GROUPS) == (1, 0, 0, 0)
    assert counts(report, RecordKind.REPRESENTATIVES)[0] == 1
    new = [
        event for event in await district.told() if isinstance(event, PersonChanged) and event.name.family == "Новый"
    ]
    assert new[-1].enrolment is not None
    assert (new[-1].enrolment.class_name, len(new[-1].enrolment.representatives)) == ("9В", 1)

    again = await take(district, path, "class-list")
    assert again.exit_code == 0
    assert again.imported is not None
    assert sum(of.added + of.changed for of in again.imported.counts.values()) == 0
    assert await district.told() == []


async def test_a_table_and_its_faults_come_together_with_the_places(district: Journal, tmp_path: Path) -> None:
    rows: list[list[Any]] = [
        ["Класс: 7А"], ["Предмет: Алгебра"], ["2026/2027 учебный год"],
        ["ФИО", "01.09", "02.09"], ["Примерова Анна", 5, "хор"], ["Образцов Б.", 4, 3], ["Чужой Иван", 2, None],
    ]  # fmt: skip
    report = await take(district, grid_xlsx(tmp_path / "class.xlsx", rows, name="Алгебра"), "class-progress")
    assert counts(report, RecordKind.MARKS) == (3, 0, 0, 1)
    told = [
        (item["sheet"], item["cell"], item["line"], item["field"], item["code"])
        for item in report.as_json()["rejections"]
    ]
    assert told == [
        ("Алгебра", "C5", 5, "value", "cell_not_understood"),
        ("Алгебра", "B7", 7, "student", "unknown_student"),
    ]


async def test_absences_are_taken_as_attendance_and_never_as_marks(district: Journal, tmp_path: Path) -> None:
    rows: list[list[Any]] = [
        ["Класс: 7А"], ["Предмет: Алгебра"], ["2026/2027 учебный год"],
        ["ФИО", "01.09", "02.09"], ["Примерова Анна", "н", "5б"], ["Образцов Борис", "УП", "оп"],
    ]  # fmt: skip
    path = grid_xlsx(tmp_path / "class.xlsx", rows, name="Алгебра")
    report = await take(district, path, "class-progress")
    assert report.exit_code == 0, report.rejections
    taken = await district.rows("SELECT lesson_on, code FROM attendance ORDER BY lesson_on, code")
    assert [(row["lesson_on"].day, row["code"]) for row in taken] == [
        (1, "absent"), (1, "valid_reason"), (2, "ill"), (2, "late")
    ]  # fmt: skip
    assert counts(report, RecordKind.MARKS) == (1, 0, 0, 0)
    again = await take(district, path, "class-progress")
    assert counts(again, RecordKind.ATTENDANCE) == (0, 0, 4, 0)


async def test_a_week_of_the_diary_is_taken_for_the_student_that_the_operator_names(
    district: Journal, tmp_path: Path
) -> None:
    def work(number: int, kind: int, **more: Any) -> dict[str, Any]:
        name = f"Задание {number}"
        return {"id": number, "typeId": kind, "assignmentName": name, "dueDate": "2026-09-09T00:00:00", **more}

    lesson = {
        "classmeetingId": 501, "number": 2, "startTime": "08:50", "endTime": "09:30", "subjectName": "Алгебра",
        "assignments": [work(1, 3), work(2, 10, mark={"mark": 5, "studentId": 7}, weight=0)],
    }  # fmt: skip
    path = tmp_path / "week.json"
    days = [{"date": "2026-09-08T00:00:00", "lessons": [lesson]}]
    path.write_text(json.dumps({"className": "7а", "weekDays": days}), encoding="utf-8")
    report = await take(district, path, "diary-week", given=Given(student_id="s1"))
    assert report.exit_code == 0, report.rejections
    for kind in (RecordKind.LESSONS, RecordKind.HOMEWORK, RecordKind.MARKS):
        assert counts(report, kind) == (1, 0, 0, 0)
    (lesson_row,) = await district.rows("SELECT lesson_on, number, starts_at FROM lessons")
    assert (lesson_row["lesson_on"], lesson_row["number"], str(lesson_row["starts_at"])) == (
        date(2026, 9, 8),
        2,
        "08:50:00",
    )
    again = await take(district, path, "diary-week", given=Given(student_id="s1"))
    assert again.imported is not None
    assert sum(of.added + of.changed for of in again.imported.counts.values()) == 0


async def test_a_filled_timetable_and_a_filled_plan_are_taken_and_taken_again(
    district: Journal, tmp_path: Path
) -> None:
    cells = {
        TemplateKind.TIMETABLE: {
            "D3": "Алгебра", "E3": "08:30", "F3": "09:15", "H3": "Учителева О. И.", "D10": "Русский язык",
        },
        TemplateKind.CURRICULUM: {"D3": "Контрольная работа", "E3": "4,5"},
    }  # fmt: skip
    for kind, filled in cells.items():
        path = tmp_path / f"{kind}.xlsx"
        write_template(path, kind, Blank("2026/2027", "7А", ("Алгебра",)))
        workbook = openpyxl.load_workbook(path)
        for address, value in filled.items():
            workbook.worksheets[0][address] = value
        workbook.save(path)
        for expected in ("added", "unchanged"):
            report = await take(district, path, str(kind))
            assert report.exit_code == 0, report.rejections
            assert report.imported is not None
            (of,) = report.imported.counts.values()
            assert getattr(of, expected) == {TemplateKind.TIMETABLE: 2, TemplateKind.CURRICULUM: 1}[kind]
    slots = await district.rows("SELECT weekday, teacher_id FROM timetable_slots ORDER BY weekday")
    assert [(row["weekday"], row["teacher_id"]) for row in slots] == [
        (1, await district.id_of("person", "t1")),
        (2, None),
    ]
    (plan,) = await district.rows("SELECT lesson_type, hours FROM curriculum_plan")
    assert (plan["lesson_type"], str(plan["hours"])) == ("control_work", "4.50")


async def test_a_form_may_be_made_with_the_students_of_the_class(district: Journal) -> None:
    async with district.database.transaction(DISTRICT) as conn:
        directory = await load_directory(conn, "district", "1")
    assert directory is not None
    assert directory.students_of("7 a") == [("Образцов Борис", "s2"), ("Примерова Анна Образцовна", "s1")]
    assert directory.students_of("9Я") == []


async def test_the_command_takes_a_table_into_a_running_journal_and_says_so(
    district: Journal, service_database: ServiceDatabases, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SUTKI_GRADEBOOK_DATABASE_URL", (await service_database.urls("gradebook")).app)
    monkeypatch.setenv("SUTKI_KAFKA_BOOTSTRAP", "unused")
    command = ["import", "table", str(page(tmp_path)), "--map", "student-progress", "--school", "1", "--json"]
    results = [await asyncio.to_thread(CliRunner().invoke, app, [*command, *more]) for more in (["--dry-run"], [], [])]
    told = [json.loads(result.stdout) for result in results]
    assert [(one["exit_code"], one["dry_run"], one["counts"]["marks"]["added"]) for one in told] == [
        (2, True, 6),
        (2, False, 6),
        (2, False, 0),
    ]
    assert told[2]["counts"]["marks"]["unchanged"] == 6
    assert "Примерова" not in results[0].stdout


async def test_the_command_makes_a_form_with_the_students_of_the_class(
    district: Journal, service_database: ServiceDatabases, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SUTKI_GRADEBOOK_DATABASE_URL", (await service_database.urls("gradebook")).app)
    monkeypatch.setenv("SUTKI_KAFKA_BOOTSTRAP", "unused")
    path = tmp_path / "marks.xlsx"
    command = ["import", "template", "marks", str(path), "--school", "1", "--class", "7А", "--subject", "Алгебра"]
    result = await asyncio.to_thread(CliRunner().invoke, app, command)
    assert result.exit_code == 0, result.output
    rows = openpyxl.load_workbook(path).worksheets[0].iter_rows(min_row=6, max_row=7, max_col=3, values_only=True)
    assert list(rows) == [(1, "Образцов Борис", "s2"), (2, "Примерова Анна Образцовна", "s1")]
