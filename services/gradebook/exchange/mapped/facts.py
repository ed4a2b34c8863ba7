"""What a table was understood to say, before anything of it is looked up: facts, each with its place.

Facts name people, subjects and periods as the table does. `adapting` turns them into records.
"""

from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import ClassVar, TypeAlias

from services.gradebook.exchange.bundle import ExchangeError
from services.gradebook.exchange.mapped.words import PeriodName
from services.gradebook.rejections import Code


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands."""

    sheet: str
    """Empty for JSON."""
    cell: str
    """`B7`, or the path in JSON; empty for the sheet as a whole."""
    row: int | None = None
    """The row of the sheet or the line of the text, from 1."""


@dataclass(frozen=True, slots=True)
class Student:
    """A student as the table names one."""

    name: str = ""
    external_id: str = ""
    """The source's own id, when the table has one."""
    class_name: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """A mark on a day. Several of one subject and day are told apart by their order."""

    place: Place
    student: Student
    subject: str
    day: date
    ordinal: int
    value: str
    work_type: str = "answer"
    weight: Decimal = Decimal(1)
    external_id: str = ""


@dataclass(frozen=True, slots=True)
class Absence:
    """An absence or a lateness on a day: `н`, `б` (ill), `у` (valid reason), `оп` (late)."""

    place: Place
    student: Student
    subject: str
    day: date
    ordinal: int
    code: str


@dataclass(frozen=True, slots=True)
class Final:
    """A final grade of a period."""

    place: Place
    student: Student
    subject: str
    period: PeriodName
    school_year: str
    value: str


@dataclass(frozen=True, slots=True)
class Homework:
    """What a class has to do for a subject."""

    place: Place
    class_name: str
    subject: str
    given_on: date
    due_on: date | None
    text: str
    external_id: str = ""


@dataclass(frozen=True, slots=True)
class Lesson:
    """A lesson held or planned on a day."""

    place: Place
    class_name: str
    subject: str
    day: date
    number: int | None
    starts: str = ""
    ends: str = ""
    topic: str = ""
    external_id: str = ""


@dataclass(frozen=True, slots=True)
class Adult:
    """A representative in a class list."""

    name: str
    relation: str
    """parent, guardian or other."""


@dataclass(frozen=True, slots=True)
class Pupil:
    """A student in a class list, with representatives."""

    place: Place
    student: Student
    birth_date: date | None
    adults: tuple[Adult, ...]


@dataclass(frozen=True, slots=True)
class TimetableEntry:
    """A lesson of the week's timetable. `weekday` is 1 for Monday."""

    place: Place
    valid_from: date
    class_name: str
    weekday: int
    number: int
    subject: str
    starts: str = ""
    ends: str = ""
    room: str = ""
    teacher: str = ""


@dataclass(frozen=True, slots=True)
class PlannedHours:
    """Hours of the curriculum plan for a subject, a class and a period."""

    place: Place
    class_name: str
    subject: str
    period: PeriodName
    school_year: str
    lesson_type: str
    hours: Decimal


Fact: TypeAlias = Mark | Absence | Final | Homework | Lesson | Pupil | TimetableEntry | PlannedHours

KINDS: dict[type[Fact], str] = {
    Pupil: "people",
    TimetableEntry: "timetable",
    PlannedHours: "curriculum",
    Lesson: "lessons",
    Homework: "homework",
    Absence: "attendance",
    Mark: "marks",
    Final: "final_grades",
}
"""What each fact is called in reports, in the order of dependence."""


@dataclass(frozen=True, slots=True)
class Unread:
    """A place that was not understood. Never holds the value: it may be personal."""

    place: Place
    field: str
    code: Code


class TotalKind(StrEnum):
    """What a column of totals counts."""

    AVERAGE = "average"
    COUNT = "count"
    ABSENCES = "absences"


@dataclass(frozen=True, slots=True)
class Total:
    """A total of the source, and ours of the same row."""

    place: Place
    kind: TotalKind
    stated: Decimal
    computed: Decimal | None
    """None: it cannot be compared, since the row has nothing, or the total is of another period."""

    @property
    def differs(self) -> bool:
        """Whether the two differ by more than rounding to the places that the source shows."""
        if self.computed is None:
            return False
        exponent = self.stated.as_tuple().exponent
        step = Decimal(1).scaleb(exponent) if isinstance(exponent, int) and exponent < 0 else Decimal(1)
        # Half a step for rounding; a journal that cuts off is within a whole one and differs, which is worth knowing.
        allowed = step / 2 if self.kind is TotalKind.AVERAGE else Decimal(0)
        return abs(self.computed - self.stated) > allowed


@dataclass
class Understood:
    """A whole file as it was understood."""

    map_name: str
    file: str
    kind: str
    facts: list[Fact] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    unread_count: int = 0
    """All unread places; only the first are listed."""
    totals: list[Total] = field(default_factory=list)
    sheets: list["SheetSeen"] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    debts: int = 0
    """Points that stand for a mark which a student still owes."""
    no_marks: int = 0
    """Codes that the map takes for nothing."""

    KEPT_UNREAD: ClassVar[int] = 10_000
    MOST_FACTS: ClassVar[int] = 400_000
    """As many as cells may have a value: a cell holds several marks only here and there."""

    def note(self, fact: Fact) -> None:
        """Keeps a fact.

        Raises:
            ExchangeError: there are too many.
        """
        if len(self.facts) >= self.MOST_FACTS:
            raise ExchangeError(Code.TABLE_TOO_LARGE, self.file)
        self.facts.append(fact)

    def miss(self, place: Place, field_name: str, code: Code) -> None:
        """Notes a place that was not understood."""
        self.unread_count += 1
        if len(self.unread) < self.KEPT_UNREAD:
            self.unread.append(Unread(place, field_name, code))


@dataclass
class SheetSeen:
    """What became of a sheet."""

    name: str
    hidden: bool
    taken: bool
    """False: its name does not fit the map, or it is hidden and the map leaves hidden sheets out."""
    blocks: int = 0
    hidden_rows: int = 0
    """Rows that are hidden and were read all the same."""
