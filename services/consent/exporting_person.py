"""What the registry of consents holds about a person: for the person's own copy of all of it."""

from chassis.holdings import ACCESS_LOG, Holding, Holdings

HOLDINGS = Holdings(
    (
        Holding("people", ("person_id",), without=("words",)),
        Holding("students", ("student_id",)),
        Holding("representations", ("student_id", "representative_id")),
        Holding("consents", ("representative_id",)),
        Holding(
            "consents",
            where="t.student_id = $1 AND t.representative_id <> $1",
            without=("email_address", "language"),
            named="consents_of_representatives",
        ),
        Holding(
            "consent_decisions",
            where="t.consent_id IN (SELECT c.consent_id FROM consents AS c WHERE c.representative_id = $1 OR "
            "c.student_id = $1)",
        ),
        Holding(
            "consent_documents",
            where="t.consent_id IN (SELECT c.consent_id FROM consents AS c WHERE c.representative_id = $1)",
        ),
        Holding("authorities", ("student_id", "representative_id")),
        Holding("authority_history", ("student_id", "representative_id")),
        Holding("student_agreements", ("student_id",)),
        Holding("student_agreement_history", ("student_id",)),
        Holding("invitations", ("person_id",), secret=("code_sha256",)),
        Holding("erasures", ("person_id", "student_id")),
        Holding(
            "erasure_confirmations",
            where="t.erasure_id IN (SELECT e.erasure_id FROM erasures AS e WHERE e.person_id = $1)",
        ),
        Holding("erasure_log", where="t.erasure_id IN (SELECT e.erasure_id FROM erasures AS e WHERE e.person_id = $1)"),
        Holding(
            "destruction_acts",
            where="t.erasure_id IN (SELECT e.erasure_id FROM erasures AS e WHERE e.person_id = $1)",
            without=("pdf", "log_extract"),
        ),
        ACCESS_LOG,
    ),
    exempt={
        "canaries.student_id": "synthetic, nobody's",
        "canaries.representative_id": "synthetic, nobody's",
        "access_log.actor_id": "exported by its condition where the actor is a person",
        "authority_history.registered_by": "a program, not a person",
        "consent_decisions.registered_by": "a program, not a person",
        "invitations.issued_by": "a program, not a person",
        "student_agreement_history.registered_by": "a program, not a person",
        "erasures.ordered_by": "a program, not a person",
    },
)

everything_about = HOLDINGS.about
"""Every row about a person, by table."""
