"""The schedule of control works: at most one a day for a class, and of one subject at most two in a week."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, timedelta
from random import Random

from sutki.sample.curriculum import WITH_PRACTICE_ONLY, subject_id
from sutki.sample.journal_records import ControlWork
from sutki.sample.lessons import Held, Timetable, key
from sutki.sample.teaching import Lesson, Teaching

_SAME_SUBJECT_A_WEEK = 2
_PLANNED_SHARE = 0.5
"""Of the subjects with a control work planned in the quarter that runs."""
_TRIES = 6


@dataclass
class ControlWorks:
    """The control works of one school."""

    school_id: str
    works: list[ControlWork] = field(default_factory=list)
    _days: set[tuple[str, date]] = field(default_factory=set)
    _weeks: Counter[tuple[str, str, date]] = field(default_factory=Counter)

    def plan(self, lesson: Lesson, held: Held) -> bool:
        """Makes a dated lesson a control work, if the rules allow it."""
        if not self._allowed(lesson, held.on):
            return False
        held.kind = "control_work"
        self._add(lesson, held.on, held.number, held.topic)
        return True

    def plan_on(self, lesson: Lesson, on: date, number: int, topic: str) -> bool:
        """Plans one for a day whose lessons are not dated yet, if the rules allow it."""
        if not self._allowed(lesson, on):
            return False
        self._add(lesson, on, number, topic)
        return True

    def _allowed(self, lesson: Lesson, on: date) -> bool:
        code, monday = lesson.course.code, _monday(on)
        return lesson.course.code not in WITH_PRACTICE_ONLY and not any(
            (one, on) in self._days or self._weeks[one, code, monday] >= _SAME_SUBJECT_A_WEEK for one in lesson.classes
        )

    def _add(self, lesson: Lesson, on: date, number: int, topic: str) -> None:
        for one in lesson.classes:
            self._days.add((one, on))
            self._weeks[one, lesson.course.code, _monday(on)] += 1
        self.works.append(
            ControlWork(
                f"{self.school_id}-control-{len(self.works) + 1:04d}",
                lesson.group_id,
                subject_id(lesson.course.code),
                on,
                number,
                "control_work",
                f"Контрольная работа: {topic[0].lower()}{topic[1:]}",
                lesson.teacher_id,
            )
        )


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def plan_quarter(rng: Random, teaching: Teaching, timetable: Timetable, controls: ControlWorks) -> None:
    """Plans the control works that are still to come in the quarter that runs."""
    calendar = timetable.calendar
    coming = [day for day in calendar.in_period("quarter", calendar.current_quarter) if day >= calendar.today]
    dated = {(key(one.of), one.on, one.number): one for one in timetable.lessons}
    last = max(calendar.covered, default=calendar.today)
    for lesson in teaching.marked:
        if rng.random() >= _PLANNED_SHARE:
            continue
        places = list(timetable.days_of(lesson, coming))
        for on, number in rng.sample(places, min(_TRIES, len(places))):
            one = dated.get((key(lesson), on, number))
            if one is not None and one.status != "cancelled":
                done = controls.plan(lesson, one)
            else:
                # A lesson of a covered day that is not there was moved or cancelled.
                done = on > last and controls.plan_on(lesson, on, number, "материал четверти")
            if done:
                break
