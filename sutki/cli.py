"""`sutki`: the operator's command line."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Literal

import asyncpg
import typer
from aiokafka.errors import KafkaError

from chassis import logging
from sutki import environment
from sutki.commands.closing import close_period, reopen_period, statistics, summary_sheet_command
from sutki.commands.deadlines import deadlines_app
from sutki.commands.exporting import export_command
from sutki.commands.forecast import forecast_app
from sutki.commands.keys import keys_app
from sutki.commands.mail import mail_app
from sutki.commands.notifications import notifications_app
from sutki.commands.oneroster import oneroster_app
from sutki.commands.operating import (
    REPLAYS,
    clients_app,
    letters_app,
    migrate_command,
    outbox_app,
    rebuild_command,
    replay,
    replay_command,
)
from sutki.commands.paper import extracts_app
from sutki.commands.privacy import privacy_app
from sutki.commands.proof import ledger_app
from sutki.commands.tables import import_app
from sutki.commands.taking import accounts_app, consents_app
from sutki.console import EXIT_NOTHING_DONE, err, fail, out
from sutki.texts import tr

DEMO_FOLDER = Path("var/demo")

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help=tr(
        "Сутки: электронный дневник района. По-английски: SUTKI_LANG=en.",
        "Sutki: a district's electronic diary.",
    ),
)
app.add_typer(consents_app, name="consents")
app.add_typer(accounts_app, name="accounts")
app.add_typer(extracts_app, name="extracts")
app.add_typer(ledger_app, name="ledger")
app.add_typer(deadlines_app, name="deadlines")
app.add_typer(keys_app, name="keys")
app.add_typer(privacy_app, name="privacy")
app.add_typer(forecast_app, name="forecast")
app.add_typer(letters_app, name="dead-letters")
app.add_typer(outbox_app, name="outbox")
app.add_typer(clients_app, name="clients")
app.add_typer(oneroster_app, name="oneroster")
app.add_typer(mail_app, name="mail")
app.add_typer(notifications_app, name="notifications")
app.add_typer(import_app, name="import")
app.command("export")(export_command)
app.command("close-period")(close_period)
app.command("reopen-period")(reopen_period)
app.command("statistics")(statistics)
app.command("summary-sheet")(summary_sheet_command)
app.command("migrate")(migrate_command)
app.command("replay")(replay_command)
app.command("rebuild")(rebuild_command)


@app.callback()
def common(
    env: Annotated[
        Path | None,
        typer.Option(
            envvar="SUTKI_ENV",
            exists=True,
            help=tr(
                "файл переменных (stack.env); по умолчанию var/demo/stack.env, если он есть",
                "file of variables (stack.env); var/demo/stack.env by default when it is there",
            ),
        ),
    ] = None,
) -> None:
    """Takes the variables of the stack that the command is for."""
    logging.configure("cli", "WARNING")
    file = env or DEMO_FOLDER / "stack.env"
    if env is not None or file.exists():
        try:
            environment.use_file(file)
        except (OSError, ValueError) as error:
            fail(str(error))


@app.command("up")
def up(
    folder: Annotated[Path, typer.Option(help=tr("данные, письма, журналы", "data, mails, logs"))] = Path("var/stack"),
    broker: Annotated[Literal["embedded", "kafka"], typer.Option(help="embedded, kafka")] = "embedded",
) -> None:
    """Запустить всё на одной машине / run the whole system on this machine until Ctrl-C."""
    asyncio.run(_up(folder, broker))


async def _up(folder: Path, broker: Literal["embedded", "kafka"]) -> None:
    # Here, since the stack's packages are not installed where only the command line is.
    from sutki.stack.stack import Stack  # noqa: PLC0415

    async def send_again(stack: Stack) -> None:
        environment.use_file(stack.env_file)
        for service in REPLAYS:
            await replay(service)

    stop = asyncio.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(name, stop.set)
    stack = Stack(
        folder,
        broker=broker,
        replay=send_again,
        environment={"SUTKI_CANARY_SECONDS": os.environ.get("SUTKI_CANARY_SECONDS", "3600")},
        progress=lambda part, state: err.print(f"{part}: {state}"),
    )
    async with stack:
        environment.use_file(stack.env_file)
        out.print(tr("Кабинет", "Cabinet") + f": {stack.address('cabinet')}")
        out.print(tr("Команды", "Commands") + f": sutki --env {stack.env_file} …", markup=False, soft_wrap=True)
        await stack.supervise(stop)


@app.command("demo")
def demo(
    once: Annotated[bool, typer.Option("--once", help=tr("закончить после таблицы", "stop after the table"))] = False,
    broker: Annotated[Literal["embedded", "kafka"], typer.Option(help="embedded, kafka")] = "embedded",
    folder: Annotated[Path, typer.Option(help=tr("где живёт пример", "where the sample lives"))] = DEMO_FOLDER,
    fresh: Annotated[bool, typer.Option("--fresh", help=tr("начать заново", "begin anew"))] = False,
    students: Annotated[int, typer.Option(min=60, help=tr("учеников", "students"))] = 1500,
    seed: Annotated[int, typer.Option(help=tr("зерно генератора", "the generator's seed"))] = 24,
) -> None:
    """Пример района целиком / the sample district, from its files to the table of what was disclosed."""
    from sutki.demo.run import Demo  # noqa: PLC0415 - see `up`

    raise typer.Exit(asyncio.run(Demo(folder, broker=broker, seed=seed, students=students, fresh=fresh).run(once=once)))


def main() -> None:
    """The entry point: expected failures end with a sentence and an exit code, not with a traceback."""
    try:
        app()
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, KafkaError) as error:
        where = tr("База данных или брокер недоступны", "The database or the broker cannot be reached")
        hint = tr("Проверьте переменные SUTKI_… или --env.", "Check the SUTKI_… variables or --env.")
        err.print(f"{where}: {type(error).__name__}: {error}\n{hint}", style="red", markup=False)
        sys.exit(EXIT_NOTHING_DONE)
    except KeyboardInterrupt:
        sys.exit(130)
