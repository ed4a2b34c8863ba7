"""Templates that a school fills in and sends back: each is read by a map that comes with the system."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from pathlib import Path

from services.gradebook.exchange.sheets import SheetToWrite, write_csv, write_xlsx
from services.gradebook.exchange.sheets.writing import Written

_STUDENTS = 35
_MONTHS = (
    "Январь", "Февраль", "Март", "Апрель", "Май", "Июнь", "Июль", "Август", "Сентябрь", "Октябрь", "Ноябрь", "Декабрь",
)  # fmt: skip
_WEEKDAYS = ("Понедельник", "Вторник", "Среда", "Четверг", "Пятница", "Суббота")
_SUBJECTS = ("Русский язык", "Литература", "Математика", "История", "Биология", "Иностранный язык")
_LESSON_TYPES = ("Новый материал", "Практика", "Контрольная работа", "Лабораторная работа", "Повторение", "Зачёт")
_RELATIONS = ("мать", "отец", "опекун", "другое")
_PERIODS = ("1 четверть", "2 четверть", "3 четверть", "4 четверть", "1 полугодие", "2 полугодие", "Год")


class TemplateKind(StrEnum):
    """What can be filled in."""

    CLASS_LIST = "class-list"
    TIMETABLE = "timetable"
    MARKS = "marks"
    CURRICULUM = "curriculum"
    FINAL_GRADES = "final-grades"


MAP_OF: dict[TemplateKind, str] = {
    TemplateKind.CLASS_LIST: "class-list",
    TemplateKind.TIMETABLE: "timetable",
    TemplateKind.MARKS: "class-progress",
    TemplateKind.CURRICULUM: "curriculum",
    TemplateKind.FINAL_GRADES: "final-grades",
}
"""The map that takes a filled template back."""


@dataclass(frozen=True)
class Blank:
    """What is already known when a template is made."""

    school_year: str
    class_name: str = "7А"
    subjects: Sequence[str] = _SUBJECTS
    students: Sequence[tuple[str, str]] = ()
    """Name and the journal's own id; empty lines to be filled when there are none."""
    first_day: date | None = None
    """Of the grid of marks; the first of September when absent."""
    last_day: date | None = None
    period: str = "1 четверть"


def make_template(kind: TemplateKind, blank: Blank) -> list[SheetToWrite]:
    """The sheets of a template: the last one explains how it is filled in."""
    sheets = {
        TemplateKind.CLASS_LIST: _class_list,
        TemplateKind.TIMETABLE: _timetable,
        TemplateKind.MARKS: _marks,
        TemplateKind.CURRICULUM: _curriculum,
        TemplateKind.FINAL_GRADES: _final_grades,
    }[kind](blank)
    note = SheetToWrite("Пояснения", [[line] for line in _NOTES[kind]], header_rows=0, widths={1: 100}, notes=True)
    return [*sheets, note]


def write_template(path: Path, kind: TemplateKind, blank: Blank, *, encoding: str | None = None) -> None:
    """Writes a template as XLSX; or as CSV with semicolons when the name ends so.

    Args:
        path: where to.
        kind: what it is for.
        blank: what is already known.
        encoding: of a CSV: `utf-8-sig` (by default) or `cp1251`.

    Raises:
        ExchangeError: the encoding lacks a letter.
        OSError: it cannot be written.
    """
    sheets = make_template(kind, blank)
    if path.suffix.lower() == ".csv":
        # A CSV has one sheet: what is explained stands in the documentation.
        write_csv(path, _with_merged(sheets[0]), encoding=encoding or "utf-8-sig")
    else:
        write_xlsx(path, sheets)


def _with_merged(sheet: SheetToWrite) -> list[list[Written]]:
    rows = [list(row) for row in sheet.rows]
    for row, column, _, _, text in sheet.merges:
        while len(rows[row - 1]) < column:
            rows[row - 1].append("")
        rows[row - 1][column - 1] = text
    return rows


def _numbered(blank: Blank) -> list[list[Written]]:
    """The lines of a grid: number, name, and the id where the journal has told it."""
    if not blank.students:
        return [[None, ""] for _ in range(_STUDENTS)]
    return [[number, name, own_id] for number, (name, own_id) in enumerate(blank.students, start=1)]


def _heads(blank: Blank) -> list[str]:
    return ["№", "ФИО ученика", *(["ID ученика"] if blank.students else [])]


def _class_list(blank: Blank) -> list[SheetToWrite]:
    header = [
        "№", "ФИО ученика", "Класс", "Дата рождения", "ID ученика", "Представитель 1", "Кем приходится 1",
        "Представитель 2", "Кем приходится 2",
    ]  # fmt: skip
    rows: list[list[Written]] = [
        [number, name, blank.class_name, None, own_id] for number, (name, own_id) in enumerate(blank.students, start=1)
    ]
    widths = {1: 5, 2: 34, 3: 8, 4: 15, 5: 14, 6: 34, 7: 18, 8: 34, 9: 18}
    choices = {7: _RELATIONS, 9: _RELATIONS}
    return [SheetToWrite("Список класса", [header, *rows], widths=widths, choices=choices)]


def _timetable(blank: Blank) -> list[SheetToWrite]:
    first = f"01.09.{blank.school_year[:4]}"
    top: list[list[Written]] = [[f"Расписание на {blank.school_year} учебный год, действует с {first}"]]
    header: list[list[Written]] = [
        ["Класс", "День недели", "Урок", "Предмет", "Начало", "Окончание", "Кабинет", "Учитель"]
    ]
    rows: list[list[Written]] = [[blank.class_name, day, number] for day in _WEEKDAYS for number in range(1, 8)]
    widths = {1: 8, 2: 16, 3: 7, 4: 30, 5: 10, 6: 12, 7: 10, 8: 34}
    return [SheetToWrite("Расписание", [*top, *header, *rows], header_rows=2, widths=widths, choices={2: _WEEKDAYS})]


def _days(blank: Blank) -> list[date]:
    first = blank.first_day or date(int(blank.school_year[:4]), 9, 1)
    last = blank.last_day or first + timedelta(days=13)
    days = [first + timedelta(days=number) for number in range(min((last - first).days + 1, 366))]
    return [day for day in days if day.weekday() < 6]


def _marks(blank: Blank) -> list[SheetToWrite]:
    days = _days(blank)
    heads = _heads(blank)
    first = len(heads) + 1
    merges = [(4, column, 5, column, head) for column, head in enumerate(heads, start=1)]
    months: list[Written] = [None] * (len(heads) + len(days))
    start = 0
    while start < len(days):
        end = start
        while end + 1 < len(days) and days[end + 1].month == days[start].month:
            end += 1
        month = _MONTHS[days[start].month - 1]
        if end > start:
            merges.append((4, first + start, 4, first + end, month))
        else:
            months[len(heads) + start] = month
        start = end + 1
    last = first + len(days)
    merges.append((4, last, 5, last, "Ср. балл"))
    numbers: list[Written] = [*[None] * len(heads), *[day.day for day in days]]
    widths = {1: 5, 2: 34, 3: 14, **dict.fromkeys(range(first, last), 5), last: 9}
    top: list[list[Written]] = [[f"Класс: {blank.class_name}"], [], [f"Учебный год: {blank.school_year}"]]
    return [
        SheetToWrite(
            subject,
            [top[0], [f"Предмет: {subject}"], top[2], months, numbers, *_numbered(blank)],
            header_rows=5,
            widths=widths,
            merges=merges,
        )
        for subject in blank.subjects
    ]


def _curriculum(blank: Blank) -> list[SheetToWrite]:
    top: list[list[Written]] = [[f"Учебный план на {blank.school_year} учебный год"]]
    header: list[list[Written]] = [["Класс", "Предмет", "Период", "Вид урока", "Часов"]]
    rows: list[list[Written]] = [
        [blank.class_name, subject, period] for subject in blank.subjects for period in _PERIODS[:4]
    ]
    widths = {1: 8, 2: 30, 3: 16, 4: 24, 5: 8}
    choices = {3: _PERIODS, 4: _LESSON_TYPES}
    return [SheetToWrite("Учебный план", [*top, *header, *rows], header_rows=2, widths=widths, choices=choices)]


def _final_grades(blank: Blank) -> list[SheetToWrite]:
    rows: list[list[Written]] = [
        [f"Класс: {blank.class_name}"],
        [f"Период: {blank.period}"],
        [f"Учебный год: {blank.school_year}"],
        [*_heads(blank), *blank.subjects],
        *_numbered(blank),
    ]
    widths = {1: 5, 2: 34, **dict.fromkeys(range(3, len(blank.subjects) + 4), 14)}
    return [SheetToWrite("Итоговые отметки", rows, header_rows=4, widths=widths)]


_COMMON = (
    "Заголовки таблицы не меняйте: по ним система узнаёт столбцы. Лишние строки можно оставить пустыми.",
    "Проверить без записи: sutki import table ФАЙЛ --map {map} --preview",
    "Записать: sutki import table ФАЙЛ --map {map} --school ШКОЛА",
    "Do not change the headers. Check with --preview; without it the file is taken.",
)
_OWN: dict[TemplateKind, tuple[str, ...]] = {
    TemplateKind.CLASS_LIST: (
        "Список класса с законными представителями. Фамилия, имя и отчество полностью, дата рождения 05.03.2014.",
        "ID ученика заполняют, когда он есть в журнале; иначе система составит его сама.",
        "Список создаёт людей и класс, которых в журнале ещё нет.",
    ),
    TemplateKind.TIMETABLE: (
        "Расписание на неделю: строка на урок. Две строки с одним днём и номером: класс делится на группы.",
        "Время 08:30. Учителя находят по фамилии, имени и отчеству.",
    ),
    TemplateKind.MARKS: (
        "Отметки класса: лист на предмет, столбец на день. В ячейке 5, несколько отметок через пробел, н, б, у, оп.",
        "Примечание к дню или к ячейке задаёт вид работы: «контрольная работа», «самостоятельная работа», «вес 2».",
        "Столбец «Ср. балл» сравнивают с тем, что посчитала система.",
    ),
    TemplateKind.CURRICULUM: (
        "Учебный план: часов по предмету, классу, периоду и виду урока. Дробная часть через запятую.",
    ),
    TemplateKind.FINAL_GRADES: (
        "Итоговые отметки класса за один период, названный над таблицей: ученики по строкам, предметы по столбцам.",
        "Значения: 2–5, зач, незач, н/а, осв.",
    ),
}
_NOTES: dict[TemplateKind, list[str]] = {
    kind: [*_OWN[kind], *(line.format(map=MAP_OF[kind]) for line in _COMMON)] for kind in TemplateKind
}
