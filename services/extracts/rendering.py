"""From what a sheet says to a PDF: tagged (PDF/UA-1), archivable (PDF/A-2a), always the same bytes for the same data.

Data reaches the template as JSON in `sys.inputs`; nothing that somebody typed is ever typst source. The font is shipped
with the code and the machine's own fonts are ignored, so that the output does not depend on where it is made.
"""

import asyncio
import threading
import time
import unicodedata
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import typst

from contracts.values import Language
from services.extracts import wording
from services.extracts.domain import SheetFacts, SheetLine, local_date

if TYPE_CHECKING:
    from typst import PDFStandard  # stands in the stubs only

_FOLDER = Path(__file__).parent
_TEMPLATE = _FOLDER / "templates" / "extract.typ"
_STANDARDS: "list[PDFStandard]" = ["ua-1", "a-2a"]

Sheet = dict[str, Any]
"""One sheet as the template takes it: texts only, in the sheet's language. Kept beside the PDF."""

LONGEST_WORD = 36
"""A longer word may be broken anywhere after so many characters, so that it stays on the paper."""

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
        "school": {"name": _printable(facts.school_name), "address": _printable(facts.school_address)},
        "student": _printable(facts.student_name),
        "class": _printable(facts.class_name),
        "recipient": _printable(facts.recipient_name),
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
        "subject": _printable(line.subject_title),
        "period": wording.period(kind, number, year, language),
        **_outcome(line, time_zone, language),
    }


def _exam_row(line: SheetLine, time_zone: str, language: Language) -> dict[str, str]:
    return {
        "title": _printable(line.exam_title or ""),
        "subject": _printable(line.subject_title),
        "score": wording.score(line.score, line.max_score, language) if line.state == "set" else wording.NOTHING,
        **_outcome(line, time_zone, language),
    }


def _outcome(line: SheetLine, time_zone: str, language: Language) -> dict[str, str]:
    if line.state == "set" and line.value is not None:
        value, words = line.value, wording.value_in_words(line.value, language)
    else:
        value, words = wording.NOTHING, wording.without_value(line.state, line.deferred_until, language)
    return {"value": value, "words": words, "obtained": wording.short_date(local_date(line.obtained_at, time_zone))}


def _printable(text: str) -> str:
    """Without control and direction characters, which break PDF/A, and never wider than the paper."""
    kept = (" " if unicodedata.category(char) in ("Cc", "Zl", "Zp") else char for char in text)
    words = "".join(char for char in kept if unicodedata.category(char)[0] != "C").split()
    return " ".join(_breakable(word) for word in words)


def _breakable(word: str) -> str:
    parts = (word[start : start + LONGEST_WORD] for start in range(0, len(word), LONGEST_WORD))
    return "\N{ZERO WIDTH SPACE}".join(parts)


_local = threading.local()


def _compiler() -> typst.Compiler:
    """One compiler for each thread, kept alive: fonts and template are read once."""
    compiler: typst.Compiler | None = getattr(_local, "compiler", None)
    if compiler is None:
        compiler = typst.Compiler(_TEMPLATE, root=_FOLDER, font_paths=[_FOLDER / "fonts"], ignore_system_fonts=True)
        _local.compiler = compiler
    return compiler


def render(sheets: Sequence[Sheet]) -> bytes:
    """One PDF with the sheets one after the other, each on pages of its own.

    Args:
        sheets: at least one, in the order of printing.

    Raises:
        typst.TypstError: the template could not be set.
    """
    inputs = {"sheets": orjson.dumps(list(sheets)).decode()}
    issued = max(datetime.fromisoformat(sheet["issued_at"]) for sheet in sheets)
    timestamp = int(issued.timestamp())
    try:
        pdf = _compiler().compile(sys_inputs=inputs, format="pdf", pdf_standards=_STANDARDS, timestamp=timestamp)
    except typst.TypstError:
        # PDF/A forbids a character that no font has. A family must not go without its sheet for that: the same page,
        # tagged, but not declared archivable, with a box in place of the character.
        pdf = _compiler().compile(sys_inputs=inputs, format="pdf", timestamp=timestamp)
    if not isinstance(pdf, bytes):
        raise TypeError("typst gave no PDF")
    return pdf


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
