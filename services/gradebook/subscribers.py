"""What the gradebook hears: that a result has reached somebody."""

from collections.abc import Sequence
from datetime import datetime

from chassis.clock import Clock
from chassis.consuming import Consumer
from chassis.database import Connection, Database
from contracts.result_disclosed import ResultDisclosed
from services.gradebook import metrics, queries


def disclosures(database: Database, clock: Clock) -> Consumer:
    """Notes the first disclosure of each value of each result."""
    consumer = Consumer("gradebook.disclosures", database, clock)
    consumer.on(ResultDisclosed, note_first_disclosures)
    return consumer


async def note_first_disclosures(conn: Connection, events: Sequence[ResultDisclosed], _: datetime) -> None:
    """Keeps the earliest instant at which any recipient could have each value.

    The earliest of all that is told is the same in whatever order it is told, so that no revision needs to be kept. A
    result that is not here (the database was restored from before it) is left: its journal sends it again.
    """
    first = [min(disclosure.available_at for disclosure in event.disclosures) for event in events]
    noted = await queries.disclosed(
        conn, [event.result_id for event in events], [event.value_revision for event in events], first
    )
    for row in noted:
        seconds = (row["disclosed_at"] - row["obtained_at"]).total_seconds()
        metrics.FIRST_DISCLOSURE.labels(row["kind"]).observe(max(0.0, seconds))
