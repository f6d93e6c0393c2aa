-- migrate:up
SET lock_timeout = '3s';

-- History: written once, read by key, dropped by partition. Range-partitioned by id, and ids sort by time
-- (KSUID-ms), so a range of ids is a range of time. The default partitions catch what no range holds, so that
-- a missing partition never refuses a message.

CREATE TABLE messages (
    id text COLLATE "C" NOT NULL,
    application_id text COLLATE "C" NOT NULL,
    event_type text COLLATE "C" NOT NULL,
    event_id text COLLATE "C",
    channels text[],
    tags text[],
    -- The JSON object as received, byte for byte; NULL once expunged or expired.
    payload bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (id)
) PARTITION BY RANGE (id);
CREATE INDEX messages_application_id ON messages (application_id, id);
CREATE TABLE messages_default PARTITION OF messages DEFAULT;

-- One row for each delivery that was tried at least once, first written with its first outcome.
-- state: 0 delivered, 1 due (being retried), 2 failed, 4 canceled (the numbers of the API's message status).
CREATE TABLE deliveries (
    message_id text COLLATE "C" NOT NULL,
    endpoint_id text COLLATE "C" NOT NULL,
    application_id text COLLATE "C" NOT NULL,
    state smallint NOT NULL CHECK (state IN (0, 1, 2, 4)),
    attempts smallint NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (message_id, endpoint_id)
) PARTITION BY RANGE (message_id);
CREATE INDEX deliveries_endpoint_message ON deliveries (endpoint_id, message_id);
CREATE TABLE deliveries_default PARTITION OF deliveries DEFAULT;

-- One row for each HTTP try; never changed, but for an expunged response.
-- status: 0 success, 2 fail. trigger: 0 scheduled, 1 manual.
CREATE TABLE attempts (
    id text COLLATE "C" NOT NULL,
    message_id text COLLATE "C" NOT NULL,
    endpoint_id text COLLATE "C" NOT NULL,
    application_id text COLLATE "C" NOT NULL,
    url text NOT NULL,
    status smallint NOT NULL CHECK (status IN (0, 2)),
    trigger smallint NOT NULL CHECK (trigger IN (0, 1)),
    response_status_code smallint NOT NULL,
    response bytea,
    response_duration_ms integer NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (message_id, id)
) PARTITION BY RANGE (id);
CREATE INDEX attempts_endpoint_id ON attempts (endpoint_id, id);
CREATE TABLE attempts_default PARTITION OF attempts DEFAULT;

-- Uniqueness that spans partitions.
CREATE TABLE message_event_ids (
    application_id text COLLATE "C" NOT NULL,
    event_id text COLLATE "C" NOT NULL,
    message_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (application_id, event_id)
);

CREATE TABLE idempotency_keys (
    organization_id text COLLATE "C" NOT NULL,
    key bytea NOT NULL,
    request_hash bytea NOT NULL,
    message_id text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (organization_id, key)
);
CREATE INDEX idempotency_keys_created_at ON idempotency_keys USING brin (created_at);

-- migrate:down
SET lock_timeout = '3s';
DROP TABLE idempotency_keys;
DROP TABLE message_event_ids;
DROP TABLE attempts;
DROP TABLE deliveries;
DROP TABLE messages;
