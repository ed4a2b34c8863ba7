"""What a mail says, as sections of lines in the reader's language: the same for the text and for the HTML. Pure."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

from babel.lists import format_list

from services.publisher.domain.letters import Item, Letter, NewsItem
from services.publisher.domain.preferences import CRITICAL, Kind
from services.publisher.mail.wording import (
    COUNTED,
    VALUES_EN,
    WORDS,
    WORK_TYPES,
    counted,
    occasion,
    outcome,
    period,
    short_day,
)

ORDER: Final = (
    Kind.FINAL_GRADE,
    Kind.EXAM_RESULT,
    Kind.CORRECTION,
    Kind.DEFERRAL,
    Kind.TIMETABLE_CHANGE,
    Kind.MARK,
    Kind.HOMEWORK,
    Kind.RECOMMENDATION,
    Kind.FORECAST,
)
"""The most important first."""

LONGEST_TEXT: Final = 1_500
"""Of a teacher's text; the rest is in the diary."""
MOST_LINES: Final = 40
"""Of one kind; when a journal brings a whole quarter at once, the rest is in the diary."""
_MOST_WAYS: Final = 3
_SHORT_VALUE: Final = 3
_PERCENT_STEP: Final = 5


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that is told."""

    title: str
    """A subject, or what the thing is called."""
    note: str = ""
    """When, or on what occasion."""
    value: str = ""
    """What it comes to: a grade, a score, or words."""
    paragraphs: tuple[str, ...] = ()
    points: tuple[str, ...] = ()

    @property
    def is_short(self) -> bool:
        """Whether the value is a figure to be set large."""
        return 0 < len(self.value) <= _SHORT_VALUE


@dataclass(frozen=True, slots=True)
class Section:
    """Lines of one kind."""

    title: str
    lines: tuple[Line, ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Contents:
    """A whole mail's."""

    subject: str
    intro: str
    sections: tuple[Section, ...] = field(default=())


def contents(letter: Letter, language: str) -> Contents:
    """Says what a letter tells.

    Args:
        letter: that is not empty.
        language: `ru` or `en`.
    """
    words = WORDS[language]
    name = " ".join(letter.given_name.split())
    told: dict[Kind, list[Line]] = {}
    for item in letter.items:
        told.setdefault(item.event_kind, []).append(_result(item, language))
    for one in letter.news:
        told.setdefault(one.kind, []).append(_WRITERS[one.kind](one, language))
    kinds = [kind for kind in ORDER if kind in told]
    amounts = [counted(len(told[kind]), kind.value, language) for kind in kinds]
    own = letter.recipient_id == letter.student_id
    return Contents(
        subject=_subject(letter, kinds, sum(map(len, told.values())), name, language),
        intro=words["intro_own" if own else "intro"].format(
            name=name, counted=format_list(amounts, locale=language) if amounts else ""
        ),
        sections=tuple(_section(kind, told[kind], language) for kind in kinds),
    )


def _section(kind: Kind, lines: Sequence[Line], language: str) -> Section:
    """The lines of a kind; of what is not critical, no more than anybody reads."""
    words = WORDS[language]
    notes = [words["forecast_note"]] if kind is Kind.FORECAST else []
    beyond = 0 if kind in CRITICAL else len(lines) - MOST_LINES
    if beyond > 0:
        notes.insert(0, words["beyond"].format(counted=counted(beyond, kind.value, language)))
    return Section(words[kind.value], tuple(lines[: len(lines) - max(0, beyond)]), " ".join(notes))


def _subject(letter: Letter, kinds: Sequence[Kind], count: int, name: str, language: str) -> str:
    """The subject line: what there is, never what it came to."""
    words = WORDS[language]
    if letter.occasion == "digest":
        return words["subject_digest"].format(name=name, day=short_day(letter.claimed_at.date(), language))
    one = "_one" if count == 1 else ""
    (only,) = kinds if len(kinds) == 1 else (None,)
    if only is not None and f"subject_{only.value}" in words:
        return words[f"subject_{only.value}{one}"].format(name=name)
    return words["subject_news" if letter.occasion == "news" else f"subject{one}"].format(name=name)


def _result(item: Item, language: str) -> Line:
    return Line(item.subject_title, occasion(item, language), outcome(item, language))


def _mark(one: NewsItem, language: str) -> Line:
    said, words = one.content, WORDS[language]
    work = WORK_TYPES[language].get(str(said.get("work_type", "")), "")
    if one.state == "withdrawn":
        value = words["mark_withdrawn"]
    else:
        value = VALUES_EN.get(str(said["value"]), str(said["value"])) if language == "en" else str(said["value"])
    changed = words["corrected"] if one.correction and one.state == "current" else ""
    return Line(
        str(said["subject"]),
        _joined(work, short_day(one.on, language) if one.on else "", changed),
        value,
        _paragraphs(said.get("comment")),
    )


def _homework(one: NewsItem, language: str) -> Line:
    said, words = one.content, WORDS[language]
    due = said.get("due_on")
    note = words["homework_for"].format(day=short_day(date.fromisoformat(due), language, weekday=True)) if due else ""
    if one.state == "withdrawn":
        return Line(str(said["subject"]), note, words["homework_withdrawn"])
    paragraphs = _paragraphs(said.get("text"))
    attached = int(said.get("attachments") or 0)
    if attached:
        paragraphs += (words["attached"].format(counted=counted(attached, "attachment", language)),)
    changed = words["corrected"] if one.correction else ""
    return Line(str(said["subject"]), _joined(note, changed), "", paragraphs)


def _recommendation(one: NewsItem, language: str) -> Line:
    said, words = one.content, WORDS[language]
    kind = words["observation_kind" if said.get("kind") == "observation" else "recommendation_kind"]
    note = short_day(one.on, language) if one.on else ""
    title = str(said.get("subject") or kind.capitalize())
    if one.state == "withdrawn":
        return Line(title, note, words["recommendation_withdrawn"])
    return Line(title, _joined(kind if said.get("subject") else "", note), "", _paragraphs(said.get("text")))


def _forecast(one: NewsItem, language: str) -> Line:
    said, words = one.content, WORDS[language]
    note = period(said.get("period_kind"), said.get("period_number"), language)
    if one.state == "withdrawn":
        return Line(str(said["subject"]), note, words["forecast_withdrawn"])
    band = str(said["band"])
    value = words["band_by"].format(
        band=words[f"band_{band}"].format(grade=said["leading"]),
        counted=counted(int(said["marks_counted"]), "by_marks", language),
    )
    paragraphs: list[str] = []
    if band != "early":
        # A figure to the last per cent would promise more than there is.
        percent = min(95, max(5, round(float(said["probability"]) * 100 / _PERCENT_STEP) * _PERCENT_STEP))
        paragraphs.append(words["chance"].format(percent=percent))
    paragraphs += _needed(said.get("needed") or [], language)
    return Line(str(said["subject"]), note, value, tuple(paragraphs))


def _needed(hints: Sequence[Mapping[str, Any]], language: str) -> list[str]:
    """What would make the next grade up the likely one: each of the ways alone, or several together."""
    words = WORDS[language]
    beyond = next((hint for hint in hints if hint["code"] == "out_of_reach"), None)
    if beyond is not None:
        return [words["out_of_reach"].format(grade=beyond["grade"])]
    alone = [_way(hint, language) for hint in hints if hint["code"] == "marks_needed"]
    together = [_way(hint, language) for hint in hints if hint["code"] == "marks_needed_together"]
    grade = next((hint["grade"] for hint in hints), None)
    if alone:
        ways = f" {words['or']} ".join(alone[:_MOST_WAYS])
    elif together:
        ways = format_list(together, locale=language)
    else:
        return []
    return [words["needed"].format(grade=grade, ways=ways)]


def _way(hint: Mapping[str, Any], language: str) -> str:
    words = WORDS[language]
    if not hint.get("count"):
        return words["needed_any"].format(mark=hint.get("mark") or hint["grade"])
    noun = f"way_{hint.get('work_type')}"
    return words["needed_way"].format(
        counted=counted(int(hint["count"]), noun if noun in COUNTED[language] else "way", language),
        mark=hint.get("mark") or hint["grade"],
    )


def _timetable_change(one: NewsItem, language: str) -> Line:
    said, words = one.content, WORDS[language]
    day = short_day(one.on, language, weekday=True) if one.on else ""
    if said["what"] == "timetable":
        if one.state == "withdrawn":
            return Line(_capital(day), "", words["lesson_as_planned"])
        lessons = tuple(_lesson(each, language) for each in said.get("lessons") or [])
        return Line(_capital(day), "", "", (words["new_timetable" if lessons else "no_lessons"],), lessons)
    number = words["lesson"].format(number=said["number"]) if said.get("number") is not None else ""
    title = str(said.get("subject") or words["the_lesson"])
    value = words["lesson_as_planned"] if one.state == "withdrawn" else _change(said, language)
    return Line(title, _joined(day, number), value)


def _change(said: Mapping[str, Any], language: str) -> str:
    words = WORDS[language]
    room = words["lesson_room"].format(room=said["new_room"]) if said.get("new_room") else ""
    if said["what"] == "cancelled":
        return words["lesson_cancelled"]
    if said["what"] == "moved" and said.get("moved_to_on"):
        day = short_day(date.fromisoformat(said["moved_to_on"]), language, weekday=True)
        key = "lesson_moved_number" if said.get("moved_to_number") is not None else "lesson_moved"
        return _joined(words[key].format(day=day, number=said.get("moved_to_number")), room)
    if said.get("new_subject"):
        return _joined(words["lesson_replaced_by"].format(subject=said["new_subject"]), room)
    return room or words["lesson_replaced"]


def _lesson(said: Mapping[str, Any], language: str) -> str:
    room = WORDS[language]["lesson_room"].format(room=said["room"]) if said.get("room") else ""
    return f"{said['number']}. {_joined(str(said['subject']), str(said.get('starts_at') or '')[:5], room)}"


_WRITERS: Final[Mapping[Kind, Callable[[NewsItem, str], Line]]] = {
    Kind.MARK: _mark,
    Kind.HOMEWORK: _homework,
    Kind.RECOMMENDATION: _recommendation,
    Kind.FORECAST: _forecast,
    Kind.TIMETABLE_CHANGE: _timetable_change,
}


def _paragraphs(text: object) -> tuple[str, ...]:
    """A teacher's text as paragraphs, shortened where it is very long."""
    if not text:
        return ()
    whole = str(text).strip()
    if len(whole) > LONGEST_TEXT:
        whole = whole[:LONGEST_TEXT].rsplit(None, 1)[0] + "…"
    return tuple(filter(None, (" ".join(line.split()) for line in whole.splitlines())))


def _joined(*parts: str) -> str:
    return ", ".join(_filled(parts))


def _filled(parts: Iterable[str]) -> list[str]:
    return [part for part in parts if part]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
