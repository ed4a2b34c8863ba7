"""SQL of the export: what the journal holds, by the ids that the source gave, in the columns of its records.

Each query is asked for a source ($1) and, for a change only, an instant ($2): with it come all rows that changed since,
also those that were taken back; without it what holds now. Tables that keep no time of their changes come whole, which
is no harm: importing the same again changes nothing. Row-level security narrows all of them to a school.
"""

from services.gradebook.records import RecordKind


def _fact(
    table: str, key: str, columns: str, holds: str = "t.state = 'active'", *, joins: str = "", named: str = ""
) -> str:
    """The query of a table of facts, which all have a source, an author, a state and the time of the last change.

    Args:
        table: its name.
        key: its key, which the record calls alike.
        columns: the record's other columns, but for author and state.
        holds: the condition under which it holds.
        joins: whatever else the columns need.
        named: references of the table: column, and the table in which it is looked up, separated by spaces.
    """
    looked_up, selected = [], []
    for column, target, target_key in (item.split(":") for item in named.split()):
        looked_up.append(f"LEFT JOIN {target} AS {column} ON {column}.{target_key} = t.{column}")
        selected.append(f"{column}.external_id AS {column}")
    return f"""
SELECT t.external_id AS {key}, {", ".join([*selected, columns])},
       author.external_id AS author_id, CASE WHEN {holds} THEN 'active' ELSE 'withdrawn' END AS state
FROM {table} AS t
{" ".join(looked_up)}
{joins}
LEFT JOIN persons AS author ON author.person_id = t.author_id
WHERE t.source = $1 AND CASE WHEN $2::timestamptz IS NULL THEN {holds} ELSE t.changed_at >= $2 END
ORDER BY t.{key}
"""


_SCHOOL = "school_id:schools:school_id"
_GROUP = "group_id:study_groups:group_id"
_SUBJECT = "subject_id:subjects:subject_id"
_STUDENT = "student_id:persons:person_id"
_TEACHER = "teacher_id:persons:person_id"
_LESSON = "lesson_id:lessons:lesson_id"

_SCHOOLS = """
SELECT external_id AS school_id, name, address, time_zone, 'active' AS state
FROM schools WHERE source = $1 AND ($2::timestamptz IS NULL OR changed_at >= $2)
ORDER BY school_id
"""

_SUBJECTS = """
SELECT external_id AS subject_id, title, 'active' AS state
FROM subjects WHERE source = $1 AND ($2::timestamptz IS NULL OR true)
ORDER BY subject_id
"""

_PERIODS = """
SELECT p.external_id AS period_id, s.external_id AS school_id, p.kind, p.number, p.school_year, p.starts_on, p.ends_on,
       'active' AS state
FROM periods AS p JOIN schools AS s USING (school_id)
WHERE p.source = $1 AND ($2::timestamptz IS NULL OR true)
ORDER BY p.period_id
"""

_PEOPLE = """
SELECT p.external_id AS person_id, r.role, r.family, r.given, r.patronymic, r.birth_date, s.external_id AS school_id,
       CASE WHEN r.active THEN 'active' ELSE 'withdrawn' END AS state
FROM person_records AS r JOIN persons AS p USING (person_id) JOIN schools AS s USING (school_id)
WHERE p.source = $1 AND CASE WHEN $2::timestamptz IS NULL THEN r.active ELSE r.stated_at >= $2 END
ORDER BY r.person_id, r.school_id, r.role
"""

_GROUPS = """
SELECT g.external_id AS group_id, s.external_id AS school_id, g.kind, g.name, g.grade_level,
       j.external_id AS subject_id, c.external_id AS campus_id,
       CASE WHEN g.open THEN 'active' ELSE 'withdrawn' END AS state
FROM study_groups AS g JOIN schools AS s USING (school_id)
LEFT JOIN subjects AS j USING (subject_id)
LEFT JOIN campuses AS c ON c.campus_id = g.campus_id
WHERE g.source = $1 AND CASE WHEN $2::timestamptz IS NULL THEN g.open ELSE g.changed_at >= $2 END
ORDER BY g.group_id
"""

# Who has left on a known day was a member until then: the row holds, and says so.
_MEMBERS = """
SELECT g.external_id AS group_id, p.external_id AS person_id, m.joined_on, m.left_on,
       CASE WHEN m.active OR m.left_on IS NOT NULL THEN 'active' ELSE 'withdrawn' END AS state
FROM group_members AS m JOIN study_groups AS g USING (group_id) JOIN persons AS p USING (person_id)
WHERE p.source = $1 AND g.source = $1
  AND CASE WHEN $2::timestamptz IS NULL THEN g.open AND (m.active OR m.left_on IS NOT NULL) ELSE true END
ORDER BY m.group_id, m.person_id
"""

_REPRESENTATIVES = """
SELECT a.external_id AS representative_id, s.external_id AS student_id, r.kind, r.in_force, 'active' AS state
FROM representations AS r
JOIN persons AS s ON s.person_id = r.student_id
JOIN persons AS a ON a.person_id = r.representative_id
WHERE s.source = $1 AND a.source = $1 AND ($2::timestamptz IS NULL OR r.stated_at >= $2)
ORDER BY r.student_id, r.representative_id
"""

_HOMEWORK_LISTS = """
LEFT JOIN LATERAL (
    SELECT string_agg(
        CASE WHEN f.link ->> 'title' = f.link ->> 'url' THEN f.link ->> 'url'
             ELSE replace(f.link ->> 'title', '|', '/') || ' ' || (f.link ->> 'url') END, '|' ORDER BY f.place
    ) AS attachments
    FROM jsonb_array_elements(t.attachments) WITH ORDINALITY AS f (link, place)
) AS links ON true
LEFT JOIN LATERAL (
    SELECT string_agg(p.external_id, '|' ORDER BY p.external_id) AS student_ids
    FROM jsonb_array_elements_text(t.student_ids) AS i (id) JOIN persons AS p ON p.person_id = i.id::uuid
) AS students ON true
"""

_MARKS = """
SELECT m.external_id AS mark_id, p.external_id AS student_id, j.external_id AS subject_id, g.external_id AS group_id,
       m.lesson_on, m.work_type, m.weight, m.value, l.external_id AS lesson_id, a.external_id AS author_id,
       m.comment, m.reason, CASE m.state WHEN 'recorded' THEN 'active' ELSE 'withdrawn' END AS state
FROM marks AS m
JOIN persons AS p ON p.person_id = m.student_id
JOIN subjects AS j ON j.subject_id = m.subject_id
LEFT JOIN study_groups AS g ON g.group_id = m.group_id
LEFT JOIN lessons AS l ON l.lesson_id = m.lesson_id
LEFT JOIN persons AS a ON a.person_id = m.author_id
WHERE m.source = $1 AND CASE WHEN $2::timestamptz IS NULL THEN m.state = 'recorded' ELSE m.recorded_at >= $2 END
"""

# What the journal stated, not the instant that a correction got here: stating it again changes nothing.
_FINAL_GRADES = """
SELECT f.external_id AS result_id, p.external_id AS student_id, j.external_id AS subject_id,
       q.external_id AS period_id, f.value, f.stated_obtained_at AS obtained_at, f.held,
       coalesce((
           SELECT r.reason FROM grade_reasons AS r
           WHERE r.result_id = f.result_id AND r.value_revision = f.value_revision ORDER BY r.stated_at DESC LIMIT 1
       ), '') AS reason,
       CASE f.state WHEN 'set' THEN 'active' ELSE 'withdrawn' END AS state
FROM final_grades AS f
JOIN persons AS p ON p.person_id = f.student_id
JOIN subjects AS j ON j.subject_id = f.subject_id
JOIN periods AS q ON q.period_id = f.period_id
WHERE f.source = $1 AND f.state <> 'deferred'
  AND CASE WHEN $2::timestamptz IS NULL THEN f.state = 'set' ELSE f.changed_at >= $2 END
"""

_EXAM_RESULTS = """
SELECT e.external_id AS result_id, p.external_id AS student_id, j.external_id AS subject_id, e.kind, e.title,
       e.score, e.max_score, e.grade, e.stated_obtained_at AS obtained_at,
       CASE e.state WHEN 'set' THEN 'active' ELSE 'withdrawn' END AS state
FROM exam_results AS e
JOIN persons AS p ON p.person_id = e.student_id
JOIN subjects AS j ON j.subject_id = e.subject_id
WHERE e.source = $1 AND CASE WHEN $2::timestamptz IS NULL THEN e.state = 'set' ELSE e.changed_at >= $2 END
"""

RECORDS: dict[RecordKind, str] = {
    RecordKind.SCHOOLS: _SCHOOLS,
    RecordKind.CAMPUSES: _fact("campuses", "campus_id", "t.title, t.address", named=_SCHOOL),
    RecordKind.SUBJECTS: _SUBJECTS,
    RecordKind.SCHOOL_YEARS: _fact(
        "school_years", "school_year_id", "t.school_year, t.starts_on, t.ends_on", named=_SCHOOL
    ),
    RecordKind.PERIODS: _PERIODS,
    RecordKind.HOLIDAYS: _fact(
        "holidays", "holiday_id", "t.school_year, t.title, t.starts_on, t.ends_on", named=_SCHOOL
    ),
    RecordKind.PEOPLE: _PEOPLE,
    RecordKind.GROUPS: _GROUPS,
    RecordKind.MEMBERS: _MEMBERS,
    RecordKind.REPRESENTATIVES: _REPRESENTATIVES,
    RecordKind.TEACHING: _fact(
        "teaching", "teaching_id", "t.role, t.starts_on, t.ends_on", named=f"{_TEACHER} {_GROUP} {_SUBJECT}"
    ),
    RecordKind.CURRICULUM: _fact(
        "curriculum_plan",
        "curriculum_id",
        "t.lesson_type, t.hours",
        named=f"{_GROUP} {_SUBJECT} period_id:periods:period_id",
    ),
    RecordKind.TIMETABLE: _fact(
        "timetable_slots",
        "slot_id",
        "t.room, t.weekday, t.number, t.starts_at, t.ends_at, t.valid_from, t.valid_to",
        named=f"{_GROUP} {_SUBJECT} {_TEACHER}",
    ),
    RecordKind.LESSONS: _fact(
        "lessons",
        "lesson_id",
        "t.lesson_on, t.number, t.starts_at, t.ends_at, t.room, t.lesson_type, t.topic,"
        " CASE t.state WHEN 'withdrawn' THEN 'planned' ELSE t.state END AS status",
        "t.state <> 'withdrawn'",
        named=f"{_GROUP} {_SUBJECT} {_TEACHER}",
    ),
    RecordKind.SUBSTITUTIONS: _fact(
        "substitutions",
        "substitution_id",
        "t.lesson_on, t.number, t.kind, t.new_room, t.moved_to_on, t.moved_to_number, t.reason",
        "t.state = 'announced'",
        named=(f"{_GROUP} {_LESSON} {_SUBJECT} new_teacher_id:persons:person_id new_subject_id:subjects:subject_id"),
    ),
    RecordKind.CONTROL_WORKS: _fact(
        "control_works",
        "control_work_id",
        # They stand here already: whoever answered for a clash has done so.
        "t.planned_on, t.number, t.kind, t.title, true AS force",
        "t.state = 'planned'",
        named=f"{_GROUP} {_SUBJECT}",
    ),
    RecordKind.HOMEWORK: _fact(
        "homework",
        "homework_id",
        "t.assigned_on, t.due_on, t.content, links.attachments, students.student_ids",
        "t.state = 'assigned'",
        joins=_HOMEWORK_LISTS,
        named=f"{_GROUP} {_SUBJECT} {_LESSON}",
    ),
    RecordKind.RECOMMENDATIONS: _fact(
        "recommendations",
        "recommendation_id",
        "t.given_on, t.kind, t.content",
        "t.state = 'given'",
        named=f"{_STUDENT} {_GROUP} {_SUBJECT}",
    ),
    RecordKind.ATTENDANCE: _fact(
        "attendance",
        "attendance_id",
        "t.lesson_on, t.number, t.code",
        "t.state = 'recorded'",
        named=f"{_STUDENT} {_GROUP} {_SUBJECT} {_LESSON}",
    ),
    RecordKind.MARKS: _MARKS,
    RecordKind.FINAL_GRADES: _FINAL_GRADES,
    RecordKind.EXAM_RESULTS: _EXAM_RESULTS,
}
"""The query of each kind. Every kind of record has one, with exactly its columns: a test holds them against it."""
