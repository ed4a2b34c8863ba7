"""The weekly timetable of a school: nobody, teacher or student, is in two places at once.

Slot by slot through the week, whatever is most urgent is placed where its classes and teachers are free; a few attempts
are made and the one kept that leaves classes the fewest free lessons between others. What does not fit into a class's
day comes after it.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random

from sutki.sample.teaching import Lesson

WEEKDAYS = range(1, 6)
LAST_NUMBER = 15
_ATTEMPTS = 8

Place = tuple[int, int]
"""Weekday from 1 and number of the lesson."""


@dataclass(slots=True)
class Activity:
    """Lessons that take place at the same time: one, or those of the halves of a class."""

    lessons: list[Lesson]
    classes: frozenset[str]
    teachers: frozenset[str]
    hours: int

    @property
    def apart(self) -> bool:
        """Whether it is for one student beside the class: after the class's day."""
        return self.lessons[0].apart


def schedule(rng: Random, lessons: Sequence[Lesson]) -> list[tuple[Lesson, Place]]:
    """Every weekly lesson with its place in the week.

    Args:
        rng: the only source of chance.
        lessons: of one school.

    Raises:
        ValueError: a teacher or a class has more lessons than the week has places for.
    """
    activities = _activities(lessons)
    best: _Attempt | None = None
    for _ in range(_ATTEMPTS):
        attempt = _Attempt(rng, activities)
        attempt.fill()
        if best is None or attempt.gaps() < best.gaps():
            best = attempt
        if not best.gaps():
            break
    if best is None:
        return []
    return [(lesson, place) for activity, place in best.placed for lesson in activity.lessons]


def _activities(lessons: Iterable[Lesson]) -> list[Activity]:
    together: dict[tuple[str, frozenset[str], bool], list[Lesson]] = defaultdict(list)
    for number, lesson in enumerate(lessons):
        alone = "" if lesson.course.halves else str(number)
        together[lesson.course.code + alone, lesson.classes, lesson.apart].append(lesson)
    return [
        Activity(some, some[0].classes, frozenset(one.teacher_id for one in some), some[0].hours)
        for some in together.values()
    ]


class _Attempt:
    """One way to fill the week."""

    def __init__(self, rng: Random, activities: Sequence[Activity]) -> None:
        self.placed: list[tuple[Activity, Place]] = []
        self._rng = rng
        self._activities = activities
        self._left = [activity.hours for activity in activities]
        self._busy: set[tuple[str, int, int]] = set()
        self._today: Counter[tuple[int, int]] = Counter()
        self._target = self._targets()
        self._teacher_left: Counter[str] = Counter()
        for activity in activities:
            for teacher in activity.teachers:
                self._teacher_left[teacher] += activity.hours

    def _targets(self) -> dict[tuple[str, int], int]:
        """How many lessons each class has on each day: as even as can be."""
        weekly: Counter[str] = Counter()
        for activity in self._activities:
            if not activity.apart:
                weekly.update(dict.fromkeys(activity.classes, activity.hours))
        targets = {}
        for one, total in sorted(weekly.items()):
            longer = set(self._rng.sample(list(WEEKDAYS), total % len(WEEKDAYS)))
            for weekday in WEEKDAYS:
                targets[one, weekday] = total // len(WEEKDAYS) + (weekday in longer)
        return targets

    def fill(self) -> None:
        """Places everything."""
        longest = max(self._target.values(), default=0)
        for weekday in WEEKDAYS:
            for number in range(1, longest + 1):
                for index in self._by_urgency(weekday):
                    self._place_if_fits(index, weekday, number)
        for index, left in enumerate(self._left):
            for _ in range(left):
                self._place_anywhere(index)

    def _by_urgency(self, weekday: int) -> list[int]:
        """Activities in the order in which they are tried: those of many, of busy teachers, and not had today first."""
        waiting = [index for index, left in enumerate(self._left) if left and not self._activities[index].apart]
        days = len(WEEKDAYS) - weekday + 1

        def urgency(index: int) -> tuple[bool, float, float]:
            activity = self._activities[index]
            again = self._today[index, weekday] * days >= self._left[index]
            busiest = max(self._teacher_left[teacher] for teacher in activity.teachers)
            weight = busiest / days + 4 * self._left[index] / days + 3 * (len(activity.lessons) + len(activity.classes))
            return again, -weight - 2 * self._rng.random(), self._rng.random()

        return sorted(waiting, key=urgency)

    def _place_if_fits(self, index: int, weekday: int, number: int) -> None:
        activity = self._activities[index]
        if any(number > self._target[one, weekday] for one in activity.classes):
            return
        if self._today[index, weekday] >= 2 or not self._is_free(activity, weekday, number):
            return
        self._place(index, weekday, number)

    def _is_free(self, activity: Activity, weekday: int, number: int) -> bool:
        return not any((one, weekday, number) in self._busy for one in activity.classes | activity.teachers)

    def _place(self, index: int, weekday: int, number: int) -> None:
        activity = self._activities[index]
        self._busy.update((one, weekday, number) for one in activity.classes | activity.teachers)
        self._left[index] -= 1
        self._today[index, weekday] += 1
        for teacher in activity.teachers:
            self._teacher_left[teacher] -= 1
        self.placed.append((activity, (weekday, number)))

    def _place_anywhere(self, index: int) -> None:
        activity = self._activities[index]
        places = ((weekday, number) for number in range(1, LAST_NUMBER + 1) for weekday in WEEKDAYS)
        free = [place for place in places if self._is_free(activity, *place)]
        if not free:
            raise ValueError("more lessons than the week has places for")
        self._place(index, *min(free, key=lambda place: (self._today[index, place[0]], place[1])))

    def gaps(self) -> int:
        """Free lessons between others, of all classes together."""
        numbers: dict[tuple[str, int], set[int]] = defaultdict(set)
        for activity, (weekday, number) in self.placed:
            for one in activity.classes:
                numbers[one, weekday].add(number)
        return sum(max(some) - len(some) for some in numbers.values())
