"""SQL of the rostering collections. Each is one query whose rows a filter, an order and a page are laid over.

`$1` is the client's source everywhere; row-level security leaves a school's client its own school.
"""

ORGS = """
SELECT s.school_id AS key, s.external_id AS sourced_id, 'active' AS status, s.changed_at,
       s.name, 'school' AS type, 'district.' || $1::text AS parent, s.address, s.time_zone
FROM schools AS s WHERE s.source = $1
UNION ALL
SELECT '00000000-0000-8000-8000-000000000001', 'district.' || $1::text, 'active', '2026-01-01T00:00:00Z',
       'Район', 'district', NULL, NULL, NULL
"""

SESSIONS = """
SELECT p.period_id AS key, p.external_id AS sourced_id, 'active' AS status, p.changed_at,
       CASE p.kind
           WHEN 'quarter' THEN p.number || ' четверть '
           WHEN 'half_year' THEN p.number || ' полугодие '
           WHEN 'year' THEN 'Учебный год '
           WHEN 'exam' THEN 'Экзамен '
           ELSE 'Итоговая отметка '
       END || p.school_year AS title,
       CASE p.kind
           WHEN 'quarter' THEN 'gradingPeriod'
           WHEN 'half_year' THEN 'semester'
           WHEN 'year' THEN 'schoolYear'
           ELSE 'ext:' || p.kind
       END AS type,
       p.kind, p.number, p.starts_on, p.ends_on, right(p.school_year, 4) AS school_year,
       p.school_id, s.external_id AS school, p.school_year AS of_year,
       (
           SELECT y.external_id FROM periods AS y
           WHERE y.school_id = p.school_id AND y.school_year = p.school_year AND y.kind = 'year' AND p.kind <> 'year'
             AND y.source = $1
           ORDER BY y.external_id LIMIT 1
       ) AS parent,
       ARRAY(
           SELECT c.external_id FROM periods AS c
           WHERE p.kind = 'year' AND c.school_id = p.school_id AND c.school_year = p.school_year AND c.kind <> 'year'
             AND c.source = $1
           ORDER BY c.starts_on, c.external_id
       ) AS children
FROM periods AS p JOIN schools AS s USING (school_id)
WHERE p.source = $1
"""

COURSES = """
SELECT b.subject_id AS key, b.external_id AS sourced_id, 'active' AS status, b.changed_at, b.title,
       coalesce(s.external_id, 'district.' || $1::text) AS org, b.school_id
FROM subjects AS b LEFT JOIN schools AS s USING (school_id)
WHERE b.source = $1
UNION ALL
SELECT '00000000-0000-8000-8000-000000000002', 'journal.' || $1::text, 'active', '2026-01-01T00:00:00Z', 'Журнал',
       'district.' || $1::text, NULL
"""

CLASSES = """
SELECT g.group_id AS key, g.external_id AS sourced_id, CASE WHEN g.open THEN 'active' ELSE 'tobedeleted' END AS status,
       g.changed_at, g.name AS title, CASE g.kind WHEN 'class' THEN 'homeroom' ELSE 'scheduled' END AS class_type,
       g.kind, ARRAY[lpad(g.grade_level::text, 2, '0')] AS grades,
       array_remove(ARRAY[b.title], NULL) AS subjects, coalesce(b.external_id, 'journal.' || $1::text) AS course,
       g.subject_id, g.school_id, s.external_id AS school,
       ARRAY(
           SELECT p.external_id FROM periods AS p
           WHERE p.school_id = g.school_id AND p.source = $1
             AND p.kind IN ('year', CASE WHEN g.grade_level < 10 THEN 'quarter' ELSE 'half_year' END)
             AND p.school_year = (SELECT max(n.school_year) FROM periods AS n WHERE n.school_id = g.school_id)
           ORDER BY p.starts_on, p.ends_on DESC, p.external_id
       ) AS terms
FROM study_groups AS g
JOIN schools AS s USING (school_id)
LEFT JOIN subjects AS b ON b.subject_id = g.subject_id
WHERE g.source = $1
"""

# A representative's role follows from the representations: the nearest kinship counts.
USERS = """
SELECT p.person_id AS key, p.external_id AS sourced_id,
       CASE WHEN r.active THEN 'active' ELSE 'tobedeleted' END AS status,
       greatest(p.changed_at, r.stated_at) AS changed_at,
       r.family, r.given, nullif(r.patronymic, '') AS patronymic, r.birth_date, r.roles, r.orgs,
       coalesce(r.stated, '[]'::jsonb) AS stated, r.orgs[1] AS primary_org,
       CASE WHEN r.active THEN 'true' ELSE 'false' END AS enabled,
       ARRAY(
           SELECT o.external_id FROM representations AS x JOIN persons AS o ON o.person_id = x.representative_id
           WHERE x.student_id = p.person_id AND x.in_force AND o.source = $1
           UNION
           SELECT o.external_id FROM representations AS x JOIN persons AS o ON o.person_id = x.student_id
           WHERE x.representative_id = p.person_id AND x.in_force AND o.source = $1
           ORDER BY 1
       ) AS agents,
       ARRAY(
           SELECT DISTINCT lpad(g.grade_level::text, 2, '0')
           FROM group_members AS m JOIN study_groups AS g USING (group_id)
           WHERE m.person_id = p.person_id AND m.active AND g.open AND g.kind = 'class' ORDER BY 1
       ) AS grades
FROM persons AS p
JOIN LATERAL (
    SELECT bool_or(s.active) AS active, max(s.stated_at) AS stated_at,
           (array_agg(s.family ORDER BY s.rank))[1] AS family,
           (array_agg(s.given ORDER BY s.rank))[1] AS given,
           (array_agg(s.patronymic ORDER BY s.rank))[1] AS patronymic,
           (array_agg(s.birth_date ORDER BY s.birth_date IS NULL, s.rank))[1] AS birth_date,
           array_agg(s.role ORDER BY s.rank) AS roles,
           array_agg(s.school ORDER BY s.rank) AS orgs,
           jsonb_agg(jsonb_build_object('role', s.role, 'school', s.school) ORDER BY s.rank) AS stated
    FROM (
        SELECT n.*, h.external_id AS school,
               row_number() OVER (ORDER BY n.active DESC, n.stated_at DESC, n.role, n.school_id) AS rank
        FROM (
            SELECT d.school_id, d.family, d.given, d.patronymic, d.birth_date, d.active, d.stated_at,
                   CASE d.role
                       WHEN 'representative' THEN coalesce(
                           (
                               SELECT CASE min(array_position(ARRAY['parent', 'guardian', 'other'], x.kind))
                                          WHEN 1 THEN 'parent' WHEN 2 THEN 'guardian' WHEN 3 THEN 'relative'
                                      END
                               FROM representations AS x WHERE x.representative_id = p.person_id AND x.in_force
                           ),
                           'relative'
                       )
                       ELSE d.role
                   END AS role
            FROM person_records AS d WHERE d.person_id = p.person_id
        ) AS n
        JOIN schools AS h USING (school_id)
    ) AS s
    HAVING count(*) > 0
) AS r ON true
WHERE p.source = $1
"""

# The journal knows no id of a membership: group and person together are one.
ENROLLMENTS = """
SELECT m.group_id || '.' || m.person_id AS key, m.group_id || '.' || m.person_id AS sourced_id,
       CASE WHEN m.active THEN 'active' ELSE 'tobedeleted' END AS status, m.changed_at,
       p.external_id AS person, g.external_id AS class, s.external_id AS school, m.school_id, m.group_id, m.person_id,
       'student' AS role, 'false' AS main, m.joined_on AS starts_on, m.left_on AS ends_on, NULL AS subject
FROM group_members AS m
JOIN persons AS p USING (person_id)
JOIN study_groups AS g USING (group_id)
JOIN schools AS s ON s.school_id = m.school_id
WHERE g.source = $1
UNION ALL
SELECT 'teaching.' || t.teaching_id, t.external_id, CASE t.state WHEN 'active' THEN 'active' ELSE 'tobedeleted' END,
       t.changed_at, p.external_id, g.external_id, s.external_id, t.school_id, t.group_id, t.teacher_id,
       'teacher', CASE t.role WHEN 'class_teacher' THEN 'true' ELSE 'false' END, t.starts_on, t.ends_on, b.external_id
FROM teaching AS t
JOIN persons AS p ON p.person_id = t.teacher_id
JOIN study_groups AS g USING (group_id)
JOIN schools AS s ON s.school_id = t.school_id
LEFT JOIN subjects AS b ON b.subject_id = t.subject_id
WHERE t.source = $1
"""
