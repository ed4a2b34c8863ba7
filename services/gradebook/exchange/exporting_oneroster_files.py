"""The files of a OneRoster pack while they are written."""

from collections.abc import Sequence
from typing import Self

from services.gradebook.exchange.exporting import Exported, Progress, Sheet, Target, tell

Row = Sequence[object]


class PackFiles:
    """All of them, and how many rows each got."""

    def __init__(self, target: Target, progress: Progress | None) -> None:
        """Begins with none.

        Args:
            target: the folder or archive.
            progress: told after each file and now and then within.
        """
        self.exported = Exported()
        self.target = target
        self.progress = progress

    def file(self, name: str, columns: Sequence[str]) -> "PackFile":
        """A file to write within `with`."""
        return PackFile(self, name, columns)


class PackFile:
    """One of them."""

    def __init__(self, files: PackFiles, name: str, columns: Sequence[str]) -> None:
        self._files = files
        self._name = name
        self._columns = columns

    def __enter__(self) -> Self:
        self._file = self._files.target.open(self._name)
        self._sheet = Sheet(self._file, self._columns)
        return self

    def add(self, row: Row) -> None:
        """Writes a row."""
        self._sheet.add(row)
        tell(self._files.progress, self._name, self._sheet.rows)

    def __exit__(self, *_: object) -> None:
        self._sheet.flush()
        self._file.close()
        self._files.exported.rows[self._name] = self._sheet.rows
        if self._files.progress is not None:
            self._files.progress(self._name, self._sheet.rows)
