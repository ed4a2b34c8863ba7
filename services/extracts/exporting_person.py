"""What the print desk holds about a person: for the person's own copy of all of it."""

from chassis.holdings import ACCESS_LOG, Holding, Holdings

HOLDINGS = Holdings(
    (
        Holding("persons", ("person_id",)),
        Holding("result_versions", ("student_id",)),
        Holding("extracts", ("student_id", "recipient_id")),
        Holding(
            "extract_items",
            where="t.extract_id IN (SELECT e.extract_id FROM extracts AS e WHERE e.student_id = $1 OR "
            "e.recipient_id = $1)",
        ),
        Holding(
            "sheets",
            where="t.extract_id IN (SELECT e.extract_id FROM extracts AS e WHERE e.student_id = $1 OR "
            "e.recipient_id = $1)",
            without=("pdf",),
        ),
        Holding(
            "hand_over_register",
            where="t.extract_id IN (SELECT e.extract_id FROM extracts AS e WHERE e.student_id = $1 OR "
            "e.recipient_id = $1)",
        ),
        Holding("erasures_done", ("person_id",)),
        ACCESS_LOG,
    ),
    exempt={
        "access_log.actor_id": "exported by its condition where the actor is a person",
        "extracts.print_run_id": "a batch of sheets, not a person",
    },
)

everything_about = HOLDINGS.about
"""Every row about a person, by table."""
