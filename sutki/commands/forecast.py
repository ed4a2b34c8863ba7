"""`sutki forecast`: final grades of a period from those of earlier ones, and how good such forecasts are."""

import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sutki.console import EXIT_SOME_REJECTED, err, fail, out, table
from sutki.texts import tr

if TYPE_CHECKING:
    from services.gradebook.forecast.evaluation import Evaluation, Scores
    from services.gradebook.forecast.files import Reading
    from services.gradebook.forecast.history import Case

SHOWN_REJECTIONS = 20

forecast_app = typer.Typer(
    no_args_is_help=True,
    help=tr("Прогноз итоговых отметок по прошлым периодам", "Forecast of final grades from earlier periods"),
)

HistoryArgument = Annotated[
    Path,
    typer.Argument(
        help=tr("CSV: student,subject,period,grade; «-» — со стандартного входа", "CSV; “-” is standard input"),
    ),
]
PeriodOption = Annotated[
    str, typer.Option("--period", help=tr("период, который прогнозируется", "the period to forecast"))
]
OrderOption = Annotated[
    str,
    typer.Option(
        "--order",
        help=tr(
            "порядок периодов через запятую, если его не видно по названиям",
            "order of the periods, by comma, where their names do not tell it",
        ),
    ),
]


@forecast_app.command("predict")
def predict(history: HistoryArgument, period: PeriodOption, order: OrderOption = "") -> None:
    """Вероятности отметок / probabilities of the grades, as CSV: student,subject,p2,p3,p4,p5.

    Learns from those who have a grade in the period; forecasts for those who have only earlier ones. Exit code 0: every
    row was taken; 2: some rows were rejected; 1: nothing could be forecast.
    """
    from services.gradebook.forecast.files import write_forecasts  # noqa: PLC0415 - numpy, for these commands only
    from services.gradebook.forecast.model import HistoryForecaster  # noqa: PLC0415

    reading = _read(history)
    cases = _cases(reading, period, order)
    asked = [case for case in cases if case.outcome is None]
    taught = len(cases) - len(asked)
    if not taught:
        err.print(
            tr(
                f"В периоде {period} ещё ни у кого нет отметки: прогноз по общему правилу, без опыта школы.",
                f"Nobody has a grade in {period} yet: the forecast is the general rule, without your past.",
            ),
            markup=False,
            style="yellow",
            soft_wrap=True,
        )
    forecasts = HistoryForecaster.learn(cases).predict(asked)
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    pairs = zip(asked, forecasts, strict=True)
    write_forecasts(sys.stdout, ((case.student, case.subject, forecast) for case, forecast in pairs))
    err.print(tr(f"учились на {taught}, прогнозов {len(asked)}", f"learned from {taught}, forecasts {len(asked)}"))
    raise typer.Exit(EXIT_SOME_REJECTED if reading.rejected else 0)


@forecast_app.command("evaluate")
def evaluate(
    history: HistoryArgument,
    period: PeriodOption,
    order: OrderOption = "",
    folds: Annotated[int, typer.Option(min=2, max=100, help=tr("частей проверки", "parts to hold back"))] = 5,
    seed: Annotated[int, typer.Option(help=tr("зерно деления на части", "seed of the division"))] = 0,
    as_json: Annotated[bool, typer.Option("--json", help=tr("отчёт в формате JSON", "report as JSON"))] = False,
) -> None:
    """Проверить прогноз на своём прошлом / judge the forecast by your own past, by cross-validation over students.

    Compared with frequency tables over the last grade and over the rounded mean (each with the smoothing that suits it
    best), and with the plain mean. Exit codes as for predict.
    """
    from services.gradebook.forecast import evaluation  # noqa: PLC0415 - numpy, for these commands only
    from services.gradebook.forecast.history import NoHistory  # noqa: PLC0415

    reading = _read(history)
    cases = _cases(reading, period, order)
    try:
        result = evaluation.evaluate(cases, fold_count=folds, seed=seed)
    except NoHistory as error:
        fail(_why_not(str(error), period, ()))
    if as_json:
        out.print_json(json.dumps(_as_json(result, period, seed)))
    else:
        _print(result, period)
    raise typer.Exit(EXIT_SOME_REJECTED if reading.rejected else 0)


def _read(path: Path) -> "Reading":
    """The history; what was left out is told on standard error, by line, without names."""
    from services.gradebook.forecast.files import Unreadable, read_history  # noqa: PLC0415

    try:
        reading = read_history(sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes())
    except OSError as error:
        fail(tr("Файл не читается: ", "The file cannot be read: ") + f"{path}: {error.strerror}")
    except Unreadable as error:
        if str(error) == "empty":
            fail(tr("Файл пуст.", "The file is empty."))
        fail(tr("В заголовке нет столбцов: ", "The header lacks the columns: ") + str(error))
    if reading.without_grade:
        told = ", ".join(f"{word or tr('пусто', 'blank')}: {count}" for word, count in reading.without_grade.items())
        err.print(tr("ячейки без отметки — ", "cells without a grade — ") + told, markup=False, soft_wrap=True)
    for fault in reading.rejected[:SHOWN_REJECTIONS]:
        where = tr("строка", "line") + f" {fault.line}" + (f", {fault.column}" if fault.column else "")
        err.print(f"{where}: {_REASONS[fault.reason]()}", style="yellow", markup=False, soft_wrap=True)
    if reading.rejected:
        counts = Counter(_REASONS[fault.reason]() for fault in reading.rejected)
        told = ", ".join(f"{reason}: {count}" for reason, count in counts.items())
        err.print(
            tr("отклонено строк", "rejected rows") + f" {len(reading.rejected)} ({told})", markup=False, soft_wrap=True
        )
    return reading


_REASONS = {
    "short_row": lambda: tr("не хватает столбцов", "too few columns"),
    "blank": lambda: tr("пустое значение", "blank"),
    "not_a_grade": lambda: tr("не отметка", "not a grade"),
    "outside_scale": lambda: tr("отметка вне шкалы", "outside the scale"),
    "repeated": lambda: tr("повтор с другой отметкой", "repeated with another grade"),
}


def _cases(reading: "Reading", period: str, order: str) -> "list[Case]":
    from services.gradebook.forecast.history import History, NoHistory, earlier_periods  # noqa: PLC0415

    known = History.of(reading.rows)
    try:
        stated = [name for part in order.split(",") if (name := part.strip())]
        if period not in (stated or known.periods):
            alike = [name for name in known.periods if name.casefold() == period.strip().casefold()]
            period = alike[0] if len(alike) == 1 else period
        earlier = earlier_periods(known.periods, period, stated)
        err.print(tr("по периодам: ", "from the periods: ") + ", ".join(earlier), markup=False, soft_wrap=True)
        return known.cases(period, earlier)
    except NoHistory as error:
        fail(_why_not(str(error), period, known.periods))


def _why_not(reason: str, period: str, periods: tuple[str, ...]) -> str:
    return {
        "unknown_period": tr(
            f"Нет периода {period}; есть: {', '.join(periods)}", f"No period {period}; there are: {', '.join(periods)}"
        ),
        "no_earlier_period": tr(
            f"Раньше периода {period} ничего нет; порядок можно задать через --order.",
            f"Nothing is earlier than {period}; --order can state the order.",
        ),
        "no_pairs": tr("Ни у кого нет отметок в прошлых периодах.", "Nobody has a grade in an earlier period."),
        "no_outcomes": tr(
            f"В периоде {period} ни у кого нет отметки: сравнивать не с чем.",
            f"Nobody has a grade in {period}: there is nothing to compare with.",
        ),
        "too_few_students": tr("Для проверки нужны хотя бы два ученика.", "At least two students are needed."),
    }[reason]


def _names() -> dict[str, str]:
    return {
        "sutki": tr("Сутки", "Sutki"),
        "table_last": tr("частоты по последней отметке", "frequencies by the last grade"),
        "table_mean": tr("частоты по округлённому среднему", "frequencies by the rounded mean"),
        "plain_mean": tr("среднее без поправок", "the plain mean"),
    }


def _print(result: "Evaluation", period: str) -> None:
    """The measures as a table, ours against the better frequency table, and our reliability."""
    shown = table(
        tr(
            f"{period}: учеников {result.students}, отметок {result.cases}, частей {result.folds}",
            f"{period}: {result.students} students, {result.cases} grades, {result.folds} folds",
        ),
        "",
        *tr(
            "точность|ошибка, баллов|Brier|log loss|ошибка калибровки",
            "accuracy|error, points|Brier|log loss|calibration error",
        ).split("|"),
    )
    for name, scores in result.scores.items():
        shown.add_row(_names()[name], *(f"{value:.4f}" for value in scores[:5]))
    out.print(shown)
    for measure, title in (("brier", "Brier"), ("log_loss", "log loss")):
        gain = 100 * result.gain(measure)
        out.print(tr("выигрыш у лучшей из таблиц", "gain over the better table") + f", {title}: {gain:+.1f} %")
    reliable = table(
        tr("Обещано и сбылось", "Promised and come true"),
        *tr("вероятность|случаев|обещано|сбылось", "probability|cases|promised|came").split("|"),
    )
    for each in result.scores["sutki"].reliability:
        bounds = f"{each.lower:.1f}–{each.upper:.1f}"
        reliable.add_row(bounds, str(each.chances), f"{each.forecast:.3f}", f"{each.observed:.3f}")
    out.print(reliable)


def _as_json(result: "Evaluation", period: str, seed: int) -> dict[str, object]:
    def measures(scores: "Scores") -> dict[str, object]:
        return {**scores._asdict(), "reliability": [each._asdict() for each in scores.reliability]}

    return {
        "period": period,
        "students": result.students,
        "cases": result.cases,
        "folds": result.folds,
        "seed": seed,
        "forecasters": {name: measures(scores) for name, scores in result.scores.items()},
        "gain_over_better_table": {measure: result.gain(measure) for measure in ("brier", "log_loss")},
    }
