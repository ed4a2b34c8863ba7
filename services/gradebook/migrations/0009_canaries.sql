-- Canaries: one synthetic result per school, sent through the whole path again and again. It stands here and never among
-- people and results, so that nothing that counts, lists or exports those can meet it. All its ids follow from the school's.
CREATE TABLE canaries (
    school_id uuid PRIMARY KEY REFERENCES schools,
    revision bigint NOT NULL DEFAULT 0,
    sent_at timestamptz
) WITH (fillfactor = 70);
COMMENT ON COLUMN canaries.revision IS 'Of the result and its value, and of the two persons: each flight is the next one.';

ALTER TABLE canaries ENABLE ROW LEVEL SECURITY;
ALTER TABLE canaries FORCE ROW LEVEL SECURITY;
CREATE POLICY district ON canaries USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
