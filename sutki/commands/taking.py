"""`sutki import`, `sutki consents`, `sutki accounts`: what comes in."""

import asyncio
import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID

import typer

from chassis.clock import DatabaseClock
from chassis.database import DISTRICT
from chassis.settings import load
from services.cabinet import handlers as cabinet
from services.cabinet.settings import Settings as CabinetSettings
from services.consent import importing as consent_importing
from services.consent.settings import Settings as ConsentSettings
from services.gradebook import handlers as gradebook
from services.gradebook.exchange import Report
from services.gradebook.importing import import_files
from sutki import environment
from sutki.commands.authority import authority_app
from sutki.console import err, fail, out, progress, table
from sutki.texts import english, tr

SHOWN_REJECTIONS = 50

SourceOption = Annotated[
    str,
    typer.Option(
        help=tr("Пространство идентификаторов журнала", "Namespace of the journal's ids"),
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help=tr("Отчёт в формате JSON", "Report as JSON"))]
DryRunOption = Annotated[
    bool, typer.Option("--dry-run", help=tr("Только показать, что изменится", "Only show what would change"))
]
FileArgument = Annotated[Path, typer.Argument(exists=True, readable=True)]

consents_app = typer.Typer(no_args_is_help=True, help=tr("Согласия и полномочия", "Consents and authority"))
consents_app.add_typer(authority_app, name="authority")
accounts_app = typer.Typer(no_args_is_help=True, help=tr("Учётные записи кабинета", "Accounts of the cabinet"))


def import_command(
    path: FileArgument,
    source: SourceOption = "district",
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Импорт из журнала / import from a journal: OneRoster 1.1/1.2 ZIP, or plain CSV files, a folder or ZIP of them.

    Exit code 0: everything was taken; 2: some rows were rejected; 1: nothing could be done.
    """
    report = asyncio.run(take_files(path, source=source, dry_run=dry_run))
    if as_json:
        out.print_json(json.dumps(report.as_json()))
    else:
        print_report(report)
    raise typer.Exit(report.exit_code)


async def take_files(path: Path, *, source: str = "district", dry_run: bool = False) -> Report:
    """Imports a file into the gradebook, with progress on the terminal."""
    with progress() as display:
        tasks: dict[str, int] = {}

        def show(what: str, done: int, total: int | None) -> None:
            if what not in tasks:
                # A file while it is read, a kind of record while its rows are taken.
                action = tr("чтение", "reading") if what.lower().endswith(".csv") else tr("запись", "taking")
                tasks[what] = display.add_task(f"{action}: {what}", total=total)
            display.update(tasks[what], completed=done, total=total)  # type: ignore[arg-type]

        async with environment.database("gradebook") as database:
            return await import_files(database, DatabaseClock(), path, source=source, dry_run=dry_run, progress=show)


def print_report(report: Report) -> None:
    """The report as a table, and the rejected rows with file, line, field, reason and code."""
    title = tr("Импорт (проверка без записи)", "Import (dry run)") if report.dry_run else tr("Импорт", "Import")
    counts = table(
        title,
        tr("вид", "kind"),
        tr("добавлено", "added"),
        tr("изменено", "changed"),
        tr("без изменений", "unchanged"),
        tr("отклонено", "rejected"),
    )
    for kind, count in report.counts.items():
        counts.add_row(str(kind), str(count.added), str(count.changed), str(count.unchanged), str(count.rejected))
    out.print(counts)
    language: Literal["ru", "en"] = "en" if english() else "ru"
    for item in report.rejections[:SHOWN_REJECTIONS]:
        place = f"{item.file}:{item.line}" if item.line else item.file
        err.print(f"{place} {item.field}: {item.reason(language)} [{item.code}]", markup=False)
    if report.rejected > SHOWN_REJECTIONS:
        err.print(
            tr(
                f"… всего отклонено {report.rejected}; весь список: --json",
                f"… {report.rejected} rejected in all; the whole list: --json",
            ),
        )
    if report.ignored_files:
        err.print(tr("Файлы без значения: ", "Files of no meaning: ") + ", ".join(report.ignored_files), markup=False)


async def resolve_people(source: str, ids: Sequence[str]) -> Mapping[str, UUID]:
    """The journal's ids of people to ours."""
    async with environment.database("gradebook") as database:
        return await gradebook.resolve_persons(database, DISTRICT, source, ids)


@consents_app.command("import")
def consents_import(
    path: FileArgument, source: SourceOption = "district", dry_run: DryRunOption = False, wait_seconds: float = 60
) -> None:
    """Решения представителей из consents.csv / representatives' decisions from a consents.csv."""
    _finish(asyncio.run(take_consents(path, source=source, dry_run=dry_run, wait_seconds=wait_seconds)))


@consents_app.command("withdraw")
def consents_withdraw(path: FileArgument, source: SourceOption = "district", wait_seconds: float = 60) -> None:
    """Отзывы согласий из withdrawals.csv / withdrawals from a withdrawals.csv."""
    _finish(asyncio.run(take_consents(path, source=source, withdrawals=True, wait_seconds=wait_seconds)))


async def take_consents(
    path: Path,
    *,
    source: str = "district",
    withdrawals: bool = False,
    dry_run: bool = False,
    wait_seconds: float = 60,
) -> consent_importing.ImportReport:
    """Registers a file of decisions, or of withdrawals."""
    settings = load(ConsentSettings)
    async with environment.database("consent") as database:
        registry = consent_importing.Registry(
            database=database,
            resolve=lambda ids: resolve_people(source, ids),
            clock=DatabaseClock(),
            policy=settings.policy(),
            wait_for_people_seconds=wait_seconds,
            dry_run=dry_run,
        )
        take = consent_importing.import_withdrawals if withdrawals else consent_importing.import_consents
        with progress() as display:
            task = display.add_task(path.name, total=None)
            return await take(path, registry, progress=lambda done: display.update(task, completed=done))


def _finish(report: consent_importing.ImportReport) -> None:
    out.print(
        tr(
            f"строк {report.rows}: записано {report.registered}, без изменений {report.unchanged}, "
            f"отклонено {report.rejected}",
            f"{report.rows} rows: {report.registered} registered, {report.unchanged} unchanged, "
            f"{report.rejected} rejected",
        ),
    )
    for item in report.rejections[:SHOWN_REJECTIONS]:
        reason = item.en if english() else item.ru
        err.print(f"{item.file}:{item.line} {item.field}: {reason} [{item.code}]", markup=False)
    raise typer.Exit(report.exit_code)


@accounts_app.command("invite")
def accounts_invite(person_id: UUID) -> None:
    """Код приглашения для человека / an invitation code for a person: printed once, kept only as a hash."""

    async def invite() -> cabinet.Invitation:
        async with environment.database("cabinet") as database:
            return await cabinet.invite(database, load(CabinetSettings), person_id)

    invitation = asyncio.run(invite())
    out.print(tr("Код", "Code") + f": {invitation.code}")
    out.print(tr("Действует до", "Valid until") + f": {invitation.expires_at:%Y-%m-%d %H:%M} UTC")


@accounts_app.command("create")
def accounts_create(path: FileArgument, source: SourceOption = "district") -> None:
    """Учётные записи из accounts.csv (person_id, login, password) / accounts from a file; existing ones stay."""
    made, unknown = asyncio.run(take_accounts(path, source=source))
    out.print(tr(f"создано учётных записей: {made}", f"accounts made: {made}"))
    if unknown:
        fail(
            tr(f"журнал не знает людей: {unknown}", f"people that the journal does not know: {unknown}"),
            code=2,
        )


async def take_accounts(path: Path, *, source: str = "district") -> tuple[int, int]:
    """Makes accounts for the people of a file.

    Returns:
        How many were made, and how many people are unknown.
    """
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    ids = await resolve_people(source, [row["person_id"] for row in rows])
    wanted = [
        cabinet.NewAccount(ids[row["person_id"]], row["login"], row["password"])
        for row in rows
        if row["person_id"] in ids
    ]
    async with environment.database("cabinet") as database:
        with progress() as display:
            task = display.add_task(path.name, total=len(wanted))
            made = await cabinet.create_accounts(
                database,
                load(CabinetSettings),
                wanted,
                on_progress=lambda done: display.update(task, completed=done),
            )
    return made, len(rows) - len(wanted)
