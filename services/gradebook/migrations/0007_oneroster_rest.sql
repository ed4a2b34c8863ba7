-- What OneRoster's REST provider needs for large journals, and against those who try secrets or never stop asking.

SET LOCAL lock_timeout = '5s';
SET LOCAL statement_timeout = '300s';

-- A school's results in the ids of a client's source, the withdrawn ones too: the indexes of statistics leave those out.
-- The source comes first so that nobody takes these for a way to one student's results.
CREATE INDEX marks_of_source ON marks (source, school_id);
CREATE INDEX final_grades_of_source ON final_grades (source, school_id);
CREATE INDEX exam_results_of_source ON exam_results (source, school_id);

-- Requests for access tokens, as long as they count. Client and address only as digests.
CREATE TABLE oneroster_token_requests (
    request_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    client_sha256 bytea NOT NULL CHECK (octet_length(client_sha256) = 32),
    address_sha256 bytea NOT NULL CHECK (octet_length(address_sha256) = 32),
    requested_at timestamptz NOT NULL,
    -- Whether the secret was right.
    known boolean NOT NULL
);
CREATE INDEX oneroster_token_requests_of_client ON oneroster_token_requests (client_sha256, requested_at);
CREATE INDEX oneroster_token_requests_of_address ON oneroster_token_requests (address_sha256, requested_at);
CREATE INDEX oneroster_token_requests_by_time ON oneroster_token_requests (requested_at);

ALTER TABLE oneroster_token_requests ENABLE ROW LEVEL SECURITY;
ALTER TABLE oneroster_token_requests FORCE ROW LEVEL SECURITY;
CREATE POLICY district ON oneroster_token_requests USING (
    CASE (SELECT current_setting('sutki.scope', true)) WHEN 'district' THEN true ELSE false END
);
