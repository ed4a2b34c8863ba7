"""What the journal holds about a person: for the person's own copy of all of it."""

from chassis.holdings import ACCESS_LOG, Holding, Holdings

_OTHERS = "about a student, whom the row belongs to; what a teacher taught is exported with the lessons"

HOLDINGS = Holdings(
    (
        Holding("persons", ("person_id",)),
        Holding("person_records", ("person_id",)),
        Holding("representations", ("student_id", "representative_id")),
        Holding(
            "roster_statements",
            where="t.kind = 'people' AND EXISTS (SELECT FROM persons AS p WHERE p.person_id = $1 AND p.source = "
            "t.source AND t.stated ->> 'person_id' = p.external_id)",
        ),
        Holding("group_members", ("person_id",)),
        Holding("former_memberships", ("person_id",)),
        Holding("marks", ("student_id",)),
        Holding("mark_history", ("student_id",)),
        Holding("final_grades", ("student_id",)),
        Holding("final_grade_history", ("student_id",)),
        Holding("exam_results", ("student_id",)),
        Holding("exam_result_history", ("student_id",)),
        Holding(
            "grade_reasons", where="t.result_id IN (SELECT f.result_id FROM final_grades AS f WHERE f.student_id = $1)"
        ),
        Holding(
            "disclosures",
            where="t.result_id IN (SELECT f.result_id FROM final_grades AS f WHERE f.student_id = $1 UNION ALL "
            "SELECT e.result_id FROM exam_results AS e WHERE e.student_id = $1)",
        ),
        Holding("deferrals", ("student_id",)),
        Holding("deferral_history", ("student_id",)),
        Holding("attendance", ("student_id",)),
        Holding("attendance_history", ("student_id",)),
        Holding("recommendations", ("student_id",)),
        Holding("recommendation_history", ("student_id",)),
        Holding("homework_students", ("student_id",)),
        Holding("homework", ("author_id",)),
        Holding("homework_history", ("author_id",)),
        Holding("forecasts", ("student_id",)),
        Holding("forecast_due", ("student_id",)),
        Holding("teaching", ("teacher_id", "author_id")),
        Holding("teaching_history", ("teacher_id", "author_id")),
        Holding("lessons", ("teacher_id", "author_id")),
        Holding("lesson_history", ("teacher_id", "author_id")),
        Holding("timetable_slots", ("teacher_id", "author_id")),
        Holding("timetable_slot_history", ("teacher_id", "author_id")),
        Holding("substitutions", ("new_teacher_id", "author_id")),
        Holding("substitution_history", ("new_teacher_id", "author_id")),
        Holding("control_works", ("author_id",)),
        Holding("control_work_history", ("author_id",)),
        Holding("curriculum_plan", ("author_id",)),
        Holding("curriculum_history", ("author_id",)),
        Holding("campuses", ("author_id",)),
        Holding("campus_history", ("author_id",)),
        Holding("school_years", ("author_id",)),
        Holding("school_year_history", ("author_id",)),
        Holding("holidays", ("author_id",)),
        Holding("holiday_history", ("author_id",)),
        Holding("erasures_done", ("person_id",)),
        ACCESS_LOG,
    ),
    exempt={
        "marks.author_id": _OTHERS,
        "mark_history.author_id": _OTHERS,
        "attendance.author_id": _OTHERS,
        "attendance_history.author_id": _OTHERS,
        "recommendations.author_id": _OTHERS,
        "recommendation_history.author_id": _OTHERS,
        "access_log.actor_id": "exported by its condition where the actor is a person",
    },
)

everything_about = HOLDINGS.about
"""Every row about a person, by table."""
