"""What statistics and summary sheets are as JSON. Figures have two decimals, as text so that none is lost."""

from datetime import date
from uuid import UUID

from pydantic import BaseModel

from contracts.values import GradeValue, PeriodKind


class ResultFigures(BaseModel):
    """Final grades. Shares are per cent of those with a number or `н/а`; null: of nobody."""

    counts: dict[str, int]
    total: int
    deferred: int
    average: str | None
    success_percent: str | None
    """Успеваемость: the share of 3–5."""
    quality_percent: str | None
    """Качество знаний: the share of 4 and 5."""
    degree_of_learning_percent: str | None
    """СОУ."""


class MarkFigures(BaseModel):
    """Current marks."""

    counts: dict[str, int]
    total: int
    average: str | None
    weighted_average: str | None


class LessonFigures(BaseModel):
    """Lessons against the curriculum plan."""

    plan_hours: str
    planned: int
    held: int
    moved: int
    substituted: int
    lost: int
    difference: str
    fulfilled_percent: str | None
    """Null: the plan says nothing."""


class TopicNotCovered(BaseModel):
    """A topic that was to be taught and was not."""

    group_id: UUID
    subject_id: UUID
    lesson_on: date
    topic: str


class StatisticsLine(BaseModel):
    """One class, group, teacher, subject or school, or one subject of it."""

    unit_id: UUID | None
    """Null: not stated, or the district."""
    title: str
    subject_id: UUID | None
    subject: str
    results: ResultFigures
    marks: MarkFigures
    lessons: LessonFigures
    lesson_types: dict[str, LessonFigures]
    topics_not_covered: list[TopicNotCovered]


class StatisticsPeriod(BaseModel):
    """The period."""

    kind: PeriodKind
    number: int
    school_year: str
    starts_on: date
    ends_on: date


class StatisticsAnswer(BaseModel):
    """A table of statistics."""

    by: str
    split_by_subject: bool
    period: StatisticsPeriod
    rows: list[StatisticsLine]
    total: StatisticsLine


class SheetPeriod(BaseModel):
    """A period of the year."""

    period_id: UUID
    kind: PeriodKind
    number: int


class SheetSubject(BaseModel):
    """A subject of the sheet."""

    subject_id: UUID
    title: str


class SheetCell(BaseModel):
    """A final grade, or its deferral."""

    subject_id: UUID
    period_id: UUID
    result_id: UUID
    state: str
    value: GradeValue | None
    held: bool
    deferred_until: date | None


class SheetLine(BaseModel):
    """A student's final grades of the year."""

    student_id: UUID
    student: str
    """The journal's id."""
    name: str
    left: bool
    grades: list[SheetCell]


class SheetAnswer(BaseModel):
    """A class's summary sheet."""

    school_id: UUID
    school: str
    class_id: UUID
    class_name: str
    grade_level: int
    school_year: str
    periods: list[SheetPeriod]
    subjects: list[SheetSubject]
    students: list[SheetLine]
