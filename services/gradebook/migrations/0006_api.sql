-- What the HTTP API keeps: answers to requests that may be sent again, and the feed of changes.

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '300s';

-- The answer to a request with an Idempotency-Key, written in the transaction that took its records: who sends the same
-- again gets the same answer. A refused request changed nothing and is not kept.
CREATE TABLE idempotency_keys (
    client_id uuid NOT NULL,
    key text NOT NULL CHECK (key <> ''),
    school_id uuid NOT NULL,
    -- Of method, path, parameters and body.
    fingerprint bytea NOT NULL CHECK (octet_length(fingerprint) = 32),
    answer jsonb NOT NULL,
    kept_since timestamptz NOT NULL,
    PRIMARY KEY (client_id, key)
);
CREATE INDEX idempotency_keys_kept_since ON idempotency_keys (kept_since);
REVOKE UPDATE, TRUNCATE ON idempotency_keys FROM sutki_gradebook;

ALTER TABLE idempotency_keys ENABLE ROW LEVEL SECURITY;
ALTER TABLE idempotency_keys FORCE ROW LEVEL SECURITY;
CREATE POLICY district ON idempotency_keys USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY school ON idempotency_keys USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);

-- The feed of changes: one row for each revision, written in the transaction that makes it. Its order is that of the
-- transactions: readers see only what is older than every transaction that still runs, so that none commits behind
-- their cursor. A plain sequence could not promise that.
CREATE TABLE changes (
    made_by xid8 NOT NULL DEFAULT pg_current_xact_id(),
    place bigint GENERATED ALWAYS AS IDENTITY,
    kind text NOT NULL,
    aggregate_id uuid NOT NULL,
    -- Null for persons, whom several schools may know.
    school_id uuid,
    revision bigint NOT NULL CHECK (revision >= 1),
    state text,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (made_by, place)
);
CREATE INDEX changes_school ON changes (school_id, made_by, place);
REVOKE UPDATE, TRUNCATE ON changes FROM sutki_gradebook;

ALTER TABLE changes ENABLE ROW LEVEL SECURITY;
ALTER TABLE changes FORCE ROW LEVEL SECURITY;
CREATE POLICY district ON changes USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
CREATE POLICY school ON changes USING (
    (SELECT current_setting('sutki.scope', true)) = 'school'
    AND (
        school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
        OR (school_id IS NULL AND EXISTS (SELECT FROM persons AS p WHERE p.person_id = changes.aggregate_id))
    )
);

-- Triggers keep it, so that none of those who write can forget it; once for a statement.
-- Arguments: kind, key, school, state and time of change, as expressions over a row.
CREATE FUNCTION note_changes() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    rows text := 'fresh WHERE revision > 0';
BEGIN
    IF TG_OP = 'UPDATE' THEN
        -- A statement may touch a row without making a revision.
        rows := format(
            'fresh WHERE NOT EXISTS (SELECT FROM stale AS s WHERE s.%1$I = fresh.%1$I AND s.revision >= fresh.revision)',
            TG_ARGV[1]
        );
    END IF;
    EXECUTE format(
        'INSERT INTO changes (kind, aggregate_id, school_id, revision, state, changed_at)'
        ' SELECT %L, %I, %s, revision, %s, %I FROM %s',
        TG_ARGV[0], TG_ARGV[1], TG_ARGV[2], TG_ARGV[3], TG_ARGV[4], rows
    );
    RETURN NULL;
END
$$;

DO $$
DECLARE
    t record;
BEGIN
    FOR t IN
        SELECT * FROM (VALUES
            ('schools', 'school', 'school_id', 'school_id', 'NULL', 'changed_at'),
            ('persons', 'person', 'person_id', 'NULL', 'NULL', 'changed_at'),
            ('study_groups', 'group', 'group_id', 'school_id', 'NULL', 'changed_at'),
            ('campuses', 'campus', 'campus_id', 'school_id', 'state', 'changed_at'),
            ('school_years', 'school_year', 'school_year_id', 'school_id', 'state', 'changed_at'),
            ('holidays', 'holiday', 'holiday_id', 'school_id', 'state', 'changed_at'),
            ('teaching', 'teaching', 'teaching_id', 'school_id', 'state', 'changed_at'),
            ('curriculum_plan', 'curriculum', 'curriculum_id', 'school_id', 'state', 'changed_at'),
            ('timetable_slots', 'slot', 'slot_id', 'school_id', 'state', 'changed_at'),
            ('lessons', 'lesson', 'lesson_id', 'school_id', 'state', 'changed_at'),
            ('substitutions', 'substitution', 'substitution_id', 'school_id', 'state', 'changed_at'),
            ('control_works', 'control_work', 'control_work_id', 'school_id', 'state', 'changed_at'),
            ('homework', 'homework', 'homework_id', 'school_id', 'state', 'changed_at'),
            ('recommendations', 'recommendation', 'recommendation_id', 'school_id', 'state', 'changed_at'),
            ('attendance', 'attendance', 'attendance_id', 'school_id', 'state', 'changed_at'),
            ('marks', 'mark', 'mark_id', 'school_id', 'state', 'recorded_at'),
            ('final_grades', 'final_grade', 'result_id', 'school_id', 'state', 'changed_at'),
            ('exam_results', 'exam_result', 'result_id', 'school_id', 'state', 'changed_at')
        ) AS v (name, kind, key, school, state, changed)
    LOOP
        EXECUTE format(
            'CREATE TRIGGER changes_of_new AFTER INSERT ON %I REFERENCING NEW TABLE AS fresh'
            ' FOR EACH STATEMENT EXECUTE FUNCTION note_changes(%L, %L, %L, %L, %L)',
            t.name, t.kind, t.key, t.school, t.state, t.changed
        );
        EXECUTE format(
            'CREATE TRIGGER changes_of_known AFTER UPDATE ON %I REFERENCING OLD TABLE AS stale NEW TABLE AS fresh'
            ' FOR EACH STATEMENT EXECUTE FUNCTION note_changes(%L, %L, %L, %L, %L)',
            t.name, t.kind, t.key, t.school, t.state, t.changed
        );
    END LOOP;
END
$$;
