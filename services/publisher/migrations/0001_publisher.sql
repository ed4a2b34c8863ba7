-- The publisher's own view of schools, people, consents and results; the obligations with their timers; paper requests,
-- mails; and the append-only ledger. Names are kept only where a mail needs them (the child's given name).

CREATE TABLE schools (
    school_id uuid PRIMARY KEY,
    revision bigint NOT NULL,
    name text NOT NULL,
    time_zone text NOT NULL
);

-- revision 0: only the id is known yet. The row exists from the first event about a student, because it is what every
-- handler locks first: two processes never work on the same student at the same time.
CREATE TABLE students (
    student_id uuid PRIMARY KEY,
    revision bigint NOT NULL DEFAULT 0,
    school_id uuid,
    given_name text,
    adult_on date,
    majority_noticed boolean NOT NULL DEFAULT false,
    erased_at timestamptz
) WITH (fillfactor = 80);
CREATE INDEX students_coming_of_age ON students (adult_on) WHERE NOT majority_noticed AND adult_on IS NOT NULL;

-- Only authority that is in force.
CREATE TABLE representations (
    student_id uuid NOT NULL,
    representative_id uuid NOT NULL,
    school_id uuid NOT NULL,
    PRIMARY KEY (student_id, representative_id)
);
CREATE INDEX representations_of ON representations (representative_id);

CREATE TABLE accounts (
    person_id uuid PRIMARY KEY,
    revision bigint NOT NULL DEFAULT 0,
    active boolean NOT NULL DEFAULT false,
    changed_at timestamptz
);

CREATE TABLE consents (
    student_id uuid NOT NULL,
    representative_id uuid NOT NULL,
    consent_id uuid NOT NULL,
    revision bigint NOT NULL,
    school_id uuid NOT NULL,
    cabinet text NOT NULL,
    email_decision text NOT NULL,
    no_internet boolean NOT NULL,
    email text,
    language text NOT NULL,
    decided_at timestamptz NOT NULL,
    effective_from timestamptz NOT NULL,
    took_effect boolean NOT NULL,
    PRIMARY KEY (student_id, representative_id)
);
CREATE INDEX consents_of_representative ON consents (representative_id);
CREATE INDEX consents_to_take_effect ON consents (effective_from) WHERE NOT took_effect;

CREATE TABLE consent_freshness (
    partition integer PRIMARY KEY,
    as_of timestamptz NOT NULL,
    partitions integer NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE results (
    result_id uuid PRIMARY KEY,
    revision bigint NOT NULL,
    value_revision bigint NOT NULL,
    school_id uuid NOT NULL,
    student_id uuid NOT NULL,
    kind text NOT NULL CHECK (kind IN ('final_grade', 'oge', 'ege', 'school_exam', 'competition')),
    state text NOT NULL CHECK (state IN ('set', 'deferred', 'withdrawn')),
    subject_title text NOT NULL,
    title text,
    period_kind text,
    period_number smallint,
    value text,
    score numeric,
    max_score numeric,
    deferred_until date,
    held boolean NOT NULL,
    obtained_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    -- The version for which obligations were opened; another one than value_revision while the student is not known.
    opened_revision bigint
);
CREATE INDEX results_of_student ON results (student_id, obtained_at);
CREATE INDEX results_waiting ON results (student_id)
    WHERE state <> 'withdrawn' AND opened_revision IS DISTINCT FROM value_revision;

-- One per version of a result and recipient. Only open rows are in the timers' indexes.
CREATE TABLE obligations (
    result_id uuid NOT NULL,
    value_revision bigint NOT NULL,
    recipient_id uuid NOT NULL,
    obligation_id uuid NOT NULL,
    student_id uuid NOT NULL,
    school_id uuid NOT NULL,
    obtained_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    opened_at timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    route text NOT NULL CHECK (route IN ('screen', 'paper', 'with_representative')),
    -- Why the obligation left the screen although consent and account are there; it does not go back by itself.
    moved_reason text CHECK (moved_reason IN ('not_acknowledged', 'consents_stale')),
    state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'available', 'superseded', 'cancelled')),
    ask_paper_at timestamptz NOT NULL,
    fall_back_at timestamptz,
    request_id uuid,
    available_at timestamptz,
    late text CHECK (late IN ('no', 'by_us', 'at_source')),
    consent_id uuid,
    consent_revision bigint,
    extract_number text,
    overdue_at timestamptz,
    overdue_route text,
    closed_at timestamptz,
    PRIMARY KEY (result_id, value_revision, recipient_id),
    CHECK ((state = 'available') = (available_at IS NOT NULL AND late IS NOT NULL))
);
CREATE INDEX obligations_board ON obligations (school_id, state, due_at, obligation_id);
CREATE INDEX obligations_of_student ON obligations (student_id) WHERE state = 'open';
-- With the school, since row-level security looks at it: the gauges read nothing but this index.
CREATE INDEX obligations_by_route ON obligations (route, due_at) INCLUDE (school_id) WHERE state = 'open';
CREATE INDEX obligations_to_ask_paper ON obligations (ask_paper_at)
    WHERE state = 'open' AND route = 'paper' AND request_id IS NULL;
CREATE INDEX obligations_to_fall_back ON obligations (fall_back_at)
    WHERE state = 'open' AND route = 'screen' AND fall_back_at IS NOT NULL;
CREATE INDEX obligations_to_be_overdue ON obligations (due_at) WHERE state = 'open' AND overdue_at IS NULL;
CREATE INDEX obligations_overdue ON obligations (overdue_at) WHERE overdue_at IS NOT NULL;
CREATE INDEX obligations_of_request ON obligations (request_id) WHERE state = 'open' AND request_id IS NOT NULL;

-- The table of allowed transitions (domain/states.py), once more where nothing can go around it.
CREATE FUNCTION obligations_keep_final_state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'an obligation cannot go from % to %', OLD.state, NEW.state USING ERRCODE = 'check_violation';
END
$$;
CREATE TRIGGER obligations_keep_final_state BEFORE UPDATE ON obligations FOR EACH ROW
    WHEN (OLD.state <> 'open' AND NEW.state <> OLD.state AND NOT (OLD.state = 'cancelled' AND NEW.state = 'open')) EXECUTE FUNCTION obligations_keep_final_state();

-- What the cabinet or the print desk said about an obligation that is not known yet, or whose route does not let it count
-- (yet): it is looked at again whenever obligations open or routes change.
CREATE TABLE early_availability (
    result_id uuid NOT NULL,
    value_revision bigint NOT NULL,
    recipient_id uuid NOT NULL,
    route text NOT NULL CHECK (route IN ('screen', 'paper')),
    student_id uuid NOT NULL,
    school_id uuid NOT NULL,
    available_at timestamptz NOT NULL,
    consent_id uuid,
    consent_revision bigint,
    extract_number text,
    received_at timestamptz NOT NULL,
    PRIMARY KEY (result_id, value_revision, recipient_id, route)
);
CREATE INDEX early_availability_of_student ON early_availability (student_id);
CREATE INDEX early_availability_age ON early_availability (received_at);

CREATE TABLE extract_requests (
    request_id uuid PRIMARY KEY,
    revision bigint NOT NULL,
    school_id uuid NOT NULL,
    student_id uuid NOT NULL,
    recipient_id uuid NOT NULL,
    result_ids uuid[] NOT NULL,
    value_revisions bigint[] NOT NULL,
    state text NOT NULL CHECK (state IN ('requested', 'cancelled', 'printed')),
    due_at timestamptz NOT NULL,
    changed_at timestamptz NOT NULL
) WITH (fillfactor = 80);

-- Which revision of each printed sheet was taken, so that a replay writes nothing twice.
CREATE TABLE extracts (
    extract_id uuid PRIMARY KEY,
    school_id uuid NOT NULL,
    student_id uuid NOT NULL,
    printed_revision bigint NOT NULL DEFAULT 0,
    handed_over_revision bigint NOT NULL DEFAULT 0
);

CREATE TABLE disclosure_versions (
    result_id uuid NOT NULL,
    value_revision bigint NOT NULL,
    revision bigint NOT NULL,
    school_id uuid NOT NULL,
    student_id uuid NOT NULL,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (result_id, value_revision)
) WITH (fillfactor = 80);

-- One mail to one recipient about one child. The address is looked up when it is claimed, never copied here.
CREATE TABLE notifications (
    notification_id uuid PRIMARY KEY,
    school_id uuid NOT NULL,
    student_id uuid NOT NULL,
    recipient_id uuid NOT NULL,
    result_ids uuid[] NOT NULL,
    value_revisions bigint[] NOT NULL,
    state text NOT NULL CHECK (state IN ('queued', 'claimed', 'retry', 'sent', 'failed', 'cancelled', 'undecided')),
    reason text,
    attempts integer NOT NULL DEFAULT 0,
    queued_at timestamptz NOT NULL,
    send_after timestamptz NOT NULL,
    claimed_at timestamptz,
    claimed_by uuid,
    settled_at timestamptz
) WITH (fillfactor = 60);
CREATE UNIQUE INDEX notifications_gathering ON notifications (recipient_id, student_id) WHERE state = 'queued';
CREATE INDEX notifications_due ON notifications (send_after) WHERE state IN ('queued', 'retry');
CREATE INDEX notifications_unsent ON notifications (student_id) WHERE state IN ('queued', 'retry');
CREATE INDEX notifications_claimed ON notifications (claimed_at) WHERE state = 'claimed';
CREATE INDEX notifications_listed ON notifications (settled_at, notification_id) WHERE state IN ('undecided', 'failed');

-- Which sender processes are alive: a claim whose process is gone is undecided.
CREATE TABLE mail_senders (
    sender_id uuid PRIMARY KEY,
    seen_at timestamptz NOT NULL
) WITH (fillfactor = 50);

CREATE TABLE ledger (
    school_id uuid NOT NULL,
    seq bigint NOT NULL,
    result_id uuid,
    prev_hash bytea NOT NULL,
    hash bytea NOT NULL,
    -- Canonical JSON as text: jsonb would not keep the bytes that were hashed.
    entry text NOT NULL,
    PRIMARY KEY (school_id, seq)
);
CREATE INDEX ledger_of_result ON ledger (result_id) WHERE result_id IS NOT NULL;

CREATE TABLE ledger_heads (
    school_id uuid PRIMARY KEY,
    seq bigint NOT NULL,
    hash bytea NOT NULL
) WITH (fillfactor = 50);

REVOKE UPDATE, DELETE, TRUNCATE ON ledger FROM sutki_publisher;
REVOKE DELETE, TRUNCATE ON ledger_heads FROM sutki_publisher;

CREATE FUNCTION ledger_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the disclosure ledger is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER ledger_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();

-- The comparison stands inside the sub-select: of a bare boolean the planner assumes that it holds for every second row,
-- of "a value unknown yet = 'district'" for one in two hundred, and joins whole tables row by row for that.
DO $$
DECLARE
    protected text;
BEGIN
    FOREACH protected IN ARRAY ARRAY[
        'schools', 'students', 'representations', 'accounts', 'consents', 'consent_freshness', 'results', 'obligations',
        'early_availability', 'extract_requests', 'extracts', 'disclosure_versions', 'notifications', 'mail_senders',
        'ledger', 'ledger_heads'
    ] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', protected);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', protected);
        EXECUTE format(
            'CREATE POLICY district ON %I USING ((SELECT current_setting(''sutki.scope'', true) = ''district''))',
            protected
        );
    END LOOP;
    -- What a school's staff may read besides: no contact data, no accounts.
    FOREACH protected IN ARRAY ARRAY[
        'schools', 'results', 'obligations', 'extract_requests', 'extracts', 'disclosure_versions', 'notifications',
        'ledger', 'ledger_heads'
    ] LOOP
        EXECUTE format(
            'CREATE POLICY school ON %I FOR SELECT USING ('
            '(SELECT current_setting(''sutki.scope'', true) = ''school'') AND '
            'school_id = (SELECT nullif(current_setting(''sutki.school_id'', true), '''')::uuid))',
            protected
        );
    END LOOP;
END
$$;
