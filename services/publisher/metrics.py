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
MESSAGES_WAITING = Gauge(
    "sutki_publisher_messages_waiting",
    "Messages that are not settled for good, by channel and state.",
    ["channel", "state"],
)
MAILS_PUT_OFF = Counter(
    "sutki_publisher_mails_put_off_total", "Mails put off because their provider takes no more now."
)
MAIL_PROVIDER_PAUSES = Counter(
    "sutki_publisher_mail_provider_pauses_total", "Times that a mail provider said that we are too fast."
)
BOUNCES = Counter(
    "sutki_publisher_bounces_total",
    "Mails that came back, by what they say of the address: address, policy, soft; other: no bounce of ours.",
    ["severity"],
)
SUPPRESSED_ADDRESSES = Counter(
    "sutki_publisher_suppressed_addresses_total", "Addresses that take no mails any more, by reason.", ["reason"]
)
UNSUBSCRIBED = Counter(
    "sutki_publisher_unsubscribed_total",
    "Recipients who ended their mails about a child, by way: one_click, mail.",
    ["way"],
)
MAIL_SECONDS = Histogram(
    "sutki_publisher_mail_conversation_seconds",
    "Length of the conversation with the mail server about one mail.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
PUSHES = Counter(
    "sutki_publisher_pushes_total",
    "Pushes by outcome: sent (to one browser at least), retry, failed, cancelled, undecided.",
    ["outcome"],
)
PUSH_ANSWERS = Counter(
    "sutki_publisher_push_answers_total",
    "What push services answered, by service and meaning: accepted, gone, throttled, refused (our key), rejected (our "
    "fault), later, unclear.",
    ["service", "answer"],
)
PUSH_SECONDS = Histogram(
    "sutki_publisher_push_request_seconds",
    "Length of one request to a push service.",
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
PUSH_CLAIMS_REPEATED = Counter(
    "sutki_publisher_push_claims_repeated_total", "Pushes sent again, since the process that had claimed them was gone."
)
PUSH_SUSPENSIONS = Counter(
    "sutki_publisher_push_suspensions_total", "How often a push service was suspended: it refuses our key.", ["service"]
)
PUSH_SERVICES_SUSPENDED = Gauge(
    "sutki_publisher_push_services_suspended", "Push services that are suspended: they refuse our key."
)
PUSH_CONFIGURED = Gauge("sutki_publisher_push_configured", "1 when there is a VAPID key, 0 when push is off.")
PUSH_SUBSCRIPTIONS = Gauge("sutki_publisher_push_subscriptions", "Browsers that are subscribed.")
PUSH_SUBSCRIPTIONS_PAUSED = Gauge(
    "sutki_publisher_push_subscriptions_paused", "Browsers that are left alone for a while."
)
ESCALATED = Counter(
    "sutki_publisher_escalated_total",
    "Obligations told to staff because they were not met yet, by step: school, head, district, overdue.",
    ["step"],
)
ESCALATED_TO_NOBODY = Counter(
    "sutki_publisher_escalations_without_address_total", "Escalations for which no address is known, by step.", ["step"]
)
STAFF_MESSAGES = Counter("sutki_publisher_staff_messages_total", "Mails to staff by outcome.", ["outcome"])
RELEASED_BY_CLOCK = Counter(
    "sutki_publisher_released_by_clock_total", "Held results that nobody released before their 24 hours were over."
)
CANARY_SECONDS = Histogram(
    "sutki_publisher_canary_seconds",
    "From when a synthetic result was recorded to when its synthetic reader could have seen it.",
    buckets=(0.5, 1, 2, 5, 10, 30, 60, 120, 300, 900, 1800, 3600, 7200),
)
CANARY_AGE_SECONDS = Gauge(
    "sutki_publisher_canary_age_seconds",
    "Age of the last canary that arrived, at the school where it is the oldest; -1 where none ever flew.",
)
CANARIES_MISSING = Gauge(
    "sutki_publisher_canaries_missing_schools", "Schools of which no canary arrived within two periods."
)
LEDGER_DAYS_UNSEALED = Gauge(
    "sutki_publisher_ledger_days_unsealed",
    "Days that have ended and have no signed root yet: more than 1 means that no key is configured, or that the loop "
    "stands.",
)
DIGESTS = Counter("sutki_publisher_digests_total", "Digests queued; empty ones are not made.")
FELL = Counter(
    "sutki_publisher_messages_fell_total",
    "Messages that failed on their channel, by where they fell to: push, email, paper, nowhere.",
    ["channel", "to"],
)
LEDGER_ENTRIES = Counter("sutki_publisher_ledger_entries_total", "Entries appended to the ledger, by kind.", ["kind"])
"""Counters are raised inside transactions: what is rolled back and repeated counts twice. The ledger is exact."""
