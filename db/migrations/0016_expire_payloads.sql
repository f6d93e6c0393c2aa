-- migrate:up
SET lock_timeout = '3s';

-- A payload in the payload store (app/payload_store): its size and its SHA-256. `payload` is NULL then; where these are
-- NULL too, the payload is gone. payload_days: how long the publisher wants it kept; NULL: as the organization has it.
ALTER TABLE messages ADD COLUMN stored_bytes integer, ADD COLUMN stored_digest bytea, ADD COLUMN payload_days smallint;

-- When payloads go whose publishers said so. A table of its own: an index of `messages` would be written for all.
CREATE TABLE payload_expiries (
    expires_at timestamptz NOT NULL,
    message_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (expires_at, message_id)
) WITH (autovacuum_vacuum_scale_factor = 0.02);

-- Days that payloads are kept if the publisher does not say; NULL: as long as their messages.
ALTER TABLE organizations ADD COLUMN payload_retention_days smallint CHECK (payload_retention_days > 0),
    -- Payloads of messages from before then are gone, but for those whose publishers said otherwise.
    ADD COLUMN payloads_expired_to timestamptz;

-- migrate:down
SET lock_timeout = '3s';
ALTER TABLE organizations DROP COLUMN payloads_expired_to, DROP COLUMN payload_retention_days;
DROP TABLE payload_expiries;
ALTER TABLE messages DROP COLUMN payload_days, DROP COLUMN stored_digest, DROP COLUMN stored_bytes;
