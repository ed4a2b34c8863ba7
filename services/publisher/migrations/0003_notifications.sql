-- Notifications by more than one channel: what people prefer, news beside results, digests, quiet hours, falling to the
-- next channel, and a log of every state that a notification was ever in.

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '60s';
-- Row-level security holds for the owner, too.
SET LOCAL sutki.scope = 'district';

ALTER TABLE consents ADD COLUMN push_decision text NOT NULL DEFAULT 'unanswered';

-- Whether the version before the present one was a deferral: a grade that follows a deferral corrects nothing.
ALTER TABLE results ADD COLUMN after_deferral boolean NOT NULL DEFAULT false;

-- One row: one message by one channel to one recipient about one child.
ALTER TABLE notifications ADD COLUMN channel text NOT NULL DEFAULT 'email' CHECK (channel IN ('email', 'push'));
ALTER TABLE notifications ADD COLUMN occasion text NOT NULL DEFAULT 'results'
    CHECK (occasion IN ('results', 'news', 'digest'));
-- News are told in the state in which they are when the message is claimed.
ALTER TABLE notifications ADD COLUMN news_ids uuid[] NOT NULL DEFAULT '{}';
-- Those of them of which something else was told before.
ALTER TABLE notifications ADD COLUMN corrected_ids uuid[] NOT NULL DEFAULT '{}';
-- The first deadline of what it tells: quiet hours never hold it back beyond that.
ALTER TABLE notifications ADD COLUMN deadline_at timestamptz;
-- Unsent by then, the next channel takes over. Empty: there is none.
ALTER TABLE notifications ADD COLUMN fall_at timestamptz;
-- The notification by the failed channel in whose place this one came.
ALTER TABLE notifications ADD COLUMN fell_from uuid;
-- Since when what has failed is dealt with: it fell to the next channel, or there was none.
ALTER TABLE notifications ADD COLUMN fallen_at timestamptz;
ALTER TABLE notifications ADD COLUMN resolved_by text;
ALTER TABLE notifications ADD COLUMN resolved_why text;
UPDATE notifications SET fallen_at = settled_at WHERE state IN ('failed', 'cancelled');

-- A migration runs in a transaction, so not concurrently.
-- squawk-ignore require-concurrent-index-deletion
DROP INDEX notifications_gathering;
CREATE UNIQUE INDEX notifications_gathering ON notifications (recipient_id, student_id, channel, occasion)
    WHERE state = 'queued' AND occasion <> 'digest' AND fell_from IS NULL;
-- squawk-ignore require-concurrent-index-deletion
DROP INDEX notifications_due;
CREATE INDEX notifications_due ON notifications (channel, send_after) WHERE state IN ('queued', 'retry');
CREATE UNIQUE INDEX notifications_fell ON notifications (fell_from) WHERE fell_from IS NOT NULL;
CREATE INDEX notifications_to_fall ON notifications (fall_at)
    WHERE state IN ('queued', 'retry') AND fall_at IS NOT NULL;
CREATE INDEX notifications_failed ON notifications (settled_at)
    WHERE fallen_at IS NULL AND (state = 'failed' OR (state = 'cancelled' AND reason = 'no_consent'));
CREATE INDEX notifications_of_recipient ON notifications (recipient_id, queued_at);
CREATE INDEX notifications_of_student ON notifications (student_id, queued_at);

-- The table of allowed transitions (domain/states.py), once more where nothing can go around it.
CREATE FUNCTION notifications_change_as_allowed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a notification cannot go from % to %', OLD.state, NEW.state USING ERRCODE = 'check_violation';
END
$$;
CREATE TRIGGER notifications_change_as_allowed BEFORE UPDATE ON notifications FOR EACH ROW
    WHEN (OLD.state <> NEW.state AND OLD.state || '>' || NEW.state <> ALL (ARRAY[
        'queued>claimed', 'queued>cancelled', 'queued>failed',
        'retry>claimed', 'retry>cancelled', 'retry>failed',
        'claimed>sent', 'claimed>retry', 'claimed>failed', 'claimed>cancelled', 'claimed>undecided',
        'undecided>sent', 'undecided>failed', 'undecided>retry', 'undecided>cancelled',
        'sent>failed'
    ])) EXECUTE FUNCTION notifications_change_as_allowed();

-- Every state of every notification, as it came to be; nothing is ever changed or removed.
CREATE TABLE notification_log (
    entry_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    notification_id uuid NOT NULL,
    school_id uuid NOT NULL,
    student_id uuid NOT NULL,
    recipient_id uuid NOT NULL,
    at timestamptz NOT NULL,
    state text NOT NULL,
    channel text NOT NULL,
    occasion text NOT NULL,
    reason text,
    attempt integer NOT NULL,
    -- Of a decision that a person took: who, and why.
    actor text,
    note text
);
CREATE INDEX notification_log_notification ON notification_log (notification_id, entry_id);
CREATE INDEX notification_log_recipient ON notification_log (recipient_id, entry_id);
CREATE INDEX notification_log_student ON notification_log (student_id, entry_id);
CREATE INDEX notification_log_school ON notification_log (school_id, entry_id);
REVOKE UPDATE, DELETE, TRUNCATE ON notification_log FROM sutki_publisher;

CREATE FUNCTION notifications_are_logged() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO notification_log (notification_id, school_id, student_id, recipient_id, at, state, channel, occasion,
                                      reason, attempt)
        SELECT n.notification_id, n.school_id, n.student_id, n.recipient_id, n.queued_at, n.state, n.channel, n.occasion,
               n.reason, n.attempts
        FROM changed n ORDER BY n.notification_id;
    ELSE
        INSERT INTO notification_log (notification_id, school_id, student_id, recipient_id, at, state, channel, occasion,
                                      reason, attempt, actor, note)
        SELECT n.notification_id, n.school_id, n.student_id, n.recipient_id,
               CASE n.state WHEN 'claimed' THEN n.claimed_at ELSE n.settled_at END,
               n.state, n.channel, n.occasion, n.reason, n.attempts,
               CASE WHEN n.reason = 'by_operator' THEN n.resolved_by END,
               CASE WHEN n.reason = 'by_operator' THEN n.resolved_why END
        FROM changed n JOIN former o ON o.notification_id = n.notification_id
        WHERE o.state <> n.state ORDER BY n.notification_id;
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER notifications_are_logged_new AFTER INSERT ON notifications
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION notifications_are_logged();
CREATE TRIGGER notifications_are_logged AFTER UPDATE ON notifications
    REFERENCING NEW TABLE AS changed OLD TABLE AS former
    FOR EACH STATEMENT EXECUTE FUNCTION notifications_are_logged();

-- What differs from the defaults (domain/preferences.py), of one recipient about one child.
CREATE TABLE preferences (
    recipient_id uuid NOT NULL,
    student_id uuid NOT NULL,
    revision bigint NOT NULL,
    -- {kind: {channel: mode}}
    modes jsonb NOT NULL,
    -- Both empty: the district's quiet hours; both the same: none.
    quiet_from time,
    quiet_until time,
    digest_hour smallint,
    digest_weekday smallint,
    changed_at timestamptz NOT NULL,
    PRIMARY KEY (recipient_id, student_id)
);
CREATE INDEX preferences_of_student ON preferences (student_id);

-- Which students a group has: whose children its homework and its lessons concern.
CREATE TABLE news_groups (
    group_id uuid PRIMARY KEY,
    revision bigint NOT NULL,
    school_id uuid NOT NULL
) WITH (fillfactor = 80);
CREATE TABLE group_members (
    group_id uuid NOT NULL,
    student_id uuid NOT NULL,
    PRIMARY KEY (group_id, student_id)
);
CREATE INDEX group_members_student ON group_members (student_id);

-- A group's weekly lessons, kept to see what a change of them means for tomorrow.
CREATE TABLE group_timetables (
    group_id uuid PRIMARY KEY,
    revision bigint NOT NULL,
    school_id uuid NOT NULL,
    slots jsonb NOT NULL
);

-- What is told beside results, each thing in its latest state; only what a message prints of it.
CREATE TABLE news (
    news_id uuid PRIMARY KEY,
    revision bigint NOT NULL,
    kind text NOT NULL CHECK (kind IN ('mark', 'timetable_change', 'homework', 'recommendation', 'forecast')),
    school_id uuid NOT NULL,
    -- Either one student, or a group and, where there are any, only these of it.
    student_id uuid,
    group_id uuid,
    only_students uuid[] NOT NULL DEFAULT '{}',
    on_day date,
    state text NOT NULL CHECK (state IN ('current', 'withdrawn')),
    content jsonb NOT NULL,
    -- When the journal took it; when this state, and the first one, became known here.
    changed_at timestamptz NOT NULL,
    received_at timestamptz NOT NULL,
    first_received_at timestamptz NOT NULL,
    -- When it is to be told to those who want it at once; empty when nobody waits for that.
    tell_at timestamptz,
    told_at timestamptz
) WITH (fillfactor = 80);
CREATE INDEX news_of_student ON news (student_id, received_at) WHERE student_id IS NOT NULL;
CREATE INDEX news_of_group ON news (group_id, received_at) WHERE group_id IS NOT NULL;
CREATE INDEX news_to_tell ON news (tell_at) WHERE tell_at IS NOT NULL;
CREATE INDEX news_age ON news (received_at);

-- Up to which instant digests have read the news: what is taken later counts as received later.
CREATE TABLE news_reading (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    read_until timestamptz NOT NULL
) WITH (fillfactor = 50);
INSERT INTO news_reading (read_until) VALUES ('2000-01-01 00:00:00+00');

-- The windows of digests: from where the next one reads, and when that is.
CREATE TABLE digests (
    recipient_id uuid NOT NULL,
    student_id uuid NOT NULL,
    channel text NOT NULL CHECK (channel IN ('email', 'push')),
    due_at timestamptz NOT NULL,
    daily_from timestamptz NOT NULL,
    weekly_from timestamptz NOT NULL,
    PRIMARY KEY (recipient_id, student_id, channel)
) WITH (fillfactor = 50);
CREATE INDEX digests_due ON digests (due_at);
CREATE INDEX digests_of_student ON digests (student_id);
INSERT INTO digests (recipient_id, student_id, channel, due_at, daily_from, weekly_from)
SELECT representative_id, student_id, 'email', now() + clock_shift(), now() + clock_shift(), now() + clock_shift()
FROM consents WHERE email_decision = 'given';

-- What no electronic channel could tell and was asked for on paper: once for each version and recipient.
CREATE TABLE told_on_paper (
    result_id uuid NOT NULL,
    value_revision bigint NOT NULL,
    recipient_id uuid NOT NULL,
    school_id uuid NOT NULL,
    notification_id uuid NOT NULL,
    request_id uuid NOT NULL,
    asked_at timestamptz NOT NULL,
    PRIMARY KEY (result_id, value_revision, recipient_id)
);

DO $$
DECLARE
    protected text;
BEGIN
    FOREACH protected IN ARRAY ARRAY[
        'notification_log', 'preferences', 'news_groups', 'group_members', 'group_timetables', 'news', 'news_reading',
        'digests', 'told_on_paper'
    ] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', protected);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', protected);
        EXECUTE format(
            'CREATE POLICY district ON %I USING ((SELECT current_setting(''sutki.scope'', true) = ''district''))',
            protected
        );
    END LOOP;
    FOREACH protected IN ARRAY ARRAY['notification_log', 'told_on_paper'] LOOP
        EXECUTE format(
            'CREATE POLICY school ON %I FOR SELECT USING ('
            '(SELECT current_setting(''sutki.scope'', true) = ''school'') AND '
            'school_id = (SELECT nullif(current_setting(''sutki.school_id'', true), '''')::uuid))',
            protected
        );
    END LOOP;
END
$$;
