"""Workbooks read and written safely: XLSX, CSV, and the HTML tables that some journals name `.xls`.

What a file is, its first bytes say and not its name. Nothing is unpacked to disk, and every reader is bounded: by
cells, by rows, by text and by unpacked bytes. Formulas are never computed: a cell has the value that was saved with it.
"""

from services.gradebook.exchange.sheets.grid import Area, Sheet, Trouble, Value, Workbook, address, text_of
from services.gradebook.exchange.sheets.limits import SheetLimits
from services.gradebook.exchange.sheets.opening import FileKind, kind_of, read_workbook
from services.gradebook.exchange.sheets.writing import SheetToWrite, write_csv, write_xlsx

__all__ = [
    "Area",
    "FileKind",
    "Sheet",
    "SheetLimits",
    "SheetToWrite",
    "Trouble",
    "Value",
    "Workbook",
    "address",
    "kind_of",
    "read_workbook",
    "text_of",
    "write_csv",
    "write_xlsx",
]
