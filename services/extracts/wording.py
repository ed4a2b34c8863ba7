"""How dates, grades and periods are written on paper, in Russian and in English."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from contracts.values import Language, PeriodKind

_MONTHS: Mapping[Language, tuple[str, ...]] = {
    Language.RU: (
        "января",
        "февраля",
        "марта",
        "апреля",
        "мая",
        "июня",
        "июля",
        "августа",
        "сентября",
        "октября",
        "ноября",
        "декабря",
    ),
    Language.EN: (
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ),
}

_VALUES: Mapping[Language, Mapping[str, str]] = {
    Language.RU: {
        "5": "отлично",
        "4": "хорошо",
        "3": "удовлетворительно",
        "2": "неудовлетворительно",
        "1": "плохо",
        "зач": "зачтено",
        "незач": "не зачтено",
        "н/а": "не аттестован(а)",
        "осв": "освобождён(а)",
    },
    Language.EN: {
        "5": "excellent",
        "4": "good",
        "3": "satisfactory",
        "2": "unsatisfactory",
        "1": "poor",
        "зач": "passed",
        "незач": "failed",
        "н/а": "not assessed",
        "осв": "exempt",
    },
}

_PERIODS: Mapping[Language, Mapping[PeriodKind, str]] = {
    Language.RU: {
        PeriodKind.QUARTER: "{number} четверть",
        PeriodKind.HALF_YEAR: "{number} полугодие",
        PeriodKind.YEAR: "год",
        PeriodKind.EXAM: "экзамен",
        PeriodKind.FINAL: "итоговая",
    },
    Language.EN: {
        PeriodKind.QUARTER: "quarter {number}",
        PeriodKind.HALF_YEAR: "half-year {number}",
        PeriodKind.YEAR: "year",
        PeriodKind.EXAM: "exam",
        PeriodKind.FINAL: "final",
    },
}

_WITHDRAWN = {Language.RU: "отозвана", Language.EN: "withdrawn"}
_DEFERRED = {Language.RU: "отсрочка", Language.EN: "deferred"}
_DEFERRED_UNTIL = {Language.RU: "отсрочка до {until}", Language.EN: "deferred until {until}"}
_SCORE_OF = {Language.RU: "{score} из {most}", Language.EN: "{score} of {most}"}

NOTHING = "—"
"""Stands where a table has nothing to say."""


def long_date(day: date, language: Language) -> str:
    """Such as «23 октября 2026 г.»."""
    suffix = " г." if language is Language.RU else ""
    return f"{day.day} {_MONTHS[language][day.month - 1]} {day.year}{suffix}"


def short_date(day: date) -> str:
    """Such as «23.10.2026»."""
    return f"{day:%d.%m.%Y}"


def value_in_words(value: str, language: Language) -> str:
    """What a grade means; a value that has no words of its own stands as it is."""
    return _VALUES[language].get(value, value)


def without_value(state: str, deferred_until: date | None, language: Language) -> str:
    """What stands instead of a grade that was withdrawn or deferred."""
    if state == "withdrawn":
        return _WITHDRAWN[language]
    if state == "deferred" and deferred_until is not None:
        return _DEFERRED_UNTIL[language].format(until=short_date(deferred_until))
    return _DEFERRED[language] if state == "deferred" else NOTHING


def period(kind: str, number: int, school_year: str, language: Language) -> str:
    """Such as «1 четверть 2026/2027»."""
    return f"{_PERIODS[language][PeriodKind(kind)].format(number=number)} {school_year}"


def score(points: Decimal | None, most: Decimal | None, language: Language) -> str:
    """Such as «22 из 31»; without a maximum the points alone."""
    if points is None:
        return NOTHING
    if most is None:
        return _decimal(points, language)
    return _SCORE_OF[language].format(score=_decimal(points, language), most=_decimal(most, language))


def _decimal(number: Decimal, language: Language) -> str:
    text = f"{number:f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text.replace(".", ",") if language is Language.RU else text
