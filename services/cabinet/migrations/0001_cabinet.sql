-- The cabinet's database. First what is projected from other services' events and may be dropped and rebuilt, then the
-- cabinet's own facts, then who may see what.
--
-- Roles: sutki_cabinet projects and signs people in (scope district). sutki_cabinet_reader reads for one person (scope
-- reader); whatever a query forgets to ask, its policies show nothing that the person may not see (I2, I3, I6).

-- ---------------------------------------------------------------------------------------------------------------------
-- Read model
-- ---------------------------------------------------------------------------------------------------------------------

CREATE TABLE schools (
    school_id uuid PRIMARY KEY,
    revision bigint NOT NULL,
    name text NOT NULL,
    time_zone text NOT NULL
);

CREATE TABLE persons (
    person_id uuid PRIMARY KEY,
    revision bigint NOT NULL,
    family text NOT NULL,
    given text NOT NULL,
    patronymic text NOT NULL,
    birth_date date,
    school_id uuid,
    class_name text,
    grade_level integer
);
COMMENT ON COLUMN persons.school_id IS 'Where a student studies or studied last; null for whoever never was a student.';

CREATE TABLE representations (
    student_id uuid NOT NULL,
    representative_id uuid NOT NULL,
    kind text NOT NULL,
    in_force boolean NOT NULL,
    since timestamptz NOT NULL,
    PRIMARY KEY (student_id, representative_id)
);
CREATE INDEX representations_of_representative ON representations (representative_id);
COMMENT ON COLUMN representations.since IS 'When the cabinet learned of the present state of the authority.';

CREATE TABLE consents (
    consent_id uuid PRIMARY KEY,
    revision bigint NOT NULL,
    representative_id uuid NOT NULL,
    student_id uuid NOT NULL,
    school_id uuid NOT NULL,
    cabinet text NOT NULL,
    decided_at timestamptz NOT NULL,
    effective_from timestamptz NOT NULL,
    given_since timestamptz
);
CREATE INDEX consents_of_student ON consents (student_id, representative_id);
CREATE INDEX consents_of_representative ON consents (representative_id);
COMMENT ON COLUMN consents.given_since IS 'When the cabinet learned that consent is given; null unless it is.';

CREATE TABLE consent_freshness (
    partition integer PRIMARY KEY,
    as_of timestamptz NOT NULL,
    partitions integer NOT NULL
);

-- One row. The knobs stand here because the policies below decide by them.
CREATE TABLE reading_rules (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    consent_stale_after_seconds double precision NOT NULL DEFAULT 60,
    majority_age_years integer NOT NULL DEFAULT 18,
    consents_fresh_since timestamptz
);
INSERT INTO reading_rules DEFAULT VALUES;
COMMENT ON COLUMN reading_rules.consents_fresh_since IS 'Since when the view of consents has been fresh without a break.';

CREATE TABLE marks (
    mark_id uuid PRIMARY KEY,
    revision bigint NOT NULL,
    school_id uuid NOT NULL,
    student_id uuid NOT NULL,
    subject_id uuid NOT NULL,
    subject_title text NOT NULL,
    lesson_on date NOT NULL,
    work_type text NOT NULL,
    weight numeric(4, 2) NOT NULL,
    value text NOT NULL,
    withdrawn boolean NOT NULL,
    recorded_at timestamptz NOT NULL
);
CREATE INDEX marks_of_student ON marks (student_id, lesson_on DESC);

-- A row for each value that a result ever had: while a held correction waits, the value before it stays shown.
CREATE TABLE results (
    result_id uuid NOT NULL,
    value_revision bigint NOT NULL,
    revision bigint NOT NULL,
    school_id uuid NOT NULL,
    student_id uuid NOT NULL,
    kind text NOT NULL,
    subject_id uuid NOT NULL,
    subject_title text NOT NULL,
    title text,
    period_kind text,
    period_number integer,
    school_year text,
    period_starts_on date,
    period_ends_on date,
    state text NOT NULL,
    grade text,
    score numeric,
    max_score numeric,
    deferred_until date,
    held boolean NOT NULL,
    obtained_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    projected_at timestamptz NOT NULL,
    released_at timestamptz,
    PRIMARY KEY (result_id, value_revision)
);
CREATE INDEX results_of_student ON results (student_id, result_id, value_revision DESC);
CREATE INDEX results_held ON results (student_id, due_at) WHERE held;
COMMENT ON COLUMN results.kind IS 'final_grade, or the kind of an exam or competition.';
COMMENT ON COLUMN results.projected_at IS 'When this version first stood here.';
COMMENT ON COLUMN results.released_at IS 'When it stood here as not held; null while it is held.';

-- Students about whom somebody may now be able to see more, and from when on to look.
CREATE TABLE acknowledgement_due (
    student_id uuid NOT NULL,
    due_at timestamptz NOT NULL,
    PRIMARY KEY (student_id, due_at)
);
CREATE INDEX acknowledgement_due_by_time ON acknowledgement_due (due_at);

-- ---------------------------------------------------------------------------------------------------------------------
-- Own facts
-- ---------------------------------------------------------------------------------------------------------------------

CREATE TABLE accounts (
    person_id uuid PRIMARY KEY,
    revision bigint NOT NULL,
    active boolean NOT NULL,
    login text UNIQUE,
    password_hash text,
    active_since timestamptz NOT NULL,
    changed_at timestamptz NOT NULL,
    CHECK (NOT active OR (login IS NOT NULL AND password_hash IS NOT NULL))
);
COMMENT ON COLUMN accounts.login IS 'Normalised; null once the account is erased.';

CREATE TABLE invitations (
    code_sha256 bytea PRIMARY KEY,
    person_id uuid NOT NULL UNIQUE,
    expires_at timestamptz NOT NULL
);

CREATE TABLE sessions (
    token_sha256 bytea PRIMARY KEY,
    person_id uuid NOT NULL REFERENCES accounts (person_id) ON DELETE CASCADE,
    started_at timestamptz NOT NULL,
    seen_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX sessions_of_person ON sessions (person_id);
CREATE INDEX sessions_by_end ON sessions (expires_at);

-- Kept for the length of the rate limit's window and no longer. Login and address only as digests.
CREATE TABLE sign_in_attempts (
    attempt_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    subject_sha256 bytea NOT NULL,
    address_sha256 bytea NOT NULL,
    attempted_at timestamptz NOT NULL,
    succeeded boolean NOT NULL DEFAULT false
);
CREATE INDEX sign_in_attempts_of_subject ON sign_in_attempts (subject_sha256, attempted_at);
CREATE INDEX sign_in_attempts_of_address ON sign_in_attempts (address_sha256, attempted_at);
CREATE INDEX sign_in_attempts_by_time ON sign_in_attempts (attempted_at);

-- What the cabinet acknowledged, for good: a read by this person at this instant would have shown this version.
CREATE TABLE acknowledgements (
    result_id uuid NOT NULL,
    value_revision bigint NOT NULL,
    recipient_id uuid NOT NULL,
    visible_at timestamptz NOT NULL,
    consent_id uuid NOT NULL,
    consent_revision bigint NOT NULL,
    PRIMARY KEY (result_id, value_revision, recipient_id)
);

-- The revision of `results visible` for each version.
CREATE TABLE acknowledged_versions (
    result_id uuid NOT NULL,
    value_revision bigint NOT NULL,
    revision bigint NOT NULL,
    school_id uuid NOT NULL,
    student_id uuid NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (result_id, value_revision)
);

-- ---------------------------------------------------------------------------------------------------------------------
-- The rules of reading
-- ---------------------------------------------------------------------------------------------------------------------

-- The person for whom a transaction reads; null outside the scope `reader`.
CREATE FUNCTION reading_person() RETURNS uuid LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE
        WHEN current_setting('sutki.scope', true) = 'reader'
        THEN nullif(current_setting('sutki.reader_id', true), '')::uuid
    END
$$;

-- Whether every partition of the consents' topic has been read up to a short time ago. Silence closes.
CREATE FUNCTION consent_view_is_fresh(at timestamptz) RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT coalesce(
        count(*) >= max(f.partitions)
        AND min(f.as_of) >= at - make_interval(secs => min(r.consent_stale_after_seconds)),
        false
    )
    FROM consent_freshness AS f CROSS JOIN reading_rules AS r
    WHERE f.partition < f.partitions
$$;

-- The instant at which a student comes of age: midnight of the birthday where the school is. Null if the birthday is not
-- known. Whoever is born on 29 February comes of age on 1 March where the year has no 29th: adding years gives the 28th,
-- and the days between are added.
CREATE FUNCTION majority_at(birth_date date, time_zone text, years integer)
RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT (birth_date + make_interval(
        years => years,
        days => (extract(day FROM birth_date) - extract(day FROM birth_date + make_interval(years => years)))::integer
    )) AT TIME ZONE coalesce(time_zone, 'Europe/Moscow')
$$;

-- About whom there are pages: who is a student or was one. Pages and grounds both start here, so that nothing counts as
-- seen of whom no page is shown.
CREATE VIEW students WITH (security_invoker = true) AS
SELECT p.person_id, p.family, p.given, p.patronymic, p.birth_date, p.school_id, p.class_name, p.grade_level,
    o.name AS school_name, o.time_zone
FROM persons AS p
LEFT JOIN schools AS o ON o.school_id = p.school_id
WHERE p.school_id IS NOT NULL;

-- Who may read about whom at an instant, on the ground of which consent, and since when. A parametrised view: the planner
-- expands it in place, so that a reader's page costs a few index look-ups.
CREATE FUNCTION grounds_at(at timestamptz)
RETURNS TABLE (student_id uuid, reader_id uuid, consent_id uuid, consent_revision bigint, since timestamptz)
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    -- A representative, by authority and own consent, until the student comes of age.
    SELECT r.student_id, r.representative_id, c.consent_id, c.revision, greatest(r.since, c.effective_from, c.given_since)
    FROM representations AS r
    JOIN consents AS c ON c.student_id = r.student_id AND c.representative_id = r.representative_id
    JOIN students AS s ON s.person_id = r.student_id
    CROSS JOIN reading_rules AS u
    WHERE r.in_force AND r.representative_id <> r.student_id AND c.cabinet = 'given' AND c.effective_from <= at
        AND at < coalesce(majority_at(s.birth_date, s.time_zone, u.majority_age_years), 'infinity')
    UNION ALL
    -- The student, by the consent of any such representative.
    SELECT r.student_id, r.student_id, c.consent_id, c.revision, greatest(r.since, c.effective_from, c.given_since)
    FROM representations AS r
    JOIN consents AS c ON c.student_id = r.student_id AND c.representative_id = r.representative_id
    JOIN students AS s ON s.person_id = r.student_id
    CROSS JOIN reading_rules AS u
    WHERE r.in_force AND r.representative_id <> r.student_id AND c.cabinet = 'given' AND c.effective_from <= at
        AND at < coalesce(majority_at(s.birth_date, s.time_zone, u.majority_age_years), 'infinity')
    UNION ALL
    -- The student of age, by their own consent.
    SELECT c.student_id, c.student_id, c.consent_id, c.revision,
        greatest(c.effective_from, c.given_since, majority_at(s.birth_date, s.time_zone, u.majority_age_years))
    FROM consents AS c
    JOIN students AS s ON s.person_id = c.student_id
    CROSS JOIN reading_rules AS u
    WHERE c.representative_id = c.student_id AND c.cabinet = 'given' AND c.effective_from <= at
        AND at >= majority_at(s.birth_date, s.time_zone, u.majority_age_years)
$$;

-- ---------------------------------------------------------------------------------------------------------------------
-- Row-level security
-- ---------------------------------------------------------------------------------------------------------------------

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'schools', 'persons', 'representations', 'consents', 'consent_freshness', 'reading_rules', 'marks', 'results',
        'acknowledgement_due', 'accounts', 'invitations', 'sessions', 'sign_in_attempts', 'acknowledgements',
        'acknowledged_versions'
    ] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format(
            'CREATE POLICY district ON %I TO sutki_cabinet USING ((SELECT current_setting(''sutki.scope'', true) = ''district''))',
            name
        );
    END LOOP;
END
$$;

-- An acknowledgement is a proof: it is written once.
REVOKE UPDATE, DELETE ON acknowledgements FROM sutki_cabinet;
REVOKE DELETE ON acknowledged_versions FROM sutki_cabinet;

GRANT USAGE ON SCHEMA public TO sutki_cabinet_reader;
GRANT SELECT ON schools, persons, students, representations, consents, consent_freshness, reading_rules, marks, results
    TO sutki_cabinet_reader;

CREATE POLICY reader ON schools FOR SELECT TO sutki_cabinet_reader USING ((SELECT reading_person()) IS NOT NULL);
CREATE POLICY reader ON consent_freshness FOR SELECT TO sutki_cabinet_reader USING ((SELECT reading_person()) IS NOT NULL);
CREATE POLICY reader ON reading_rules FOR SELECT TO sutki_cabinet_reader USING ((SELECT reading_person()) IS NOT NULL);

CREATE POLICY reader ON representations FOR SELECT TO sutki_cabinet_reader USING (
    representative_id = (SELECT reading_person()) OR student_id = (SELECT reading_person())
);
CREATE POLICY reader ON consents FOR SELECT TO sutki_cabinet_reader USING (
    representative_id = (SELECT reading_person()) OR student_id = (SELECT reading_person())
);
-- Oneself, and the children for whom one has authority now. A name is no result: it is shown without consent too.
CREATE POLICY reader ON persons FOR SELECT TO sutki_cabinet_reader USING (
    person_id = (SELECT reading_person())
    OR person_id = ANY (ARRAY(
        SELECT r.student_id FROM representations AS r
        WHERE r.representative_id = (SELECT reading_person()) AND r.in_force
    ))
);
CREATE POLICY reader ON marks FOR SELECT TO sutki_cabinet_reader USING (
    (SELECT consent_view_is_fresh(now()))
    AND student_id = ANY (ARRAY(
        SELECT g.student_id FROM grounds_at(now()) AS g WHERE g.reader_id = (SELECT reading_person())
    ))
);
-- A withdrawal shows nothing and takes away what stood before it, so nothing holds it back.
CREATE POLICY reader ON results FOR SELECT TO sutki_cabinet_reader USING (
    (SELECT consent_view_is_fresh(now()))
    AND (NOT held OR due_at <= now() OR state = 'withdrawn')
    AND student_id = ANY (ARRAY(
        SELECT g.student_id FROM grounds_at(now()) AS g WHERE g.reader_id = (SELECT reading_person())
    ))
);

-- Of each result the newest version that the reader may see.
CREATE VIEW shown_results WITH (security_invoker = true) AS
SELECT * FROM (
    SELECT DISTINCT ON (student_id, result_id) *
    FROM results
    ORDER BY student_id, result_id, value_revision DESC
) AS newest
WHERE state <> 'withdrawn';
GRANT SELECT ON shown_results TO sutki_cabinet_reader;
