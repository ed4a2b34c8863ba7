-- The forecast of final grades while a period runs (C4): what it is now, what was told of it, and which are to be
-- computed anew.

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '300s';

-- As with marks, there are no foreign keys. The id follows from student, subject, school year, kind and number.
CREATE TABLE forecasts (
    forecast_id uuid PRIMARY KEY,
    school_id uuid NOT NULL,
    student_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    period_id uuid NOT NULL,
    -- closed: not shown; the final grade is set, or there are not marks enough any more.
    state text NOT NULL CHECK (state IN ('current', 'closed')),
    -- Of the final grades 2, 3, 4 and 5; together 1.
    probabilities float8 [] NOT NULL CHECK (cardinality(probabilities) = 4),
    leading_grade text NOT NULL CHECK (leading_grade IN ('2', '3', '4', '5')),
    band text NOT NULL CHECK (band IN ('early', 'open', 'likely', 'firm')),
    -- What lifts the proposed grade by one; null when nothing does.
    needed jsonb,
    marks_counted bigint NOT NULL CHECK (marks_counted >= 0),
    computed_at timestamptz NOT NULL,
    -- Of what was told: it grows only when the headline changes, and told is the event of just this revision.
    revision bigint NOT NULL CHECK (revision >= 1),
    changed_at timestamptz NOT NULL,
    told jsonb NOT NULL
);
CREATE INDEX forecasts_student_subject ON forecasts (student_id, subject_id);
CREATE INDEX forecasts_school ON forecasts (school_id) WHERE state = 'current';

-- What is to be computed anew. Rows are only added and deleted, never changed, and one key may have several: whoever
-- writes a mark then never waits for the forecast, nor the other way round. A row that was not read is not deleted.
CREATE TABLE forecast_due (
    due_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    school_id uuid NOT NULL,
    student_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    period_id uuid NOT NULL,
    -- So that a transaction adds each key once, however many marks it brings.
    made_by xid8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX forecast_due_school ON forecast_due (school_id, due_id);
CREATE INDEX forecast_due_key ON forecast_due (student_id, subject_id, period_id);

CREATE INDEX periods_school ON periods (school_id, starts_on);

-- Triggers keep forecast_due, so that none of those who write marks and grades can forget it; once for a statement.
-- A period that ended more than sixty days before is over: imports of past years leave nothing to do.
CREATE FUNCTION forecasts_due_by_marks() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO forecast_due (school_id, student_id, subject_id, period_id)
    SELECT k.school_id, k.student_id, k.subject_id, k.period_id
    FROM (
        SELECT DISTINCT m.school_id, m.student_id, m.subject_id, p.period_id
        FROM touched AS m
        JOIN periods AS p ON p.school_id = m.school_id AND m.lesson_on BETWEEN p.starts_on AND p.ends_on
        WHERE p.kind IN ('quarter', 'half_year', 'year') AND p.ends_on >= m.recorded_at::date - 60
    ) AS k
    WHERE NOT EXISTS (
        SELECT FROM forecast_due AS d
        WHERE d.student_id = k.student_id AND d.subject_id = k.subject_id AND d.period_id = k.period_id
          AND d.made_by = pg_current_xact_id()
    );
    RETURN NULL;
END
$$;

-- A final grade ends the forecast of its own period, and bears on the later ones of its school year that have begun.
CREATE FUNCTION forecasts_due_by_final_grades() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO forecast_due (school_id, student_id, subject_id, period_id)
    SELECT k.school_id, k.student_id, k.subject_id, k.period_id
    FROM (
        SELECT DISTINCT f.school_id, f.student_id, f.subject_id, p.period_id
        FROM touched AS f
        JOIN periods AS own ON own.period_id = f.period_id
        JOIN periods AS p ON p.school_id = own.school_id AND p.school_year = own.school_year
        WHERE p.kind IN ('quarter', 'half_year', 'year') AND p.ends_on >= own.ends_on
          AND p.ends_on >= f.changed_at::date - 60 AND p.starts_on <= f.changed_at::date + 1
    ) AS k
    WHERE NOT EXISTS (
        SELECT FROM forecast_due AS d
        WHERE d.student_id = k.student_id AND d.subject_id = k.subject_id AND d.period_id = k.period_id
          AND d.made_by = pg_current_xact_id()
    );
    RETURN NULL;
END
$$;

-- Other days, or other settings, bear on every forecast of the school that is shown; closing a period does not.
CREATE FUNCTION forecasts_due_by_periods() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO forecast_due (school_id, student_id, subject_id, period_id)
    SELECT f.school_id, f.student_id, f.subject_id, f.period_id
    FROM forecasts AS f
    WHERE f.state = 'current' AND f.school_id IN (
        SELECT t.school_id FROM touched AS t JOIN before AS b USING (period_id)
        WHERE (t.kind, t.number, t.school_year, t.starts_on, t.ends_on)
            IS DISTINCT FROM (b.kind, b.number, b.school_year, b.starts_on, b.ends_on)
    );
    RETURN NULL;
END
$$;

CREATE FUNCTION forecasts_due_by_policies() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO forecast_due (school_id, student_id, subject_id, period_id)
    SELECT f.school_id, f.student_id, f.subject_id, f.period_id
    FROM forecasts AS f
    WHERE f.state = 'current' AND f.school_id IN (SELECT t.school_id FROM touched AS t);
    RETURN NULL;
END
$$;

CREATE TRIGGER forecasts_due_new AFTER INSERT ON marks
REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION forecasts_due_by_marks();
CREATE TRIGGER forecasts_due_before AFTER UPDATE ON marks
REFERENCING OLD TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION forecasts_due_by_marks();
CREATE TRIGGER forecasts_due_after AFTER UPDATE ON marks
REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION forecasts_due_by_marks();

CREATE TRIGGER forecasts_due_new AFTER INSERT ON final_grades
REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION forecasts_due_by_final_grades();
CREATE TRIGGER forecasts_due_before AFTER UPDATE ON final_grades
REFERENCING OLD TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION forecasts_due_by_final_grades();
CREATE TRIGGER forecasts_due_after AFTER UPDATE ON final_grades
REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION forecasts_due_by_final_grades();

CREATE TRIGGER forecasts_due_after AFTER UPDATE ON periods
REFERENCING OLD TABLE AS before NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION forecasts_due_by_periods();
CREATE TRIGGER forecasts_due_new AFTER INSERT ON school_policies
REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION forecasts_due_by_policies();
CREATE TRIGGER forecasts_due_after AFTER UPDATE ON school_policies
REFERENCING NEW TABLE AS touched FOR EACH STATEMENT EXECUTE FUNCTION forecasts_due_by_policies();

-- Row level security as in the first migration; the district's policy is a CASE for the planner's sake.
ALTER TABLE forecasts ENABLE ROW LEVEL SECURITY;
ALTER TABLE forecasts FORCE ROW LEVEL SECURITY;
ALTER TABLE forecast_due ENABLE ROW LEVEL SECURITY;
ALTER TABLE forecast_due FORCE ROW LEVEL SECURITY;

CREATE POLICY district ON forecasts USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON forecast_due USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY school ON forecasts USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
CREATE POLICY school ON forecast_due USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
