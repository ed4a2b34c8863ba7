"""One student's forecasts as the family is to read them: what the demo shows of C4."""

from rich.table import Table

from chassis.database import DISTRICT, Database
from contracts.values import Language
from services.gradebook.domain import Identity
from services.gradebook.forecasting.presenting import in_words
from services.gradebook.forecasting.queries import Shown, of_student
from services.gradebook.queries import identity_key
from services.gradebook.roster_queries import schools_of_students
from sutki.console import table
from sutki.demo.truth import Truth
from sutki.texts import english, tr

_KINDS = {"quarter": ("четверть", "quarter"), "half_year": ("полугодие", "half-year"), "year": ("год", "year")}


async def one_students_forecasts(gradebook: Database, truth: Truth) -> Table | None:
    """The forecasts of a student who has some in the part of the year that runs, or at least for the year.

    Args:
        gradebook: its database.
        truth: says who has forecasts.

    Returns:
        A table without the student's name; None when nobody in the sample has a forecast.
    """
    ranked = sorted(truth.journal.forecasts, key=lambda one: (one[2] == "year", one))
    if not ranked:
        return None
    async with gradebook.transaction(DISTRICT) as conn:
        student = Identity(await identity_key(conn), truth.manifest["source"]).of("person", ranked[0][0])
        school_id = (await schools_of_students(conn, [student]))[student]
        shown = await of_student(conn, school_id, student)
    made = table(
        tr("Прогноз одного ученика", "The forecast of one student"),
        tr("предмет", "subject"),
        tr("период", "period"),
        tr("отметок", "marks"),
        "2 · 3 · 4 · 5, %",
        tr("словами", "in words"),
    )
    for one in [each for each in shown if each.kind != "year"] or shown:
        made.add_row(*_row(one))
    return made


def _row(one: Shown) -> tuple[str, str, str, str, str]:
    headline, needed = in_words(one.stored, Language.EN if english() else Language.RU)
    period = tr(*_KINDS[one.kind]) + ("" if one.kind == "year" else f" {one.number}")
    chances = " · ".join(f"{100 * chance:.0f}" for chance in one.stored.probabilities)
    words = headline if needed is None else f"{headline}. {needed}"
    return one.subject, period, str(one.stored.marks_counted), chances, words
