"""`sutki ledger`: who could see what, when, by which route, and on what ground."""

import asyncio
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from services.publisher import ledger
from sutki import environment
from sutki.console import err, out
from sutki.texts import tr

ledger_app = typer.Typer(
    no_args_is_help=True, help=tr("Журнал раскрытия: проверка и выгрузка", "The disclosure ledger: check and export")
)

School = Annotated[UUID | None, typer.Option(help=tr("одна школа; иначе все", "one school; else all"))]


@ledger_app.command("verify")
def verify(
    file: Annotated[
        Path | None,
        typer.Argument(exists=True, help=tr("выгрузка; без неё проверяется база", "an export; else the database")),
    ] = None,
    school: School = None,
) -> None:
    """Проверить цепочку хешей / check the hash chain: exit code 0 if whole, 1 with every place where it is not."""

    async def check() -> ledger.Verification:
        if file is not None:
            return await ledger.verify_file(file)
        async with environment.database("publisher") as database:
            return await ledger.verify_database(database, school)

    result = asyncio.run(check())
    for fault in result.faults:
        err.print(f"{fault.school_id} № {fault.seq}: {fault.reason}", style="red", markup=False)
    if result.faults:
        raise typer.Exit(1)
    out.print(tr(f"записей {result.entries}, цепочка цела", f"{result.entries} entries, the chain is whole"))


@ledger_app.command("export")
def export(file: Path, school: School = None) -> None:
    """Выгрузить для проверки без базы / write it as NDJSON, to be checked anywhere."""

    async def write() -> int:
        async with environment.database("publisher") as database:
            return await ledger.export_file(database, file, school)

    out.print(tr("строк: ", "lines: ") + str(asyncio.run(write())))
