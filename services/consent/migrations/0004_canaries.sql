-- Consents that the system itself gives for canaries, the synthetic results that are sent through the whole path. They stand
-- apart from the registry of consents, which is about persons.
CREATE TABLE canaries (
    student_id uuid PRIMARY KEY,
    representative_id uuid NOT NULL,
    school_id uuid NOT NULL,
    revision bigint NOT NULL,
    effective_from timestamptz NOT NULL,
    decided_at timestamptz NOT NULL
) WITH (fillfactor = 70);

ALTER TABLE canaries ENABLE ROW LEVEL SECURITY;
ALTER TABLE canaries FORCE ROW LEVEL SECURITY;
CREATE POLICY district ON canaries USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
