"""Parts of an XLSX as a stream of XML, with nothing that XML can do beyond elements and text.

A document type declaration is refused as such: no part of a workbook has one (ECMA-376 part 2, 6.2.5), and entities
that grow or reach outside need one.
"""

from typing import Protocol
from xml.parsers import expat

from services.gradebook.exchange.bundle import ExchangeError
from services.gradebook.rejections import Code

MAX_DEPTH = 64


class Part(Protocol):
    """What is told about the elements of a part."""

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins; names are without a namespace."""
        ...

    def end(self, name: str) -> None:
        """An element ends."""
        ...

    def text(self, data: str) -> None:
        """Text inside the element that began last."""
        ...


def _local(name: str) -> str:
    return name.rpartition("}")[2]


class Reader:
    """Feeds bytes of a part to its listener."""

    def __init__(self, part: Part, file: str) -> None:
        self._part = part
        self._file = file
        self._depth = 0
        self._parser = expat.ParserCreate(namespace_separator="}")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = part.text
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.EntityDeclHandler = self._refuse
        self._parser.ExternalEntityRefHandler = self._refuse

    def feed(self, data: bytes, *, last: bool = False) -> None:
        """The next bytes.

        Raises:
            ExchangeError: they are not well-formed, or declare what is not allowed.
        """
        try:
            self._parser.Parse(data, last)
        except (expat.ExpatError, UnicodeError, LookupError):
            # LookupError: an encoding that nobody knows.
            raise ExchangeError(Code.BROKEN_WORKBOOK, self._file) from None

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ExchangeError(Code.BROKEN_WORKBOOK, self._file)
        self._part.start(_local(name), {_local(key): value for key, value in attributes.items()})

    def _end(self, name: str) -> None:
        self._depth -= 1
        self._part.end(_local(name))

    def _refuse(self, *_: object) -> int:
        raise ExchangeError(Code.FORBIDDEN_XML, self._file)
