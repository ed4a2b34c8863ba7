"""What teachers wrote into the journal of one school: homework, recommendations, observations, attendance."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from itertools import count
from random import Random

from sutki.sample.curriculum import FIRST_GRADE_WITH_MARKS, WITH_PRACTICE_ONLY, subject_id
from sutki.sample.journal_records import Attendance, Homework, Recommendation
from sutki.sample.lessons import Held, Timetable, key
from sutki.sample.records import Mark
from sutki.sample.teaching import Teaching
from sutki.sample.topics import CLASS_RECOMMENDATIONS, HOMEWORK, OBSERVATIONS, RECOMMENDATIONS

_HOMEWORK_DAYS = 5
_HOMEWORK_SHARE = 0.5
"""Of the lessons of the last days."""
_LINK_SHARE = 0.3
_SINGLE_SHARE = 0.03
"""Of the homework: for some students only."""
_RECOMMENDED_SHARE = 0.08
_ILL_SHARE, _ILL_DAYS = 0.06, (2, 5)
_ABSENT_SHARE, _LATE_SHARE, _EXCUSED_SHARE = 0.008, 0.012, 0.01
"""Of the student's days."""


def homework(rng: Random, teaching: Teaching, timetable: Timetable) -> Iterator[Homework]:
    """Homework of the last days, due at the next lesson; the first grade has none."""
    calendar, numbers = timetable.calendar, count(1)
    days = set(calendar.recent[-_HOMEWORK_DAYS:])
    for one in timetable.lessons:
        lesson = one.of
        given = one.status == "held" and one.on in days and lesson.course.code not in WITH_PRACTICE_ONLY
        if not given or lesson.grade < FIRST_GRADE_WITH_MARKS or rng.random() >= _HOMEWORK_SHARE:
            continue
        after = [day for day in calendar.days if day > one.on]
        due_on = next((day for day, _ in timetable.days_of(lesson, after)), None)
        singles = rng.sample(lesson.students, min(2, len(lesson.students))) if rng.random() < _SINGLE_SHARE else []
        yield Homework(
            homework_id=f"{teaching.school.school_id}-homework-{next(numbers):05d}",
            group_id=lesson.group_id,
            subject_id=subject_id(lesson.course.code),
            lesson_id=one.lesson_id,
            assigned_on=one.on,
            due_on=due_on,
            content=_task(rng, one.topic),
            attachments=_links(rng, one) if rng.random() < _LINK_SHARE else "",
            student_ids="|".join(child.person_id for child in singles),
            author_id=one.teacher_id,
        )


def _task(rng: Random, topic: str) -> str:
    number, task = rng.randint(3, 40), rng.randint(20, 400)
    return rng.choice(HOMEWORK).format(number=number, task=task, after=task + rng.randint(2, 5), topic=topic)


def _links(rng: Random, one: Held) -> str:
    code = f"{one.of.course.code}/{rng.randint(100, 999)}"
    links = [f"Разбор темы https://example.org/materials/{code}", f"https://example.org/tasks/{code}.pdf"]
    return "|".join(links[: rng.randint(1, 2)])


def recommendations(rng: Random, teaching: Teaching, timetable: Timetable) -> Iterator[Recommendation]:
    """Observations of every first-grader, advice for some others, and something for each class."""
    days = timetable.calendar.recent
    if not days:
        return
    numbers = count(1)
    school = teaching.school.school_id

    def made(student_id: str, group_id: str, subject: str, kind: str, content: str, author: str) -> Recommendation:
        code = f"{school}-recommendation-{next(numbers):05d}"
        return Recommendation(code, student_id, group_id, subject, rng.choice(days), kind, content, author)

    teachers = {lead.group_id: lead.person_id for lead in teaching.class_teachers}
    members: dict[str, list[str]] = defaultdict(list)
    for member in teaching.members:
        members[member.group_id].append(member.person_id)
    for group in teaching.classes:
        author = teachers[group.group_id]
        if group.grade_level < FIRST_GRADE_WITH_MARKS:
            for student_id in members[group.group_id]:
                yield made(student_id, group.group_id, "", "observation", rng.choice(OBSERVATIONS), author)
        else:
            advice = rng.choice(CLASS_RECOMMENDATIONS)
            yield made("", group.group_id, "", "recommendation", advice, author)
    held = timetable.held()
    for lesson in teaching.marked:
        topics = held.get(key(lesson))
        for child in lesson.students if topics else ():
            if rng.random() < _RECOMMENDED_SHARE / 5:
                content = rng.choice(RECOMMENDATIONS).format(topic=topics[-1].topic if topics else "")
                subject = subject_id(lesson.course.code)
                yield made(child.person_id, lesson.group_id, subject, "recommendation", content, lesson.teacher_id)


def attendance(
    rng: Random, teaching: Teaching, timetable: Timetable, marks: Sequence[Mark], ill: str | None
) -> Iterator[Attendance]:
    """Who was ill for days, away with a reason, absent from a lesson or late; never on a day with a mark.

    Args:
        rng: the only source of chance.
        teaching: the school's groups.
        timetable: its lessons.
        marks: who was there to get one, and when.
        ill: a student who was ill at the end of the first quarter.
    """
    book = _Book(rng, teaching, {(mark.student_id, mark.lesson_on) for mark in marks})
    calendar, recent = timetable.calendar, timetable.calendar.recent
    of_day: dict[tuple[str, date], list[Held]] = defaultdict(list)
    among = set(recent)
    for one in timetable.lessons:
        if one.status == "held" and one.on in among:
            for child in one.of.students:
                of_day[child.person_id, one.on].append(one)
    if ill is not None:
        last = [day for day in calendar.in_period("quarter", 1) if day < calendar.today][-2 * _HOMEWORK_DAYS :]
        yield from book.whole_days(ill, last, "ill")
    for student_id in sorted({student_id for student_id, _ in of_day}):
        days = list(recent)
        if rng.random() < _ILL_SHARE:
            begins = rng.randrange(len(days))
            length = rng.randint(*_ILL_DAYS)
            yield from book.whole_days(student_id, days[begins : begins + length], "ill")
            days = days[:begins] + days[begins + length :]
        for day in days:
            chance = rng.random()
            if chance < _EXCUSED_SHARE:
                yield from book.whole_days(student_id, [day], "valid_reason")
            elif chance < _EXCUSED_SHARE + _ABSENT_SHARE + _LATE_SHARE and of_day[student_id, day]:
                code = "absent" if chance < _EXCUSED_SHARE + _ABSENT_SHARE else "late"
                yield from book.at_lesson(student_id, rng.choice(of_day[student_id, day]), code)


class _Book:
    """Writes the rows."""

    def __init__(self, rng: Random, teaching: Teaching, marked: set[tuple[str, date]]) -> None:
        self._rng = rng
        self._school = teaching.school.school_id
        self._marked = marked
        self._numbers = count(1)

    def _id(self) -> str:
        return f"{self._school}-attendance-{next(self._numbers):05d}"

    def whole_days(self, student_id: str, days: Sequence[date], code: str) -> Iterator[Attendance]:
        """Days without a mark."""
        for day in days:
            if (student_id, day) not in self._marked:
                yield Attendance(self._id(), student_id, "", "", "", day, None, code, "")

    def at_lesson(self, student_id: str, one: Held, code: str) -> Iterator[Attendance]:
        """One lesson: lateness goes with a mark, absence does not."""
        if code == "late" or (student_id, one.on) not in self._marked:
            subject = subject_id(one.of.course.code)
            yield Attendance(
                self._id(),
                student_id,
                one.of.group_id,
                subject,
                one.lesson_id,
                one.on,
                one.number,
                code,
                one.teacher_id,
            )
