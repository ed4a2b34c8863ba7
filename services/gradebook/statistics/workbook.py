"""Statistics as XLSX: results, lessons, lessons by type, topics not covered; figures as numbers, texts as texts."""

import io
from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal

import xlsxwriter

from services.gradebook.statistics.domain import VALUES, Lessons, rounded
from services.gradebook.statistics.tables import Row, Statistics

Language = Literal["ru", "en"]
Cell = str | int | Decimal | None

_BY: dict[str, tuple[str, str]] = {
    "district": ("Район", "District"),
    "school": ("Школа", "School"),
    "class": ("Класс", "Class"),
    "group": ("Группа", "Group"),
    "teacher": ("Педагог", "Teacher"),
    "subject": ("Предмет", "Subject"),
}
_PERIODS: dict[str, tuple[str, str]] = {
    "quarter": ("{number} четверть {year}", "quarter {number}, {year}"),
    "half_year": ("{number} полугодие {year}", "half-year {number}, {year}"),
    "year": ("{year} учебный год", "school year {year}"),
    "exam": ("экзамены {year}", "exams {year}"),
    "final": ("итоговые {year}", "final grades {year}"),
}
_TYPES: dict[str, tuple[str, str]] = {
    "new_material": ("изучение нового", "new material"),
    "practice": ("закрепление", "practice"),
    "control_work": ("контрольная работа", "control work"),
    "laboratory": ("лабораторная работа", "laboratory"),
    "practical": ("практическая работа", "practical"),
    "revision": ("повторение", "revision"),
    "test": ("зачёт", "test"),
    "excursion": ("экскурсия", "excursion"),
    "other": ("другое", "other"),
}
_RESULT_HEADS = (
    ("Отсрочка", "Deferred"),
    ("Средний балл", "Average"),
    ("Успеваемость, %", "Success, %"),
    ("Качество знаний, %", "Quality, %"),
    ("СОУ, %", "Degree of learning, %"),
    ("Текущих отметок", "Marks"),
    ("Средняя отметка", "Mean mark"),
    ("Взвешенная", "Weighted"),
)
_LESSON_HEADS = (
    ("По учебному плану, ч", "Curriculum plan, h"),
    ("Запланировано", "Planned"),
    ("Проведено", "Held"),
    ("Перенесено", "Moved"),
    ("Замены", "Substituted"),
    ("Не проведено", "Lost"),
    ("Разница с планом", "Difference"),
    ("Выполнение плана, %", "Plan fulfilled, %"),
)
_SHEETS = {
    "results": ("Результаты", "Results"),
    "lessons": ("Уроки", "Lessons"),
    "types": ("По типам уроков", "By lesson type"),
    "topics": ("Непройденные темы", "Topics not covered"),
}
_TOTAL = ("Всего", "Total")


def workbook(statistics: Statistics, language: Language = "ru") -> bytes:
    """The table as a workbook."""
    buffer = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(buffer, options) as book:
        writer = _Writer(book, statistics, language)
        writer.sheet("results", [*VALUES, *writer.say_all(_RESULT_HEADS)], _results)
        writer.sheet("lessons", writer.say_all(_LESSON_HEADS), _lessons)
        writer.types()
        writer.topics()
    return buffer.getvalue()


class _Writer:
    """One workbook in one language."""

    def __init__(self, book: Any, statistics: Statistics, language: Language) -> None:
        self._book = book
        self._statistics = statistics
        self._english = language == "en"
        self._styles = {
            "title": book.add_format({"bold": True, "font_size": 13}),
            "head": book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"}),
            "figure": book.add_format({"num_format": "0.00"}),
            "total": book.add_format({"bold": True, "top": 1}),
            "total_figure": book.add_format({"bold": True, "top": 1, "num_format": "0.00"}),
        }

    def say(self, words: tuple[str, str]) -> str:
        """A text in the workbook's language."""
        return words[self._english]

    def say_all(self, words: Sequence[tuple[str, str]]) -> list[str]:
        """Texts in the workbook's language."""
        return [self.say(one) for one in words]

    def sheet(self, name: str, heads: Sequence[str], cells: Any) -> None:
        """A sheet with a line for each row of the statistics, and the total."""
        page, line = self._page(name, [*self._keys(), *heads])
        for row in self._statistics.rows:
            line = self._write(page, line, [*self._named(row), *cells(row)])
        total = [self.say(_TOTAL), *([""] if self._statistics.split_by_subject else [])]
        self._write(page, line, [*total, *cells(self._statistics.total)], total=True)

    def types(self) -> None:
        """A line for each lesson type of each row."""
        heads = [*self._keys(), self.say(("Тип урока", "Lesson type")), *self.say_all(_LESSON_HEADS)]
        page, line = self._page("types", heads)
        for row in [*self._statistics.rows, self._statistics.total]:
            total = row is self._statistics.total
            named: list[Cell] = self._named(row)
            if total:
                named[0] = self.say(_TOTAL)
            for kind, lessons in sorted(row.lesson_types.items()):
                title = self.say(_TYPES.get(kind, (kind, kind)))
                line = self._write(page, line, [*named, title, *_lesson_cells(lessons)], total=total)

    def topics(self) -> None:
        """A line for each topic that was not covered."""
        heads = [*self._keys(), self.say(("Дата урока", "Lesson's day")), self.say(("Тема", "Topic"))]
        page, line = self._page("topics", heads)
        for row in self._statistics.rows:
            for topic in row.topics:
                line = self._write(page, line, [*self._named(row), f"{topic.lesson_on:%d.%m.%Y}", topic.topic])

    def _keys(self) -> list[str]:
        return [self.say(_BY[self._statistics.by])] + (
            [self.say(_BY["subject"])] if self._statistics.split_by_subject else []
        )

    def _named(self, row: Row) -> list[Cell]:
        unknown = self.say(("не указано", "not stated"))
        title = row.title or (self.say(_BY["district"]) if self._statistics.by == "district" else unknown)
        return [title, *([row.subject] if self._statistics.split_by_subject else [])]

    def _page(self, name: str, heads: Sequence[str]) -> tuple[Any, int]:
        page = self._book.add_worksheet(self.say(_SHEETS[name]))
        page.set_landscape()
        page.set_paper(9)  # A4
        page.fit_to_pages(1, 0)
        page.repeat_rows(2)
        page.freeze_panes(3, 1)
        page.set_column(0, 0, 32)
        page.set_column(1, len(heads), 13)
        term = self._statistics.term
        period = self.say(_PERIODS[term.kind]).format(number=term.number, year=term.school_year)
        about = self._statistics.total.title
        page.write_string(
            0, 0, ". ".join(filter(None, (self.say(_SHEETS[name]), about, period))), self._styles["title"]
        )
        for column, head in enumerate(heads):
            page.write_string(2, column, head, self._styles["head"])
        return page, 3

    def _write(self, page: Any, line: int, cells: Sequence[Cell], *, total: bool = False) -> int:
        plain = self._styles["total"] if total else None
        figure = self._styles["total_figure" if total else "figure"]
        for column, cell in enumerate(cells):
            if cell is None:
                page.write_blank(line, column, None, plain)
            elif isinstance(cell, str):
                page.write_string(line, column, cell, plain)
            else:
                page.write_number(line, column, cell, figure if isinstance(cell, Decimal) else plain)
        return line + 1


def _results(row: Row) -> list[Cell]:
    results, marks = row.results, row.marks
    figures: Mapping[str, Fraction | None] = {
        "average": results.average,
        "success": results.success,
        "quality": results.quality,
        "degree": results.degree,
    }
    return [
        *(results.of(value) for value in VALUES),
        row.deferred,
        *(rounded(figure) for figure in figures.values()),
        marks.total,
        rounded(marks.average),
        rounded(marks.weighted_average),
    ]


def _lessons(row: Row) -> list[Cell]:
    return _lesson_cells(row.lessons)


def _lesson_cells(lessons: Lessons) -> list[Cell]:
    return [
        rounded(lessons.plan),
        lessons.planned,
        lessons.held,
        lessons.moved,
        lessons.substituted,
        lessons.lost,
        rounded(lessons.difference),
        rounded(lessons.fulfilled),
    ]
