"""`sutki mail`: addresses that take no mails any more."""

import asyncio
from typing import Annotated

import typer
from rich.table import Table

from chassis.clock import DatabaseClock
from chassis.database import DISTRICT
from services.publisher.mail.bounces import address_digest
from services.publisher.queries import mail
from services.publisher.queries.mail import Suppressed
from sutki import environment
from sutki.console import fail, out
from sutki.texts import tr

mail_app = typer.Typer(no_args_is_help=True, help=tr("Почта", "Mails"))

_REASONS = {
    "address": ("адреса нет", "no such address"),
    "policy": ("отказывает сервер получателя", "refused by its server"),
    "soft": ("долго недоступен", "out of reach for long"),
}


@mail_app.command("suppressed")
def suppressed() -> None:
    """Адреса, на которые письма не отправляются / addresses that nothing is sent to, with whose they are.

    Адреса не хранятся, только их отпечатки / the addresses themselves are not kept, only digests.
    """

    async def read() -> list[Suppressed]:
        async with environment.database("publisher") as database, database.transaction(DISTRICT) as conn:
            return await mail.suppressed(conn)

    rows = asyncio.run(read())
    table = Table()
    for title in (
        tr("отпечаток", "digest"),
        tr("с", "since"),
        tr("причина", "reason"),
        tr("код", "status"),
        tr("получатель", "recipient"),
        tr("ученик", "student"),
    ):
        table.add_column(title, overflow="fold")
    for one in rows:
        recipient, student = str(one.recipient_id or "—"), str(one.student_id or "—")
        since = f"{one.since:%Y-%m-%d %H:%M}Z"
        table.add_row(one.address_sha256.hex()[:16], since, tr(*_REASONS[one.reason]), one.status, recipient, student)
    out.print(table)


@mail_app.command("lift")
def lift(
    address: Annotated[str, typer.Argument(help=tr("адрес почты", "e-mail address"))],
    by: Annotated[str, typer.Option(help=tr("кто решил", "who decided"))],
    why: Annotated[str, typer.Option(help=tr("почему", "why"))],
) -> None:
    """Снова отправлять письма на адрес / let mails go to an address again."""

    async def do() -> bool:
        async with environment.database("publisher") as database, database.transaction(DISTRICT) as conn:
            return await mail.lift(conn, address_digest(address), await DatabaseClock().now(conn), by=by, why=why)

    if not asyncio.run(do()):
        fail(tr("на этот адрес письма и так отправляются", "mails go to this address anyway"))
    out.print(tr("письма снова будут отправляться", "mails will be sent again"))
