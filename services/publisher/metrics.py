"""Every metric of the publisher. Labels are names of routes and states, never of people."""

from prometheus_client import Counter, Gauge, Histogram

OPEN_OBLIGATIONS = Gauge("sutki_publisher_open_obligations", "Obligations that are still owed, by route.", ["route"])
OVERDUE_OBLIGATIONS = Gauge("sutki_publisher_overdue_obligations", "Obligations still owed after their 24 hours.")
OLDEST_UNMET_SECONDS = Gauge(
    "sutki_publisher_oldest_unmet_age_seconds",
    "Age of the oldest obligation still owed, from 24 hours before its deadline; 0 when nothing is owed.",
)
SECONDS_TO_NEXT_DEADLINE = Gauge(
    "sutki_publisher_next_deadline_seconds", "Time left until the first deadline of what is owed, by route.", ["route"]
)
CONSENT_VIEW_AGE_SECONDS = Gauge(
    "sutki_publisher_consent_view_age_seconds", "How old the view of consents is; -1 while it was never complete."
)
TIME_TO_AVAILABLE_SECONDS = Histogram(
    "sutki_publisher_time_to_available_seconds",
    "From when a result was obtained to when its recipient could have it, by route. The 24 hours are a bucket.",
    ["route"],
    buckets=(1, 5, 15, 60, 300, 900, 3600, 10_800, 21_600, 43_200, 64_800, 72_000, 82_800, 86_400, 90_000, 172_800),
)
DISCLOSED = Counter(
    "sutki_publisher_disclosed_total",
    "Obligations met, by route and lateness: no, by_us, at_source.",
    ["route", "late"],
)
OVERDUE_NOTICED = Counter(
    "sutki_publisher_overdue_noticed_total",
    "Obligations whose 24 hours passed unmet, by route and by who lost the time: by_us, at_source.",
    ["route", "late"],
)
OPENED = Counter("sutki_publisher_opened_total", "Obligations opened, by route.", ["route"])
MOVED_TO_PAPER = Counter(
    "sutki_publisher_moved_to_paper_total", "Obligations that the clock moved to paper.", ["reason"]
)
MAILS = Counter(
    "sutki_publisher_mails_total",
    "Mails by outcome: sent, retry, failed, cancelled, undecided.",
    ["outcome"],
)
MAILS_WAITING = Gauge("sutki_publisher_mails_waiting", "Mails that are not settled for good, by state.", ["state"])
MAIL_SECONDS = Histogram(
    "sutki_publisher_mail_conversation_seconds",
    "Length of the conversation with the mail server about one mail.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
LEDGER_ENTRIES = Counter("sutki_publisher_ledger_entries_total", "Entries appended to the ledger, by kind.", ["kind"])
"""Counters are raised inside transactions: what is rolled back and repeated counts twice. The ledger is exact."""
