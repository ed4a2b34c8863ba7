"""The words of a mail, in Russian and English. Nothing but text: no I/O, no clock."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Final

from services.publisher.domain.letters import Item

PERIODS: Final[Mapping[str, Mapping[str, str]]] = {
    "ru": {
        "quarter": "{number}-я четверть",
        "half_year": "{number}-е полугодие",
        "year": "год",
        "exam": "экзамен",
        "final": "итоговая",
    },
    "en": {
        "quarter": "quarter {number}",
        "half_year": "half-year {number}",
        "year": "year",
        "exam": "exam",
        "final": "final",
    },
}

VALUES_EN: Final[Mapping[str, str]] = {
    "зач": "passed",
    "незач": "failed",
    "н/а": "not assessed",
    "осв": "exempt",
}
"""What the special values mean; figures are the same in both languages."""

WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "ru": {
        "subject": "Новые результаты: {name}",
        "subject_one": "Новый результат: {name}",
        "greeting": "Здравствуйте!",
        "intro": "Выставлены результаты. Ребёнок: {name}.",
        "intro_own": "Выставлены ваши результаты, {name}.",
        "deferred": "выставление итоговой оценки отложено",
        "deferred_until": "выставление итоговой оценки отложено до {day}",
        "score": "баллы: {score}",
        "score_of": "баллы: {score} из {maximum}",
        "grade": "оценка: {grade}",
        "recorded": "результат внесён",
        "link": "Подробности в электронном дневнике:",
        "open": "Открыть дневник",
        "why": "Вы получили это письмо, потому что дали согласие на уведомления по электронной почте. "
        "Отозвать согласие можно в личном кабинете или в школе.",
        "table_subject": "Предмет",
        "table_period": "Период или испытание",
        "table_value": "Результат",
    },
    "en": {
        "subject": "New results: {name}",
        "subject_one": "New result: {name}",
        "greeting": "Hello,",
        "intro": "New results have been set. Child: {name}.",
        "intro_own": "Your new results have been set, {name}.",
        "deferred": "the final grade has been deferred",
        "deferred_until": "the final grade has been deferred until {day}",
        "score": "score: {score}",
        "score_of": "score: {score} of {maximum}",
        "grade": "grade: {grade}",
        "recorded": "the result has been recorded",
        "link": "More in the electronic diary:",
        "open": "Open the diary",
        "why": "You receive this mail because you consented to notifications by e-mail. "
        "You can withdraw the consent in your cabinet or at the school.",
        "table_subject": "Subject",
        "table_period": "Period or exam",
        "table_value": "Result",
    },
}


def occasion(item: Item, language: str) -> str:
    """The period of a final grade, or the title of an exam or competition."""
    if item.period_kind is None:
        return item.title or ""
    return PERIODS[language][item.period_kind].format(number=item.period_number)


def outcome(item: Item, language: str) -> str:
    """What the result is, in words and figures."""
    words = WORDS[language]
    if item.state == "deferred":
        if item.deferred_until is None:
            return words["deferred"]
        return words["deferred_until"].format(day=day(item.deferred_until, language))
    grade = item.value and (VALUES_EN.get(item.value, item.value) if language == "en" else item.value)
    if item.kind == "final_grade":
        return grade or words["recorded"]
    parts = []
    if item.score is not None and item.max_score is not None:
        parts.append(
            words["score_of"].format(score=number(item.score, language), maximum=number(item.max_score, language))
        )
    elif item.score is not None:
        parts.append(words["score"].format(score=number(item.score, language)))
    if grade:
        parts.append(words["grade"].format(grade=grade))
    return ", ".join(parts) or words["recorded"]


def day(value: date, language: str) -> str:
    """A date as it is read."""
    return f"{value:%d.%m.%Y}" if language == "ru" else f"{value.day} {value:%B %Y}"


def number(value: Decimal, language: str) -> str:
    """A number without useless zeros, with the language's decimal mark."""
    text = f"{value.normalize():f}"
    return text.replace(".", ",") if language == "ru" else text
