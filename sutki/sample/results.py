"""Marks of the first quarter, the final grades that follow from them, and exam results."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import count
from random import Random

from sutki.sample.curriculum import EXAMS, SENIOR_GRADES, WORKS, Exam, subject_id
from sutki.sample.families import Child
from sutki.sample.records import ExamResult, FinalGrade, Mark
from sutki.sample.teaching import Lesson, Teaching

_WORKS_PER_LESSON = 6
_HELD_SHARE = 0.08
"""Of the groups whose grades wait for the pedagogical council."""
_WITHIN_MINUTES = (20, 300)
"""How long before the base instant results were obtained."""
_STREAM_DAYS = tuple(range(5))

MarksOf = dict[tuple[str, str], list[Mark]]
"""Student and group to the student's marks there."""


class Abilities:
    """How good each student is, so that the marks of one student resemble each other."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._known: dict[str, float] = {}

    def of(self, student_id: str) -> float:
        """On the scale of marks."""
        if student_id not in self._known:
            self._known[student_id] = min(5.0, max(2.6, self._rng.gauss(4.05, 0.55)))
        return self._known[student_id]


def marks(rng: Random, abilities: Abilities, teaching: Teaching, first: date, last: date) -> tuple[list[Mark], MarksOf]:
    """From three to five marks per subject and student, on school days between the two dates."""
    school = teaching.school.school_id
    numbers, taken, by_student = count(1), [], defaultdict(list)
    days = [day for day in _days(first, last) if day.weekday() in _STREAM_DAYS]
    for number, lesson in enumerate(teaching.lessons, start=1):
        works = _works(rng, f"{school}-work-{number:04d}", days)
        for child in lesson.students:
            for work_id, lesson_on, work_type, weight in _taken(rng, works):
                mark = Mark(
                    mark_id=f"{school}-mark-{next(numbers):06d}",
                    student_id=child.person_id,
                    subject_id=subject_id(lesson.course.code),
                    group_id=lesson.group_id,
                    lesson_on=lesson_on,
                    work_type=work_type,
                    weight=weight,
                    value=_value(rng, lesson, abilities.of(child.person_id)),
                    work_id=work_id,
                )
                taken.append(mark)
                by_student[child.person_id, lesson.course.code].append(mark)
    return taken, dict(by_student)


def _days(first: date, last: date) -> Iterator[date]:
    while first <= last:
        yield first
        first += timedelta(days=1)


Work = tuple[str, date, str, Decimal]


def _works(rng: Random, code: str, days: list[date]) -> list[Work]:
    chosen = sorted(rng.choices(days, k=_WORKS_PER_LESSON))
    kinds = rng.choices(WORKS, weights=(30, 15, 20, 20, 10, 5), k=_WORKS_PER_LESSON)
    return [
        (f"{code}-{number}", day, kind, Decimal(weight))
        for number, (day, (kind, weight)) in enumerate(zip(chosen, kinds, strict=True), start=1)
    ]


def _taken(rng: Random, works: list[Work]) -> list[Work]:
    """Nobody gets a mark for every work."""
    skipped = set(rng.sample(range(len(works)), len(works) - rng.choices((3, 4, 5), (20, 45, 35))[0]))
    return [work for index, work in enumerate(works) if index not in skipped]


def _value(rng: Random, lesson: Lesson, ability: float) -> str:
    if lesson.course.passed_only:
        return "зач" if rng.random() < 0.95 else "незач"
    return str(min(5, max(2, round(rng.gauss(ability, 0.7)))))


def final_grades(
    rng: Random, teaching: Teaching, marked: MarksOf, base: datetime, periods: dict[str, str]
) -> list[FinalGrade]:
    """A grade for every student and subject, all obtained within the last hours.

    Args:
        rng: the only source of chance.
        teaching: the school's groups.
        marked: the marks from which the grades follow.
        base: the instant before which everything was obtained.
        periods: ids of the reporting period of the `junior` grades (a quarter) and the `senior` ones (a half-year).
    """
    school, numbers = teaching.school.school_id, count(1)
    grades = []
    for lesson in teaching.lessons:
        set_at = base - timedelta(minutes=rng.randint(*_WITHIN_MINUTES))
        held = rng.random() < _HELD_SHARE
        for position, child in enumerate(lesson.students):
            grades.append(
                FinalGrade(
                    result_id=f"{school}-final-{next(numbers):05d}",
                    student_id=child.person_id,
                    subject_id=subject_id(lesson.course.code),
                    period_id=periods["senior" if lesson.grade in SENIOR_GRADES else "junior"],
                    value=_final(rng, lesson, marked[child.person_id, lesson.course.code]),
                    obtained_at=set_at + timedelta(seconds=4 * position),
                    held=held,
                    group_id=lesson.group_id,
                )
            )
    return grades


def _final(rng: Random, lesson: Lesson, given: list[Mark]) -> str:
    if lesson.course.passed_only:
        return "зач" if sum(mark.value == "зач" for mark in given) * 2 >= len(given) else "незач"
    if lesson.course.code == "sport" and rng.random() < 0.01:
        return "осв"
    total = sum((Decimal(mark.value) * mark.weight for mark in given), Decimal(0))
    mean = total / sum((mark.weight for mark in given), Decimal(0))
    return str(mean.quantize(Decimal(1), rounding=ROUND_HALF_UP))


def exam_results(
    rng: Random, abilities: Abilities, teaching: Teaching, children: Sequence[Child], base: datetime
) -> list[ExamResult]:
    """Exams of the ninth and eleventh grades, and a competition in some groups."""
    school, numbers = teaching.school.school_id, count(1)
    results = []
    for grade, (kind, exams) in EXAMS.items():
        takers = [child for child in children if child.grade == grade]
        for exam in exams:
            told_at = base - timedelta(minutes=rng.randint(*_WITHIN_MINUTES))
            for child in takers:
                if rng.random() >= exam.share:
                    continue
                score = _score(rng, abilities.of(child.person_id), exam)
                results.append(
                    ExamResult(
                        result_id=f"{school}-exam-{next(numbers):05d}",
                        student_id=child.person_id,
                        subject_id=subject_id(exam.course),
                        kind=kind,
                        title=exam.title,
                        score=score,
                        max_score=exam.max_score,
                        grade=_exam_grade(score, exam) if kind == "oge" else "",
                        obtained_at=told_at,
                        group_id=teaching.exam_groups[grade, exam.course],
                    )
                )
    return results + list(_competition(rng, teaching, base))


def _score(rng: Random, ability: float, exam: Exam) -> int:
    share = min(1.0, max(0.2, rng.gauss((ability - 1.6) / 3.4, 0.12)))
    return round(exam.max_score * share)


def _exam_grade(score: int, exam: Exam) -> str:
    """Borders in the manner of the ninth grade's exams: 20, 45 and 75 per cent."""
    share = score / exam.max_score
    return str(2 + sum(share >= border for border in (0.2, 0.45, 0.75)))


def _competition(rng: Random, teaching: Teaching, base: datetime) -> Iterator[ExamResult]:
    school = teaching.school.school_id
    eligible = [
        lesson for lesson in teaching.lessons if lesson.course.code in {"maths", "history"} and lesson.grade >= 5
    ]
    told_at = base - timedelta(minutes=rng.randint(*_WITHIN_MINUTES))
    numbers = count(1)
    for lesson in eligible:
        for child in rng.sample(lesson.students, min(3, len(lesson.students))):
            yield ExamResult(
                result_id=f"{school}-competition-{next(numbers):04d}",
                student_id=child.person_id,
                subject_id=subject_id(lesson.course.code),
                kind="competition",
                title=f"Школьная олимпиада: {lesson.course.title.lower()}",
                score=rng.randint(8, 40),
                max_score=40,
                grade="",
                obtained_at=told_at,
                group_id=lesson.group_id,
            )
