"""Words, dates and numbers in the reader's language. The catalogues are `.po` files, compiled at the start."""

from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from babel.support import NullTranslations, Translations

from contracts.values import Language

LOCALE_FOLDER = Path(__file__).parent.parent / "locale"
_CACHED_FORMATS = 4096
_LANGUAGES = {language.value for language in Language}


def n_(text: str) -> str:
    """Marks a text for translation where it stands, to be translated where it is shown."""
    return text


def _load(language: Language) -> NullTranslations:
    if language is Language.EN:  # the texts in the code are the English ones
        return NullTranslations()
    with (LOCALE_FOLDER / language.value / "LC_MESSAGES" / "cabinet.po").open("rb") as source:
        catalogue = read_po(source, locale=language.value, domain="cabinet")
    compiled = BytesIO()
    write_mo(compiled, catalogue)
    compiled.seek(0)
    return Translations(compiled, domain="cabinet")


TRANSLATIONS: dict[Language, NullTranslations] = {language: _load(language) for language in Language}

WORK_TYPES = {
    "answer": n_("Answer in class"),
    "homework": n_("Homework"),
    "self_study": n_("Self-study work"),
    "control_work": n_("Control work"),
    "lab": n_("Laboratory work"),
    "project": n_("Project"),
}
EXAM_KINDS = {
    "oge": n_("State exam, grade 9 (OGE)"),
    "ege": n_("State exam, grade 11 (EGE)"),
    "school_exam": n_("School exam"),
    "competition": n_("Competition"),
}
GRADE_WORDS = {
    "зач": n_("passed"),
    "незач": n_("failed"),
    "н/а": n_("not assessed"),
    "осв": n_("exempt"),
}
_PERIODS = {
    "quarter": n_("Quarter %(number)s"),
    "half_year": n_("Half-year %(number)s"),
    "year": n_("Year"),
    "exam": n_("Exam"),
    "final": n_("Final"),
}
_SHORT_PERIODS = {
    "quarter": n_("Q%(number)s"),
    "half_year": n_("H%(number)s"),
    "year": n_("Year"),
    "exam": n_("Exam"),
    "final": n_("Final"),
}


def choose_language(wanted: str, accept_language: str) -> Language:
    """The language that the reader chose, or else the first of their browser that we speak, or else Russian."""
    if wanted in _LANGUAGES:
        return Language(wanted)
    for part in accept_language.split(","):
        primary = part.split(";")[0].split("-")[0].strip().lower()
        if primary in _LANGUAGES:
            return Language(primary)
    return Language.RU


class Words:
    """Everything that a template says in one language."""

    def __init__(self, language: Language) -> None:
        self.language = language
        self._translations = TRANSLATIONS[language]
        self._gettext: Callable[[str], str] = self._translations.ugettext

    def text(self, message: str) -> str:
        """A text."""
        return self._gettext(message)

    def work_type(self, code: str) -> str:
        """What a mark was given for."""
        return self.text(WORK_TYPES.get(code, code))

    def exam_kind(self, code: str) -> str:
        """What kind of exam or competition."""
        return self.text(EXAM_KINDS.get(code, code))

    def grade_word(self, value: str) -> str:
        """A grade that is no number, in words; empty for numbers."""
        return self.text(GRADE_WORDS[value]) if value in GRADE_WORDS else ""

    def period(self, kind: str, number: int) -> str:
        """A reporting period."""
        return self.text(_PERIODS[kind]) % {"number": number}

    def short_period(self, kind: str, number: int) -> str:
        """A reporting period in the head of a narrow column."""
        return self.text(_SHORT_PERIODS[kind]) % {"number": number}

    def day(self, day: date) -> str:
        """A date within the school year: weekday, day, month."""
        return _format_date(day, "EEEE, d MMMM", self.language.value)

    def weekday(self, day: date) -> str:
        """The same with the weekday shortened."""
        return _format_date(day, "EEE, d MMMM", self.language.value)

    def short_day(self, day: date) -> str:
        """Day and month in digits."""
        return _format_date(day, "dd.MM" if self.language is Language.RU else "d MMM", self.language.value)

    def full_date(self, day: date) -> str:
        """A date with its year."""
        return _format_date(day, "long", self.language.value)

    def instant(self, at: datetime, time_zone: str) -> str:
        """A date and time where the school is."""
        return _format_instant(at, time_zone, self.language.value)

    def mean(self, value: Decimal) -> str:
        """A mean to two digits."""
        return _format_number(value, "0.00", self.language.value)

    def number(self, value: Decimal) -> str:
        """A number with as many digits as it has."""
        return _format_number(value, "#,##0.##", self.language.value)


@lru_cache(_CACHED_FORMATS)
def _format_date(day: date, form: str, locale: str) -> str:
    return format_date(day, form, locale=locale)


@lru_cache(_CACHED_FORMATS)
def _format_instant(at: datetime, time_zone: str, locale: str) -> str:
    return format_datetime(at, "d MMMM y, HH:mm", tzinfo=ZoneInfo(time_zone), locale=locale)


@lru_cache(_CACHED_FORMATS)
def _format_number(value: Decimal, form: str, locale: str) -> str:
    return format_decimal(value, form, locale=locale)


WORDS: dict[Language, Words] = {language: Words(language) for language in Language}
