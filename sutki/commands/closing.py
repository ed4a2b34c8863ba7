"""`sutki close-period`, `reopen-period`, `statistics`, `summary-sheet`: the end of a period at a school."""

import asyncio
import getpass
from pathlib import Path
from typing import Annotated, Literal, NoReturn, cast
from uuid import UUID

import orjson
import typer
from rich.markup import escape

from chassis.clock import DatabaseClock
from chassis.database import DISTRICT, Database
from contracts.values import PeriodKind
from services.gradebook import naming
from services.gradebook.closing import handlers as closing
from services.gradebook.closing.desk import Desk
from services.gradebook.closing.domain import Line
from services.gradebook.closing.refusals import Refusal, Refused
from services.gradebook.closing.report import ClassReport, ClosingReport, why
from services.gradebook.exchange.private import write_private
from services.gradebook.statistics import handlers as counting
from services.gradebook.statistics.tables import By, DistrictBy, Row, Statistics, shown
from services.gradebook.statistics.workbook import workbook as statistics_workbook
from services.gradebook.summary_sheet import NoSuchClass, SummarySheet, summary_sheet, workbook
from sutki import environment
from sutki.commands.taking import SourceOption
from sutki.console import EXIT_SOME_REJECTED, err, fail, out, table
from sutki.texts import english, tr

SHOWN = 200

SchoolArgument = Annotated[str, typer.Argument(help=tr("школа: её идентификатор в журнале или наш", "the school's id"))]
PeriodArgument = Annotated[str, typer.Argument(help=tr("период: его идентификатор", "the period's id"))]
ClassOption = Annotated[str | None, typer.Option("--class", help=tr("только один класс", "one class only"))]
JsonOption = Annotated[bool, typer.Option("--json", help=tr("в формате JSON", "as JSON"))]
XlsxOption = Annotated[Path | None, typer.Option("--xlsx", help=tr("записать файл XLSX", "write a workbook"))]


def _language() -> Literal["ru", "en"]:
    return "en" if english() else "ru"


def _operator() -> str:
    """Who works at this terminal, for the history: the system's account."""
    return f"cli:{getpass.getuser()}"


async def _find(database: Database, source: str, kind: str, name: str, refusal: Refusal) -> UUID:
    async with database.transaction(DISTRICT) as conn:
        found = await naming.meant(conn, source, kind, name)
    if found is None:
        raise Refused(refusal)
    return found


async def _at(
    database: Database, source: str, school: str, period: str, group: str | None
) -> tuple[UUID, UUID, UUID | None]:
    return (
        await _find(database, source, "school", school, Refusal.UNKNOWN_SCHOOL),
        await _find(database, source, "period", period, Refusal.UNKNOWN_PERIOD),
        None if group is None else await _find(database, source, "group", group, Refusal.UNKNOWN_CLASS),
    )


def close_period(
    school: SchoolArgument,
    period: PeriodArgument,
    group: ClassOption = None,
    check: Annotated[bool, typer.Option("--check", help=tr("только показать", "only show"))] = False,
    as_json: JsonOption = False,
    source: SourceOption = "district",
) -> None:
    """Закрыть период / close a period: only when everybody has a grade, an exemption, н/а with a reason or a deferral.

    Exit code 0: closed (with --check: nothing is missing); 2: something is missing, and who; 1: it cannot be done.
    """

    async def work() -> ClosingReport:
        async with environment.database("gradebook") as database:
            school_id, period_id, class_id = await _at(database, source, school, period, group)
            desk = Desk(database, DatabaseClock(), DISTRICT, school_id, _operator())
            return await (closing.look if check else closing.close)(desk, period_id, class_id)

    try:
        report = asyncio.run(work())
    except Refused as refused:
        _refuse(refused, as_json=as_json)
    if as_json:
        typer.echo(orjson.dumps(report.as_json(), default=str))
    else:
        print_closing(report)
    raise typer.Exit(EXIT_SOME_REJECTED if report.missing else 0)


def reopen_period(
    school: SchoolArgument,
    period: PeriodArgument,
    because: Annotated[str, typer.Option(help=tr("почему", "why"))],
    group: ClassOption = None,
    source: SourceOption = "district",
) -> None:
    """Открыть закрытый период снова / open a closed period again; who, when and why stays in the history."""

    async def work() -> ClosingReport:
        async with environment.database("gradebook") as database:
            school_id, period_id, class_id = await _at(database, source, school, period, group)
            desk = Desk(database, DatabaseClock(), DISTRICT, school_id, _operator())
            return await closing.reopen(desk, period_id, class_id, reason=because)

    try:
        report = asyncio.run(work())
    except Refused as refused:
        _refuse(refused)
    print_closing(report)


def _refuse(refused: Refused, *, as_json: bool = False) -> NoReturn:
    if as_json:
        typer.echo(orjson.dumps({"code": refused.code.value, "detail": refused.text(_language())}))
        raise typer.Exit(1)
    fail(escape(f"{refused.text(_language())} [{refused.code}]"))


_STATES = {
    "open": ("открыт", "open"),
    "closed": ("закрыт", "closed"),
    "reopened": ("открыт снова", "reopened"),
}


def print_closing(report: ClosingReport) -> None:
    """The classes, and everybody who keeps one open."""
    period = report.period
    classes = table(
        tr("Период", "Period") + f" {period.kind.value} {period.number} {period.school_year}",
        tr("класс", "class"),
        tr("состояние", "state"),
        tr("строк", "lines"),
        tr("не хватает", "missing"),
        tr("ждут решения педсовета", "held"),
    )
    for part in report.classes:
        state = tr(*_STATES[part.state.value])
        classes.add_row(part.name, state, str(len(part.lines)), str(len(part.missing)), str(len(part.held)))
    out.print(classes)
    if not report.missing:
        return
    gaps = table(
        tr("Кому ещё не выставлено", "Who has none"),
        tr("ученик", "student"),
        tr("класс", "class"),
        tr("предмет", "subject"),
        tr("отметок", "marks"),
        tr("расчётная", "proposed"),
        tr("выставлена", "set"),
        tr("почему", "why"),
    )
    lines = [(part, line) for part in report.classes for line in part.missing]
    for part, line in lines[:SHOWN]:
        gaps.add_row(*_gap(report, part, line))
    err.print(gaps)
    if len(lines) > SHOWN:
        err.print(tr(f"… всего {len(lines)}; весь список: --json", f"… {len(lines)} in all; the whole list: --json"))


def _gap(report: ClosingReport, part: ClassReport, line: Line) -> list[str]:
    situation = line.situation
    return [
        report.full_name(situation.student_id),
        part.name,
        report.title(situation.subject_id),
        str(situation.marks),
        "" if situation.proposed is None else str(situation.proposed),
        "" if situation.given is None else situation.given.value,
        why(line, _language()),
    ]


# --- statistics -----------------------------------------------------------------------------------------------------


def statistics(
    school: Annotated[
        str | None, typer.Argument(help=tr("школа; без неё — весь район", "the school; without it the district"))
    ] = None,
    period: Annotated[str | None, typer.Argument(help=tr("период школы", "the school's period"))] = None,
    by: Annotated[str | None, typer.Option(help="school, class, group, teacher, subject; district")] = None,
    split: Annotated[
        bool, typer.Option("--subjects", help=tr("каждую строку по предметам", "split by subject"))
    ] = False,
    kind: Annotated[PeriodKind, typer.Option(help=tr("район: вид периода", "district: kind"))] = PeriodKind.QUARTER,
    number: Annotated[int, typer.Option(min=1, max=4, help=tr("район: номер", "district: number"))] = 1,
    school_year: Annotated[str | None, typer.Option(help=tr("район: учебный год", "district: school year"))] = None,
    xlsx: XlsxOption = None,
    as_json: JsonOption = False,
    source: SourceOption = "district",
) -> None:
    """Статистика / statistics: of a school's period, or of the same period of all schools (--school-year 2026/2027)."""
    allowed = ("school", "class", "group", "teacher", "subject") if school else ("district", "school", "subject")
    chosen = by or ("class" if school else "school")
    if chosen not in allowed:
        fail(tr("--by: одно из ", "--by: one of ") + ", ".join(allowed))
    if (school and not period) or (not school and not school_year):
        fail(tr("Нужны школа и период, или --school-year.", "Give a school and a period, or --school-year."))

    async def work() -> Statistics:
        async with environment.database("gradebook") as database:
            if school and period:
                school_id, period_id, _ = await _at(database, source, school, period, None)
                return await counting.of_school(
                    database, DISTRICT, school_id, period_id, by=cast("By", chosen), split_by_subject=split
                )
            return await counting.of_district(
                database,
                DISTRICT,
                kind=kind.value,
                number=number,
                school_year=school_year or "",
                by=cast("DistrictBy", chosen),
                split_by_subject=split,
            )

    try:
        counted = asyncio.run(work())
    except Refused as refused:
        _refuse(refused)
    except counting.NoSuchPeriod:
        _refuse(Refused(Refusal.UNKNOWN_PERIOD))
    if xlsx is not None:
        write_private(xlsx, statistics_workbook(counted, _language()))
    if as_json:
        typer.echo(orjson.dumps(counted.as_json(), default=str))
    elif xlsx is None:
        print_statistics(counted)


def print_statistics(counted: Statistics) -> None:
    """The table on the terminal: the workbook has more."""
    lines = table(
        tr("Статистика", "Statistics"),
        tr("чего", "of"),
        tr("итоговых", "grades"),
        tr("средний", "average"),
        tr("успев., %", "success, %"),
        tr("качество, %", "quality, %"),
        tr("СОУ, %", "degree, %"),
        tr("отметок", "marks"),
        tr("план, ч", "plan, h"),
        tr("проведено", "held"),
        tr("план, %", "plan, %"),
    )
    for row in [*counted.rows, counted.total]:
        name = tr("Всего", "Total") if row is counted.total else " · ".join(filter(None, (row.title, row.subject)))
        lines.add_row(name, *_figures(row))
    out.print(lines)


def _figures(row: Row) -> list[str]:
    results, lessons = row.results, row.lessons
    shares = (results.average, results.success, results.quality, results.degree)
    return [
        str(results.total),
        *(shown(share) or "—" for share in shares),
        str(row.marks.total),
        shown(lessons.plan) or "—",
        str(lessons.held),
        shown(lessons.fulfilled) or "—",
    ]


# --- summary sheet --------------------------------------------------------------------------------------------------


def summary_sheet_command(
    school: SchoolArgument,
    group: Annotated[str, typer.Argument(metavar="CLASS", help=tr("класс: его идентификатор", "the class's id"))],
    file: Annotated[Path | None, typer.Argument(help=tr("файл XLSX", "the workbook"))] = None,
    school_year: Annotated[
        str | None, typer.Option(help=tr("учебный год; по умолчанию последний", "school year; the last by default"))
    ] = None,
    as_json: JsonOption = False,
    source: SourceOption = "district",
) -> None:
    """Сводная ведомость класса / a class's summary sheet: every final grade of the school year, ready to print."""
    if file is None and not as_json:
        fail(tr("Назовите файл XLSX или --json.", "Name a file, or --json."))

    async def work() -> SummarySheet:
        async with environment.database("gradebook") as database:
            school_id = await _find(database, source, "school", school, Refusal.UNKNOWN_SCHOOL)
            class_id = await _find(database, source, "group", group, Refusal.UNKNOWN_CLASS)
            return await summary_sheet(database, DISTRICT, school_id, class_id, school_year)

    try:
        sheet = asyncio.run(work())
    except Refused as refused:
        _refuse(refused)
    except NoSuchClass:
        _refuse(Refused(Refusal.UNKNOWN_CLASS))
    if file is not None:
        write_private(file, workbook(sheet, _language()))
        if not as_json:
            out.print(tr("Записано", "Written") + f": {file}", markup=False)
    if as_json:
        typer.echo(orjson.dumps(sheet.as_json(), default=str))
