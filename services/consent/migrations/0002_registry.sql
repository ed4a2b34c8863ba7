-- The registry for the school's office: names and classes, authority with its documents and its end, the student's own
-- agreement, invitations to the cabinet, what a transfer leaves to be asked anew, and where the scan of a paper lies.

-- Row-level security holds for the owner, too.
SET LOCAL sutki.scope = 'district';

CREATE TABLE schools (
    school_id uuid PRIMARY KEY,
    revision bigint NOT NULL,
    name text NOT NULL,
    address text NOT NULL
);
COMMENT ON TABLE schools IS 'The operators of personal data, as forms and receipts name them.';

-- Names of students and of representatives, for forms, lists and search. Erased with the person.
CREATE TABLE people (
    person_id uuid PRIMARY KEY,
    revision bigint NOT NULL,
    family text NOT NULL,
    given text NOT NULL,
    patronymic text NOT NULL,
    -- Lower case, ё as е, a space before every word: a word is found by its beginning.
    words text NOT NULL GENERATED ALWAYS AS (
        ' ' || translate(lower(family || ' ' || given || ' ' || patronymic), 'ё-', 'е ')
    ) STORED
);

ALTER TABLE students ADD COLUMN class_id uuid;
ALTER TABLE students ADD COLUMN class_name text NOT NULL DEFAULT '';
ALTER TABLE representations ADD COLUMN kind text NOT NULL DEFAULT 'other' CHECK (kind IN ('parent', 'guardian', 'other'));

-- What was learned of students before has no names and classes: the next `sutki replay gradebook` brings them.
-- Row-level security holds for the owner, too.
DELETE FROM inbox WHERE consumer = 'consent.people';
UPDATE students SET revision = 0;

-- The present state of an authority of which the registry knows more than the journal. No row: only the journal speaks.
CREATE TABLE authorities (
    student_id uuid NOT NULL REFERENCES students ON DELETE CASCADE,
    representative_id uuid NOT NULL,
    revision integer NOT NULL CHECK (revision >= 1),
    state text NOT NULL CHECK (state IN ('in_force', 'ended')),
    kind text NOT NULL CHECK (kind IN ('parent', 'guardian', 'other')),
    document text NOT NULL,
    document_number text NOT NULL,
    issued_on date,
    valid_until date,
    expires_at timestamptz,
    end_reason text CHECK (end_reason IN ('court', 'revoked', 'expired', 'other')),
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (student_id, representative_id),
    CHECK ((valid_until IS NULL) = (expires_at IS NULL)),
    CHECK ((state = 'ended') = (end_reason IS NOT NULL))
);
COMMENT ON COLUMN authorities.expires_at IS 'Midnight after the last valid day, where the registry is.';
CREATE INDEX authorities_to_expire ON authorities (expires_at) WHERE state = 'in_force' AND expires_at IS NOT NULL;

-- Every step of an authority. Lines are added and never changed; they go with the person.
CREATE TABLE authority_history (
    student_id uuid NOT NULL,
    representative_id uuid NOT NULL,
    revision integer NOT NULL,
    state text NOT NULL,
    kind text NOT NULL,
    document text NOT NULL,
    document_number text NOT NULL,
    issued_on date,
    valid_until date,
    end_reason text,
    registered_at timestamptz NOT NULL,
    registered_by uuid,
    PRIMARY KEY (student_id, representative_id, revision),
    FOREIGN KEY (student_id, representative_id) REFERENCES authorities ON DELETE CASCADE
);
REVOKE UPDATE, TRUNCATE ON authority_history FROM sutki_consent;

-- The agreement of a student who is old enough to be asked too.
CREATE TABLE student_agreements (
    student_id uuid PRIMARY KEY REFERENCES students ON DELETE CASCADE,
    revision integer NOT NULL CHECK (revision >= 1),
    state text NOT NULL CHECK (state IN ('due', 'missing', 'given', 'taken_back')),
    since timestamptz NOT NULL,
    document_number text NOT NULL DEFAULT ''
);
COMMENT ON COLUMN student_agreements.since IS 'due: since when it has been asked for; otherwise when it was decided.';
CREATE INDEX student_agreements_due ON student_agreements (since) WHERE state = 'due';

CREATE TABLE student_agreement_history (
    student_id uuid NOT NULL REFERENCES student_agreements ON DELETE CASCADE,
    revision integer NOT NULL,
    state text NOT NULL,
    since timestamptz NOT NULL,
    document_number text NOT NULL,
    registered_at timestamptz NOT NULL,
    registered_by uuid,
    PRIMARY KEY (student_id, revision)
);
REVOKE UPDATE, TRUNCATE ON student_agreement_history FROM sutki_consent;

-- The newest invitation of each person. The code itself stands on the receipt and nowhere else.
CREATE TABLE invitations (
    person_id uuid PRIMARY KEY,
    revision integer NOT NULL CHECK (revision >= 1),
    -- Empty: erased. The row stays for its revision, by which readers tell old events from new.
    code_sha256 bytea NOT NULL,
    issued_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    issued_by uuid
);

ALTER TABLE consents ADD COLUMN authority text NOT NULL DEFAULT 'in_force' CHECK (authority IN ('in_force', 'ended'));
ALTER TABLE consents ADD COLUMN renewal_needed boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN consents.renewal_needed IS 'The student came to another school, and its consent was not asked yet.';
ALTER TABLE consents ADD CONSTRAINT consents_need_authority CHECK (authority = 'in_force' OR cabinet <> 'given') NOT VALID;
CREATE INDEX consents_to_renew ON consents (school_id) WHERE renewal_needed;

ALTER TABLE consent_decisions ADD COLUMN scan_sha256 text CHECK (scan_sha256 ~ '^[0-9a-f]{64}$');
ALTER TABLE consent_decisions ADD COLUMN scan_reference text;
ALTER TABLE consent_decisions ADD COLUMN session_reference text;
ALTER TABLE consent_decisions
    ADD CONSTRAINT consent_decisions_scan CHECK ((scan_sha256 IS NULL) = (scan_reference IS NULL)) NOT VALID;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'schools', 'people', 'authorities', 'authority_history', 'student_agreements', 'student_agreement_history',
        'invitations'
    ] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format(
            'CREATE POLICY district ON %I USING ((SELECT current_setting(''sutki.scope'', true) = ''district''))', name
        );
    END LOOP;
    -- What is known about a student belongs to the school of that student, wherever the student goes.
    FOREACH name IN ARRAY ARRAY['authorities', 'authority_history', 'student_agreements', 'student_agreement_history'] LOOP
        EXECUTE format(
            'CREATE POLICY school ON %I USING ('
            '(SELECT current_setting(''sutki.scope'', true)) = ''school'' '
            'AND EXISTS (SELECT FROM students AS s WHERE s.student_id = %I.student_id))',
            name, name
        );
    END LOOP;
END
$$;

CREATE POLICY school ON schools USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
-- A school knows the names of its students and of whoever represents them: the two tables show it no others.
CREATE POLICY school ON people USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND (
        EXISTS (SELECT FROM students AS s WHERE s.student_id = people.person_id)
        OR EXISTS (SELECT FROM representations AS r WHERE r.representative_id = people.person_id)
    )
);
CREATE POLICY school ON invitations USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND (
        EXISTS (SELECT FROM students AS s WHERE s.student_id = invitations.person_id)
        OR EXISTS (SELECT FROM representations AS r WHERE r.representative_id = invitations.person_id)
    )
);
