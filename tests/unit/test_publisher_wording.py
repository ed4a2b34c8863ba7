"""What families read in a mail."""

import email
import email.policy
from dataclasses import replace
from datetime import date
from decimal import Decimal
from email.message import EmailMessage
from typing import Any
from uuid import UUID

import pytest

from contracts.values import PeriodKind
from services.publisher.domain.letters import Letter
from services.publisher.domain.preferences import Kind
from services.publisher.mail.compose import UnusableAddress, compose
from services.publisher.mail.sections import LONGEST_TEXT, MOST_LINES, contents
from services.publisher.mail.wording import COUNTED, NBSP, PAGE_WORDS, PERIODS, WORDS, counted, occasion, outcome
from tests.support.letters import (
    AT,
    CANCELLED,
    COMMENTED,
    CORRECTION,
    DEFERRAL,
    EARLY,
    EXAM,
    FORECAST,
    GRADE,
    HEAD,
    HOMEWORK,
    MARK,
    MOVED,
    NEW_DAY,
    OCCASIONS,
    RECOMMENDATION,
    REPLACED,
    a_letter,
    digest,
    news,
    results,
)


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
    assert PAGE_WORDS["ru"].keys() == PAGE_WORDS["en"].keys()
    assert COUNTED["ru"].keys() == COUNTED["en"].keys()
    assert {kind.value for kind in Kind} <= COUNTED["ru"].keys()
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
    text = body(read(own), "plain")
    assert f"Анна, для вас 1{NBSP}итоговая отметка." in text
    assert "Не присылать мне писем" in text


@pytest.mark.parametrize(
    "address",
    ["", "nobody", "@", "a@b, c@d", "Name <a@example.org>", "a@example.org\r\nBcc: b@example.org", "имя@example.org"],
)
def test_what_is_no_plain_address_is_refused(address):
    with pytest.raises(UnusableAddress):
        compose(a_letter(email=address), HEAD, AT)


def told(*items: Any, language: str = "ru", occasion: Any = "news") -> str:
    """The text of a mail, with ordinary spaces."""
    return plain(a_letter(items=(), news=items, occasion=occasion, language=language))


def plain(letter: Letter) -> str:
    return body(read(letter), "plain").replace(NBSP, " ").replace("\r\n", "\n")


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (1, "1 отметка"),
        (2, "2 отметки"),
        (5, "5 отметок"),
        (11, "11 отметок"),
        (21, "21 отметка"),
        (112, "112 отметок"),
    ],
)
def test_numbers_take_their_plural_forms(number, words):
    assert counted(number, "mark", "ru").replace(NBSP, " ") == words
    assert counted(number, "mark", "en") == f"{number}{NBSP}{'mark' if number == 1 else 'marks'}"


def test_a_mail_with_results_reads_as_a_person_would_write_it():
    text = plain(results())
    assert "Анна: 2 итоговые отметки, 1 результат экзамена или конкурса, 1 исправление и 1 отсрочка." in text
    assert "Итоговые отметки\n\n- Алгебра, 1-я четверть: 4\n- Физика, 1-я четверть: незач\n" in text
    assert "Исправлено\n\n- История России. Всеобщая история, 1-я четверть: 5\n" in text
    assert "- Химия, 1-я четверть: выставление итоговой оценки отложено до 20.11.2026" in text


@pytest.mark.parametrize(
    ("items", "subject"),
    [
        ((GRADE,), "Новый результат: Анна"),
        ((GRADE, EXAM), "Новые результаты: Анна"),
        ((CORRECTION,), "Исправленный результат: Анна"),
        ((DEFERRAL,), "Отсрочка: Анна"),
        ((DEFERRAL, CORRECTION), "Новые результаты: Анна"),
    ],
)
def test_the_subject_says_what_there_is(items, subject):
    assert contents(a_letter(*items), "ru").subject == subject


@pytest.mark.parametrize(
    ("items", "subject"),
    [
        ((MARK,), "New mark: Анна"),
        ((MARK, COMMENTED), "New marks: Анна"),
        ((CANCELLED,), "Timetable change: Анна"),
        ((CANCELLED, MARK), "School news: Анна"),
    ],
)
def test_the_subject_of_news_says_what_there_is(items, subject):
    assert contents(a_letter(items=(), news=items, occasion="news"), "en").subject == subject


@pytest.mark.parametrize("make", OCCASIONS.values())
@pytest.mark.parametrize("language", ["ru", "en"])
def test_no_subject_line_has_a_mark_in_it(make, language):
    said = contents(replace(make(), language=language, given_name="Анна"), language)
    assert not any(
        figure in said.subject.replace(f"October{NBSP}23", "").replace(f"23{NBSP}октября", "") for figure in "12345"
    )


def test_sections_without_anything_are_left_out():
    text = told(MARK)
    assert "Отметки" in text
    for title in ("Домашние задания", "Расписание", "Прогноз", "Рекомендации", "Итоговые отметки"):
        assert title not in text


def test_a_forecast_says_how_unsure_it_is_in_words():
    text = told(FORECAST, EARLY, occasion="digest")
    assert "- Алгебра, 1-я четверть: скорее всего 4 (по 5 отметкам)\n  Вероятность — примерно 65 %.\n" in text
    assert "До отметки 5 достаточно: 2 контрольные работы на 5 или 5 ответов на уроке на 5." in text
    assert "пока рано судить, ближе всего 3 (по 2 отметкам)\n\nПрогноз — не отметка и не обещание" in text


@pytest.mark.parametrize(
    ("needed", "words"),
    [
        ([{"code": "out_of_reach", "grade": "5"}], "Отметка 5 в этом периоде уже вряд ли возможна."),
        (
            [
                {"code": "marks_needed_together", "grade": "5", "mark": "5", "count": 1, "work_type": "lab"},
                {"code": "marks_needed_together", "grade": "5", "mark": "5", "count": 3, "work_type": None},
            ],
            "До отметки 5 достаточно: 1 лабораторная работа на 5 и 3 отметки на 5.",
        ),
        ([{"code": "something_new", "grade": "5"}], "Вероятность"),
        ([], "Вероятность"),
    ],
)
def test_what_is_needed_is_said_as_far_as_it_is_understood(needed, words):
    assert words in told(replace(FORECAST, content={**FORECAST.content, "needed": needed}))


@pytest.mark.parametrize(("probability", "words"), [(0.999, "95 %"), (0.001, "5 %"), (0.63, "65 %")])
def test_a_probability_promises_no_more_than_there_is(probability, words):
    assert words in told(replace(FORECAST, content={**FORECAST.content, "probability": probability}))


def test_changes_of_the_timetable_are_said_in_sentences():
    text = told(REPLACED, MOVED, CANCELLED, NEW_DAY)
    assert "- Алгебра, суббота, 24 октября, 3-й урок: вместо него — Физика, кабинет 12\n" in text
    assert "- Химия, суббота, 24 октября, 5-й урок: перенесён на понедельник, 26 октября, 6-й урок\n" in text
    assert "- Музыка, суббота, 24 октября, 6-й урок: не состоится\n" in text
    assert "  1. Алгебра, 08:30, кабинет 12\n  2. Физическая культура\n" in text


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (replace(MARK, state="withdrawn"), "Алгебра, контрольная работа, 22 октября: отметка снята"),
        (replace(MARK, correction=True), "Алгебра, контрольная работа, 22 октября, исправлено: 5"),
        (replace(HOMEWORK, state="withdrawn"), "на понедельник, 26 октября: задание отменено"),
        (replace(CANCELLED, state="withdrawn"), "изменение отменено: всё по прежнему расписанию"),
        (replace(FORECAST, state="withdrawn"), "прогноза больше нет"),
        (replace(RECOMMENDATION, state="withdrawn"), "Литература, 22 октября: запись отозвана"),
        (replace(NEW_DAY, content={"what": "timetable", "lessons": []}), "Уроков в этот день не будет."),
        (replace(NEW_DAY, state="withdrawn"), "Суббота, 24 октября: изменение отменено"),
        (news(Kind.TIMETABLE_CHANGE, date(2026, 10, 24), what="replaced", number=1, subject="Труд"), "урок: замена"),
        (news(Kind.TIMETABLE_CHANGE, date(2026, 10, 24), what="cancelled", number=1), "- Урок, суббота"),
        (news(Kind.RECOMMENDATION, kind="observation", text="Молодец!"), "- Наблюдение:\n  Молодец!"),
    ],
)
def test_what_changed_since_it_was_told_is_said(item, words):
    assert words in told(item)


def test_a_very_long_text_is_shortened_at_a_word():
    text = told(news(Kind.HOMEWORK, subject="Литература", text="слово " * 1000, attachments=0))
    assert "слово слово…" in text
    assert len(text) < LONGEST_TEXT + 1000


@pytest.mark.parametrize("make", OCCASIONS.values())
def test_the_html_says_everything_that_the_text_says_and_loads_nothing(make):
    message = read(make())
    html = body(message, "html")
    for line in body(message, "plain").splitlines():
        for part in filter(None, line.strip(" -").split(": ")):
            if not part.startswith(("http", "Подробности")):
                assert part.split(", ")[0].rstrip(":") in html.replace("&#34;", '"')
    assert [word for word in ("src=", "<img", "@import", "url(", "<script", "<link") if word in html] == []


def test_a_digest_in_english_has_no_russian_but_what_people_wrote():
    text = plain(replace(digest(), language="en"))
    assert "2 marks, 2 homework tasks, 1 note from a teacher, and 2 forecasts." in text
    assert "Enough for a 5: 2 control works marked 5 or 5 answers in class marked 5." in text


def test_of_a_whole_quarters_marks_a_mail_lists_what_anybody_reads_and_counts_the_rest_but_cuts_no_result():
    marks = tuple(news(Kind.MARK, subject="Алгебра", value="4", work_type="answer") for _ in range(MOST_LINES + 3))
    text = plain(a_letter(items=(), occasion="digest", news=marks))
    assert text.count("- Алгебра") == MOST_LINES
    assert "И ещё в дневнике: 3 отметки." in unbroken(text)
    results = tuple(replace(GRADE, result_id=UUID(int=number)) for number in range(MOST_LINES + 3))
    assert plain(a_letter(*results)).count("- Алгебра") == MOST_LINES + 3


def unbroken(text: str) -> str:
    return " ".join(text.replace("\u00a0", " ").split())
