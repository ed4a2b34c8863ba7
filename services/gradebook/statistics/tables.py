"""Statistics as rows: one for each class, group, teacher, subject or school, or for each of their subjects."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal, get_args
from uuid import UUID

from services.gradebook.statistics.domain import VALUES, Lessons, Marks, Results, rounded, together
from services.gradebook.statistics.queries import LessonCount, MarkCount, PlannedHours, ResultCount, Term, Topic

By = Literal["school", "class", "group", "teacher", "subject"]
"""What a school's statistics are broken down by."""
DistrictBy = Literal["district", "school", "subject"]
"""What a district's are broken down by."""
UNITS: tuple[str, ...] = get_args(By)


@dataclass
class Row:
    """One line of a table."""

    unit_id: UUID | None
    """Class, group, teacher, subject or school; None: not stated, or the district."""
    title: str
    subject_id: UUID | None = None
    """Set when the unit is split by subjects."""
    subject: str = ""
    results: Results = field(default_factory=Results)
    deferred: int = 0
    marks: Marks = field(default_factory=Marks)
    lesson_types: dict[str, Lessons] = field(default_factory=dict)
    topics: list[Topic] = field(default_factory=list)

    @property
    def lessons(self) -> Lessons:
        """Lessons of every type."""
        return together(self.lesson_types.values())

    def as_json(self) -> dict[str, Any]:
        """The line for programs; figures with two decimals, as text so that none is lost."""
        return {
            "unit_id": self.unit_id,
            "title": self.title,
            "subject_id": self.subject_id,
            "subject": self.subject,
            "results": {
                "counts": {value: self.results.of(value) for value in VALUES},
                "total": self.results.total,
                "deferred": self.deferred,
                "average": shown(self.results.average),
                "success_percent": shown(self.results.success),
                "quality_percent": shown(self.results.quality),
                "degree_of_learning_percent": shown(self.results.degree),
            },
            "marks": {
                "counts": {value: self.marks.counts.get(value, 0) for value in VALUES if value not in ("н/а", "осв")},
                "total": self.marks.total,
                "average": shown(self.marks.average),
                "weighted_average": shown(self.marks.weighted_average),
            },
            "lessons": lessons_json(self.lessons),
            "lesson_types": {name: lessons_json(kind) for name, kind in sorted(self.lesson_types.items())},
            "topics_not_covered": [
                {"group_id": one.group_id, "subject_id": one.subject_id, "lesson_on": one.lesson_on, "topic": one.topic}
                for one in self.topics
            ],
        }


def lessons_json(lessons: Lessons) -> dict[str, Any]:
    """Lessons of one or all types for programs."""
    return {
        "plan_hours": shown(lessons.plan),
        "planned": lessons.planned,
        "held": lessons.held,
        "moved": lessons.moved,
        "substituted": lessons.substituted,
        "lost": lessons.lost,
        "difference": shown(lessons.difference),
        "fulfilled_percent": shown(lessons.fulfilled),
    }


def shown(value: Fraction | None) -> str | None:
    """A figure as text with two decimals, half up."""
    figure = rounded(value)
    return None if figure is None else str(figure)


@dataclass(frozen=True)
class Statistics:
    """A table of statistics."""

    by: str
    split_by_subject: bool
    term: Term
    """The period; for a district, that of its first school."""
    rows: list[Row]
    total: Row

    def as_json(self) -> dict[str, Any]:
        """The table for programs."""
        return {
            "by": self.by,
            "split_by_subject": self.split_by_subject,
            "period": {
                "kind": self.term.kind,
                "number": self.term.number,
                "school_year": self.term.school_year,
                "starts_on": self.term.starts_on,
                "ends_on": self.term.ends_on,
            },
            "rows": [row.as_json() for row in self.rows],
            "total": self.total.as_json(),
        }


Key = tuple[UUID | None, UUID | None]
"""Unit, and subject when it is split."""
Place = Callable[[UUID | None, UUID | None], Iterable[Key]]
"""Where something of a unit and a subject is counted: nowhere, once, or for several units."""


class Sums:
    """Counts by key, filled from the rows of the queries."""

    def __init__(self) -> None:
        self._results: dict[Key, dict[str, int]] = {}
        self._marks: dict[Key, dict[str, int]] = {}
        self._weights: dict[Key, dict[str, Decimal]] = {}
        self._lessons: dict[Key, dict[str, Lessons]] = {}
        self._topics: dict[Key, list[Topic]] = {}

    def add_results(self, rows: Iterable[ResultCount], place: Place) -> None:
        """Counts final grades."""
        for row in rows:
            for key in place(row.unit, row.subject_id):
                own = self._results.setdefault(key, {})
                own[row.value] = own.get(row.value, 0) + row.number

    def add_marks(self, rows: Iterable[MarkCount], place: Place) -> None:
        """Counts marks."""
        for row in rows:
            for key in place(row.unit, row.subject_id):
                own, weights = self._marks.setdefault(key, {}), self._weights.setdefault(key, {})
                own[row.value] = own.get(row.value, 0) + row.number
                weights[row.value] = weights.get(row.value, Decimal(0)) + row.weight

    def add_lessons(self, rows: Iterable[LessonCount], place: Callable[[LessonCount], Iterable[Key]]) -> None:
        """Counts lessons."""
        for row in rows:
            counted = Lessons(Fraction(0), row.planned, row.held, row.moved, row.substituted, row.lost)
            for key in place(row):
                self._add_lessons(key, row.lesson_type, counted)

    def add_plan(self, rows: Iterable[PlannedHours], place: Callable[[PlannedHours], Iterable[Key]]) -> None:
        """Counts the hours of the curriculum plan."""
        for row in rows:
            for key in place(row):
                self._add_lessons(key, row.lesson_type, Lessons(Fraction(row.hours)))

    def add_topics(self, topics: Iterable[Topic], place: Callable[[Topic], Iterable[Key]]) -> None:
        """Keeps topics that were not covered."""
        for topic in topics:
            for key in place(topic):
                self._topics.setdefault(key, []).append(topic)

    def _add_lessons(self, key: Key, lesson_type: str, lessons: Lessons) -> None:
        own = self._lessons.setdefault(key, {})
        own[lesson_type] = own.get(lesson_type, Lessons()).plus(lessons)

    def keys(self) -> set[Key]:
        """Everything about which something was counted."""
        return {*self._results, *self._marks, *self._lessons, *self._topics}

    def row(self, key: Key, title: str, subject: str = "") -> Row:
        """The line of a key."""
        counts = dict(self._results.get(key, {}))
        deferred = counts.pop("deferred", 0)
        return Row(
            unit_id=key[0],
            title=title,
            subject_id=key[1],
            subject=subject,
            results=Results(counts),
            deferred=deferred,
            marks=Marks(self._marks.get(key, {}), self._weights.get(key, {})),
            lesson_types=self._lessons.get(key, {}),
            topics=self._topics.get(key, []),
        )


def rows_of(
    sums: Sums, titles: Mapping[UUID, str], subjects: Mapping[UUID, str], order: Mapping[UUID, int]
) -> list[Row]:
    """All lines: in the given order where there is one, then by title, then by subject."""
    rows = [
        sums.row(
            key, "" if key[0] is None else titles.get(key[0], ""), "" if key[1] is None else subjects.get(key[1], "")
        )
        for key in sums.keys()  # noqa: SIM118 - it is a method with a name, not a mapping
    ]
    last = len(order)
    return sorted(
        rows,
        key=lambda row: (
            row.unit_id is None,
            last if row.unit_id is None else order.get(row.unit_id, last),
            row.title.casefold(),
            str(row.unit_id),
            row.subject.casefold(),
            str(row.subject_id),
        ),
    )
