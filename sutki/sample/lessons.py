"""Weekly slots of the timetable, the dated lessons that follow from them, and what disturbed some of these."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import count
from random import Random
from typing import NamedTuple

from sutki.sample.calendar import Calendar, period_id
from sutki.sample.curriculum import SENIOR_GRADES, WITH_LABS, WITH_PRACTICE_ONLY, subject_id
from sutki.sample.journal_records import DatedLesson, PlanRow, Slot, Substitution
from sutki.sample.records import School
from sutki.sample.teaching import Lesson, Teaching
from sutki.sample.timetable import Place, schedule
from sutki.sample.topics import SUBSTITUTION_REASONS, TOPICS

_REPLACED, _CANCELLED, _MOVED = 0.015, 0.004, 0.006
"""Shares of all lessons."""
_NEW_ROOM_SHARE = 0.04
"""Slots whose room changes after the autumn holidays: a second version of the slot."""
_SPORT_ROOM = "спортзал"
_MOVED_WITHIN = timedelta(days=7)
_LATEST_NUMBER = 8
_BEGINS_MINUTES, _LESSON_MINUTES, _BREAK_MINUTES = 8 * 60 + 30, 45, 10
_LONG_BREAK_AFTER, _LONG_BREAK_MINUTES = 3, 10


@dataclass(slots=True)
class Held:
    """A dated lesson that can still change, with what it is a lesson of."""

    lesson_id: str
    of: Lesson
    on: date
    number: int
    teacher_id: str
    room: str
    kind: str
    topic: str
    status: str

    def record(self) -> DatedLesson:
        """As the journal has it."""
        starts_at, ends_at = bell(self.number)
        author = self.teacher_id if self.status == "held" else ""
        subject = subject_id(self.of.course.code)
        return DatedLesson(
            self.lesson_id, self.of.group_id, subject, self.teacher_id, self.on, self.number, starts_at, ends_at,
            self.room, self.kind, self.topic, self.status, author,
        )  # fmt: skip


@dataclass(slots=True)
class Timetable:
    """One school's slots, dated lessons and their changes."""

    calendar: Calendar
    slots: list[Slot] = field(default_factory=list)
    places: dict[str, list[Place]] = field(default_factory=dict)
    """Group and course, see `key`, to weekdays and numbers."""
    lessons: list[Held] = field(default_factory=list)
    substitutions: list[Substitution] = field(default_factory=list)

    def days_of(self, lesson: Lesson, days: Sequence[date]) -> Iterator[tuple[date, int]]:
        """Date and number of a subject's lessons by the timetable on these days."""
        places = sorted(self.places[key(lesson)])
        for day in days:
            yield from ((day, number) for weekday, number in places if weekday == day.isoweekday())

    def held(self) -> dict[str, list[Held]]:
        """The lessons that were held, by group and course, in order."""
        found: dict[str, list[Held]] = defaultdict(list)
        for lesson in sorted(self.lessons, key=lambda one: (one.on, one.number)):
            if lesson.status == "held":
                found[key(lesson.of)].append(lesson)
        return found


def key(lesson: Lesson) -> str:
    """A subject as a group learns it; in plain files a class learns all its subjects."""
    return f"{lesson.group_id}/{lesson.course.code}"


def bell(number: int) -> tuple[str, str]:
    """When a lesson begins and ends."""
    begins = _BEGINS_MINUTES + (number - 1) * (_LESSON_MINUTES + _BREAK_MINUTES)
    begins += _LONG_BREAK_MINUTES * (number > _LONG_BREAK_AFTER)
    return _clock(begins), _clock(begins + _LESSON_MINUTES)


def _clock(minutes: int) -> str:
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def make_timetable(rng: Random, teaching: Teaching, calendar: Calendar) -> Timetable:
    """The timetable of a school and the lessons of the days that the journal covers."""
    timetable = Timetable(calendar)
    own_rooms = {person_id: str(101 + index) for index, (person_id, _) in enumerate(teaching.teachers)}
    numbers = count(1)
    placed = []
    for lesson, place in schedule(rng, teaching.lessons):
        timetable.places.setdefault(key(lesson), []).append(place)
        room = _SPORT_ROOM if lesson.course.code == "sport" else own_rooms[lesson.teacher_id]
        versions = list(_versions(rng, calendar, room))
        placed.append(_Placed(lesson, place, versions))
        for version in versions:
            slot_id = f"{teaching.school.school_id}-slot-{next(numbers):05d}"
            timetable.slots.append(_slot(slot_id, lesson, place, version))
    timetable.lessons = list(_dated(teaching, calendar, placed))
    _disturb(rng, teaching, timetable)
    return timetable


class _Version(NamedTuple):
    """A room, and from when to when the lesson is there."""

    room: str
    first: date
    last: date


class _Placed(NamedTuple):
    """A weekly lesson with its place and the versions of its slot."""

    lesson: Lesson
    place: Place
    versions: list[_Version]

    def room_on(self, day: date) -> str:
        """Where it is on a day."""
        return next((one.room for one in self.versions if one.first <= day <= one.last), self.versions[0].room)


def _versions(rng: Random, calendar: Calendar, room: str) -> Iterator[_Version]:
    first, last = calendar.spans["year", 1]
    if room == _SPORT_ROOM or rng.random() >= _NEW_ROOM_SHARE:
        yield _Version(room, first, last)
        return
    yield _Version(room, first, calendar.spans["quarter", 1][1])
    yield _Version(f"{room}а", calendar.spans["quarter", 2][0], last)


def _slot(slot_id: str, lesson: Lesson, place: Place, version: _Version) -> Slot:
    weekday, number = place
    subject, (room, *span) = subject_id(lesson.course.code), version
    return Slot(slot_id, lesson.group_id, subject, lesson.teacher_id, room, weekday, number, *bell(number), *span)


def _dated(teaching: Teaching, calendar: Calendar, placed: Sequence[_Placed]) -> Iterator[Held]:
    by_weekday: dict[int, list[_Placed]] = defaultdict(list)
    for one in sorted(placed, key=lambda one: (one.place[1], key(one.lesson))):
        by_weekday[one.place[0]].append(one)
    numbers, given = count(1), defaultdict[str, Iterator[int]](count)
    for day in calendar.covered:
        for one in by_weekday[day.isoweekday()]:
            lesson, nth = one.lesson, next(given[key(one.lesson)])
            topics = TOPICS[lesson.course.code]
            yield Held(
                lesson_id=f"{teaching.school.school_id}-lesson-{next(numbers):06d}",
                of=lesson,
                on=day,
                number=one.place[1],
                teacher_id=lesson.teacher_id,
                room=one.room_on(day),
                kind=lesson_type(lesson, nth),
                topic=topics[nth // 2 % len(topics)],
                status="held" if day < calendar.today else "planned",
            )


def lesson_type(lesson: Lesson, nth: int) -> str:
    """The type of a subject's nth lesson, unless it is a control work."""
    if lesson.course.code in WITH_PRACTICE_ONLY:
        return "practical"
    if lesson.course.code in WITH_LABS and nth % 6 == 5:
        return "laboratory"
    return ("new_material", "new_material", "practice")[nth % 3] if nth % 9 != 8 else "revision"


# --- the plan -------------------------------------------------------------------------------------------------------


def plan_rows(teaching: Teaching, timetable: Timetable) -> Iterator[PlanRow]:
    """The curriculum plan: as many hours as the timetable has lessons in the period, divided by type."""
    days = {place: timetable.calendar.in_period(*place) for place in timetable.calendar.spans}
    numbers = count(1)
    for lesson in teaching.lessons:
        kinds = [("half_year", 1), ("half_year", 2)]
        if lesson.grade not in SENIOR_GRADES:
            kinds = [("quarter", number) for number in range(1, 5)]
        for kind, number in kinds:
            nths = range(sum(1 for _ in timetable.days_of(lesson, days[kind, number])))
            for lesson_kind, hours in _by_type(lesson, nths).items():
                yield PlanRow(
                    f"{teaching.school.school_id}-plan-{next(numbers):06d}",
                    lesson.group_id,
                    subject_id(lesson.course.code),
                    period_id(teaching.school, kind, number),
                    lesson_kind,
                    hours,
                )


def _by_type(lesson: Lesson, nths: range) -> dict[str, int]:
    hours: dict[str, int] = defaultdict(int)
    for nth in nths:
        hours[lesson_type(lesson, nth)] += 1
    if lesson.marked and lesson.course.code not in WITH_PRACTICE_ONLY and hours["new_material"] > 1:
        hours["control_work"] += 1
        hours["new_material"] -= 1
    return {kind: number for kind, number in hours.items() if number}


# --- what did not go by the timetable -------------------------------------------------------------------------------


class _Occupied:
    """Who is where at which lesson of which day."""

    def __init__(self, lessons: Sequence[Held]) -> None:
        self._taken = {(one, lesson.on, lesson.number) for lesson in lessons for one in _who(lesson)}

    def is_free(self, who: Sequence[str], day: date, number: int) -> bool:
        """Whether none of these teachers and classes has a lesson there."""
        return not any((one, day, number) in self._taken for one in who)

    def take(self, who: Sequence[str], day: date, number: int) -> None:
        """They have one now."""
        self._taken.update((one, day, number) for one in who)


def _who(lesson: Held) -> list[str]:
    return [lesson.teacher_id, *sorted(lesson.of.classes)]


def _disturb(rng: Random, teaching: Teaching, timetable: Timetable) -> None:
    """Replaces, moves and cancels a few lessons; afterwards still nobody is in two places at once."""
    occupied = _Occupied(timetable.lessons)
    school: School = teaching.school
    numbers = count(1)
    colleagues = defaultdict(set)
    for lesson in teaching.lessons:
        colleagues[lesson.course.code].add(lesson.teacher_id)
    for one in timetable.lessons:
        chance = rng.random()
        on, number = one.on, one.number
        changed: tuple[str, str, date | None, int | None] | None = None
        if chance < _REPLACED:
            changed = _replace(rng, one, occupied, sorted(colleagues[one.of.course.code]))
        elif chance < _REPLACED + _CANCELLED:
            one.status = "cancelled"
            changed = "cancelled", "", None, None
        elif chance < _REPLACED + _CANCELLED + _MOVED:
            changed = _move(rng, one, occupied, timetable.calendar)
        if changed is not None:
            timetable.substitutions.append(
                Substitution(
                    f"{school.school_id}-substitution-{next(numbers):04d}",
                    one.of.group_id,
                    one.lesson_id,
                    on,
                    number,
                    subject_id(one.of.course.code),
                    *changed,
                    rng.choice(SUBSTITUTION_REASONS),
                )
            )


def _replace(
    rng: Random, lesson: Held, occupied: _Occupied, colleagues: Sequence[str]
) -> tuple[str, str, date | None, int | None] | None:
    """A colleague of the same subject who is free then."""
    free = [one for one in colleagues if occupied.is_free([one], lesson.on, lesson.number)]
    if not free:
        return None
    lesson.teacher_id = rng.choice(free)
    occupied.take([lesson.teacher_id], lesson.on, lesson.number)
    return "replaced", lesson.teacher_id, None, None


def _move(
    rng: Random, lesson: Held, occupied: _Occupied, calendar: Calendar
) -> tuple[str, str, date | None, int | None] | None:
    """To a later day of the week after, in the same part of the year, where everybody is free."""
    if len(lesson.of.classes) > 1 or lesson.of.course.halves:
        return None
    days = [day for day in calendar.covered if lesson.on < day <= lesson.on + _MOVED_WITHIN]
    same_side = [day for day in days if (day < calendar.today) == (lesson.on < calendar.today)]
    places = [
        (day, number)
        for day in same_side
        for number in range(1, _LATEST_NUMBER + 1)
        if occupied.is_free(_who(lesson), day, number)
    ]
    if not places:
        return None
    lesson.on, lesson.number = rng.choice(places)
    occupied.take(_who(lesson), lesson.on, lesson.number)
    return "moved", "", lesson.on, lesson.number
