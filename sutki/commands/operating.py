"""`sutki migrate`, `replay`, `rebuild`, `dead-letters`, `clients`: keeping it running."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer
from rich.markup import escape

from chassis import auth, dead_letters, migrations
from chassis.database import DISTRICT, Database
from chassis.settings import load
from services.cabinet.rebuild import drop_read_model as drop_cabinet
from services.cabinet.replay import replay as replay_cabinet
from services.consent.replay import replay as replay_consent
from services.extracts.rebuild import drop_read_model as drop_extracts
from services.extracts.replay import replay as replay_extracts
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
        letters.add_row(str(letter.id), escape(letter.event_type or "?"), letter.consumer, escape(letter.reason))
    out.print(letters if letters.row_count else tr("пусто", "none"))


@letters_app.command("replay")
def letters_replay(
    service: ServiceArgument,
    letter_id: Annotated[int | None, typer.Option("--id", help=tr("одно; иначе все", "one; else all"))] = None,
) -> None:
    """Отправить их ещё раз / send them again, once their cause is mended."""

    async def send() -> int:
        async with environment.database(_known(service)) as database, environment.producer(service) as producer:
            return await dead_letters.replay(database, producer, letter_id)

    out.print(tr("отправлено снова: ", "sent again: ") + str(asyncio.run(send())))


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


@clients_app.command("add")
def clients_add(
    service: ServiceArgument,
    label: str,
    school: Annotated[UUID | None, typer.Option(help=tr("одна школа; иначе район", "one school; else all"))] = None,
) -> None:
    """Дать программе доступ / give a program access: prints its token, this once."""

    async def add() -> str:
        async with environment.database(_known(service)) as database, database.transaction(DISTRICT) as conn:
            return await auth.create_client(conn, school_id=school, label=label)

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
