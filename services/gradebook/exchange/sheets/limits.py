"""What a workbook may cost to read: one budget for everything that a file can make us hold, and for the work it makes.

Every reader charges it before it keeps a thing: a cell, a text, a merged area, a style, a relation. A file that is
beyond it is refused as too large, whatever part of it is; no part is unbounded because it is small in honest files.
"""

import sys
from dataclasses import dataclass

from services.gradebook.exchange.bundle import ExchangeError
from services.gradebook.rejections import Code

MAX_COLUMNS = 16_384
"""The width of a worksheet by the format (ECMA-376 part 1, 18.3.1.4 with the limits that Excel states)."""

MAX_ROWS_OF_FORMAT = 1_048_576
MAX_CELL_TEXT = 32_767
"""Characters of one cell by the format."""


@dataclass(frozen=True)
class SheetLimits:
    """Limits of one workbook. The defaults keep reading under 300 MB of memory."""

    max_file_bytes: int = 64 << 20
    max_unpacked_bytes: int = 512 << 20
    """All parts of an XLSX that are read; they are read as streams, so this bounds time and not memory."""
    max_ratio: int = 200
    """Unpacked bytes for each byte of the file …"""
    ratio_from_bytes: int = 64 << 20
    """… looked at beyond this size: a grid of equal cells packs very well."""
    max_directory_bytes: int = 1 << 20
    """The table of contents of an XLSX, which the library loads as a whole."""
    max_parts: int = 2_000
    max_sheets: int = 200
    max_rows: int = 100_000
    """Rows with a value, in one sheet."""
    max_cells: int = 400_000
    """Cells with a value, in all sheets."""
    max_text_bytes: int = 96 << 20
    """Memory of all texts together: 48 million Russian letters."""
    max_merges: int = 50_000
    """Merged areas of all sheets."""
    max_merged_rows: int = 200_000
    """Rows with a value in all of these areas: one area may cover a million rows at no cost to its author."""
    max_entries: int = 200_000
    """Whatever else is kept: styles, number formats, relations, comments. Excel itself has at most 65,490 styles."""
    max_steps: int = 4_000_000
    """Elements of XML, rows and tags of a page, places passed over: what costs time and keeps nothing."""
    max_json_bytes: int = 128 << 20
    """Memory of a JSON file as values, by an upper estimate."""


class Budget:
    """What of the limits has been used up while a workbook is read."""

    def __init__(self, limits: SheetLimits, file: str) -> None:
        self.limits = limits
        self.file = file
        self._cells = 0
        self._text_bytes = 0
        self._merges = 0
        self._merged_rows = 0
        self._entries = 0
        self._steps = 0

    def cell(self) -> None:
        """Counts a cell with a value.

        Raises:
            ExchangeError: there are too many.
        """
        self._cells += 1
        if self._cells > self.limits.max_cells:
            raise self.too_large()

    def text(self, text: str) -> None:
        """Counts a text that is kept.

        Raises:
            ExchangeError: it is longer than a cell may be, or all together are too much.
        """
        # The memory and not the characters: one smiling face makes every letter of a text four bytes wide.
        self._text_bytes += sys.getsizeof(text)
        if len(text) > MAX_CELL_TEXT or self._text_bytes > self.limits.max_text_bytes:
            raise self.too_large()

    def merge(self) -> None:
        """Counts a merged area.

        Raises:
            ExchangeError: there are too many.
        """
        self._merges += 1
        if self._merges > self.limits.max_merges:
            raise self.too_large()

    def merged_rows(self, count: int) -> None:
        """Counts rows with a value inside merged areas.

        Raises:
            ExchangeError: there are too many.
        """
        self._merged_rows += count
        if self._merged_rows > self.limits.max_merged_rows:
            raise self.too_large()

    def entry(self, *texts: str) -> None:
        """Counts anything else that is kept, with its texts.

        Raises:
            ExchangeError: there are too many, or the texts are too large.
        """
        self._entries += 1
        if self._entries > self.limits.max_entries:
            raise self.too_large()
        for text in texts:
            self.text(text)

    def step(self, count: int = 1) -> None:
        """Counts work that keeps nothing.

        Raises:
            ExchangeError: there is too much of it.
        """
        self._steps += count
        if self._steps > self.limits.max_steps:
            raise self.too_large()

    def rows(self, count: int) -> None:
        """Looks at the number of a sheet's rows.

        Raises:
            ExchangeError: there are too many.
        """
        if count > self.limits.max_rows:
            raise self.too_large()

    def too_large(self) -> ExchangeError:
        """What is raised beyond a limit."""
        return ExchangeError(Code.TABLE_TOO_LARGE, self.file)

    def broken(self) -> ExchangeError:
        """What is raised for a file that is not what it seems."""
        return ExchangeError(Code.BROKEN_WORKBOOK, self.file)


class Growing:
    """The text of one cell as it comes piece by piece; never longer than a cell may be, however many pieces come."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._parts: list[str] = []
        self._length = 0

    def clear(self) -> None:
        """Begins another text."""
        self._parts, self._length = [], 0

    def add(self, piece: str) -> None:
        """Adds a piece.

        Raises:
            ExchangeError: the text is too long.
        """
        self._length += len(piece)
        if self._length > MAX_CELL_TEXT:
            raise self._budget.too_large()
        self._parts.append(piece)

    def whole(self) -> str:
        """The text so far."""
        return "".join(self._parts)
