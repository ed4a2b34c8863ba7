"""Everything that the gradebook measures. The way to the family is watched here, from the journal's own side."""

from datetime import datetime
from typing import TYPE_CHECKING

from prometheus_client import Counter, Gauge, Histogram

from services.gradebook.exchange.report import Report
from services.gradebook.records import RecordKind

if TYPE_CHECKING:
    # Taking counts what it does here, too.
    from services.gradebook.taking import Outcome

RECORDS = Counter(
    "sutki_gradebook_records_total",
    "Records that journals sent, by kind and outcome: added, changed, unchanged, rejected.",
    ["kind", "outcome"],
)
IMPORTS = Counter(
    "sutki_gradebook_imports_total", "Imports of files, by exit code: 0 all taken, 1 none, 2 some.", ["code"]
)
TOKEN_REQUESTS = Counter(
    "sutki_gradebook_token_requests_total",
    "Requests for OneRoster's access tokens, by outcome: known, wrong (somebody may be guessing), limited.",
    ["outcome"],
)
UNDISCLOSED_AGE = Gauge(
    "sutki_gradebook_oldest_undisclosed_seconds",
    "Age of the oldest released result that no recipient has yet, as the publisher tells; 0: none waits.",
)
UNDISCLOSED = Gauge("sutki_gradebook_undisclosed_results", "Released results that no recipient has yet.")
CLOSINGS = Counter("sutki_gradebook_closings_total", "Classes whose period was closed or opened again.", ["state"])
DEFERRALS = Counter("sutki_gradebook_deferrals_total", "Deferrals of final grades that came into a state.", ["state"])
DEFERRALS_DUE = Gauge(
    "sutki_gradebook_deferrals_due", "Deferrals whose last day is over and whose grade is still missing."
)
FORECASTS_DUE = Gauge(
    "sutki_gradebook_forecasts_due", "Rows that ask for a forecast to be computed anew; one forecast may have several."
)
FORECASTS_PUBLISHED = Counter(
    "sutki_gradebook_forecasts_published_total", "Forecasts that were told, since their leading grade or band changed."
)
FIRST_DISCLOSURE = Histogram(
    "sutki_gradebook_first_disclosure_seconds",
    "From when a result was obtained to when the first recipient could have it.",
    ["kind"],
    buckets=(1, 5, 15, 60, 300, 900, 3600, 10_800, 21_600, 43_200, 64_800, 86_400, 172_800),
)


def count_outcome(kind: RecordKind, outcome: "Outcome") -> None:
    """Counts what became of a request's records; called after the commit."""
    for name, number in (
        ("added", outcome.added),
        ("changed", outcome.changed),
        ("unchanged", outcome.unchanged),
        ("rejected", len({place for place, _ in outcome.rejected})),
    ):
        RECORDS.labels(kind, name).inc(number)


def count_report(report: Report) -> None:
    """Counts what became of a file's rows; called after the last commit."""
    IMPORTS.labels(str(report.exit_code)).inc()
    for kind, counts in report.counts.items():
        for name in ("added", "changed", "unchanged", "rejected"):
            RECORDS.labels(kind, name).inc(getattr(counts, name))


def watch(oldest: datetime | None, waiting: int, now: datetime) -> None:
    """Shows how old the oldest result is that waits for its first recipient, and how many wait."""
    UNDISCLOSED_AGE.set(0 if oldest is None else max(0.0, (now - oldest).total_seconds()))
    UNDISCLOSED.set(waiting)
