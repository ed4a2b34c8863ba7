"""What the printed form says, in the words that a school hands out. A lawyer must have checked them before use."""

from collections.abc import Mapping
from datetime import date

from services.consent.model import Purpose

_MONTHS = (
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
)

PURPOSES: Mapping[Purpose, tuple[str, str]] = {
    Purpose.CABINET: (
        "Личный кабинет",
        "просмотр отметок, результатов экзаменов и конкурсов, рекомендаций и сообщений школы в электронном дневнике",
    ),
    Purpose.EMAIL: (
        "Письма",
        "отправка тех же сведений на адрес электронной почты, указанный ниже",
    ),
    Purpose.PUSH: (
        "Уведомления",
        "короткие уведомления на устройство о том, что в личном кабинете появилось новое, без имён и отметок",
    ),
}
"""The name of each purpose, and what is done for it."""

DATA = (
    "Обучающегося: фамилия, имя, отчество, дата рождения, школа и класс, отметки, посещаемость, результаты экзаменов и "
    "конкурсов, рекомендации педагогов, прогноз успешности. Представителя: фамилия, имя, отчество, адрес, сведения о "
    "документе, удостоверяющем личность, сведения о полномочиях, адрес электронной почты, данные для входа в личный "
    "кабинет и для уведомлений."
)
ACTIONS = (
    "Сбор, запись, систематизация, накопление, хранение, уточнение, извлечение, использование, предоставление "
    "представителю и обучающемуся, блокирование, удаление, уничтожение; автоматизированным способом и без средств "
    "автоматизации."
)
TERM = "До окончания обучения в этой школе или до отзыва согласия; по достижении обучающимся 18 лет он решает сам."
WITHDRAWAL = (
    "Письменным заявлением в школу или в личном кабинете, в любое время и без объяснения причин, полностью или для "
    "отдельной цели. Электронные каналы закрываются сразу; сведения об успеваемости школа выдаёт дальше на бумаге."
)
EITHER = (
    "Каждая строка решается отдельно. Письма и уведомления возможны только вместе с личным кабинетом. Несогласие не "
    "влияет на обучение: сведения выдаются на бумаге в те же сроки, не позднее 24 часов после получения результата."
)

KINDS = {
    "parent": "родитель",
    "guardian": "опекун (попечитель)",
    "other": "законный представитель",
    "student": "обучающийся, достигший 18 лет",
}
DECISIONS = {"given": "согласие", "refused": "несогласие", "withdrawn": "согласие отозвано", "unanswered": "нет ответа"}


def purposes_in_words() -> str:
    """The purposes as one text, for the registered document."""
    return "; ".join(f"{name}: {what}" for name, what in PURPOSES.values())


def long_date(day: date) -> str:
    """Such as «23 октября 2026 г.»."""
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year} г."


def short_date(day: date) -> str:
    """Such as «23.10.2026»."""
    return f"{day:%d.%m.%Y}"


def authority_document(document: str, number: str, issued_on: date | None) -> str:
    """Such as «акт об опеке № 12 от 03.02.2025»; nothing where nothing is known."""
    if not document:
        return ""
    named = f"{document} № {number}" if number else document
    return f"{named} от {short_date(issued_on)}" if issued_on else named
