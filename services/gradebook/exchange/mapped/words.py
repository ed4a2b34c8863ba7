"""Words of Russian reports: months, periods, school years, dates, names, classes. Pure text, nothing is guessed."""

import re
import unicodedata
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import NamedTuple

_SPACES = re.compile(r"[\s\u00a0\u1680\u2000-\u200b\u202f\u205f\u2060\u3000\ufeff]+")
_LOOK_ALIKE = str.maketrans("ABCEHKMOPTXYaceopxy", "АВСЕНКМОРТХУасеорху")
"""Latin letters that look like Cyrillic ones, to what was meant."""

_MONTHS = (
    ("январ", "янв"), ("феврал", "фев"), ("март", "мар"), ("апрел", "апр"), ("май", "мая"), ("июн", "июн"),
    ("июл", "июл"), ("август", "авг"), ("сентябр", "сен"), ("октябр", "окт"), ("ноябр", "ноя"), ("декабр", "дек"),
)  # fmt: skip
_MONTH_WORD = re.compile(r"([а-я]{3,8})\.?")
_YEAR = re.compile(r"(?<!\d)(20\d\d)(?!\d)")
_SCHOOL_YEAR = re.compile(r"(?<!\d)(20\d\d)\s*[-–—/\\]\s*(?:20)?(\d\d)(?!\d)")
_DAY_FIRST = re.compile(r"(\d{1,2})[./-](\d{1,2})(?:[./-](\d{4}|\d{2}))?\.?(?:\s*(?:г\.?|[а-я]{2}\.?))?")
_YEAR_FIRST = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[T ][0-9:.+Z-]*)?")
_WORDED = re.compile(r"(\d{1,2})\s+([а-я]{3,8})\.?(?:\s+(\d{4}))?(?:\s*г(?:\.|ода)?)?")
_ROMAN = {"i": 1, "ii": 2, "iii": 3, "iv": 4, "1": 1, "2": 2, "3": 3, "4": 4}
_CYRILLIC_ROMAN = str.maketrans("іІ", "iI")
_NUMBERED = re.compile(
    r"(?<![\w])(?P<number>iv|iii|ii|i|[1-4])(?:\s*-?\s*(?:я|ая|ую|ое|е|й|ый))?[\s.]*"
    r"(?P<kind>четв(?:ерть|ерти)?|чет|ч|полугоди[ея]|полуг|п/г|пг|триместр[а]?|трим|тр)(?![а-я])"
)
_NUMBER_BEHIND = re.compile(
    r"(?P<kind>четверт[ьи]|четв|полугоди[ея]|полуг|п/г|триместр)\.?\s*(?:№\s*)?(?P<number>iv|iii|ii|i|[1-4])(?!\w)"
)
_INITIALS = re.compile(r"([А-ЯЁA-Z])\.?\s*(?:([А-ЯЁA-Z])\.?)?")
_CLASS = re.compile(r"(?<!\d)(1[01]|[1-9])\s*[-–—.«\"'( ]*\s*([А-ЯЁа-яё])?[»\"')]*")


def plain(text: str) -> str:
    """One kind of space, none at the ends, composed letters."""
    return _SPACES.sub(" ", unicodedata.normalize("NFC", text)).strip()


def cyrillic(text: str) -> str:
    """Latin look-alikes as the Cyrillic letters that were meant."""
    return text.translate(_LOOK_ALIKE)


@lru_cache(maxsize=10_000)
def key(text: str) -> str:
    """Text as it is compared: without case, ё as е, quotes and points alike."""
    return plain(text).casefold().replace("ё", "е").replace("«", '"').replace("»", '"')


def letters(text: str) -> str:
    """A code or a class as it is compared: look-alikes meant, without case and spaces."""
    return cyrillic(plain(text)).casefold().replace("ё", "е").replace(" ", "")


def month_of(text: str) -> int | None:
    """The month that a header names: `Сентябрь`, `сентября`, `сен.`, `Сентябрь 2026`; None when it names none."""
    words = _MONTH_WORD.findall(key(cyrillic(text)))
    found = {number for word in words for number, names in enumerate(_MONTHS, start=1) if word.startswith(names)}
    return found.pop() if len(found) == 1 else None


def year_of(text: str) -> int | None:
    """The only year in a text."""
    found = {int(year) for year in _YEAR.findall(text)}
    return found.pop() if len(found) == 1 else None


def school_year_of(text: str) -> str | None:
    """`2026/2027`, when the text names one school year."""
    match = _SCHOOL_YEAR.search(text)
    if match is None:
        return None
    first = int(match[1])
    return f"{first}/{first + 1}" if int(match[2]) == (first + 1) % 100 else None


def school_year_at(day: date) -> str:
    """The school year of a day: it begins on 1 September; the summer belongs to the year that ended."""
    first = day.year if day.month >= 9 else day.year - 1
    return f"{first}/{first + 1}"


def in_school_year(year: str, month: int, day: int) -> date | None:
    """A day and month within a school year; None when the calendar has no such day."""
    first = int(year[:4])
    return make_date(first if month >= 9 else first + 1, month, day)


def make_date(year: int, month: int, day: int) -> date | None:
    """The date, or None when the calendar has no such day."""
    try:
        return date(year, month, day)
    except ValueError:
        return None


def date_of(text: str, school_year: str | None = None) -> date | None:
    """The date that the whole text is: 02.09.2026, 2.9.26, 2026-09-02, 02/09, 2 сентября 2026, 02.09 пн.

    The day comes before the month, as everywhere in Russia; what cannot be such a date is none.

    Args:
        text: the text.
        school_year: for a date without a year.
    """
    short = key(text)
    if match := _YEAR_FIRST.fullmatch(short.upper()):
        return make_date(int(match[1]), int(match[2]), int(match[3]))
    if match := _DAY_FIRST.fullmatch(short):
        return _dated(int(match[1]), int(match[2]), match[3], school_year)
    if match := _WORDED.fullmatch(short):
        month = month_of(match[2])
        return None if month is None else _dated(int(match[1]), month, match[3], school_year)
    return None


def _dated(day: int, month: int, year: str | None, school_year: str | None) -> date | None:
    if not 1 <= month <= 12:
        return None
    if year is not None:
        return make_date(int(year) + (2000 if len(year) == 2 else 0), month, day)
    return None if school_year is None else in_school_year(school_year, month, day)


def date_of_value(value: object, school_year: str | None = None) -> date | None:
    """The date of a cell, whether it is one or a text."""
    if isinstance(value, datetime):
        return value.date()
    if isinstance(value, date):
        return value
    return date_of(value, school_year) if isinstance(value, str) else None


class PeriodName(NamedTuple):
    """A period as a report names it."""

    kind: str
    """quarter, half_year, trimester, year, exam or final."""
    number: int


def period_of(text: str) -> PeriodName | None:
    """The period that a text names: `1 четверть`, `II полугодие`, `Год`, `Экз.`, `Итоговая`; None when it names none.

    A number with its kind comes before all else: `Итог. оценка 1 триместр` is of the trimester.
    """
    short = key(text.translate(_CYRILLIC_ROMAN))
    match = _NUMBERED.search(short) or _NUMBER_BEHIND.search(short)
    if match is not None:
        number = _ROMAN[match["number"]]
        if match["kind"].startswith("п"):
            return PeriodName("half_year", number) if number <= 2 else None
        if match["kind"].startswith("т"):
            return PeriodName("trimester", number) if number <= 3 else None
        return PeriodName("quarter", number)
    words = re.findall(r"[а-я]+", short)
    for kind, beginnings in (("exam", ("экз",)), ("year", ("год",)), ("final", ("итог", "аттест"))):
        if any(word.startswith(beginnings) for word in words):
            return PeriodName(kind, 1)
    return None


class PersonName(NamedTuple):
    """The parts of a name; the given name and the patronymic may be initials."""

    family: str
    given: str
    patronymic: str


def name_of(text: str, *, given_first: bool = False) -> PersonName | None:
    """A name as reports write it: `Иванов Иван Иванович`, `Иванов И. И.`, `Иванов И.`; None when it is none.

    Args:
        text: the name, perhaps with a number before it.
        given_first: `Иван Иванов` and `Иван Иванович Иванов`.
    """
    words = re.sub(r"^\d+[.)]?\s*", "", plain(text)).replace(".", ". ").split()
    if not 2 <= len(words) <= 4 or not all(re.fullmatch(r"[^\W\d_][\w'’.()-]*", word) for word in words):
        return None
    if given_first and not words[0].endswith("."):
        return PersonName(words[-1], words[0], " ".join(words[1:-1]))
    return PersonName(words[0], words[1], " ".join(words[2:]))


def class_of(text: str) -> str | None:
    """A class as it is compared: `7а` for `7 А`, `7"A"`, `7-а`; None when the text is no class."""
    match = _CLASS.fullmatch(plain(cyrillic(text)))
    return None if match is None else f"{match[1]}{(match[2] or '').casefold()}"


def decimal_of(text: str) -> Decimal | None:
    """A number with a point or a comma; None when it is none."""
    try:
        number = Decimal(plain(text).replace(",", ".").replace(" ", ""))
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number) < 1_000_000 else None
