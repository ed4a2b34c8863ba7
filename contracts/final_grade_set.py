"""A final grade was set, corrected, released, deferred or withdrawn."""

from datetime import UTC, date, datetime
from typing import ClassVar, Literal, Self
from uuid import UUID

from pydantic import AwareDatetime, model_validator

from contracts.base import Fact, Instant, ReasonCode, ResultId, Revision, SchoolId, StudentId, SubjectId, example_id
from contracts.synthetic import is_synthetic
from contracts.values import GradeValue, Period, PeriodKind, Subject


class FinalGradeSet(Fact):
    """The whole state of one final grade."""

    TOPIC: ClassVar[str] = "gradebook.final-grade-set.v1"

    result_id: ResultId
    value_revision: Revision
    """The revision at which the present value came to be; a release or a hold does not change it."""
    school_id: SchoolId
    student_id: StudentId
    subject: Subject
    period: Period
    state: Literal["set", "deferred", "withdrawn"]
    value: GradeValue | None
    """Present exactly when the state is `set`."""
    held: bool
    """Waits for the pedagogical council; released by the head, or by the clock at `obtained_at` + 24 h."""
    deferred_until: date | None = None
    reason: ReasonCode | None = None
    """Why it was deferred, is not assessed or was corrected."""
    obtained_at: Instant
    """Where the 24 hours start."""
    recorded_at: Instant
    synthetic: bool = False
    """No result, but a canary; so the ids say, too. Nothing is owed about it, and whoever counts leaves it out."""

    @model_validator(mode="after")
    def _ids_say_the_same(self) -> Self:
        if {self.synthetic} != {is_synthetic(one) for one in (self.result_id, self.student_id, self.school_id)}:
            raise ValueError("what is synthetic has synthetic ids, and nothing else has")
        return self

    @model_validator(mode="after")
    def _value_follows_state(self) -> Self:
        if (self.state == "set") != (self.value is not None):
            raise ValueError("a value belongs to the state `set` and to no other")
        return self

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


EXAMPLE = FinalGradeSet(
    revision=1,
    result_id=ResultId(example_id("final grade")),
    value_revision=1,
    school_id=SchoolId(example_id("school")),
    student_id=StudentId(example_id("student")),
    subject=Subject(id=SubjectId(example_id("algebra")), title="Алгебра"),
    period=Period(
        kind=PeriodKind.QUARTER,
        number=1,
        school_year="2026/2027",
        starts_on=date(2026, 9, 1),
        ends_on=date(2026, 10, 25),
    ),
    state="set",
    value="4",
    held=False,
    obtained_at=datetime(2026, 10, 23, 11, 0, tzinfo=UTC),
    recorded_at=datetime(2026, 10, 23, 11, 0, 5, tzinfo=UTC),
)
