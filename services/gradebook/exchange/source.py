"""What readers of all formats give: steps in the order of dependence, each a stream of records and rejections."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol, TypeAlias

from pydantic import ValidationError

from services.gradebook.exchange.report import Rejection
from services.gradebook.records import Record, RecordKind, from_text
from services.gradebook.rejections import faults_of


class Read(NamedTuple):
    """A record that could be read."""

    line: int
    record: Record
    as_in_journal: bool = False
    """Whether the file says who teaches a group, but neither what nor as whom: the journal knows it of the group."""


Piece: TypeAlias = Read | Rejection


@dataclass(frozen=True)
class Step:
    """One file, or one way through it."""

    file: str
    kinds: tuple[RecordKind, ...]
    """The kinds of record that it may give; none for a file that only others refer to."""
    lines: int
    """Lines of the file, the header included."""
    pieces: Callable[[], Iterator[Piece]]
    columns: Mapping[str, str] = field(default_factory=dict)
    """The file's column for a field of the record, where the names differ."""
    lessons_apart: bool = False
    """Whether the format has no lessons: a mark may then name one that the journal has not been sent."""


class Source(Protocol):
    """Files of one format."""

    def steps(self) -> Sequence[Step]:
        """The steps in the order in which they depend on each other."""
        ...

    def ignored(self) -> list[str]:
        """Names of files that mean nothing in this format."""
        ...


def make(
    model: type[Record], fields: dict[str, Any], *, file: str, line: int, columns: Mapping[str, str] | None = None
) -> Iterator[Piece]:
    """A record from text, or a rejection for each of its faults' first field.

    Args:
        model: the kind of record.
        fields: text by field; blank counts as absent.
        file: for the rejection.
        line: for the rejection.
        columns: the file's column for each field, where the names differ.
    """
    try:
        yield Read(line, from_text(model, fields))
    except ValidationError as error:
        fault = faults_of(error)[0]
        yield Rejection(file, line, (columns or {}).get(fault.field, fault.field), fault.code)
