"""The words of a mail, in Russian and English. Nothing but text: no I/O, no clock."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Final

from babel import Locale
from babel.dates import format_date

from services.publisher.domain.letters import Item

NBSP: Final = "\u00a0"
"""Keeps a number with its word on one line."""

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
        "subject_correction": "Исправленные результаты: {name}",
        "subject_correction_one": "Исправленный результат: {name}",
        "subject_deferral": "Отсрочка: {name}",
        "subject_deferral_one": "Отсрочка: {name}",
        "subject_mark": "Новые отметки: {name}",
        "subject_mark_one": "Новая отметка: {name}",
        "subject_timetable_change": "Изменения в расписании: {name}",
        "subject_timetable_change_one": "Изменение в расписании: {name}",
        "subject_news": "Школьные новости: {name}",
        "subject_digest": "Школьная сводка, {day}: {name}",
        "greeting": "Здравствуйте!",
        "intro": "{name}: {counted}.",
        "intro_own": "{name}, для вас {counted}.",
        "final_grade": "Итоговые отметки",
        "exam_result": "Экзамены и конкурсы",
        "correction": "Исправлено",
        "deferral": "Отсрочки",
        "mark": "Отметки",
        "timetable_change": "Расписание",
        "homework": "Домашние задания",
        "recommendation": "Рекомендации педагогов",
        "forecast": "Прогноз итоговых отметок",
        "corrected": "исправлено",
        "deferred": "выставление итоговой оценки отложено",
        "deferred_until": "выставление итоговой оценки отложено до {day}",
        "score": "баллы: {score}",
        "score_of": "баллы: {score} из {maximum}",
        "grade": "оценка: {grade}",
        "recorded": "результат внесён",
        "mark_withdrawn": "отметка снята",
        "homework_for": "на {day}",
        "homework_withdrawn": "задание отменено",
        "attached": "{counted} к заданию — в дневнике.",
        "recommendation_kind": "рекомендация",
        "observation_kind": "наблюдение",
        "recommendation_withdrawn": "запись отозвана",
        "lesson": "{number}-й урок",
        "lesson_replaced_by": "вместо него — {subject}",
        "lesson_replaced": "замена",
        "lesson_room": "кабинет {room}",
        "lesson_moved": "перенесён на {day}",
        "lesson_moved_number": "перенесён на {day}, {number}-й урок",
        "lesson_cancelled": "не состоится",
        "lesson_as_planned": "изменение отменено: всё по прежнему расписанию",
        "new_timetable": "Уроки на этот день теперь такие:",
        "no_lessons": "Уроков в этот день не будет.",
        "the_lesson": "Урок",
        "band_early": "пока рано судить, ближе всего {grade}",
        "band_open": "возможна {grade}, но ещё ничего не решено",
        "band_likely": "скорее всего {grade}",
        "band_firm": "почти наверняка {grade}",
        "band_by": "{band} (по {counted})",
        "chance": "Вероятность — примерно {percent} %.",
        "needed": "До отметки {grade} достаточно: {ways}.",
        "needed_way": "{counted} на {mark}",
        "needed_any": "любая отметка {mark}",
        "or": "или",
        "out_of_reach": "Отметка {grade} в этом периоде уже вряд ли возможна.",
        "forecast_withdrawn": "прогноза больше нет",
        "forecast_note": "Прогноз — не отметка и не обещание: он меняется с каждой новой отметкой.",
        "beyond": "И ещё в дневнике: {counted}.",
        "link": "Подробности в электронном дневнике:",
        "open": "Открыть дневник",
        "why": "Вы получили это письмо, потому что дали согласие на уведомления по электронной почте. "
        "Отозвать согласие можно в личном кабинете или в школе.",
        "unsubscribe": "Не присылать писем об этом ребёнке",
        "unsubscribe_own": "Не присылать мне писем",
    },
    "en": {
        "subject": "New results: {name}",
        "subject_one": "New result: {name}",
        "subject_correction": "Corrected results: {name}",
        "subject_correction_one": "Corrected result: {name}",
        "subject_deferral": "Grades deferred: {name}",
        "subject_deferral_one": "Grade deferred: {name}",
        "subject_mark": "New marks: {name}",
        "subject_mark_one": "New mark: {name}",
        "subject_timetable_change": "Timetable changes: {name}",
        "subject_timetable_change_one": "Timetable change: {name}",
        "subject_news": "School news: {name}",
        "subject_digest": "School digest, {day}: {name}",
        "greeting": "Hello,",
        "intro": "{name}: {counted}.",
        "intro_own": "{name}, there is news for you: {counted}.",
        "final_grade": "Final grades",
        "exam_result": "Exams and competitions",
        "correction": "Corrected",
        "deferral": "Deferred",
        "mark": "Marks",
        "timetable_change": "Timetable",
        "homework": "Homework",
        "recommendation": "From the teachers",
        "forecast": "Forecast of final grades",
        "corrected": "corrected",
        "deferred": "the final grade has been deferred",
        "deferred_until": "the final grade has been deferred until {day}",
        "score": "score: {score}",
        "score_of": "score: {score} of {maximum}",
        "grade": "grade: {grade}",
        "recorded": "the result has been recorded",
        "mark_withdrawn": "the mark was removed",
        "homework_for": "for {day}",
        "homework_withdrawn": "no longer set",
        "attached": "{counted} in the diary.",
        "recommendation_kind": "recommendation",
        "observation_kind": "observation",
        "recommendation_withdrawn": "withdrawn",
        "lesson": "lesson {number}",
        "lesson_replaced_by": "{subject} instead",
        "lesson_replaced": "another teacher",
        "lesson_room": "room {room}",
        "lesson_moved": "moved to {day}",
        "lesson_moved_number": "moved to {day}, lesson {number}",
        "lesson_cancelled": "cancelled",
        "lesson_as_planned": "the change was called off: everything stays as planned",
        "new_timetable": "The lessons of this day are now:",
        "no_lessons": "There are no lessons on this day.",
        "the_lesson": "Lesson",
        "band_early": "too early to tell, closest to {grade}",
        "band_open": "{grade} is possible, nothing is decided yet",
        "band_likely": "most likely {grade}",
        "band_firm": "almost certainly {grade}",
        "band_by": "{band} (from {counted})",
        "chance": "The probability is about {percent}%.",
        "needed": "Enough for a {grade}: {ways}.",
        "needed_way": "{counted} marked {mark}",
        "needed_any": "any mark of {mark}",
        "or": "or",
        "out_of_reach": "A {grade} is hardly possible in this period any more.",
        "forecast_withdrawn": "there is no forecast any more",
        "forecast_note": "A forecast is neither a grade nor a promise: it changes with every new mark.",
        "beyond": "And in the diary: {counted} more.",
        "link": "More in the electronic diary:",
        "open": "Open the diary",
        "why": "You receive this mail because you consented to notifications by e-mail. "
        "You can withdraw the consent in your cabinet or at the school.",
        "unsubscribe": "No more mails about this child",
        "unsubscribe_own": "No more mails to me",
    },
}

COUNTED: Final[Mapping[str, Mapping[str, Mapping[str, str]]]] = {
    "ru": {
        "final_grade": {"one": "итоговая отметка", "few": "итоговые отметки", "many": "итоговых отметок"},
        "exam_result": {
            "one": "результат экзамена или конкурса",
            "few": "результата экзаменов и конкурсов",
            "many": "результатов экзаменов и конкурсов",
        },
        "correction": {"one": "исправление", "few": "исправления", "many": "исправлений"},
        "deferral": {"one": "отсрочка", "few": "отсрочки", "many": "отсрочек"},
        "mark": {"one": "отметка", "few": "отметки", "many": "отметок"},
        "timetable_change": {
            "one": "изменение в расписании",
            "few": "изменения в расписании",
            "many": "изменений в расписании",
        },
        "homework": {"one": "домашнее задание", "few": "домашних задания", "many": "домашних заданий"},
        "recommendation": {"one": "рекомендация", "few": "рекомендации", "many": "рекомендаций"},
        "forecast": {"one": "прогноз", "few": "прогноза", "many": "прогнозов"},
        "attachment": {"one": "вложение", "few": "вложения", "many": "вложений"},
        "by_marks": {"one": "отметке", "few": "отметкам", "many": "отметкам"},
        "way_answer": {"one": "ответ на уроке", "few": "ответа на уроке", "many": "ответов на уроке"},
        "way_homework": {"one": "домашняя работа", "few": "домашние работы", "many": "домашних работ"},
        "way_self_study": {
            "one": "самостоятельная работа",
            "few": "самостоятельные работы",
            "many": "самостоятельных работ",
        },
        "way_control_work": {"one": "контрольная работа", "few": "контрольные работы", "many": "контрольных работ"},
        "way_lab": {"one": "лабораторная работа", "few": "лабораторные работы", "many": "лабораторных работ"},
        "way_project": {"one": "проект", "few": "проекта", "many": "проектов"},
        "way": {"one": "отметка", "few": "отметки", "many": "отметок"},
    },
    "en": {
        "final_grade": {"one": "final grade", "other": "final grades"},
        "exam_result": {"one": "exam or competition result", "other": "exam and competition results"},
        "correction": {"one": "correction", "other": "corrections"},
        "deferral": {"one": "deferral", "other": "deferrals"},
        "mark": {"one": "mark", "other": "marks"},
        "timetable_change": {"one": "timetable change", "other": "timetable changes"},
        "homework": {"one": "homework task", "other": "homework tasks"},
        "recommendation": {"one": "note from a teacher", "other": "notes from teachers"},
        "forecast": {"one": "forecast", "other": "forecasts"},
        "attachment": {"one": "attachment", "other": "attachments"},
        "by_marks": {"one": "mark", "other": "marks"},
        "way_answer": {"one": "answer in class", "other": "answers in class"},
        "way_homework": {"one": "homework task", "other": "homework tasks"},
        "way_self_study": {"one": "self-study work", "other": "self-study works"},
        "way_control_work": {"one": "control work", "other": "control works"},
        "way_lab": {"one": "laboratory work", "other": "laboratory works"},
        "way_project": {"one": "project", "other": "projects"},
        "way": {"one": "mark", "other": "marks"},
    },
}
"""Nouns with their plural forms, by CLDR's names of the forms."""

WORK_TYPES: Final[Mapping[str, Mapping[str, str]]] = {
    "ru": {
        "answer": "ответ на уроке",
        "homework": "домашняя работа",
        "self_study": "самостоятельная работа",
        "control_work": "контрольная работа",
        "lab": "лабораторная работа",
        "project": "проект",
    },
    "en": {
        "answer": "answer in class",
        "homework": "homework",
        "self_study": "self-study work",
        "control_work": "control work",
        "lab": "laboratory work",
        "project": "project",
    },
}


def counted(number: int, noun: str, language: str) -> str:
    """A number with its noun: `3 отметки`, `5 отметок`."""
    forms = COUNTED[language][noun]
    form = str(Locale.parse(language).plural_form(number))
    return f"{number}{NBSP}{forms.get(form) or forms.get('many') or forms['other']}"


def occasion(item: Item, language: str) -> str:
    """The period of a final grade, or the title of an exam or competition."""
    return item.title or "" if item.period_kind is None else period(item.period_kind, item.period_number, language)


def period(kind: str | None, number: int | None, language: str) -> str:
    """A reporting period: `1-я четверть`."""
    return PERIODS[language][kind].format(number=number) if kind else ""


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


def short_day(value: date, language: str, *, weekday: bool = False) -> str:
    """A day within the school year: `24 октября`, `суббота, 24 октября`."""
    pattern = f"d{NBSP}MMMM" if language == "ru" else f"MMMM{NBSP}d"
    return format_date(value, f"EEEE, {pattern}" if weekday else pattern, locale=language)


def number(value: Decimal, language: str) -> str:
    """A number without useless zeros, with the language's decimal mark."""
    text = f"{value.normalize():f}"
    return text.replace(".", ",") if language == "ru" else text


PAGE_WORDS: Final[Mapping[str, Mapping[str, str]]] = {
    "ru": {
        "title": "Письма от электронного дневника",
        "ask_title": "Больше не присылать письма?",
        "ask_text": "Письма об этом ребёнке перестанут приходить на ваш адрес. Согласие останется в силе: "
        "отметки будут видны в личном кабинете, а уведомления придут в браузер, если вы их включили.",
        "button": "Да, не присылать",
        "done_title": "Письма больше не придут",
        "done_text": "Включить их снова можно в личном кабинете. Отметки по-прежнему видны там.",
        "unknown_title": "Ссылка не подходит",
        "unknown_text": "Она устарела или скопирована не целиком. "
        "Отключить письма можно в личном кабинете или в школе.",
        "busy_title": "Слишком много запросов",
        "busy_text": "Попробуйте ещё раз через минуту.",
        "cabinet": "Открыть личный кабинет",
    },
    "en": {
        "title": "Mails from the electronic diary",
        "ask_title": "No more mails?",
        "ask_text": "Mails about this child will no longer come to your address. Your consent stays in force: "
        "grades are shown in your cabinet, and notifications come to your browser if you have switched them on.",
        "button": "Yes, no more mails",
        "done_title": "There will be no more mails",
        "done_text": "You can switch them on again in your cabinet. Grades are shown there as before.",
        "unknown_title": "This link does not fit",
        "unknown_text": "It is outdated or was not copied as a whole. "
        "Mails can be ended in your cabinet or at the school.",
        "busy_title": "Too many requests",
        "busy_text": "Please try again in a minute.",
        "cabinet": "Open the cabinet",
    },
}
