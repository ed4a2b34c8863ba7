"""What families read in a mail."""

import email
import email.policy
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import pytest

from contracts.values import PeriodKind
from services.publisher.domain.letters import Item, Letter
from services.publisher.mail.compose import Letterhead, UnusableAddress, compose
from services.publisher.mail.wording import PERIODS, WORDS, occasion, outcome

AT = datetime(2026, 10, 23, 11, tzinfo=UTC)
HEAD = Letterhead("diary@example.org", "Дневник", "https://diary.example.org", "https://diary.example.org/off")
GRADE = Item(UUID(int=1), 1, "final_grade", "set", "Алгебра", None, "quarter", 1, "4", None, None, None)
EXAM = replace(
    GRADE,
    kind="oge",
    title="ОГЭ по математике",
    period_kind=None,
    period_number=None,
    value="5",
    score=Decimal("22.50"),
    max_score=Decimal(31),
)


def a_letter(*items: Item, **different: Any) -> Letter:
    letter = Letter(
        notification_id=UUID(int=7),
        school_id=UUID(int=2),
        student_id=UUID(int=3),
        recipient_id=UUID(int=4),
        attempts=1,
        email="mother@example.org",
        language="ru",
        given_name="Анна",
        school_name="Школа № 1",
        consent_id=UUID(int=5),
        consent_revision=1,
        claimed_at=AT,
        items=items or (GRADE,),
    )
    return replace(letter, **different)


def read(letter: Letter) -> EmailMessage:
    message = email.message_from_bytes(compose(letter, HEAD, AT).content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


def body(message: EmailMessage, kind: str) -> str:
    part = message.get_body((kind,))
    assert part is not None
    return str(part.get_content())


@pytest.mark.parametrize(
    ("item", "language", "words"),
    [
        (GRADE, "ru", "4"),
        (replace(GRADE, value="незач"), "ru", "незач"),
        (replace(GRADE, value="незач"), "en", "failed"),
        (replace(GRADE, state="deferred", value=None), "ru", "выставление итоговой оценки отложено"),
        (
            replace(GRADE, state="deferred", value=None, deferred_until=date(2026, 11, 20)),
            "ru",
            "выставление итоговой оценки отложено до 20.11.2026",
        ),
        (EXAM, "ru", "баллы: 22,5 из 31, оценка: 5"),
        (EXAM, "en", "score: 22.5 of 31, grade: 5"),
        (replace(EXAM, max_score=None, value=None, score=Decimal(100)), "ru", "баллы: 100"),
        (replace(EXAM, score=None, value=None), "en", "the result has been recorded"),
    ],
)
def test_a_result_is_said_in_the_readers_words_and_figures(item, language, words):
    assert outcome(item, language) == words


def test_the_occasion_is_the_period_or_the_title():
    assert occasion(GRADE, "ru") == "1-я четверть"
    assert occasion(replace(GRADE, period_kind="half_year", period_number=2), "en") == "half-year 2"
    assert occasion(EXAM, "ru") == "ОГЭ по математике"


def test_both_languages_have_every_word_and_every_period():
    assert WORDS["ru"].keys() == WORDS["en"].keys()
    assert PERIODS["ru"].keys() == PERIODS["en"].keys() == {kind.value for kind in PeriodKind}


def test_the_same_letter_makes_the_same_headers_and_text():
    one, other = read(a_letter()), read(a_letter(attempts=2))
    kept = ("Message-ID", "Date", "From", "To", "Subject", "List-Unsubscribe", "Auto-Submitted")
    assert [one[name] for name in kept] == [other[name] for name in kept]
    assert body(one, "plain") == body(other, "plain")


def test_names_and_titles_cannot_break_out_of_the_html_or_the_headers():
    hostile = "<script>alert(1)</script>"
    message = read(a_letter(replace(GRADE, subject_title=hostile), given_name="Анна\r\nBcc: spy@example.org"))
    assert hostile not in body(message, "html")
    assert "&lt;script&gt;" in body(message, "html")
    assert message["Bcc"] is None
    assert "\n" not in message["Subject"]


def test_an_adult_reads_about_themself():
    own = a_letter(recipient_id=UUID(int=3))
    assert "Выставлены ваши результаты, Анна." in body(read(own), "plain")


@pytest.mark.parametrize(
    "address",
    ["", "nobody", "@", "a@b, c@d", "Name <a@example.org>", "a@example.org\r\nBcc: b@example.org", "имя@example.org"],
)
def test_what_is_no_plain_address_is_refused(address):
    with pytest.raises(UnusableAddress):
        compose(a_letter(email=address), HEAD, AT)
