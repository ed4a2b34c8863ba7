"""What the cabinet holds about a person: for the person's own copy of all of it."""

from chassis.holdings import ACCESS_LOG, Holding, Holdings

HOLDINGS = Holdings(
    (
        Holding("persons", ("person_id",)),
        Holding("representations", ("student_id", "representative_id")),
        Holding("consents", ("student_id", "representative_id")),
        Holding("marks", ("student_id",)),
        Holding("results", ("student_id",)),
        Holding("accounts", ("person_id",), secret=("password_hash",)),
        Holding("sessions", ("person_id",), secret=("token_sha256",)),
        Holding("invitations", ("person_id",), secret=("code_sha256",)),
        Holding("issued_invitations", ("person_id",)),
        Holding("acknowledgements", ("recipient_id",)),
        Holding("acknowledged_versions", ("student_id",)),
        Holding("acknowledgement_due", ("student_id",)),
        Holding("erasures_done", ("person_id",)),
        ACCESS_LOG,
    ),
    exempt={
        "access_log.actor_id": "exported by its condition where the actor is a person",
    },
)

everything_about = HOLDINGS.about
"""Every row about a person, by table."""
