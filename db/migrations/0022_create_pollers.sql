-- migrate:up
SET lock_timeout = '3s';

-- A poller is a filter over an application's messages, for receivers that fetch them. Publishing writes nothing for it.
CREATE TABLE pollers (
    id text COLLATE "C" PRIMARY KEY,
    application_id text COLLATE "C" NOT NULL REFERENCES applications (id),
    uid text COLLATE "C",
    description text NOT NULL DEFAULT '',
    -- NULL: all of them.
    event_types text[],
    channels text[],
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE UNIQUE INDEX pollers_application_uid ON pollers (application_id, uid) WHERE uid IS NOT NULL;
CREATE INDEX pollers_application_id ON pollers (application_id, id);

-- How far those have read who leave that to us.
CREATE TABLE poller_readers (
    poller_id text COLLATE "C" NOT NULL REFERENCES pollers (id) ON DELETE CASCADE,
    name text COLLATE "C" NOT NULL,
    -- Whether it is told how far by offsets that are committed, or by iterators.
    by_offset boolean NOT NULL,
    application_id text COLLATE "C" NOT NULL,
    -- In the feed of messages: everything before it was read, but for what is leased; NULL: nothing was.
    position text,
    -- The offset of the last message that was committed, and the messages behind it that were handed out.
    committed bigint NOT NULL DEFAULT 0,
    leased text[] NOT NULL DEFAULT '{}',
    -- Until then they are handed out to nobody else.
    leased_until timestamptz NOT NULL DEFAULT '-infinity',
    PRIMARY KEY (poller_id, name, by_offset)
);

-- Tokens of one application, or of one of its pollers; the text of the latter can be read again, and is sealed.
ALTER TABLE api_tokens
    ADD COLUMN application_id text COLLATE "C",
    ADD COLUMN poller_id text COLLATE "C",
    ADD COLUMN sealed bytea;
-- In this transaction: there are few tokens, and nobody waits for long.
CREATE INDEX api_tokens_poller_id ON api_tokens (poller_id, id) WHERE poller_id IS NOT NULL;

-- What stands in a link to a portal: good for one exchange into the portal's token, which is sealed.
CREATE TABLE one_time_tokens (
    id text COLLATE "C" PRIMARY KEY,
    organization_id text COLLATE "C" NOT NULL REFERENCES organizations (id),
    application_id text COLLATE "C" NOT NULL,
    hash bytea NOT NULL UNIQUE,
    sealed bytea NOT NULL,
    capabilities text[] NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX one_time_tokens_expires_at ON one_time_tokens (expires_at);

-- migrate:down
SET lock_timeout = '3s';
DROP TABLE one_time_tokens;
-- They would become tokens of their whole organization.
DELETE FROM api_tokens WHERE application_id IS NOT NULL;
DROP INDEX api_tokens_poller_id;
ALTER TABLE api_tokens DROP COLUMN sealed, DROP COLUMN poller_id, DROP COLUMN application_id;
DROP TABLE poller_readers;
DROP TABLE pollers;
