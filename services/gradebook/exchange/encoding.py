"""Which of the accepted encodings a text has: UTF-8, or the Windows-1251 of Russian spreadsheets."""

import codecs

_ASCII = bytes(range(0x80))
_NOT_CYRILLIC_LEADS = bytes(byte for byte in range(0x100) if byte not in (0xD0, 0xD1))
_USUAL_1251 = "ёЁ«»№–—…“”„’ ".encode("cp1251")
_UNUSUAL_1251 = bytes(byte for byte in range(0x100) if byte < 0xC0 and byte not in _USUAL_1251)
"""What Russian text in Windows-1251 has neither as a letter nor as punctuation."""

UTF_8 = "utf-8-sig"
WINDOWS_1251 = "cp1251"


class Sniffer:
    """Looks at all bytes of a text, in pieces."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._is_utf_8 = True
        self._high = 0
        self._leads = 0
        self._usual = 0
        self._has_zero = False

    def feed(self, chunk: bytes) -> None:
        """Looks at the next piece."""
        if b"\x00" in chunk:
            self._has_zero = True
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

    def encoding(self) -> str | None:
        """The encoding, or None when it is none of the accepted ones.

        Text that is UTF-8 but for damaged places is read as UTF-8, and the rows with the damage are rejected: every
        second byte of Russian UTF-8 is 0xD0 or 0xD1, which in Windows-1251 are two rare capitals. UTF-16 shows by its
        zero bytes.
        """
        if self._has_zero:
            return None
        if self._is_utf_8:
            try:
                self._decoder.decode(b"", final=True)
            except UnicodeDecodeError:
                self._is_utf_8 = False
        if self._is_utf_8 or self._leads * 3 >= self._high:
            return UTF_8
        return WINDOWS_1251 if self._usual * 10 >= self._high * 7 else None
