-- Erasure: when data must go, that every service confirmed it, and the act about it.

-- Row-level security holds for the owner, too.
SET LOCAL sutki.scope = 'district';

-- One row, set when the service starts: the trigger below decides by it.
CREATE TABLE erasure_rules (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    withdrawal_days double precision NOT NULL DEFAULT 30,
    lead_hours double precision NOT NULL DEFAULT 24
);
INSERT INTO erasure_rules DEFAULT VALUES;
REVOKE INSERT, DELETE, TRUNCATE ON erasure_rules FROM sutki_consent;

CREATE TABLE erasures (
    erasure_id uuid PRIMARY KEY,
    person_id uuid NOT NULL,
    -- For contact data: the child for whom the consent was; null: everything about the person.
    student_id uuid,
    -- Null for a whole person, whom several schools may know: the district's business alone.
    school_id uuid,
    scope text NOT NULL CHECK (scope IN ('electronic_contact', 'person')),
    parts text [] NOT NULL CHECK (parts <@ ARRAY['account', 'email', 'push']),
    ground text NOT NULL,
    state text NOT NULL CHECK (state IN ('scheduled', 'requested', 'erased', 'cancelled')),
    scheduled_at timestamptz NOT NULL,
    -- The end of the law's term, and when we begin so that all is done by then.
    due_at timestamptz NOT NULL,
    start_at timestamptz NOT NULL,
    requested_at timestamptz,
    erased_at timestamptz,
    -- The API client that asked for it, or had it carried out before its time.
    ordered_by uuid,
    CHECK ((scope = 'person') = (student_id IS NULL)),
    CHECK (scope = 'person' OR state = 'cancelled' OR cardinality(parts) > 0),
    CHECK (start_at <= due_at),
    CHECK (state NOT IN ('requested', 'erased') OR requested_at IS NOT NULL)
);
CREATE INDEX erasures_to_start ON erasures (start_at) WHERE state = 'scheduled';
CREATE INDEX erasures_to_confirm ON erasures (requested_at) WHERE state = 'requested';
CREATE INDEX erasures_of_person ON erasures (person_id, student_id);
CREATE INDEX erasures_of_school ON erasures (school_id, scheduled_at);

-- What each service said that it erased and what stays: with counts, never with what it was.
CREATE TABLE erasure_confirmations (
    erasure_id uuid NOT NULL REFERENCES erasures,
    service text NOT NULL,
    erased jsonb NOT NULL,
    kept jsonb NOT NULL,
    erased_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (erasure_id, service)
);
REVOKE UPDATE, DELETE, TRUNCATE ON erasure_confirmations FROM sutki_consent;

-- The event log of erasures, from which the extract is made. Lines are added and never touched again.
CREATE TABLE erasure_log (
    entry_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    erasure_id uuid NOT NULL REFERENCES erasures,
    at timestamptz NOT NULL,
    happened text NOT NULL CHECK (happened IN ('scheduled', 'narrowed', 'cancelled', 'requested', 'confirmed', 'erased')),
    details jsonb NOT NULL
);
CREATE INDEX erasure_log_of ON erasure_log (erasure_id, entry_id);
REVOKE UPDATE, DELETE, TRUNCATE ON erasure_log FROM sutki_consent;

CREATE TABLE destruction_acts (
    erasure_id uuid PRIMARY KEY REFERENCES erasures,
    number bigint GENERATED ALWAYS AS IDENTITY UNIQUE,
    made_at timestamptz NOT NULL,
    keep_until timestamptz NOT NULL,
    pdf bytea NOT NULL,
    pdf_sha256 bytea NOT NULL CHECK (octet_length(pdf_sha256) = 32),
    log_extract bytea NOT NULL,
    log_sha256 bytea NOT NULL CHECK (octet_length(log_sha256) = 32)
);
CREATE INDEX destruction_acts_by_end ON destruction_acts (keep_until);
ALTER TABLE destruction_acts ALTER COLUMN pdf SET STORAGE EXTERNAL;
REVOKE UPDATE, TRUNCATE ON destruction_acts FROM sutki_consent;

-- Whatever closes a purpose starts its term, and a new consent before its end stops it. A trigger keeps it, so that
-- nobody who writes a decision can forget it.
CREATE FUNCTION erasures_follow_decisions() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    d record;
    lost text[];
    held text[];
    new_id uuid;
    scope_of_caller text := coalesce(current_setting('sutki.scope', true), '');
BEGIN
    -- Whoever registers, a school too: what the student's former school has scheduled is followed as well.
    PERFORM set_config('sutki.scope', 'district', true);
    FOR d IN
        SELECT n.consent_id, n.revision, n.withdrawal, n.reason, n.registered_at,
            c.representative_id, c.student_id, c.school_id,
            array_remove(ARRAY[
                CASE WHEN n.cabinet = 'given' THEN 'account' END,
                CASE WHEN n.email = 'given' THEN 'email' END,
                CASE WHEN n.push = 'given' THEN 'push' END
            ], NULL) AS given_now,
            array_remove(ARRAY[
                CASE WHEN b.cabinet = 'given' THEN 'account' END,
                CASE WHEN b.email = 'given' THEN 'email' END,
                CASE WHEN b.push = 'given' THEN 'push' END
            ], NULL) AS given_before
        FROM added AS n
        JOIN consents AS c ON c.consent_id = n.consent_id
        CROSS JOIN LATERAL (
            SELECT p.cabinet, p.email, p.push FROM consent_decisions AS p
            WHERE p.consent_id = n.consent_id AND p.revision < n.revision
            ORDER BY p.revision DESC LIMIT 1
        ) AS b
        ORDER BY n.consent_id, n.revision
    LOOP
        held := d.given_now;
        WITH narrowed AS (
            UPDATE erasures AS e
            SET parts = ARRAY(SELECT unnest(e.parts) EXCEPT SELECT unnest(held)),
                state = CASE WHEN e.parts <@ held THEN 'cancelled' ELSE e.state END
            WHERE e.person_id = d.representative_id AND e.student_id = d.student_id
                AND e.state = 'scheduled' AND e.parts && held
            RETURNING e.erasure_id, e.state, e.parts
        )
        INSERT INTO erasure_log (erasure_id, at, happened, details)
        SELECT erasure_id, d.registered_at, CASE state WHEN 'cancelled' THEN 'cancelled' ELSE 'narrowed' END,
            jsonb_build_object('because', 'consent_given_anew', 'consent_revision', d.revision, 'parts', parts)
        FROM narrowed;
        lost := ARRAY(SELECT unnest(d.given_before) EXCEPT SELECT unnest(held));
        CONTINUE WHEN cardinality(lost) = 0;
        -- A whole person that is being erased needs no second erasure for a part; a parent of an erased student does.
        CONTINUE WHEN d.reason = 'person_erased' AND EXISTS (
            SELECT FROM erasures AS e
            WHERE e.person_id = d.representative_id AND e.scope = 'person' AND e.state <> 'cancelled'
        );
        new_id := substr(encode(sha256(convert_to(
            format('erasure/%s/%s', d.consent_id, d.revision), 'UTF8')), 'hex'), 1, 32)::uuid;
        INSERT INTO erasures (
            erasure_id, person_id, student_id, school_id, scope, parts, ground, state, scheduled_at, due_at, start_at
        )
        SELECT new_id, d.representative_id, d.student_id, d.school_id, 'electronic_contact', lost,
            coalesce(d.reason, CASE WHEN d.withdrawal THEN 'consent_withdrawn' ELSE 'consent_refused' END),
            'scheduled', d.registered_at, t.due_at,
            greatest(d.registered_at, t.due_at - make_interval(secs => r.lead_hours * 3600))
        FROM erasure_rules AS r
        CROSS JOIN LATERAL (
            SELECT d.registered_at + CASE WHEN d.reason = 'person_erased' THEN interval '0'
                ELSE make_interval(secs => r.withdrawal_days * 86400) END AS due_at
        ) AS t;
        INSERT INTO erasure_log (erasure_id, at, happened, details)
        SELECT e.erasure_id, d.registered_at, 'scheduled',
            jsonb_build_object('ground', e.ground, 'parts', e.parts, 'consent_revision', d.revision, 'due_at', e.due_at)
        FROM erasures AS e WHERE e.erasure_id = new_id;
    END LOOP;
    PERFORM set_config('sutki.scope', scope_of_caller, true);
    RETURN NULL;
END
$$;
CREATE TRIGGER erasures_follow_decisions AFTER INSERT ON consent_decisions
REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION erasures_follow_decisions();

-- What was taken back before there were erasures: the same that the trigger would have left scheduled.
WITH losses AS (
    SELECT c.consent_id, c.representative_id, c.student_id, c.school_id, d.revision, d.registered_at,
        array_agg(p.part ORDER BY p.part) AS parts,
        coalesce(d.reason, CASE WHEN d.withdrawal THEN 'consent_withdrawn' ELSE 'consent_refused' END) AS ground
    FROM consents AS c
    CROSS JOIN unnest(ARRAY['account', 'email', 'push']) AS p (part)
    -- The first decision after the last one that gave this part.
    CROSS JOIN LATERAL (
        SELECT max(g.revision) AS revision FROM consent_decisions AS g
        WHERE g.consent_id = c.consent_id
            AND CASE p.part WHEN 'account' THEN g.cabinet WHEN 'email' THEN g.email ELSE g.push END = 'given'
    ) AS gave
    CROSS JOIN LATERAL (
        SELECT n.revision, n.registered_at, n.reason, n.withdrawal FROM consent_decisions AS n
        WHERE n.consent_id = c.consent_id AND n.revision > gave.revision
        ORDER BY n.revision LIMIT 1
    ) AS d
    GROUP BY c.consent_id, d.revision, d.registered_at, d.reason, d.withdrawal
), made AS (
    INSERT INTO erasures (
        erasure_id, person_id, student_id, school_id, scope, parts, ground, state, scheduled_at, due_at, start_at
    )
    SELECT substr(encode(sha256(convert_to(
            format('erasure/%s/%s', l.consent_id, l.revision), 'UTF8')), 'hex'), 1, 32)::uuid,
        l.representative_id, l.student_id, l.school_id, 'electronic_contact', l.parts, l.ground,
        'scheduled', l.registered_at, t.due_at,
        greatest(l.registered_at, t.due_at - make_interval(secs => r.lead_hours * 3600))
    FROM losses AS l
    CROSS JOIN erasure_rules AS r
    CROSS JOIN LATERAL (
        SELECT l.registered_at + CASE WHEN l.ground = 'person_erased' THEN interval '0'
            ELSE make_interval(secs => r.withdrawal_days * 86400) END AS due_at
    ) AS t
    RETURNING erasure_id, scheduled_at, ground, parts, due_at
)
INSERT INTO erasure_log (erasure_id, at, happened, details)
SELECT erasure_id, scheduled_at, 'scheduled', jsonb_build_object('ground', ground, 'parts', parts, 'due_at', due_at)
FROM made;

ALTER TABLE erasures ENABLE ROW LEVEL SECURITY;
ALTER TABLE erasures FORCE ROW LEVEL SECURITY;
CREATE POLICY district ON erasures USING ((SELECT current_setting('sutki.scope', true) = 'district'));
CREATE POLICY school ON erasures USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
-- The rest follows its erasure.
DO $$
DECLARE
    protected text;
BEGIN
    FOREACH protected IN ARRAY ARRAY['erasure_confirmations', 'erasure_log', 'destruction_acts'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', protected);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', protected);
        EXECUTE format(
            'CREATE POLICY district ON %I USING ((SELECT current_setting(''sutki.scope'', true) = ''district''))',
            protected
        );
        EXECUTE format(
            'CREATE POLICY school ON %1$I USING ((SELECT current_setting(''sutki.scope'', true)) = ''school'' AND '
            'EXISTS (SELECT FROM erasures AS e WHERE e.erasure_id = %1$I.erasure_id))',
            protected
        );
    END LOOP;
END
$$;
