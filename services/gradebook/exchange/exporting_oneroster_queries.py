"""SQL of the OneRoster export, where its files are cut otherwise than the journal's records.

As in the plain export: $1 is the source, $2 the instant since when changes are wanted, null for all that holds.
"""

NOW = "SELECT now() AS at, ($1::text, $2::timestamptz) IS NULL AS nothing"

# Each person once, with every role at every school, and the authority that is in force, from both sides.
USERS = """
SELECT p.external_id AS person_id, n.family, n.given, n.patronymic, b.birth_date, r.roles, r.schools,
       coalesce(a.ids, '{}') AS agents, coalesce(a.kinds, '{}') AS kinds,
       CASE WHEN r.active THEN 'active' ELSE 'withdrawn' END AS state
FROM persons AS p
CROSS JOIN LATERAL (
    SELECT array_agg(o.role ORDER BY o.rank, s.external_id) AS roles,
           array_agg(s.external_id ORDER BY o.rank, s.external_id) AS schools,
           bool_or(o.active) AS active
    FROM (
        SELECT q.role, q.school_id, q.active,
               array_position(ARRAY['student', 'teacher', 'representative'], q.role) AS rank
        FROM person_records AS q
        WHERE q.person_id = p.person_id
          AND (q.active OR NOT EXISTS (SELECT FROM person_records AS x WHERE x.person_id = p.person_id AND x.active))
    ) AS o JOIN schools AS s USING (school_id)
) AS r
CROSS JOIN LATERAL (
    SELECT q.family, q.given, q.patronymic FROM person_records AS q WHERE q.person_id = p.person_id
    ORDER BY q.active DESC, q.stated_at DESC, q.school_id, q.role LIMIT 1
) AS n
LEFT JOIN LATERAL (
    SELECT q.birth_date FROM person_records AS q WHERE q.person_id = p.person_id AND q.birth_date IS NOT NULL
    ORDER BY q.active DESC, q.stated_at DESC, q.school_id, q.role LIMIT 1
) AS b ON true
LEFT JOIN LATERAL (
    SELECT array_agg(l.id ORDER BY l.id) AS ids, array_agg(l.kind ORDER BY l.id) AS kinds
    FROM (
        SELECT o.external_id AS id, x.kind
        FROM representations AS x JOIN persons AS o ON o.person_id = x.representative_id
        WHERE x.student_id = p.person_id AND x.in_force AND o.source = p.source
        UNION ALL
        SELECT o.external_id, x.kind
        FROM representations AS x JOIN persons AS o ON o.person_id = x.student_id
        WHERE x.representative_id = p.person_id AND x.in_force AND o.source = p.source
    ) AS l
) AS a ON true
WHERE p.source = $1 AND r.roles IS NOT NULL
  AND CASE WHEN $2::timestamptz IS NULL THEN r.active ELSE p.changed_at >= $2 END
ORDER BY p.person_id
"""

_OF_MARKS = """
FROM marks AS m
JOIN schools AS s ON s.school_id = m.school_id
JOIN persons AS p ON p.person_id = m.student_id
JOIN subjects AS j ON j.subject_id = m.subject_id
LEFT JOIN study_groups AS g ON g.group_id = m.group_id
LEFT JOIN lessons AS l ON l.lesson_id = m.lesson_id
LEFT JOIN persons AS a ON a.person_id = m.author_id
WHERE m.source = $1 AND CASE WHEN $2::timestamptz IS NULL THEN m.state = 'recorded' ELSE m.recorded_at >= $2 END
"""

CATEGORIES = f"SELECT DISTINCT m.work_type, m.weight {_OF_MARKS} ORDER BY 1, 2"

_PLACE = "s.external_id AS school_id, g.external_id AS group_id, j.external_id AS subject_id"
MARK_ITEMS = f"""
SELECT DISTINCT {_PLACE}, m.lesson_on, m.work_type, m.weight {_OF_MARKS}
ORDER BY 1, 2, 3, 4, 5, 6
"""
MARKS = f"""
SELECT m.external_id AS result_id, p.external_id AS student_id, {_PLACE}, m.lesson_on, m.work_type, m.weight, m.value,
       m.comment, m.reason, l.external_id AS lesson_id, a.external_id AS author_id,
       CASE m.state WHEN 'recorded' THEN 'active' ELSE 'withdrawn' END AS state
{_OF_MARKS}
"""

_OF_GRADES = """
FROM final_grades AS f
JOIN schools AS s ON s.school_id = f.school_id
JOIN persons AS p ON p.person_id = f.student_id
JOIN subjects AS j ON j.subject_id = f.subject_id
JOIN periods AS q ON q.period_id = f.period_id
WHERE f.source = $1 AND f.state <> 'deferred'
  AND CASE WHEN $2::timestamptz IS NULL THEN f.state = 'set' ELSE f.changed_at >= $2 END
"""
GRADE_ITEMS = f"""
SELECT DISTINCT s.external_id AS school_id, j.external_id AS subject_id, q.external_id AS period_id, q.ends_on
{_OF_GRADES} ORDER BY 1, 2, 3
"""
GRADES = f"""
SELECT f.external_id AS result_id, p.external_id AS student_id, s.external_id AS school_id,
       j.external_id AS subject_id, q.external_id AS period_id, f.value, f.held, f.stated_obtained_at AS obtained_at,
       (f.stated_obtained_at AT TIME ZONE s.time_zone)::date AS obtained_on,
       CASE f.state WHEN 'set' THEN 'active' ELSE 'withdrawn' END AS state
{_OF_GRADES}
"""

_OF_EXAMS = """
FROM exam_results AS e
JOIN schools AS s ON s.school_id = e.school_id
JOIN persons AS p ON p.person_id = e.student_id
JOIN subjects AS j ON j.subject_id = e.subject_id
WHERE e.source = $1 AND CASE WHEN $2::timestamptz IS NULL THEN e.state = 'set' ELSE e.changed_at >= $2 END
"""
_EXAM = """s.external_id AS school_id, j.external_id AS subject_id, e.kind, e.title, e.max_score,
       (e.stated_obtained_at AT TIME ZONE s.time_zone)::date AS obtained_on"""
EXAM_ITEMS = f"SELECT DISTINCT {_EXAM} {_OF_EXAMS} ORDER BY 1, 2, 3, 4, 5, 6"
EXAMS = f"""
SELECT e.external_id AS result_id, p.external_id AS student_id, {_EXAM}, e.score, e.grade,
       e.stated_obtained_at AS obtained_at, CASE e.state WHEN 'set' THEN 'active' ELSE 'withdrawn' END AS state
{_OF_EXAMS}
"""
