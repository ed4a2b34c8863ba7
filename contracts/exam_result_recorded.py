"""The result of an exam or a competition was recorded, corrected or withdrawn."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime, Field

from contracts.base import Fact, Instant, ResultId, Revision, SchoolId, StudentId, SubjectId, Title, example_id
from contracts.values import GradeValue, Subject


class ExamResultRecorded(Fact):
    """The whole state of one exam or competition result."""

    TOPIC: ClassVar[str] = "gradebook.exam-result-recorded.v1"

    result_id: ResultId
    value_revision: Revision
    """The revision at which the present value came to be."""
    school_id: SchoolId
    student_id: StudentId
    subject: Subject
    kind: Literal["oge", "ege", "school_exam", "competition"]
    title: Title
    state: Literal["set", "withdrawn"]
    score: Decimal | None = Field(default=None, ge=0)
    max_score: Decimal | None = Field(default=None, gt=0)
    grade: GradeValue | None = None
    obtained_at: Instant
    """Given by the source; the 24 hours start here."""
    recorded_at: Instant

    def aggregate(self) -> UUID:
        """The result."""
        return self.result_id

    def version(self) -> tuple[ResultId, int]:
        """The result with the value that it has: a correction does not do away with the version before it."""
        return self.result_id, self.value_revision

    def key(self) -> UUID:
        """The student."""
        return self.student_id

    def occurred_at(self) -> AwareDatetime:
        """When the journal took it."""
        return self.recorded_at


EXAMPLE = ExamResultRecorded(
    revision=1,
    result_id=ResultId(example_id("exam result")),
    value_revision=1,
    school_id=SchoolId(example_id("school")),
    student_id=StudentId(example_id("student")),
    subject=Subject(id=SubjectId(example_id("algebra")), title="Математика"),
    kind="oge",
    title="ОГЭ по математике",
    state="set",
    score=Decimal(22),
    max_score=Decimal(31),
    grade="5",
    obtained_at=datetime(2026, 6, 10, 6, 0, tzinfo=UTC),
    recorded_at=datetime(2026, 6, 10, 7, 30, tzinfo=UTC),
)
