"""`sutki migrate`, `replay`, `rebuild`, `dead-letters`, `outbox`, `clients`: keeping it running."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.markup import escape

from chassis import auth, dead_letters, migrations, outbox
from chassis.database import DISTRICT, Database
from chassis.settings import load
from contracts.catalogue import TOPICS
from services.cabinet.rebuild import drop_read_model as drop_cabinet
from services.cabinet.replay import replay as replay_cabinet
from services.consent.replay import replay as replay_consent
from services.extracts.rebuild import drop_read_model as drop_extracts
from services.extracts.replay import replay as replay_extracts
from services.gradebook.oneroster_rest import token_queries as oneroster_queries
from services.gradebook.oneroster_rest import tokens as oneroster
from services.gradebook.replay import replay as replay_gradebook
from services.publisher.replay import replay as replay_publisher
from sutki import environment
from sutki.console import fail, out, table
from sutki.texts import tr

REPLAYS: dict[str, Callable[[Database], Awaitable[int]]] = {
    "gradebook": replay_gradebook,
    "consent": replay_consent,
    "cabinet": replay_cabinet,
    "publisher": replay_publisher,
    "extracts": replay_extracts,
}
"""In the order in which readers like it: facts first, what follows from them last."""
REBUILDS: dict[str, Callable[[Database], Awaitable[None]]] = {"cabinet": drop_cabinet, "extracts": drop_extracts}

letters_app = typer.Typer(
    no_args_is_help=True, help=tr("События, которые не удалось применить", "Events that could not be applied")
)
outbox_app = typer.Typer(
    no_args_is_help=True, help=tr("События, которые отверг брокер", "Events that the broker refused")
)
clients_app = typer.Typer(no_args_is_help=True, help=tr("Доступ программ к API", "Programs that may call the APIs"))

ServiceArgument = Annotated[str, typer.Argument(help=", ".join(environment.SERVICES))]


def _known(service: str, known: tuple[str, ...] = environment.SERVICES) -> str:
    if service not in known:
        fail(
            tr(f"нет такой службы: {service}; есть {', '.join(known)}", f"no {service} here; known: {', '.join(known)}")
        )
    return service


def migrate_command() -> None:
    """Привести базы данных к текущей схеме / bring the databases to the present schema, as their owners."""
    for service, applied in asyncio.run(migrate_all()).items():
        out.print(f"{service}: {', '.join(applied) or tr('без изменений', 'up to date')}")


async def migrate_all() -> dict[str, list[str]]:
    """Migrates every service's database.

    Returns:
        The files that were applied, by service.
    """
    done = {}
    for service, settings_class in environment.SETTINGS.items():
        settings = load(settings_class)
        if settings.owner_database_url is None:
            fail(f"SUTKI_{service.upper()}_OWNER_DATABASE_URL " + tr("не задана", "is not set"))
        folder = Path(__file__).parents[2] / "services" / service / "migrations"
        try:
            done[service] = await migrations.migrate(settings.owner_database_url, service, folder)
        except migrations.MigrationError as error:
            fail(f"{service}: {error}")
    return done


def replay_command(
    services: Annotated[
        list[str] | None, typer.Argument(help=tr("службы; все, если не названы", "all if none"))
    ] = None,
) -> None:
    """Отправить факты владельцев ещё раз / send the owners' facts again: to an empty broker, or for a rebuild."""
    for service in services or REPLAYS:
        count = asyncio.run(replay(_known(service)))
        out.print(f"{service}: {count} " + tr("событий", "events"))


async def replay(service: str) -> int:
    """Puts the present state of everything that a service owns into its outbox."""
    async with environment.database(service) as database:
        return await REPLAYS[service](database)


def rebuild_command(service: Annotated[str, typer.Argument(help=", ".join(REBUILDS))]) -> None:
    """Построить модель чтения заново / build a read model anew: drops it and asks the owners to send all again.

    The service may go on running: until the facts have come again it shows nothing.
    """
    _known(service, tuple(REBUILDS))

    async def rebuild() -> int:
        async with environment.database(service) as database:
            await REBUILDS[service](database)
        return sum([await replay(owner) for owner in REPLAYS if owner != service])

    out.print(f"{service}: {asyncio.run(rebuild())} " + tr("событий отправлено снова", "events sent again"))


@letters_app.command("list")
def letters_list(service: ServiceArgument) -> None:
    """Что ждёт решения / what waits, with the reasons."""

    async def waiting() -> list[dead_letters.DeadLetter]:
        async with environment.database(_known(service)) as database:
            return await dead_letters.waiting(database)

    letters = table(service, "id", tr("событие", "event"), tr("получатель", "consumer"), tr("причина", "reason"))
    for letter in asyncio.run(waiting()):
        note = "" if letter.whole else tr(" (содержания нет: только discard)", " (no content: discard only)")
        note += tr(" (применяется снова)", " (being applied again)") if letter.asked_at else ""
        letters.add_row(str(letter.id), escape(letter.event_type or "?"), letter.consumer, escape(letter.reason + note))
    out.print(letters if letters.row_count else tr("пусто", "none"))


@letters_app.command("replay")
def letters_replay(
    service: ServiceArgument,
    letter_id: Annotated[int | None, typer.Option("--id", help=tr("одно; иначе все", "one; else all"))] = None,
) -> None:
    """Применить их ещё раз / have them applied again, once their cause is mended: by the running service."""

    async def ask() -> int:
        async with environment.database(_known(service)) as database:
            return await dead_letters.replay(database, letter_id)

    out.print(tr("служба применит снова: ", "the service will apply again: ") + str(asyncio.run(ask())))


@letters_app.command("discard")
def letters_discard(
    service: ServiceArgument,
    letter_id: int,
    because: Annotated[str, typer.Option(help=tr("почему оно не нужно", "why it is not needed"))],
) -> None:
    """Отказаться от одного навсегда / give one up for good: it stays on record with the reason."""

    async def give_up() -> bool:
        async with environment.database(_known(service)) as database:
            return await dead_letters.discard(database, letter_id, because)

    if not asyncio.run(give_up()):
        fail(tr("такое не ждёт решения", "no such letter waits"))


@outbox_app.command("list")
def outbox_list(service: ServiceArgument) -> None:
    """Что брокер отверг / what the broker refused, with the reasons."""

    async def refused() -> list[outbox.RefusedEvent]:
        async with environment.database(_known(service)) as database:
            return await outbox.refused(database)

    events = table(service, "id", tr("событие", "event"), tr("байтов", "bytes"), tr("причина", "reason"))
    for event in asyncio.run(refused()):
        events.add_row(str(event.id), escape(event.type), str(event.bytes or 0), escape(event.failure))
    out.print(events if events.row_count else tr("пусто", "none"))


@outbox_app.command("retry")
def outbox_retry(
    service: ServiceArgument,
    row_id: Annotated[int | None, typer.Option("--id", help=tr("одно; иначе все", "one; else all"))] = None,
) -> None:
    """Отправить их ещё раз / send them again, once the broker takes them."""
    sent = asyncio.run(retry_refused(_known(service), row_id))
    out.print(tr("будет отправлено: ", "will be sent: ") + str(sent.again))
    if sent.anew:
        out.print(
            tr("вместо старых состояний отправлены нынешние: ", "present states sent for old ones: ") + str(sent.anew)
        )


@dataclass(frozen=True)
class Resent:
    """What became of refused events."""

    again: int
    """Sent again as they are."""
    anew: int
    """Events of a compacted topic, for which the owner told all its present states anew."""


async def retry_refused(service: str, row_id: int | None = None) -> Resent:
    """Has refused events sent again; an old state never comes last on a topic that keeps only the last one."""
    compacted = [topic for topic, is_compacted in TOPICS.items() if is_compacted]
    async with environment.database(service) as database:
        again = await outbox.retry(database, row_id, but_not_to=compacted)
        superseded = await outbox.refused_to(database, row_id, compacted)
        if superseded:
            # First told anew, then closed: a crash between the two repeats, and loses nothing.
            await REPLAYS[service](database)
            await outbox.give_up(database, superseded)
    return Resent(again, len(superseded))


@clients_app.command("add")
def clients_add(
    service: ServiceArgument,
    label: str,
    school: Annotated[UUID | None, typer.Option(help=tr("одна школа; иначе район", "one school; else all"))] = None,
    source: Annotated[
        str | None, typer.Option(help=tr("OneRoster: чьи идентификаторы", "OneRoster: whose ids it speaks"))
    ] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(help=tr("OneRoster: не больше этих прав", "OneRoster: no more than these scopes")),
    ] = None,
) -> None:
    """Дать программе доступ / give a program access: prints its token, this once.

    For OneRoster over HTTP the token's part before the dot is the client's id, the rest its secret.
    """
    if (source or scope) and service != "gradebook":
        fail(tr("--source и --scope есть только у gradebook", "--source and --scope belong to the gradebook only"))
    unknown = sorted(set(scope or ()) - set(oneroster.SCOPES))
    if unknown:
        fail(tr(f"нет таких прав: {', '.join(unknown)}", f"no such scopes: {', '.join(unknown)}"))

    async def add() -> str:
        async with environment.database(_known(service)) as database, database.transaction(DISTRICT) as conn:
            token = await auth.create_client(conn, school_id=school, label=label)
            if source or scope:
                client_id = UUID(token.partition(".")[0])
                scopes = scope or list(oneroster.SCOPES)
                await oneroster_queries.set_client(conn, client_id, source=source or "district", scopes=scopes)
            return token

    # Plainly, so that a script can take it.
    typer.echo(asyncio.run(add()))


@clients_app.command("revoke")
def clients_revoke(service: ServiceArgument, client_id: UUID) -> None:
    """Отозвать доступ / end a program's access; the part of the token before the dot is its id."""

    async def revoke() -> bool:
        async with environment.database(_known(service)) as database, database.transaction(DISTRICT) as conn:
            return await auth.revoke_client(conn, client_id)

    if not asyncio.run(revoke()):
        fail(tr("нет такого действующего доступа", "there is no such client, or it was revoked before"))
