-- Mails: how fast providers take them, what bounced, whose address takes nothing any more, and who ended them by one click.

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';

-- Addresses are told apart without being kept. The database's encoding is UTF-8, so the same text always gives the same
-- bytes, which `convert_to` alone cannot promise.
CREATE FUNCTION address_sha256(address text) RETURNS bytea LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN sha256(convert_to(lower(btrim(address)), 'UTF8'));

-- Stored, since row-level security lets an index be used for a plain column only. The table has a row for each consent:
-- writing it anew takes a moment.
-- squawk-ignore adding-field-with-default
ALTER TABLE consents ADD COLUMN email_sha256 bytea GENERATED ALWAYS AS (address_sha256(email)) STORED;
CREATE INDEX consents_of_address ON consents (email_sha256) WHERE email_sha256 IS NOT NULL;

-- A token bucket for each provider, shared by all processes. `granted` is what the last asking got.
CREATE TABLE mail_providers (
    provider text PRIMARY KEY,
    rate double precision NOT NULL,
    tokens double precision NOT NULL,
    filled_at timestamptz NOT NULL,
    granted integer NOT NULL DEFAULT 0,
    -- When the last of the mails that found no token is looked at again.
    queue_until timestamptz,
    -- The provider said that we are too fast: it is left alone until then.
    paused_until timestamptz,
    pause_seconds double precision NOT NULL DEFAULT 0
) WITH (fillfactor = 50);

-- To which address an accepted mail went: its bounce must not be held against an address that came later.
CREATE TABLE mail_deliveries (
    notification_id uuid PRIMARY KEY,
    school_id uuid NOT NULL,
    address_sha256 bytea NOT NULL,
    accepted_at timestamptz NOT NULL
);
CREATE INDEX mail_deliveries_age ON mail_deliveries (accepted_at);

CREATE TABLE bounces (
    notification_id uuid NOT NULL,
    digest bytea NOT NULL,
    school_id uuid NOT NULL,
    address_sha256 bytea NOT NULL,
    severity text NOT NULL CHECK (severity IN ('address', 'policy', 'soft')),
    status text NOT NULL,
    way text NOT NULL CHECK (way IN ('smtp', 'mailbox', 'http')),
    received_at timestamptz NOT NULL,
    PRIMARY KEY (notification_id, digest)
);
CREATE INDEX bounces_of_address ON bounces (address_sha256, received_at);
CREATE INDEX bounces_age ON bounces (received_at);

-- History: at most one of an address is in force.
CREATE TABLE suppressions (
    address_sha256 bytea NOT NULL,
    since timestamptz NOT NULL,
    reason text NOT NULL CHECK (reason IN ('address', 'policy', 'soft')),
    status text NOT NULL,
    notification_id uuid NOT NULL,
    lifted_at timestamptz,
    lifted_by text,
    lifted_why text,
    PRIMARY KEY (address_sha256, since),
    CHECK ((lifted_at IS NULL) = (lifted_by IS NULL))
);
CREATE UNIQUE INDEX suppressions_in_force ON suppressions (address_sha256) WHERE lifted_at IS NULL;

-- History, too. The mails about one child end for one recipient; another child's go on.
CREATE TABLE mail_unsubscribed (
    recipient_id uuid NOT NULL,
    student_id uuid NOT NULL,
    unsubscribed_at timestamptz NOT NULL,
    way text NOT NULL CHECK (way IN ('one_click', 'mail')),
    mails_cancelled integer NOT NULL,
    ended_at timestamptz,
    PRIMARY KEY (recipient_id, student_id, unsubscribed_at)
);
CREATE UNIQUE INDEX mail_unsubscribed_in_force ON mail_unsubscribed (recipient_id, student_id) WHERE ended_at IS NULL;
CREATE INDEX mail_unsubscribed_student ON mail_unsubscribed (student_id);

DO $$
DECLARE
    protected text;
BEGIN
    FOREACH protected IN ARRAY ARRAY[
        'mail_providers', 'mail_deliveries', 'bounces', 'suppressions', 'mail_unsubscribed'
    ] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', protected);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', protected);
        EXECUTE format(
            'CREATE POLICY district ON %I USING ((SELECT current_setting(''sutki.scope'', true) = ''district''))',
            protected
        );
    END LOOP;
END
$$;
