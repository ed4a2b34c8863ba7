"""What the command line prints: tables and progress on the terminal, errors with what to do on standard error."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

EXIT_NOTHING_DONE = 1
EXIT_SOME_REJECTED = 2


def fail(what: str, *, code: int = EXIT_NOTHING_DONE) -> NoReturn:
    """Ends the command with an error for a person.

    Raises:
        typer.Exit: always.
    """
    err.print(what, style="red")
    raise typer.Exit(code)


@contextmanager
def progress() -> Iterator[Progress]:
    """A progress display for whatever takes more than a second: how much of it is done, since when, and how long yet.

    Elapsed and remaining time stand in this order; the latter is unknown (`-:--:--`) where the whole is.
    """
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=err,
        disable=not err.is_terminal,
    ) as display:
        yield display


def table(title: str, *columns: str) -> Table:
    """An empty table in the one style that all commands use; columns after the first are set to the right."""
    made = Table(title=title, title_justify="left", title_style="bold", header_style="bold", pad_edge=False)
    for position, column in enumerate(columns):
        made.add_column(column, justify="right" if position else "left", overflow="fold")
    return made
