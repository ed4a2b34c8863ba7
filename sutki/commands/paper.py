"""`sutki extracts`: the print queue and the hand-over register."""

import asyncio
import re
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID

import typer

from chassis.clock import DatabaseClock
from chassis.database import DISTRICT
from chassis.settings import load
from services.extracts import handlers
from services.extracts.handlers import PrintRun
from services.extracts.print_due import Confirm, Printed, print_due
from services.extracts.rendering import Renderer
from services.extracts.settings import Settings
from sutki import environment
from sutki.console import fail, out, table
from sutki.texts import tr

DESK = "sutki-cli"

extracts_app = typer.Typer(
    no_args_is_help=True, help=tr("Выписки: печать и выдача", "Paper extracts: printing and hand-over")
)

_SPAN = re.compile(r"^(\d+)([hm])$")


def _span(text: str) -> timedelta:
    found = _SPAN.match(text)
    if found is None:
        raise typer.BadParameter(tr("ожидается, например, 4h или 30m", "expected something like 4h or 30m"))
    amount = int(found[1])
    return timedelta(hours=amount) if found[2] == "h" else timedelta(minutes=amount)


DueWithin = Annotated[
    timedelta | None,
    typer.Option(parser=_span, help=tr("только срочные: 4h, 30m", "only what is due within: 4h, 30m")),
]
School = Annotated[UUID | None, typer.Option(help=tr("одна школа; иначе все", "one school; else all"))]


@extracts_app.command("queue")
def queue(school: School = None, due_within: DueWithin = None) -> None:
    """Что ждёт печати / what waits for a printer, the most urgent first."""

    async def read() -> list[tuple[str, int, str]]:
        async with environment.database("extracts") as database:
            rows = []
            for one in [school] if school else await handlers.schools_with_queue(database):
                waiting = await handlers.print_queue(database, DatabaseClock(), DISTRICT, one, due_within=due_within)
                first = f"{min(item.extract.due_at for item in waiting):%Y-%m-%d %H:%M} UTC" if waiting else ""
                rows.append((str(one), len(waiting), first))
            return rows

    shown = table(
        tr("Очередь печати", "Print queue"), tr("школа", "school"), tr("выписок", "sheets"), tr("срок", "due")
    )
    for school_id, count, first in asyncio.run(read()):
        shown.add_row(school_id, str(count), first)
    out.print(shown if shown.row_count else tr("очередь пуста", "nothing waits"))


@extracts_app.command("print")
def print_command(
    into: Annotated[Path, typer.Option(help=tr("папка для PDF", "folder for the PDF files"))],
    school: School = None,
    due_within: DueWithin = None,
    yes: Annotated[
        bool, typer.Option("--yes", help=tr("не спрашивать, напечатано ли", "do not ask whether it was printed"))
    ] = False,
    separate: Annotated[
        bool, typer.Option("--separate", help=tr("по файлу на выписку", "a file for each extract"))
    ] = False,
) -> None:
    """Собрать очередь в PDF и записать в журнал выдачи / make PDFs of the queue and register them as printed."""

    async def confirm(run: PrintRun, files: Sequence[Path]) -> bool:
        for file in files:
            out.print(str(file), markup=False, soft_wrap=True)
        question = tr(f"Напечатано выписок: {len(run.extract_ids)}?", f"Were all {len(run.extract_ids)} printed?")
        return yes or await asyncio.to_thread(typer.confirm, question)

    runs = asyncio.run(print_queues(into, confirm=confirm, school=school, due_within=due_within, separate=separate))
    out.print(tr("записано в журнал: ", "registered: ") + str(sum(len(run.outcome.done) for run in runs)))
    refused = {str(extract): why for run in runs for extract, why in run.outcome.refused.items()}
    for extract, why in refused.items():
        out.print(f"{extract}: {why}", style="yellow", markup=False)
    if refused:
        raise typer.Exit(2)


async def print_queues(
    into: Path,
    *,
    confirm: Confirm,
    school: UUID | None = None,
    due_within: timedelta | None = None,
    separate: bool = False,
) -> list[Printed]:
    """Prints the queue of one school, or of every school where something waits, in runs of the set size."""
    settings = load(Settings)
    runs = []
    with closing(Renderer(threads=settings.render_threads)) as renderer:
        async with environment.database("extracts") as database:
            for one in [school] if school else await handlers.schools_with_queue(database):
                while True:
                    printed = await print_due(
                        database,
                        DatabaseClock(),
                        renderer,
                        school_id=one,
                        into=into,
                        by=DESK,
                        confirm=confirm,
                        due_within=due_within,
                        combined=not separate,
                        keep=timedelta(minutes=settings.print_run_minutes),
                        limit=settings.print_run_sheets,
                    )
                    if not printed.confirmed:
                        break
                    runs.append(printed)
    return runs


@extracts_app.command("hand-over")
def hand_over(
    extract_id: UUID,
    way: Annotated[Literal["in_person", "by_post"], typer.Option(help="in_person, by_post")] = "in_person",
) -> None:
    """Записать выдачу / register that a sheet was handed over or posted."""

    async def register() -> None:
        async with environment.database("extracts") as database:
            extract = await handlers.mark_handed_over(database, DatabaseClock(), DISTRICT, extract_id, way=way, by=DESK)
        if extract is None:
            fail(tr("нет такой выписки", "there is no such extract"))
        out.print(tr("выдано, номер ", "handed over, number ") + str(extract.number))

    try:
        asyncio.run(register())
    except handlers.HandOverRefused as refused:
        fail(tr("не записано: ", "not registered: ") + str(refused))
