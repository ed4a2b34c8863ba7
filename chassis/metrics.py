"""Metrics that every service has. Labels are names of parts, never of people or of single things."""

from prometheus_client import Counter, Gauge, Histogram

LATENCY_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)

EVENTS_CONSUMED = Counter(
    "sutki_events_consumed_total",
    "Events taken from the broker, by outcome: applied, duplicate, skipped (no handler), dead_letter.",
    ["consumer", "event", "outcome"],
)
BATCH_SECONDS = Histogram(
    "sutki_consumer_batch_seconds", "Time to apply a batch and commit it.", ["consumer"], buckets=LATENCY_SECONDS
)
BATCH_RETRIES = Counter("sutki_consumer_retries_total", "Batches put back because of a passing failure.", ["consumer"])
LAG_MESSAGES = Gauge("sutki_consumer_lag_messages", "Messages not yet taken, over all partitions.", ["consumer"])
SILENT_SECONDS = Gauge(
    "sutki_consumer_silent_seconds",
    "For how long the broker has not answered a consumer that is not busy.",
    ["consumer"],
)
CONSUMER_RESTARTS = Counter(
    "sutki_consumer_restarts_total", "Consumers that were made anew because they had fallen silent.", ["consumer"]
)
EVENT_AGE_SECONDS = Histogram(
    "sutki_event_age_seconds",
    "From when a fact came to be to when it was applied here.",
    ["consumer", "event"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 3600, 21_600, 86_400),
)
DEAD_LETTERS = Gauge("sutki_dead_letters", "Dead letters that wait for an operator.")
OUTBOX_PENDING = Gauge("sutki_outbox_pending", "Events written and not yet acknowledged by the broker.")
OUTBOX_AGE_SECONDS = Gauge("sutki_outbox_oldest_age_seconds", "Age of the oldest event that is not yet acknowledged.")
OUTBOX_FAILED = Gauge("sutki_outbox_failed", "Events that the broker will never take; they wait for an operator.")
RELAYED = Counter("sutki_outbox_relayed_total", "Events acknowledged by the broker.")
LOOP_ERRORS = Counter("sutki_loop_errors_total", "Rounds of a background loop that failed.", ["loop"])
LOOP_ROWS = Counter("sutki_loop_rows_total", "Rows handled by a background loop.", ["loop"])
HTTP_SECONDS = Histogram(
    "sutki_http_request_seconds",
    "Time to answer, by route template.",
    ["method", "route", "status"],
    buckets=LATENCY_SECONDS,
)
