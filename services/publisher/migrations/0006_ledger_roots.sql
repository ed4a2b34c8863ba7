-- The ledger's days: each school's summary, one signed root of the district, and the keys that roots are checked with.
-- All three are facts that were published: nobody changes them.

CREATE TABLE ledger_keys (
    key_id text PRIMARY KEY,
    public_key bytea NOT NULL UNIQUE CHECK (octet_length(public_key) = 32),
    first_used_at timestamptz NOT NULL
);

CREATE TABLE ledger_roots (
    day date PRIMARY KEY,
    -- Canonical JSON as text: what was signed, to the byte.
    statement text NOT NULL,
    signature bytea NOT NULL CHECK (octet_length(signature) = 64),
    -- The digest of the day before (zeros on the first day); once more outside the statement, for the trigger.
    previous bytea NOT NULL,
    key_id text NOT NULL REFERENCES ledger_keys,
    sealed_at timestamptz NOT NULL
);

CREATE TABLE ledger_school_days (
    school_id uuid NOT NULL,
    day date NOT NULL REFERENCES ledger_roots,
    -- One more than last_seq where the school appended nothing.
    first_seq bigint NOT NULL,
    last_seq bigint NOT NULL,
    head bytea NOT NULL,
    root bytea NOT NULL,
    PRIMARY KEY (school_id, day),
    CHECK (first_seq BETWEEN 1 AND last_seq + 1)
);
CREATE INDEX ledger_school_days_by_day ON ledger_school_days (day, school_id);

CREATE TRIGGER ledger_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_keys
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();
CREATE TRIGGER ledger_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_roots
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();
CREATE TRIGGER ledger_is_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger_school_days
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();
CREATE TRIGGER ledger_is_append_only BEFORE DELETE OR TRUNCATE ON ledger_heads
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_is_append_only();

REVOKE UPDATE, DELETE, TRUNCATE ON ledger_keys, ledger_roots, ledger_school_days FROM sutki_publisher;

-- A day follows the day before it, and names it.
CREATE FUNCTION ledger_roots_follow() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before record;
BEGIN
    SELECT day, sha256(convert_to(statement, 'UTF8')) AS digest INTO before FROM ledger_roots ORDER BY day DESC LIMIT 1;
    IF FOUND AND (NEW.day <> before.day + 1 OR NEW.previous <> before.digest) THEN
        RAISE EXCEPTION 'the root of % does not follow that of %', NEW.day, before.day USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER ledger_roots_follow BEFORE INSERT ON ledger_roots FOR EACH ROW EXECUTE FUNCTION ledger_roots_follow();

-- The service moves the heads, and can move them nowhere but forward, onto an entry that is there.
CREATE FUNCTION ledger_heads_go_forward() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.school_id <> OLD.school_id OR NEW.seq <= OLD.seq OR NOT EXISTS (
        SELECT FROM ledger l WHERE l.school_id = NEW.school_id AND l.seq = NEW.seq AND l.hash = NEW.hash
    ) THEN
        RAISE EXCEPTION 'the head of a chain moves forward only, onto an entry that is there'
            USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN NEW;
END
$$;
CREATE TRIGGER ledger_heads_go_forward BEFORE UPDATE ON ledger_heads
    FOR EACH ROW EXECUTE FUNCTION ledger_heads_go_forward();

DO $$
DECLARE
    protected text;
BEGIN
    FOREACH protected IN ARRAY ARRAY['ledger_keys', 'ledger_roots', 'ledger_school_days'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', protected);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', protected);
        EXECUTE format(
            'CREATE POLICY district ON %I USING ((SELECT current_setting(''sutki.scope'', true) = ''district''))',
            protected
        );
    END LOOP;
END
$$;
CREATE POLICY school ON ledger_school_days FOR SELECT USING (
    (SELECT current_setting('sutki.scope', true)) = 'school' AND
    school_id = (SELECT nullif(current_setting('sutki.school_id', true), '')::uuid)
);
