"""What closing a period found: class by class, who has which grade, who has none and why. For people and for JSON."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from contracts.values import Subject
from services.gradebook.closing.domain import GAP_TEXTS, ClosingState, Line, Notice, missing
from services.gradebook.closing.queries import PeriodRow, StudentName
from services.gradebook.statistics.domain import rounded


@dataclass(frozen=True)
class ClassReport:
    """One class in one period."""

    class_id: UUID | None
    """None: students who are in no class."""
    name: str
    grade_level: int | None
    state: ClosingState
    lines: list[Line]
    """By student's name and subject's title."""

    @property
    def missing(self) -> list[Line]:
        """Those that keep the class open."""
        return missing(self.lines)

    @property
    def held(self) -> list[Line]:
        """Grades that wait for the pedagogical council; they close with the others and are released by the head."""
        return [line for line in self.lines if Notice.HELD in line.warnings]


@dataclass(frozen=True)
class ClosingReport:
    """A school's period, or one class of it."""

    school_id: UUID
    period: PeriodRow
    classes: list[ClassReport]
    students: dict[UUID, StudentName] = field(default_factory=dict)
    subjects: dict[UUID, Subject] = field(default_factory=dict)

    @property
    def missing(self) -> list[Line]:
        """Everything that keeps it open."""
        return [line for part in self.classes for line in part.missing]

    @property
    def closed(self) -> bool:
        """Whether everything that was looked at is closed."""
        return all(part.state is ClosingState.CLOSED for part in self.classes)

    def as_json(self) -> dict[str, Any]:
        """The report for programs."""
        return {
            "school_id": self.school_id,
            "period": {
                "period_id": self.period.period_id,
                "kind": self.period.kind.value,
                "number": self.period.number,
                "school_year": self.period.school_year,
                "starts_on": self.period.starts_on,
                "ends_on": self.period.ends_on,
                "closed_at": self.period.closed_at,
            },
            "closed": self.closed,
            "missing": len(self.missing),
            "classes": [self._class_json(part) for part in self.classes],
        }

    def _class_json(self, part: ClassReport) -> dict[str, Any]:
        return {
            "class_id": part.class_id,
            "name": part.name,
            "grade_level": part.grade_level,
            "state": part.state.value,
            "counts": counts(part.lines),
            "missing": [self.line_json(line) for line in part.missing],
            "held": [self.line_json(line) for line in part.held],
            "lines": [self.line_json(line) for line in part.lines],
        }

    def line_json(self, line: Line) -> dict[str, Any]:
        """One student in one subject."""
        situation = line.situation
        name = self.students.get(situation.student_id)
        mean = rounded(situation.mean)
        return {
            "student_id": situation.student_id,
            "student": None if name is None else name.external_id,
            "name": "" if name is None else name.full(),
            "subject_id": situation.subject_id,
            "subject": self.title(situation.subject_id),
            "marks": situation.marks,
            "mean": None if mean is None else str(mean),
            "proposed": situation.proposed,
            "value": None if situation.given is None else situation.given.value,
            "result_id": None if situation.given is None else situation.given.result_id,
            "held": situation.given is not None and situation.given.held,
            "reason": None if situation.given is None else situation.given.reason,
            "difference": line.difference,
            "deferred_until": None if situation.deferred is None else situation.deferred.due_on,
            "standing": None if line.standing is None else line.standing.value,
            "gap": None if line.gap is None else line.gap.value,
            "warnings": [warning.value for warning in line.warnings],
        }

    def title(self, subject_id: UUID) -> str:
        """A subject's title."""
        subject = self.subjects.get(subject_id)
        return "" if subject is None else subject.title

    def full_name(self, student_id: UUID) -> str:
        """A student's name."""
        name = self.students.get(student_id)
        return "" if name is None else name.full()


def counts(lines: Iterable[Line]) -> dict[str, int]:
    """How many lines stand how."""
    found = Counter(str(line.gap or line.standing) for line in lines)
    return dict(sorted(found.items()))


def why(line: Line, language: str = "ru") -> str:
    """Why a line keeps the period open, for a person."""
    if line.gap is None:
        return ""
    russian, english = GAP_TEXTS[line.gap]
    return english if language == "en" else russian
