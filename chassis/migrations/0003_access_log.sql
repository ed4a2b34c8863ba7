-- Who looked at whose data. Written in the transaction that reads; never changed, and deleted when its time is over.
CREATE TABLE access_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp() + clock_shift(),
    -- A program's client id, or the id of the person who was signed in.
    actor_kind text NOT NULL CHECK (actor_kind IN ('client', 'person', 'operator')),
    actor_id uuid,
    -- What was read, as a code; never the question, which may hold a name.
    action text NOT NULL,
    -- Whose data it was; null for a list of many.
    person_id uuid,
    school_id uuid,
    -- How many people the answer was about; null where that was not counted.
    people integer CHECK (people >= 0),
    CHECK ((actor_kind = 'operator') = (actor_id IS NULL))
);
CREATE INDEX access_log_of_person ON access_log (person_id, at) WHERE person_id IS NOT NULL;
CREATE INDEX access_log_by_time ON access_log (at);
CREATE INDEX access_log_of_lists ON access_log (actor_id, action, at) WHERE person_id IS NULL;

-- Anybody in the service appends; only whole-district work reads it, and nobody changes it.
ALTER TABLE access_log ENABLE ROW LEVEL SECURITY;
ALTER TABLE access_log FORCE ROW LEVEL SECURITY;
CREATE POLICY district ON access_log USING ((SELECT current_setting('sutki.scope', true) = 'district'));
CREATE POLICY append ON access_log FOR INSERT WITH CHECK (true);
CREATE FUNCTION access_log_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the access log is not changed' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER access_log_is_append_only BEFORE UPDATE OR TRUNCATE ON access_log
FOR EACH STATEMENT EXECUTE FUNCTION access_log_is_append_only();
