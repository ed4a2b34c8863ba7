"""The journal's lines of the demo's table: the gradebook's own databases, reports and files against the sample."""

import json
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from uuid import UUID

from chassis.database import DISTRICT, Database
from services.gradebook.closing.domain import ClosingState
from services.gradebook.closing.queries import closings
from services.gradebook.domain import Identity
from services.gradebook.exchange.sheets.limits import SheetLimits
from services.gradebook.exchange.sheets.xlsx import read_xlsx
from services.gradebook.queries import identity_key
from services.gradebook.statistics import handlers as statistics
from services.gradebook.statistics.domain import rounded
from services.gradebook.statistics.tables import Row, shown
from sutki.demo import state
from sutki.demo.closing import FIRST_LOOK
from sutki.demo.journal_truth import ClassFigures, JournalTruth
from sutki.demo.truth import Truth
from sutki.texts import tr

_FIRST_VALUE_COLUMN, _PERIOD_COLUMN, _FIRST_STUDENT_ROW = 4, 3, 4


@dataclass(frozen=True)
class Check:
    """One line: what is, and what must be."""

    key: str
    name: str
    actual: int | Decimal
    expected: int | Decimal | None = None
    """None: a figure that only informs, and must not be 0."""

    @property
    def holds(self) -> bool:
        """Whether it is as it must be."""
        return self.actual > 0 if self.expected is None else self.actual == self.expected


_NAMES: dict[str, tuple[str, str]] = {
    "timetable_slots": ("уроков в недельном расписании", "weekly lessons of the timetable"),
    "lessons": ("уроков по датам", "dated lessons"),
    "substitutions": ("замен, переносов, отмен", "substitutions, moved and cancelled lessons"),
    "control_works": ("контрольных работ в графике", "control works planned"),
    "homework": ("домашних заданий", "pieces of homework"),
    "recommendations": ("рекомендаций и наблюдений", "recommendations and observations"),
    "attendance": ("пропусков и опозданий", "absences and late arrivals"),
}


async def examine_journal(gradebook: Database, cabinet: Database, truth: Truth, folder: Path) -> list[Check]:
    """Compares everything about the journal with the sample.

    Args:
        gradebook: its database.
        cabinet: the cabinet's, for what families see of a deferral.
        truth: what must be.
        folder: the demo's, with the first look at the quarter and the summary sheets.
    """
    journal = truth.journal
    async with gradebook.transaction(DISTRICT) as conn:
        identity = Identity(await identity_key(conn), truth.manifest["source"])
    checks = await _facts(gradebook, journal)
    checks += await _closing(gradebook, journal, identity, folder)
    checks += await _deferrals(gradebook, cabinet, journal)
    checks += await _statistics(gradebook, journal, identity)
    checks += await _forecasts(gradebook, journal)
    checks += _sheets(journal, folder)
    return checks


async def _facts(gradebook: Database, journal: JournalTruth) -> list[Check]:
    """Facts that are as the sample has them, less those that it does not have."""
    checks = []
    for table, wanted in journal.facts.items():
        found = [tuple(row) for row in await state.journal_facts(gradebook, table)]
        right = len(wanted & set(found)) - sum(row not in wanted for row in found)
        checks.append(Check(table, tr(*_NAMES[table]), right, len(wanted)))
    return checks


# --- the end of the quarter -----------------------------------------------------------------------------------------


async def _closing(gradebook: Database, journal: JournalTruth, identity: Identity, folder: Path) -> list[Check]:
    school, period = identity.of("school", journal.closing_school), identity.of("period", journal.closing_period)
    async with gradebook.transaction(DISTRICT) as conn:
        states = await closings(conn, school, period)
    closed = {class_id for class_id, row in states.items() if row.state == ClosingState.CLOSED}
    wanted = {identity.of("group", one) for one in journal.closed_classes}
    first = json.loads((folder / FIRST_LOOK).read_text(encoding="utf-8"))["missing"]
    lacked = {(UUID(student), UUID(subject)) for student, subject in first}
    must = {(identity.of("person", student), identity.of("subject", subject)) for student, subject in journal.lacking}
    return [
        Check(
            "lacked_grade",
            tr("без итоговой при первом взгляде на четверть", "without a final grade at the first look"),
            len(lacked & must) - len(lacked - must),
            len(must),
        ),
        Check("classes_closed", tr("классов закрыло четверть", "classes closed"), len(closed & wanted), len(wanted)),
    ]


async def _deferrals(gradebook: Database, cabinet: Database, journal: JournalTruth) -> list[Check]:
    granted = {tuple(row) for row in await state.deferrals(gradebook)}
    told = await state.deferred_results(cabinet)
    return [
        Check(
            "deferrals",
            tr("отсрочек по болезни", "deferrals for illness"),
            len(granted & journal.deferrals) - len(granted - journal.deferrals),
            len(journal.deferrals),
        ),
        Check(
            "deferrals_told",
            tr("об отсрочке знает кабинет семьи", "deferrals in the family's cabinet"),
            told,
            len(journal.deferrals),
        ),
    ]


# --- statistics -----------------------------------------------------------------------------------------------------


async def _statistics(gradebook: Database, journal: JournalTruth, identity: Identity) -> list[Check]:
    """The first quarter of the whole district, and of each class of each school."""
    right = 0
    terms = await state.first_quarters(gradebook)
    by_id = {identity.of("group", one): figures for one, figures in journal.results_by_class.items()}
    for school_id, period_id, _ in terms:
        table = await statistics.of_school(gradebook, DISTRICT, school_id, period_id, by="class")
        right += sum(_figures(row) == by_id.get(row.unit_id) for row in table.rows if row.unit_id in by_id)
    year = terms[0][2]
    whole = await statistics.of_district(gradebook, DISTRICT, kind="quarter", number=1, school_year=year, by="school")
    classes = Check(
        "statistics_classes",
        tr("классов с верной статистикой четверти", "classes whose statistics are right"),
        right,
        len(journal.results_by_class),
    )
    return [classes, *_of_district(whole.total, journal)]


def _of_district(total: Row, journal: JournalTruth) -> list[Check]:
    """Results and lessons of all schools together."""
    success = rounded(total.results.success)
    return [
        Check(
            "statistics_success_percent",
            tr("успеваемость района, %", "share of successful, %"),
            Decimal(0) if success is None else success,
            journal.success,
        ),
        Check(
            "statistics_lessons_held",
            tr("проведено уроков за четверть", "lessons held in the quarter"),
            total.lessons.held,
            journal.lessons_held,
        ),
        Check(
            "statistics_lessons_substituted",
            tr("из них с заменой учителя", "given by another teacher"),
            total.lessons.substituted,
            journal.lessons_substituted,
        ),
        Check(
            "statistics_plan_hours",
            tr("часов учебного плана за четверть", "hours of the plan in the quarter"),
            int(total.lessons.plan),
            journal.plan_hours,
        ),
    ]


def _figures(row: Row) -> ClassFigures:
    results = row.results
    counts = {value: number for value, number in sorted(results.counts.items()) if number}
    return counts, shown(results.average), shown(results.success), shown(results.quality), shown(results.degree)


async def _forecasts(gradebook: Database, journal: JournalTruth) -> list[Check]:
    shown_now = {tuple(row) for row in await state.forecasts(gradebook)}
    return [
        Check(
            "forecasts",
            tr("прогнозов: ученик × предмет × период", "forecasts: student × subject × period"),
            len(shown_now & journal.forecasts) - len(shown_now - journal.forecasts),
            len(journal.forecasts),
        ),
        Check(
            "forecast_students",
            tr("учеников с прогнозом", "students with a forecast"),
            len({row[0] for row in shown_now}),
            len({row[0] for row in journal.forecasts}),
        ),
    ]


# --- summary sheets -------------------------------------------------------------------------------------------------


def _sheets(journal: JournalTruth, folder: Path) -> list[Check]:
    """The written files, read again."""
    files = sorted((folder / "summary").glob("*.xlsx"))
    return [
        Check(
            "summary_sheets",
            tr("сводных ведомостей (XLSX)", "summary sheets (XLSX)"),
            len(files),
            journal.sheets,
        ),
        Check(
            "summary_cells",
            tr("итоговых отметок и отсрочек в них", "final grades and deferrals on them"),
            sum(_values(file) for file in files),
            journal.sheet_cells,
        ),
    ]


def _values(file: Path) -> int:
    """Filled cells beside a period's name."""
    book = read_xlsx(file, SheetLimits())
    return sum(
        column >= _FIRST_VALUE_COLUMN and str(value).strip() != ""
        for sheet in book.sheets
        for number, row in sheet.rows.items()
        if number >= _FIRST_STUDENT_ROW and _PERIOD_COLUMN in row
        for column, value in row.items()
    )
