"""Metrics of the cabinet."""

from prometheus_client import Counter, Gauge, Histogram

MARK_VISIBLE_SECONDS = Histogram(
    "sutki_cabinet_mark_visible_seconds",
    "From when the journal committed a mark to when the cabinet projected it.",
    buckets=(0.02, 0.05, 0.1, 0.15, 0.25, 0.5, 1, 2, 5, 15, 60, 300, 3600, 86_400),
)
CONSENT_VIEW_AGE_SECONDS = Gauge(
    "sutki_cabinet_consent_view_age_seconds",
    "Age of the cabinet's view of consents; +Inf before the first heartbeat. Above the limit nothing is shown.",
)
CONSENT_VIEW_STALE = Gauge(
    "sutki_cabinet_consent_view_stale", "1 while nothing is shown because the view of consents is stale."
)
ACKNOWLEDGED = Counter(
    "sutki_cabinet_acknowledged_total",
    "Versions of results of which it was acknowledged that more people can see them.",
)
SIGN_INS = Counter("sutki_cabinet_sign_ins_total", "Sign-ins by outcome: ok, wrong, limited, joined.", ["outcome"])
SLOWED_SIGN_INS = Counter(
    "sutki_cabinet_slowed_sign_ins_total",
    "Sign-ins that had to wait, because there were many failures of the same login: somebody may be guessing.",
)
PAGES = Counter(
    "sutki_cabinet_pages_total", "Pages about a child, by page and by whether they were open.", ["page", "access"]
)
