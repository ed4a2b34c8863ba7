-- What other systems need to read the journal by OneRoster's REST binding and to write results into it.

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '300s';

-- When a row last changed, for those who read only what is new. A trigger keeps it, so that whoever writes these tables
-- cannot forget it. Rows that are there already count as changed now: nobody has read them yet.
ALTER TABLE subjects ADD COLUMN changed_at timestamptz NOT NULL DEFAULT now();
ALTER TABLE periods ADD COLUMN changed_at timestamptz NOT NULL DEFAULT now();
ALTER TABLE group_members ADD COLUMN changed_at timestamptz NOT NULL DEFAULT now();
CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    new.changed_at := now();
    RETURN new;
END
$$;
CREATE TRIGGER note_change BEFORE UPDATE ON subjects FOR EACH ROW EXECUTE FUNCTION note_change();
CREATE TRIGGER note_change BEFORE UPDATE ON periods FOR EACH ROW EXECUTE FUNCTION note_change();
CREATE TRIGGER note_change BEFORE UPDATE ON group_members FOR EACH ROW EXECUTE FUNCTION note_change();

-- From the representative to the students; the primary key leads the other way.
CREATE INDEX representations_representative_id ON representations (representative_id);

-- What a client may ask for. A client without a row has the district's ids and may ask for everything in its school.
CREATE TABLE oneroster_clients (
    client_id uuid PRIMARY KEY REFERENCES api_clients,
    source text NOT NULL,
    scopes text [] NOT NULL
);

-- Access tokens that are in force; of each only a hash.
CREATE TABLE oneroster_tokens (
    token_sha256 bytea PRIMARY KEY CHECK (octet_length(token_sha256) = 32),
    client_id uuid NOT NULL REFERENCES api_clients,
    scopes text [] NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX oneroster_tokens_expires_at ON oneroster_tokens (expires_at);
CREATE INDEX oneroster_tokens_client_id ON oneroster_tokens (client_id);

-- Columns of a gradebook that a client made. Every other column follows from the results themselves.
CREATE TABLE oneroster_line_items (
    line_item_id uuid PRIMARY KEY,
    school_id uuid NOT NULL REFERENCES schools,
    source text NOT NULL,
    external_id text NOT NULL,
    group_id uuid NOT NULL REFERENCES study_groups,
    subject_id uuid NOT NULL REFERENCES subjects,
    -- A work type, final_grade, or the kind of an exam.
    category text NOT NULL,
    weight numeric(4, 2) NOT NULL CHECK (weight > 0),
    title text NOT NULL,
    description text NOT NULL,
    assigned_on date NOT NULL,
    due_on date NOT NULL,
    -- Only for final grades.
    period_id uuid REFERENCES periods,
    max_score numeric,
    state text NOT NULL CHECK (state IN ('active', 'withdrawn')),
    changed_by text NOT NULL,
    changed_at timestamptz NOT NULL,
    revision bigint NOT NULL CHECK (revision >= 1),
    CHECK ((category = 'final_grade') = (period_id IS NOT NULL))
);
CREATE INDEX oneroster_line_items_school_id ON oneroster_line_items (school_id);
CREATE INDEX oneroster_line_items_group_id ON oneroster_line_items (group_id);
CREATE INDEX oneroster_line_items_subject_id ON oneroster_line_items (subject_id);
CREATE INDEX oneroster_line_items_period_id ON oneroster_line_items (period_id);
CREATE TABLE oneroster_line_item_history (LIKE oneroster_line_items, PRIMARY KEY (line_item_id, revision));
REVOKE UPDATE, DELETE, TRUNCATE ON oneroster_line_item_history FROM sutki_gradebook;

-- In which of those columns a result was put. It counts as long as the result still is what the column is for.
CREATE TABLE oneroster_result_items (
    result_id uuid PRIMARY KEY,
    line_item_id uuid NOT NULL REFERENCES oneroster_line_items,
    school_id uuid NOT NULL
);
CREATE INDEX oneroster_result_items_line_item_id ON oneroster_result_items (line_item_id);

-- Row level security as in the first migration; the district's policy is a CASE for the planner's sake.
-- Clients and tokens are looked up before it is known whose school they are for.
ALTER TABLE oneroster_clients ENABLE ROW LEVEL SECURITY;
ALTER TABLE oneroster_clients FORCE ROW LEVEL SECURITY;
ALTER TABLE oneroster_tokens ENABLE ROW LEVEL SECURITY;
ALTER TABLE oneroster_tokens FORCE ROW LEVEL SECURITY;
ALTER TABLE oneroster_line_items ENABLE ROW LEVEL SECURITY;
ALTER TABLE oneroster_line_items FORCE ROW LEVEL SECURITY;
ALTER TABLE oneroster_line_item_history ENABLE ROW LEVEL SECURITY;
ALTER TABLE oneroster_line_item_history FORCE ROW LEVEL SECURITY;
ALTER TABLE oneroster_result_items ENABLE ROW LEVEL SECURITY;
ALTER TABLE oneroster_result_items FORCE ROW LEVEL SECURITY;

CREATE POLICY district ON oneroster_clients USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON oneroster_tokens USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON oneroster_line_items USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON oneroster_line_item_history USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY district ON oneroster_result_items USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY school ON oneroster_line_items USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
CREATE POLICY school ON oneroster_line_item_history USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
CREATE POLICY school ON oneroster_result_items USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
