"""Metrics of the paper route. A school is told by its opaque id; nothing here tells of a single person or sheet."""

from prometheus_client import Counter, Gauge, Histogram

EXTRACTS = Gauge("sutki_extracts_extracts", "Extracts that are not handed over or cancelled, by state.", ["state"])
OLDEST_WAITING_SECONDS = Gauge(
    "sutki_extracts_oldest_waiting_seconds", "Age of the oldest request, by the state in which it waits.", ["state"]
)
EARLIEST_DUE_SECONDS = Gauge(
    "sutki_extracts_earliest_due_seconds",
    "Time left until the first extract that is not printed is due; negative when it is late.",
)
PRINT_QUEUE = Gauge("sutki_extracts_print_queue_extracts", "Sheets that wait for the school's printer.", ["school_id"])
LACKING = Gauge(
    "sutki_extracts_lacking_extracts", "Extracts that cannot be rendered yet, by what they wait for.", ["lack"]
)
RENDERS = Counter("sutki_extracts_renders_total", "Sheets set by typst: rendered or failed.", ["outcome"])
RENDER_SECONDS = Histogram(
    "sutki_extracts_render_seconds",
    "Time that typst takes for one sheet.",
    buckets=(0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.2, 0.5, 1, 5),
)
PRINTED = Counter("sutki_extracts_printed_total", "Sheets printed and registered, by whether in time.", ["in_time"])
HANDED_OVER = Counter("sutki_extracts_handed_over_total", "Sheets that left the school, by way.", ["way"])
JAMMED = Counter("sutki_extracts_jammed_total", "Printed sheets that went back to the queue.")
