"""The forecast in words for families, Russian first."""

from decimal import ROUND_HALF_UP, Decimal

from contracts.values import Language, WorkType
from services.gradebook.forecast.needed import Needed, Step
from services.gradebook.forecast.running import Band

BANDS: dict[Band, dict[Language, str]] = {
    Band.CERTAIN: {Language.RU: "почти наверняка", Language.EN: "almost certainly"},
    Band.LIKELY: {Language.RU: "скорее всего", Language.EN: "probably"},
    Band.OPEN: {Language.RU: "пока не ясно, ближе всего", Language.EN: "still open, closest is"},
}
"""What stands before the leading grade."""

_WORKS: dict[str, dict[Language, str]] = {
    WorkType.ANSWER: {Language.RU: "за ответ на уроке", Language.EN: "for an answer in class"},
    WorkType.HOMEWORK: {Language.RU: "за домашнее задание", Language.EN: "for homework"},
    WorkType.SELF_STUDY: {Language.RU: "за самостоятельную работу", Language.EN: "for self-study work"},
    WorkType.CONTROL_WORK: {Language.RU: "за контрольную работу", Language.EN: "on a control work"},
    WorkType.LAB: {Language.RU: "за лабораторную работу", Language.EN: "for a lab"},
    WorkType.PROJECT: {Language.RU: "за проект", Language.EN: "for a project"},
}


def _marks_ru(count: int) -> str:
    if count % 10 == 1 and count % 100 != 11:
        return "отметка"
    return "отметки" if count % 10 in {2, 3, 4} and count % 100 not in {12, 13, 14} else "отметок"


def _step(step: Step, language: Language) -> str:
    """One step: a single mark as the mark itself, several with their number."""
    if step.work_type in _WORKS:
        work = _WORKS[step.work_type][language]
    elif step.work_type:
        work = f"за работу «{step.work_type}»" if language is Language.RU else f"for “{step.work_type}”"
    else:
        work = f"с весом {step.weight}" if language is Language.RU else f"of weight {step.weight}"
    if language is Language.RU:
        number = f"{step.marks} {_marks_ru(step.marks)} " if step.marks > 1 else ""
        return f"{number}«{step.value}» {work}"
    return f"{step.marks} marks of {step.value} {work}" if step.marks > 1 else f"a {step.value} {work}"


def needed_sentence(needed: Needed, language: Language) -> str:
    """What is needed for the next grade up, or that it cannot be reached any more."""
    russian = language is Language.RU
    if needed.alternatives:
        ways = (" или " if russian else " or ").join(_step(step, language) for step in needed.alternatives[:2])
        return f"До {needed.grade} не хватает: {ways}." if russian else f"For a {needed.grade}: {ways}."
    if needed.together:
        ways = (" и " if russian else " and ").join(_step(step, language) for step in needed.together)
        return f"До {needed.grade} не хватает: {ways}." if russian else f"For a {needed.grade}: {ways}."
    best = (Decimal(needed.best_mean.numerator) / needed.best_mean.denominator).quantize(Decimal("0.01"), ROUND_HALF_UP)
    if russian:
        return f"Оценка {needed.grade} в этом периоде уже не выйдет: лучшее возможное среднее — {best}."
    return f"A {needed.grade} is out of reach in this period: the best possible mean is {best}."


def headline(grade: int, band: Band, language: Language) -> str:
    """The leading grade with its uncertainty."""
    return f"{BANDS[band][language]} {grade}"
