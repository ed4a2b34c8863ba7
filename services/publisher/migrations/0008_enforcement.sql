-- Enforcement of the 24 hours: who was told that something is not met yet, what the clock released, how much was in time,
-- and the synthetic results that are sent through the whole path to see that it is open.

-- How far up the ladder an obligation has been told (0: nobody yet; 1: the school, 2: the head, 3: the district).
ALTER TABLE obligations ADD COLUMN escalation smallint NOT NULL DEFAULT 0;
CREATE INDEX obligations_to_escalate ON obligations (escalation, due_at) INCLUDE (school_id, opened_at)
    WHERE state = 'open';

-- What a school does otherwise than the district; null: as the district.
CREATE TABLE escalation_terms (
    school_id uuid PRIMARY KEY,
    school_hours double precision CHECK (school_hours > 0 AND school_hours < 24),
    head_hours double precision CHECK (head_hours > 0 AND head_hours < 24),
    district_hours double precision CHECK (district_hours > 0 AND district_hours < 24),
    -- Where the school's sheets come out, in the words of its staff.
    printer text CHECK (length(printer) BETWEEN 1 AND 200),
    changed_at timestamptz NOT NULL
);

-- Where the staff of a role is reached; without a school it is the district's. Addresses of offices, not of families.
CREATE TABLE escalation_addresses (
    address_id uuid PRIMARY KEY,
    school_id uuid,
    role text NOT NULL CHECK (role IN ('class_teacher', 'secretary', 'head', 'district')),
    address text NOT NULL CHECK (length(address) BETWEEN 3 AND 320),
    created_at timestamptz NOT NULL,
    CHECK ((role = 'district') = (school_id IS NULL)),
    UNIQUE NULLS NOT DISTINCT (school_id, role, address)
);

-- One row per school and step, locked by whoever escalates: one message, however many processes there are.
CREATE TABLE escalation_turns (
    school_id uuid NOT NULL,
    step text NOT NULL CHECK (step IN ('school', 'head', 'district', 'overdue')),
    rounds integer NOT NULL DEFAULT 0,
    raised_at timestamptz,
    PRIMARY KEY (school_id, step)
) WITH (fillfactor = 50);

CREATE TABLE escalations (
    escalation_id uuid PRIMARY KEY,
    school_id uuid NOT NULL,
    step text NOT NULL CHECK (step IN ('school', 'head', 'district', 'overdue')),
    round integer NOT NULL,
    raised_at timestamptz NOT NULL,
    obligations integer NOT NULL CHECK (obligations > 0),
    late_at_source integer NOT NULL,
    held integer NOT NULL,
    first_due_at timestamptz NOT NULL,
    printer text,
    UNIQUE (school_id, step, round)
);
CREATE INDEX escalations_listed ON escalations (raised_at, escalation_id);
CREATE INDEX escalations_of_school ON escalations (school_id, raised_at, escalation_id);

-- Exactly what was told. The key is the promise that no step is told twice of the same obligation (overdue: once a day).
CREATE TABLE escalated_obligations (
    obligation_id uuid NOT NULL,
    step text NOT NULL,
    round integer NOT NULL,
    escalation_id uuid NOT NULL,
    school_id uuid NOT NULL,
    result_id uuid NOT NULL,
    value_revision bigint NOT NULL,
    student_id uuid NOT NULL,
    recipient_id uuid NOT NULL,
    route text NOT NULL,
    waits text NOT NULL CHECK (waits IN ('print_queue', 'not_asked', 'screen', 'with_representative')),
    request_id uuid,
    waiting_since timestamptz NOT NULL,
    due_at timestamptz NOT NULL,
    held boolean NOT NULL,
    late_at_source boolean NOT NULL,
    PRIMARY KEY (obligation_id, step, round)
);
CREATE INDEX escalated_obligations_of ON escalated_obligations (escalation_id, due_at, obligation_id);

-- Mails to staff, with the states of a notification: claimed, and that committed, before a word is said to the server.
CREATE TABLE staff_messages (
    message_id uuid PRIMARY KEY,
    escalation_id uuid NOT NULL,
    school_id uuid NOT NULL,
    role text NOT NULL,
    address text NOT NULL,
    state text NOT NULL CHECK (state IN ('queued', 'claimed', 'retry', 'sent', 'failed', 'cancelled', 'undecided')),
    reason text,
    attempts integer NOT NULL DEFAULT 0,
    queued_at timestamptz NOT NULL,
    send_after timestamptz NOT NULL,
    claimed_at timestamptz,
    claimed_by uuid,
    settled_at timestamptz,
    UNIQUE (escalation_id, role, address)
) WITH (fillfactor = 70);
CREATE INDEX staff_messages_due ON staff_messages (send_after) WHERE state IN ('queued', 'retry');
CREATE INDEX staff_messages_claimed ON staff_messages (claimed_at) WHERE state = 'claimed';

-- The value that the clock, not the head, let go, once the ledger has said so.
ALTER TABLE results ADD COLUMN released_by_clock bigint;
CREATE INDEX results_to_release ON results (obtained_at)
    WHERE held AND state <> 'withdrawn' AND released_by_clock IS DISTINCT FROM value_revision;

-- The public figure: one row per school and day on which its obligations were due, in the school's own days.
CREATE TABLE figure_days (
    school_id uuid NOT NULL,
    due_on date NOT NULL,
    in_time integer NOT NULL,
    late_by_us integer NOT NULL,
    late_at_source integer NOT NULL,
    unmet_by_us integer NOT NULL,
    unmet_at_source integer NOT NULL,
    still_open integer NOT NULL,
    closed_days integer NOT NULL,
    counted_at timestamptz NOT NULL,
    PRIMARY KEY (school_id, due_on)
);
CREATE INDEX figure_days_of_day ON figure_days (due_on);
COMMENT ON COLUMN figure_days.closed_days IS
    'Of late_by_us and unmet_by_us: paper whose 24 hours touched a closed day. Shown apart where the district says so.';

-- Which hours have to be counted again. Rows are only added here, so that the many who change obligations never wait for
-- each other, and a mark becomes visible together with the change that it is about.
CREATE TABLE figure_marks (
    mark_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    school_id uuid NOT NULL,
    due_hour timestamptz NOT NULL
);

CREATE FUNCTION mark_figure_of_new() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO figure_marks (school_id, due_hour)
    SELECT DISTINCT school_id, date_trunc('hour', due_at, 'UTC') FROM new_rows;
    RETURN NULL;
END
$$;
-- A deadline may move, and then two hours are concerned.
CREATE FUNCTION mark_figure_of_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO figure_marks (school_id, due_hour)
    SELECT school_id, date_trunc('hour', due_at, 'UTC') FROM new_rows
    UNION
    SELECT school_id, date_trunc('hour', due_at, 'UTC') FROM old_rows;
    RETURN NULL;
END
$$;
CREATE TRIGGER obligations_mark_figure_of_new AFTER INSERT ON obligations
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION mark_figure_of_new();
CREATE TRIGGER obligations_mark_figure_of_changed AFTER UPDATE ON obligations
    REFERENCING NEW TABLE AS new_rows OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION mark_figure_of_changed();

-- What is there already: both ends of a day of UTC lead to every local day that it touches. Row-level security holds for
-- the owner, too.
SET LOCAL sutki.scope = 'district';
INSERT INTO figure_marks (school_id, due_hour)
SELECT school_id, edge FROM (
    SELECT DISTINCT school_id, date_trunc('day', due_at, 'UTC') AS day FROM obligations
) d
CROSS JOIN LATERAL (VALUES (d.day), (d.day + interval '23 hours')) AS e (edge);

-- Synthetic results on their way: the canaries' own table, so that nothing that counts obligations can count them.
CREATE TABLE canaries (
    school_id uuid NOT NULL,
    result_id uuid NOT NULL,
    value_revision bigint NOT NULL,
    student_id uuid NOT NULL,
    obtained_at timestamptz NOT NULL,
    recorded_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    available_at timestamptz,
    arrived_at timestamptz,
    PRIMARY KEY (school_id, value_revision)
) WITH (fillfactor = 70);
COMMENT ON COLUMN canaries.school_id IS 'Synthetic, too: it follows from the real school''s id.';
CREATE INDEX canaries_age ON canaries (obtained_at);

-- What was told stays told.
CREATE FUNCTION escalations_are_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the log of escalations is append-only' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER escalations_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON escalations
    FOR EACH STATEMENT EXECUTE FUNCTION escalations_are_append_only();
CREATE TRIGGER escalated_obligations_are_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON escalated_obligations
    FOR EACH STATEMENT EXECUTE FUNCTION escalations_are_append_only();
REVOKE UPDATE, DELETE, TRUNCATE ON escalations, escalated_obligations FROM sutki_publisher;

DO $$
DECLARE
    protected text;
BEGIN
    FOREACH protected IN ARRAY ARRAY[
        'escalation_terms', 'escalation_addresses', 'escalation_turns', 'escalations', 'escalated_obligations',
        'staff_messages', 'figure_days', 'figure_marks', 'canaries'
    ] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', protected);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', protected);
        EXECUTE format(
            'CREATE POLICY district ON %I USING ((SELECT current_setting(''sutki.scope'', true) = ''district''))',
            protected
        );
    END LOOP;
    FOREACH protected IN ARRAY ARRAY['escalations', 'escalated_obligations', 'figure_days'] LOOP
        EXECUTE format(
            'CREATE POLICY school ON %I FOR SELECT USING ('
            '(SELECT current_setting(''sutki.scope'', true) = ''school'') AND '
            'school_id = (SELECT nullif(current_setting(''sutki.school_id'', true), '''')::uuid))',
            protected
        );
    END LOOP;
    -- These a school sets itself.
    FOREACH protected IN ARRAY ARRAY['escalation_terms', 'escalation_addresses'] LOOP
        EXECUTE format(
            'CREATE POLICY school ON %I USING ('
            '(SELECT current_setting(''sutki.scope'', true) = ''school'') AND '
            'school_id = (SELECT nullif(current_setting(''sutki.school_id'', true), '''')::uuid))',
            protected
        );
    END LOOP;
END
$$;
