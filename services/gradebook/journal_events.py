"""Events from the facts of the journal beside marks and results."""

from collections.abc import Mapping
from datetime import time
from typing import Any, cast
from uuid import UUID

from contracts.attendance_recorded import AttendanceRecorded
from contracts.base import (
    AttendanceId,
    ControlWorkId,
    GroupId,
    HomeworkId,
    LessonId,
    PersonId,
    RecommendationId,
    SchoolId,
    StudentId,
    SubstitutionId,
)
from contracts.control_work_changed import ControlWorkChanged
from contracts.homework_changed import HomeworkChanged
from contracts.lesson_changed import LessonChanged
from contracts.recommendation_changed import RecommendationChanged
from contracts.substitution_changed import SubstitutionChanged
from contracts.values import Attachment, AttendanceCode, LessonType, Subject, WorkType
from services.gradebook.facts import Attendance, ControlWork, Homework, Lesson, Recommendation, Substitution

Titles = Mapping[UUID, Subject]
"""The subjects that the facts name."""


def lesson_event(lesson: Lesson, titles: Titles) -> LessonChanged:
    """The event of a lesson's revision."""
    return LessonChanged(
        revision=lesson.revision,
        lesson_id=LessonId(lesson.lesson_id),
        school_id=SchoolId(lesson.school_id),
        group_id=GroupId(lesson.group_id),
        subject=titles[lesson.subject_id],
        teacher_id=_person(lesson.teacher_id),
        on=lesson.lesson_on,
        number=lesson.number,
        starts_at=clock_text(lesson.starts_at),
        ends_at=clock_text(lesson.ends_at),
        room=lesson.room,
        type=LessonType(lesson.lesson_type),
        topic=lesson.topic,
        state=cast("Any", lesson.state),
        changed_at=lesson.changed_at,
    )


def substitution_event(substitution: Substitution, titles: Titles) -> SubstitutionChanged:
    """The event of a substitution's revision."""
    return SubstitutionChanged(
        revision=substitution.revision,
        substitution_id=SubstitutionId(substitution.substitution_id),
        school_id=SchoolId(substitution.school_id),
        group_id=GroupId(substitution.group_id),
        lesson_id=_lesson(substitution.lesson_id),
        on=substitution.lesson_on,
        number=substitution.number,
        subject=_subject(substitution.subject_id, titles),
        kind=cast("Any", substitution.kind),
        new_teacher_id=_person(substitution.new_teacher_id),
        new_subject=_subject(substitution.new_subject_id, titles),
        new_room=substitution.new_room,
        moved_to_on=substitution.moved_to_on,
        moved_to_number=substitution.moved_to_number,
        reason=substitution.reason,
        state=cast("Any", substitution.state),
        changed_at=substitution.changed_at,
    )


def control_work_event(work: ControlWork, titles: Titles) -> ControlWorkChanged:
    """The event of a control work's revision."""
    return ControlWorkChanged(
        revision=work.revision,
        control_work_id=ControlWorkId(work.control_work_id),
        school_id=SchoolId(work.school_id),
        group_id=GroupId(work.group_id),
        subject=titles[work.subject_id],
        on=work.planned_on,
        number=work.number,
        kind=WorkType(work.kind),
        title=work.title,
        author_id=_person(work.author_id),
        state=cast("Any", work.state),
        changed_at=work.changed_at,
    )


def homework_event(homework: Homework, titles: Titles) -> HomeworkChanged:
    """The event of a homework's revision."""
    return HomeworkChanged(
        revision=homework.revision,
        homework_id=HomeworkId(homework.homework_id),
        school_id=SchoolId(homework.school_id),
        group_id=GroupId(homework.group_id),
        for_student_ids=[StudentId(UUID(student_id)) for student_id in homework.student_ids],
        subject=titles[homework.subject_id],
        lesson_id=_lesson(homework.lesson_id),
        assigned_on=homework.assigned_on,
        due_on=homework.due_on,
        text=homework.content,
        attachments=[Attachment.model_validate(attachment) for attachment in homework.attachments],
        author_id=_person(homework.author_id),
        state=cast("Any", homework.state),
        changed_at=homework.changed_at,
    )


def recommendation_event(recommendation: Recommendation, titles: Titles) -> RecommendationChanged:
    """The event of a recommendation's revision."""
    return RecommendationChanged(
        revision=recommendation.revision,
        recommendation_id=RecommendationId(recommendation.recommendation_id),
        school_id=SchoolId(recommendation.school_id),
        student_id=None if recommendation.student_id is None else StudentId(recommendation.student_id),
        group_id=_group(recommendation.group_id),
        subject=_subject(recommendation.subject_id, titles),
        author_id=_person(recommendation.author_id),
        on=recommendation.given_on,
        kind=cast("Any", recommendation.kind),
        text=recommendation.content,
        state=cast("Any", recommendation.state),
        changed_at=recommendation.changed_at,
    )


def attendance_event(attendance: Attendance, titles: Titles) -> AttendanceRecorded:
    """The event of an attendance's revision."""
    return AttendanceRecorded(
        revision=attendance.revision,
        attendance_id=AttendanceId(attendance.attendance_id),
        school_id=SchoolId(attendance.school_id),
        student_id=StudentId(attendance.student_id),
        group_id=_group(attendance.group_id),
        subject=_subject(attendance.subject_id, titles),
        lesson_id=_lesson(attendance.lesson_id),
        on=attendance.lesson_on,
        number=attendance.number,
        code=AttendanceCode(attendance.code),
        author_id=_person(attendance.author_id),
        state=cast("Any", attendance.state),
        recorded_at=attendance.changed_at,
    )


def clock_text(value: time | None) -> str | None:
    """A time of day as events and answers have it."""
    return None if value is None else f"{value:%H:%M}"


def _person(person_id: UUID | None) -> PersonId | None:
    return None if person_id is None else PersonId(person_id)


def _group(group_id: UUID | None) -> GroupId | None:
    return None if group_id is None else GroupId(group_id)


def _lesson(lesson_id: UUID | None) -> LessonId | None:
    return None if lesson_id is None else LessonId(lesson_id)


def _subject(subject_id: UUID | None, titles: Titles) -> Subject | None:
    return None if subject_id is None else titles[subject_id]
