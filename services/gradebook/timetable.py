"""A group's week: the weekly timetable, what is dated above it, and the substitutions above both. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, time, timedelta
from typing import Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from services.gradebook.facts import Holiday, Lesson, Slot, Substitution


class Shown(BaseModel):
    """A lesson as a group's week shows it. Times are the school's."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    number: int
    subject_id: UUID
    teacher_id: UUID | None
    room: str
    starts_at: time | None
    ends_at: time | None
    slot_id: UUID | None
    """Where the weekly timetable has it."""
    lesson_id: UUID | None = None
    lesson_type: str | None = None
    topic: str = ""
    state: Literal["planned", "held", "cancelled", "moved"] = "planned"
    """`moved`: it takes place at another time."""
    substitution_id: UUID | None = None
    """What changed it."""
    moved_from: date | None = None
    moved_to: date | None = None


class Day(BaseModel):
    """One day of a week."""

    on: date
    holiday: str | None
    lessons: list[Shown]


@dataclass(frozen=True)
class Parts:
    """What a week is made of."""

    slots: Sequence[Slot] = ()
    lessons: Sequence[Lesson] = ()
    substitutions: Sequence[Substitution] = ()
    """Those from a day of the week and those to one, in the order in which they were announced."""
    holidays: Sequence[Holiday] = ()


def week(monday: date, parts: Parts) -> list[Day]:
    """The seven days from a Monday."""
    days = [monday + timedelta(days=offset) for offset in range(7)]
    plans = {day: _planned(day, parts) for day in days}
    for substitution in parts.substitutions:
        if substitution.state == "announced":
            _substitute(substitution, plans, parts.slots)
    return [Day(on=day, holiday=_holiday(day, parts.holidays), lessons=sorted(plans[day], key=_order)) for day in days]


def _order(lesson: Shown) -> tuple[int, bool, str]:
    return lesson.number, lesson.state in ("cancelled", "moved"), str(lesson.subject_id)


def _holiday(day: date, holidays: Sequence[Holiday]) -> str | None:
    return next((holiday.title for holiday in holidays if holiday.starts_on <= day <= holiday.ends_on), None)


def _planned(day: date, parts: Parts) -> list[Shown]:
    """The day's lessons of the timetable, each with its dated lesson; dated ones that no slot has come in addition."""
    free = _holiday(day, parts.holidays) is not None
    slots = [] if free else [slot for slot in parts.slots if _is_on(slot, day)]
    dated = [lesson for lesson in parts.lessons if lesson.lesson_on == day]
    shown = []
    for slot in slots:
        lesson = _dated(slot, dated)
        if lesson is not None:
            dated.remove(lesson)
        shown.append(_of_slot(slot) if lesson is None else _of_lesson(lesson, slot.slot_id))
    return shown + [_of_lesson(lesson, None) for lesson in dated]


def _is_on(slot: Slot, day: date) -> bool:
    in_force = slot.valid_from <= day and (slot.valid_to is None or day <= slot.valid_to)
    return in_force and slot.weekday == day.isoweekday()


def _dated(slot: Slot, lessons: Sequence[Lesson]) -> Lesson | None:
    """The dated lesson of a slot: that of its number, the one of its subject before others."""
    same = [lesson for lesson in lessons if lesson.number == slot.number]
    return min(same, key=lambda lesson: (lesson.subject_id != slot.subject_id, str(lesson.lesson_id)), default=None)


def _of_slot(slot: Slot) -> Shown:
    return Shown(
        number=slot.number,
        subject_id=slot.subject_id,
        teacher_id=slot.teacher_id,
        room=slot.room,
        starts_at=slot.starts_at,
        ends_at=slot.ends_at,
        slot_id=slot.slot_id,
    )


def _of_lesson(lesson: Lesson, slot_id: UUID | None) -> Shown:
    return Shown(
        number=lesson.number,
        subject_id=lesson.subject_id,
        teacher_id=lesson.teacher_id,
        room=lesson.room,
        starts_at=lesson.starts_at,
        ends_at=lesson.ends_at,
        slot_id=slot_id,
        lesson_id=lesson.lesson_id,
        lesson_type=lesson.lesson_type,
        topic=lesson.topic,
        state="held" if lesson.state == "held" else "cancelled" if lesson.state == "cancelled" else "planned",
    )


def _substitute(substitution: Substitution, plans: dict[date, list[Shown]], slots: Sequence[Slot]) -> None:
    found = _target(substitution, plans.get(substitution.lesson_on, []))
    if found is not None:
        found.substitution_id = substitution.substitution_id
        if substitution.kind == "cancelled":
            found.state = "cancelled"
        elif substitution.kind == "replaced":
            _replace(found, substitution)
    if substitution.kind == "moved" and substitution.moved_to_on is not None:
        arriving = _arriving(substitution, found, slots)
        if found is not None:
            found.state = "moved"
            found.moved_to = substitution.moved_to_on
        if arriving is not None and substitution.moved_to_on in plans:
            plans[substitution.moved_to_on].append(arriving)


def _target(substitution: Substitution, lessons: Sequence[Shown]) -> Shown | None:
    """The lesson that is substituted: the one named, or that of the number, of the subject where one is named."""
    for lesson in lessons:
        if substitution.lesson_id is not None and lesson.lesson_id == substitution.lesson_id:
            return lesson
    for lesson in lessons:
        if lesson.number == substitution.number and substitution.subject_id in (None, lesson.subject_id):
            return lesson
    return None


def _replace(lesson: Shown, substitution: Substitution) -> None:
    lesson.subject_id = substitution.new_subject_id or lesson.subject_id
    lesson.teacher_id = substitution.new_teacher_id or lesson.teacher_id
    lesson.room = substitution.new_room or lesson.room


def _arriving(substitution: Substitution, moved: Shown | None, slots: Sequence[Slot]) -> Shown | None:
    """A moved lesson where it arrives; what is known of it comes from where it was, also from another week."""
    if moved is None:
        slot = next(
            (
                slot
                for slot in slots
                if _is_on(slot, substitution.lesson_on)
                and slot.number == substitution.number
                and substitution.subject_id in (None, slot.subject_id)
            ),
            None,
        )
        if slot is None and substitution.subject_id is None:
            return None
        moved = _of_slot(slot) if slot is not None else None
    subject_id = substitution.new_subject_id or (moved.subject_id if moved else substitution.subject_id)
    if subject_id is None:
        return None
    return Shown(
        number=substitution.number if substitution.moved_to_number is None else substitution.moved_to_number,
        subject_id=subject_id,
        teacher_id=substitution.new_teacher_id or (moved.teacher_id if moved else None),
        room=substitution.new_room or (moved.room if moved else ""),
        starts_at=None,
        ends_at=None,
        slot_id=None,
        substitution_id=substitution.substitution_id,
        moved_from=substitution.lesson_on,
    )
