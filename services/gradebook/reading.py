"""Results read back: what is recorded, when it is due, whether it is released, and when the family first had it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel

from contracts.values import due_at
from services.gradebook.domain import late_at_source


class Result(BaseModel):
    """A final grade or an exam result."""

    result_id: UUID
    external_id: str
    source: str
    kind: str
    """`final_grade`, or the kind of an exam."""
    subject: str
    period_id: UUID | None
    title: str | None
    state: str
    grade: str | None
    score: str | None
    max_score: str | None
    held: bool
    obtained_at: datetime
    due_at: datetime
    recorded_at: datetime
    late_at_source: bool
    disclosed_at: datetime | None
    revision: int
    value_revision: int


class StudentResults(BaseModel):
    """All results of a student at one school."""

    student_id: UUID
    results: list[Result]


def student_results(student_id: UUID, rows: Sequence[dict[str, Any]]) -> StudentResults:
    """The answer from the rows."""
    return StudentResults(student_id=student_id, results=[_result(row) for row in rows])


def _result(row: dict[str, Any]) -> Result:
    scores = {name: None if row[name] is None else format(row[name], "f") for name in ("score", "max_score")}
    return Result(
        **{name: row[name] for name in row.keys() - {"subject_id"}} | scores,
        due_at=due_at(row["obtained_at"]),
        late_at_source=late_at_source(row["obtained_at"], row["recorded_at"]),
    )
