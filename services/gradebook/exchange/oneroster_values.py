"""What a cell of a OneRoster file says, in the standard's own form, or why it says nothing certain.

The standard wants dates as 2026-10-23 and instants as 2026-10-23T11:00:00.000Z (CSV binding, data formats). Other forms
are taken where they can mean one thing only: a four-digit year in front (2026/10/23, 2026.10.23, 20261023), a month's
English name (23-Oct-2026), dots (23.10.2026: day first wherever dates have dots). With slashes or dashes and the year
last, American and European order differ: 10/23/2026 and 23/10/2026 are certain, 01/09/2026 is not. Years of two digits
are never certain. A time after a date may have 12 or 24 hours, a fraction and an offset.
"""

import re
from collections.abc import Callable
from datetime import date, datetime
from functools import lru_cache
from itertools import count
from typing import TypeAlias

from services.gradebook.rejections import Code

Understood: TypeAlias = str
"""The value in the standard's form, or a `Code` (which is a string too): test with `isinstance(…, Code)`."""

Understand: TypeAlias = Callable[[str], Understood]

MAX_ID_CHARS = 255
_YEARS = range(1900, 2200)
_REMEMBERED = 8192
_LAST_MONTH = 12
_MONTHS = dict(
    zip(("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), count(1), strict=False)
)

_YEAR_FIRST = re.compile(r"(?P<year>\d{4})(?P<mark>[-/.])(?P<month>\d{1,2})(?P=mark)(?P<day>\d{1,2})", re.ASCII)
_YEAR_LAST = re.compile(r"(\d{1,2})([-/.])(\d{1,2})\2(\d{4})", re.ASCII)
_COMPACT = re.compile(r"(?P<year>\d{4})(?P<month>\d{2})(?P<day>\d{2})", re.ASCII)
_NAMED = re.compile(r"(?P<day>\d{1,2})[ -](?P<month>[A-Za-z]{3})[a-z]*\.?[- ,]+(?P<year>\d{4})", re.ASCII)
_NAMED_FIRST = re.compile(r"(?P<month>[A-Za-z]{3})[a-z]*\.? (?P<day>\d{1,2}),? (?P<year>\d{4})", re.ASCII)
_TIME = re.compile(
    r"(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,]\d{1,9})?)?\s*([AaPp]\.?[Mm]\.?)?\s*(Z|z|UTC|GMT|[+-]\d{2}:?\d{2}|[+-]\d{2})?"
)
_DATE_AND_TIME = re.compile(r"(.*\d)(?:[T ]|, )\s*(\d{1,2}:\d{2}.*)", re.DOTALL)
_NUMBER = re.compile(r"[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d{1,3})?")
_WHOLE = re.compile(r"[+-]?\d+(?:[.,]0*)?")
_YEAR = re.compile(r"(\d{4})(?:\s*[-–/]\s*(\d{4}|\d{2}))?")
_NOT_COMPARED = re.compile(r"[\s_\-]+")
_TRUE = frozenset({"true", "t", "yes", "y", "1", "да"})
_FALSE = frozenset({"false", "f", "no", "n", "0", "нет"})


@lru_cache(_REMEMBERED)
def day(text: str) -> Understood:
    """A date; the time of an instant is left out."""
    alone = _day_alone(text)
    if alone != Code.BAD_DATE:
        return alone
    both = _DATE_AND_TIME.fullmatch(text)
    if both is None or _time(both[2].strip()) is None:
        return Code.BAD_DATE
    return _day_alone(both[1].strip())


@lru_cache(_REMEMBERED)
def instant(text: str) -> Understood:
    """An instant; a date alone counts from its first moment, and a time without offset is UTC as in the standard."""
    both = _DATE_AND_TIME.fullmatch(text)
    if both is None:
        alone = _day_alone(text)
        return alone if isinstance(alone, Code) else f"{alone}T00:00:00Z"
    on, time = _day_alone(both[1].strip()), _time(both[2].strip())
    if isinstance(on, Code):
        return on
    return Code.BAD_DATE if time is None else f"{on}T{time}"


def unneeded_instant(text: str) -> Understood:
    """An instant that a bulk file need not have: that day and month cannot be told apart does no harm."""
    meant = instant(text)
    return text if meant == Code.AMBIGUOUS_DATE else meant


def _day_alone(text: str) -> Understood:
    if match := _YEAR_FIRST.fullmatch(text) or _COMPACT.fullmatch(text):
        return _made(int(match["year"]), int(match["month"]), int(match["day"]))
    if match := _YEAR_LAST.fullmatch(text):
        first, second, in_year = int(match[1]), int(match[3]), int(match[4])
        if match[2] == "." or first > _LAST_MONTH or first == second:
            return _made(in_year, second, first)
        return _made(in_year, first, second) if second > _LAST_MONTH else Code.AMBIGUOUS_DATE
    if match := _NAMED.fullmatch(text) or _NAMED_FIRST.fullmatch(text):
        return _made(int(match["year"]), _MONTHS.get(match["month"].lower(), 0), int(match["day"]))
    return Code.BAD_DATE


def _made(year: int, month: int, of_month: int) -> Understood:
    try:
        made = date(year, month, of_month)
    except ValueError:
        return Code.BAD_DATE
    return made.isoformat() if year in _YEARS else Code.BAD_DATE


def _time(text: str) -> str | None:
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    hour, minute, second, half, zone = match.groups()
    hours = int(hour)
    if half:
        if not 1 <= hours <= 12:
            return None
        hours = hours % 12 + (12 if half[0] in "Pp" else 0)
    offset = "Z" if not zone or zone.upper() in ("Z", "UTC", "GMT") else zone
    if offset != "Z":
        offset = f"{offset[:3]}:{offset[-2:] if len(offset) > 3 else '00'}"
    made = f"{hours:02d}:{minute}:{second or '00'}{offset}"
    try:
        datetime.fromisoformat(f"2000-01-01T{made}")
    except ValueError:
        return None
    return made


@lru_cache(_REMEMBERED)
def boolean(text: str) -> Understood:
    """`true` or `false`."""
    word = text.casefold()
    if word in _TRUE:
        return "true"
    return "false" if word in _FALSE else Code.BAD_BOOLEAN


@lru_cache(_REMEMBERED)
def number(text: str) -> Understood:
    """A number with a point. Never an infinity or `nan`."""
    if len(text) > 40 or not _NUMBER.fullmatch(text) or not text.isascii():
        return Code.BAD_NUMBER
    return text.replace(",", ".")


@lru_cache(_REMEMBERED)
def whole(text: str) -> Understood:
    """A whole number."""
    if len(text) > 40 or not _WHOLE.fullmatch(text) or not text.isascii():
        return Code.BAD_NUMBER
    return text.replace(",", ".").partition(".")[0]


@lru_cache(_REMEMBERED)
def year(text: str) -> Understood:
    """A school year by the year in which it ends; `2026/2027` and `2026-27` say the same as `2027`."""
    match = _YEAR.fullmatch(text)
    if match is None or (not text.isascii() and "–" not in text):
        return Code.BAD_NUMBER
    first = int(match[1])
    last = first if match[2] is None else int(match[2]) if len(match[2]) == 4 else first // 100 * 100 + int(match[2])
    if match[2] is not None and len(match[2]) == 2 and first % 100 == 99:
        last += 100
    return str(last) if last in _YEARS and (match[2] is None or last == first + 1) else Code.BAD_NUMBER


def identifier(text: str) -> Understood:
    """An id: the standard's characters are not insisted on, only that it can be written down and compared."""
    return text if len(text) <= MAX_ID_CHARS and text.isprintable() else Code.BAD_VALUE


def anything(text: str) -> Understood:
    """Text."""
    return text


def vocabulary(words: tuple[str, ...], *, extensible: bool = False) -> Understand:
    """One of a list of words, whatever its case, spaces, dashes and underscores.

    Args:
        words: as the standard spells them.
        extensible: 1.2 lets an `ext:` word of one's own stand in most lists.
    """
    spelt = {_compared(word): word for word in words}

    @lru_cache(_REMEMBERED)
    def understand(text: str) -> Understood:
        word = spelt.get(text) or spelt.get(_compared(text))
        if word is not None:
            return word
        own = extensible and len(text) > 4 and text[:4].lower() == "ext:" and text.isprintable()
        return f"ext:{text[4:]}" if own else Code.NOT_IN_VOCABULARY

    return understand


def _compared(text: str) -> str:
    return _NOT_COMPARED.sub("", text).lower()


def items(text: str) -> list[str]:
    """A list: values with commas between them; brackets or braces around the whole are left out."""
    if text[:1] in "[{" and text[-1:] in "]}":
        text = text[1:-1]
    return [part for piece in text.split(",") if (part := piece.strip().strip('"').strip())]
