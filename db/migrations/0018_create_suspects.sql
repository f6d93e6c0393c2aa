-- migrate:up
SET lock_timeout = '3s';

-- What may have ended the process that sent it. After a worker has died, its successors note here what they are about to
-- send of its shards, and take it out again when that has ended: what stays was in flight when the next one died.
CREATE TABLE suspects (
    message_id text COLLATE "C" NOT NULL,
    endpoint_id text COLLATE "C" NOT NULL,
    -- How often it was begun under watch.
    begun smallint NOT NULL DEFAULT 1,
    noted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (message_id, endpoint_id)
);

-- migrate:down
SET lock_timeout = '3s';
DROP TABLE suspects;
