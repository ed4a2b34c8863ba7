"""What the journal, its statistics and its closing must say, from the sample alone: nothing here asks the system."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import ROUND_HALF_UP, Decimal

from sutki.sample.district import District
from sutki.sample.records import Period

Fact = tuple[str, ...]
"""A fact of the journal as text: its id, then what it says."""
ClassFigures = tuple[Mapping[str, int], str | None, str | None, str | None, str | None]
"""Grades of each value; average, success, quality, degree of learning."""

_HUNDREDTH = Decimal("0.01")
_FORECAST_FROM_MARKS = 2
_FORECAST_AFTER_THE_END = timedelta(days=60)
"""A period that ended so long before the journal came has no forecast any more."""
_LAST_WITH_QUARTERS = 9
_NUMBERS = ("1", "2", "3", "4", "5")


@dataclass(frozen=True)
class JournalTruth:
    """The journal as the sample has it."""

    facts: Mapping[str, frozenset[Fact]]
    """By table of the gradebook."""
    closing_school: str
    closing_period: str
    closed_classes: frozenset[str]
    """The classes that get final grades for that period."""
    lacking: frozenset[Fact]
    """Student and subject of those who keep the period open at first."""
    deferrals: frozenset[Fact]
    """Student, subject, last day."""
    results_by_class: Mapping[str, ClassFigures]
    """Of the first quarter, in all schools."""
    success: Decimal
    """Успеваемость of the district in the first quarter, in per cent."""
    lessons_held: int
    plan_hours: int
    lessons_substituted: int
    """In the first quarter, in all schools."""
    sheets: int
    """Summary sheets of the school that closes: of every class but those of the first grade."""
    sheet_cells: int
    """Final grades and deferrals on the summary sheets of the school that closes."""
    forecasts: frozenset[Fact]
    """Student, subject, kind and number of the period: of whatever has marks enough and no final grade yet."""


def journal_truth(district: District) -> JournalTruth:
    """The truth about the journal of a district."""
    school = district.schools[-1]
    classes = {group.group_id: group for group in district.groups if group.kind == "class"}
    class_of = {member.person_id: member.group_id for member in district.members if member.group_id in classes}
    quarters = {one.period_id: one for one in district.periods if (one.kind, one.number) == ("quarter", 1)}
    first = next(iter(quarters.values()))
    held = [
        one for one in district.lessons if one.status == "held" and first.starts_on <= one.lesson_on <= first.ends_on
    ]
    days = {one.lesson_id: one.lesson_on for one in district.lessons}
    by_class = _grades_by_class(district, class_of, quarters)
    whole = sum(by_class.values(), Counter[str]())
    own = {one for one in class_of if classes[class_of[one]].school_id == school.school_id}
    return JournalTruth(
        facts={name: frozenset(rows) for name, rows in _facts(district).items()},
        closing_school=school.school_id,
        closing_period=f"{school.school_id}-quarter-1",
        closed_classes=frozenset(
            group.group_id
            for group in classes.values()
            if group.school_id == school.school_id and 2 <= group.grade_level <= 9
        ),
        lacking=frozenset(
            [(one.student_id, one.subject_id) for one in district.deferrals]
            + [(one.student_id, one.subject_id) for one in district.final_grades if one.value == "н/а"]
        ),
        deferrals=frozenset((one.student_id, one.subject_id, str(one.due_on)) for one in district.deferrals),
        results_by_class={class_id: figures(counts) for class_id, counts in by_class.items()},
        success=Decimal(figures(whole)[2] or 0),
        lessons_held=len(held),
        plan_hours=sum(row.hours for row in district.curriculum if row.period_id in quarters),
        lessons_substituted=sum(
            one.kind == "replaced" and first.starts_on <= days[one.lesson_id] <= first.ends_on
            for one in district.substitutions
        ),
        sheets=sum(group.school_id == school.school_id and group.grade_level > 1 for group in classes.values()),
        sheet_cells=sum(one.student_id in own for one in district.final_grades)
        + sum(one.student_id in own for one in district.deferrals),
        forecasts=frozenset(_forecasts(district)),
    )


def _grades_by_class(
    district: District, class_of: Mapping[str, str], periods: Collection[str]
) -> dict[str, Counter[str]]:
    """How many final grades of each value the classes have for some periods."""
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for one in district.final_grades:
        if one.period_id in periods:
            found[class_of[one.student_id]][one.value] += 1
    return found


def figures(counts: Mapping[str, int]) -> ClassFigures:
    """The measures of a set of final grades, rounded half up to two decimals; a share of nothing is none."""
    numbers = {value: counts.get(value, 0) for value in _NUMBERS}
    graded = sum(numbers.values())
    assessed = graded + counts.get("н/а", 0)
    success = 100 * (numbers["3"] + numbers["4"] + numbers["5"])
    degree = 100 * numbers["5"] + 64 * numbers["4"] + 36 * numbers["3"] + 16 * numbers["2"] + 8 * counts.get("н/а", 0)
    return (
        {value: number for value, number in sorted(counts.items()) if number},
        _divided(sum(int(value) * number for value, number in numbers.items()), graded),
        _divided(success, assessed),
        _divided(100 * (numbers["4"] + numbers["5"]), assessed),
        _divided(degree, assessed),
    )


def _divided(part: int, whole: int) -> str | None:
    if not whole:
        return None
    return str((Decimal(part) / Decimal(whole)).quantize(_HUNDREDTH, ROUND_HALF_UP))


def _forecasts(district: District) -> Iterator[Fact]:
    """The running part and the year, from two averaged marks on; not what has its grade, nor what ended long ago."""
    today = district.base.date()
    levels = {group.group_id: group.grade_level for group in district.groups if group.kind == "class"}
    level_of = {member.person_id: levels[member.group_id] for member in district.members if member.group_id in levels}
    schools = {group.group_id: group.school_id for group in district.groups}
    graded = {(one.student_id, one.subject_id, one.period_id) for one in district.final_grades}
    running = [
        one for one in district.periods if one.starts_on <= today and one.ends_on >= today - _FORECAST_AFTER_THE_END
    ]
    marks: Counter[tuple[str, str, Period]] = Counter()
    for mark in district.marks:
        for period in running:
            ours = period.school_id == schools[mark.group_id] and period.starts_on <= mark.lesson_on <= period.ends_on
            if ours and mark.value in _NUMBERS and _assessed(period, level_of[mark.student_id]):
                marks[mark.student_id, mark.subject_id, period] += 1
    for (student, subject, period), number in marks.items():
        if number >= _FORECAST_FROM_MARKS and (student, subject, period.period_id) not in graded:
            yield student, subject, period.kind, str(period.number)


def _assessed(period: Period, level: int) -> bool:
    """Quarters until the ninth grade, half-years after it, years in all."""
    return period.kind == "year" or (period.kind == "half_year") == (level > _LAST_WITH_QUARTERS)


def _facts(district: District) -> dict[str, list[Fact]]:
    """Every fact with its day, or its place in the week, and what distinguishes it."""
    return {
        "timetable_slots": [
            (one.slot_id, one.group_id, str(one.weekday), str(one.number), one.teacher_id, str(one.valid_from))
            for one in district.timetable
        ],
        "lessons": [
            (one.lesson_id, one.group_id, str(one.lesson_on), str(one.number), one.teacher_id, one.status)
            for one in district.lessons
        ],
        "substitutions": [
            (one.substitution_id, one.group_id, str(one.lesson_on), str(one.number), one.new_teacher_id, one.kind)
            for one in district.substitutions
        ],
        "control_works": [
            (one.control_work_id, one.group_id, str(one.planned_on), str(one.number), one.author_id, one.title)
            for one in district.control_works
        ],
        "homework": [
            (one.homework_id, one.group_id, str(one.assigned_on), str(one.due_on or ""), one.author_id, one.content)
            for one in district.homework
        ],
        "recommendations": [
            (one.recommendation_id, one.group_id, str(one.given_on), one.student_id, one.author_id, one.kind)
            for one in district.recommendations
        ],
        "attendance": [
            (one.attendance_id, one.group_id, str(one.lesson_on), one.student_id, one.author_id, one.code)
            for one in district.attendance
        ],
    }
