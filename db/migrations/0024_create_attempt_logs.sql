-- migrate:up
SET lock_timeout = '3s';

-- Attempts of which an organization that asked for it is yet to be told (`message.attempt.log`): written by the transaction
-- that records them, taken out by the one that tells of them.
CREATE TABLE attempt_logs (
    attempt_id text COLLATE "C" PRIMARY KEY,
    organization_id text COLLATE "C" NOT NULL,
    application_id text COLLATE "C" NOT NULL,
    endpoint_id text COLLATE "C" NOT NULL,
    message_id text COLLATE "C" NOT NULL,
    status smallint NOT NULL,
    response_status_code smallint NOT NULL,
    -- Of the delivery so far, this one included.
    attempts smallint NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL
);
CREATE INDEX attempt_logs_organization ON attempt_logs (organization_id, ended_at);

-- migrate:down
SET lock_timeout = '3s';
DROP TABLE attempt_logs;
