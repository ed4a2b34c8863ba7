"""From what a sheet says to a PDF, by `chassis.paper`: data reaches the template as JSON, never as typst source."""

import asyncio
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson

from chassis.paper import Press, printable
from contracts.values import Language
from services.extracts import wording
from services.extracts.domain import SheetFacts, SheetLine, local_date

_FOLDER = Path(__file__).parent / "templates"
_PRESS = Press(_FOLDER / "extract.typ", _FOLDER)

Sheet = dict[str, Any]
"""One sheet as the template takes it: texts only, in the sheet's language. Kept beside the PDF."""

_PERIOD_ORDER = ("quarter", "half_year", "year", "exam", "final")


@dataclass(frozen=True)
class Rendered:
    """A finished sheet."""

    pdf: bytes
    sha256: str
    seconds: float
    """How long typst worked."""


def make_sheet(facts: SheetFacts, lines: Iterable[SheetLine], language: Language) -> Sheet:
    """Writes out everything that a sheet says.

    Args:
        facts: number, school and names.
        lines: the results in the versions that the sheet carries, in any order.
        language: of all texts but the names.
    """
    ordered = sorted(lines, key=_reading_order)
    return {
        "language": language.value,
        "number": facts.number,
        "date": wording.long_date(local_date(facts.numbered_at, facts.time_zone), language),
        "issued_at": facts.numbered_at.isoformat(),
        "school": {"name": printable(facts.school_name), "address": printable(facts.school_address)},
        "student": printable(facts.student_name),
        "class": printable(facts.class_name),
        "recipient": printable(facts.recipient_name),
        "grades": [_grade_row(line, facts.time_zone, language) for line in ordered if line.kind == "final_grade"],
        "exams": [_exam_row(line, facts.time_zone, language) for line in ordered if line.kind == "exam"],
    }


def _reading_order(line: SheetLine) -> tuple[object, ...]:
    period = _PERIOD_ORDER.index(line.period_kind) if line.period_kind in _PERIOD_ORDER else len(_PERIOD_ORDER)
    title = line.subject_title.casefold()
    return line.school_year or "", period, line.period_number or 0, title, line.exam_title or "", str(line.result_id)


def _grade_row(line: SheetLine, time_zone: str, language: Language) -> dict[str, str]:
    kind, number, year = line.period_kind or "year", line.period_number or 1, line.school_year or ""
    return {
        "subject": printable(line.subject_title),
        "period": wording.period(kind, number, year, language),
        **_outcome(line, time_zone, language),
    }


def _exam_row(line: SheetLine, time_zone: str, language: Language) -> dict[str, str]:
    return {
        "title": printable(line.exam_title or ""),
        "subject": printable(line.subject_title),
        "score": wording.score(line.score, line.max_score, language) if line.state == "set" else wording.NOTHING,
        **_outcome(line, time_zone, language),
    }


def _outcome(line: SheetLine, time_zone: str, language: Language) -> dict[str, str]:
    if line.state == "set" and line.value is not None:
        value, words = line.value, wording.value_in_words(line.value, language)
    else:
        value, words = wording.NOTHING, wording.without_value(line.state, line.deferred_until, language)
    return {"value": value, "words": words, "obtained": wording.short_date(local_date(line.obtained_at, time_zone))}


def render(sheets: Sequence[Sheet]) -> bytes:
    """One PDF with the sheets one after the other, each on pages of its own.

    Args:
        sheets: at least one, in the order of printing.

    Raises:
        typst.TypstError: the template could not be set.
    """
    issued_at = max(datetime.fromisoformat(sheet["issued_at"]) for sheet in sheets)
    return _PRESS.pdf({"sheets": orjson.dumps(list(sheets)).decode()}, issued_at=issued_at)


class Renderer:
    """Renders in threads: typst works without the interpreter's lock, so that all cores are used."""

    def __init__(self, *, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="typst")

    async def sheet(self, sheet: Sheet) -> Rendered:
        """One sheet as a PDF of its own.

        Raises:
            typst.TypstError: the template could not be set.
        """
        return await asyncio.get_running_loop().run_in_executor(self._pool, _timed, sheet)

    async def combined(self, sheets: Sequence[Sheet]) -> bytes:
        """Many sheets as one PDF, for one print job."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, render, sheets)

    def close(self) -> None:
        """Waits for what is being rendered, and ends the threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def _timed(sheet: Sheet) -> Rendered:
    started = time.monotonic()
    pdf = render([sheet])
    return Rendered(pdf, sha256(pdf).hexdigest(), time.monotonic() - started)
