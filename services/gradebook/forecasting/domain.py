"""What a forecast rests on besides the marks, what is stored of it, and when it is told. Pure."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal, NamedTuple
from uuid import UUID

from contracts.values import PeriodKind, WorkType
from services.gradebook.closing.domain import is_assessed
from services.gradebook.forecast.needed import Expected
from services.gradebook.forecast.scale import Probabilities
from services.gradebook.grading import Grade, WeightedMark

Key = tuple[UUID, UUID, UUID]
"""Student, subject and period."""
Pair = tuple[UUID, UUID]
"""Student and subject."""

ForecastKinds = frozenset({PeriodKind.QUARTER, PeriodKind.HALF_YEAR, PeriodKind.YEAR})
PARTS = {PeriodKind.QUARTER: 4, PeriodKind.HALF_YEAR: 2}
"""How many of them a year has."""
MOST_EXPECTED = 20
"""More marks than this are not expected, however fast they have come so far."""
MOST_PLANNED = 5
PACE_MARKS, PACE_DAYS = 1, 12
"""What stands in for the pace before there are marks: one mark in two weeks of six school days."""
SUNDAY = 6


class Term(NamedTuple):
    """A reporting period of the school."""

    period_id: UUID
    kind: PeriodKind
    number: int
    school_year: str
    starts_on: date
    ends_on: date


class DatedMark(NamedTuple):
    """A mark that enters the mean, and its day."""

    on: date
    mark: WeightedMark


class Planned(NamedTuple):
    """A control work that is to come."""

    on: date
    work_type: str


class Holiday(NamedTuple):
    """Days without lessons, both included."""

    starts_on: date
    ends_on: date


def is_forecast(kind: PeriodKind, grade_level: int | None) -> bool:
    """Whether students of a grade get a forecast for periods of a kind; grade 1 and who is in no class get none."""
    return kind in ForecastKinds and grade_level is not None and is_assessed(kind, grade_level)


def part_kind(grade_level: int) -> PeriodKind:
    """Of what the year of a grade consists."""
    return PeriodKind.QUARTER if is_assessed(PeriodKind.QUARTER, grade_level) else PeriodKind.HALF_YEAR


def school_days(first: date, last: date, holidays: Sequence[Holiday]) -> int:
    """How many days of a span, both ends included, are neither Sundays nor holidays."""
    days = (first + timedelta(days=number) for number in range((last - first).days + 1))
    return sum(
        day.weekday() != SUNDAY and not any(holiday.starts_on <= day <= holiday.ends_on for holiday in holidays)
        for day in days
    )


class Course(NamedTuple):
    """How far a period has come."""

    passed: int
    """School days so far, today included."""
    left: int
    """School days after today."""

    @classmethod
    def of(cls, term: Term, today: date, holidays: Sequence[Holiday]) -> "Course":
        """A period on a day."""
        return cls(
            school_days(term.starts_on, min(today, term.ends_on), holidays),
            school_days(max(today + timedelta(days=1), term.starts_on), term.ends_on, holidays),
        )


def expected_marks(
    marks: Sequence[DatedMark], course: Course, planned: Sequence[Planned], weights: Mapping[str, Decimal]
) -> list[Expected]:
    """The marks still to come: the control works that are planned, and for the rest as many as the pace so far brings.

    The kinds of work follow the newest marks. Early in a period the pace leans on one mark in two weeks.

    Args:
        marks: the student's marks of the period in the subject, the oldest first.
        course: how far the period has come.
        planned: the control works after today.
        weights: what a mark of each kind of work weighed last.
    """
    if not course.left:
        return []
    coming = [Expected(weights.get(work.work_type, Decimal(1)), work.work_type) for work in planned[:MOST_PLANNED]]
    kinds = {each.work_type for each in coming}
    seen = [Expected(each.mark.weight, each.mark.work_type) for each in reversed(marks)]
    cycle = [each for each in seen if each.work_type not in kinds] or [
        Expected(weights.get(WorkType.ANSWER, Decimal(1)), WorkType.ANSWER.value)
    ]
    own = len(marks) - (len(seen) - sum(each.work_type not in kinds for each in seen))
    pace = (own + PACE_MARKS) / (course.passed + PACE_DAYS)
    count = min(MOST_EXPECTED, round(pace * course.left)) or int(not coming)
    return coming + [cycle[number % len(cycle)] for number in range(count)]


class Computed(NamedTuple):
    """A forecast as it comes out now."""

    key: Key
    state: Literal["current", "closed"]
    probabilities: Probabilities
    leading: Grade
    band: str
    """Of the contract's bands."""
    needed: dict[str, Any] | None
    marks: int


class Stored(NamedTuple):
    """A row of the table; the fields follow its columns."""

    forecast_id: UUID
    school_id: UUID
    student_id: UUID
    subject_id: UUID
    period_id: UUID
    state: Literal["current", "closed"]
    probabilities: list[float]
    leading_grade: str
    band: str
    needed: dict[str, Any] | None
    marks_counted: int
    computed_at: datetime
    revision: int
    changed_at: datetime
    told: dict[str, Any]

    @property
    def headline(self) -> tuple[UUID, str, str, str]:
        """What must change to be told again."""
        if self.state == "closed":
            return self.school_id, self.state, "", ""
        return self.school_id, self.state, self.leading_grade, self.band


def following(current: Stored | None, computed: Computed, forecast_id: UUID, school_id: UUID, now: datetime) -> Stored:
    """The row after a computation: at the next revision if the headline differs, otherwise at the same one.

    Args:
        current: what is stored.
        computed: what came out.
        forecast_id: of the student, subject and period.
        school_id: whose period it is.
        now: the present.
    """
    student_id, subject_id, period_id = computed.key
    found = Stored(
        forecast_id,
        school_id,
        student_id,
        subject_id,
        period_id,
        computed.state,
        rounded(computed.probabilities),
        str(computed.leading),
        computed.band,
        computed.needed,
        computed.marks,
        now,
        1,
        now,
        {},
    )
    if current is None:
        return found
    if found.headline == current.headline:
        return found._replace(revision=current.revision, changed_at=current.changed_at, told=current.told)
    return found._replace(revision=current.revision + 1)


def rounded(probabilities: Probabilities) -> list[float]:
    """With four decimals; what rounding loses goes to the leading grade, so that they sum to 1."""
    found = [round(chance, 4) for chance in probabilities]
    place = probabilities.leading - 2
    found[place] = round(1 - sum(chance for other, chance in enumerate(found) if other != place), 4)
    return found
