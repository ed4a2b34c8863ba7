"""What a file is, by its first bytes; and reading it."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from services.gradebook.exchange.bundle import DAMAGE, ExchangeError
from services.gradebook.exchange.sheets.grid import Workbook
from services.gradebook.exchange.sheets.html import read_html
from services.gradebook.exchange.sheets.limits import SheetLimits
from services.gradebook.exchange.sheets.plain_text import read_csv
from services.gradebook.exchange.sheets.xlsx import read_xlsx
from services.gradebook.rejections import Code

_OLE = bytes.fromhex("D0CF11E0A1B11AE1")
_LOCKED = "EncryptedPackage".encode("utf-16-le")
_HEAD = 8192
_OTHERS = (b"%PDF", b"\x89PNG", b"\xff\xd8\xff", b"{\\rtf", b"Rar!", b"7z\xbc\xaf", b"\x1f\x8b")


class FileKind(StrEnum):
    """How a file is read."""

    XLSX = "xlsx"
    HTML = "html"
    CSV = "csv"
    JSON = "json"


_EXTENSIONS = {
    FileKind.XLSX: {".xlsx", ".xlsm"},
    FileKind.HTML: {".html", ".htm", ".xls"},
    FileKind.CSV: {".csv", ".txt", ".tsv"},
    FileKind.JSON: {".json"},
}


@dataclass(frozen=True)
class Recognised:
    """What a file is."""

    kind: FileKind
    wrong_extension: bool
    """Its name says something else."""


def kind_of(path: Path, limits: SheetLimits | None = None) -> Recognised:
    """Looks at the start of a file.

    Raises:
        ExchangeError: it is empty, too large, locked with a password, of an old form, or no table at all.
        FileNotFoundError: there is no such file.
    """
    limits = limits or SheetLimits()
    if not path.exists():
        raise FileNotFoundError(path)
    if not path.is_file():
        raise ExchangeError(Code.NOT_A_TABLE, path.name)
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except DAMAGE:
        raise ExchangeError(Code.NOT_A_TABLE, path.name) from None
    if size == 0:
        raise ExchangeError(Code.EMPTY_TABLE, path.name)
    if size > limits.max_file_bytes:
        raise ExchangeError(Code.TABLE_TOO_LARGE, path.name)
    kind = _kind(path, head)
    return Recognised(kind, path.suffix.lower() not in _EXTENSIONS[kind])


def _kind(path: Path, head: bytes) -> FileKind:
    if head.startswith(_OLE):
        # Excel locks a workbook by putting it encrypted into the container of its old form (MS-OFFCRYPTO 2.3.4.4).
        raise ExchangeError(Code.PASSWORD_PROTECTED if _holds(path, _LOCKED) else Code.OLD_WORKBOOK, path.name)
    if head.startswith(b"PK"):
        return FileKind.XLSX
    if head.startswith(_OTHERS):
        raise ExchangeError(Code.NOT_A_TABLE, path.name)
    start = head.replace(b"\x00", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n").lower()
    if start.startswith(b"<"):
        if b"schemas-microsoft-com:office:spreadsheet" in start and b"<workbook" in start:
            raise ExchangeError(Code.OLD_WORKBOOK, path.name)
        if start.startswith((b"<html", b"<!doctype html", b"<table", b"<div", b"<meta", b"<head", b"<style", b"<body")):
            return FileKind.HTML
        if b"<html" in start or b"<table" in start:
            return FileKind.HTML
        raise ExchangeError(Code.NOT_A_TABLE, path.name)
    if start.startswith((b"{", b"[")):
        return FileKind.JSON
    return FileKind.CSV


def _holds(path: Path, what: bytes) -> bool:
    with path.open("rb") as file:
        before = b""
        while chunk := file.read(1 << 20):
            if what in before + chunk:
                return True
            before = chunk[-len(what) :]
    return False


def read_workbook(path: Path, limits: SheetLimits | None = None) -> Workbook:
    """Reads a workbook, a page with tables or a CSV.

    Raises:
        ExchangeError: it cannot be read; the code says why.
        FileNotFoundError: there is no such file.
    """
    limits = limits or SheetLimits()
    recognised = kind_of(path, limits)
    if recognised.kind is FileKind.JSON:
        raise ExchangeError(Code.NOT_A_TABLE, path.name)
    read = {FileKind.XLSX: read_xlsx, FileKind.HTML: read_html, FileKind.CSV: read_csv}[recognised.kind]
    try:
        workbook = read(path, limits)
    except DAMAGE:
        raise ExchangeError(Code.BROKEN_WORKBOOK, path.name) from None
    if not any(sheet.rows for sheet in workbook.sheets):
        raise ExchangeError(Code.EMPTY_TABLE, path.name)
    if recognised.wrong_extension:
        workbook.remarks.append("wrong_extension")
    return workbook
