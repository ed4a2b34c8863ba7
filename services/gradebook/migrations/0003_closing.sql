-- Closing a period, deferrals of final grades, and what the statistics read.

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '300s';

-- A deferred result is told to the family as such; the grade that fulfils it is its next revision.
-- What is there already satisfies the new rules (the old one was narrower), so that nothing needs to be validated.
ALTER TABLE final_grades ADD COLUMN deferred_until date;
ALTER TABLE final_grades ADD COLUMN reason text;
ALTER TABLE final_grade_history ADD COLUMN deferred_until date;
ALTER TABLE final_grade_history ADD COLUMN reason text;
-- squawk-ignore ban-drop-constraint
ALTER TABLE final_grades DROP CONSTRAINT final_grades_state_check;
ALTER TABLE final_grades ADD CONSTRAINT final_grades_state_check
CHECK (state IN ('set', 'deferred', 'withdrawn')) NOT VALID;
ALTER TABLE final_grades ADD CONSTRAINT final_grades_deferred_check
CHECK ((state = 'deferred') = (deferred_until IS NOT NULL)) NOT VALID;

-- Why a grade departs from the proposed one, why somebody is not assessed, why a grade was corrected: for one value.
CREATE TABLE grade_reasons (
    result_id uuid NOT NULL,
    value_revision bigint NOT NULL CHECK (value_revision >= 1),
    school_id uuid NOT NULL REFERENCES schools,
    reason text NOT NULL CHECK (reason <> ''),
    stated_by text NOT NULL,
    stated_at timestamptz NOT NULL,
    PRIMARY KEY (result_id, value_revision, stated_at)
);
REVOKE UPDATE, DELETE, TRUNCATE ON grade_reasons FROM sutki_gradebook;

CREATE TABLE deferrals (
    deferral_id uuid PRIMARY KEY,
    school_id uuid NOT NULL REFERENCES schools,
    student_id uuid NOT NULL REFERENCES persons,
    subject_id uuid NOT NULL REFERENCES subjects,
    period_id uuid NOT NULL REFERENCES periods,
    result_id uuid NOT NULL,
    state text NOT NULL CHECK (state IN ('requested', 'approved', 'due', 'fulfilled', 'refused', 'cancelled')),
    reason text NOT NULL,
    document_number text NOT NULL CHECK (document_number <> ''),
    document_date date NOT NULL,
    due_on date NOT NULL CHECK (due_on >= document_date),
    -- The end of that day in the school's time zone.
    due_at timestamptz NOT NULL,
    note text NOT NULL,
    fulfilled_as uuid,
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL,
    revision bigint NOT NULL CHECK (revision >= 1),
    CHECK ((state = 'fulfilled') = (fulfilled_as IS NOT NULL))
);
-- At most one runs for a student, subject and period.
CREATE UNIQUE INDEX deferrals_running ON deferrals (student_id, subject_id, period_id)
WHERE state IN ('requested', 'approved', 'due');
CREATE INDEX deferrals_timer ON deferrals (due_at) WHERE state = 'approved';
CREATE INDEX deferrals_period_id ON deferrals (period_id);
CREATE INDEX deferrals_subject_id ON deferrals (subject_id);
CREATE INDEX deferrals_school_id ON deferrals (school_id);
CREATE INDEX deferrals_fulfilled_as ON deferrals (fulfilled_as) WHERE fulfilled_as IS NOT NULL;

-- The columns follow the live table's, in its order; a migration that widens one widens both.
CREATE TABLE deferral_history (LIKE deferrals, PRIMARY KEY (deferral_id, revision));
REVOKE UPDATE, DELETE, TRUNCATE ON deferral_history FROM sutki_gradebook;

-- Whether a period takes grades, class by class; no class: the students who are in none. A missing row is open.
CREATE TABLE period_closings (
    closing_id uuid PRIMARY KEY,
    school_id uuid NOT NULL REFERENCES schools,
    period_id uuid NOT NULL REFERENCES periods,
    class_id uuid REFERENCES study_groups,
    state text NOT NULL CHECK (state IN ('closed', 'reopened')),
    reason text NOT NULL,
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL,
    revision bigint NOT NULL CHECK (revision >= 1),
    UNIQUE NULLS NOT DISTINCT (period_id, class_id),
    CHECK (state = 'closed' OR reason <> '')
);
CREATE INDEX period_closings_school_id ON period_closings (school_id);
CREATE INDEX period_closings_class_id ON period_closings (class_id);
CREATE TABLE period_closing_history (LIKE period_closings, PRIMARY KEY (closing_id, revision));
REVOKE UPDATE, DELETE, TRUNCATE ON period_closing_history FROM sutki_gradebook;

-- A school's statistics, and the proposed grades of a class, read these and not the tables.
CREATE INDEX marks_of_school ON marks (school_id, lesson_on)
INCLUDE (student_id, subject_id, group_id, author_id, value, weight) WHERE state = 'recorded';
CREATE INDEX final_grades_of_period ON final_grades (school_id, period_id)
INCLUDE (student_id, subject_id, state, value) WHERE state <> 'withdrawn';

ALTER TABLE grade_reasons ENABLE ROW LEVEL SECURITY;
ALTER TABLE grade_reasons FORCE ROW LEVEL SECURITY;
ALTER TABLE deferrals ENABLE ROW LEVEL SECURITY;
ALTER TABLE deferrals FORCE ROW LEVEL SECURITY;
ALTER TABLE deferral_history ENABLE ROW LEVEL SECURITY;
ALTER TABLE deferral_history FORCE ROW LEVEL SECURITY;
ALTER TABLE period_closings ENABLE ROW LEVEL SECURITY;
ALTER TABLE period_closings FORCE ROW LEVEL SECURITY;
ALTER TABLE period_closing_history ENABLE ROW LEVEL SECURITY;
ALTER TABLE period_closing_history FORCE ROW LEVEL SECURITY;

CREATE POLICY district ON grade_reasons USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY school ON grade_reasons USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);

CREATE POLICY district ON deferrals USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY school ON deferrals USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);

CREATE POLICY district ON deferral_history USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY school ON deferral_history USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);

CREATE POLICY district ON period_closings USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY school ON period_closings USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);

CREATE POLICY district ON period_closing_history USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY school ON period_closing_history USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
