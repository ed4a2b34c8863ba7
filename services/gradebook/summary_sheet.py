"""The summary sheet (сводная ведомость) of a class and school year: every final grade appears there (C5.4).

As the paper one: for each student a line for each period, a column for each subject.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import xlsxwriter

from chassis.database import Database, Scope
from contracts.values import PeriodKind, Subject
from services.gradebook import queries as journal_queries
from services.gradebook import summary_queries as queries
from services.gradebook.closing.domain import is_assessed
from services.gradebook.summary_queries import ClassOfYear, SheetGrade, SheetStudent, YearPeriod

Language = Literal["ru", "en"]
_ORDER = {kind: place for place, kind in enumerate(PeriodKind)}
_LABELS: dict[Language, dict[PeriodKind, str]] = {
    "ru": {
        PeriodKind.QUARTER: "{number} четверть",
        PeriodKind.HALF_YEAR: "{number} полугодие",
        PeriodKind.YEAR: "Год",
        PeriodKind.EXAM: "Экзамен",
        PeriodKind.FINAL: "Итоговая",
    },
    "en": {
        PeriodKind.QUARTER: "Quarter {number}",
        PeriodKind.HALF_YEAR: "Half-year {number}",
        PeriodKind.YEAR: "Year",
        PeriodKind.EXAM: "Exam",
        PeriodKind.FINAL: "Final",
    },
}
_WORDS: dict[Language, dict[str, str]] = {
    "ru": {
        "sheet": "Сводная ведомость",
        "title": "Сводная ведомость учёта успеваемости: {name} класс, {year} учебный год",
        "student": "Ученик",
        "period": "Период",
        "deferred": "отср. до {day:%d.%m.%Y}",
        "left": "{name} (выбыл(а))",
        "legend": "н/а — не аттестован(а); осв — освобождён(а); зач, незач — зачёт, незачёт; отср. — отсрочка; "
        "* — до решения педсовета.",
        "empty": "Итоговых отметок нет.",
        "signs": "Классный руководитель ____________________     Директор ____________________",
        "page": "Страница &P из &N",
    },
    "en": {
        "sheet": "Summary sheet",
        "title": "Summary sheet of final grades: class {name}, school year {year}",
        "student": "Student",
        "period": "Period",
        "deferred": "deferred to {day:%d.%m.%Y}",
        "left": "{name} (left)",
        "legend": "н/а: not assessed; осв: exempt; зач, незач: passed, failed; deferred: see the date; "
        "*: until the council has decided.",
        "empty": "There are no final grades.",
        "signs": "Class teacher ____________________     Head ____________________",
        "page": "Page &P of &N",
    },
}


class NoSuchClass(Exception):  # noqa: N818 - the outcome of a question
    """The school has no such class, or no periods in that school year."""


@dataclass(frozen=True)
class SummarySheet:
    """Everything on the sheet."""

    school_id: UUID
    class_id: UUID
    school_year: str
    about: ClassOfYear
    periods: list[YearPeriod]
    """Those of the class's grade, and every other in which somebody has a grade; in their order."""
    subjects: list[Subject]
    students: list[SheetStudent]
    grades: Mapping[tuple[UUID, UUID, UUID], list[SheetGrade]]
    """By student, subject and period. More than one only if the journal sent more than one."""

    def cell(self, student_id: UUID, subject_id: UUID, period_id: UUID, language: Language) -> str:
        """What stands there."""
        found = self.grades.get((student_id, subject_id, period_id), [])
        return " / ".join(_shown(grade, language) for grade in found)

    def as_json(self) -> dict[str, Any]:
        """The sheet for programs."""
        return {
            "school_id": self.school_id,
            "school": self.about.school,
            "class_id": self.class_id,
            "class_name": self.about.name,
            "grade_level": self.about.grade_level,
            "school_year": self.school_year,
            "periods": [
                {"period_id": one.period_id, "kind": one.kind.value, "number": one.number} for one in self.periods
            ],
            "subjects": [{"subject_id": one.id, "title": one.title} for one in self.subjects],
            "students": [self._student_json(student) for student in self.students],
        }

    def _student_json(self, student: SheetStudent) -> dict[str, Any]:
        return {
            "student_id": student.student_id,
            "student": student.external_id,
            "name": student.name,
            "left": student.left,
            "grades": [
                {
                    "subject_id": grade.subject_id,
                    "period_id": grade.period_id,
                    "result_id": grade.result_id,
                    "state": grade.state,
                    "value": grade.value,
                    "held": grade.held,
                    "deferred_until": grade.deferred_until,
                }
                for subject in self.subjects
                for period in self.periods
                for grade in self.grades.get((student.student_id, subject.id, period.period_id), [])
            ],
        }


def _shown(grade: SheetGrade, language: Language) -> str:
    if grade.state == "deferred" and grade.deferred_until is not None:
        return _WORDS[language]["deferred"].format(day=grade.deferred_until)
    return (grade.value or "") + ("*" if grade.held else "")


def label(period: YearPeriod, language: Language) -> str:
    """A period as the sheet names it."""
    return _LABELS[language][period.kind].format(number=period.number)


async def summary_sheet(
    database: Database, scope: Scope, school_id: UUID, class_id: UUID, school_year: str | None
) -> SummarySheet:
    """The sheet of a class.

    Args:
        database: the gradebook's.
        scope: what may be seen.
        school_id: the school.
        class_id: its class.
        school_year: such as 2026/2027; None: the last of which the school has periods.

    Raises:
        NoSuchClass: the school has no such class, or no periods in that school year.
    """
    async with database.transaction(scope) as conn:
        school_year = school_year or await queries.last_year(conn, school_id)
        about = await queries.class_of_year(conn, school_id, class_id, school_year)
        if about is None:
            raise NoSuchClass
        periods = await queries.periods(conn, school_id, school_year)
        students = await queries.students(conn, class_id, about.starts_on, about.ends_on)
        found = await queries.grades(
            conn, school_id, [student.student_id for student in students], [period.period_id for period in periods]
        )
        titles = await journal_queries.subjects(conn, list({grade.subject_id for grade in found}))
    grades: dict[tuple[UUID, UUID, UUID], list[SheetGrade]] = {}
    for grade in found:
        grades.setdefault((grade.student_id, grade.subject_id, grade.period_id), []).append(grade)
    used = {grade.period_id for grade in found}
    return SummarySheet(
        school_id,
        class_id,
        school_year,
        about,
        sorted(
            (one for one in periods if one.period_id in used or is_assessed(one.kind, about.grade_level)),
            key=lambda one: (_ORDER[one.kind], one.number, one.starts_on, str(one.period_id)),
        ),
        sorted(titles.values(), key=lambda one: (one.title.casefold(), str(one.id))),
        sorted(students, key=lambda one: (one.name.casefold(), str(one.student_id))),
        grades,
    )


_HEADER_ROW = 2
_FIRST_SUBJECT = 3


def workbook(sheet: SummarySheet, language: Language = "ru") -> bytes:
    """The sheet as XLSX, ready to print: landscape A4, one page wide, the header on every page.

    Every text is written as text, so that none of it runs as a formula, whatever it begins with.
    """
    buffer = io.BytesIO()
    words = _WORDS[language]
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(buffer, options) as book:
        page = book.add_worksheet(words["sheet"])
        styles = {
            "title": book.add_format({"bold": True, "font_size": 14}),
            "head": book.add_format({"bold": True, "border": 1, "text_wrap": True, "valign": "bottom"}),
            "turned": book.add_format({"bold": True, "border": 1, "rotation": 90, "text_wrap": True}),
            "name": book.add_format({"border": 1, "text_wrap": True, "valign": "top"}),
            "cell": book.add_format({"border": 1, "align": "center", "text_wrap": True, "font_size": 10}),
            "note": book.add_format({"italic": True, "font_size": 9}),
        }
        _set_page(page, sheet, words)
        page.write_string(0, 0, words["title"].format(name=sheet.about.name, year=sheet.school_year), styles["title"])
        page.write_string(1, 0, sheet.about.school, styles["note"])
        _write_header(page, sheet, words, styles)
        last = _write_students(page, sheet, language, styles)
        if not sheet.grades:
            page.write_string(last, 1, words["empty"], styles["note"])
            last += 1
        page.write_string(last + 1, 0, words["legend"], styles["note"])
        page.write_string(last + 3, 0, words["signs"])
    return buffer.getvalue()


def _set_page(page: Any, sheet: SummarySheet, words: Mapping[str, str]) -> None:
    page.set_landscape()
    page.set_paper(9)  # A4
    page.set_margins(left=0.4, right=0.4, top=0.5, bottom=0.6)
    page.fit_to_pages(1, 0)
    page.repeat_rows(0, _HEADER_ROW)
    page.freeze_panes(_HEADER_ROW + 1, _FIRST_SUBJECT)
    page.set_footer(f"&L{_plain(sheet.about.name)}, {sheet.school_year}&R{words['page']}")
    page.set_column(0, 0, 4)
    page.set_column(1, 1, 34)
    page.set_column(2, 2, 13)
    if sheet.subjects:
        page.set_column(_FIRST_SUBJECT, _FIRST_SUBJECT + len(sheet.subjects) - 1, 7)
    page.set_row(_HEADER_ROW, 130)


def _plain(text: str) -> str:
    """A text in which no sign begins a code of the footer."""
    return text.replace("&", "&&")


def _write_header(page: Any, sheet: SummarySheet, words: Mapping[str, str], styles: Mapping[str, Any]) -> None:
    for column, text in enumerate(("№", words["student"], words["period"])):
        page.write_string(_HEADER_ROW, column, text, styles["head"])
    for column, subject in enumerate(sheet.subjects, start=_FIRST_SUBJECT):
        page.write_string(_HEADER_ROW, column, subject.title, styles["turned"])


def _write_students(page: Any, sheet: SummarySheet, language: Language, styles: Mapping[str, Any]) -> int:
    row = _HEADER_ROW + 1
    for number, student in enumerate(sheet.students, start=1):
        name = _WORDS[language]["left"].format(name=student.name) if student.left else student.name
        for place, period in enumerate(sheet.periods):
            # Number and name stand in the first line alone; merged cells would hinder sorting and filtering.
            page.write_string(row, 0, str(number) if place == 0 else "", styles["cell"])
            page.write_string(row, 1, name if place == 0 else "", styles["name"])
            page.write_string(row, 2, label(period, language), styles["name"])
            for column, subject in enumerate(sheet.subjects, start=_FIRST_SUBJECT):
                text = sheet.cell(student.student_id, subject.id, period.period_id, language)
                page.write_string(row, column, text, styles["cell"])
            row += 1
    return row
