"""Why closing, reopening or a deferral is refused: a stable code, and a sentence in Russian and English."""

from enum import StrEnum


class Refusal(StrEnum):
    """The reason, for programs. Codes are never renamed."""

    UNKNOWN_SCHOOL = "unknown_school"
    UNKNOWN_PERIOD = "unknown_period"
    UNKNOWN_CLASS = "unknown_class"
    UNKNOWN_STUDENT = "unknown_student"
    UNKNOWN_SUBJECT = "unknown_subject"
    UNKNOWN_DEFERRAL = "unknown_deferral"
    UNKNOWN_RESULT = "unknown_result"
    NOTHING_TO_CLOSE = "nothing_to_close"
    NOT_BEGUN = "not_begun"
    NOT_CLOSED = "not_closed"
    REASON_NEEDED = "reason_needed"
    GRADES_MISSING = "grades_missing"
    PERIOD_CLOSED = "period_closed"
    ALREADY_GRADED = "already_graded"
    ALREADY_DEFERRED = "already_deferred"
    BAD_REASON = "bad_reason"
    BAD_DUE_DATE = "bad_due_date"
    WRONG_STATE = "wrong_state"


TEXTS: dict[Refusal, tuple[str, str]] = {
    Refusal.UNKNOWN_SCHOOL: ("Нет такой школы", "There is no such school"),
    Refusal.UNKNOWN_PERIOD: ("У этой школы нет такого периода", "This school has no such period"),
    Refusal.UNKNOWN_CLASS: ("У этой школы нет такого класса", "This school has no such class"),
    Refusal.UNKNOWN_STUDENT: ("В этой школе нет такого ученика", "This school has no such student"),
    Refusal.UNKNOWN_SUBJECT: ("Нет такого предмета", "There is no such subject"),
    Refusal.UNKNOWN_DEFERRAL: ("В этой школе нет такой отсрочки", "This school has no such deferral"),
    Refusal.UNKNOWN_RESULT: ("В этой школе нет такой итоговой отметки", "This school has no such final grade"),
    Refusal.NOTHING_TO_CLOSE: (
        "За этот период итоговые никому не выставляются: нет классов, которые он касается (1 класс без отметок)",
        "Nobody gets final grades for this period: it concerns no class (grade 1 has no marks)",
    ),
    Refusal.NOT_BEGUN: ("Период ещё не начался", "The period has not begun"),
    Refusal.NOT_CLOSED: ("Период и так открыт", "The period is open as it is"),
    Refusal.REASON_NEEDED: (
        "Нужна причина: отметка отличается от расчётной больше чем на балл, не выставлена (н/а) или исправляется",
        "A reason is needed: the grade is more than a point off the proposed one, is not assessed, or is a correction",
    ),
    Refusal.GRADES_MISSING: ("Не у всех есть итоговая отметка", "Not everybody has a final grade"),
    Refusal.PERIOD_CLOSED: (
        "Период закрыт: откройте его или исправьте отметку с указанием причины",
        "The period is closed: reopen it, or correct the grade and say why",
    ),
    Refusal.ALREADY_GRADED: ("Итоговая уже выставлена", "The final grade is set already"),
    Refusal.ALREADY_DEFERRED: ("Отсрочка уже запрошена или действует", "A deferral is asked for or running already"),
    Refusal.BAD_REASON: (
        "По такой причине отсрочка не предусмотрена настройками школы",
        "The school's settings know no deferral for this reason",
    ),
    Refusal.BAD_DUE_DATE: (
        "Срок отсрочки должен быть позже сегодняшнего дня и даты документа",
        "A deferral's last day must come after today and after the document's date",
    ),
    Refusal.WRONG_STATE: ("В этом состоянии отсрочки так поступить нельзя", "The deferral's state does not allow it"),
}


class Refused(Exception):  # noqa: N818 - the outcome of a rule
    """A use case was refused; nothing was changed."""

    def __init__(self, code: Refusal) -> None:
        super().__init__(str(code))
        self.code = code

    def text(self, language: str = "ru") -> str:
        """The sentence for a person."""
        russian, english = TEXTS[self.code]
        return english if language == "en" else russian
