"""Everything that the consent service measures."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from prometheus_client import Counter, Gauge

from contracts.values import Decision
from services.consent.handlers import Outcome
from services.consent.model import Purpose

REGISTRATIONS = Counter(
    "sutki_consent_registrations_total",
    "Decisions and withdrawals that arrived, by outcome: registered, unchanged, rejected.",
    ["outcome"],
)
REJECTIONS = Counter("sutki_consent_rejections_total", "Reasons for which decisions were rejected.", ["code"])
ENDED = Counter("sutki_consent_ended_total", "Consents that the system ended, by reason.", ["reason"])
AUTHORITIES_ENDED = Counter("sutki_consent_authorities_ended_total", "Authorities that ended, by reason.", ["reason"])
AGREEMENTS_ASKED = Counter(
    "sutki_consent_agreements_asked_total", "Students who came to the age at which they are asked too."
)
INVITATIONS = Counter("sutki_consent_invitations_total", "Invitations that were issued with a receipt.")
HEARTBEATS = Counter("sutki_consent_heartbeats_total", "Heartbeats that the broker acknowledged on every partition.")
HEARTBEAT_FAILURES = Counter(
    "sutki_consent_heartbeat_failures_total",
    "Heartbeats that could not be sent; silence closes the electronic channels.",
)
HEARTBEAT_AS_OF = Gauge(
    "sutki_consent_heartbeat_as_of_timestamp_seconds", "The instant for which the last heartbeat spoke."
)
HEARTBEAT_DELAY = Gauge(
    "sutki_consent_heartbeat_delay_seconds", "From the instant of the last heartbeat to its acknowledgement."
)
CONSENTS = Gauge("sutki_consent_decisions", "Consents by purpose and present decision.", ["purpose", "decision"])
NO_INTERNET = Gauge("sutki_consent_no_internet", "Consents whose representative stated to have no internet.")


def count(outcomes: Sequence[Outcome]) -> None:
    """Counts what became of requests; called after their commit."""
    for outcome in outcomes:
        REGISTRATIONS.labels(outcome.status).inc()
        for fault in outcome.faults:
            REJECTIONS.labels(fault.code).inc()


def set_counts(rows: Iterable[Mapping[str, Any]]) -> None:
    """Sets the gauges of present decisions; a combination that is gone falls to 0.

    Args:
        rows: `cabinet`, `email`, `push`, `no_internet` and how many `consents` have them.
    """
    counts = {(purpose, decision): 0 for purpose in Purpose for decision in Decision}
    no_internet = 0
    for row in rows:
        for purpose in Purpose:
            counts[purpose, Decision(row[purpose])] += row["consents"]
        no_internet += row["consents"] if row["no_internet"] else 0
    for (purpose, decision), number in counts.items():
        CONSENTS.labels(purpose, decision).set(number)
    NO_INTERNET.set(no_internet)
