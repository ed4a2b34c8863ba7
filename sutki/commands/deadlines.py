"""`sutki deadlines`: what is still owed, what was told to whom, and how much was available within 24 hours."""

import asyncio
from datetime import UTC, date, datetime
from typing import Annotated
from uuid import UUID, uuid4

import typer

from chassis.clock import DatabaseClock
from chassis.database import DISTRICT
from chassis.settings import load
from services.publisher import figures
from services.publisher.api_public import SharedCounts, shared
from services.publisher.domain.escalation import StaffRole
from services.publisher.domain.figures import Span
from services.publisher.queries import desk, escalation
from services.publisher.queries.escalation import Address, Escalation
from services.publisher.settings import Settings
from sutki import environment
from sutki.console import fail, out, table
from sutki.texts import tr

deadlines_app = typer.Typer(
    no_args_is_help=True,
    help=tr("24 часа: что ещё не выдано, кому сказано, сколько в срок", "The 24 hours: owed, told, in time"),
)
School = Annotated[UUID | None, typer.Option(help=tr("одна школа; иначе район", "one school; else the district"))]


def _when(instant: datetime) -> str:
    return instant.astimezone(UTC).strftime("%d.%m.%Y %H:%M UTC")


@deadlines_app.command("board")
def board(school: School = None) -> None:
    """Что не выдано, по пути и оставшемуся времени / what is open, by route and time left."""

    async def read() -> list[desk.Cell]:
        async with environment.database("publisher") as database, database.transaction(DISTRICT) as conn:
            return await desk.cells(conn, school, await DatabaseClock().now(conn))

    cells = asyncio.run(read())
    made = table(
        tr("Ещё не выдано", "Still owed"),
        tr("путь", "route"),
        tr("осталось", "time left"),
        tr("сколько", "how many"),
        tr("первый срок", "first deadline"),
    )
    for one in cells:
        made.add_row(one.route, one.time_left, str(one.obligations), _when(one.first_due_at))
    out.print(made)


@deadlines_app.command("escalations")
def escalations(
    school: School = None,
    limit: Annotated[int, typer.Option(min=1, max=500, help=tr("сколько показать", "how many to show"))] = 50,
) -> None:
    """Кому и когда сказано о невыданном / who was told, and when, of what is not met."""

    async def read() -> list[Escalation]:
        async with environment.database("publisher") as database, database.transaction(DISTRICT) as conn:
            return await escalation.listed(conn, school, None, before=None, limit=limit)

    made = table(
        tr("Сообщения", "Escalations"),
        tr("когда", "when"),
        tr("ступень", "step"),
        tr("школа", "school"),
        tr("сколько", "how many"),
        tr("задержано", "held"),
        tr("внесено поздно", "late at source"),
        tr("первый срок", "first deadline"),
    )
    for one in asyncio.run(read()):
        counts = (str(one.obligations), str(one.held), str(one.late_at_source))
        made.add_row(_when(one.raised_at), one.step, str(one.school_id), *counts, _when(one.first_due_at))
    out.print(made)


@deadlines_app.command("figure")
def figure(
    span: Annotated[Span, typer.Option(help="day, month, quarter, school_year")] = Span.MONTH,
    on: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help=tr("день периода", "a day of it"))] = None,
    school: School = None,
    recount: Annotated[bool, typer.Option("--recount", help=tr("пересчитать всё", "count everything anew"))] = False,
) -> None:
    """Доступно в течение 24 часов, % / available within 24 hours, per cent: as the public sees it."""

    async def read() -> tuple[date, date, list[tuple[str, SharedCounts]]]:
        chosen = load(Settings)
        async with environment.database("publisher") as database:
            if recount:
                await figures.recount(database, DatabaseClock(), chosen.closed_weekdays)
            made = await figures.figure(database, DatabaseClock(), span, on.date() if on else None)
        view = shared(made, school, closed_days_apart=chosen.paper_counts_closed_days)
        rows: list[tuple[str, SharedCounts]] = [(tr("Район", "District"), view.district)]
        return made.first, made.last, rows + [(one.name or str(one.school_id), one) for one in view.schools]

    first, last, rows = asyncio.run(read())
    made = table(
        f"{tr('Доступно в течение 24 часов', 'Available within 24 hours')}: {first}…{last}",
        "",
        "%",
        tr("в срок", "in time"),
        tr("поздно", "late"),
        tr("не выдано", "unmet"),
        tr("внесено поздно", "late at source"),
        tr("срок идёт", "still open"),
    )
    for name, one in rows:
        if one.not_told:
            made.add_row(name, tr("менее 10", "fewer than 10") if one.not_told == "few" else "—", *[""] * 5)
            continue
        numbers = (one.in_time, one.late_by_us, one.unmet_by_us, one.late_at_source, one.still_open)
        made.add_row(name, "—" if one.percent is None else f"{one.percent:.2f}", *map(str, numbers))
    out.print(made)
    if not span.tells_schools:
        out.print(tr("По школам — за месяц, квартал и учебный год.", "By school: for a month, quarter, school year."))


@deadlines_app.command("address")
def address(
    role: Annotated[StaffRole, typer.Argument(help="class_teacher, secretary, head, district")],
    mail: Annotated[str, typer.Argument(help=tr("адрес службы", "the office's address"))],
    school: School = None,
) -> None:
    """Куда сообщать роли / where a role is told; the same again changes nothing."""
    if (role is StaffRole.DISTRICT) != (school is None):
        fail(tr("Роли школы нужен --school, роли district он не нужен.", "A school's role needs --school."))
    if "@" not in mail or any(one.isspace() for one in mail):
        fail(tr("Это не адрес.", "That is no address."))

    async def keep() -> None:
        async with environment.database("publisher") as database, database.transaction(DISTRICT) as conn:
            now = await DatabaseClock().now(conn)
            await escalation.add_address(conn, Address(uuid4(), school, role.value, mail), now)

    asyncio.run(keep())
    out.print(tr("Записано.", "Kept."))
