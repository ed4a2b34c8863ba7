-- Web Push: where a person's browsers are reached, what their push services answered, and which of those are left alone.

-- The endpoint is a secret address of one browser and personal data; it is kept here and nowhere else. Its digest finds
-- it again without saying what it is.
CREATE TABLE push_subscriptions (
    subscription_id uuid PRIMARY KEY,
    person_id uuid NOT NULL,
    endpoint text NOT NULL CHECK (length(endpoint) <= 2048),
    endpoint_sha256 bytea NOT NULL UNIQUE CHECK (octet_length(endpoint_sha256) = 32),
    -- Scheme, host and port: whom our VAPID token speaks to.
    origin text NOT NULL CHECK (length(origin) <= 300),
    -- An uncompressed point of P-256, and the shared secret (RFC 8291, section 3).
    p256dh bytea NOT NULL CHECK (octet_length(p256dh) = 65),
    auth bytea NOT NULL CHECK (octet_length(auth) = 16),
    created_at timestamptz NOT NULL,
    confirmed_at timestamptz NOT NULL,
    -- Nothing is sent here before this instant: it answered 429, or refused our key while it took others' messages.
    paused_until timestamptz,
    paused_reason text CHECK (paused_reason IN ('throttled', 'refused')),
    last_outcome text,
    last_outcome_at timestamptz,
    accepted_at timestamptz,
    CHECK ((paused_until IS NULL) = (paused_reason IS NULL))
) WITH (fillfactor = 80);
CREATE INDEX push_subscriptions_of_person ON push_subscriptions (person_id, confirmed_at);

-- Push services that refused our key (401, 403): nothing is sent to them until then, unless by another key.
CREATE TABLE push_origins (
    origin text PRIMARY KEY,
    -- The public key under which what follows was learned (base64url of the point).
    vapid_key text NOT NULL,
    accepted_at timestamptz,
    suspended_until timestamptz,
    suspended_reason text,
    suspended_at timestamptz,
    CHECK ((suspended_until IS NULL) = (suspended_reason IS NULL AND suspended_at IS NULL))
) WITH (fillfactor = 80);

-- What became of a notification at each browser, attempt by attempt. Ids only; pruned by age.
CREATE TABLE push_deliveries (
    notification_id uuid NOT NULL,
    attempt integer NOT NULL,
    subscription_id uuid NOT NULL,
    outcome text NOT NULL,
    status smallint,
    at timestamptz NOT NULL,
    PRIMARY KEY (notification_id, attempt, subscription_id)
);
CREATE INDEX push_deliveries_age ON push_deliveries (at);

DO $$
DECLARE
    protected text;
BEGIN
    FOREACH protected IN ARRAY ARRAY['push_subscriptions', 'push_origins', 'push_deliveries'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', protected);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', protected);
        EXECUTE format(
            'CREATE POLICY district ON %I USING ((SELECT current_setting(''sutki.scope'', true) = ''district''))',
            protected
        );
    END LOOP;
END
$$;
