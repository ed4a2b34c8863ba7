"""`sutki notifications`: messages that wait for a person's decision, and what became of every message."""

import asyncio
from typing import Annotated
from uuid import UUID

import typer
from rich.table import Table

from chassis.database import DISTRICT
from services.publisher.domain.states import NotificationState
from services.publisher.mail.listing import list_mails, resolve_undecided
from services.publisher.queries import delivery
from services.publisher.queries.delivery import Entry, Listed
from sutki import environment
from sutki.console import fail, out
from sutki.texts import tr

notifications_app = typer.Typer(no_args_is_help=True, help=tr("Сообщения семьям", "Messages to families"))


def _table(*columns: str) -> Table:
    made = Table(header_style="bold", pad_edge=False)
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


@notifications_app.command("undecided")
def undecided(
    failed: Annotated[
        bool, typer.Option("--failed", help=tr("и те, что не удалось отправить", "those that failed, too"))
    ] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 200,
) -> None:
    """Сообщения, о которых неизвестно, ушли ли они / messages of which nobody knows whether they were sent.

    Спросите почтовый сервер: имя сообщения — Message-ID. Затем: sutki notifications resolve.
    """
    states = [NotificationState.UNDECIDED] + ([NotificationState.FAILED] if failed else [])

    async def read() -> list[Listed]:
        async with environment.database("publisher") as database:
            return await list_mails(database, states, limit=limit)

    rows = asyncio.run(read())
    if not rows:
        out.print(tr("Таких сообщений нет.", "There are none."))
        return
    shown = _table(
        tr("сообщение", "message"),
        tr("канал", "channel"),
        tr("состояние", "state"),
        tr("причина", "reason"),
        tr("попыток", "attempts"),
        tr("когда", "since"),
        tr("получатель", "recipient"),
        tr("ученик", "student"),
    )
    for one in rows:
        shown.add_row(
            str(one.notification_id),
            one.channel,
            one.state,
            one.reason or "—",
            str(one.attempts),
            f"{one.settled_at:%Y-%m-%d %H:%M:%S}Z",
            str(one.recipient_id),
            str(one.student_id),
        )
    out.print(shown)


@notifications_app.command("resolve")
def resolve(
    notification_id: Annotated[UUID, typer.Argument(metavar="ID", help=tr("сообщение", "the message"))],
    by: Annotated[str, typer.Option(help=tr("кто решил", "who decided"))],
    why: Annotated[str, typer.Option(help=tr("на каком основании", "on what ground"))],
    sent: Annotated[bool, typer.Option("--sent", help=tr("оно ушло", "it was sent"))] = False,
    resend: Annotated[bool, typer.Option("--resend", help=tr("отправить ещё раз", "send it again"))] = False,
) -> None:
    """Решить, что стало с сообщением / decide what became of a message; who and why is kept in the log."""
    if sent == resend:
        fail(tr("укажите --sent или --resend", "say --sent or --resend"))
    if not by.strip() or not why.strip():
        fail(tr("укажите, кто решил и почему", "say who decided, and why"))

    async def decide() -> bool:
        async with environment.database("publisher") as database:
            return await resolve_undecided(database, notification_id, resend=resend, by=by.strip(), why=why.strip())

    if not asyncio.run(decide()):
        fail(
            tr(
                "такое сообщение не ждёт решения: см. sutki notifications undecided",
                "no such message waits for a decision: see sutki notifications undecided",
            )
        )
    out.print(
        tr("будет отправлено ещё раз", "it will be sent again")
        if resend
        else tr("отмечено как отправленное", "noted as sent")
    )


@notifications_app.command("log")
def log(
    recipient: Annotated[UUID | None, typer.Option(help=tr("кому", "to whom"))] = None,
    student: Annotated[UUID | None, typer.Option(help=tr("о ком", "about whom"))] = None,
    school: Annotated[UUID | None, typer.Option(help=tr("школа", "the school"))] = None,
    message: Annotated[UUID | None, typer.Option(help=tr("одно сообщение", "one message"))] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000)] = 200,
) -> None:
    """Что стало с сообщениями, сначала новые / what became of messages, newest first."""
    wanted = [
        (one, query)
        for one, query in (
            (recipient, delivery.log_of_recipient),
            (student, delivery.log_of_student),
            (school, delivery.log_of_school),
            (message, delivery.log_of_notification),
        )
        if one is not None
    ]
    if len(wanted) != 1:
        fail(
            tr(
                "укажите одно из --recipient, --student, --school, --message",
                "say one of --recipient, --student, --school, --message",
            )
        )
    ((about, query),) = wanted

    async def read() -> list[Entry]:
        async with environment.database("publisher") as database, database.transaction(DISTRICT) as conn:
            return await query(conn, about, limit=limit)

    rows = asyncio.run(read())
    if not rows:
        out.print(tr("Записей нет.", "There are no entries."))
        return
    shown = _table(
        tr("когда", "at"),
        tr("сообщение", "message"),
        tr("канал", "channel"),
        tr("о чём", "occasion"),
        tr("состояние", "state"),
        tr("причина", "reason"),
        tr("попытка", "attempt"),
        tr("вместо", "in place of"),
        tr("кто и почему", "who and why"),
    )
    for one in rows:
        shown.add_row(
            f"{one.at:%Y-%m-%d %H:%M:%S}Z",
            str(one.notification_id),
            one.channel,
            one.occasion,
            one.state,
            one.reason or "—",
            str(one.attempt),
            str(one.fell_from or "—"),
            f"{one.actor}: {one.note}" if one.actor else "—",
        )
    out.print(shown)
