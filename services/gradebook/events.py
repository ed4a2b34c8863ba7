"""Events from what is recorded."""

from contracts.base import GroupId, LessonId, MarkId, PersonId, ResultId, SchoolId, StudentId
from contracts.exam_result_recorded import ExamResultRecorded
from contracts.final_grade_set import FinalGradeSet
from contracts.mark_recorded import MarkRecorded
from contracts.values import Period, Subject, WorkType
from services.gradebook.domain import ExamResult, FinalGrade, Mark


def mark_event(mark: Mark, subject: Subject) -> MarkRecorded:
    """The event of a mark's revision."""
    return MarkRecorded(
        revision=mark.revision,
        mark_id=MarkId(mark.mark_id),
        school_id=SchoolId(mark.school_id),
        student_id=StudentId(mark.student_id),
        group_id=None if mark.group_id is None else GroupId(mark.group_id),
        subject=subject,
        lesson_on=mark.lesson_on,
        work_type=WorkType(mark.work_type),
        weight=mark.weight,
        value=mark.value,
        state=mark.state,
        lesson_id=None if mark.lesson_id is None else LessonId(mark.lesson_id),
        author_id=None if mark.author_id is None else PersonId(mark.author_id),
        comment=mark.comment or "",
        recorded_at=mark.recorded_at,
    )


def final_grade_event(grade: FinalGrade, subject: Subject, period: Period) -> FinalGradeSet:
    """The event of a final grade's revision."""
    return FinalGradeSet(
        revision=grade.revision,
        result_id=ResultId(grade.result_id),
        value_revision=grade.value_revision,
        school_id=SchoolId(grade.school_id),
        student_id=StudentId(grade.student_id),
        subject=subject,
        period=period,
        state=grade.state,
        value=grade.value,
        held=grade.held,
        deferred_until=grade.deferred_until,
        reason=grade.reason,
        obtained_at=grade.obtained_at,
        recorded_at=grade.recorded_at,
    )


def exam_result_event(exam: ExamResult, subject: Subject) -> ExamResultRecorded:
    """The event of an exam result's revision."""
    return ExamResultRecorded(
        revision=exam.revision,
        result_id=ResultId(exam.result_id),
        value_revision=exam.value_revision,
        school_id=SchoolId(exam.school_id),
        student_id=StudentId(exam.student_id),
        subject=subject,
        kind=exam.kind,
        title=exam.title,
        state=exam.state,
        score=exam.score,
        max_score=exam.max_score,
        grade=exam.grade,
        obtained_at=exam.obtained_at,
        recorded_at=exam.recorded_at,
    )
