-- The consent registry: the present state of each pair's consent, how it came to be, and what was written.

-- What is known of students, from person-changed: no names. Every registration locks its student's row, so that
-- decisions about one student follow one after another, and so do their events.
CREATE TABLE students (
    student_id uuid PRIMARY KEY,
    school_id uuid NOT NULL,
    birth_date date,
    revision bigint NOT NULL
);
CREATE INDEX students_by_school ON students (school_id, student_id);
CREATE INDEX students_by_birth_date ON students (birth_date);

CREATE TABLE representations (
    student_id uuid NOT NULL REFERENCES students ON DELETE CASCADE,
    representative_id uuid NOT NULL,
    school_id uuid NOT NULL,
    in_force boolean NOT NULL,
    PRIMARY KEY (student_id, representative_id)
);
CREATE INDEX representations_by_representative ON representations (representative_id);

CREATE TABLE consents (
    consent_id uuid PRIMARY KEY,
    representative_id uuid NOT NULL,
    student_id uuid NOT NULL,
    school_id uuid NOT NULL,
    revision integer NOT NULL CHECK (revision >= 1),
    cabinet text NOT NULL CHECK (cabinet IN ('given', 'refused', 'withdrawn', 'unanswered')),
    email text NOT NULL CHECK (email IN ('given', 'refused', 'withdrawn', 'unanswered')),
    push text NOT NULL CHECK (push IN ('given', 'refused', 'withdrawn', 'unanswered')),
    no_internet boolean NOT NULL,
    document text NOT NULL CHECK (document IN ('paper', 'electronic')),
    email_address text,
    language text NOT NULL CHECK (language IN ('ru', 'en')),
    decided_at timestamptz NOT NULL,
    effective_from timestamptz NOT NULL,
    registered_at timestamptz NOT NULL,
    UNIQUE (student_id, representative_id),
    -- The address is kept for e-mail only, and e-mail goes to nobody without one.
    CHECK ((email = 'given') = (email_address IS NOT NULL)),
    CHECK (cabinet = 'given' OR (email <> 'given' AND push <> 'given'))
);
CREATE INDEX consents_by_school ON consents (school_id, student_id);
CREATE INDEX consents_by_representative ON consents (representative_id);
-- For the birthday loop: consents that a representative gave and that still hold.
CREATE INDEX consents_of_representatives ON consents (student_id)
    WHERE cabinet = 'given' AND representative_id <> student_id;

-- Every decision as it was registered. Lines are added and never touched again.
CREATE TABLE consent_decisions (
    consent_id uuid NOT NULL REFERENCES consents,
    revision integer NOT NULL,
    decided_by text NOT NULL CHECK (decided_by IN ('representative', 'student', 'system')),
    withdrawal boolean NOT NULL,
    reason text,
    cabinet text NOT NULL,
    email text NOT NULL,
    push text NOT NULL,
    no_internet boolean NOT NULL,
    document text NOT NULL,
    document_number text,
    student_agreed boolean,
    decided_at timestamptz NOT NULL,
    effective_from timestamptz NOT NULL,
    registered_at timestamptz NOT NULL,
    registered_by uuid,
    PRIMARY KEY (consent_id, revision)
);
CREATE UNIQUE INDEX consent_decisions_by_number ON consent_decisions (consent_id, document_number)
    WHERE document_number IS NOT NULL;
REVOKE UPDATE, DELETE, TRUNCATE ON consent_decisions FROM sutki_consent;

-- What the document said. Personal data that never leaves this database; erased with the person.
CREATE TABLE consent_documents (
    consent_id uuid NOT NULL,
    revision integer NOT NULL,
    contents jsonb NOT NULL,
    PRIMARY KEY (consent_id, revision),
    FOREIGN KEY (consent_id, revision) REFERENCES consent_decisions
);
REVOKE UPDATE, TRUNCATE ON consent_documents FROM sutki_consent;

-- The heartbeat asks every few seconds whether any event is still unpublished, refused ones included.
CREATE INDEX outbox_not_published ON outbox (id) WHERE published_at IS NULL;

ALTER TABLE students ENABLE ROW LEVEL SECURITY;
ALTER TABLE students FORCE ROW LEVEL SECURITY;
CREATE POLICY district ON students USING ((SELECT current_setting('sutki.scope', true) = 'district'));
CREATE POLICY school ON students USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);

ALTER TABLE representations ENABLE ROW LEVEL SECURITY;
ALTER TABLE representations FORCE ROW LEVEL SECURITY;
CREATE POLICY district ON representations USING ((SELECT current_setting('sutki.scope', true) = 'district'));
CREATE POLICY school ON representations USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);

ALTER TABLE consents ENABLE ROW LEVEL SECURITY;
ALTER TABLE consents FORCE ROW LEVEL SECURITY;
CREATE POLICY district ON consents USING ((SELECT current_setting('sutki.scope', true) = 'district'));
CREATE POLICY school ON consents USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);

ALTER TABLE consent_decisions ENABLE ROW LEVEL SECURITY;
ALTER TABLE consent_decisions FORCE ROW LEVEL SECURITY;
CREATE POLICY district ON consent_decisions USING ((SELECT current_setting('sutki.scope', true) = 'district'));
-- The history follows its consent, also to another school: whoever may see the one may see the other.
CREATE POLICY school ON consent_decisions USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND EXISTS (SELECT FROM consents AS c WHERE c.consent_id = consent_decisions.consent_id)
);

ALTER TABLE consent_documents ENABLE ROW LEVEL SECURITY;
ALTER TABLE consent_documents FORCE ROW LEVEL SECURITY;
CREATE POLICY district ON consent_documents USING ((SELECT current_setting('sutki.scope', true) = 'district'));
CREATE POLICY school ON consent_documents USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND EXISTS (SELECT FROM consents AS c WHERE c.consent_id = consent_documents.consent_id)
);
