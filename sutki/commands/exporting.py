"""`sutki export`: what the journal holds, for any other system and for safe keeping."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID

import typer

from services.gradebook.exchange.exporting import Exported, Wanted, export_plain, resolve_school
from services.gradebook.exchange.exporting_oneroster import export_oneroster
from sutki import environment
from sutki.commands.taking import SourceOption
from sutki.console import fail, out, progress, table
from sutki.texts import tr

Format = Literal["oneroster", "oneroster11", "plain"]


def export_command(
    path: Annotated[Path, typer.Argument(help=tr("папка или архив .zip", "a folder, or an archive .zip"))],
    form: Annotated[
        Format,
        typer.Option(
            "--format", help=tr("OneRoster 1.2, OneRoster 1.1, простые CSV", "OneRoster 1.2, OneRoster 1.1, plain CSV")
        ),
    ] = "oneroster",
    school: Annotated[
        str | None,
        typer.Option(
            help=tr("одна школа: её идентификатор в журнале или наш", "one school: the journal's id, or ours")
        ),
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"],
            help=tr("только изменённое с этого момента (UTC), с отзывами", "only changes since (UTC), withdrawals too"),
        ),
    ] = None,
    source: SourceOption = "district",
) -> None:
    """Выгрузка журнала / export of the journal: OneRoster 1.2 or 1.1 CSV, or plain CSV of every kind of record.

    The files are full of personal data: keep them as you keep the database.
    """
    exported = asyncio.run(give_files(path, form, school=school, since=since, source=source))
    counts = table(tr("Выгрузка", "Export"), tr("файл", "file"), tr("строк", "rows"))
    for name, rows in exported.rows.items():
        counts.add_row(name, str(rows))
    out.print(counts)
    out.print(str(path), markup=False, soft_wrap=True)


async def give_files(
    path: Path, form: Format, *, school: str | None = None, since: datetime | None = None, source: str = "district"
) -> Exported:
    """Exports the gradebook, with progress on the terminal."""
    if since is not None and since.tzinfo is None:
        since = since.replace(tzinfo=UTC)
    with progress() as display:
        tasks: dict[str, int] = {}

        def show(name: str, rows: int) -> None:
            if name not in tasks:
                tasks[name] = display.add_task(name, total=None)
            display.update(tasks[name], completed=rows)  # type: ignore[arg-type]

        async with environment.database("gradebook") as database:
            school_id: UUID | None = None
            if school is not None:
                school_id = await resolve_school(database, source, school)
                if school_id is None:
                    fail(tr(f"журнал не знает школу {school}", f"the journal does not know the school {school}"))
            wanted = Wanted(source, school_id, since)
            if form == "plain":
                return await export_plain(database, path, wanted, show)
            return await export_oneroster(database, path, wanted, "1.2" if form == "oneroster" else "1.1", show)
