"""What the act of destruction says in Russian: a paper for the operator's files, so in no other language."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

GROUNDS: Final[Mapping[str, str]] = {
    "consent_withdrawn": "отзыв согласия на обработку персональных данных",
    "consent_refused": "отказ от электронной формы после данного ранее согласия",
    "authority_ended": "прекращены полномочия законного представителя",
    "student_adult": "обучающийся достиг совершеннолетия, согласие представителя утратило силу",
    "person_erased": "субъект исключён из электронного журнала",
    "transferred": "обучающийся перешёл в другую организацию, новый оператор согласия ещё не получил",
    "agreement_missing": "нет собственного согласия обучающегося, требуемого с 14 лет",
    "agreement_taken_back": "обучающийся отозвал собственное согласие",
    "unlawful_processing": "неправомерная обработка, правомерность которой обеспечить невозможно",
    "unlawfully_obtained": "данные получены незаконно либо не нужны для заявленной цели",
    "purpose_reached": "цель обработки достигнута",
}
_MONTH: Final = "30 дней (часть 5 статьи 21 Закона № 152-ФЗ)"
TERMS: Final[Mapping[str, str]] = {
    "unlawful_processing": "10 рабочих дней (часть 3 статьи 21 Закона № 152-ФЗ)",
    "unlawfully_obtained": "7 рабочих дней (часть 3 статьи 20 Закона № 152-ФЗ)",
    "purpose_reached": "30 дней (часть 4 статьи 21 Закона № 152-ФЗ)",
    "person_erased": "немедленно",
}
SYSTEMS: Final[Mapping[str, str]] = {
    "consent": "«Сутки»: реестр согласий",
    "gradebook": "«Сутки»: электронный журнал",
    "publisher": "«Сутки»: служба уведомлений и раскрытия",
    "cabinet": "«Сутки»: личный кабинет",
    "extracts": "«Сутки»: печать выписок",
}
CATEGORIES: Final[Mapping[str, str]] = {
    "accounts": "учётная запись личного кабинета (логин, хеш пароля)",
    "attendance": "посещаемость",
    "consent_documents": "содержание документов о согласии",
    "consents": "сведения о согласии",
    "consents_in_force": "действовавшие согласия",
    "copies_of_address": "копии адреса электронной почты в очереди сообщений",
    "decisions": "история решений о согласии (без контактных данных)",
    "disclosures": "записи о раскрытии результатов (идентификаторы и время)",
    "email_address": "адрес электронной почты и язык писем",
    "exam_results": "результаты экзаменов и конкурсных испытаний",
    "final_grades": "итоговые отметки",
    "forecasts": "прогнозы успешности",
    "invitations": "приглашение в личный кабинет",
    "marks": "отметки",
    "names": "фамилия, имя, отчество, дата рождения",
    "news": "сообщения об обучающемся, ожидавшие отправки",
    "notifications": "журнал доставки уведомлений (идентификаторы и время)",
    "preferences": "настройки уведомлений",
    "push_subscriptions": "подписки браузеров на push-уведомления",
    "register_entries": "записи журнала выдачи (номера, без имён)",
    "representations": "сведения о представительстве",
    "results": "результаты обучения",
    "sessions": "сеансы входа",
    "sheets": "файлы выписок",
    "sign_in_attempts": "попытки входа",
    "statements": "сведения, переданные журналом (история)",
    "suppressed_addresses": "отметки о недоставке на адрес (хеш адреса)",
    "teaching": "сведения о проведённых занятиях",
    "texts": "комментарии, рекомендации и примечания",
    "unread_messages": "неразобранные сообщения с персональными данными",
}
KEPT_GROUNDS: Final[Mapping[str, str]] = {
    "statutory_journal": "электронный журнал хранится весь срок, установленный для школьной документации; "
    "записи ведутся под идентификатором",
    "proof_of_consent": "подтверждение законности прежней обработки (часть 3 статьи 9 Закона № 152-ФЗ)",
    "proof_of_disclosure": "доказательство своевременного информирования: только идентификаторы и время",
    "hand_over_register": "журнал выдачи выписок ведётся без пропусков номеров",
    "paper_route": "сведения и далее предоставляются на бумаге",
    "consent_in_force": "действует другое согласие того же лица",
}
HAPPENED: Final[Mapping[str, str]] = {
    "scheduled": "начат отсчёт срока",
    "narrowed": "состав сокращён",
    "cancelled": "отменено",
    "requested": "направлено требование уничтожить",
    "confirmed": "получено подтверждение",
    "erased": "уничтожение завершено",
}
PARTS: Final[Mapping[str, str]] = {"account": "вход в кабинет", "email": "почта", "push": "push-уведомления"}
WAY: Final = (
    "удаление записей из баз данных и сообщений о них средствами программы без возможности восстановления; "
    "в журнал событий брокера внесена отметка об удалении субъекта (если уничтожены все данные)"
)
CARRIERS: Final = "электронные; машинные носители остаются в эксплуатации, бумажные носители этим актом не уничтожались"

_MONTHS = (
    "января", "февраля", "марта", "апреля", "мая", "июня",
    "июля", "августа", "сентября", "октября", "ноября", "декабря",
)  # fmt: skip


def term(ground: str) -> str:
    """The law's term for a ground."""
    return TERMS.get(ground, _MONTH)


def word(words: Mapping[str, str], code: str) -> str:
    """The words for a code; a code that a newer service sends is printed as it is."""
    return words.get(code, code.replace("_", " "))


def long_date(at: datetime, zone: ZoneInfo) -> str:
    """As a document is dated."""
    day = at.astimezone(zone).date()
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year} г."


def instant(at: datetime | None, zone: ZoneInfo) -> str:
    """Day and time where the registry is."""
    return f"{at.astimezone(zone):%d.%m.%Y %H:%M:%S}" if at else "—"


def details(happened: str, said: Mapping[str, Any]) -> str:
    """What a line of the event log adds, in words."""
    parts = "; ".join(PARTS.get(part, part) for part in said.get("parts") or [])
    match happened:
        case "scheduled":
            return f"основание: {word(GROUNDS, str(said.get('ground', '')))}" + (f"; состав: {parts}" if parts else "")
        case "narrowed" | "cancelled":
            because = {
                "consent_given_anew": "дано новое согласие",
                "demand_taken_back": "требование отозвано",
            }.get(str(said.get("because")), str(said.get("because", "")))
            return because + (f"; остаётся: {parts}" if parts else "")
        case "requested":
            return ("до истечения срока" if said.get("before_term") else "по истечении срока") + (
                f"; состав: {parts}" if parts else ""
            )
        case "confirmed":
            return word(SYSTEMS, str(said.get("service", "")))
        case _:
            return "подтвердили все службы"
