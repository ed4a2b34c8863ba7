"""The public figure for people, Russian first, and for spreadsheets."""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

if TYPE_CHECKING:
    from services.publisher.api_public import FigureView, SharedCounts

Language = Literal["ru", "en"]

_PAGE = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=select_autoescape(["html.j2"], default_for_string=True, default=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
).get_template("figure.html.j2")

WORDS: Final[Mapping[Language, Mapping[str, Any]]] = {
    "ru": {
        "title": "Доступно семьям в течение 24 часов",
        "explanation": (
            "Доля итоговых отметок и результатов экзаменов, которые стали доступны каждому получателю не позднее чем "
            "через 24 часа. То, что внесли в журнал уже с опозданием, показано отдельно."
        ),
        "closed": "Бумага, срок которой задел закрытый для школы день, показана отдельно.",
        "span": {"day": "День", "month": "Месяц", "quarter": "Квартал", "school_year": "Учебный год"},
        "spans": "Период",
        "schools": "По школам",
        "no_schools": "По школам — только за месяц, квартал и учебный год: за день вышло бы слишком мало.",
        "school": "Школа",
        "district": "Район",
        "columns": ["%", "в срок", "поздно", "ещё не выдано", "внесено поздно", "срок идёт", "закрытые дни"],
        "few": "менее 10",
        "protects_few": "не показано",
        "none": "—",
        "other": "en",
        "other_name": "English",
    },
    "en": {
        "title": "Available to families within 24 hours",
        "explanation": (
            "The share of final grades and exam results that became available to each recipient within 24 hours at "
            "the latest. What was recorded late in the journal is shown apart."
        ),
        "closed": "Paper whose deadline touched a day on which the school is closed is shown apart.",
        "span": {"day": "Day", "month": "Month", "quarter": "Quarter", "school_year": "School year"},
        "spans": "Period",
        "schools": "By school",
        "no_schools": "By school for a month, a quarter and a school year only: of a day there would be too few.",
        "school": "School",
        "district": "District",
        "columns": ["%", "in time", "late", "not yet given", "recorded late", "time still runs", "closed days"],
        "few": "fewer than 10",
        "protects_few": "not shown",
        "none": "—",
        "other": "ru",
        "other_name": "Русский",
    },
}


def html(view: "FigureView", language: Language) -> str:
    """The page."""
    words = WORDS[language]

    def percent(one: "SharedCounts") -> str:
        if one.not_told:
            return str(words[one.not_told])
        return str(words["none"]) if one.percent is None else f"{one.percent:.2f} %"

    def numbers(one: "SharedCounts") -> list[str]:
        return [str(words["none"]) if value is None else f"{value}" for value in _numbers(one)]

    return _PAGE.render(view=view, words=words, language=language, percent=percent, numbers=numbers)


def _numbers(one: "SharedCounts") -> Sequence[int | None]:
    late_source = None if one.late_at_source is None else one.late_at_source + (one.unmet_at_source or 0)
    return one.in_time, one.late_by_us, one.unmet_by_us, late_source, one.still_open, one.closed_days


def table(view: "FigureView") -> str:
    """The same as CSV (RFC 4180): the district first, then the schools by name."""
    text = io.StringIO()
    writer = csv.writer(text)
    head = ["school_id", "school", "percent", "in_time", "late_by_us", "unmet_by_us", "late_at_source", "still_open"]
    writer.writerow([*head, "closed_days", "not_told"])
    writer.writerow(["", "", view.district.percent, *_numbers(view.district), view.district.not_told or ""])
    for one in view.schools:
        writer.writerow([one.school_id, _plain(one.name or ""), one.percent, *_numbers(one), one.not_told or ""])
    return text.getvalue()


def _plain(name: str) -> str:
    """A name that no spreadsheet takes for a formula."""
    return f"'{name}" if name[:1] in "=+-@\t\r" and name else name
