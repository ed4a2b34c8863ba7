"""SQL of the gradebook's collections; `$1` is the client's source, as in the rostering ones."""

from collections.abc import Sequence
from uuid import UUID

from chassis.database import Connection
from services.gradebook import oneroster_model as model
from services.gradebook.oneroster_rest.result_names import told_sql

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

# When a result still is what the column `i`, into which a client put it, is for.
_MARK_IN_COLUMN = """
i.state = 'active' AND i.group_id = m.group_id AND i.subject_id = m.subject_id AND i.category = m.work_type
AND i.weight = m.weight AND i.due_on = m.lesson_on
"""
_GRADE_IN_COLUMN = """
i.state = 'active' AND i.subject_id = f.subject_id AND i.category = 'final_grade' AND i.period_id = f.period_id
"""
_EXAM_IN_COLUMN = """
i.state = 'active' AND i.subject_id = e.subject_id AND i.category = e.kind AND i.title = e.title
AND i.max_score IS NOT DISTINCT FROM e.max_score
"""

# The ids of columns that follow from results, over what these share; the class `{group}` may be none.
_MARK_ITEM = """concat_ws(
    '.', 'm', coalesce({group}::text, '-'), {row}.subject_id, to_char({row}.lesson_on, 'YYYY-MM-DD'), {row}.work_type,
    {row}.weight
)"""
_GRADE_ITEM = "concat_ws('.', 'f', coalesce({group}::text, '-'), {row}.subject_id, {row}.period_id)"
_EXAM_ITEM = """concat_ws(
    '.', 'e', coalesce({group}::text, '-'), {row}.subject_id, {row}.kind,
    left(encode(sha256(convert_to(
        {row}.title || chr(31) || coalesce(trim_scale({row}.max_score)::text, ''), 'UTF8'
    )), 'hex'), 16)
)"""

_SCALED = """
CASE WHEN {value} ~ '^[1-5]$' THEN {value}::numeric END
"""

# A column that a client made holds a result as long as the result is what the column is for.
_MARKS = f"""
SELECT m.mark_id AS key, 'mark' AS kind, {told_sql("mark", "m.external_id")} AS sourced_id,
       CASE m.state WHEN 'withdrawn' THEN 'tobedeleted' ELSE 'active' END AS status, m.recorded_at AS changed_at,
       m.school_id, s.external_id AS school, m.student_id, p.external_id AS student, m.group_id,
       coalesce(m.group_id, c.group_id) AS class_id, coalesce(g.external_id, c.external_id) AS class,
       coalesce(i.external_id, {_MARK_ITEM.format(group="coalesce(m.group_id, c.group_id)", row="m")}) AS line_item,
       b.external_id AS subject, m.work_type AS category, m.weight, NULL AS period,
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
    ON i.line_item_id = l.line_item_id AND {_MARK_IN_COLUMN}
{_CLASS_OF_STUDENT.format(student="m.student_id", school="m.school_id", when="m.group_id IS NULL")}
WHERE m.source = $1
"""

_FINAL_GRADES = f"""
SELECT f.result_id AS key, 'final_grade' AS kind, {told_sql("final_grade", "f.external_id")} AS sourced_id,
       CASE f.state WHEN 'withdrawn' THEN 'tobedeleted' ELSE 'active' END AS status, f.changed_at,
       f.school_id, s.external_id AS school, f.student_id, p.external_id AS student, i.group_id,
       coalesce(i.group_id, c.group_id) AS class_id, coalesce(g.external_id, c.external_id) AS class,
       coalesce(i.external_id, {_GRADE_ITEM.format(group="c.group_id", row="f")}) AS line_item,
       b.external_id AS subject, 'final_grade' AS category, 1.00 AS weight,
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
    ON i.line_item_id = l.line_item_id AND {_GRADE_IN_COLUMN}
LEFT JOIN study_groups AS g ON g.group_id = i.group_id
{_CLASS_OF_STUDENT.format(student="f.student_id", school="f.school_id", when="i.group_id IS NULL")}
WHERE f.source = $1
"""

_EXAM_RESULTS = f"""
SELECT e.result_id AS key, 'exam_result' AS kind, {told_sql("exam_result", "e.external_id")} AS sourced_id,
       CASE e.state WHEN 'withdrawn' THEN 'tobedeleted' ELSE 'active' END AS status, e.changed_at,
       e.school_id, s.external_id AS school, e.student_id, p.external_id AS student, i.group_id,
       coalesce(i.group_id, c.group_id) AS class_id, coalesce(g.external_id, c.external_id) AS class,
       coalesce(i.external_id, {_EXAM_ITEM.format(group="c.group_id", row="e")}) AS line_item,
       b.external_id AS subject, e.kind AS category, 1.00 AS weight, NULL AS period,
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
    ON i.line_item_id = l.line_item_id AND {_EXAM_IN_COLUMN}
LEFT JOIN study_groups AS g ON g.group_id = i.group_id
{_CLASS_OF_STUDENT.format(student="e.student_id", school="e.school_id", when="i.group_id IS NULL")}
WHERE e.source = $1
"""

RESULTS = f"{_MARKS} UNION ALL {_FINAL_GRADES} UNION ALL {_EXAM_RESULTS}"

_MEMBERS = "ARRAY(SELECT w.person_id FROM group_members AS w WHERE w.group_id = {group})"
OF_CLASS = "({row}.group_id = {group} OR ({row}.group_id IS NULL AND {row}.student_id = ANY(" + _MEMBERS + ")))"
"""Results that may belong to a class: a condition that indexes answer. Those without a group may be another class's."""

# The class of each student at each school, as `_CLASS_OF_STUDENT` has it, but of all at once.
_CLASSES = """
LEFT JOIN (
    SELECT DISTINCT ON (n.person_id, k.school_id) n.person_id, k.school_id, k.group_id
    FROM group_members AS n JOIN study_groups AS k USING (group_id)
    WHERE k.kind = 'class' AND k.source = $1 AND __OF_MEMBERS__
    ORDER BY n.person_id, k.school_id, n.active DESC, k.open DESC, n.joined_at DESC, k.group_id
) AS c ON c.person_id = {row}.student_id AND c.school_id = {row}.school_id
"""
_NAMES = """
LEFT JOIN schools AS s ON s.school_id = r.school_id
LEFT JOIN subjects AS b ON b.subject_id = r.subject_id
LEFT JOIN study_groups AS g ON g.group_id = r.class_id
"""
_IN_NONE = """
NOT EXISTS (
    SELECT FROM oneroster_result_items AS l JOIN oneroster_line_items AS i USING (line_item_id)
    WHERE l.result_id = {result} AND {purpose}
)
"""

# Columns that clients made.
MADE_ITEMS = """
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
"""

# And those that follow from results that stand in none of them. What makes a column is grouped before anything is
# looked up by name: there are dozens of results to each.
_ITEMS_OF_MARKS = f"""
SELECT {_MARK_ITEM.format(group="r.class_id", row="r")}, {_MARK_ITEM.format(group="r.class_id", row="r")},
       CASE WHEN r.active THEN 'active' ELSE 'tobedeleted' END, r.changed_at,
       b.title || ' ' || to_char(r.lesson_on, 'DD.MM.YYYY'), NULL, r.lesson_on, r.lesson_on, r.class_id, g.external_id,
       r.school_id, s.external_id, r.work_type, NULL, NULL, r.weight, b.external_id
FROM (
    SELECT coalesce(m.group_id, c.group_id) AS class_id, m.school_id, m.subject_id, m.lesson_on, m.work_type, m.weight,
           bool_or(m.state <> 'withdrawn') AS active, max(m.recorded_at) AS changed_at
    FROM marks AS m
    {_CLASSES.format(row="m")} AND m.group_id IS NULL
    WHERE m.source = $1 AND __OF_MARKS__ AND {_IN_NONE.format(result="m.mark_id", purpose=_MARK_IN_COLUMN)}
    GROUP BY 1, 2, 3, 4, 5, 6
) AS r
{_NAMES}
"""
_ITEMS_OF_GRADES = f"""
SELECT {_GRADE_ITEM.format(group="r.class_id", row="r")}, {_GRADE_ITEM.format(group="r.class_id", row="r")},
       CASE WHEN r.active THEN 'active' ELSE 'tobedeleted' END, r.changed_at, b.title || ': итоговая отметка', NULL,
       d.ends_on, d.ends_on, r.class_id, g.external_id, r.school_id, s.external_id, 'final_grade', d.external_id, NULL,
       1.00, b.external_id
FROM (
    SELECT c.group_id AS class_id, f.school_id, f.subject_id, f.period_id, bool_or(f.state <> 'withdrawn') AS active,
           max(f.changed_at) AS changed_at
    FROM final_grades AS f
    {_CLASSES.format(row="f")}
    WHERE f.source = $1 AND __OF_GRADES__ AND {_IN_NONE.format(result="f.result_id", purpose=_GRADE_IN_COLUMN)}
    GROUP BY 1, 2, 3, 4
) AS r
LEFT JOIN periods AS d ON d.period_id = r.period_id
{_NAMES}
"""
_ITEMS_OF_EXAMS = f"""
SELECT {_EXAM_ITEM.format(group="r.class_id", row="r")}, {_EXAM_ITEM.format(group="r.class_id", row="r")},
       CASE WHEN r.active THEN 'active' ELSE 'tobedeleted' END, r.changed_at,
       CASE WHEN r.title <> '' THEN r.title ELSE b.title || ' ' || to_char(r.first_on, 'DD.MM.YYYY') END, NULL,
       r.first_on, r.last_on, r.class_id, g.external_id, r.school_id, s.external_id, r.kind, NULL, r.max_score, 1.00,
       b.external_id
FROM (
    SELECT c.group_id AS class_id, e.school_id, e.subject_id, e.kind, e.title, trim_scale(e.max_score) AS max_score,
           bool_or(e.state <> 'withdrawn') AS active, max(e.changed_at) AS changed_at,
           min((e.obtained_at AT TIME ZONE z.time_zone)::date) AS first_on,
           max((e.obtained_at AT TIME ZONE z.time_zone)::date) AS last_on
    FROM exam_results AS e
    LEFT JOIN schools AS z ON z.school_id = e.school_id
    {_CLASSES.format(row="e")}
    WHERE e.source = $1 AND __OF_EXAMS__ AND {_IN_NONE.format(result="e.result_id", purpose=_EXAM_IN_COLUMN)}
    GROUP BY 1, 2, 3, 4, 5, 6
) AS r
{_NAMES}
"""


def line_items(group: str | None = None) -> str:
    """The query of all line items.

    Args:
        group: an SQL expression of a class's key: then of that class only, with some of other classes of its members.
    """
    members = None if group is None else _MEMBERS.format(group=group)
    narrowing = {
        "__OF_MEMBERS__": "true" if members is None else f"n.person_id = ANY({members})",
        "__OF_MARKS__": "true" if group is None else OF_CLASS.format(row="m", group=group),
        "__OF_GRADES__": "true" if members is None else f"f.student_id = ANY({members})",
        "__OF_EXAMS__": "true" if members is None else f"e.student_id = ANY({members})",
    }
    query = " UNION ALL ".join((MADE_ITEMS, _ITEMS_OF_MARKS, _ITEMS_OF_GRADES, _ITEMS_OF_EXAMS))
    for place, condition in narrowing.items():
        query = query.replace(place, condition)
    return query


LINE_ITEMS = line_items()

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
UNION ALL SELECT fulfilled_as FROM deferrals WHERE fulfilled_as = ANY($1::uuid[])
"""


async def known_results(conn: Connection, keys: Sequence[UUID]) -> list[UUID]:
    """Which of these stand for a mark, an exam result, or a final grade, also for one that a deferral had told of."""
    return [row[0] for row in await conn.fetch(_KNOWN_RESULTS, keys)]
