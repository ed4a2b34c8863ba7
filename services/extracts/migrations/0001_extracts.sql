-- Extracts: the paper route. Two kinds of tables: a read model, which comes back from events whenever it is dropped, and
-- our own facts (requests taken, sheets, numbers, the register), which are kept here and nowhere else.

-- Read model -----------------------------------------------------------------------------------------------------------

CREATE TABLE schools (
    school_id uuid PRIMARY KEY,
    name text NOT NULL,
    address text NOT NULL,
    time_zone text NOT NULL,
    revision integer NOT NULL
);

-- As printed. One person may be known to several schools.
CREATE TABLE persons (
    person_id uuid PRIMARY KEY,
    school_ids uuid[] NOT NULL,
    name text NOT NULL,
    class_name text NOT NULL,
    revision integer NOT NULL
);

-- Every version of every final grade and exam result. The student comes first in the key: an extract always knows its
-- student, and erasing a student is one range.
CREATE TABLE result_versions (
    student_id uuid NOT NULL,
    result_id uuid NOT NULL,
    value_revision integer NOT NULL,
    revision integer NOT NULL,
    school_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('final_grade', 'exam')),
    subject_title text NOT NULL,
    state text NOT NULL CHECK (state IN ('set', 'deferred', 'withdrawn')),
    value text,
    held boolean NOT NULL,
    deferred_until date,
    period_kind text,
    period_number smallint,
    school_year text,
    exam_title text,
    score numeric,
    max_score numeric,
    obtained_at timestamptz NOT NULL,
    PRIMARY KEY (student_id, result_id, value_revision)
);

-- Own facts ------------------------------------------------------------------------------------------------------------

CREATE TABLE extracts (
    extract_id uuid PRIMARY KEY,
    request_id uuid NOT NULL UNIQUE,
    request_revision integer NOT NULL,
    school_id uuid NOT NULL,
    student_id uuid NOT NULL,
    recipient_id uuid NOT NULL,
    state text NOT NULL CHECK (state IN ('requested', 'numbered', 'rendered', 'printed', 'handed_over', 'cancelled')),
    due_at timestamptz NOT NULL,
    requested_at timestamptz NOT NULL,
    number text,
    year integer,
    ordinal integer,
    numbered_at timestamptz,
    -- Rendering that failed is tried again, later each time.
    failures integer NOT NULL DEFAULT 0,
    retry_at timestamptz,
    rendered_at timestamptz,
    content_sha256 text,
    -- While a print run has the sheet, other runs leave it alone; `taken_sha256` is what that run put on paper.
    print_run_id uuid,
    taken_until timestamptz,
    taken_sha256 text,
    print_revision integer NOT NULL DEFAULT 0,
    printed_at timestamptz,
    handed_over_at timestamptz,
    way text CHECK (way IN ('in_person', 'by_post')),
    cancelled_at timestamptz,
    CHECK (state NOT IN ('numbered', 'rendered', 'printed', 'handed_over') OR number IS NOT NULL),
    CHECK (state NOT IN ('rendered', 'printed', 'handed_over') OR content_sha256 IS NOT NULL),
    CHECK (state NOT IN ('printed', 'handed_over') OR printed_at IS NOT NULL),
    CHECK (state <> 'handed_over' OR (handed_over_at IS NOT NULL AND way IS NOT NULL))
);
CREATE UNIQUE INDEX extracts_number ON extracts (school_id, year, ordinal) WHERE ordinal IS NOT NULL;
CREATE INDEX extracts_to_number ON extracts (due_at) WHERE state = 'requested';
CREATE INDEX extracts_to_render ON extracts (due_at) WHERE state = 'numbered';
CREATE INDEX extracts_print_queue ON extracts (school_id, due_at) WHERE state = 'rendered';
CREATE INDEX extracts_printed ON extracts (printed_at) WHERE state = 'printed';
CREATE INDEX extracts_run ON extracts (print_run_id) WHERE print_run_id IS NOT NULL;
CREATE INDEX extracts_handed_over ON extracts (handed_over_at) WHERE state = 'handed_over';
CREATE INDEX extracts_student ON extracts (student_id);
CREATE INDEX extracts_recipient ON extracts (recipient_id);

-- What was asked for, and which version the sheet carries: a newer one when the result was corrected before printing.
CREATE TABLE extract_items (
    extract_id uuid NOT NULL REFERENCES extracts ON DELETE CASCADE,
    result_id uuid NOT NULL,
    value_revision integer NOT NULL,
    school_id uuid NOT NULL,
    carried_revision integer,
    carried_state text,
    PRIMARY KEY (extract_id, result_id)
);
CREATE INDEX extract_items_result ON extract_items (result_id);

-- The sheets themselves: the only own fact with names and grades. They go when their time is over or the person is
-- erased; number, hash and register stay.
CREATE TABLE sheets (
    extract_id uuid PRIMARY KEY REFERENCES extracts ON DELETE CASCADE,
    school_id uuid NOT NULL,
    sheet jsonb NOT NULL,
    pdf bytea NOT NULL
);
ALTER TABLE sheets ALTER COLUMN pdf SET STORAGE EXTERNAL; -- a PDF is compressed already

-- Numbers without gaps: the row of the school and year is locked while numbers are taken, and a transaction that fails
-- gives them back. A sequence could not do that.
CREATE TABLE register_counters (
    school_id uuid NOT NULL,
    year integer NOT NULL,
    last_ordinal integer NOT NULL CHECK (last_ordinal > 0),
    PRIMARY KEY (school_id, year)
);

-- The hand-over register (журнал выдачи): append-only.
CREATE TABLE hand_over_register (
    entry_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    school_id uuid NOT NULL,
    year integer NOT NULL,
    ordinal integer NOT NULL,
    number text NOT NULL,
    extract_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('numbered', 'printed', 'jammed', 'handed_over', 'annulled')),
    print_revision integer,
    content_sha256 text,
    items jsonb,
    way text,
    made_by text NOT NULL,
    at timestamptz NOT NULL,
    entered_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CHECK (kind <> 'printed' OR (print_revision IS NOT NULL AND content_sha256 IS NOT NULL AND items IS NOT NULL)),
    CHECK (kind <> 'handed_over' OR way IS NOT NULL)
);
CREATE UNIQUE INDEX register_numbered_once ON hand_over_register (school_id, year, ordinal) WHERE kind = 'numbered';
CREATE UNIQUE INDEX register_annulled_once ON hand_over_register (school_id, year, ordinal) WHERE kind = 'annulled';
CREATE UNIQUE INDEX register_printed_once ON hand_over_register (extract_id, print_revision) WHERE kind = 'printed';
CREATE UNIQUE INDEX register_handed_over_once ON hand_over_register (extract_id) WHERE kind = 'handed_over';
CREATE INDEX register_of_school ON hand_over_register (school_id, at);

REVOKE UPDATE, DELETE ON hand_over_register FROM sutki_extracts;

-- The owner's slip of the hand is refused as well.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the hand-over register is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON hand_over_register
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Dropping the read model is quick whatever its size, and can never touch an own fact.
CREATE FUNCTION drop_read_model() RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
    TRUNCATE schools, persons, result_versions;
$$;
REVOKE ALL ON FUNCTION drop_read_model() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION drop_read_model() TO sutki_extracts;

-- Row-level security ---------------------------------------------------------------------------------------------------

ALTER TABLE schools ENABLE ROW LEVEL SECURITY;
ALTER TABLE schools FORCE ROW LEVEL SECURITY;
CREATE POLICY district ON schools USING ((SELECT current_setting('sutki.scope', true) = 'district'));
CREATE POLICY school ON schools USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);

ALTER TABLE persons ENABLE ROW LEVEL SECURITY;
ALTER TABLE persons FORCE ROW LEVEL SECURITY;
CREATE POLICY district ON persons USING ((SELECT current_setting('sutki.scope', true) = 'district'));
CREATE POLICY school ON persons USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid) = ANY (school_ids)
);

ALTER TABLE result_versions ENABLE ROW LEVEL SECURITY;
ALTER TABLE result_versions FORCE ROW LEVEL SECURITY;
CREATE POLICY district ON result_versions USING ((SELECT current_setting('sutki.scope', true) = 'district'));
CREATE POLICY school ON result_versions USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);

ALTER TABLE extracts ENABLE ROW LEVEL SECURITY;
ALTER TABLE extracts FORCE ROW LEVEL SECURITY;
CREATE POLICY district ON extracts USING ((SELECT current_setting('sutki.scope', true) = 'district'));
CREATE POLICY school ON extracts USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);

ALTER TABLE extract_items ENABLE ROW LEVEL SECURITY;
ALTER TABLE extract_items FORCE ROW LEVEL SECURITY;
CREATE POLICY district ON extract_items USING ((SELECT current_setting('sutki.scope', true) = 'district'));
CREATE POLICY school ON extract_items USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);

ALTER TABLE sheets ENABLE ROW LEVEL SECURITY;
ALTER TABLE sheets FORCE ROW LEVEL SECURITY;
CREATE POLICY district ON sheets USING ((SELECT current_setting('sutki.scope', true) = 'district'));
CREATE POLICY school ON sheets USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);

ALTER TABLE register_counters ENABLE ROW LEVEL SECURITY;
ALTER TABLE register_counters FORCE ROW LEVEL SECURITY;
CREATE POLICY district ON register_counters USING ((SELECT current_setting('sutki.scope', true) = 'district'));
CREATE POLICY school ON register_counters USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);

ALTER TABLE hand_over_register ENABLE ROW LEVEL SECURITY;
ALTER TABLE hand_over_register FORCE ROW LEVEL SECURITY;
CREATE POLICY district ON hand_over_register USING ((SELECT current_setting('sutki.scope', true) = 'district'));
CREATE POLICY school ON hand_over_register USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
