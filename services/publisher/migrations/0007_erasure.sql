-- What was erased here, and what stays: told once more by a replay, and done once however often it is asked.
CREATE TABLE erasures_done (
    erasure_id uuid PRIMARY KEY,
    person_id uuid NOT NULL,
    erased jsonb NOT NULL,
    kept jsonb NOT NULL,
    erased_at timestamptz NOT NULL
);
REVOKE UPDATE, DELETE, TRUNCATE ON erasures_done FROM sutki_publisher;
ALTER TABLE erasures_done ENABLE ROW LEVEL SECURITY;
ALTER TABLE erasures_done FORCE ROW LEVEL SECURITY;
CREATE POLICY district ON erasures_done USING ((SELECT current_setting('sutki.scope', true) = 'district'));
