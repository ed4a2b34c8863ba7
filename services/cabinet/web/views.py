"""What a page shows, arranged for its template. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from itertools import groupby
from uuid import UUID

from services.cabinet.domain import Span, current_span, school_year_of, school_year_span, weighted_mean
from services.cabinet.queries.reading import Child, Mark, Result

RECENT_DAYS = 7
NEW_MARKS_SHOWN = 5
NEW_RESULTS_SHOWN = 4
_PERIOD_ORDER = ("quarter", "half_year", "year", "exam", "final")


@dataclass(frozen=True)
class SubjectMarks:
    """A subject's marks, oldest first, and their mean."""

    title: str
    marks: list[Mark]
    mean: Decimal | None


@dataclass(frozen=True)
class DayMarks:
    """The marks of one day."""

    day: date
    marks: list[Mark]


def by_subject(marks: Sequence[Mark]) -> list[SubjectMarks]:
    """Marks grouped by subject, in the order of their titles."""
    ordered = sorted(marks, key=lambda mark: (mark.subject_title, mark.subject_id, mark.lesson_on, mark.recorded_at))
    groups = (list(group) for _, group in groupby(ordered, key=lambda mark: mark.subject_id))
    return [SubjectMarks(group[0].subject_title, group, weighted_mean(group)) for group in groups]


def by_day(marks: Sequence[Mark], today: date) -> tuple[list[DayMarks], list[DayMarks]]:
    """Marks grouped by day, the newest first: those of the last week, and those before."""
    ordered = sorted(marks, key=lambda mark: mark.lesson_on, reverse=True)
    days = [DayMarks(day, list(group)) for day, group in groupby(ordered, key=lambda mark: mark.lesson_on)]
    border = today - timedelta(days=RECENT_DAYS)
    return [item for item in days if item.day > border], [item for item in days if item.day <= border]


@dataclass(frozen=True)
class PeriodChoice:
    """A stretch of time for which marks can be shown."""

    key: str
    span: Span
    kind: str
    """`current`, `year`, or a period's kind."""
    number: int = 0


def period_choices(results: Sequence[Result], today: date) -> list[PeriodChoice]:
    """What runs now, the whole school year, and each quarter or half-year of it of which a final grade is known."""
    year = school_year_of(today)
    closed: dict[tuple[str, int], Span] = {}
    for item in results:
        first, last = item.period_starts_on, item.period_ends_on
        if item.period_kind in {"quarter", "half_year"} and item.school_year == year and first and last:
            closed[item.period_kind, item.period_number or 0] = Span(first, last)
    choices = [PeriodChoice("current", current_span(today, closed.values()), "current")]
    choices += [PeriodChoice(f"{kind}-{number}", span, kind, number) for (kind, number), span in sorted(closed.items())]
    return [*choices, PeriodChoice("year", school_year_span(year), "year")]


def choose_period(choices: Sequence[PeriodChoice], key: str) -> PeriodChoice:
    """The chosen one; what runs now if there is no such."""
    return next((choice for choice in choices if choice.key == key), choices[0])


@dataclass(frozen=True)
class GradeTable:
    """Final grades of a school year: a row for each subject, a column for each period."""

    school_year: str
    columns: list[tuple[str, int]]
    rows: list[tuple[str, list[Result | None]]]
    deferred: list[Result]


def grade_tables(results: Sequence[Result]) -> list[GradeTable]:
    """A table for each school year, the newest first."""
    grades = [item for item in results if item.is_final_grade]
    years = sorted({item.school_year or "" for item in grades}, reverse=True)
    return [_table(year, [item for item in grades if item.school_year == year]) for year in years]


def _column(item: Result) -> tuple[str, int]:
    return item.period_kind or "", item.period_number or 0


def _table(year: str, grades: Sequence[Result]) -> GradeTable:
    columns = sorted({_column(item) for item in grades}, key=lambda key: (_PERIOD_ORDER.index(key[0]), key[1]))
    subjects: dict[UUID, str] = {item.subject_id: item.subject_title for item in grades}
    cells = {(item.subject_id, *_column(item)): item for item in grades}
    rows = [
        (title, [cells.get((subject_id, *column)) for column in columns])
        for subject_id, title in sorted(subjects.items(), key=lambda entry: entry[1])
    ]
    return GradeTable(year, columns, rows, [item for item in grades if item.state == "deferred"])


def exams(results: Sequence[Result]) -> list[Result]:
    """Exams and competitions, the newest first."""
    found = [item for item in results if not item.is_final_grade]
    return sorted(found, key=lambda item: item.obtained_at, reverse=True)


@dataclass(frozen=True)
class ChildCard:
    """A child on the first page, with what is new."""

    child: Child
    results: list[Result]
    more_results: int
    marks: list[Mark]
    more_marks: int


def child_cards(children: Sequence[Child], results: Sequence[Result], marks: Sequence[Mark]) -> list[ChildCard]:
    """What is new, to the child to whom it belongs."""
    return [_card(child, results, marks) for child in children]


def _card(child: Child, results: Sequence[Result], marks: Sequence[Mark]) -> ChildCard:
    own = sorted((r for r in results if r.student_id == child.student_id), key=lambda r: r.visible_at, reverse=True)
    given = [mark for mark in marks if mark.student_id == child.student_id]
    return ChildCard(
        child,
        own[:NEW_RESULTS_SHOWN],
        max(0, len(own) - NEW_RESULTS_SHOWN),
        given[:NEW_MARKS_SHOWN],
        max(0, len(given) - NEW_MARKS_SHOWN),
    )
