"""The files that a journal sends: a folder, a ZIP archive or one CSV file. What they say of themselves is not trusted.

Every file is read through once before any of its rows counts: that finds damaged archives and ZIP bombs while nothing
was taken yet, tells the encoding, and counts the lines for the progress bar. Nothing is ever unpacked to disk.
"""

import codecs
import struct
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import TextIOWrapper
from pathlib import Path
from typing import IO

from services.gradebook.exchange.encoding import Sniffer
from services.gradebook.rejections import Code

_CHUNK = 1 << 16
_END_RECORD = b"PK\x05\x06"
_END_BYTES = 22
_MAX_COMMENT_BYTES = 1 << 16
_ZIP64_LOCATOR = b"PK\x06\x07"
_ZIP64_LOCATOR_BYTES = 20
_ZIP64_END_RECORD = b"PK\x06\x06"
_ZIP64_END_BYTES = 56
_LITTER = frozenset({"thumbs.db", "desktop.ini"})
_PACKINGS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
_ENCRYPTED = 0x1

_UNREADABLE = "sutki-unreadable"
"""The error handler: like `surrogateescape`, but of every encoding."""


def _mark_unreadable(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return "\udc80", error.end


codecs.register_error(_UNREADABLE, _mark_unreadable)

DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    RuntimeError,
    NotImplementedError,
    ValueError,
    struct.error,
)
"""What the standard library raises for archives and files that are damaged or not what they seem."""


class ExchangeError(Exception):
    """A file, or everything, cannot be read. The only error that readers raise."""

    def __init__(self, code: Code, file: str) -> None:
        super().__init__(f"{file}: {code}")
        self.code = code
        self.file = file


@dataclass(frozen=True)
class Limits:
    """What an import may unpack to."""

    max_files: int = 200
    max_total_bytes: int = 4 << 30
    max_ratio: int = 200
    """Unpacked bytes for each byte of the archive as it lies on the disk…"""
    ratio_from_bytes: int = 32 << 20
    """… looked at beyond this size only: small files of equal rows compress very well."""
    max_directory_bytes: int = 1 << 20
    """The archive's table of contents."""


@dataclass(frozen=True)
class Inspected:
    """What reading a file through has told."""

    encoding: str
    lines: int


class Bundle:
    """Named CSV files. Names are compared without case, folder and the difference of `-` and `_`."""

    def __init__(self, path: Path, limits: Limits) -> None:
        self.path = path
        self.duplicates: list[str] = []
        self._limits = limits
        self._archive: zipfile.ZipFile | None = None
        self._places: dict[str, Path | zipfile.ZipInfo] = {}
        self._names: dict[str, str] = {}
        self._inspected: dict[str, Inspected] = {}
        self._unpacked = 0

    @classmethod
    def open(cls, path: Path, limits: Limits | None = None) -> "Bundle":
        """Looks at what is there.

        Raises:
            ExchangeError: it is no folder, archive or CSV file, it is empty, or it is too large.
        """
        bundle = cls(path, limits or Limits())
        try:
            if path.is_dir():
                bundle._take_folder()
            else:
                bundle._take_file()
        except DAMAGE:
            raise ExchangeError(Code.NOT_AN_ARCHIVE, path.name) from None
        return bundle

    def _take_folder(self) -> None:
        for file in sorted(self.path.iterdir()):
            if file.is_file() and not _is_litter(file.name):
                self._add(file.name, file)
        if not self._places:
            raise ExchangeError(Code.EMPTY_ARCHIVE, self.path.name)

    def _take_file(self) -> None:
        with self.path.open("rb") as file:
            start = file.read(4)
        if start.startswith(b"PK"):
            self._take_archive()
        elif self.path.suffix.lower() == ".csv":
            self._add(self.path.name, self.path)
        else:
            raise ExchangeError(Code.NOT_AN_ARCHIVE, self.path.name)

    def _take_archive(self) -> None:
        if directory_bytes(self.path) > self._limits.max_directory_bytes:
            raise ExchangeError(Code.ARCHIVE_TOO_LARGE, self.path.name)
        try:
            self._archive = zipfile.ZipFile(self.path)
        except DAMAGE:
            raise ExchangeError(Code.BROKEN_ARCHIVE, self.path.name) from None
        members = [
            member for member in self._archive.infolist() if not member.is_dir() and not _is_litter(member.filename)
        ]
        if not members:
            raise ExchangeError(Code.EMPTY_ARCHIVE, self.path.name)
        if len(members) > self._limits.max_files:
            raise ExchangeError(Code.ARCHIVE_TOO_LARGE, self.path.name)
        for member in members:
            self._add(member.filename.replace("\\", "/").rsplit("/", 1)[-1], member)

    def _add(self, name: str, place: Path | zipfile.ZipInfo) -> None:
        key = plain_name(name)
        if key in self._places:
            self.duplicates.append(name)
            return
        self._places[key] = place
        self._names[key] = name

    def close(self) -> None:
        """Closes the archive."""
        if self._archive is not None:
            self._archive.close()

    def names(self) -> dict[str, str]:
        """Compared name to the name as it was given."""
        return dict(self._names)

    def __contains__(self, name: str) -> bool:
        return plain_name(name) in self._places

    def given_name(self, name: str) -> str:
        """The name as it was given, for reports."""
        return self._names.get(plain_name(name), name)

    def inspect(self, name: str) -> Inspected:
        """Reads a file through once.

        Raises:
            ExchangeError: it is damaged, too large, or its text cannot be read.
        """
        key = plain_name(name)
        if key not in self._inspected:
            self._inspected[key] = self._read_through(name)
        return self._inspected[key]

    def _read_through(self, name: str) -> Inspected:
        sniffer, lines, last = Sniffer(), 0, b"\n"
        with self._binary(name) as file:
            while chunk := self._read(file, name):
                self._unpacked += len(chunk)
                self._check_size(name)
                sniffer.feed(chunk)
                # A file has one kind of line end, or both of them at the end of every line.
                lines += max(chunk.count(b"\n"), chunk.count(b"\r"))
                last = chunk[-1:]
        encoding = sniffer.encoding()
        if encoding is None:
            raise ExchangeError(Code.BAD_ENCODING, self.given_name(name))
        return Inspected(encoding, lines + (last not in (b"\n", b"\r", b"\x00")))

    def _check_size(self, name: str) -> None:
        limits = self._limits
        too_much = self._unpacked > limits.max_total_bytes
        if self._archive is not None and self._unpacked > limits.ratio_from_bytes:
            too_much = too_much or self._unpacked > limits.max_ratio * self.path.stat().st_size
        if too_much:
            raise ExchangeError(Code.ARCHIVE_TOO_LARGE, self.given_name(name))

    def _read(self, file: IO[bytes], name: str) -> bytes:
        try:
            return file.read(_CHUNK)
        except DAMAGE:
            raise ExchangeError(Code.BROKEN_ARCHIVE, self.given_name(name)) from None

    @contextmanager
    def _binary(self, name: str) -> Iterator[IO[bytes]]:
        place = self._places[plain_name(name)]
        try:
            if isinstance(place, Path):
                file: IO[bytes] = place.open("rb")
            else:
                file = self._member(place)
        except DAMAGE:
            raise ExchangeError(Code.BROKEN_ARCHIVE, self.given_name(name)) from None
        with file:
            yield file

    def _member(self, member: zipfile.ZipInfo) -> IO[bytes]:
        # bzip2 and LZMA unpack without a bound per read, so only what is bounded is accepted.
        if self._archive is None or member.compress_type not in _PACKINGS or member.flag_bits & _ENCRYPTED:
            raise NotImplementedError
        return self._archive.open(member)

    @contextmanager
    def text(self, name: str) -> Iterator[TextIOWrapper]:
        """The text of a file; bytes that do not fit the encoding come as lone surrogates, for the row's rejection.

        Raises:
            ExchangeError: see `inspect`.
        """
        encoding = self.inspect(name).encoding
        with self._binary(name) as file:
            yield TextIOWrapper(file, encoding=encoding, errors=_UNREADABLE, newline=None)


def plain_name(name: str) -> str:
    """A file name as it is compared."""
    return name.strip().lower().replace("-", "_")


def _is_litter(name: str) -> bool:
    """Whether it is what file managers leave in folders and archives."""
    *folders, last = name.replace("\\", "/").split("/")
    return "__MACOSX" in folders or last.startswith(("._", ".DS_Store")) or last.lower() in _LITTER


def directory_bytes(path: Path) -> int:
    """How large the table of contents is that the library would load at once; 0 when there is none to be found.

    The end record is found as the library finds it, so that a comment which looks like another record misleads
    neither: the last 22 bytes when the archive has no comment, otherwise the last place that bears the mark.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        start = max(0, size - _END_BYTES - _MAX_COMMENT_BYTES - _ZIP64_LOCATOR_BYTES - _ZIP64_END_BYTES)
        file.seek(start)
        tail = file.read()
        at = _end_record(tail)
        if at is None:
            return 0
        length = int(struct.unpack_from("<L", tail, at + 12)[0])
        locator = at - _ZIP64_LOCATOR_BYTES
        if locator >= 0 and tail[locator : locator + 4] == _ZIP64_LOCATOR:
            # The library reads this record at a fixed distance; a lie about its place changes nothing.
            record = locator - _ZIP64_END_BYTES
            if record >= 0 and tail[record : record + 4] == _ZIP64_END_RECORD:
                length = max(length, int(struct.unpack_from("<Q", tail, record + 40)[0]))
    return length


def _end_record(tail: bytes) -> int | None:
    """Where the end record stands in the last bytes of an archive."""
    plain = len(tail) - _END_BYTES
    if plain >= 0 and tail[plain : plain + 4] == _END_RECORD and tail[-2:] == b"\x00\x00":
        return plain
    at = tail.rfind(_END_RECORD, max(0, len(tail) - _END_BYTES - _MAX_COMMENT_BYTES))
    return at if 0 <= at <= plain else None
