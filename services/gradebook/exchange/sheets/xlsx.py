"""An XLSX workbook, read part by part as streams.

The container is not trusted: sizes that it states are only a first look, what really unpacks is counted.
"""

import posixpath
import zipfile
from pathlib import Path

from services.gradebook.exchange.bundle import DAMAGE, ExchangeError, directory_bytes
from services.gradebook.exchange.sheets.grid import Sheet, Workbook
from services.gradebook.exchange.sheets.limits import Budget, SheetLimits
from services.gradebook.exchange.sheets.xlsx_parts import Book, Relations, Styles, Texts, Worksheet, place_of
from services.gradebook.exchange.sheets.xml import Part, Reader
from services.gradebook.rejections import Code

_CHUNK = 1 << 16
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1
_BINARY_BOOK = "xl/workbook.bin"


class Container:
    """The parts of the package by their names, which are compared without case (ECMA-376 part 2, 6.2.2)."""

    def __init__(self, archive: zipfile.ZipFile, budget: Budget, size: int) -> None:
        self._archive = archive
        self._budget = budget
        self._size = size
        self._unpacked = 0
        members = archive.infolist()
        if len(members) > budget.limits.max_parts:
            raise budget.too_large()
        self._members = {member.filename.replace("\\", "/").lower().lstrip("/"): member for member in members}

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._members

    def read(self, name: str, part: Part) -> None:
        """Reads a part through.

        Raises:
            ExchangeError: it is absent, damaged, locked or too large.
        """
        member = self._members.get(name.lower())
        if member is None:
            raise self._budget.broken()
        if member.flag_bits & _ENCRYPTED:
            raise ExchangeError(Code.PASSWORD_PROTECTED, self._budget.file)
        if member.compress_type not in _PACKINGS:
            raise self._budget.broken()
        reader = Reader(part, self._budget)
        try:
            with self._archive.open(member) as stream:
                while chunk := stream.read(_CHUNK):
                    self._count(len(chunk))
                    reader.feed(chunk)
        except DAMAGE:
            raise self._budget.broken() from None
        reader.feed(b"", last=True)

    def _count(self, length: int) -> None:
        limits = self._budget.limits
        self._unpacked += length
        too_much = self._unpacked > limits.max_unpacked_bytes
        if self._unpacked > limits.ratio_from_bytes:
            too_much = too_much or self._unpacked > limits.max_ratio * self._size
        if too_much:
            raise self._budget.too_large()

    def relations(self, part: str) -> Relations:
        """What a part refers to, with names that `read` takes; nothing when it refers to nothing."""
        folder, name = posixpath.split(part)
        relations = Relations(self._budget)
        file = posixpath.join(folder, "_rels", f"{name}.rels")
        if file in self:
            self.read(file, relations)
        for found in (relations.by_id, relations.by_type):
            for key, target in found.items():
                found[key] = posixpath.normpath(posixpath.join("/", folder, target)).lstrip("/")
        return relations


def read_xlsx(path: Path, limits: SheetLimits) -> Workbook:
    """Reads all sheets of a workbook.

    Raises:
        ExchangeError: it cannot be read, or only beyond the limits.
    """
    budget = Budget(limits, path.name)
    try:
        if directory_bytes(path) > limits.max_directory_bytes:
            raise budget.too_large()
        with zipfile.ZipFile(path) as archive:
            return _read(Container(archive, budget, path.stat().st_size), budget)
    except DAMAGE:
        raise budget.broken() from None


def _read(container: Container, budget: Budget) -> Workbook:
    if _BINARY_BOOK in container or "content.xml" in container:
        # XLSB, or an OpenDocument spreadsheet.
        raise ExchangeError(Code.OLD_WORKBOOK, budget.file)
    main = container.relations("").by_type.get("officeDocument", "")
    if not main or main not in container:
        raise ExchangeError(Code.NOT_A_TABLE, budget.file)
    book, styles, shared = Book(budget), Styles(budget), Texts(budget, "si")
    container.read(main, book)
    relations = container.relations(main)
    for kind, part in (("styles", styles), ("sharedStrings", shared)):
        if (name := relations.by_type.get(kind, "")) in container:
            container.read(name, part)
    texts = [text for _, text in shared.found]
    workbook = Workbook(budget.file, "xlsx", [])
    for name, relation, hidden in book.sheets:
        place = relations.by_id.get(relation, "")
        # A sheet may be a chart, which has no cells.
        if "worksheets/" in place or place.lower().rsplit("/", 1)[-1].startswith("sheet"):
            sheet = Sheet(name or f"Лист{len(workbook.sheets) + 1}", hidden)
            worksheet = Worksheet(sheet, budget, texts, styles.dates, system_1904=book.system_1904)
            _read_sheet(container, place, worksheet, budget)
            workbook.sheets.append(sheet)
    return workbook


def _read_sheet(container: Container, place: str, worksheet: Worksheet, budget: Budget) -> None:
    container.read(place, worksheet)
    sheet = worksheet.sheet
    sheet.sort()
    sheet.merge(worksheet.areas, budget.merged_rows)
    comments = container.relations(place).by_type.get("comments", "")
    if comments in container:
        texts = Texts(budget, "comment")
        container.read(comments, texts)
        for reference, text in texts.found:
            where = place_of(reference)
            if where is not None and text.strip():
                budget.entry()
                sheet.comments[where] = text.strip()
