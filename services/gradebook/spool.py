"""Rows of a large file, kept by kind and school until their school's transaction: compressed, in memory, never on disk.

A file of the whole district holds all schools mixed, but a school is one transaction. Names of children in temporary
files would have to be guarded and erased; a million rows take about 40 MB here.
"""

import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from uuid import UUID

from services.gradebook.records import MODELS, Record, RecordKind
from services.gradebook.taking import Placed

_BLOCK_BYTES = 1 << 16


@dataclass
class _Part:
    open_block: bytearray = field(default_factory=bytearray)
    blocks: list[bytes] = field(default_factory=list)


class Spool:
    """Rows by kind and school, in the order in which they came."""

    def __init__(self) -> None:
        self._parts: dict[tuple[RecordKind, UUID | None], _Part] = {}
        self.rows = 0
        """How many are kept: those that were not taken out."""

    def add(self, school_id: UUID | None, line: int, record: Record) -> None:
        """Keeps a row."""
        part = self._parts.setdefault((record.KIND, school_id), _Part())
        part.open_block += b"%d\t%s\n" % (line, record.model_dump_json(exclude_defaults=True).encode())
        self.rows += 1
        if len(part.open_block) >= _BLOCK_BYTES:
            part.blocks.append(zlib.compress(part.open_block, 1))
            part.open_block = bytearray()

    def parts(self, kind: RecordKind) -> list[UUID | None]:
        """The schools that have rows of a kind."""
        return [school_id for part_kind, school_id in self._parts if part_kind == kind]

    def batches(self, kind: RecordKind, school_id: UUID | None, size: int) -> Iterator[list[Placed[Record]]]:
        """The rows of a kind and school, so many at a time; each can be taken out once."""
        part = self._parts.pop((kind, school_id))
        rows = self._rows(part, MODELS[kind])
        while batch := list(islice(rows, size)):
            self.rows -= len(batch)
            yield batch

    def copies(self, kind: RecordKind, school_id: UUID | None, size: int) -> Iterator[list[Placed[Record]]]:
        """The same, but the rows stay."""
        rows = self._rows(self._parts[kind, school_id], MODELS[kind])
        while batch := list(islice(rows, size)):
            yield batch

    @staticmethod
    def _rows(part: _Part, model: type[Record]) -> Iterator[Placed[Record]]:
        for block in (*part.blocks, zlib.compress(part.open_block, 1)):
            for row in zlib.decompress(block).splitlines():
                line, _, content = row.partition(b"\t")
                yield Placed(int(line), model.model_validate_json(content))
