-- migrate:up
SET lock_timeout = '3s';

-- What is still to do, kept apart from history and small: a row is deleted when its delivery ends.
CREATE TABLE pending_deliveries (
    message_id text COLLATE "C" NOT NULL,
    endpoint_id text COLLATE "C" NOT NULL,
    application_id text COLLATE "C" NOT NULL,
    shard smallint NOT NULL,
    -- Attempts recorded so far: the position in the retry schedule, and the fence that refuses a zombie's late record.
    -- -1: one attempt outside of the schedule (a resend of a delivery that had ended).
    tries smallint NOT NULL DEFAULT 0,
    -- 0 scheduled, 1 manual (resend, recover): one attempt outside of the schedule.
    trigger smallint NOT NULL DEFAULT 0 CHECK (trigger IN (0, 1)),
    next_attempt_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (message_id, endpoint_id)
) WITH (
    fillfactor = 70,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_analyze_scale_factor = 0,
    autovacuum_analyze_threshold = 50000,
    autovacuum_vacuum_cost_delay = 0
);
CREATE INDEX pending_deliveries_due ON pending_deliveries (shard, next_attempt_at);
-- What one endpoint has waiting: read when it catches up, canceled when it is deleted.
CREATE INDEX pending_deliveries_endpoint ON pending_deliveries (endpoint_id, next_attempt_at);

-- Who drains a shard: at most one worker process, as long as it renews the lease.
CREATE TABLE shards (
    shard smallint PRIMARY KEY,
    owner text,
    leased_until timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 50);
INSERT INTO shards (shard) SELECT generate_series(0, 63);

-- migrate:down
SET lock_timeout = '3s';
DROP TABLE shards;
DROP TABLE pending_deliveries;
