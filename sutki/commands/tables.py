"""`sutki import table`, `template`, `maps`: tables of other journals, by a map; and forms that schools fill in."""

import asyncio
import json
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.markup import escape
from typer.core import TyperGroup

from chassis.clock import DatabaseClock
from chassis.database import DISTRICT
from services.gradebook.exchange import ExchangeError
from services.gradebook.exchange.mapped.headers import Given
from services.gradebook.exchange.mapped.importing import TableReport, import_table, load_directory, preview_table
from services.gradebook.exchange.mapped.mapping import Map, MapError, load_map, shipped_maps
from services.gradebook.exchange.mapped.summary import place_as_text, students_of, summary
from services.gradebook.exchange.mapped.templates import MAP_OF, Blank, TemplateKind, write_template
from services.gradebook.exchange.mapped.words import school_year_at, school_year_of
from services.gradebook.rejections import Code, text
from sutki import environment
from sutki.commands.taking import DryRunOption, FileArgument, JsonOption, SourceOption, import_command
from sutki.console import err, fail, out, progress, table
from sutki.texts import english, tr

SHOWN = 50
_KINDS = {
    "people": "учеников в списке",
    "timetable": "уроков расписания",
    "curriculum": "строк учебного плана",
    "lessons": "уроков",
    "homework": "домашних заданий",
    "attendance": "пропусков и опозданий",
    "marks": "отметок",
    "final_grades": "итоговых отметок",
}


class ImportGroup(TyperGroup):
    """`sutki import PATH` is `sutki import files PATH`: the commands besides are told apart by their names."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Puts the default command before a path or its options."""
        if args and args[0] not in self.commands and args[0] not in {"--help", "-h"}:
            args = ["files", *args]
        return super().parse_args(ctx, args)


import_app = typer.Typer(
    cls=ImportGroup,
    no_args_is_help=True,
    help=tr(
        "Импорт из журнала. `sutki import ПУТЬ`: OneRoster или CSV, папка или ZIP. "
        "`sutki import table ФАЙЛ --map КАРТА`: таблица другого журнала. Папка с именем table: ./table.",
        "Import from a journal. `sutki import PATH`: OneRoster or CSV, a folder or ZIP. "
        "`sutki import table FILE --map MAP`: a table of another journal. A folder named table: ./table.",
    ),
)
import_app.command("files")(import_command)

YearOption = Annotated[
    str,
    typer.Option("--school-year", help=tr("учебный год, если его нет в файле", "school year when the file lacks it")),
]


@import_app.command("table")
def table_command(
    path: FileArgument,
    map_name: Annotated[
        str,
        typer.Option(
            "--map", help=tr("файл карты или имя готовой (см. maps)", "a map's file, or a shipped one's name")
        ),
    ],
    source: SourceOption = "district",
    school: Annotated[
        str, typer.Option(help=tr("идентификатор школы в этом источнике", "the school's id within the source"))
    ] = "",
    student: Annotated[str, typer.Option(help=tr("идентификатор ученика", "the student's id"))] = "",
    class_name: Annotated[str, typer.Option("--class", help=tr("класс, если его нет в файле", "the class"))] = "",
    subject: Annotated[str, typer.Option(help=tr("предмет, если его нет в файле", "the subject"))] = "",
    school_year: YearOption = "",
    obtained_at: Annotated[
        str,
        typer.Option(
            help=tr(
                "когда выставлены новые итоговые отметки, 2026-10-23T14:00:00+03:00; иначе как в карте",
                "when new final grades were set; otherwise as the map says",
            )
        ),
    ] = "",
    preview: Annotated[
        bool, typer.Option("--preview", help=tr("показать, что понято, без журнала", "what was understood, no journal"))
    ] = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Таблица другого журнала (XLSX, CSV, HTML, JSON) по карте / a table of another journal, by a map.

    Exit code 0: all was understood and taken; 2: something was not; 1: nothing could be done.
    """
    rules = _map(map_name, as_json=as_json)
    given = Given(_year(school_year), student, class_name, subject)
    if preview:
        report = preview_table(path, rules, given)
    else:
        set_at = _instant(obtained_at)
        taking = _take(path, rules, source=source, school=school, given=given, obtained_at=set_at, dry_run=dry_run)
        report = asyncio.run(taking)
    if as_json:
        out.print_json(json.dumps(report.as_json()))
    else:
        print_table_report(report, names=preview or dry_run)
    raise typer.Exit(report.exit_code)


@import_app.command("maps")
def maps_command() -> None:
    """Готовые карты / the maps that come with the system."""
    shown = table(tr("Карты", "Maps"), tr("имя", "name"), tr("для чего", "for"))
    for name in shipped_maps():
        about = load_map(name).map
        shown.add_row(name, tr(about.title_ru, about.title_en))
    out.print(shown)


@import_app.command("template")
def template_command(
    kind: Annotated[TemplateKind, typer.Argument(help=tr("что заполнять", "what to fill in"))],
    path: Annotated[Path, typer.Argument(help=tr("куда: .xlsx или .csv", "where to: .xlsx or .csv"))],
    class_name: Annotated[str, typer.Option("--class", help=tr("класс", "class"))] = "7А",
    subjects: Annotated[list[str] | None, typer.Option("--subject", help=tr("предмет", "subject"))] = None,
    school_year: YearOption = "",
    period: Annotated[str, typer.Option(help=tr("период итоговых отметок", "period of final grades"))] = "1 четверть",
    first_day: Annotated[str, typer.Option("--from", help=tr("первый день, 2026-09-01", "first day"))] = "",
    last_day: Annotated[str, typer.Option("--to", help=tr("последний день", "last day"))] = "",
    encoding: Annotated[Literal["utf-8", "cp1251"], typer.Option(help=tr("для CSV", "of a CSV"))] = "utf-8",
    school: Annotated[
        str, typer.Option(help=tr("школа: вписать её учеников этого класса", "school: put its class's students in"))
    ] = "",
    source: SourceOption = "district",
) -> None:
    """Шаблон для заполнения / a form to fill in, which `import table` takes back."""
    try:
        # The year only fills in a form; the operator's calendar is as good as any.
        year = _year(school_year) or school_year_at(date.today())  # noqa: DTZ011
        first = date.fromisoformat(first_day) if first_day else None
        last = date.fromisoformat(last_day) if last_day else None
    except ValueError:
        fail(tr("Нужна дата вида 2026-09-01", "A date such as 2026-09-01 is needed"))
    blank = Blank(year, class_name, period=period, first_day=first, last_day=last)
    if subjects:
        blank = replace(blank, subjects=tuple(subjects))
    if school:
        blank = replace(blank, students=asyncio.run(_students(source, school, class_name)))
    try:
        write_template(path, kind, blank, encoding="cp1251" if encoding == "cp1251" else "utf-8-sig")
    except ExchangeError as error:
        fail(text(error.code, _language()))
    out.print(tr("Шаблон", "Template") + f": {path}", markup=False, soft_wrap=True)
    out.print(f"sutki import table {path.name} --map {MAP_OF[kind]}", markup=False, soft_wrap=True)


async def _students(source: str, school: str, class_name: str) -> list[tuple[str, str]]:
    """The students of a class as the journal knows them, by name."""
    async with environment.database("gradebook") as database, database.transaction(DISTRICT) as conn:
        directory = await load_directory(conn, source, school)
    if directory is None:
        fail(text(Code.UNKNOWN_SCHOOL, _language()))
    return directory.students_of(class_name)


def _language() -> Literal["ru", "en"]:
    return "en" if english() else "ru"


def _year(stated: str) -> str | None:
    if not stated:
        return None
    year = school_year_of(stated)
    if year is None:
        fail(tr("Нужен учебный год вида 2026/2027", "A school year such as 2026/2027 is needed"))
    return year


def _instant(stated: str) -> datetime | None:
    if not stated:
        return None
    try:
        instant = datetime.fromisoformat(stated)
    except ValueError:
        fail(text(Code.BAD_INSTANT, _language()))
    if instant.tzinfo is None:
        fail(text(Code.BAD_INSTANT, _language()))
    return instant


def _map(name: str, *, as_json: bool) -> Map:
    try:
        return load_map(name)
    except MapError as error:
        if as_json:
            reason = {"ru": text(error.code, "ru"), "en": text(error.code, "en")}
            fault = {"file": error.file, "code": str(error.code), "reason": reason, "details": error.details}
            out.print_json(json.dumps({"exit_code": 1, "rejected": 1, "rejections": [fault]}))
            raise typer.Exit(1) from None
        fail(escape("\n".join([f"{error.file}: {text(error.code, _language())} [{error.code}]", *error.details])))


async def _take(
    path: Path,
    rules: Map,
    *,
    source: str,
    school: str,
    given: Given,
    obtained_at: datetime | None,
    dry_run: bool,
) -> TableReport:
    with progress() as display:
        tasks: dict[str, Any] = {}

        def show(kind: str, done: int, total: int | None) -> None:
            if kind not in tasks:
                tasks[kind] = display.add_task(f"{path.name}: {kind}", total=total)
            display.update(tasks[kind], completed=done, total=total)

        async with environment.database("gradebook") as database:
            return await import_table(
                database,
                DatabaseClock(),
                path,
                rules,
                source=source,
                school=school,
                given=given,
                obtained_at=obtained_at,
                dry_run=dry_run,
                progress=show,
            )


def print_table_report(report: TableReport, *, names: bool) -> None:
    """What was understood, what was taken, and each place that was not, with its address and the reason."""
    if report.understood is not None:
        _print_understood(report, names=names)
    if report.imported is not None:
        _print_counts(report)
    for kind, count in report.not_taken.items():
        err.print(tr(f"понято, но пока не принимается: {kind}: {count}", f"understood, not taken yet: {kind}: {count}"))
    if report.teachers_left_out:
        err.print(
            tr(
                f"уроки без учителя, которого нет в журнале: {report.teachers_left_out}",
                f"lessons without their teacher, whom the journal does not know: {report.teachers_left_out}",
            )
        )
    for item in report.rejections[:SHOWN]:
        place = " ".join(part for part in (item.file, place_as_text(item.place), item.field) if part)
        err.print(f"{place}: {item.reason(_language())} [{item.code}]", markup=False, soft_wrap=True)
    if report.rejected > SHOWN:
        err.print(
            tr(
                f"… всего {report.rejected}; весь список: --json",
                f"… {report.rejected} in all; the whole list: --json",
            )
        )


def _print_understood(report: TableReport, *, names: bool) -> None:
    if report.understood is None:
        return
    told = summary(report.understood)
    shown = table(tr("Понято", "Understood"), tr("что", "what"), tr("сколько", "how much"))
    for sheet in told["sheets"]:
        left_out = "" if sheet["taken"] else tr(" (не читался)", " (left out)")
        hidden = tr(" (скрыт)", " (hidden)") if sheet["hidden"] else ""
        rows = tr(f", скрытых строк {sheet['hidden_rows']}", f", hidden rows {sheet['hidden_rows']}")
        title = tr("лист", "sheet") + f" {sheet['name']}{hidden}{left_out}{rows if sheet['hidden_rows'] else ''}"
        shown.add_row(title, tr(f"таблиц: {sheet['blocks']}", f"tables: {sheet['blocks']}"))
    if "wrong_extension" in told["remarks"]:
        named = tr("расширение не соответствует содержимому: прочитан как", "the extension does not fit: read as")
        shown.add_row(named, told["kind"])
    shown.add_row(tr("учеников", "students"), str(told["students"]))
    shown.add_row(tr("предметов", "subjects"), str(len(told["subjects"])))
    if told["dates"] is not None:
        shown.add_row(tr("даты", "dates"), " – ".join(told["dates"]))
    for kind, count in told["facts"].items():
        shown.add_row(tr(_KINDS.get(kind, kind), kind.replace("_", " ")), str(count))
        values = told.get({"attendance": "absences"}.get(kind, kind))
        if isinstance(values, dict):
            for value, number in values.items():
                shown.add_row(f"  {value}", str(number))
    totals = told["totals"]
    equal = f"{totals['equal']} / {totals['compared']} / {totals['found']}"
    shown.add_row(tr("итоги файла: сошлось / сравнено / всего", "the file's totals: equal / compared / found"), equal)
    shown.add_row(tr("мест не понято", "places not understood"), str(told["unread"]))
    out.print(shown)
    for one in totals["differences"][:SHOWN]:
        out.print(
            tr(
                f"расходится {one['place']}: в файле {one['stated']}, по отметкам {one['computed']}",
                f"differs {one['place']}: {one['stated']} in the file, {one['computed']} by the marks",
            ),
            markup=False,
        )
    if names:
        out.print(tr("Предметы: ", "Subjects: ") + ", ".join(told["subjects"][:SHOWN]), markup=False)
        students = [
            f"{one.name or one.external_id} {one.class_name}" for one in students_of(report.understood).values()
        ]
        out.print(tr("Ученики: ", "Students: ") + ", ".join(students[:SHOWN]), markup=False)


def _print_counts(report: TableReport) -> None:
    if report.imported is None:
        return
    dry = report.imported.dry_run
    title = tr("Импорт (проверка без записи)", "Import (dry run)") if dry else tr("Импорт", "Import")
    counts = table(
        title,
        tr("вид", "kind"),
        tr("добавлено", "added"),
        tr("изменено", "changed"),
        tr("без изменений", "unchanged"),
        tr("отклонено", "rejected"),
    )
    for kind, count in report.imported.counts.items():
        counts.add_row(str(kind), str(count.added), str(count.changed), str(count.unchanged), str(count.rejected))
    out.print(counts)
