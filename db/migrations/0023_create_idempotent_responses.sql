-- migrate:up
SET lock_timeout = '3s';

-- What a POST with an idempotency key was answered, written by the transaction that did what it asked for. Messages have
-- a table of their own (idempotency_keys): their answer can be made from the message, and so is not stored.
CREATE TABLE idempotent_responses (
    -- A digest of who asked, for what, under which key.
    id text COLLATE "C" PRIMARY KEY,
    organization_id text COLLATE "C" NOT NULL,
    request_hash bytea NOT NULL,
    -- Null until the transaction that made the row has its answer.
    status smallint,
    media_type text,
    -- Sealed: some answers are the only place where a token can be read.
    body bytea,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX idempotent_responses_created_at ON idempotent_responses USING brin (created_at);

-- migrate:down
SET lock_timeout = '3s';
DROP TABLE idempotent_responses;
