"""A student was not at a lesson, or came late; or that was corrected or taken back. Attendance is never a mark."""

from datetime import UTC, date, datetime
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.base import (
    AttendanceId,
    Fact,
    GroupId,
    Instant,
    LessonId,
    PersonId,
    SchoolId,
    StudentId,
    SubjectId,
    example_id,
)
from contracts.values import AttendanceCode, Subject


class AttendanceRecorded(Fact):
    """The whole state of one student's attendance of one lesson, or of a whole day."""

    TOPIC: ClassVar[str] = "gradebook.attendance-recorded.v1"

    attendance_id: AttendanceId
    school_id: SchoolId
    student_id: StudentId
    group_id: GroupId | None = None
    subject: Subject | None = None
    lesson_id: LessonId | None = None
    on: date
    number: int | None = Field(default=None, ge=0, le=15)
    """Which lesson of the day; empty, and no lesson named: the whole day."""
    code: AttendanceCode
    author_id: PersonId | None = None
    state: Literal["recorded", "withdrawn"]
    recorded_at: Instant

    def aggregate(self) -> UUID:
        """The attendance."""
        return self.attendance_id

    def key(self) -> UUID:
        """The student."""
        return self.student_id

    def occurred_at(self) -> AwareDatetime:
        """When the journal took it."""
        return self.recorded_at


EXAMPLE = AttendanceRecorded(
    revision=1,
    attendance_id=AttendanceId(example_id("attendance")),
    school_id=SchoolId(example_id("school")),
    student_id=StudentId(example_id("student")),
    group_id=GroupId(example_id("class")),
    subject=Subject(id=SubjectId(example_id("algebra")), title="Алгебра"),
    lesson_id=LessonId(example_id("lesson")),
    on=date(2026, 10, 12),
    number=2,
    code=AttendanceCode.ILL,
    author_id=PersonId(example_id("teacher")),
    state="recorded",
    recorded_at=datetime(2026, 10, 12, 7, 10, tzinfo=UTC),
)
