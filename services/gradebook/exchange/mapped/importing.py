"""Importing a mapped table: read by its map, looked up in one school's journal, taken like every other import."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import asyncpg

from chassis.clock import Clock
from chassis.database import DISTRICT, Connection, Database
from services.gradebook.exchange.bundle import ExchangeError
from services.gradebook.exchange.mapped import queries
from services.gradebook.exchange.mapped.adapted import Adapted
from services.gradebook.exchange.mapped.adapting import Adapter, content_id
from services.gradebook.exchange.mapped.directory import (
    Directory,
    Found,
    KnownPeriod,
    KnownPerson,
    StatedFinal,
    class_key,
)
from services.gradebook.exchange.mapped.facts import Final, Place, Understood
from services.gradebook.exchange.mapped.headers import Given
from services.gradebook.exchange.mapped.json_reading import JsonReader, load_json
from services.gradebook.exchange.mapped.mapping import Map
from services.gradebook.exchange.mapped.reading import read_tables
from services.gradebook.exchange.mapped.summary import summary
from services.gradebook.exchange.mapped.words import key
from services.gradebook.exchange.report import EXIT_ALL_TAKEN, EXIT_NOTHING_DONE, EXIT_SOME_REJECTED, Report
from services.gradebook.exchange.sheets import FileKind, SheetLimits, kind_of, read_workbook
from services.gradebook.importing import Progress, import_prepared
from services.gradebook.rejections import Code, RejectionLanguage, text
from services.gradebook.taking import TAKERS


@dataclass(frozen=True, slots=True)
class TableRejection:
    """What was not taken, and where it stands. Never holds the value: it may be personal."""

    file: str
    place: Place
    field: str
    code: Code

    def reason(self, language: RejectionLanguage = "ru") -> str:
        """The reason for a person."""
        return text(self.code, language)


@dataclass
class TableReport:
    """What a table said, and what became of it."""

    file: str
    map_name: str
    understood: Understood | None = None
    """None: the file could not be read at all."""
    imported: Report | None = None
    """None: a preview, without a journal."""
    rejections: list[TableRejection] = field(default_factory=list)
    rejected: int = 0
    not_taken: dict[str, int] = field(default_factory=dict)
    """Facts that were understood, of kinds that this journal does not take."""
    teachers_left_out: int = 0

    def reject(self, place: Place, field_name: str, code: Code) -> None:
        """Notes what was not taken."""
        self.rejected += 1
        self.rejections.append(TableRejection(self.file, place, field_name, code))

    @property
    def exit_code(self) -> int:
        """0: all was understood and taken; 2: something was not; 1: nothing could be done."""
        if not self.rejected:
            return EXIT_ALL_TAKEN
        if self.imported is not None:
            return EXIT_SOME_REJECTED if self.imported.taken else EXIT_NOTHING_DONE
        return EXIT_SOME_REJECTED if self.understood is not None and self.understood.facts else EXIT_NOTHING_DONE

    def as_json(self) -> dict[str, Any]:
        """The report for programs, with the reasons in both languages."""
        imported = None if self.imported is None else self.imported.as_json()
        return {
            "file": self.file,
            "map": self.map_name,
            "exit_code": self.exit_code,
            "dry_run": imported is None or imported["dry_run"],
            "understood": None if self.understood is None else summary(self.understood),
            "counts": None if imported is None else imported["counts"],
            "not_taken": self.not_taken,
            "teachers_left_out": self.teachers_left_out,
            "rejected": self.rejected,
            "rejections": [
                {
                    "file": item.file,
                    "sheet": item.place.sheet,
                    "cell": item.place.cell,
                    "line": item.place.row,
                    "field": item.field,
                    "code": str(item.code),
                    "reason": {"ru": item.reason("ru"), "en": item.reason("en")},
                }
                for item in self.rejections
            ],
        }


def understand(path: Path, rules: Map, given: Given | None = None, limits: SheetLimits | None = None) -> Understood:
    """Reads a file by a map.

    Raises:
        ExchangeError: it cannot be read.
        FileNotFoundError: there is no such file.
    """
    if kind_of(path, limits).kind is FileKind.JSON:
        if not rules.json_items:
            raise ExchangeError(Code.NOT_A_TABLE, path.name)
        return JsonReader(path.name, rules, given).read(load_json(path, limits))
    if not rules.tables:
        raise ExchangeError(Code.BAD_JSON, path.name)
    return read_tables(read_workbook(path, limits), rules, given)


def preview_table(path: Path, rules: Map, given: Given | None = None, limits: SheetLimits | None = None) -> TableReport:
    """What a file says by a map; needs no journal.

    Raises:
        FileNotFoundError: there is no such file.
    """
    report = TableReport(path.name, rules.map.name)
    try:
        report.understood = understand(path, rules, given, limits)
    except ExchangeError as error:
        report.reject(Place("", ""), "", error.code)
        return report
    for item in report.understood.unread:
        report.reject(item.place, item.field, item.code)
    report.rejected = report.understood.unread_count
    return report


async def import_table(
    database: Database,
    clock: Clock,
    path: Path,
    rules: Map,
    *,
    source: str = "district",
    school: str = "",
    given: Given | None = None,
    obtained_at: datetime | None = None,
    dry_run: bool = False,
    limits: SheetLimits | None = None,
    progress: Progress | None = None,
) -> TableReport:
    """Imports a table into one school's journal.

    Args:
        database: the gradebook's.
        clock: tells when the rows were taken.
        path: the file.
        rules: the map.
        source: the namespace of the ids, the one under which the school's people are known.
        school: the school's own id within the source; empty: the only one.
        given: what the operator says in place of the file.
        obtained_at: when new final grades came to be; None: as the map says.
        dry_run: find out what would happen, and change nothing.
        limits: what the file may cost.
        progress: told after each batch.

    Raises:
        FileNotFoundError: there is no such file.
    """
    report = preview_table(path, rules, given, limits)
    if report.understood is None:
        return report
    async with database.transaction(DISTRICT) as conn:
        directory = await load_directory(conn, source, school)
        if directory is None:
            report.reject(Place("", ""), "school", Code.UNKNOWN_SCHOOL)
            report.imported = Report(dry_run=dry_run)
            return report
        stated = await _stated(conn, directory, source, report.understood, rules)
        now = await clock.now(conn)
    adapter = Adapter(rules, directory, now, stated, obtained_at=obtained_at)
    adapted = adapter.adapt(report.understood)
    for kind in adapted.kinds():
        if kind not in TAKERS:
            report.not_taken[str(kind)] = adapted.leave_out(kind)
    report.imported = Report(dry_run=dry_run)
    await import_prepared(database, clock, adapted, report.imported, source=source, progress=progress)
    report.teachers_left_out = adapted.teachers_left_out
    _translate(report, adapted, report.imported)
    return report


def _translate(report: TableReport, adapted: Adapted, imported: Report) -> None:
    """Rejections of records, with the places in the table from which they came."""
    for item in imported.rejections:
        report.rejections.append(TableRejection(report.file, adapted.place(item.line), item.field, item.code))
    report.rejected += imported.rejected


async def load_directory(conn: Connection, source: str, school: str) -> Directory | None:
    """What the journal of a school knows; None when the school is unknown, or not named and not the only one."""
    schools = await queries.schools(conn, source)
    if school:
        schools = [row for row in schools if row["external_id"] == school or str(row["school_id"]) == school]
    if len(schools) != 1:
        return None
    row = schools[0]
    people = await queries.people(conn, row["school_id"], source)
    adults: dict[str, list[KnownPerson]] = defaultdict(list)
    for adult in await queries.adults(conn, row["school_id"], source):
        adults[adult["student_id"]].append(_person(adult))
    classes: dict[str, list[str]] = defaultdict(list)
    for group in await queries.classes(conn, row["school_id"], source):
        classes[class_key(group["name"])].append(group["external_id"])
    return Directory(
        row["school_id"],
        row["external_id"],
        row["time_zone"],
        [_person(person) for person in people if person["role"] == "student"],
        [_person(person) for person in people if person["role"] == "teacher"],
        adults,
        _by_title(await queries.subjects(conn, row["school_id"], source)),
        classes,
        {
            (period["kind"], period["number"], period["school_year"]): KnownPeriod(
                period["external_id"], period["starts_on"], period["ends_on"]
            )
            for period in await queries.periods(conn, row["school_id"], source)
        },
    )


def _person(row: asyncpg.Record) -> KnownPerson:
    classes = row["classes"] if "classes" in row else []  # noqa: SIM401 - a record is no dict
    names = frozenset(map(class_key, classes))
    return KnownPerson(row["external_id"], row["family"], row["given"], row["patronymic"], names)


def _by_title(rows: list[asyncpg.Record]) -> dict[str, str]:
    """A school's own subject of the same title goes before the district's."""
    return {key(row["title"]): row["external_id"] for row in rows}


async def _stated(
    conn: Connection, directory: Directory, source: str, understood: Understood, rules: Map
) -> dict[str, StatedFinal]:
    """The final grades of the file that were taken before."""
    ids = []
    for fact in understood.facts:
        if isinstance(fact, Final):
            student: Found = directory.student(fact.student, given_first=rules.students.given_first)
            subject = directory.subject(fact.subject, rules.subjects.aliases)
            period = directory.period(fact.period, fact.school_year)
            if isinstance(student, str) and isinstance(subject, str) and isinstance(period, KnownPeriod):
                ids.append(content_id("final", directory.school, student, subject, period.external_id))
    rows = await queries.stated_finals(conn, directory.school_id, source, ids) if ids else []
    return {row["external_id"]: StatedFinal(row["value"], row["stated_obtained_at"]) for row in rows}
