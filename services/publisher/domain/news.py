"""What is told beside results: marks, homework, recommendations, forecasts, changes of the timetable.

Of each event only what a message prints is kept (`News.content`):

- mark: `subject`, `value`, `work_type`, `comment` if there is one;
- homework: `subject`, `text`, `due_on` if it has one, `attachments` (how many);
- recommendation: `subject` if it has one, `kind`, `text`;
- forecast: `subject`, `period_kind`, `period_number`, `leading`, `band`, `probability` of the leading grade,
  `marks_counted`, `needed` (hints, as the event has them);
- timetable_change: `what` (`replaced`, `moved`, `cancelled`, or `timetable`: the day has other lessons now), `number`,
  `subject`, `new_subject`, `new_room`, `moved_to_on`, `moved_to_number`, `lessons` (of a whole day).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID, uuid5

from contracts.base import EVENT_NAMESPACE
from contracts.forecast_updated import ForecastUpdated
from contracts.homework_changed import HomeworkChanged
from contracts.lesson_changed import LessonChanged
from contracts.mark_recorded import MarkRecorded
from contracts.recommendation_changed import RecommendationChanged
from contracts.substitution_changed import SubstitutionChanged
from services.publisher.domain.preferences import Kind, local_day, start_of_day

FORECAST_MARKS: Final = 2
"""Below so many marks no forecast is told (C4)."""

NewsState = Literal["current", "withdrawn"]


@dataclass(frozen=True, slots=True)
class News:
    """The whole state of one thing that is told."""

    news_id: UUID
    revision: int
    kind: Kind
    school_id: UUID
    student_id: UUID | None
    group_id: UUID | None
    only_students: tuple[UUID, ...]
    """Of the group; all of it when empty."""
    on_day: date | None
    state: NewsState
    content: Mapping[str, Any]
    changed_at: datetime
    moved_to: date | None = None
    """The other day that a moved lesson concerns."""


def from_mark(event: MarkRecorded) -> News:
    """A mark."""
    content = {"subject": event.subject.title, "value": event.value, "work_type": event.work_type.value}
    if event.comment:
        content["comment"] = event.comment
    return News(
        event.mark_id,
        event.revision,
        Kind.MARK,
        event.school_id,
        event.student_id,
        None,
        (),
        event.lesson_on,
        "current" if event.state == "recorded" else "withdrawn",
        content,
        event.recorded_at,
    )


def from_homework(event: HomeworkChanged) -> News:
    """Homework of a group, or of some of its students."""
    content: dict[str, Any] = {
        "subject": event.subject.title,
        "text": event.text,
        "attachments": len(event.attachments),
    }
    if event.due_on:
        content["due_on"] = event.due_on.isoformat()
    return News(
        event.homework_id,
        event.revision,
        Kind.HOMEWORK,
        event.school_id,
        None,
        event.group_id,
        tuple(event.for_student_ids),
        event.due_on or event.assigned_on,
        "current" if event.state == "assigned" else "withdrawn",
        content,
        event.changed_at,
    )


def from_recommendation(event: RecommendationChanged) -> News:
    """A teacher's advice or observation, about a student or a whole group."""
    content = {"kind": event.kind, "text": event.text}
    if event.subject:
        content["subject"] = event.subject.title
    return News(
        event.recommendation_id,
        event.revision,
        Kind.RECOMMENDATION,
        event.school_id,
        event.student_id,
        None if event.student_id else event.group_id,
        (),
        event.on,
        "current" if event.state == "given" else "withdrawn",
        content,
        event.changed_at,
    )


def from_forecast(event: ForecastUpdated) -> News:
    """A forecast; one of fewer than two marks is none."""
    told = event.state == "current" and event.marks_counted >= FORECAST_MARKS
    probabilities = event.probabilities.model_dump()
    return News(
        event.aggregate(),
        event.revision,
        Kind.FORECAST,
        event.school_id,
        event.student_id,
        None,
        (),
        None,
        "current" if told else "withdrawn",
        {
            "subject": event.subject.title,
            "period_kind": event.period.kind.value,
            "period_number": event.period.number,
            "leading": event.leading,
            "band": event.band.value,
            "probability": probabilities[f"p{event.leading}"],
            "marks_counted": event.marks_counted,
            "needed": [hint.model_dump(mode="json", exclude_none=True) for hint in event.needed],
        },
        event.computed_at,
    )


def from_substitution(event: SubstitutionChanged) -> News:
    """A lesson that is given otherwise, moved or cancelled."""
    content: dict[str, Any] = {"what": event.kind, "number": event.number}
    if event.subject:
        content["subject"] = event.subject.title
    if event.new_subject:
        content["new_subject"] = event.new_subject.title
    if event.new_room:
        content["new_room"] = event.new_room
    if event.moved_to_on:
        content["moved_to_on"] = event.moved_to_on.isoformat()
    if event.moved_to_number is not None:
        content["moved_to_number"] = event.moved_to_number
    return News(
        event.substitution_id,
        event.revision,
        Kind.TIMETABLE_CHANGE,
        event.school_id,
        None,
        event.group_id,
        (),
        event.on,
        "current" if event.state == "announced" else "withdrawn",
        content,
        event.changed_at,
        event.moved_to_on,
    )


def from_lesson(event: LessonChanged) -> News:
    """A dated lesson that does not take place; in every other state there is nothing to tell."""
    return News(
        event.lesson_id,
        event.revision,
        Kind.TIMETABLE_CHANGE,
        event.school_id,
        None,
        event.group_id,
        (),
        event.on,
        "current" if event.state == "cancelled" else "withdrawn",
        {"what": "cancelled", "number": event.number, "subject": event.subject.title},
        event.changed_at,
    )


def tell_at(one: News, now: datetime, zone: str, late: timedelta) -> datetime | None:
    """When something is to be told to those who want it at once; None when it is no news any more.

    A change of the timetable concerns families from the day before: until then it may change once more, and the diary
    shows it already.

    Args:
        one: What is told.
        now: The present instant.
        zone: The school's.
        late: What should have been told so long ago comes with a replay.
    """
    wanted = one.changed_at
    if one.kind is Kind.TIMETABLE_CHANGE:
        today = local_day(now, zone)
        coming = [day for day in (one.on_day, one.moved_to) if day is not None and day >= today]
        if not coming:
            return None
        wanted = max(wanted, start_of_day(min(coming) - timedelta(days=1), zone))
    return None if wanted < now - late else max(now, wanted)


def lessons_of(slots: Iterable[Mapping[str, Any]], day: date) -> list[dict[str, Any]]:
    """A day's lessons by a weekly timetable: number, subject, room and beginning of each."""
    found = [
        {name: slot[name] for name in ("number", "subject", "room", "starts_at") if slot.get(name) not in (None, "")}
        for slot in slots
        if slot["weekday"] == day.isoweekday()
        and slot["valid_from"] <= day.isoformat()
        and (slot.get("valid_to") is None or day.isoformat() <= slot["valid_to"])
    ]
    return sorted(found, key=lambda one: (one["number"], one["subject"]))


def from_timetables(
    *,
    group_id: UUID,
    school_id: UUID,
    revision: int,
    before: Sequence[Mapping[str, Any]],
    after: Sequence[Mapping[str, Any]],
    day: date,
    changed_at: datetime,
) -> News | None:
    """What a new weekly timetable changes about a day; None when that day stays as it was."""
    lessons = lessons_of(after, day)
    if lessons == lessons_of(before, day):
        return None
    return News(
        uuid5(EVENT_NAMESPACE, f"news/timetable/{group_id}/{day}"),
        revision,
        Kind.TIMETABLE_CHANGE,
        school_id,
        None,
        group_id,
        (),
        day,
        "current",
        {"what": "timetable", "lessons": lessons},
        changed_at,
    )
