"""Reads consents.csv and withdrawals.csv line by line: what stands there, and what is wrong with it."""

import codecs
import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from pydantic import ValidationError

from contracts.base import PersonId, StudentId
from contracts.values import Decision, Language
from services.consent.document import APART, ConsentDocument
from services.consent.faults import Fault, fault
from services.consent.model import Answer, Answers, Purpose, Withdrawal

T = TypeVar("T")

_DOCUMENT_COLUMNS = tuple(name for name in ConsentDocument.model_fields if name not in APART)
CONSENT_COLUMNS: tuple[str, ...] = (
    "representative_id",
    "student_id",
    "cabinet",
    "email",
    "push",
    "no_internet",
    "email_address",
    "language",
    "document_number",
    "decided_at",
    "student_agreed",
    *_DOCUMENT_COLUMNS,
)
"""The columns of consents.csv. More may be added: `effective_from`, `document` (paper, electronic), `scan_sha256` with
`scan_reference`, and for electronic ones `signed_at` with `session_reference`."""
WITHDRAWAL_COLUMNS: tuple[str, ...] = ("representative_id", "student_id", "purposes", "document_number")
"""The columns of withdrawals.csv; `decided_at`, `effective_from` and `document` may be added."""
CONSENT_NEEDED = frozenset({"representative_id", "student_id", "cabinet", "document_number"})
WITHDRAWAL_NEEDED = frozenset({"representative_id", "student_id"})

YEARS = range(1900, 2200)

_ANSWERS = {
    "": Decision.UNANSWERED,
    "unanswered": Decision.UNANSWERED,
    "given": Decision.GIVEN,
    "да": Decision.GIVEN,
    "refused": Decision.REFUSED,
    "нет": Decision.REFUSED,
}
_TRUTHS = {"true": True, "1": True, "да": True, "false": False, "0": False, "нет": False}
_KINDS = {"": "paper", "paper": "paper", "electronic": "electronic"}
_COLUMN_OF = {
    "contact.email": "email_address",
    "decisions": "cabinet",
    "document.number": "document_number",
}


class UnreadableFile(Exception):  # noqa: N818 - a verdict about the file
    """The file as a whole cannot be taken."""

    def __init__(self, why: Fault) -> None:
        super().__init__(why.code)
        self.fault = why


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the file: its cells by column, or why it is none."""

    line: int
    cells: Mapping[str, str]
    fault: Fault | None = None


def rows(path: Path, needed: frozenset[str]) -> Iterator[Row]:
    """The rows of a CSV file, one at a time; `,` or `;`, UTF-8 or Windows-1251.

    Args:
        path: the file.
        needed: columns without which it makes no sense.

    Raises:
        UnreadableFile: no such file, no readable text, or not these columns.
    """
    encoding = _encoding(path)
    with path.open(encoding=encoding, newline="") as file:
        first = file.readline()
        delimiter = ";" if first.count(";") > first.count(",") else ","
        header = [name.strip().casefold() for name in next(csv.reader([first], delimiter=delimiter), [])]
        for column in sorted(needed):
            if header.count(column) != 1:
                raise UnreadableFile(fault("wrong_header", column))
        yield from _rows(csv.reader(file, delimiter=delimiter, strict=True), header)


def _rows(reader: "Iterator[list[str]]", header: list[str]) -> Iterator[Row]:
    line = 2
    while True:
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error:
            yield Row(line, {}, fault("bad_row"))
        else:
            if len(cells) == len(header):
                yield Row(line, {name: cell.strip() for name, cell in zip(header, cells, strict=True)})
            elif cells:
                yield Row(line, {}, fault("bad_row"))
        line = getattr(reader, "line_num", line) + 2


def _encoding(path: Path) -> str:
    """UTF-8 with or without its mark, unless the file contradicts it."""
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                decoder.decode(block)
            decoder.decode(b"", final=True)
    except OSError:
        raise UnreadableFile(fault("no_such_file")) from None
    except UnicodeDecodeError:
        return "cp1251"
    return "utf-8-sig"


class Cells:
    """The cells of one row, with what is wrong in them."""

    def __init__(self, cells: Mapping[str, str]) -> None:
        self._cells = cells
        self.faults: list[Fault] = []

    def text(self, column: str) -> str:
        """A text; blank where the column is missing."""
        return self._cells.get(column, "")

    def choice(self, column: str, choices: Mapping[str, T], otherwise: T) -> T:
        """One of several words."""
        found = choices.get(self.text(column).casefold())
        if found is None:
            self.faults.append(fault("bad_value", column))
            return otherwise
        return found

    def truth(self, column: str) -> bool | None:
        """`true` or `false`, `да` or `нет`; None where nothing stands."""
        return self.choice(column, _TRUTHS, otherwise=False) if self.text(column) else None

    def day(self, column: str) -> date | None:
        """A date such as 2026-09-02 or 02.09.2026."""
        return self._parsed(column, _day, "bad_date")

    def instant(self, column: str) -> datetime | None:
        """An instant with its offset."""
        return self._parsed(column, _instant, "bad_instant")

    def _parsed(self, column: str, parse: Callable[[str], T], code: str) -> T | None:
        if not self.text(column):
            return None
        try:
            return parse(self.text(column))
        except ValueError:
            self.faults.append(fault(code, column))
            return None


def _day(text: str) -> date:
    if "." in text:
        return datetime.strptime(text, "%d.%m.%Y").replace(tzinfo=UTC).date()
    return date.fromisoformat(text)


def _instant(text: str) -> datetime:
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None or instant.year not in YEARS:
        raise ValueError("an instant needs its offset and a year within reason")
    return instant.astimezone(UTC)


def answer(cells: Cells, people: Mapping[str, UUID]) -> Answer | None:
    """A row of consents.csv as a request; None when something in it cannot be read (see `cells.faults`)."""
    representative, student = _people(cells, people)
    answers = Answers(*(cells.choice(purpose, _ANSWERS, Decision.UNANSWERED) for purpose in Purpose))
    language = cells.choice("language", {"": Language.RU, "ru": Language.RU, "en": Language.EN}, Language.RU)
    kind = cells.choice("document", _KINDS, "paper")
    no_internet, student_agreed = cells.truth("no_internet"), cells.truth("student_agreed")
    decided_at, effective_from = cells.instant("decided_at"), cells.instant("effective_from")
    document = _document(cells)
    if cells.faults or document is None:
        return None
    if kind == "electronic":
        # A row has one representative: whoever decides is who was signed in.
        document = document.model_copy(update={"signed_by": representative})
    return Answer(
        representative_id=representative,
        student_id=student,
        answers=answers,
        document_kind="electronic" if kind == "electronic" else "paper",
        document=document,
        no_internet=bool(no_internet),
        email_address=cells.text("email_address") or None,
        language=language,
        student_agreed=student_agreed,
        decided_at=decided_at,
        effective_from=effective_from,
    )


def withdrawal(cells: Cells, people: Mapping[str, UUID]) -> Withdrawal | None:
    """A row of withdrawals.csv as a request; None when something in it cannot be read."""
    representative, student = _people(cells, people)
    purposes: set[Purpose] = set()
    for word in cells.text("purposes").replace(",", " ").split():
        if word in Purpose.__members__.values():
            purposes.add(Purpose(word))
        else:
            cells.faults.append(fault("bad_value", "purposes"))
    kind, number = cells.choice("document", _KINDS, "paper"), cells.text("document_number")
    if not number.isprintable():
        cells.faults.append(fault("bad_value", "document_number"))
    decided_at, effective_from = cells.instant("decided_at"), cells.instant("effective_from")
    if cells.faults:
        return None
    return Withdrawal(
        representative_id=representative,
        student_id=student,
        purposes=frozenset(purposes),
        document_kind="electronic" if kind == "electronic" else "paper",
        document_number=number,
        decided_at=decided_at,
        effective_from=effective_from,
    )


def _people(cells: Cells, people: Mapping[str, UUID]) -> tuple[PersonId, StudentId]:
    found = []
    for column in ("representative_id", "student_id"):
        known = people.get(cells.text(column))
        if known is None:
            cells.faults.append(fault("unknown_person", column))
        found.append(known or UUID(int=0))
    return PersonId(found[0]), StudentId(found[1])


def _document(cells: Cells) -> ConsentDocument | None:
    texts = {
        name: cells.text(name)
        for name in (*_DOCUMENT_COLUMNS, "scan_sha256", "scan_reference", "session_reference")
        if name not in {"identity_issued_on", "signed_on", "signed"}
    }
    days = {"identity_issued_on": cells.day("identity_issued_on"), "signed_on": cells.day("signed_on")}
    signed, number = cells.truth("signed") or False, cells.text("document_number")
    try:
        return ConsentDocument.model_validate(
            {**texts, **days, "signed": signed, "number": number, "signed_at": cells.instant("signed_at")}
        )
    except ValidationError as error:
        cells.faults += [fault("bad_value", _column(str(item["loc"][0]))) for item in error.errors()]
        return None


def _column(part: str) -> str:
    return "document_number" if part == "number" else part


def column_of(field: str) -> str:
    """The column in which a fault of the domain lies."""
    return _COLUMN_OF.get(field) or field.rpartition(".")[2]
