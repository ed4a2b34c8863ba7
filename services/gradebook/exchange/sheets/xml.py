"""Parts of an XLSX as a stream of XML, with nothing that XML can do beyond elements and text.

A document type declaration is refused as such: no part of a workbook has one (ECMA-376 part 2, 6.2.5), and entities
that grow or reach outside need one. What the parser itself would hold is bounded too: a tag or comment that does not
end, and names that never come twice, all of which it keeps until the end of the part.
"""

from typing import Protocol
from xml.parsers import expat

from services.gradebook.exchange.bundle import ExchangeError
from services.gradebook.exchange.sheets.limits import Budget
from services.gradebook.rejections import Code

MAX_DEPTH = 64
_MOST_NAMES = 10_000
"""Different names of elements and attributes, or prefixes, in one part; the whole format has fewer."""
_MOST_PENDING = 1 << 18
"""Bytes of one tag, comment or instruction: a tag has no attribute longer than a cell's text."""
_FED_AT_ONCE = 1 << 16


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

    def __init__(self, part: Part, budget: Budget) -> None:
        self._part = part
        self._budget = budget
        self._depth = 0
        self._fed = 0
        self._names: dict[str, str] = {}
        """Kept by the parser: each name once, for as long as the part is read."""
        self._prefixes: set[str] = set()
        self._parser = expat.ParserCreate(namespace_separator="}", intern=self._names)
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = part.text
        self._parser.StartNamespaceDeclHandler = self._prefix
        self._parser.StartDoctypeDeclHandler = self._refuse
        self._parser.EntityDeclHandler = self._refuse
        self._parser.ExternalEntityRefHandler = self._refuse

    def feed(self, data: bytes, *, last: bool = False) -> None:
        """The next bytes.

        Raises:
            ExchangeError: they are not well-formed, declare what is not allowed, or are too much.
        """
        try:
            for start in range(0, max(len(data), 1), _FED_AT_ONCE):
                piece = data[start : start + _FED_AT_ONCE]
                self._fed += len(piece)
                self._parser.Parse(piece, last and start + _FED_AT_ONCE >= len(data))
                # The index is where the tag begins that has not ended yet; -1: nothing has begun.
                if self._fed - max(self._parser.CurrentByteIndex, 0) > _MOST_PENDING and not last:
                    raise self._budget.too_large()
        except (expat.ExpatError, UnicodeError, LookupError):
            # LookupError: an encoding that nobody knows.
            raise self._budget.broken() from None

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._budget.step()
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._budget.broken()
        if len(self._names) > _MOST_NAMES:
            raise self._budget.too_large()
        self._part.start(_local(name), {_local(key): value for key, value in attributes.items()})

    def _end(self, name: str) -> None:
        self._depth -= 1
        self._part.end(_local(name))

    def _prefix(self, prefix: str | None, _: str | None) -> None:
        self._prefixes.add(prefix or "")
        if len(self._prefixes) > _MOST_NAMES:
            raise self._budget.too_large()

    def _refuse(self, *_: object) -> int:
        raise ExchangeError(Code.FORBIDDEN_XML, self._budget.file)
