"""What is measured of erasures."""

from prometheus_client import Counter, Gauge

UNCONFIRMED = Gauge(
    "sutki_consent_erasures_unconfirmed", "Erasures that a service has not confirmed within the time set for it."
)
PAST_DUE = Gauge("sutki_consent_erasures_past_due", "Erasures that are not done although the law's term is over.")
REQUESTED = Counter("sutki_consent_erasures_requested_total", "Erasures that were carried out.", ["ordered"])
ACTS = Counter("sutki_consent_destruction_acts_total", "Acts of destruction that were made.")
