"""Reasons why a decision cannot be registered: a code for programs, a text in Russian and English for people."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One reason. `field` is where it lies, with dots between the levels; empty for the record as a whole."""

    code: str
    field: str
    ru: str
    en: str

    def text(self) -> str:
        """Both languages, Russian first."""
        return f"{self.ru} / {self.en}"


class Refused(Exception):  # noqa: N818 - the domain's word: a decision is refused, nothing broke
    """A decision that cannot be registered, with every reason at once."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__(", ".join(fault.code for fault in faults))
        self.faults = faults


_TEXTS: dict[str, tuple[str, str, str]] = {
    "unknown_representation": (
        "representative_id",
        "Журнал не знает этого человека законным представителем этого обучающегося, или его полномочия прекращены.",
        "The journal does not know this person as a legal representative of this student, or the authority has ended.",
    ),
    "student_is_adult": (
        "representative_id",
        "Обучающийся совершеннолетний: решает он сам.",
        "The student is of age and decides for themself.",
    ),
    "student_not_adult": (
        "representative_id",
        "Обучающийся несовершеннолетний или дата рождения неизвестна: решает законный представитель.",
        "The student is not of age, or the birth date is unknown: a legal representative decides.",
    ),
    "student_agreement_missing": (
        "student_agreed",
        "Обучающемуся исполнилось 14 лет: нужно и его собственное согласие.",
        "The student is 14 or older: their own agreement is needed too.",
    ),
    "nothing_decided": (
        "decisions",
        "Не указано ни одного решения.",
        "No decision is stated.",
    ),
    "withdrawal_is_apart": (
        "decisions",
        "Отзыв согласия регистрируется отдельно, по номеру согласия.",
        "A withdrawal is registered apart, by the id of the consent.",
    ),
    "cabinet_needed": (
        "decisions.cabinet",
        "Письма и уведомления возможны только вместе с личным кабинетом.",
        "E-mail and push are possible only together with the cabinet.",
    ),
    "email_address_needed": (
        "contact.email",
        "Согласие на письма дано, но адрес электронной почты не указан.",
        "E-mail is consented to, but no address is stated.",
    ),
    "email_address_invalid": (
        "contact.email",
        "Это не адрес электронной почты.",
        "This is not an e-mail address.",
    ),
    "decided_in_future": (
        "decided_at",
        "Решение не может быть принято в будущем.",
        "A decision cannot lie in the future.",
    ),
    "older_than_current": (
        "decided_at",
        "Уже зарегистрировано более позднее решение; оно остаётся в силе.",
        "A later decision is registered already, and stays.",
    ),
    "giving_backdated": (
        "effective_from",
        "Согласие не может действовать раньше, чем оно дано.",
        "Consent cannot take effect before it was given.",
    ),
    "closing_in_future": (
        "effective_from",
        "Отзыв и несогласие действуют сразу, их нельзя отложить.",
        "A withdrawal or a refusal takes effect at once and cannot be put off.",
    ),
    "signed_in_future": (
        "document.signed_on",
        "Дата подписи ещё не наступила.",
        "The date of the signature is in the future.",
    ),
    "document_number_used": (
        "document.number",
        "Под этим номером для этой пары уже зарегистрировано другое решение.",
        "Another decision of this pair is registered under this number.",
    ),
    "scan_incomplete": (
        "document.scan_reference",
        "Скан указывают полностью: и контрольную сумму SHA-256, и место хранения.",
        "A scan is named in full: its SHA-256 and where it is kept.",
    ),
    "signed_by_another": (
        "document.signed_by",
        "Электронно подписать может только тот, кто решает.",
        "Only the person who decides can sign electronically.",
    ),
    "authority_expired": (
        "valid_until",
        "Срок полномочий уже истёк.",
        "The authority has expired already.",
    ),
    "authority_not_known": (
        "representative_id",
        "Полномочия этого представителя не зарегистрированы и журналу неизвестны.",
        "Neither the registry nor the journal knows an authority of this representative.",
    ),
    "not_of_agreement_age": (
        "student_id",
        "Собственное согласие спрашивают у обучающегося от 14 до 18 лет.",
        "The student's own agreement is asked for from 14 to 18 years.",
    ),
    "nothing_to_withdraw": (
        "purposes",
        "Отозвать можно только то, на что согласие дано.",
        "Only what was consented to can be withdrawn.",
    ),
    "unknown_person": (
        "representative_id",
        "Журнал не передавал человека с таким идентификатором.",
        "The journal has sent no person with this id.",
    ),
    "no_such_file": (
        "",
        "Файл не найден или не открывается.",
        "The file does not exist or cannot be opened.",
    ),
    "wrong_header": (
        "",
        "В первой строке нет обязательного столбца или он повторяется.",
        "The first line lacks a required column or repeats it.",
    ),
    "bad_row": (
        "",
        "Число полей не совпадает с заголовком или не закрыта кавычка.",
        "The number of fields differs from the header, or a quote is not closed.",
    ),
    "bad_value": (
        "",
        "Недопустимое значение поля.",
        "The field's value is not allowed.",
    ),
    "bad_date": (
        "",
        "Нужна дата вида 2026-10-23 или 23.10.2026.",
        "A date such as 2026-10-23 or 23.10.2026 is needed.",
    ),
    "bad_instant": (
        "",
        "Нужен момент с часовым поясом вида 2026-10-23T14:00:00+03:00.",
        "An instant with its offset such as 2026-10-23T14:00:00+03:00 is needed.",
    ),
}


def fault(code: str, within: str = "") -> Fault:
    """The reason with this code; `within` names a more exact place than usual."""
    where, ru, en = _TEXTS[code]
    return Fault(code=code, field=within or where, ru=ru, en=en)
