"""Which of the accepted encodings a text has.

UTF-8, UTF-16, the Windows-1251 of Russian spreadsheets and the Windows-1252 of western ones.
"""

import codecs
import re

_ASCII = bytes(range(0x80))
_NOT_CYRILLIC_LEADS = bytes(byte for byte in range(0x100) if byte not in (0xD0, 0xD1))
_USUAL_1251 = "ёЁ«»№–—…“”„’ ".encode("cp1251")
_UNUSUAL_1251 = bytes(byte for byte in range(0x100) if byte < 0xC0 and byte not in _USUAL_1251)
"""What Russian text in Windows-1251 has neither as a letter nor as punctuation."""
_AMID_LATIN = re.compile(rb"[A-Za-z][\xc0-\xff](?=[A-Za-z])")
"""A letter of the upper half between two of the lower: `Ren\xe9e`. Russian letters come in runs."""

UTF_8 = "utf-8-sig"
UTF_16 = "utf-16"
"""By its byte order mark."""
UTF_16_LE = "utf-16-le"
UTF_16_BE = "utf-16-be"
WINDOWS_1251 = "cp1251"
WINDOWS_1252 = "cp1252"


class Sniffer:
    """Looks at all bytes of a text, in pieces."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._is_utf_8 = True
        self._start = b""
        self._size = 0
        self._zeros = [0, 0]
        self._high = 0
        self._leads = 0
        self._usual = 0
        self._amid_latin = 0

    def feed(self, chunk: bytes) -> None:
        """Looks at the next piece."""
        if len(self._start) < 4:
            self._start += chunk[: 4 - len(self._start)]
        if b"\x00" in chunk:
            even = self._size % 2
            self._zeros[0] += chunk[even::2].count(0)
            self._zeros[1] += chunk[1 - even :: 2].count(0)
        self._size += len(chunk)
        if self._is_utf_8:
            try:
                self._decoder.decode(chunk)
            except UnicodeDecodeError:
                self._is_utf_8 = False
        if not chunk.isascii():
            high = chunk.translate(None, _ASCII)
            self._high += len(high)
            self._leads += len(high.translate(None, _NOT_CYRILLIC_LEADS))
            self._usual += len(high.translate(None, _UNUSUAL_1251))
            self._amid_latin += len(_AMID_LATIN.findall(chunk))

    def encoding(self) -> str | None:
        """The encoding, or None when it is none of the accepted ones.

        Text that is UTF-8 but for damaged places is read as UTF-8, and the rows with the damage are rejected: every
        second byte of Russian UTF-8 is 0xD0 or 0xD1, which in Windows-1251 are two rare capitals. UTF-16 shows by its
        mark, or by its zero bytes, which all stand at odd or all at even places; a few zeros elsewhere are damage.
        """
        if self._start.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
            return None
        if not any(self._zeros):
            # Without a zero byte the mark of UTF-16 is two letters of Windows-1251: no table is without ASCII.
            return self._without_zeros()
        if self._start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return UTF_16
        return self._with_zeros()

    def _with_zeros(self) -> str | None:
        first, second = self._zeros
        # Commas, digits and line ends alone make up this share of any table.
        if max(first, second) * 10 >= self._size and min(first, second) * 20 <= max(first, second):
            return UTF_16_BE if first > second else UTF_16_LE
        if (first + second) * 50 > self._size + 100:
            return None
        return self._without_zeros()

    def _without_zeros(self) -> str | None:
        if self._is_utf_8:
            try:
                self._decoder.decode(b"", final=True)
            except UnicodeDecodeError:
                self._is_utf_8 = False
        if self._is_utf_8 or self._leads * 3 >= self._high:
            return UTF_8
        if self._amid_latin * 2 > self._high:
            return WINDOWS_1252
        return WINDOWS_1251 if self._usual * 10 >= self._high * 7 else None
