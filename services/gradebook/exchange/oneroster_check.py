"""The offline check of a OneRoster pack: every row of every file by the standard, with no database.

A row is either accepted, or rejected with a problem for each field at fault. Files are read once, in the order in which
they depend on each other, and nothing of them is kept but a hash of each id, so that a million results fit into a small
memory. A reference counts as answered by a row that came, even when that row is rejected for a fault of its own: one
fault is one problem, not one for each row that leads to it. Where the pack is a delta, what is referred to may have
been sent before.
"""

from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from services.gradebook.exchange.bundle import Bundle, ExchangeError, Limits
from services.gradebook.exchange.oneroster_pack import Pack, Progress
from services.gradebook.exchange.oneroster_schema import DATA_FILES, MANIFEST, Field, FileSchema
from services.gradebook.exchange.oneroster_values import Understand, anything, items, unneeded_instant
from services.gradebook.exchange.report import Rejection
from services.gradebook.exchange.table import Cells, Header, open_table
from services.gradebook.rejections import Code, RejectionLanguage

EXIT_CLEAN = 0
EXIT_UNREADABLE = 1
EXIT_PROBLEMS = 2

KEPT_PROBLEMS = 100_000
"""So many are listed one by one; beyond it they are only counted, so that a hostile pack cannot fill the memory."""
_TOLD_EVERY = 50_000


@dataclass
class FileCount:
    """Rows of a file."""

    rows: int = 0
    rejected: int = 0

    @property
    def accepted(self) -> int:
        """Rows with nothing at fault."""
        return self.rows - self.rejected


@dataclass
class CheckReport:
    """What a check has found."""

    version: str | None = None
    files: dict[str, FileCount] = field(default_factory=dict)
    problems: list[Rejection] = field(default_factory=list)
    found: int = 0
    """All problems, listed or not."""
    unread: bool = False
    """Nothing of it could be read."""
    unknown_columns: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Columns that the standard does not know; they are no problem."""
    unknown_files: list[str] = field(default_factory=list)

    def add(self, problem: Rejection) -> None:
        """Notes a problem."""
        self.found += 1
        if len(self.problems) < KEPT_PROBLEMS:
            self.problems.append(problem)

    @property
    def exit_code(self) -> int:
        """0: clean; 2: problems; 1: it cannot be read."""
        if self.unread:
            return EXIT_UNREADABLE
        return EXIT_PROBLEMS if self.found else EXIT_CLEAN

    def as_json(self, language: RejectionLanguage = "ru") -> dict[str, Any]:
        """The report for programs. `problems_left_off` is there only when the list is not whole."""
        left_off = self.found - len(self.problems)
        return {
            "version": self.version,
            "files": {
                name: {"rows": count.rows, "accepted": count.accepted, "rejected": count.rejected}
                for name, count in self.files.items()
            },
            "problems": [
                {
                    "file": problem.file,
                    "line": problem.line,
                    "field": problem.field,
                    "code": str(problem.code),
                    "reason": problem.reason(language),
                }
                for problem in self.problems
            ],
            **({"problems_left_off": left_off} if left_off else {}),
        }


def check(path: Path, limits: Limits | None = None, progress: Progress | None = None) -> CheckReport:
    """Checks a pack: a ZIP archive, or a folder with the same files.

    Args:
        path: the pack.
        limits: what may be unpacked.
        progress: told now and then.
    """
    report = CheckReport()
    try:
        bundle = Bundle.open(path, limits)
    except ExchangeError as error:
        report.unread = True
        report.add(Rejection(error.file, None, "", error.code))
        return report
    try:
        _check_pack(Pack(bundle), report, progress)
    finally:
        bundle.close()
    order = {name: place for place, name in enumerate((MANIFEST, *DATA_FILES))}
    report.problems.sort(key=lambda problem: (order.get(problem.file, len(order)), problem.line or 0))
    return report


def _check_pack(pack: Pack, report: CheckReport, progress: Progress | None) -> None:
    if not pack.files:
        report.unread = True
        report.add(Rejection(pack.bundle.path.name, None, "", Code.NOTHING_KNOWN))
        return
    report.version = pack.version
    report.unknown_files = sorted(pack.others)
    _check_manifest(pack, report)
    for name in (*pack.bundle.duplicates, *pack.duplicates):
        report.add(Rejection(name, None, "", Code.DUPLICATE_FILE))
    ids = _Ids()
    unread = 0
    for schema in pack.schema.values():
        if schema.name in pack.files:
            unread += not _FileCheck(pack, schema, ids, report, progress).run()
    report.unread = unread > 0 and unread == len([name for name in pack.files if name != MANIFEST])


def _check_manifest(pack: Pack, report: CheckReport) -> None:
    manifest = pack.manifest
    if MANIFEST in pack.files:
        lines = {fault.line for fault in manifest.faults if fault.line is not None}
        report.files[MANIFEST] = FileCount(manifest.rows, len(lines))
    wrong = [pack.version_fault] if pack.version_fault else []
    for fault in (*manifest.faults, *wrong, *pack.missing(), *pack.unannounced()):
        report.add(fault)


class _Ids:
    """Which ids came, by file, as 64-bit hashes with a secret key: eight bytes of each, and no personal data."""

    def __init__(self) -> None:
        self._taken: dict[str, set[int]] = {}
        self._at_fault: dict[str, set[int]] = {}

    def taken(self, name: str) -> set[int]:
        """The ids of rows that were accepted so far."""
        return self._taken.setdefault(name, set())

    def at_fault(self, name: str) -> set[int]:
        """The ids of rows that came, but are rejected."""
        return self._at_fault.setdefault(name, set())


class _Rule(NamedTuple):
    """How a column is checked; flat, since it is asked for every cell."""

    place: int
    spec: Field
    understand: Understand
    required: bool
    taken: set[int] | None
    at_fault: set[int] | None
    own_file: bool


class _Later(NamedTuple):
    """References into the file itself that were not answered by the rows above."""

    field: str
    lines: "array[int]"
    hashes: "array[int]"


class _FileCheck:
    """The check of one file."""

    def __init__(
        self, pack: Pack, schema: FileSchema, ids: _Ids, report: CheckReport, progress: Progress | None
    ) -> None:
        self._pack = pack
        self._schema = schema
        self._ids = ids
        self._report = report
        self._progress = progress
        self._count = FileCount()
        self._delta = pack.mode(schema.name) == "delta"
        self._later: dict[str, _Later] = {}
        self._has_own_references = any(field.refers_to == schema.name for field in schema.fields)
        self._rejected_lines: set[int] = set()
        """Kept only where a row may be found at fault a second time, when references within the file are answered."""

    def run(self) -> bool:
        """Checks the file; false when it cannot be read."""
        name = self._schema.name
        self._report.files[name] = self._count
        wanted = self._schema.columns | self._schema.uncut
        wanted |= {column for field in self._schema.fields for column in field.instead}
        try:
            with open_table(self._pack.bundle, self._pack.files[name], wanted, self._schema.aliases) as table:
                self._report.unknown_columns[name] = table.header.unknown
                if self._header_is_right(table.header):
                    self._check_rows(table.rows(), table.header)
                else:
                    self._reject_all(table.rows(), table.header)
        except ExchangeError as error:
            self._problem(None, "", error.code)
            return False
        return True

    def _required(self, field: Field) -> bool:
        return field.required or (self._delta and field.key in ("status", "datelastmodified"))

    def _header_is_right(self, header: Header) -> bool:
        if not header.columns:
            self._problem(None, "", Code.WRONG_HEADER)
            return False
        missing = [
            field.name
            for field in self._schema.fields
            if self._required(field)
            and field.key not in header.columns
            and not any(column in header.columns for column in field.instead)
        ]
        names = {field.key: field.name for field in self._schema.fields}
        for column in (*missing, *(names.get(column, column) for column in header.repeated)):
            self._problem(None, column, Code.WRONG_HEADER)
        return not missing and not header.repeated

    def _reject_all(self, rows: Iterable[Cells], header: Header) -> None:
        """Rows under a header that is wrong: none can be taken, but they came."""
        place = header.columns.get("sourcedid")
        for row in rows:
            self._count.rows += 1
            self._count.rejected += 1
            self._came(row.cells, place)

    def _came(self, cells: Sequence[str], place: int | None) -> None:
        if place is not None and place < len(cells) and (text := cells[place].strip()):
            self._ids.at_fault(self._schema.name).add(hash(text))

    def _rules(self, header: Header) -> list[_Rule]:
        rules = []
        for spec in self._schema.fields:
            plain = not self._required(spec) and not spec.refers_to and spec.understand is anything
            if spec.key not in header.columns or plain:
                continue
            target = spec.refers_to if self._must_be_found(spec) else ""
            rules.append(
                _Rule(
                    header.columns[spec.key],
                    spec,
                    unneeded_instant if spec.key == "datelastmodified" and not self._delta else spec.understand,
                    self._required(spec),
                    self._ids.taken(target) if target else None,
                    self._ids.at_fault(target) if target else None,
                    target == self._schema.name,
                )
            )
        return rules

    def _must_be_found(self, field: Field) -> bool:
        return bool(field.refers_to) and not self._delta and self._pack.mode(field.refers_to) != "delta"

    def _check_rows(self, rows: Iterable[Cells], header: Header) -> None:
        rules = self._rules(header)
        columns = header.columns
        needed = {rule.spec.key for rule in rules if rule.required and not (rule.spec.instead or rule.spec.unless)}
        enough = 1 + max((columns[column] for column in needed | self._schema.uncut if column in columns), default=0)
        place = columns["sourcedid"]
        taken = self._ids.taken(self._schema.name)
        for line, cells, given, code in rows:
            self._count.rows += 1
            if code is not None or given < enough:
                self._reject(line, [("", code or Code.BAD_ROW)])
                self._came(cells, place)
                continue
            faults = self._faults(line, cells, rules, columns)
            own = cells[place].strip()
            if not faults and hash(own) in taken:
                faults.append(("sourcedId", Code.DUPLICATE_ID))
            if faults:
                self._reject(line, faults)
                self._came(cells, place)
            else:
                taken.add(hash(own))
            if self._progress is not None and not self._count.rows % _TOLD_EVERY:
                self._progress(self._schema.name, self._count.rows)
        self._answer_later(taken)

    def _faults(
        self, line: int, cells: list[str], rules: list[_Rule], columns: Mapping[str, int]
    ) -> list[tuple[str, Code]]:
        faults: list[tuple[str, Code]] = []
        for rule in rules:
            text = cells[rule.place].strip()
            if text:
                code = self._fault(line, text, rule)
            else:
                code = Code.MISSING_VALUE if rule.required and not _excused(rule.spec, cells, columns) else None
            if code is not None:
                faults.append((rule.spec.name, code))
        for start, end in self._schema.spans:
            if start in columns and end in columns and not faults:
                faults.extend(self._span(cells[columns[start]].strip(), cells[columns[end]].strip(), end))
        return faults

    def _fault(self, line: int, text: str, rule: _Rule) -> Code | None:
        """What is wrong with a cell that is not blank."""
        _, spec, understand, required, taken, at_fault, own_file = rule
        parts: Sequence[str] = items(text) if spec.many else (text,)
        if required and not parts:
            return Code.MISSING_VALUE
        for value in parts:
            meant = understand(value)
            if isinstance(meant, Code):
                return meant
            if taken is None or at_fault is None or (key := hash(value)) in taken:
                continue
            if own_file:
                self._ask_later(spec.name, line, key)
            elif key not in at_fault:
                return Code.ORPHAN_ROW
        return None

    def _span(self, start: str, end: str, column: str) -> list[tuple[str, Code]]:
        spec = next(spec for spec in self._schema.fields if spec.key == column)
        if start and end and spec.understand(end) < spec.understand(start):
            return [(spec.name, Code.ENDS_BEFORE_START)]
        return []

    def _ask_later(self, field: str, line: int, key: int) -> None:
        later = self._later.setdefault(field, _Later(field, array("Q"), array("q")))
        later.lines.append(line)
        later.hashes.append(key)

    def _answer_later(self, taken: set[int]) -> None:
        """References within the file: only now is it known which rows came."""
        at_fault = self._ids.at_fault(self._schema.name)
        for later in self._later.values():
            reported = 0
            for line, key in zip(later.lines, later.hashes, strict=True):
                if key not in taken and key not in at_fault and line != reported:
                    reported = line
                    self._reject(line, [(later.field, Code.ORPHAN_ROW)])

    def _reject(self, line: int, faults: list[tuple[str, Code]]) -> None:
        if line not in self._rejected_lines:
            self._count.rejected += 1
            if self._has_own_references:
                self._rejected_lines.add(line)
        for column, code in faults:
            self._problem(line, column, code)

    def _problem(self, line: int | None, field: str, code: Code) -> None:
        self._report.add(Rejection(self._schema.name, line, field, code))


def _excused(spec: Field, cells: Sequence[str], columns: Mapping[str, int]) -> bool:
    """Whether a required cell may be blank in this row, since another says it, or says that there is nothing to say."""
    if any(cells[columns[other]].strip() for other in spec.instead if other in columns):
        return True
    if spec.unless is None or spec.unless[0] not in columns:
        return False
    return cells[columns[spec.unless[0]]].strip().lower().replace("_", " ") in spec.unless[1]
