-- migrate:up
SET lock_timeout = '3s';

ALTER TABLE endpoints
    -- Seconds for one attempt; NULL: the setting's.
    ADD COLUMN timeout_seconds integer CHECK (timeout_seconds BETWEEN 1 AND 300),
    -- Sealed (app/sealing.py): JSON of how requests are authenticated; and PEM of the client certificate with its key.
    ADD COLUMN authentication bytea,
    ADD COLUMN client_identity bytea,
    -- PEM of authorities that the receiver's certificate is verified with, beside the system's. Not secret.
    ADD COLUMN server_authorities text;

-- migrate:down
SET lock_timeout = '3s';
ALTER TABLE endpoints
    DROP COLUMN server_authorities,
    DROP COLUMN client_identity,
    DROP COLUMN authentication,
    DROP COLUMN timeout_seconds;
