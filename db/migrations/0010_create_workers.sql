-- migrate:up
SET lock_timeout = '3s';

-- Who lives: each worker process renews its row once a second. From how many there are follows how many shards each may hold.
CREATE TABLE workers (
    -- As in shards.owner.
    name text COLLATE "C" PRIMARY KEY,
    seen_at timestamptz NOT NULL DEFAULT now()
) WITH (fillfactor = 50);

-- Since when it has been drained without a break, by whichever workers; NULL: it was given back for want of work.
ALTER TABLE shards ADD COLUMN busy_since timestamptz;

-- migrate:down
SET lock_timeout = '3s';
ALTER TABLE shards DROP COLUMN busy_since;
DROP TABLE workers;
