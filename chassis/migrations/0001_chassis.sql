-- What every service's database has beside its own tables.

-- Facts on their way to the broker, written in the fact's own transaction. Column names are those that Debezium's outbox
-- event router expects by default: aggregatetype routes, aggregateid is the key.
CREATE TABLE outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    aggregatetype text NOT NULL,
    aggregateid text NOT NULL,
    type text NOT NULL,
    payload text,
    event_id uuid NOT NULL,
    occurred_at timestamptz NOT NULL,
    traceparent text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    published_at timestamptz,
    failure text
);
CREATE INDEX outbox_unpublished ON outbox (id) WHERE published_at IS NULL AND failure IS NULL;
CREATE INDEX outbox_refused ON outbox (id) WHERE published_at IS NULL AND failure IS NOT NULL;
CREATE INDEX outbox_published ON outbox (published_at) WHERE published_at IS NOT NULL;

-- Events that were applied, by consumer: a redelivered one changes nothing.
CREATE TABLE inbox (
    consumer text NOT NULL,
    event_id uuid NOT NULL,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (consumer, event_id)
);
CREATE INDEX inbox_received ON inbox (received_at);

-- What could not be applied and never will without a change; an operator looks and replays. A letter is settled when its
-- event was applied after all (replayed_at) or was given up (discarded_at).
CREATE TABLE dead_letters (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    consumer text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    "offset" bigint NOT NULL,
    event_id uuid,
    event_type text,
    key bytea,
    headers jsonb NOT NULL,
    value bytea,
    reason text NOT NULL,
    -- False where the content could not be kept, or was erased: such a letter cannot be applied again.
    whole boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    asked_at timestamptz,
    replayed_at timestamptz,
    discarded_at timestamptz,
    discarded_because text,
    -- A broker that was made anew counts its offsets from 0 again.
    content_sha256 bytea NOT NULL,
    UNIQUE (consumer, topic, partition, "offset", content_sha256)
);
CREATE INDEX dead_letters_open ON dead_letters (id) WHERE replayed_at IS NULL AND discarded_at IS NULL;
CREATE INDEX dead_letters_open_event ON dead_letters (consumer, event_id) WHERE replayed_at IS NULL;

-- Programs that may call the HTTP API. Only a hash of the secret is kept.
CREATE TABLE api_clients (
    client_id uuid PRIMARY KEY,
    school_id uuid,
    label text NOT NULL,
    secret_sha256 bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    revoked_at timestamptz
);

-- The outbox may carry names: only whole-district work reads it; anybody in the service appends.
ALTER TABLE outbox ENABLE ROW LEVEL SECURITY;
ALTER TABLE outbox FORCE ROW LEVEL SECURITY;
CREATE POLICY district ON outbox USING ((SELECT current_setting('sutki.scope', true) = 'district'));
CREATE POLICY append ON outbox FOR INSERT WITH CHECK (true);
ALTER TABLE dead_letters ENABLE ROW LEVEL SECURITY;
ALTER TABLE dead_letters FORCE ROW LEVEL SECURITY;
CREATE POLICY district ON dead_letters USING ((SELECT current_setting('sutki.scope', true) = 'district'));
