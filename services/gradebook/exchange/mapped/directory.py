"""Who is meant: the names of a table, looked up in what the journal of one school knows.

A name that fits nobody, or several, is never decided: the fact is rejected with the reason.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import NamedTuple, TypeAlias
from uuid import UUID

from services.gradebook.exchange.mapped.facts import Student
from services.gradebook.exchange.mapped.words import PeriodName, PersonName, class_of, key, name_of
from services.gradebook.rejections import Code, Fault

Found: TypeAlias = str | Fault
"""The journal's own id, or why there is none."""


def class_key(name: str) -> str:
    """A class as it is compared, also one that is not called by a number and a letter."""
    return class_of(name) or key(name)


@dataclass(frozen=True, slots=True)
class KnownPerson:
    """A student or a teacher of the school."""

    external_id: str
    family: str
    given: str
    patronymic: str
    classes: frozenset[str] = frozenset()
    """As `class_key` writes them."""


class KnownPeriod(NamedTuple):
    """A reporting period of the school."""

    external_id: str
    starts_on: date
    ends_on: date


class StatedFinal(NamedTuple):
    """A final grade that was taken before."""

    value: str
    obtained_at: datetime


@dataclass
class Directory:
    """What the journal of one school knows."""

    school_id: UUID
    school: str
    """The school's own id within the source."""
    time_zone: str = "Europe/Moscow"
    students: Sequence[KnownPerson] = ()
    teachers: Sequence[KnownPerson] = ()
    adults: Mapping[str, Sequence[KnownPerson]] = field(default_factory=dict)
    """A student's id to the representatives."""
    subjects: Mapping[str, str] = field(default_factory=dict)
    """The title as `key` writes it, to the id."""
    classes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """The class as `class_key` writes it, to the ids."""
    periods: Mapping[tuple[str, int, str], KnownPeriod] = field(default_factory=dict)
    """Kind, number and school year to the period."""

    def __post_init__(self) -> None:
        self._by_id = {person.external_id: person for person in self.students}
        self._by_family: dict[str, list[KnownPerson]] = defaultdict(list)
        for person in self.students:
            self._by_family[key(person.family)].append(person)
        self._found: dict[tuple[Student, bool], Found] = {}

    def student(self, student: Student, *, given_first: bool = False) -> Found:
        """The student that a table names, by id, or by name and class."""
        asked = (student, given_first)
        if asked not in self._found:
            self._found[asked] = self._student(student, given_first=given_first)
        return self._found[asked]

    def _student(self, student: Student, *, given_first: bool) -> Found:
        if student.external_id:
            known = student.external_id in self._by_id
            return student.external_id if known else Fault("student", Code.UNKNOWN_STUDENT)
        name = name_of(student.name, given_first=given_first)
        if name is None:
            return Fault("student", Code.UNKNOWN_STUDENT)
        in_class = class_key(student.class_name) if student.class_name else None
        if in_class is not None and in_class not in self.classes:
            return Fault("class", Code.UNKNOWN_CLASS)
        fitting = [
            person
            for person in self._by_family[key(name.family)]
            if fits(name, person) and (in_class is None or in_class in person.classes)
        ]
        if not fitting:
            return Fault("student", Code.UNKNOWN_STUDENT)
        return fitting[0].external_id if len(fitting) == 1 else Fault("student", Code.AMBIGUOUS_STUDENT)

    def students_of(self, class_name: str) -> list[tuple[str, str]]:
        """The full names and ids of a class's students, by name."""
        found = [one for one in self.students if class_key(class_name) in one.classes]
        found.sort(key=lambda one: (key(one.family), key(one.given), key(one.patronymic), one.external_id))
        return [(" ".join(filter(None, (one.family, one.given, one.patronymic))), one.external_id) for one in found]

    def teacher(self, text: str) -> str | None:
        """The teacher of that name, when there is exactly one."""
        name = name_of(text)
        if name is None:
            return None
        fitting = [one for one in self.teachers if key(one.family) == key(name.family) and fits(name, one)]
        return fitting[0].external_id if len(fitting) == 1 else None

    def adult(self, student_id: str, name: PersonName) -> str | None:
        """The representative of that name whom the student has already."""
        for person in self.adults.get(student_id, ()):
            if key(person.family) == key(name.family) and fits(name, person):
                return person.external_id
        return None

    def subject(self, title: str, aliases: Mapping[str, str]) -> Found:
        """The subject of that title."""
        meant = {key(name): own for name, own in aliases.items()}.get(key(title), title)
        return self.subjects.get(key(meant), Fault("subject", Code.UNKNOWN_SUBJECT))

    def group(self, class_name: str) -> Found:
        """The class of that name."""
        ids = self.classes.get(class_key(class_name), ())
        return ids[0] if len(ids) == 1 else Fault("class", Code.UNKNOWN_CLASS)

    def group_of(self, student_id: str, class_name: str) -> str | None:
        """The class of a mark: the one that is named, or the only one of the student."""
        if class_name:
            found = self.group(class_name)
            return found if isinstance(found, str) else None
        person = self._by_id.get(student_id)
        if person is None or len(person.classes) != 1:
            return None
        found = self.group(next(iter(person.classes)))
        return found if isinstance(found, str) else None

    def period(self, period: PeriodName, school_year: str) -> KnownPeriod | Fault:
        """The period of that name and school year."""
        known = self.periods.get((period.kind, period.number, school_year))
        return known or Fault("period", Code.UNKNOWN_PERIOD)


def fits(name: PersonName, person: KnownPerson) -> bool:
    """Whether given name and patronymic can be the person's; the family name is compared before.

    An initial fits every name that begins with it; a name without a patronymic fits with any.
    """
    return _fits(name.given, person.given) and (
        not name.patronymic or not person.patronymic or _fits(name.patronymic, person.patronymic)
    )


def _fits(written: str, known: str) -> bool:
    if written.endswith(".") or len(written) == 1:
        return key(known).startswith(key(written).rstrip("."))
    return key(written) == key(known)
