"""What the publisher holds about a person: for the person's own copy of all of it."""

from chassis.holdings import ACCESS_LOG, Holding, Holdings

_SETTINGS = "a setting of the recipient, whose row it is"

HOLDINGS = Holdings(
    (
        Holding("students", ("student_id",)),
        Holding("representations", ("student_id", "representative_id")),
        Holding("accounts", ("person_id",)),
        Holding("consents", ("representative_id",), secret=("email_sha256",)),
        Holding(
            "consents",
            where="t.student_id = $1 AND t.representative_id <> $1",
            without=("email", "email_sha256", "language"),
            named="consents_of_representatives",
        ),
        Holding("results", ("student_id",)),
        Holding(
            "obligations",
            where="t.recipient_id = $1 AND t.result_id IN (SELECT r.result_id FROM results AS r WHERE r.student_id"
            " IN (SELECT c.student_id FROM consents AS c WHERE c.representative_id = $1 UNION ALL SELECT "
            "p.student_id FROM representations AS p WHERE p.representative_id = $1)) OR t.result_id IN "
            "(SELECT r.result_id FROM results AS r WHERE r.student_id = $1)",
        ),
        Holding("early_availability", ("student_id", "recipient_id")),
        Holding("extract_requests", ("student_id", "recipient_id")),
        Holding("extracts", ("student_id",)),
        Holding("disclosure_versions", ("student_id",)),
        Holding("notifications", ("student_id", "recipient_id")),
        Holding("notification_log", ("student_id", "recipient_id")),
        Holding("preferences", ("recipient_id",)),
        Holding("digests", ("recipient_id",)),
        Holding("news", where="t.student_id = $1 OR $1 = ANY (t.only_students)"),
        Holding("group_members", ("student_id",)),
        Holding("told_on_paper", ("recipient_id",)),
        Holding("push_subscriptions", ("person_id",), secret=("endpoint", "endpoint_sha256", "p256dh", "auth")),
        Holding(
            "push_deliveries",
            where="t.subscription_id IN (SELECT s.subscription_id FROM push_subscriptions AS s WHERE s.person_id = $1)",
        ),
        Holding("mail_unsubscribed", ("recipient_id",)),
        Holding(
            "mail_deliveries",
            where="t.notification_id IN (SELECT n.notification_id FROM notifications AS n WHERE n.recipient_id = $1)",
            secret=("address_sha256",),
        ),
        Holding(
            "bounces",
            where="t.notification_id IN (SELECT n.notification_id FROM notifications AS n WHERE n.recipient_id = $1)",
            secret=("address_sha256", "digest"),
        ),
        Holding(
            "suppressions",
            where="t.notification_id IN (SELECT n.notification_id FROM notifications AS n WHERE n.recipient_id = $1)",
            secret=("address_sha256",),
        ),
        Holding("escalated_obligations", ("student_id", "recipient_id")),
        Holding(
            "ledger",
            where="t.result_id IN (SELECT r.result_id FROM results AS r WHERE r.student_id = $1) OR "
            "position($1::text IN t.entry) > 0",
        ),
        Holding("erasures_done", ("person_id",)),
        ACCESS_LOG,
    ),
    exempt={
        "preferences.student_id": _SETTINGS,
        "digests.student_id": _SETTINGS,
        "mail_unsubscribed.student_id": _SETTINGS,
        "access_log.actor_id": "exported by its condition where the actor is a person",
        "notifications.claimed_by": "a process, not a person",
        "staff_messages.claimed_by": "a process, not a person",
        "news.only_students": "exported by its condition",
        "canaries.student_id": "synthetic, nobody's",
    },
)

everything_about = HOLDINGS.about
"""Every row about a person, by table."""
