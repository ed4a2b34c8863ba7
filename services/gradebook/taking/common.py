"""What every kind of record has in common when it is taken: for whom, the outcome, the answers of an upsert."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, NamedTuple, TypeVar
from uuid import UUID

from services.gradebook.domain import Identity
from services.gradebook.records import Record
from services.gradebook.rejections import Code, Fault

R_co = TypeVar("R_co", bound=Record, covariant=True)


class Placed(NamedTuple, Generic[R_co]):
    """A record and where it stands: the line of a file, or the index in a request."""

    place: int
    record: R_co


@dataclass(frozen=True)
class Taking:
    """For whom and when records are taken."""

    identity: Identity
    source: str
    school_id: UUID | None
    """The school of this transaction; None for what belongs to no school."""
    client_school_id: UUID | None
    """Set when a school sends it: it may state only what is its own. None: the district."""
    now: datetime
    changed_by: str = ""
    """Who sends it, for the history: a client or an import; never a name."""

    def home(self) -> UUID:
        """The school of this transaction.

        Raises:
            ValueError: a kind of record that needs a school is taken without one; a bug.
        """
        if self.school_id is None:
            raise ValueError("these records belong to a school")
        return self.school_id


@dataclass
class Outcome:
    """What became of a batch."""

    added: int = 0
    changed: int = 0
    unchanged: int = 0
    rejected: list[tuple[int, Fault]] = field(default_factory=list)
    different: list[int] = field(default_factory=list)
    """The places of the records of the roster that were added or changed something."""

    def reject(self, place: int, code: Code, field_name: str = "") -> None:
        """Leaves a record out, with the reason."""
        self.rejected.append((place, Fault(field_name, code)))

    @property
    def taken(self) -> int:
        """Records that are in the journal now."""
        return self.added + self.changed + self.unchanged

    def include(self, other: "Outcome") -> None:
        """Adds another batch's outcome."""
        self.added += other.added
        self.changed += other.changed
        self.unchanged += other.unchanged
        self.rejected.extend(other.rejected)
        self.different.extend(other.different)


R = TypeVar("R", bound=Record)


def only_first(rows: Iterable[Placed[R]], outcome: Outcome) -> list[Placed[R]]:
    """The first record of each id; the others are rejected, since which of them holds nobody can say."""
    seen: set[tuple[str, ...]] = set()
    kept = []
    for row in rows:
        key = row.record.key()
        if key in seen:
            outcome.reject(row.place, Code.DUPLICATE_ID, row.record.KEY[0])
        else:
            seen.add(key)
            kept.append(row)
    return kept


def tally(
    rows: Sequence[Placed[R]], keys: Sequence[Hashable], answers: Mapping[Hashable, str], outcome: Outcome
) -> list[int]:
    """Counts an upsert's answers; a record without one is withdrawn and unknown, or another school's.

    Returns:
        The positions of the rows that made a difference.
    """
    different = []
    for position, (row, key) in enumerate(zip(rows, keys, strict=True)):
        match answers.get(key):
            case "added":
                outcome.added += 1
                different.append(position)
            case "changed":
                outcome.changed += 1
                different.append(position)
            case "known":
                outcome.unchanged += 1
            case _:
                code = Code.FOREIGN_ID if row.record.active else Code.ORPHAN_ROW
                outcome.reject(row.place, code, row.record.KEY[0])
    outcome.different += [rows[position].place for position in different]
    return different


def in_home(
    rows: Iterable[Placed[R]], taking: Taking, outcome: Outcome, school_of: Callable[[R], str]
) -> list[Placed[R]]:
    """The records that name the school of this transaction; the others are rejected."""
    schools: dict[str, UUID] = {}
    kept = []
    for row in rows:
        name = school_of(row.record)
        if name not in schools:
            schools[name] = taking.identity.of("school", name)
        if schools[name] == taking.home():
            kept.append(row)
        else:
            outcome.reject(row.place, Code.FOREIGN_SCHOOL, "school_id")
    return kept
