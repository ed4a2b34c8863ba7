"""`sutki privacy`: erasure, acts of destruction, a person's own copy, and who looked."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID, uuid4

import typer

from chassis import access_log
from chassis.access_log import Look
from chassis.clock import DatabaseClock
from chassis.database import DISTRICT
from chassis.settings import load
from services.consent import erasing, erasure_queries
from services.consent.erasing import EVERYBODY, CannotErase
from services.consent.erasure_queries import Act, Listed
from services.consent.erasure_terms import Demand
from services.consent.settings import Settings
from services.gradebook.exchange.private import write_private
from sutki import environment
from sutki.console import fail, out, table
from sutki.privacy import exporting
from sutki.texts import tr

privacy_app = typer.Typer(
    no_args_is_help=True,
    help=tr("Персональные данные: уничтожение, акты, выгрузка, кто смотрел", "Personal data: erasure, acts, a copy"),
)

_REFUSALS = {
    "unknown": ("такого уничтожения нет", "there is no such erasure"),
    "too_late": ("оно уже выполнено", "it was carried out already"),
    "cancelled": ("оно отменено; заявите заново", "it was stopped; ask anew"),
    "follows_decision": (
        "согласие прекращено; отменить уничтожение может только новое согласие",
        "consent has ended; only a new consent stops this erasure",
    ),
    "id_used": ("номер занят", "this id belongs to another erasure"),
}
Now = Annotated[bool, typer.Option("--now", help=tr("не ждать срока", "without waiting for the term"))]


@privacy_app.command("erase")
def erase(
    person: Annotated[UUID, typer.Argument(help=tr("идентификатор лица", "the person's id"))],
    ground: Annotated[Demand, typer.Option(help=tr("основание", "the ground"))],
    now: Now = False,
) -> None:
    """Уничтожить данные лица везде, насколько позволяет закон / erase a person everywhere the law allows."""

    async def ask() -> str:
        settings, clock, erasure_id = load(Settings), DatabaseClock(), uuid4()
        async with environment.database("consent") as database, database.transaction(DISTRICT) as conn:
            one = await erasing.schedule(
                conn,
                erasure_id=erasure_id,
                person_id=person,
                demand=ground,
                terms=settings.terms(settings.birthday_time_zone),
                clock=clock,
            )
            if now:
                await erasing.carry_out(conn, erasure_id, clock=clock)
        due = tr("срок", "due") + f" {one.due_at:%Y-%m-%d %H:%M} UTC"
        return f"{erasure_id}  " + (tr("выполняется", "being carried out") if now else due)

    out.print(asyncio.run(ask()), soft_wrap=True)


@privacy_app.command("carry-out")
def carry_out(erasure: UUID) -> None:
    """Выполнить уничтожение до срока / carry an erasure out before its term is over."""

    async def act() -> None:
        async with environment.database("consent") as database, database.transaction(DISTRICT) as conn:
            await erasing.carry_out(conn, erasure, clock=DatabaseClock())

    _refusing(act)
    out.print(tr("выполняется", "being carried out"))


@privacy_app.command("cancel")
def cancel(erasure: UUID) -> None:
    """Отменить, пока не выполнено / stop an erasure that was not carried out yet."""

    async def act() -> None:
        async with environment.database("consent") as database, database.transaction(DISTRICT) as conn:
            await erasing.cancel(conn, erasure, "demand_taken_back", clock=DatabaseClock())

    _refusing(act)
    out.print(tr("отменено", "stopped"))


@privacy_app.command("list")
def listing(
    person: Annotated[UUID | None, typer.Option(help=tr("только об этом лице", "only about this person"))] = None,
) -> None:
    """Уничтожения и чьих подтверждений они ждут / erasures, and whose confirmation they wait for."""

    async def read() -> list[Listed]:
        async with environment.database("consent") as database, database.transaction(DISTRICT) as conn:
            return await erasure_queries.listed(conn, person_id=person)

    shown = table(
        tr("Уничтожение", "Erasures"),
        tr("номер", "id"),
        tr("лицо", "person"),
        tr("основание", "ground"),
        tr("состояние", "state"),
        tr("срок", "due"),
        tr("ждёт", "waits for"),
    )
    for one in asyncio.run(read()):
        erasure = one.erasure
        waits = sorted(EVERYBODY - set(one.confirmed)) if erasure.state == "requested" else []
        shown.add_row(
            str(erasure.erasure_id),
            str(erasure.person_id),
            erasure.ground,
            erasure.state,
            f"{erasure.due_at:%Y-%m-%d}",
            ", ".join(waits),
        )
    out.print(shown if shown.row_count else tr("ничего нет", "there are none"))


@privacy_app.command("act")
def act(erasure: UUID, file: Path) -> None:
    """Сохранить акт (PDF) и рядом выгрузку журнала событий / save the act, and the event log beside it (.jsonl)."""
    log = file.with_suffix(".jsonl")
    if file.suffix.lower() == log.suffix:
        fail(
            tr(
                f"{file}: под этим именем рядом ляжет выгрузка журнала; назовите акт иначе, например .pdf",
                f"{file}: the event log is saved under this name; give the act another one, such as .pdf",
            )
        )

    async def read() -> Act | None:
        async with environment.database("consent") as database, database.transaction(DISTRICT) as conn:
            one = await erasure_queries.read(conn, erasure)
            found = await erasure_queries.act(conn, erasure)
            if one is not None and found is not None:
                await access_log.looked(conn, access_log.OPERATOR, "destruction_act", [one.person_id])
            return found

    found = asyncio.run(read())
    if found is None:
        fail(
            tr(
                "Акта нет: его составляют, когда подтвердят все службы (sutki privacy list).",
                "There is no act: it is made when every service has confirmed (sutki privacy list).",
            )
        )
    for path, content in ((file, found.pdf), (log, found.log_extract)):
        with _writing(path):
            write_private(path, content)
        out.print(str(path), markup=False, soft_wrap=True)


@privacy_app.command("export")
def export(person: UUID, folder: Path) -> None:
    """Выдать лицу все его данные: data.json и data.pdf / a person's copy of everything that is held about them."""

    async def read() -> exporting.Copy:
        copy = {}
        for service in exporting.HOLDINGS:
            async with environment.database(service) as database:
                copy[service] = await exporting.held_by(database, service, person, access_log.OPERATOR)
        return copy

    copy = asyncio.run(read())
    with _writing(folder):
        files = exporting.write(folder, person, copy, datetime.now(UTC))
    for path in files:
        out.print(str(path), markup=False, soft_wrap=True)


@privacy_app.command("looked")
def looked(person: UUID) -> None:
    """Кто смотрел данные лица / who looked at a person's data, in every service."""

    async def read() -> list[tuple[str, Look]]:
        lines = []
        for service in environment.SERVICES:
            async with environment.database(service) as database, database.transaction(DISTRICT) as conn:
                lines += [(service, line) for line in await access_log.looks(conn, person)]
        return sorted(lines, key=lambda line: line[1].at, reverse=True)

    shown = table(
        tr("Кто смотрел", "Who looked"),
        tr("когда", "when"),
        tr("служба", "service"),
        tr("кто", "who"),
        tr("что", "what"),
    )
    for service, line in asyncio.run(read()):
        who = f"{line.actor_kind} {line.actor_id or ''}".strip()
        shown.add_row(f"{line.at:%Y-%m-%d %H:%M:%S} UTC", service, who, line.action)
    out.print(shown if shown.row_count else tr("никто", "nobody"))


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """A file that cannot be written is told by its name and the reason."""
    try:
        yield
    except OSError as error:
        where = error.filename or path
        fail(tr(f"не удалось записать {where}", f"cannot write {where}") + f": {error.strerror}")


def _refusing(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    try:
        asyncio.run(work())
    except CannotErase as refused:
        fail(tr(*_REFUSALS[refused.code]))
