-- Invitations that the registry of consents issued, and representatives whose authority it ended.

-- The newest invitation heard of, used or not: a repeated event must not make a used code valid again.
CREATE TABLE issued_invitations (
    person_id uuid PRIMARY KEY,
    revision bigint NOT NULL
);
ALTER TABLE issued_invitations ENABLE ROW LEVEL SECURITY;
ALTER TABLE issued_invitations FORCE ROW LEVEL SECURITY;
CREATE POLICY district ON issued_invitations TO sutki_cabinet
    USING ((SELECT current_setting('sutki.scope', true) = 'district'));

ALTER TABLE consents ADD COLUMN authority text NOT NULL DEFAULT 'in_force' CHECK (authority IN ('in_force', 'ended'));
COMMENT ON COLUMN consents.authority IS 'ended: by document or term, whatever the journal says; consent has ended with it.';

-- Whoever lost the authority does not even see that there is such a child: the names hang on this table too.
ALTER POLICY reader ON representations USING (
    student_id = (SELECT reading_person())
    OR (
        representative_id = (SELECT reading_person())
        AND NOT EXISTS (
            SELECT FROM consents AS c
            WHERE c.student_id = representations.student_id
                AND c.representative_id = representations.representative_id AND c.authority = 'ended'
        )
    )
);
