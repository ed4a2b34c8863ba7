"""SQL of the gradebook's collections; `$1` is the client's source, as in the rostering ones."""

from collections.abc import Sequence
from uuid import UUID

from chassis.database import Connection
from services.gradebook import oneroster_model as model

# Every join below is an outer one to at most one row (what it leads to is always there), so that the planner leaves out
# those whose columns a count or an order does not need.
# Where a student's results stand that name no group: the class, also a former one.
_CLASS_OF_STUDENT = """
LEFT JOIN LATERAL (
    SELECT (array_agg(k.group_id ORDER BY n.active DESC, k.open DESC, n.joined_at DESC, k.group_id))[1] AS group_id,
           (array_agg(k.external_id ORDER BY n.active DESC, k.open DESC, n.joined_at DESC, k.group_id))[1]
               AS external_id
    FROM group_members AS n JOIN study_groups AS k USING (group_id)
    WHERE n.person_id = {student} AND k.kind = 'class' AND k.school_id = {school} AND k.source = $1
) AS c ON {when}
"""

_SCALED = """
CASE WHEN {value} ~ '^[1-5]$' THEN {value}::numeric END
"""

# A column that a client made holds a result as long as the result is what the column is for.
_MARKS = f"""
SELECT m.mark_id AS key, 'mark' AS kind, m.external_id AS sourced_id,
       CASE m.state WHEN 'withdrawn' THEN 'tobedeleted' ELSE 'active' END AS status, m.recorded_at AS changed_at,
       m.school_id, s.external_id AS school, m.student_id, p.external_id AS student, m.group_id,
       coalesce(m.group_id, c.group_id) AS class_id, coalesce(g.external_id, c.external_id) AS class,
       coalesce(
           i.external_id,
           concat_ws(
               '.', 'm', coalesce(m.group_id::text, c.group_id::text, '-'), m.subject_id,
               to_char(m.lesson_on, 'YYYY-MM-DD'), m.work_type, m.weight
           )
       ) AS line_item,
       i.line_item_id IS NOT NULL AS placed,
       b.external_id AS subject, b.title AS subject_title, m.work_type AS category, m.weight, NULL AS period,
       m.lesson_on AS due_on, '' AS item_title, NULL::numeric AS max_score,
       {_SCALED.format(value="m.value")} AS score, m.value AS text_score, 'fully graded' AS score_status,
       m.lesson_on AS score_date, nullif(m.comment, '') AS comment, NULL::boolean AS held,
       NULL::timestamptz AS obtained_at, NULL::date AS deferred_until
FROM marks AS m
LEFT JOIN schools AS s ON s.school_id = m.school_id
LEFT JOIN persons AS p ON p.person_id = m.student_id
LEFT JOIN subjects AS b ON b.subject_id = m.subject_id
LEFT JOIN study_groups AS g ON g.group_id = m.group_id
LEFT JOIN oneroster_result_items AS l ON l.result_id = m.mark_id
LEFT JOIN oneroster_line_items AS i
    ON i.line_item_id = l.line_item_id AND i.state = 'active' AND i.group_id = m.group_id
    AND i.subject_id = m.subject_id AND i.category = m.work_type AND i.weight = m.weight AND i.due_on = m.lesson_on
{_CLASS_OF_STUDENT.format(student="m.student_id", school="m.school_id", when="m.group_id IS NULL")}
WHERE m.source = $1
"""

_FINAL_GRADES = f"""
SELECT f.result_id AS key, 'final_grade' AS kind, f.external_id AS sourced_id,
       CASE f.state WHEN 'withdrawn' THEN 'tobedeleted' ELSE 'active' END AS status, f.changed_at,
       f.school_id, s.external_id AS school, f.student_id, p.external_id AS student, i.group_id,
       coalesce(i.group_id, c.group_id) AS class_id, coalesce(g.external_id, c.external_id) AS class,
       coalesce(
           i.external_id, concat_ws('.', 'f', coalesce(c.group_id::text, '-'), f.subject_id, f.period_id)
       ) AS line_item,
       i.line_item_id IS NOT NULL AS placed,
       b.external_id AS subject, b.title AS subject_title, 'final_grade' AS category, 1.00 AS weight,
       d.external_id AS period, d.ends_on AS due_on, '' AS item_title, NULL::numeric AS max_score,
       {_SCALED.format(value="f.value")} AS score, f.value AS text_score,
       CASE WHEN f.value = 'осв' THEN 'exempt' WHEN f.value IS NULL THEN 'not submitted' ELSE 'fully graded' END
           AS score_status,
       (f.obtained_at AT TIME ZONE s.time_zone)::date AS score_date, NULL AS comment, f.held, f.obtained_at,
       f.deferred_until
FROM final_grades AS f
LEFT JOIN schools AS s ON s.school_id = f.school_id
LEFT JOIN persons AS p ON p.person_id = f.student_id
LEFT JOIN subjects AS b ON b.subject_id = f.subject_id
LEFT JOIN periods AS d ON d.period_id = f.period_id
LEFT JOIN oneroster_result_items AS l ON l.result_id = f.result_id
LEFT JOIN oneroster_line_items AS i
    ON i.line_item_id = l.line_item_id AND i.state = 'active' AND i.subject_id = f.subject_id
    AND i.category = 'final_grade' AND i.period_id = f.period_id
LEFT JOIN study_groups AS g ON g.group_id = i.group_id
{_CLASS_OF_STUDENT.format(student="f.student_id", school="f.school_id", when="i.group_id IS NULL")}
WHERE f.source = $1
"""

_EXAM_RESULTS = f"""
SELECT e.result_id AS key, 'exam_result' AS kind, e.external_id AS sourced_id,
       CASE e.state WHEN 'withdrawn' THEN 'tobedeleted' ELSE 'active' END AS status, e.changed_at,
       e.school_id, s.external_id AS school, e.student_id, p.external_id AS student, i.group_id,
       coalesce(i.group_id, c.group_id) AS class_id, coalesce(g.external_id, c.external_id) AS class,
       coalesce(
           i.external_id,
           concat_ws(
               '.', 'e', coalesce(c.group_id::text, '-'), e.subject_id, e.kind,
               left(encode(sha256(convert_to(
                   e.title || chr(31) || coalesce(trim_scale(e.max_score)::text, ''), 'UTF8'
               )), 'hex'), 16)
           )
       ) AS line_item,
       i.line_item_id IS NOT NULL AS placed,
       b.external_id AS subject, b.title AS subject_title, e.kind AS category, 1.00 AS weight, NULL AS period,
       (e.obtained_at AT TIME ZONE s.time_zone)::date AS due_on, e.title AS item_title, trim_scale(e.max_score),
       e.score, e.grade AS text_score,
       CASE WHEN e.state = 'set' THEN 'fully graded' ELSE 'not submitted' END AS score_status,
       (e.obtained_at AT TIME ZONE s.time_zone)::date AS score_date, NULL AS comment, NULL::boolean AS held,
       e.obtained_at, NULL AS deferred_until
FROM exam_results AS e
LEFT JOIN schools AS s ON s.school_id = e.school_id
LEFT JOIN persons AS p ON p.person_id = e.student_id
LEFT JOIN subjects AS b ON b.subject_id = e.subject_id
LEFT JOIN oneroster_result_items AS l ON l.result_id = e.result_id
LEFT JOIN oneroster_line_items AS i
    ON i.line_item_id = l.line_item_id AND i.state = 'active' AND i.subject_id = e.subject_id
    AND i.category = e.kind AND i.title = e.title AND i.max_score IS NOT DISTINCT FROM e.max_score
LEFT JOIN study_groups AS g ON g.group_id = i.group_id
{_CLASS_OF_STUDENT.format(student="e.student_id", school="e.school_id", when="i.group_id IS NULL")}
WHERE e.source = $1
"""

RESULTS = f"{_MARKS} UNION ALL {_FINAL_GRADES} UNION ALL {_EXAM_RESULTS}"

NARROW = "/* narrowed here */ true"
"""Where a condition over the results lets the derived line items be found without going through all of them."""

# Columns that clients made, and those that follow from results that stand in none of them.
LINE_ITEMS = """
SELECT i.line_item_id::text AS key, i.external_id AS sourced_id,
       CASE i.state WHEN 'active' THEN 'active' ELSE 'tobedeleted' END AS status, i.changed_at,
       i.title, nullif(i.description, '') AS description, i.assigned_on, i.due_on, i.group_id AS class_id,
       g.external_id AS class, i.school_id, s.external_id AS school, i.category, d.external_id AS period,
       trim_scale(i.max_score) AS max_score, i.weight, b.external_id AS subject
FROM oneroster_line_items AS i
JOIN schools AS s USING (school_id)
JOIN study_groups AS g ON g.group_id = i.group_id
JOIN subjects AS b ON b.subject_id = i.subject_id
LEFT JOIN periods AS d ON d.period_id = i.period_id
WHERE i.source = $1
UNION ALL
SELECT line_item, line_item, CASE WHEN bool_or(status = 'active') THEN 'active' ELSE 'tobedeleted' END,
       max(changed_at),
       CASE
           WHEN item_title <> '' THEN item_title
           WHEN category = 'final_grade' THEN subject_title || ': итоговая отметка'
           ELSE subject_title || ' ' || to_char(min(due_on), 'DD.MM.YYYY')
       END,
       NULL, min(due_on), max(due_on), class_id, class, school_id, school, category, period, max_score, weight, subject
FROM (__RESULTS__) AS r
WHERE NOT placed AND __NARROW__
GROUP BY line_item, class_id, class, school_id, school, category, period, max_score, weight, subject, subject_title,
         item_title
""".replace("__RESULTS__", RESULTS).replace("__NARROW__", NARROW)

CATEGORIES = """
SELECT c.id AS key, c.id AS sourced_id, 'active' AS status, '2026-01-01T00:00:00Z'::timestamptz AS changed_at,
       c.id AS title, c.meaning
FROM (VALUES {rows}) AS c (id, meaning)
WHERE $1::text IS NOT NULL
""".format(rows=", ".join(f"('{name}', '{meaning}')" for name, meaning in model.CATEGORIES.items()))

SCALES = """
SELECT c.id AS key, c.id AS sourced_id, 'active' AS status, '2026-01-01T00:00:00Z'::timestamptz AS changed_at,
       c.title, 'ordinal' AS type
FROM (VALUES {rows}) AS c (id, title)
WHERE $1::text IS NOT NULL
""".format(rows=", ".join(f"('{name}', '{title}')" for name, (title, _) in model.SCALES.items()))

_KNOWN_RESULTS = """
SELECT mark_id FROM marks WHERE mark_id = ANY($1::uuid[])
UNION ALL SELECT result_id FROM final_grades WHERE result_id = ANY($1::uuid[])
UNION ALL SELECT result_id FROM exam_results WHERE result_id = ANY($1::uuid[])
"""


async def known_results(conn: Connection, keys: Sequence[UUID]) -> list[UUID]:
    """Which of these stand for a mark, a final grade or an exam result."""
    return [row[0] for row in await conn.fetch(_KNOWN_RESULTS, keys)]
