"""What a workbook may cost to read."""

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
    max_parts: int = 2_000
    max_sheets: int = 200
    max_rows: int = 100_000
    """Rows with a value, in one sheet."""
    max_cells: int = 400_000
    """Cells with a value, in all sheets."""
    max_text_chars: int = 48 << 20
    """Characters of all texts together."""
    max_merges: int = 50_000


class Budget:
    """What of the limits has been used up while a workbook is read."""

    def __init__(self, limits: SheetLimits, file: str) -> None:
        self.limits = limits
        self.file = file
        self._cells = 0
        self._chars = 0

    def cell(self) -> None:
        """Counts a cell with a value.

        Raises:
            ExchangeError: there are too many.
        """
        self._cells += 1
        if self._cells > self.limits.max_cells:
            raise self.too_large()

    def text(self, length: int) -> None:
        """Counts text that is kept.

        Raises:
            ExchangeError: one is too long, or all are.
        """
        self._chars += length
        if length > MAX_CELL_TEXT or self._chars > self.limits.max_text_chars:
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
