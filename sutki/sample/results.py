"""Marks of the first quarter, the final grades that follow from them, and exam results."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from itertools import count
from random import Random

from sutki.sample.control_works import ControlWorks
from sutki.sample.curriculum import EXAMS, SENIOR_GRADES, WORKS, Exam, subject_id
from sutki.sample.families import Child
from sutki.sample.lessons import Held, Timetable, key
from sutki.sample.records import ExamResult, FinalGrade, Mark
from sutki.sample.teaching import Lesson, Teaching

_WORKS_PER_LESSON = 6
_HELD_SHARE = 0.08
"""Of the groups whose grades wait for the pedagogical council."""
_WITHIN_MINUTES = (20, 300)
"""How long before the base instant results were obtained."""
_INSTEAD = ("self_study", "1.5")
"""What is written where the rules allow no control work."""
RECENT_GRADES = (5, 9)
"""Grades of the classes that have marks in the quarter that runs."""
RECENT_AT_LEAST = 3
"""Marks of each student and subject there."""

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


@dataclass(frozen=True, slots=True)
class Work:
    """A piece of work that several students of a group did at a lesson."""

    work_id: str
    on: date
    kind: str
    weight: Decimal
    lesson_id: str = ""
    author_id: str = ""


class Register:
    """Gives the marks of a school their ids, and keeps which marks each student has in which course."""

    def __init__(self, rng: Random, abilities: Abilities, teaching: Teaching) -> None:
        self.rng = rng
        self.taken: list[Mark] = []
        self._abilities = abilities
        self._school = teaching.school.school_id
        self._marks = count(1)
        self._works = count(1)

    def new_work(self) -> str:
        """The id of a group's next works."""
        return f"{self._school}-work-{next(self._works):04d}"

    def give(self, lesson: Lesson, child: Child, work: Work) -> Mark:
        """A mark for a work."""
        mark = Mark(
            mark_id=f"{self._school}-mark-{next(self._marks):06d}",
            student_id=child.person_id,
            subject_id=subject_id(lesson.course.code),
            group_id=lesson.group_id,
            lesson_on=work.on,
            work_type=work.kind,
            weight=work.weight,
            value=_value(self.rng, lesson, self._abilities.of(child.person_id)),
            lesson_id=work.lesson_id,
            author_id=work.author_id,
            work_id=work.work_id,
        )
        self.taken.append(mark)
        return mark


def quarter_marks(register: Register, teaching: Teaching, timetable: Timetable, controls: ControlWorks) -> MarksOf:
    """From three to five marks of the first quarter for each student and subject, at lessons that were held."""
    by_student: MarksOf = defaultdict(list)
    calendar = timetable.calendar
    days = [day for day in calendar.in_period("quarter", 1) if day < calendar.today]
    of_quarter, held = set(days), timetable.held()
    for lesson in teaching.marked:
        given = [one for one in held.get(key(lesson), ()) if one.on in of_quarter]
        works = _works(register, lesson, given, controls, days)
        for child in lesson.students:
            for work in _taken(register.rng, works):
                by_student[child.person_id, lesson.course.code].append(register.give(lesson, child, work))
    return dict(by_student)


def recent_marks(register: Register, teaching: Teaching, timetable: Timetable) -> None:
    """Two or three marks of the last two weeks in a few classes, for the forecast of the quarter that runs."""
    calendar = timetable.calendar
    if calendar.current_quarter == 1:
        return
    days = {*calendar.recent} & {*calendar.in_period("quarter", calendar.current_quarter)}
    classes = [group.group_id for group in teaching.classes if group.grade_level in RECENT_GRADES]
    chosen = set(classes[::2])
    held = timetable.held()
    for lesson in teaching.marked:
        given = [one for one in held.get(key(lesson), ()) if one.on in days]
        if not lesson.classes <= chosen or len(given) < RECENT_AT_LEAST:
            continue
        code = register.new_work()
        some = register.rng.sample(given, min(len(given), RECENT_AT_LEAST + 1))
        works = [
            Work(f"{code}-{number}", one.on, "answer", Decimal(1), one.lesson_id, one.teacher_id)
            for number, one in enumerate(sorted(some, key=lambda one: (one.on, one.number)), start=1)
        ]
        for child in lesson.students:
            for work in register.rng.sample(works, RECENT_AT_LEAST):
                register.give(lesson, child, work)


def _works(
    register: Register, lesson: Lesson, held: Sequence[Held], controls: ControlWorks, days: Sequence[date]
) -> list[Work]:
    """The works of a group in the quarter, in order of their days."""
    rng, code = register.rng, register.new_work()
    kinds = rng.choices(WORKS, weights=(30, 15, 20, 20, 10, 5), k=_WORKS_PER_LESSON)
    if not held:
        # So early that the subject's first lesson is still to come, or was cancelled: the journal knows only the day.
        chosen = zip(sorted(rng.choices(days, k=_WORKS_PER_LESSON)), kinds, strict=True)
        return [_work(code, number, day, _no_control(kind)) for number, (day, kind) in enumerate(chosen, start=1)]
    enough = len(held) >= _WORKS_PER_LESSON
    some = rng.sample(held, _WORKS_PER_LESSON) if enough else rng.choices(held, k=_WORKS_PER_LESSON)
    works = []
    for number, (one, kind) in enumerate(zip(sorted(some, key=_when), kinds, strict=True), start=1):
        if kind[0] == "control_work" and not controls.plan(lesson, one):
            kind = _no_control(kind)  # noqa: PLW2901 - another one of the same list
        works.append(replace(_work(code, number, one.on, kind), lesson_id=one.lesson_id, author_id=one.teacher_id))
    return works


def _no_control(kind: tuple[str, str]) -> tuple[str, str]:
    return _INSTEAD if kind[0] == "control_work" else kind


def _when(one: Held) -> tuple[date, int]:
    return one.on, one.number


def _work(code: str, number: int, on: date, kind: tuple[str, str]) -> Work:
    name, weight = kind
    return Work(f"{code}-{number}", on, name, Decimal(weight))


def _taken(rng: Random, works: list[Work]) -> list[Work]:
    """Nobody gets a mark for every work."""
    skipped = set(rng.sample(range(len(works)), len(works) - rng.choices((3, 4, 5), (20, 45, 35))[0]))
    return [work for index, work in enumerate(works) if index not in skipped]


def _value(rng: Random, lesson: Lesson, ability: float) -> str:
    if lesson.course.passed_only:
        return "зач" if rng.random() < 0.95 else "незач"
    return str(min(5, max(2, round(rng.gauss(ability, 0.7)))))


@dataclass(frozen=True, slots=True)
class Exceptions:
    """Who is treated apart when the quarter is closed: student and course of each."""

    deferred: tuple[str, str] | None = None
    """Was ill: the grade is deferred."""
    not_assessed: tuple[str, str] | None = None
    """Was not there: `н/а`, with a reason."""


def exceptions(teaching: Teaching) -> Exceptions:
    """One student of each kind from the grades with quarters, where there are any."""
    quarters = [lesson for lesson in teaching.marked if 5 <= lesson.grade < SENIOR_GRADES[0] and lesson.students]
    ill = next((one for one in quarters if one.course.code == "history"), None)
    away = next((one for one in reversed(quarters) if one.course.code == "sport"), None)
    return Exceptions(
        None if ill is None else (ill.students[0].person_id, ill.course.code),
        None if away is None else (away.students[-1].person_id, away.course.code),
    )


def final_grades(
    rng: Random, teaching: Teaching, marked: MarksOf, base: datetime, periods: dict[str, str], apart: Exceptions
) -> list[FinalGrade]:
    """A grade for every student and subject, but for the one that is deferred; all obtained within the last hours.

    Args:
        rng: the only source of chance.
        teaching: the school's groups.
        marked: the marks from which the grades follow.
        base: the instant before which everything was obtained.
        periods: ids of the reporting period of the `junior` grades (a quarter) and the `senior` ones (a half-year).
        apart: whose grade is deferred, and who is not assessed.
    """
    school, numbers = teaching.school.school_id, count(1)
    grades = []
    for lesson in teaching.marked:
        set_at = base - timedelta(minutes=rng.randint(*_WITHIN_MINUTES))
        held = rng.random() < _HELD_SHARE
        for position, child in enumerate(lesson.students):
            pair = child.person_id, lesson.course.code
            if pair == apart.deferred:
                continue
            value = _final(rng, lesson, marked[pair])
            grades.append(
                FinalGrade(
                    result_id=f"{school}-final-{next(numbers):05d}",
                    student_id=child.person_id,
                    subject_id=subject_id(lesson.course.code),
                    period_id=periods["senior" if lesson.grade in SENIOR_GRADES else "junior"],
                    value="н/а" if pair == apart.not_assessed else value,
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
        lesson for lesson in teaching.marked if lesson.course.code in {"maths", "history"} and lesson.grade >= 5
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
