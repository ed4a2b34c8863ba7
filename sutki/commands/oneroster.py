"""`sutki oneroster`: OneRoster packs without a running system."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

from services.gradebook.exchange.oneroster_check import CheckReport, check
from sutki.console import err, out, progress, table
from sutki.texts import english, tr

SHOWN_PROBLEMS = 50

oneroster_app = typer.Typer(no_args_is_help=True, help=tr("Пакеты OneRoster", "OneRoster packs"))


@oneroster_app.callback()
def oneroster() -> None:
    """Пакеты OneRoster / OneRoster packs."""


@oneroster_app.command("check")
def check_command(
    pack: Annotated[Path, typer.Argument(exists=True, readable=True, help=tr("ZIP или папка", "ZIP or folder"))],
    as_json: Annotated[bool, typer.Option("--json", help=tr("Отчёт в формате JSON", "Report as JSON"))] = False,
) -> None:
    """Проверить пакет OneRoster 1.1 или 1.2 CSV / check a OneRoster 1.1 or 1.2 CSV pack, without any database.

    Exit code 0: clean; 2: problems; 1: it cannot be read.
    """
    with progress() as display:
        tasks: dict[str, int] = {}

        def show(name: str, rows: int) -> None:
            if name not in tasks:
                tasks[name] = display.add_task(name, total=None)
            display.update(tasks[name], completed=rows)  # type: ignore[arg-type]

        report = check(pack, progress=show)
    language: Literal["ru", "en"] = "en" if english() else "ru"
    if as_json:
        # Plainly: lines are never folded to the width of a terminal.
        typer.echo(json.dumps(report.as_json(language), ensure_ascii=False, indent=2))
    else:
        _print(report, language)
    raise typer.Exit(report.exit_code)


def _print(report: CheckReport, language: Literal["ru", "en"]) -> None:
    if not report.unread:
        counts = table(
            f"OneRoster {report.version or '?'}",
            tr("файл", "file"),
            tr("строк", "rows"),
            tr("принято", "accepted"),
            tr("отклонено", "rejected"),
        )
        for name, count in report.files.items():
            counts.add_row(name, str(count.rows), str(count.accepted), str(count.rejected))
        out.print(counts)
    for problem in report.problems[:SHOWN_PROBLEMS]:
        place = f"{problem.file}:{problem.line}" if problem.line else problem.file
        err.print(f"{place} {problem.field}: {problem.reason(language)} [{problem.code}]", markup=False, soft_wrap=True)
    if report.found > SHOWN_PROBLEMS:
        err.print(
            tr(
                f"… всего замечаний {report.found}; весь список: --json",
                f"… {report.found} problems in all; the whole list: --json",
            )
        )
    _print_notes(report)
    if not report.found:
        out.print(tr("Замечаний нет.", "No problems."))


def _print_notes(report: CheckReport) -> None:
    for name, columns in report.unknown_columns.items():
        further = [column for column in columns if not column.lower().startswith("metadata.")]
        if further:
            text = tr("столбцы без значения: ", "columns of no meaning: ")
            out.print(f"{name}: {text}{', '.join(further)}", markup=False, soft_wrap=True)
    if report.unknown_files:
        out.print(
            tr("Файлы без значения: ", "Files of no meaning: ") + ", ".join(report.unknown_files),
            markup=False,
            soft_wrap=True,
        )
