-- The journal: schools, people, groups, marks, final grades, exam results, and every superseded revision of the last three.
-- Ids are opaque: they are made from (source, kind, the journal's own id) with the key below and are known nowhere else.

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

-- Lose the key, and the same journal would get new ids.
CREATE TABLE identity_key (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    key bytea NOT NULL CHECK (octet_length(key) = 32)
);
INSERT INTO identity_key (key)
SELECT sha256(convert_to(string_agg(gen_random_uuid()::text, ''), 'UTF8'))
FROM generate_series(1, 4);
REVOKE INSERT, UPDATE, DELETE, TRUNCATE ON identity_key FROM sutki_gradebook;

CREATE TABLE schools (
    school_id uuid PRIMARY KEY,
    source text NOT NULL,
    external_id text NOT NULL,
    name text NOT NULL,
    address text NOT NULL,
    time_zone text NOT NULL,
    revision bigint NOT NULL CHECK (revision >= 1),
    changed_at timestamptz NOT NULL
);

CREATE TABLE subjects (
    subject_id uuid PRIMARY KEY,
    -- The school that brought the subject; null: the district's own, which no school may rename.
    school_id uuid REFERENCES schools,
    source text NOT NULL,
    external_id text NOT NULL,
    title text NOT NULL
);

CREATE TABLE periods (
    period_id uuid PRIMARY KEY,
    school_id uuid NOT NULL REFERENCES schools,
    source text NOT NULL,
    external_id text NOT NULL,
    kind text NOT NULL,
    number bigint NOT NULL,
    school_year text NOT NULL,
    starts_on date NOT NULL,
    ends_on date NOT NULL CHECK (ends_on >= starts_on)
);

-- A person's state is composed from what each school states (person_records), from classes and from representations.
CREATE TABLE persons (
    person_id uuid PRIMARY KEY,
    source text NOT NULL,
    external_id text NOT NULL,
    -- Schools that ever stated this person.
    known_to uuid [] NOT NULL,
    -- What the event of this revision says, without revision and changed_at.
    state jsonb,
    revision bigint NOT NULL DEFAULT 0,
    changed_at timestamptz NOT NULL
);

CREATE TABLE person_records (
    person_id uuid NOT NULL REFERENCES persons,
    school_id uuid NOT NULL REFERENCES schools,
    role text NOT NULL CHECK (role IN ('student', 'representative', 'teacher')),
    family text NOT NULL,
    given text NOT NULL,
    patronymic text NOT NULL,
    birth_date date,
    active boolean NOT NULL,
    first_stated_at timestamptz NOT NULL,
    stated_at timestamptz NOT NULL,
    PRIMARY KEY (person_id, school_id, role)
);

CREATE TABLE representations (
    student_id uuid NOT NULL REFERENCES persons,
    representative_id uuid NOT NULL REFERENCES persons,
    kind text NOT NULL CHECK (kind IN ('parent', 'guardian', 'other')),
    in_force boolean NOT NULL,
    stated_at timestamptz NOT NULL,
    PRIMARY KEY (student_id, representative_id),
    CHECK (student_id <> representative_id)
);

CREATE TABLE study_groups (
    group_id uuid PRIMARY KEY,
    school_id uuid NOT NULL REFERENCES schools,
    source text NOT NULL,
    external_id text NOT NULL,
    kind text NOT NULL,
    name text NOT NULL,
    grade_level bigint NOT NULL CHECK (grade_level BETWEEN 1 AND 11),
    subject_id uuid REFERENCES subjects,
    open boolean NOT NULL,
    state jsonb,
    revision bigint NOT NULL DEFAULT 0,
    changed_at timestamptz NOT NULL
);
CREATE INDEX study_groups_subject_id ON study_groups (subject_id);

CREATE TABLE group_members (
    group_id uuid NOT NULL REFERENCES study_groups,
    person_id uuid NOT NULL REFERENCES persons,
    school_id uuid NOT NULL REFERENCES schools,
    active boolean NOT NULL,
    joined_at timestamptz NOT NULL,
    PRIMARY KEY (group_id, person_id)
);
CREATE INDEX group_members_person_id ON group_members (person_id);

-- Marks and results have no foreign keys on purpose: a batch checks its references by set in its own transaction, nothing they
-- point to is ever deleted, and a per-row check would cost more than the insert.
CREATE TABLE marks (
    mark_id uuid PRIMARY KEY,
    school_id uuid NOT NULL,
    student_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    group_id uuid,
    source text NOT NULL,
    external_id text NOT NULL,
    lesson_on date NOT NULL,
    work_type text NOT NULL,
    weight numeric(4, 2) NOT NULL CHECK (weight > 0),
    value text NOT NULL,
    state text NOT NULL CHECK (state IN ('recorded', 'withdrawn')),
    recorded_at timestamptz NOT NULL,
    revision bigint NOT NULL CHECK (revision >= 1)
);

CREATE TABLE final_grades (
    result_id uuid PRIMARY KEY,
    school_id uuid NOT NULL,
    student_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    period_id uuid NOT NULL,
    source text NOT NULL,
    external_id text NOT NULL,
    state text NOT NULL CHECK (state IN ('set', 'withdrawn')),
    value text,
    held boolean NOT NULL,
    -- Where the 24 hours of this value start.
    obtained_at timestamptz NOT NULL,
    -- What the journal stated; a correction's own instant may be ours.
    stated_obtained_at timestamptz NOT NULL,
    -- When this value was taken; later than obtained_at + 24 h means late at source.
    recorded_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    revision bigint NOT NULL CHECK (revision >= 1),
    value_revision bigint NOT NULL CHECK (value_revision BETWEEN 1 AND revision),
    CHECK ((state = 'set') = (value IS NOT NULL))
);
CREATE INDEX final_grades_student_id ON final_grades (student_id);
CREATE INDEX final_grades_held ON final_grades (period_id) WHERE held AND state = 'set';

CREATE TABLE exam_results (
    result_id uuid PRIMARY KEY,
    school_id uuid NOT NULL,
    student_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    source text NOT NULL,
    external_id text NOT NULL,
    kind text NOT NULL CHECK (kind IN ('oge', 'ege', 'school_exam', 'competition')),
    title text NOT NULL,
    state text NOT NULL CHECK (state IN ('set', 'withdrawn')),
    score numeric,
    max_score numeric,
    grade text,
    obtained_at timestamptz NOT NULL,
    stated_obtained_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    revision bigint NOT NULL CHECK (revision >= 1),
    value_revision bigint NOT NULL CHECK (value_revision BETWEEN 1 AND revision)
);
CREATE INDEX exam_results_student_id ON exam_results (student_id);

-- Superseded revisions. The columns follow the live table's, in its order; a migration that widens one widens both.
CREATE TABLE mark_history (LIKE marks, PRIMARY KEY (mark_id, revision));
CREATE TABLE final_grade_history (LIKE final_grades, PRIMARY KEY (result_id, revision));
CREATE TABLE exam_result_history (LIKE exam_results, PRIMARY KEY (result_id, revision));
REVOKE UPDATE, DELETE, TRUNCATE ON mark_history, final_grade_history, exam_result_history FROM sutki_gradebook;

-- One row for each value of each result: when the family could first have it. The way to the family is watched here, on the
-- journal's own side, so that a dead relay, broker or publisher shows.
CREATE TABLE disclosures (
    result_id uuid NOT NULL,
    value_revision bigint NOT NULL,
    school_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('final_grade', 'exam_result')),
    obtained_at timestamptz NOT NULL,
    held boolean NOT NULL,
    disclosed_at timestamptz,
    PRIMARY KEY (result_id, value_revision)
);
CREATE INDEX disclosures_awaited ON disclosures (held, obtained_at) WHERE disclosed_at IS NULL;

-- Row level security: the whole district for its own work, one school for its staff and clients, nothing when unset.
-- The district's policy is a CASE and no comparison on purpose: the planner takes a comparison with an unknown setting to be
-- true for 0.5 % of the rows, joins batches by nested loops over whole tables, and grows quadratic; a CASE counts as one half.
ALTER TABLE schools ENABLE ROW LEVEL SECURITY;
ALTER TABLE schools FORCE ROW LEVEL SECURITY;
ALTER TABLE subjects ENABLE ROW LEVEL SECURITY;
ALTER TABLE subjects FORCE ROW LEVEL SECURITY;
ALTER TABLE periods ENABLE ROW LEVEL SECURITY;
ALTER TABLE periods FORCE ROW LEVEL SECURITY;
ALTER TABLE persons ENABLE ROW LEVEL SECURITY;
ALTER TABLE persons FORCE ROW LEVEL SECURITY;
ALTER TABLE person_records ENABLE ROW LEVEL SECURITY;
ALTER TABLE person_records FORCE ROW LEVEL SECURITY;
ALTER TABLE representations ENABLE ROW LEVEL SECURITY;
ALTER TABLE representations FORCE ROW LEVEL SECURITY;
ALTER TABLE study_groups ENABLE ROW LEVEL SECURITY;
ALTER TABLE study_groups FORCE ROW LEVEL SECURITY;
ALTER TABLE group_members ENABLE ROW LEVEL SECURITY;
ALTER TABLE group_members FORCE ROW LEVEL SECURITY;
ALTER TABLE marks ENABLE ROW LEVEL SECURITY;
ALTER TABLE marks FORCE ROW LEVEL SECURITY;
ALTER TABLE final_grades ENABLE ROW LEVEL SECURITY;
ALTER TABLE final_grades FORCE ROW LEVEL SECURITY;
ALTER TABLE exam_results ENABLE ROW LEVEL SECURITY;
ALTER TABLE exam_results FORCE ROW LEVEL SECURITY;
ALTER TABLE mark_history ENABLE ROW LEVEL SECURITY;
ALTER TABLE mark_history FORCE ROW LEVEL SECURITY;
ALTER TABLE final_grade_history ENABLE ROW LEVEL SECURITY;
ALTER TABLE final_grade_history FORCE ROW LEVEL SECURITY;
ALTER TABLE exam_result_history ENABLE ROW LEVEL SECURITY;
ALTER TABLE exam_result_history FORCE ROW LEVEL SECURITY;
ALTER TABLE disclosures ENABLE ROW LEVEL SECURITY;
ALTER TABLE disclosures FORCE ROW LEVEL SECURITY;

CREATE POLICY district ON schools USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON subjects USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON periods USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON persons USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON person_records USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON representations USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON study_groups USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON group_members USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON marks USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON final_grades USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON exam_results USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON mark_history USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON final_grade_history USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON exam_result_history USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON disclosures USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);

CREATE POLICY school ON schools USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
CREATE POLICY school ON periods USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
CREATE POLICY school ON person_records USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
CREATE POLICY school ON study_groups USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
CREATE POLICY school ON group_members USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
CREATE POLICY school ON marks USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
CREATE POLICY school ON final_grades USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
CREATE POLICY school ON exam_results USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
CREATE POLICY school ON mark_history USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
CREATE POLICY school ON final_grade_history USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
CREATE POLICY school ON exam_result_history USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
CREATE POLICY school ON disclosures USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);

-- A person may be known to several schools; a representation belongs to whoever may see the student.
CREATE POLICY school ON persons USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid) = ANY(known_to)
);
CREATE POLICY school ON representations USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND EXISTS (SELECT FROM persons AS p WHERE p.person_id = representations.student_id)
);

-- The district's subjects are for every school to use and for none to change.
CREATE POLICY school ON subjects USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
CREATE POLICY school_reads_district ON subjects FOR SELECT USING (
    (SELECT current_setting('sutki.scope', true)) = 'school' AND school_id IS NULL
);
