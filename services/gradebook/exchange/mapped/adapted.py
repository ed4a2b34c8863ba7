"""The records of one table, read kind by kind as an import asks for them."""

from collections import Counter
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Protocol

from services.gradebook.exchange.mapped.facts import (
    Absence,
    Fact,
    Final,
    Homework,
    Lesson,
    Mark,
    Place,
    PlannedHours,
    Pupil,
    TimetableEntry,
    Understood,
)
from services.gradebook.exchange.source import Piece, Step
from services.gradebook.records import MODELS, RecordKind

KIND_OF: dict[type[Fact], RecordKind] = {
    Pupil: RecordKind.PEOPLE,
    Mark: RecordKind.MARKS,
    Absence: RecordKind.ATTENDANCE,
    Final: RecordKind.FINAL_GRADES,
    Homework: RecordKind.HOMEWORK,
    Lesson: RecordKind.LESSONS,
    TimetableEntry: RecordKind.TIMETABLE,
    PlannedHours: RecordKind.CURRICULUM,
}
"""What each fact becomes."""


class Recorder(Protocol):
    """Makes records of facts."""

    teachers_left_out: int

    def begin(self, kind: RecordKind) -> None:
        """Before the records of a kind are read, perhaps once more."""
        ...

    def record(self, line: int, fact: Fact) -> Iterator[Piece]:
        """The record of a fact, or why there is none."""
        ...


class Adapted:
    """Records by kind, each with the number of the fact from which it comes.

    What one fact makes several of, people and their classes, is made at once; the rest only as it is read, since half a
    million records at a time would not fit the memory that an import may take.
    """

    def __init__(self, understood: Understood, made: Mapping[RecordKind, list[Piece]], adapter: Recorder) -> None:
        self.file = understood.file
        self._facts = understood.facts
        self._made = made
        self._adapter = adapter
        self._counts = Counter(KIND_OF[type(fact)] for fact in understood.facts if not isinstance(fact, Pupil))
        self._left_out: set[RecordKind] = set()

    def kinds(self) -> list[RecordKind]:
        """The kinds that there are, in the order of dependence."""
        there = set(self._made) | set(self._counts)
        return [kind for kind in MODELS if kind in there - self._left_out]

    def leave_out(self, kind: RecordKind) -> int:
        """Takes a kind away; returns how many facts it had."""
        self._left_out.add(kind)
        return self._counts[kind] or len(self._made.get(kind, ()))

    def pieces(self, kind: RecordKind) -> Iterator[Piece]:
        """The records of a kind."""
        yield from self._made.get(kind, ())
        if self._counts[kind]:
            self._adapter.begin(kind)
            for line, fact in enumerate(self._facts, start=1):
                if not isinstance(fact, Pupil) and KIND_OF[type(fact)] is kind:
                    yield from self._adapter.record(line, fact)

    def place(self, line: int | None) -> Place:
        """Where the fact of that number stands."""
        known = line is not None and 0 < line <= len(self._facts)
        return self._facts[line - 1].place if known and line is not None else Place("", "")

    @property
    def teachers_left_out(self) -> int:
        """Lessons of a timetable whose teacher is not known by name and left out; final when all are read."""
        return self._adapter.teachers_left_out

    def steps(self) -> list[Step]:
        """One step for each kind, in the order of dependence."""
        return [
            Step(self.file, (kind,), self._counts[kind] + len(self._made.get(kind, ())), partial(self.pieces, kind))
            for kind in self.kinds()
        ]

    def ignored(self) -> list[str]:
        """A table has no other files."""
        return []
