"""Tables of past grades in, tables of forecasts out. The only module of the forecast that reads and writes."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple, TextIO

from services.gradebook.forecast.history import Row
from services.gradebook.forecast.scale import Probabilities

COLUMNS = ("student", "subject", "period", "grade")
_OTHER_NAMES = {
    "student": ("student_id", "ученик", "учащийся", "обучающийся"),
    "subject": ("subject_id", "предмет"),
    "period": ("period_id", "период", "четверть"),
    "grade": ("mark", "value", "оценка", "отметка"),
}
_NAMES = {name: column for column, others in _OTHER_NAMES.items() for name in (column, *others)}
_DELIMITERS = (",", ";", "\t")
_NO_GRADES = frozenset(
    (
        "",
        "-",
        "–",
        "—",
        "н/а",
        "н\\а",
        "осв",
        "зач",
        "незач",
        "зачет",
        "зачёт",
        "незачет",
        "незачёт",
        "н",
        "б",
        "у",
        "оп",
        "na",
        "n/a",
        "nan",
        "none",
        "null",
    ),
)
"""Words that a journal puts where there is no grade of the scale; a full stop after them is ignored."""
_NUMBER = re.compile(r"([0-9]{1,3}(?:[.,][0-9]{1,12})?)[+\-\u2212]?")
MILLION = 1_000_000


class Rejected(NamedTuple):
    """A row that could not be taken."""

    line: int
    """In the file, the header being 1."""
    column: str
    """Empty for the row as a whole."""
    reason: str
    """`short_row`, `blank`, `not_a_grade`, `outside_scale`, `repeated`."""


class Reading(NamedTuple):
    """What a table held."""

    rows: tuple[Row, ...]
    without_grade: Mapping[str, int]
    """Cells without a grade of the scale, by what they said; these are no faults."""
    rejected: tuple[Rejected, ...]


class Unreadable(ValueError):  # noqa: N818 - it is told to a person as it is called
    """No table of past grades. `args[0]` says why: `empty`, or the columns that are missing, by comma."""


class _Faulty(Exception):  # noqa: N818 - it never leaves this module
    """One row's fault: the column and the reason."""


def decoded(content: bytes) -> str:
    """The text: UTF-16 with its mark, UTF-8 with or without, and otherwise Windows-1251, which spreadsheets write."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("windows-1251", errors="replace")


def read_history(content: bytes) -> Reading:
    """Reads long rows; headers in any case and order, in English or Russian; `,`, `;` or tabulators; further columns.

    Raises:
        Unreadable: there is no header with the four columns.
    """
    text = decoded(content).replace("\0", "")
    if re.match(r"sep=.\r?\n", text):
        text = text.partition("\n")[2]
    if not text.strip():
        raise Unreadable("empty")
    delimiter, places = _header(text)
    rows: list[Row] = []
    without: Counter[str] = Counter()
    rejected: list[Rejected] = []
    seen: dict[tuple[str, str, str], float] = {}
    records = _records(text, delimiter)
    next(records)
    for line, cells in records:
        try:
            row, said = _row(cells, places)
        except _Faulty as fault:
            rejected.append(Rejected(line, *fault.args))
            continue
        rows.append(row)
        if row.grade is None:
            without[said] += 1
        elif seen.setdefault(row[:3], row.grade) != row.grade:
            rejected.append(Rejected(line, "", "repeated"))
            rows.pop()
    return Reading(tuple(rows), without, tuple(rejected))


def _header(text: str) -> tuple[str, dict[str, int]]:
    """The delimiter under which the first line names most of the columns, and where they are."""
    best: tuple[str, dict[str, int]] = (",", {})
    for delimiter in _DELIMITERS:
        names = next((cells for _, cells in _records(text, delimiter)), [])
        places: dict[str, int] = {}
        for place, name in enumerate(names):
            column = _NAMES.get(name.strip().strip("\ufeff").casefold().replace(" ", "_"))
            if column is not None:
                places.setdefault(column, place)
        if len(places) > len(best[1]):
            best = delimiter, places
    missing = [column for column in COLUMNS if column not in best[1]]
    if missing:
        raise Unreadable(", ".join(missing))
    return best


def _records(text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Lines that say something, with their numbers. A field of any length is taken: the whole text is in memory."""
    csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    for cells in reader:
        if any(cell.strip() for cell in cells):
            yield reader.line_num, cells


def _row(cells: list[str], places: Mapping[str, int]) -> tuple[Row, str]:
    """The row, and what its grade's cell said."""
    if len(cells) <= max(places.values()):
        raise _Faulty("", "short_row")
    student, subject, period, said = (cells[places[column]].strip() for column in COLUMNS)
    for column, value in zip(COLUMNS, (student, subject, period), strict=False):
        if not value:
            raise _Faulty(column, "blank")
    word = said.casefold().rstrip(".")
    if word in _NO_GRADES:
        return Row(student, subject, period, None), word
    number = _NUMBER.fullmatch(said)
    if number is None:
        raise _Faulty("grade", "not_a_grade")
    grade = float(number[1].replace(",", "."))
    if not 1 <= grade <= 5:
        raise _Faulty("grade", "outside_scale")
    # A 1 is rare, means what a 2 means, and has no column in the answer.
    return Row(student, subject, period, max(grade, 2.0)), said


def exact_parts(probabilities: Probabilities) -> tuple[str, str, str, str]:
    """Six decimals each that add up to exactly 1: what rounding leaves goes to the largest remainders."""
    millionths = [int(chance * MILLION) for chance in probabilities]
    remainders = [chance * MILLION - whole for chance, whole in zip(probabilities, millionths, strict=True)]
    order = sorted(range(len(millionths)), key=lambda place: -remainders[place])
    for place in order[: MILLION - sum(millionths)]:
        millionths[place] += 1
    two, three, four, five = (f"{part // MILLION}.{part % MILLION:06d}" for part in millionths)
    return two, three, four, five


def write_forecasts(out: TextIO, forecasts: Iterable[tuple[str, str, Probabilities]]) -> None:
    """Writes `student,subject,p2,p3,p4,p5`."""
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["student", "subject", "p2", "p3", "p4", "p5"])
    for student, subject, probabilities in forecasts:
        writer.writerow([student, subject, *exact_parts(probabilities)])
