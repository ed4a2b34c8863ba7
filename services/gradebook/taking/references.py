"""What the records of a batch refer to, looked up by set: each by its kind, within the school of the transaction."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from enum import StrEnum
from uuid import UUID

from chassis.database import Connection
from contracts.values import Subject
from services.gradebook import journal_queries, queries, roster_queries
from services.gradebook.records import Record
from services.gradebook.rejections import Code, Fault
from services.gradebook.taking.common import Taking


class Ref(StrEnum):
    """What a field may refer to; the value is the kind of the id."""

    STUDENT = "student"
    TEACHER = "teacher"
    GROUP = "group"
    SUBJECT = "subject"
    PERIOD = "period"
    LESSON = "lesson"

    def identity(self) -> str:
        """The kind under which ids are made: students and teachers are persons."""
        return "person" if self in (Ref.STUDENT, Ref.TEACHER) else str(self)


class References:
    """The ids that the records name, and which of them are known."""

    def __init__(self, fields: Mapping[str, Ref], ids: Mapping[Ref, dict[str, UUID]]) -> None:
        self._fields = fields
        self._ids = ids
        self._known: dict[Ref, set[UUID]] = {}
        self.titles: dict[UUID, Subject] = {}
        """The subjects that are known."""

    @classmethod
    async def look_up(
        cls, conn: Connection, taking: Taking, fields: Mapping[str, Ref], records: Sequence[Record]
    ) -> "References":
        """Looks up what the records of one school name.

        Args:
            conn: the transaction.
            taking: for whom.
            fields: the fields that refer to something; a field may hold one id, a list of ids, or none.
            records: the batch.
        """
        names: dict[Ref, set[str]] = {}
        for field, ref in fields.items():
            names.setdefault(ref, set()).update(name for record in records for name in _names(record, field))
        found = cls(fields, {ref: taking.identity.of_each(ref.identity(), named) for ref, named in names.items()})
        for ref, ids in found._ids.items():
            if ref is Ref.SUBJECT:
                found.titles = await queries.subjects(conn, list(ids.values()))
                found._known[ref] = set(found.titles)
            else:
                found._known[ref] = await _LOOK_UPS[ref](conn, list(ids.values()), taking.home()) if ids else set()
        return found

    def fault(self, record: Record) -> Fault | None:
        """The first field that refers to what is not known at this school."""
        for field, ref in self._fields.items():
            if any(self._ids[ref][name] not in self._known[ref] for name in _names(record, field)):
                return Fault(field, Code.ORPHAN_ROW)
        return None

    def needed(self, record: Record, field: str) -> UUID:
        """Our id of what a required field names."""
        return self._ids[self._fields[field]][getattr(record, field)]

    def optional(self, record: Record, field: str) -> UUID | None:
        """Our id of what a field names, if it names something."""
        name = getattr(record, field)
        return None if name is None else self._ids[self._fields[field]][name]

    def each(self, record: Record, field: str) -> list[str]:
        """Our ids of what a list names, sorted, as text."""
        return sorted({str(self._ids[self._fields[field]][name]) for name in _names(record, field)})


def _names(record: Record, field: str) -> list[str]:
    value = getattr(record, field)
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


async def _groups(conn: Connection, ids: Sequence[UUID], school_id: UUID) -> set[UUID]:
    schools = await roster_queries.schools_of_groups(conn, ids)
    return {group_id for group_id, school in schools.items() if school == school_id}


async def _periods(conn: Connection, ids: Sequence[UUID], school_id: UUID) -> set[UUID]:
    periods = await queries.periods(conn, ids)
    return {period_id for period_id, (school, _) in periods.items() if school == school_id}


_LOOK_UPS: dict[Ref, Callable[[Connection, Sequence[UUID], UUID], Awaitable[set[UUID]]]] = {
    Ref.STUDENT: roster_queries.students_at,
    Ref.TEACHER: roster_queries.teachers_at,
    Ref.GROUP: _groups,
    Ref.PERIOD: _periods,
    Ref.LESSON: journal_queries.lessons_at,
}
