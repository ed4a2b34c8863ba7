"""Every text of the cabinet exists in Russian and English; dates and numbers are in the reader's form."""

import re
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from babel.messages.catalog import Message
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

from contracts.values import Language, PeriodKind, WorkType
from services.cabinet.domain import Access
from services.cabinet.handlers import Refusal
from services.cabinet.web.texts import EXAM_KINDS, LOCALE_FOLDER, WORDS, WORK_TYPES, choose_language

WEB_FOLDER = Path(__file__).resolve().parents[2] / "services" / "cabinet" / "web"
KEYWORDS: dict[str, tuple[int, ...] | None] = {"_": None, "n_": None, "ngettext": (1, 2)}
PLACEHOLDER = re.compile(r"%\((\w+)\)s")


def _in_the_code() -> set[str | tuple[str, ...]]:
    found = extract_from_dir(
        WEB_FOLDER,
        method_map=[("**.py", "python"), ("**.html", "jinja2")],
        options_map={"**.html": {"trimmed": "true"}},
        keywords=KEYWORDS,
    )
    return {message for _, _, message, _, _ in found}


def _catalogue() -> dict[str | tuple[str, ...], Message]:
    with (LOCALE_FOLDER / "ru" / "LC_MESSAGES" / "cabinet.po").open("rb") as source:
        catalogue = read_po(source, locale="ru")
    return {
        tuple(message.id) if isinstance(message.id, list | tuple) else message.id: message
        for message in catalogue
        if message.id
    }


def _texts(message: Message) -> list[str]:
    return [message.string] if isinstance(message.string, str) else list(message.string or ())


def test_every_text_in_the_code_has_its_russian_and_none_is_left_over() -> None:
    catalogue = _catalogue()
    assert _in_the_code() == set(catalogue)
    assert all(text for message in catalogue.values() for text in _texts(message))
    assert not any(message.fuzzy for message in catalogue.values())


def test_russian_has_three_plural_forms_and_keeps_every_placeholder() -> None:
    for key, message in _catalogue().items():
        wanted = set(PLACEHOLDER.findall(key if isinstance(key, str) else key[-1]))
        texts = _texts(message)
        assert len(texts) == (1 if isinstance(key, str) else 3), key
        assert all(set(PLACEHOLDER.findall(text)) == wanted for text in texts), key


def test_russian_texts_are_russian() -> None:
    latin_words = {"Caps", "Lock", "cookie"}
    for message in _catalogue().values():
        for text in _texts(message):
            words = set(re.findall(r"[A-Za-z]{2,}", PLACEHOLDER.sub("", text)))
            assert words <= latin_words, text


def test_everything_that_a_journal_can_send_has_a_word() -> None:
    assert set(WORK_TYPES) == {item.value for item in WorkType}
    assert set(EXAM_KINDS) == {"oge", "ege", "school_exam", "competition"}
    for words in WORDS.values():
        for kind in PeriodKind:
            assert "%" not in words.period(kind.value, 1) + words.short_period(kind.value, 1)


def test_every_reason_of_a_closed_page_and_of_a_refusal_has_its_own_text() -> None:
    parts = (WEB_FOLDER / "templates" / "parts.html").read_text(encoding="utf-8")
    for reason in set(Access) - {Access.OPEN, Access.FOREIGN, Access.REPRESENTATIVES_CONSENT_MISSING}:
        assert f'child.access == "{reason.value}"' in parts, reason
    join = (WEB_FOLDER / "templates" / "join.html").read_text(encoding="utf-8")
    told_elsewhere = {Refusal.WRONG_CREDENTIALS, Refusal.TOO_MANY_ATTEMPTS, Refusal.PASSWORD_EASY}
    for refusal in set(Refusal) - told_elsewhere:
        assert f'refusal == "{refusal.value}"' in join, refusal


@pytest.mark.parametrize(
    ("chosen", "browser", "expected"),
    [
        ("", "", Language.RU),
        ("", "en-US,en;q=0.5", Language.EN),
        ("", "fr-FR, en;q=0.8", Language.EN),
        ("", "de", Language.RU),
        ("en", "ru", Language.EN),
        ("xx", "ru", Language.RU),
    ],
)
def test_the_language_is_chosen_by_the_reader_then_the_browser_then_russian(
    chosen: str, browser: str, expected: Language
) -> None:
    assert choose_language(chosen, browser) is expected


def test_dates_and_numbers_are_in_the_readers_form() -> None:
    russian, english = WORDS[Language.RU], WORDS[Language.EN]
    assert (russian.mean(Decimal("4.5")), english.mean(Decimal("4.5"))) == ("4,50", "4.50")
    assert (russian.number(Decimal("2.00")), russian.number(Decimal("1.5"))) == ("2", "1,5")
    assert russian.full_date(date(2026, 10, 23)) == "23 октября 2026\u202fг."
    assert english.full_date(date(2026, 10, 23)) == "October 23, 2026"
    assert russian.day(date(2026, 10, 23)) == "пятница, 23 октября"
    assert english.day(date(2026, 10, 23)) == "Friday, 23 October"


def test_an_instant_is_told_where_the_school_is() -> None:
    at = datetime(2026, 10, 23, 20, 30, tzinfo=UTC)
    assert WORDS[Language.RU].instant(at, "Asia/Vladivostok") == "24 октября 2026, 06:30"
    assert WORDS[Language.EN].instant(at, "Europe/Moscow") == "23 October 2026, 23:30"
